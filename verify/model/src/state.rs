//! Where everything stands: the objects by their numbers, and what is on its way between them.

use std::hash::{Hash, Hasher};

use crate::{scenario::Bounds, step::Slot};

/// Who waits for a call of the inventory that carries out errands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A buyer, or nobody any more.
    Request,
    /// A payment that sent its webhook.
    Webhook(Slot),
    /// The alarm, which does not ring twice at a time.
    Alarm,
}

/// A call of the inventory that carries out errands, one after the other. Lost in a crash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// Who waits for it.
    pub owner: Owner,
    /// Numbers of the errands that were not tried yet, in order.
    pub left: Vec<u8>,
    /// Ids of those that are done, a bit each.
    pub done: u32,
    /// Ids of those that failed.
    pub failed: u32,
}

/// A payment's try to deliver its webhook. Lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Try {
    /// None is out.
    Idle,
    /// On its way with this word.
    Flying {
        /// Which try.
        attempt: u32,
        /// The number of what it says.
        word: u8,
    },
    /// The inventory carries out what it led to.
    Working {
        /// Which try.
        attempt: u32,
    },
    /// Answered.
    Answered {
        /// Which try.
        attempt: u32,
        /// Whether with success.
        taken: bool,
    },
}

/// Everything that decides about what can happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Which of the scenario's instants it is.
    pub instant: u8,
    /// The inventory.
    pub inventory: u32,
    /// The payment intents.
    pub payments: Vec<u32>,
    /// What was saved so far, as the witness accounts for it.
    pub witness: u32,
    /// Calls that carry out errands, sorted: they have no names.
    pub calls: Vec<Call>,
    /// The tries to deliver a webhook, by intent.
    pub tries: Vec<Try>,
    /// Intents of which some gateway has heard that they are authorised, a bit each.
    pub heard: u8,
    /// Copies of webhooks that are still on the way: intent and word, sorted.
    pub webhooks: Vec<(Slot, u8)>,
    /// Copies of instructions that are still on the way, sorted.
    pub instructions: Vec<u8>,
    /// What each key was granted with, from 1; 0 for nothing.
    pub granted: Vec<u16>,
    /// What may still go wrong.
    pub left: Bounds,
}

impl Hash for State {
    /// Of everything but what may still go wrong.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { instant, inventory, payments, witness, calls, tries, heard, webhooks, instructions, granted, left: _ } = self;
        (instant, inventory, payments, witness, calls, tries).hash(hasher);
        (heard, webhooks, instructions, granted).hash(hasher);
    }
}
