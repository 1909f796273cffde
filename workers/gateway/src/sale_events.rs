//! The consumer of the queue `sale-events`: projects reservations into D1, then hands each envelope to every
//! organiser's endpoint. Both are harmless when repeated, so a message is taken only when both were done.
//!
//! What was given up comes back on `sale-events-dead` and is kept in D1 for an organiser to look at.

use std::borrow::Cow;

use domain::{delivery::Envelope, machine::Answer, time::Timestamp};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use shell::{
    ask::ask,
    clock,
    log::{Level, line},
};
use webhook::{WEBHOOK, WebhookAsk};
use worker::{
    D1Database, D1PreparedStatement, Env, Error, MessageBatch, MessageExt, RawMessage, Result, js_sys::JSON,
    wasm_bindgen::JsValue,
};

use crate::{
    catalogue::number,
    trace::Trace,
    webhooks::{Endpoint, SELECT_ENDPOINTS},
};

/// The queue of messages that were given up.
pub const DEAD_LETTERS: &str = "sale-events-dead";

/// Takes a batch of either queue. What fails is delivered again, never reported as an error: that would be a panic.
pub async fn consume(batch: MessageBatch<Value>, env: Env) {
    let with_text = |message: RawMessage| {
        let text = text(&message);
        (message, text)
    };
    let messages: Vec<(RawMessage, Option<String>)> = batch.raw_iter().map(with_text).collect();
    if batch.queue() == DEAD_LETTERS { bury(&env, &messages).await } else { deliver(&env, &messages).await }
}

/// Takes what was done and leaves what was not.
fn conclude<'a>(messages: impl IntoIterator<Item = &'a RawMessage>, outcome: &Result<()>) {
    for message in messages {
        match outcome {
            Ok(()) => message.ack(),
            Err(_) => message.retry(),
        }
    }
    if let Err(error) = outcome {
        line(Level::Warn, "gateway", "", "sale events stay", json!({ "problem": error.to_string() }));
    }
}

/// A message as JSON text.
fn text(message: &RawMessage) -> Option<String> {
    JSON::stringify(&message.body()).ok().map(String::from)
}

/// An envelope and what is projected of it.
struct Sale<'a> {
    text: &'a str,
    trace_id: Option<Cow<'a, str>>,
    row: Option<Row<'a>>,
}

/// What an envelope has beside what every receiver looks at.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What is projected of a reservation, as the contract shows it.
#[derive(Deserialize)]
struct Reservation<'a> {
    #[serde(borrow)]
    reservation_id: Cow<'a, str>,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    order_id: Option<Cow<'a, str>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A reservation's row: id, event, user, status, order, sequence, body, created and updated. In the order of the columns.
#[derive(Serialize)]
struct Row<'a>(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Option<Cow<'a, str>>, u64, &'a str, u64, u64);

/// Reads an envelope of the contract.
fn read(text: &str) -> Option<Sale<'_>> {
    let Envelope { kind, sequence, .. } = Envelope::parse(text)?;
    let Payload { trace_id, data } = serde_json::from_slice(text.as_bytes()).ok()?;
    let row = if kind.starts_with("reservation.") { Some(row(data.get(), sequence)?) } else { None };
    Some(Sale { text, trace_id, row })
}

fn row(data: &str, sequence: u64) -> Option<Row<'_>> {
    let Reservation { reservation_id, event_id, user_id, status, order_id, created_at, updated_at } =
        serde_json::from_slice(data.as_bytes()).ok()?;
    Some(Row(reservation_id, event_id, user_id, status, order_id, sequence, data, created_at.0.0, updated_at.0.0))
}

async fn deliver(env: &Env, messages: &[(RawMessage, Option<String>)]) {
    let mut readable = Vec::with_capacity(messages.len());
    let mut sales = Vec::with_capacity(messages.len());
    for (message, text) in messages {
        match text.as_deref().and_then(read) {
            Some(sale) => {
                readable.push(message);
                sales.push(sale);
            }
            None => {
                line(Level::Error, "gateway", "", "sale event unreadable", json!({ "message": message.id() }));
                message.retry();
            }
        }
    }
    if !sales.is_empty() {
        conclude(readable, &hand_on(env, &sales).await);
    }
}

