//! What each command changes.

use super::{
    Behind, Delivery, Recalled,
    attempt::{Attempt, DeadLetter, Tried},
    command::{Change, Letters, Reply},
    cursor::{Cursor, ask_again_at},
    endpoint::{Directions, Endpoint, Failure, Health, Version},
};
use crate::{
    id::EventId,
    machine::Decision,
    refusal::Refusal,
    time::{Millis, Timestamp},
};

/// How long an endpoint took nothing before everything is tried at once that waits for its next try, in milliseconds: it was
/// down, and is there again. Less would try what always fails whenever something else succeeds.
pub(super) const OUTAGE_MS: u64 = 60_000;

impl Delivery {
    pub(super) fn direct(&self, directions: &Directions, now: Millis) -> Vec<Change> {
        let version = directions.version;
        if version <= self.version {
            return vec![];
        }
        let directed = |endpoint| Change::Directed { version, endpoint: Box::new(endpoint) };
        let Some(known) = &self.endpoint else { return vec![directed(Endpoint::new(directions, version.created_at))] };
        if known.organiser_id != directions.organiser_id {
            // Nobody is told what waited for somebody else.
            return vec![Change::Dropped { version }, directed(Endpoint::new(directions, now))];
        }
        let mut changes = vec![directed(known.directed(directions, now))];
        if (&known.url, &known.secret) != (&directions.url, &directions.secret) {
            changes.extend(self.enabled(now));
        }
        changes
    }

    pub(super) fn dropped(&self, created_at: Option<Millis>) -> Vec<Change> {
        let known = self.endpoint.as_ref().map(|_| self.version.created_at);
        let version = created_at.or(known).map(Version::deleted).filter(|version| *version > self.version);
        version.map(|version| Change::Dropped { version }).into_iter().collect()
    }

    pub(super) fn forget_previous_secret(&self, now: Millis) -> Vec<Change> {
        let over = |endpoint: &&Endpoint| endpoint.previous.as_ref().is_some_and(|previous| previous.until <= now);
        let endpoint = self.endpoint.as_ref().filter(over);
        let without = endpoint.map(|endpoint| Box::new(Endpoint { previous: None, ..endpoint.clone() }));
        without.map(|endpoint| Change::Directed { version: self.version, endpoint }).into_iter().collect()
    }

    pub(super) fn hear(&self, version: Version, event_id: &EventId, through: u64, now: Millis) -> Result<Vec<Change>, Refusal> {
        if self.endpoint.is_none() || version > self.version {
            return Err(Refusal::Unconfigured);
        }
        let cursor = match self.cursor(event_id) {
            Some(cursor) if cursor.known >= through => return Ok(vec![]),
            Some(cursor) => cursor.heard(through, now),
            None => Cursor::unplaced(through, now),
        };
        Ok(vec![Change::Moved { event_id: event_id.clone(), cursor }])
    }

    pub(super) fn placed(&self, event_id: &EventId, after: u64, now: Millis) -> Vec<Change> {
        let unplaced = self.behind.get(event_id).filter(|behind| behind.cursor.acked.is_none());
        unplaced.map(|behind| moved(event_id, behind.cursor.placed(after, now))).into_iter().collect()
    }

    pub(super) fn ended(&self, event_id: &EventId, now: Millis) -> Vec<Change> {
        let ended = |behind: &Behind| moved(event_id, behind.cursor.at(behind.cursor.known, now));
        self.behind.get(event_id).map(ended).into_iter().collect()
    }

    pub(super) fn unread(&self, id: u64, now: Millis) -> Vec<Change> {
        vec![Change::Unread { id, due_at: ask_again_at(&id.to_string(), now) }]
    }

    pub(super) fn tried(&self, event_id: &EventId, after: u64, tried: &Tried, now: Millis) -> Vec<Change> {
        let behind = self.behind.get(event_id).filter(|behind| behind.cursor.acked == Some(after) && tried.sequence > after);
        let Some(Behind { cursor, .. }) = behind else { return vec![] };
        let attempt = cursor.attempt.saturating_add(1);
        let mut health = self.health_after(tried, now);
        let attempted = attempted(&health, Some(event_id), attempt, tried, now);
        let Some(problem) = tried.outcome.problem() else {
            let was_down = self.health.failing_since.is_some_and(|since| now.since_ms(since.0) >= OUTAGE_MS);
            let again = tried.sequence <= cursor.highest;
            let revived = again.then(|| Change::Revived { event_id: event_id.clone(), sequence: tried.sequence });
            let hastened = was_down.then_some(Change::Hastened { at: now, anew: false });
            let on_its_way = [attempted, fared(health), moved(event_id, cursor.at(tried.sequence, now))];
            return on_its_way.into_iter().chain(revived).chain(hastened).collect();
        };
        let (moved_on, buried) = match cursor.failed(&tried.id, now) {
            Some(later) => (later, None),
            None if self.delivered_since(cursor.first_failed_at) => {
                (cursor.at(tried.sequence, now), Some(dead(event_id, attempt, tried, problem, now)))
            }
            None => {
                let reason = format!("nothing could be delivered for three days; at last: {problem}");
                health.disabled.get_or_insert(Failure { at: Timestamp(now), reason });
                (Cursor { attempt, ..cursor.clone() }, None)
            }
        };
        [attempted, fared(health), moved(event_id, moved_on)].into_iter().chain(buried).collect()
    }

