//! What the reader of the queue `sale-events` does with a batch: it projects what happened, tells every endpoint how far the
//! logs reach, and tells the logs how far it has come.
//!
//! A batch is only a word that there is more. For each event the projection knows the last envelope before which none is
//! missing; where a batch does not begin right behind it, the missing ones are read from the event's log. So a batch that
//! was lost needs nobody's hand, and a projection that was set back is whole again with the next envelope of its event. All of it is harmless when repeated, and a log moves
//! its cursor only over what was dealt with here.

use std::collections::BTreeMap;

use domain::{
    delivery::{Directions, Envelope, Version},
    id::EventId,
    inventory::{self, Query, ledger::FeedPage},
    machine::Answer,
    refusal::Refusal,
    trace::TraceId,
};
use futures_util::future::join_all;
use serde::Serialize;

use crate::{
    Problem,
    ask::{EndpointId, Fault, InventoryAsk, Object, WebhookAsk},
};

/// Envelopes that are read from a log at once: 2 KB each at most.
const PAGE: u32 = 200;
/// Pages of one event that are read for one batch; who is further behind goes on with the next.
const PAGES_MAX: usize = 100;

/// Somebody who is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The endpoint.
    pub id: EndpointId,
    /// Which state of it this is.
    pub version: Version,
    /// Whose events it hears of; none for everybody's.
    pub organiser_id: Option<String>,
    /// Which events it hears of; none for all.
    pub event_ids: Option<Vec<EventId>>,
}

impl Subscriber {
    fn hears_of(&self, event_id: &EventId, organisers: &BTreeMap<EventId, String>) -> bool {
        let organiser = self.organiser_id.as_ref().is_none_or(|own| organisers.get(event_id) == Some(own));
        organiser && self.event_ids.as_ref().is_none_or(|event_ids| event_ids.contains(event_id))
    }
}

/// How things stand when a batch comes.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The last envelope of each event before which none is missing in the projection.
    pub projected: BTreeMap<EventId, u64>,
    /// Whose events they are, where they are somebody's.
    pub organisers: BTreeMap<EventId, String>,
    /// Everybody who is told of events.
    pub subscribers: Vec<Subscriber>,
}

/// Envelopes of one event to be projected: all those behind one position, up to another.
#[derive(Debug)]
pub struct Projection<'a> {
    /// Which event.
    pub event_id: &'a EventId,
    /// The position that they follow.
    pub after: u64,
    /// The sequence of the last one.
    pub through: u64,
    /// In order.
    pub envelopes: &'a [Envelope],
}

/// Whoever reads `sale-events`.
pub trait Reader {
    /// Asks an object. A refusal is an answer.
    ///
    /// # Errors
    /// There is no answer.
    fn ask<A: Serialize>(&self, to: &Object, trace: TraceId, ask: &A) -> impl Future<Output = Result<Answer, Fault>>;

    /// How things stand with these events.
    ///
    /// # Errors
    /// The projection does not answer.
    fn standing(&self, event_ids: &[&EventId]) -> impl Future<Output = Result<Standing, Problem>>;

