//! The rows of each object, as its SQL tables hold them: what a crash leaves behind and nothing else.

mod inventory;
mod lane;
mod payment;
mod queue;
mod webhook;

use actors::ask::Object;
use domain::{
    idempotency::Record,
    invariants::{Verdict, Witness},
    machine::{Answer, Machine},
    time::Millis,
};

pub use self::{inventory::InventoryRows, lane::LaneRows, payment::PaymentRows, queue::QueueRows, webhook::WebhookRows};

/// The tables of one object.
pub trait Rows: Clone + Default + 'static {
    /// Whose they are.
    type Machine: Machine<Change: Clone> + 'static;

    /// The machine that they stand for.
    fn load(&self) -> Self::Machine;

    /// Makes one change.
    ///
    /// # Errors
    /// It breaks a constraint of the tables; nothing of its commit is kept.
    fn write(&mut self, change: &<Self::Machine as Machine>::Change) -> Result<(), String>;

    /// Brings into memory what `command` needs and memory does not hold.
    fn recall(&self, machine: &mut Self::Machine, command: &<Self::Machine as Machine>::Command) {
        let _ = (machine, command);
    }

    /// Tells the witness of a commit.
    ///
    /// # Errors
    /// It broke a promise.
    fn testify(witness: &mut Witness, object: &Object, changes: &[<Self::Machine as Machine>::Change], now: Millis) -> Verdict;

    /// Envelopes of the log behind `after`, by their sequence, each as JSON.
    fn log(&self, after: u64, limit: u32) -> Vec<(u64, String)> {
        let _ = (after, limit);
        vec![]
    }

    /// The last envelope of the log that is older than an instant.
    fn logged_before(&self, at: Millis) -> u64 {
        let _ = at;
        0
    }

    /// Entries of the ledger behind this one; nothing for tables without any.
    fn ledger(&self, after: u64, limit: u64) -> Vec<domain::inventory::ledger::Entry> {
        let _ = (after, limit);
        vec![]
    }

    /// A reservation or an order for its owner, by its id; nothing for tables without any.
    fn reservation(&self, query: &domain::inventory::Query) -> Option<Answer> {
        let _ = query;
        None
    }
}

/// The recorded answers of one object.
pub type Records = std::collections::BTreeMap<domain::hash::Hash128, (Record, Vec<u8>)>;

/// A value as it comes back from its JSON column.
pub(crate) fn reread<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let json = serde_json::to_vec(value).expect("rows are plain data with text keys");
    serde_json::from_slice(&json).expect("a row reads back as it was written")
}
