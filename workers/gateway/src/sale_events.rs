//! The consumer of the queue `sale-events`: what it does with a batch is in [`actors::sale_events`]; D1 and the objects are
//! reached from here.
//!
//! What was given up comes back on `sale-events-dead` and is kept in D1 for an organiser to look at.

use std::{borrow::Cow, collections::BTreeMap};

use actors::{
    Problem,
    ask::{EndpointId, Fault, Object},
    sale_events::{self, Projection, Reader, Standing, Subscriber},
};
use domain::{
    delivery::{Directions, Envelope},
    id::EventId,
    machine::Answer,
    time::Timestamp,
    trace::TraceId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use shell::{
    ask::ask,
    clock,
    log::{Level, line},
};
use worker::{
    D1Database, D1PreparedStatement, D1Result, Env, Error, MessageBatch, MessageExt, RawMessage, Result, js_sys::JSON,
    wasm_bindgen::JsValue,
};

use crate::{
    catalogue::number,
    webhooks::{Endpoint, SELECT_ENDPOINT, SELECT_ENDPOINTS},
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
    if batch.queue() == DEAD_LETTERS { bury(&env, &messages).await } else { deal_with(env, &messages).await }
}

/// A message as JSON text.
fn text(message: &RawMessage) -> Option<String> {
    JSON::stringify(&message.body()).ok().map(String::from)
}

/// Takes the messages of events that were dealt with; the others come again.
async fn deal_with(env: Env, messages: &[(RawMessage, Option<String>)]) {
    let mut envelopes = Vec::with_capacity(messages.len());
    let mut of_events = Vec::with_capacity(messages.len());
    for (message, text) in messages {
        match text.as_deref().and_then(Envelope::parse) {
            Some(envelope) => {
                of_events.push((message, envelope.event_id.clone()));
                envelopes.push(envelope);
            }
            None => {
                line(Level::Error, "gateway", "", "sale event unreadable", json!({ "message": message.id() }));
                message.retry();
            }
        }
    }
    let failed = sale_events::consume(&Consumer { env }, envelopes).await;
    for (message, event_id) in of_events {
        if failed.contains_key(&event_id) { message.retry() } else { message.ack() }
    }
    for (event_id, problem) in failed {
        let fields = json!({ "event_id": event_id, "problem": problem.0 });
        line(Level::Warn, "gateway", "", "sale events stay", fields);
    }
}

/// How far events are projected.
const POSITIONS: &str = "SELECT event_id, sequence FROM projections WHERE event_id IN (SELECT value FROM json_each(?1))";

/// Whoever reads the queue, with D1 as the projection.
struct Consumer {
    env: Env,
}

impl Consumer {
    fn db(&self) -> std::result::Result<D1Database, Problem> {
        self.env.d1("DB").map_err(problem)
    }
}

#[derive(Deserialize)]
struct Projected {
    event_id: EventId,
    sequence: u64,
}

#[derive(Deserialize)]
struct Organised {
    event_id: EventId,
    organiser_id: String,
}

impl Reader for Consumer {
    async fn ask<A: Serialize>(&self, to: &Object, trace: TraceId, question: &A) -> std::result::Result<Answer, Fault> {
        ask(&self.env, to.binding(), &to.name(), &trace.traceparent(1), None, question).await
    }

    async fn standing(&self, event_ids: &[&EventId]) -> std::result::Result<Standing, Problem> {
        const ORGANISERS: &str = "SELECT event_id, body ->> 'organiser_id' AS organiser_id FROM events
             WHERE event_id IN (SELECT value FROM json_each(?1)) AND body ->> 'organiser_id' IS NOT NULL";
        let db = self.db()?;
        let ids = serde_json::to_string(event_ids)?;
        let bound = |sql: &str| db.prepare(sql).bind(&[ids.as_str().into()]).map_err(problem);
        let statements = vec![bound(POSITIONS)?, bound(ORGANISERS)?, db.prepare(SELECT_ENDPOINTS)];
        let results = db.batch(statements).await.map_err(problem)?;
        let [projected, organisers, endpoints] = results.as_slice() else { return Err("D1 answered too little".into()) };
        let organisers: Vec<Organised> = organisers.results().map_err(problem)?;
        let endpoints: Vec<Endpoint> = endpoints.results().map_err(problem)?;
        Ok(Standing {
            projected: positions(projected)?,
            organisers: organisers.into_iter().map(|row| (row.event_id, row.organiser_id)).collect(),
            subscribers: endpoints.into_iter().map(subscriber).collect::<std::result::Result<_, _>>()?,
        })
    }

    /// Of two envelopes about one reservation the later one stays.
    async fn project(&self, projections: &[Projection<'_>]) -> std::result::Result<BTreeMap<EventId, u64>, Problem> {
        const UPSERT: &str = "INSERT INTO reservations
                (reservation_id, event_id, user_id, status, order_id, sequence, body, created_at, updated_at)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
             FROM json_each(?1) WHERE TRUE
             ON CONFLICT (reservation_id) DO UPDATE SET status = excluded.status, order_id = excluded.order_id,
                sequence = excluded.sequence, body = excluded.body, updated_at = excluded.updated_at
             WHERE excluded.sequence > reservations.sequence";
        const ADVANCE: &str = "INSERT INTO projections (event_id, sequence)
             SELECT value ->> 0, value ->> 2 FROM json_each(?1) LEFT JOIN projections ON event_id = value ->> 0
             WHERE coalesce(sequence, 0) >= value ->> 1
             ON CONFLICT (event_id) DO UPDATE SET sequence = max(sequence, excluded.sequence)";
        const REVIVE: &str = "DELETE FROM dead_letters WHERE dead_letter_id IN (
             SELECT dead_letter_id FROM json_each(?1) JOIN projections ON projections.event_id = value
             JOIN dead_letters USING (event_id) WHERE CAST(body ->> 'sequence' AS INTEGER) <= sequence)";
        let envelopes = projections.iter().flat_map(|projection| projection.envelopes);
        let rows: Vec<Row<'_>> = envelopes.filter_map(row).collect();
        let moves: Vec<_> = projections.iter().map(|moved| (moved.event_id, moved.after, moved.through)).collect();
        let event_ids: Vec<_> = projections.iter().map(|moved| moved.event_id).collect();
        let [rows, moves, event_ids] =
            [serde_json::to_string(&rows)?, serde_json::to_string(&moves)?, serde_json::to_string(&event_ids)?];
        let db = self.db()?;
        let bound = |sql: &str, json: &str| db.prepare(sql).bind(&[json.into()]).map_err(problem);
        let (advance, positions) = (bound(ADVANCE, &moves)?, bound(POSITIONS, &event_ids)?);
        let statements = vec![bound(UPSERT, &rows)?, advance, bound(REVIVE, &event_ids)?, positions];
        let results = db.batch(statements).await.map_err(problem)?;
        self::positions(results.last().ok_or("D1 answered too little")?)
    }

    async fn directions(&self, id: &EndpointId) -> std::result::Result<Option<Directions>, Problem> {
        let statement = self.db()?.prepare(SELECT_ENDPOINT).bind(&[id.as_str().into()]).map_err(problem)?;
        let found: Option<Endpoint> = statement.first(None).await.map_err(problem)?;
        Ok(found.map(|endpoint| endpoint.directions()).transpose()?)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn problem(error: Error) -> Problem {
    Problem(error.to_string())
}

fn positions(result: &D1Result) -> std::result::Result<BTreeMap<EventId, u64>, Problem> {
    let rows: Vec<Projected> = result.results().map_err(problem)?;
    Ok(rows.into_iter().map(|row| (row.event_id, row.sequence)).collect())
}

fn subscriber(endpoint: Endpoint) -> std::result::Result<Subscriber, Problem> {
    let event_ids = endpoint.event_ids()?;
    let (version, organiser_id) = (endpoint.version(), endpoint.organiser_id.clone());
    Ok(Subscriber { id: endpoint.webhook_id, version, organiser_id, event_ids })
}

/// What is projected of an envelope about a reservation.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A reservation, as the contract shows it.
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

/// The row of an envelope; none where it is about something else. One that is not as it was written must not hold up all those
/// behind it.
fn row(envelope: &Envelope) -> Option<Row<'_>> {
    if !envelope.kind.starts_with("reservation.") {
        return None;
    }
    let read = read(&envelope.body, envelope.sequence);
    if read.is_none() {
        line(Level::Error, "gateway", "", "sale event not projected", json!({ "envelope_id": envelope.id }));
    }
    read
}

fn read(body: &str, sequence: u64) -> Option<Row<'_>> {
    let data = json_of::<Payload<'_>>(body)?.data.get();
    let Reservation { reservation_id, event_id, user_id, status, order_id, created_at, updated_at } = json_of(data)?;
    Some(Row(reservation_id, event_id, user_id, status, order_id, sequence, data, created_at.0.0, updated_at.0.0))
}

fn json_of<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_slice(text.as_bytes()).ok()
}

