//! Signed messages: what was not signed is never believed.

use domain::{payment::WebhookBody, time::Millis};
use fuzz::{
    Target, Verdict,
    bytes::{self, Input},
    json,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use signing::webhook::{Key, TOLERANCE_MS};

use crate::samples::START;

const ID: &str = "msg_pay_evt_1_0000000000000000000000000000000100";

fn body() -> Value {
    json!({
        "type": "payment.approved", "timestamp": "2026-11-21T12:00:00.000Z",
        "data": {
            "payment_intent_id": "pay_evt_1_0000000000000000000000000000000100",
            "reservation_id": "rsv_evt_1_00000000000000000000000000000001",
            "amount": 120_000, "currency": "KRW", "failure_reason": "1795262400.1795262400.declined",
        },
    })
}

fn key() -> Key {
    Key::from_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
}

/// Some of four samples, broken or whole; one part of a message is broken about every other time.
fn part(samples: &[&str]) -> BoxedStrategy<String> {
    let samples: Vec<String> = samples.iter().map(|text| (*text).to_owned()).collect();
    let whole = samples.clone();
    prop_oneof![2 => (0..whole.len()).prop_map(move |i| whole[i].clone()), 1 => bytes::hostile_text(samples)].boxed()
}

#[test]
fn what_was_not_signed_is_not_believed() {
    let key = key();
    let sent = body().to_string();
    let timestamp_sec = START.0 / 1000;
    let timestamp = timestamp_sec.to_string();
    let signature = key.sign(ID, timestamp_sec, sent.as_bytes());
    let foreign = Key::from_secret("another secret").unwrap().sign(ID, timestamp_sec, sent.as_bytes());
    let two = format!("{foreign} {signature}");
    let many = format!("{} {signature}", [foreign.as_str(); 9].join(" "));
    let old = (timestamp_sec - TOLERANCE_MS / 1000 - 1).to_string();
    let of_old = key.sign(ID, timestamp_sec - TOLERANCE_MS / 1000 - 1, sent.as_bytes());

    let whole = Just(Input(sent.clone().into_bytes()));
    let bodies = prop_oneof![2 => whole, 1 => json::hostile(vec![body()])];
    let messages = (
        part(&[ID, ID, ID, "msg_other", ""]),
        part(&[
            &timestamp,
            &timestamp,
            &timestamp,
            &old,
            &format!("+{timestamp}"),
            &format!("0{timestamp}"),
            "-1",
            "18446744073709551615",
        ]),
        part(&[&signature, &signature, &two, &many, &of_old, "v1,", "", &"v1, ".repeat(500)]),
        bodies,
    );
    Target::new("webhook-signatures").constant(4096).run(messages, |(id, given_timestamp, signatures, given)| {
        let believed = key.verify(id, given_timestamp, signatures, given, START).is_ok();
        let is_what_was_sent = *id == ID && *given_timestamp == timestamp && **given == *sent.as_bytes();
        let is_signed = signatures.split(' ').filter(|part| part.starts_with("v1,")).any(|part| *part == signature);
        assert!(!believed || (is_what_was_sent && is_signed), "{id:?} {given_timestamp:?} {signatures:?} was believed");
        Verdict::accepted(believed)
    });
}

/// Whatever the time says, a message counts for five minutes around it.
#[test]
fn a_message_counts_at_its_time_alone() {
    let key = key();
    let instants = prop_oneof![any::<u64>(), (0..2 * TOLERANCE_MS).prop_map(|off| START.0 - TOLERANCE_MS + off)];
    let messages =
        (instants.prop_map(|now| now.to_string()), prop_oneof![any::<u64>(), Just(START.0 / 1000)].prop_map(|at| at.to_string()));
    Target::new("webhook-times").constant(4096).run(messages, |(now, sent_at)| {
        let (now, at) = (Millis(now.parse().unwrap()), sent_at.parse().unwrap());
        let believed = key.verify(ID, sent_at, &key.sign(ID, at, b"{}"), b"{}", now).is_ok();
        let near = u128::from(now.0).abs_diff(u128::from(at) * 1000) <= u128::from(TOLERANCE_MS);
        assert!(believed == near || at > u64::MAX / 1000, "{now:?} {at}");
        Verdict::accepted(believed)
    });
}

#[test]
fn a_secret_is_read_or_refused() {
    let samples = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "a plain secret", "whsec_YSBwbGFpbiBzZWNyZXQ="];
    Target::new("webhook-secrets").run(bytes::hostile_text(samples.map(str::to_owned).to_vec()), |secret| {
        Verdict::accepted(Key::from_secret(secret).is_ok())
    });
}

#[test]
fn a_body_is_read_or_refused() {
    Target::new("webhook-bodies").run(json::hostile(vec![body()]), |input| {
        let read = serde_json::from_slice::<WebhookBody>(input);
        if let Ok(read) = &read {
            let again: WebhookBody = serde_json::from_value(serde_json::to_value(read).unwrap()).unwrap();
            assert_eq!(again, *read, "a body reads back as it was written");
        }
        Verdict::accepted(read.is_ok())
    });
}