    pub(super) fn retried(&self, event_id: &EventId, letter: Option<&(u32, Tried)>, now: Millis) -> Vec<Change> {
        if !self.redriven.contains_key(event_id) {
            return vec![];
        }
        let Some((attempts, tried)) = letter else { return vec![Change::RedriveEnded { event_id: event_id.clone() }] };
        let attempts = attempts.saturating_add(1);
        let health = self.health_after(tried, now);
        let attempted = attempted(&health, Some(event_id), attempts, tried, now);
        let ends = match tried.outcome.problem() {
            None => Change::Revived { event_id: event_id.clone(), sequence: tried.sequence },
            Some(problem) => dead(event_id, attempts, tried, problem, now),
        };
        vec![attempted, fared(health), ends]
    }

    /// A ping is a question, not a delivery: the endpoint does as before.
    pub(super) fn pinged(&self, tried: &Tried, now: Millis) -> Vec<Change> {
        if self.endpoint.is_none() {
            return vec![];
        }
        let health = Health { attempts: self.health.attempts + 1, ..self.health.clone() };
        vec![attempted(&health, None, 1, tried, now), fared(health)]
    }

    pub(super) fn enable(&self, now: Millis) -> Result<Vec<Change>, Refusal> {
        self.endpoint.as_ref().ok_or(Refusal::Unconfigured)?;
        Ok(self.enabled(now))
    }

    pub(super) fn redrive(&self, letters: &Letters) -> Decision<Self> {
        let found = match &self.recalled {
            Recalled::Letters(found) => found.clone(),
            Recalled::Nothing | Recalled::Cursor(..) => return Decision::new(Reply::Redriven { redriven: 0 }, vec![]),
        };
        let event_ids: Vec<EventId> = found.keys().cloned().collect();
        let redriven = (!event_ids.is_empty()).then(|| Change::Redriven { letters: letters.clone(), event_ids });
        Decision::new(Reply::Redriven { redriven: found.values().sum() }, redriven.into_iter().collect())
    }

    pub(super) fn replay(&self, event_id: &EventId, after: u64, through: u64, now: Millis) -> Result<Decision<Self>, Refusal> {
        let endpoint = self.endpoint.as_ref().ok_or(Refusal::Unconfigured)?;
        if !endpoint.hears_of(event_id) {
            let problem = "is not among the endpoint's events".to_owned();
            return Err(Refusal::Invalid { field: "event_id".to_owned(), problem });
        }
        let known = self.cursor(event_id).cloned();
        // One that was never heard of has everything ahead of it.
        let cursor = known.unwrap_or_else(|| Cursor::unplaced(through, now)).heard(through, now);
        let (cursor, after) = cursor.replayed(after, now);
        let reply = Reply::Replaying { event_id: event_id.clone(), after, through: cursor.known };
        Ok(Decision::new(reply, vec![moved(event_id, cursor)]))
    }

    /// Everything is tried at once, as if nothing had failed before.
    fn enabled(&self, now: Millis) -> Vec<Change> {
        let health = Health { disabled: None, failing_since: None, ..self.health.clone() };
        let fared = (health != self.health).then(|| fared(health));
        fared.into_iter().chain([Change::Hastened { at: now, anew: true }]).collect()
    }

    /// Whether anything was delivered since an instant.
    fn delivered_since(&self, since: Option<Millis>) -> bool {
        self.health.last_success_at.is_some_and(|at| since.is_some_and(|since| at.0 > since))
    }

    /// How the endpoint does once something was sent to it.
    fn health_after(&self, tried: &Tried, now: Millis) -> Health {
        let mut health = Health { attempts: self.health.attempts + 1, ..self.health.clone() };
        let at = Timestamp(now);
        match tried.outcome.problem() {
            None => (health.last_success_at, health.failing_since) = (Some(at), None),
            Some(reason) => {
                health.last_failure = Some(Failure { at, reason });
                health.failing_since.get_or_insert(at);
            }
        }
        if tried.outcome.is_gone() {
            let reason = "answered 410: it wants nothing any more".to_owned();
            health.disabled.get_or_insert(Failure { at, reason });
        }
        health
    }
}

fn fared(health: Health) -> Change {
    Change::Fared(Box::new(health))
}

fn moved(event_id: &EventId, cursor: Cursor) -> Change {
    Change::Moved { event_id: event_id.clone(), cursor }
}

fn attempted(health: &Health, event_id: Option<&EventId>, attempt: u32, tried: &Tried, now: Millis) -> Change {
    let Tried { id, kind, sequence, outcome, took_ms } = tried;
    Change::Attempted(Box::new(Attempt {
        number: health.attempts,
        at: Timestamp(now),
        id: id.clone(),
        kind: kind.clone(),
        event_id: event_id.cloned(),
        sequence: event_id.map(|_| *sequence),
        attempt,
        status: outcome.status(),
        problem: outcome.problem(),
        took_ms: *took_ms,
    }))
}

fn dead(event_id: &EventId, attempts: u32, tried: &Tried, problem: String, now: Millis) -> Change {
    Change::Buried(Box::new(DeadLetter {
        event_id: event_id.clone(),
        sequence: tried.sequence,
        id: tried.id.clone(),
        kind: tried.kind.clone(),
        attempts,
        problem,
        failed_at: Timestamp(now),
    }))
}