    /// Projects envelopes in one transaction, and moves the position of each event to the last of them, unless it is further
    /// already. It stays where it is behind `after`: a backup was restored since it was read, and envelopes are missing in
    /// between. Returns the positions as they are then.
    ///
    /// # Errors
    /// It may have been done or not.
    fn project(&self, projections: &[Projection<'_>]) -> impl Future<Output = Result<BTreeMap<EventId, u64>, Problem>>;

    /// An endpoint as its organiser wants it now; none where it was deleted.
    ///
    /// # Errors
    /// Nobody knows.
    fn directions(&self, id: &EndpointId) -> impl Future<Output = Result<Option<Directions>, Problem>>;
}

/// Deals with a batch; what failed, by event. Of an event that is not named all was done.
pub async fn consume<R: Reader>(reader: &R, envelopes: Vec<Envelope>) -> BTreeMap<EventId, Problem> {
    let mut failed = BTreeMap::new();
    let trace = envelopes.first().map_or(TraceId::NONE, |first| first.trace);
    let mut batch = BTreeMap::<EventId, BTreeMap<u64, Envelope>>::new();
    for envelope in envelopes {
        batch.entry(envelope.event_id.clone()).or_default().insert(envelope.sequence, envelope);
    }
    let event_ids: Vec<&EventId> = batch.keys().collect();
    let standing = match reader.standing(&event_ids).await {
        Ok(standing) => standing,
        Err(problem) => return batch.into_keys().map(|event_id| (event_id, problem.clone())).collect(),
    };
    let through = project_all(reader, &standing, batch, &mut failed).await;

    let told = standing.subscribers.iter().map(|subscriber| {
        let heard = through.iter().filter(|(event_id, _)| subscriber.hears_of(event_id, &standing.organisers));
        let logs: Vec<(EventId, u64)> = heard.map(|(event_id, through)| (event_id.clone(), *through)).collect();
        async { (tell(reader, subscriber, &logs, trace).await, logs) }
    });
    for (outcome, logs) in join_all(told).await {
        if let Err(problem) = outcome {
            failed.extend(logs.into_iter().map(|(event_id, _)| (event_id, problem.clone())));
        }
    }

    let done: Vec<_> = through.iter().filter(|(event_id, _)| !failed.contains_key(*event_id)).collect();
    let consumed = done.iter().map(|(event_id, through)| consumed(reader, event_id, **through, trace));
    let outcomes = join_all(consumed).await;
    let late = done.iter().zip(outcomes).filter_map(|((event_id, _), outcome)| Some(((*event_id).clone(), outcome.err()?)));
    let late: Vec<(EventId, Problem)> = late.collect();
    failed.extend(late);
    failed
}

/// Projects a batch; how far each event came.
async fn project_all<R: Reader>(
    reader: &R,
    standing: &Standing,
    batch: BTreeMap<EventId, BTreeMap<u64, Envelope>>,
    failed: &mut BTreeMap<EventId, Problem>,
) -> BTreeMap<EventId, u64> {
    let mut through = BTreeMap::new();
    let (mut next, mut behind_a_gap) = (Vec::new(), Vec::new());
    for (event_id, envelopes) in batch {
        let projected = standing.projected.get(&event_id).copied().unwrap_or(0);
        let last = envelopes.keys().next_back().copied().unwrap_or(0);
        let envelopes: Vec<Envelope> = envelopes.into_values().filter(|envelope| envelope.sequence > projected).collect();
        let follows = envelopes.iter().zip(projected + 1..).all(|(envelope, expected)| envelope.sequence == expected);
        if follows {
            next.push((event_id, projected, last.max(projected), envelopes))
        } else {
            behind_a_gap.push((event_id, projected, last))
        }
    }
    let new = next.iter().filter(|(.., envelopes)| !envelopes.is_empty());
    let projections =
        new.map(|(event_id, after, through, envelopes)| Projection { event_id, after: *after, through: *through, envelopes });
    let outcomes = project(reader, &projections.collect::<Vec<_>>()).await;
    failed.extend(outcomes);
    let done = next.into_iter().filter(|(event_id, ..)| !failed.contains_key(event_id));
    through.extend(done.map(|(event_id, _, through, _)| (event_id, through)));
    for (event_id, projected, last) in behind_a_gap {
        match catch_up(reader, &event_id, projected, last).await {
            Ok(reached) => drop(through.insert(event_id, reached)),
            Err(problem) => drop(failed.insert(event_id, problem)),
        }
    }
    through
}

/// Projects envelopes; the events whose position did not come to the last of them, and why.
async fn project<R: Reader>(reader: &R, projections: &[Projection<'_>]) -> BTreeMap<EventId, Problem> {
    if projections.is_empty() {
        return BTreeMap::new();
    }
    let outcome = reader.project(projections).await;
    let problem = |Projection { event_id, through, .. }: &Projection<'_>| match &outcome {
        Ok(positions) if positions.get(*event_id).is_some_and(|position| position >= through) => None,
        Ok(_) => Some(((*event_id).clone(), "the projection was set back".into())),
        Err(problem) => Some(((*event_id).clone(), problem.clone())),
    };
    projections.iter().filter_map(problem).collect()
}

/// Projects what the log of an event has behind `projected`, at least up to `last`; how far it came.
async fn catch_up<R: Reader>(reader: &R, event_id: &EventId, mut projected: u64, last: u64) -> Result<u64, Problem> {
    for _ in 0..PAGES_MAX {
        if projected >= last {
            return Ok(projected);
        }
        let log = InventoryAsk::Query(Query::Feed { after: projected, limit: PAGE });
        let envelopes = match reader.ask(&Object::Inventory(event_id.clone()), TraceId::NONE, &log).await {
            Ok(Answer::Granted { body, .. }) => {
                let page: FeedPage = serde_json::from_slice(&body)?;
                let envelopes = page.envelopes.iter().map(|envelope| Envelope::parse(envelope.get()));
                envelopes.collect::<Option<Vec<Envelope>>>().ok_or("the log is unreadable")?
            }
            // The event was deleted: there is nothing to be found out any more.
            Ok(Answer::Refused(Refusal::Unconfigured)) => return Ok(last),
            Ok(Answer::Refused(refusal)) => return Err(refusal.code().into()),
            Err(fault) => return Err(Problem(format!("the log of {event_id}: {fault:?}"))),
        };
        let through = envelopes.last().map(|envelope| envelope.sequence);
        let through = through.ok_or_else(|| Problem(format!("the log of {event_id} has nothing behind {projected}")))?;
        let projection = Projection { event_id, after: projected, through, envelopes: &envelopes };
        if let Some(problem) = project(reader, &[projection]).await.remove(event_id) {
            return Err(problem);
        }
        projected = through;
    }
    Err(Problem(format!("the log of {event_id} goes on behind {projected}")))
}

/// Tells an endpoint how far the logs of events reach. One that does not know itself yet is told that first.
async fn tell<R: Reader>(reader: &R, subscriber: &Subscriber, logs: &[(EventId, u64)], trace: TraceId) -> Result<(), Problem> {
    if logs.is_empty() {
        return Ok(());
    }
    let to = Object::Webhook(subscriber.id.clone());
    let broken = |fault: Fault| Problem(format!("endpoint {}: {fault:?}", subscriber.id));
    let hear = |version| WebhookAsk::Hear { version, logs: logs.to_vec() };
    let mut answer = reader.ask(&to, trace, &hear(subscriber.version)).await.map_err(broken)?;
    if answer == Answer::Refused(Refusal::Unconfigured) {
        let Some(directions) = reader.directions(&subscriber.id).await? else { return Ok(()) };
        let version = directions.version;
        reader.ask(&to, trace, &WebhookAsk::Direct(Box::new(directions))).await.map_err(broken)?;
        answer = reader.ask(&to, trace, &hear(version)).await.map_err(broken)?;
    }
    match answer {
        Answer::Granted { .. } => Ok(()),
        Answer::Refused(refusal) => Err(Problem(format!("endpoint {}: {}", subscriber.id, refusal.code()))),
    }
}

/// Tells the log of an event how far its envelopes were dealt with.
async fn consumed<R: Reader>(reader: &R, event_id: &EventId, through: u64, trace: TraceId) -> Result<(), Problem> {
    let consumed = InventoryAsk::Command(inventory::Command::Consumed { through });
    match reader.ask(&Object::Inventory(event_id.clone()), trace, &consumed).await {
        // One that is not configured was deleted.
        Ok(Answer::Granted { .. } | Answer::Refused(Refusal::Unconfigured)) => Ok(()),
        Ok(Answer::Refused(refusal)) => Err(refusal.code().into()),
        Err(fault) => Err(Problem(format!("the log of {event_id}: {fault:?}"))),
    }
}

#[cfg(test)]
mod tests;
