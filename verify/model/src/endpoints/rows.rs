//! The rows of an endpoint, without what nobody decides by: attempts, their number and the last failure are only shown, and
//! would tell states apart that go on alike.

use std::collections::BTreeMap;

use actors::ask::Object;
use domain::{
    delivery::{
        Change, Command, Delivery, Health, Version,
        attempt::{Outcome, Tried},
    },
    effect::Effect as _,
    id::EventId,
    invariants::{Verdict, Witness},
    machine::Machine,
    time::Millis,
};
use simulation::rows::{Rows, WebhookRows};

use crate::part::Tables;

/// Longest log of every scenario.
const LAST_MAX: u64 = 4;
/// Logs of every scenario.
pub(super) const LOGS_MAX: u8 = 2;

/// The event with this number.
#[must_use]
pub fn event_id(log: u8) -> EventId {
    EventId::parse(&format!("evt_{}", log + 1)).expect("it is one")
}

/// The tables of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointRows(WebhookRows);

impl Rows for EndpointRows {
    type Machine = Delivery;

    fn load(&self) -> Delivery {
        self.0.load()
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Attempted(_) => Ok(()),
            Change::Fared(health) => self.0.write(&Change::Fared(Box::new(decisive(health)))),
            _ => self.0.write(change),
        }
    }

    fn recall(&self, delivery: &mut Delivery, command: &Command) {
        self.0.recall(delivery, command);
    }

    fn testify(witness: &mut Witness, object: &Object, changes: &[Change], now: Millis) -> Verdict {
        WebhookRows::testify(witness, object, changes, now)
    }
}

/// What is decided by.
fn decisive(health: &Health) -> Health {
    Health { attempts: 0, last_failure: None, ..health.clone() }
}

impl Tables for EndpointRows {
    /// Its cursors, health and version are private; what it would do about a word, a ping and a change shows them. When an
    /// effect is due that the log did not answer is known to memory alone.
    fn lasting(live: &Delivery) -> String {
        let would = |command: &Command| live.decide(command, Millis(0).into()).map(|decision| decision.changes);
        let hear = |log, version, through| Command::Hear { version, event_id: event_id(log), through };
        // A cursor that is not behind is in its row alone.
        let cursor = |log: u8| {
            let heard = |through| hear(log, Version::default(), through);
            let through = (0..=LAST_MAX).chain([u64::MAX]);
            (!live.must_recall(&heard(0))).then(|| through.map(|through| would(&heard(through))).collect::<Vec<_>>())
        };
        let cursors: Vec<_> = (0..LOGS_MAX).map(cursor).collect();
        let outcome = Outcome::Answered(200);
        let ping = Tried { id: String::new(), kind: String::new(), sequence: 0, outcome, took_ms: 0 };
        let health = would(&Command::Pinged(ping)).into_iter().flatten().find_map(|change| match change {
            Change::Fared(health) => Some(decisive(&health)),
            _ => None,
        });
        let owed: BTreeMap<_, _> =
            live.effects().iter().map(|pending| (pending.effect.ordering_key(), (&pending.effect, pending.attempt))).collect();
        let since = live.endpoint().map(|endpoint| endpoint.since);
        let newer = since.map(|at| Version { created_at: at, updated_at: at.plus_ms(1) });
        let takes_newer = newer.map(|version| would(&hear(0, version, 0)).is_ok());
        format!("{:?} {takes_newer:?} {health:?} {cursors:?} {owed:?}", live.endpoint())
    }

    fn passing(live: &Delivery) -> String {
        format!("{:?}", live.effects().iter().collect::<Vec<_>>())
    }

    fn probes() -> Vec<Command> {
        vec![]
    }
}