async fn hand_on(env: &Env, sales: &[Sale<'_>]) -> Result<()> {
    let db = env.d1("DB")?;
    let endpoints = project(&db, sales.iter().filter_map(|sale| sale.row.as_ref()).collect()).await?;
    // A batch has many causes; the first one's trace stands for it.
    let trace = Trace::new(None, sales.first().and_then(|sale| sale.trace_id.as_deref())).traceparent();
    try_join_all(endpoints.into_iter().map(|endpoint| enqueue(env, &trace, endpoint, sales))).await?;
    Ok(())
}

/// Writes the rows and reads the endpoints in one batch. Of two envelopes about one reservation the later one stays.
async fn project(db: &D1Database, rows: Vec<&Row<'_>>) -> Result<Vec<Endpoint>> {
    const UPSERT: &str = "INSERT INTO reservations
            (reservation_id, event_id, user_id, status, order_id, sequence, body, created_at, updated_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
         FROM json_each(?1) WHERE TRUE
         ON CONFLICT (reservation_id) DO UPDATE SET status = excluded.status, order_id = excluded.order_id,
            sequence = excluded.sequence, body = excluded.body, updated_at = excluded.updated_at
         WHERE excluded.sequence > reservations.sequence";
    let upsert = db.prepare(UPSERT).bind(&[serde_json::to_string(&rows)?.into()])?;
    let results = db.batch(vec![upsert, db.prepare(SELECT_ENDPOINTS)]).await?;
    results.get(1).ok_or_else(|| Error::from("D1 answered too little"))?.results()
}

async fn enqueue(env: &Env, trace: &str, endpoint: Endpoint, sales: &[Sale<'_>]) -> Result<()> {
    let Endpoint { webhook_id, url, secret, .. } = endpoint;
    let envelopes: serde_json::Result<_> = sales.iter().map(|sale| RawValue::from_string(sale.text.to_owned())).collect();
    let envelopes = envelopes?;
    let question = WebhookAsk::Enqueue { url, secret, envelopes };
    match ask(env, WEBHOOK, &webhook_id, trace, None, &question).await {
        Ok(Answer::Granted { .. }) => Ok(()),
        Ok(Answer::Refused(refusal)) => Err(Error::from(format!("{webhook_id}: {}", refusal.code()))),
        Err(fault) => Err(Error::from(format!("{webhook_id}: {fault:?}"))),
    }
}

async fn bury(env: &Env, messages: &[(RawMessage, Option<String>)]) {
    conclude(messages.iter().map(|(message, _)| message), &keep(env, messages).await);
}

async fn keep(env: &Env, messages: &[(RawMessage, Option<String>)]) -> Result<()> {
    let db = env.d1("DB")?;
    let letters: Result<Vec<D1PreparedStatement>> =
        messages.iter().map(|(message, text)| letter(&db, &message.id(), text.as_deref())).collect();
    db.batch(letters?).await.map(|_| ())
}

/// The row of a message that was given up. The same one again changes nothing.
fn letter(db: &D1Database, message_id: &str, text: Option<&str>) -> Result<D1PreparedStatement> {
    const INSERT: &str = "INSERT INTO dead_letters (dead_letter_id, event_id, body, reason, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (dead_letter_id) DO NOTHING";
    let envelope = text.and_then(Envelope::parse);
    let id = envelope.as_ref().map_or(message_id, |envelope| &envelope.id);
    let event_id = envelope.as_ref().map(|envelope| envelope.event_id.as_str());
    let reason = if envelope.is_some() { "could not be handed on" } else { "is not an envelope" };
    // Nothing is null in D1, never undefined.
    let event_id = event_id.map_or(JsValue::NULL, JsValue::from_str);
    db.prepare(INSERT).bind(&[id.into(), event_id, text.unwrap_or("null").into(), reason.into(), number(clock::now().0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(kind: &str) -> Value {
        json!({
            "id": "msg_e_3", "type": kind, "source": "traffic-tacos", "time": "2026-11-20T12:00:00.000Z", "event_id": "e",
            "sequence": 3, "trace_id": "t",
            "data": {
                "reservation_id": "rsv_e_0", "event_id": "e", "user_id": "u", "status": "HOLD", "seat_ids": ["A-1-1"],
                "created_at": "1970-01-01T00:00:01.000Z", "updated_at": "1970-01-01T00:00:02.000Z",
            },
        })
    }

    #[test]
    fn a_reservation_is_projected_with_its_sequence() {
        let text = envelope("reservation.created").to_string();
        let row = serde_json::to_value(read(&text).unwrap().row.unwrap()).unwrap();
        assert_eq!(row[0], "rsv_e_0");
        assert_eq!((&row[3], &row[4], &row[5]), (&json!("HOLD"), &Value::Null, &json!(3)));
        assert_eq!((&row[7], &row[8]), (&json!(1000), &json!(2000)));
        let body: Value = serde_json::from_str(row[6].as_str().unwrap()).unwrap();
        assert_eq!(body["seat_ids"], json!(["A-1-1"]));
    }

    #[test]
    fn a_payment_is_handed_on_without_a_row() {
        assert!(read(&envelope("payment.approved").to_string()).is_some_and(|sale| sale.row.is_none()));
    }

    #[test]
    fn what_is_no_envelope_is_not_read() {
        for text in ["", "null", "{}", "\"x\"", r#"{"id":"a","type":"reservation.created","event_id":"e","sequence":1}"#] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
