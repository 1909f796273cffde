//! What travels between the parts: questions to objects, and their answers.

use std::fmt::Debug;

use actors::ask::{
    Envelope, InventoryAsk, LaneAsk, Object, PaymentAsk, QueueAsk, answers, answers_together, decode, encode, question,
};
use domain::{machine::Answer, refusal::Refusal, time::Timestamp};
use fuzz::{Target, Verdict, bytes, json};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::samples::{START, inventory_asks, lane_asks, payment_asks, queue_asks};

/// A question is refused, or reads back as it was written.
fn is_read_or_refused<A: Serialize + DeserializeOwned + Debug>(name: &'static str, samples: Vec<Value>) {
    for sample in &samples {
        question::<A>(sample.to_string().as_bytes()).expect("a sample is valid");
    }
    Target::new(name).run(json::hostile(samples), |input| {
        let Ok(Envelope { trace, event, ask }) = question::<A>(input) else { return Verdict::Refused };
        let written = serde_json::to_vec(&Envelope { trace, event, ask: &ask }).unwrap();
        let again = question::<A>(&written).expect("what was written is read");
        assert_eq!(serde_json::to_value(&again.ask).unwrap(), serde_json::to_value(&ask).unwrap());
        Verdict::Accepted
    });
}

#[test]
fn a_question_to_an_inventory_is_read_or_refused() {
    is_read_or_refused::<InventoryAsk>("inventory-envelopes", inventory_asks());
}

#[test]
fn a_question_to_a_queue_is_read_or_refused() {
    is_read_or_refused::<QueueAsk>("queue-envelopes", queue_asks());
}

#[test]
fn a_question_to_a_lane_is_read_or_refused() {
    is_read_or_refused::<LaneAsk>("lane-envelopes", lane_asks());
}

#[test]
fn a_question_to_a_payment_is_read_or_refused() {
    is_read_or_refused::<PaymentAsk>("payment-envelopes", payment_asks());
}

#[test]
fn an_answer_is_read_or_refused() {
    let refusals = [
        Refusal::SoldOut,
        Refusal::SaleNotOpen { opens_at: Timestamp(START) },
        Refusal::SeatTaken { seat_ids: vec!["A-1-1".to_owned()] },
        Refusal::Invalid { field: "seat_ids".to_owned(), problem: "must not be empty".to_owned() },
    ];
    let granted = |replayed| Answer::Granted { body: b"{\"a\":1}".to_vec(), replayed };
    let given = refusals.into_iter().map(Answer::Refused).chain([granted(true), granted(false)]);
    let samples: Vec<Vec<u8>> = given.map(|answer| encode(&Ok(answer))).chain([encode(&Err("broken".into()))]).collect();
    Target::new("answers").run(bytes::hostile(samples.clone()), |input| {
        let Ok(answer) = decode(input) else { return Verdict::Refused };
        assert_eq!(decode(&encode(&Ok(answer.clone()))), Ok(answer));
        Verdict::Accepted
    });
    let together = vec![answers_together(&samples), answers_together(&samples[..1]), answers_together(&[])];
    Target::new("answers-together").run(bytes::hostile(together), |input| {
        let read = (0..=samples.len()).find_map(|count| answers(input, count).ok());
        let Some(read) = read else { return Verdict::Refused };
        assert_eq!(answers_together(&read)[..], input[..]);
        Verdict::Accepted
    });
}

#[test]
fn an_objects_name_is_read_or_refused() {
    let samples = ["evt_1/0", "evt_1/255", "evt_1", "/0", "evt_1/"].map(str::to_owned).to_vec();
    Target::new("object-names").run(bytes::hostile_text(samples), |name| {
        let Some((event_id, lane)) = Object::indexed(name) else { return Verdict::Refused };
        let found = Object::Lane(event_id, lane);
        let again = Object::indexed(&found.name()).map(|(event_id, lane)| Object::Lane(event_id, lane));
        assert_eq!(again, Some(found));
        Verdict::Accepted
    });
}