async fn bury(env: &Env, messages: &[(RawMessage, Option<String>)]) {
    let outcome = keep(env, messages).await;
    for (message, _) in messages {
        if outcome.is_ok() { message.ack() } else { message.retry() }
    }
    if let Err(error) = outcome {
        line(Level::Warn, "gateway", "", "dead letters stay", json!({ "problem": error.to_string() }));
    }
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

    fn envelope(kind: &str) -> Envelope {
        let value = json!({
            "id": "msg_e_3", "type": kind, "source": "traffic-tacos", "time": "2026-11-20T12:00:00.000Z", "event_id": "e",
            "sequence": 3, "trace_id": "t",
            "data": {
                "reservation_id": "rsv_e_0", "event_id": "e", "user_id": "u", "status": "HOLD", "seat_ids": ["A-1-1"],
                "created_at": "1970-01-01T00:00:01.000Z", "updated_at": "1970-01-01T00:00:02.000Z",
            },
        });
        Envelope::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn a_reservation_is_projected_with_its_sequence() {
        let envelope = envelope("reservation.created");
        let row = serde_json::to_value(row(&envelope).unwrap()).unwrap();
        assert_eq!(row[0], "rsv_e_0");
        assert_eq!((&row[3], &row[4], &row[5]), (&json!("HOLD"), &Value::Null, &json!(3)));
        assert_eq!((&row[7], &row[8]), (&json!(1000), &json!(2000)));
        let body: Value = serde_json::from_str(row[6].as_str().unwrap()).unwrap();
        assert_eq!(body["seat_ids"], json!(["A-1-1"]));
    }

    #[test]
    fn a_payment_has_no_row() {
        assert!(row(&envelope("payment.approved")).is_none());
    }
}
