//! Where everything stands, and what can happen, one at a time.

use std::hash::{Hash, Hasher};

use crate::{part::Fault, scenario::Bounds};

/// A buyer, from 0.
pub type Buyer = u8;
/// A payment intent: `buyer * attempts + attempt`.
pub type Slot = u8;

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The inventory.
    Inventory,
    /// The simulated provider.
    Provider,
}

/// What a buyer asks through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// Hold the seat. Sent again, the same key comes with other random bits for the reservation.
    Hold(Buyer, bool),
    /// Open an intent.
    Open(Slot),
    /// Confirm; whether the gateway has heard from the provider that it is authorised.
    Confirm(Slot, bool),
    /// Give the reservation up.
    Cancel(Buyer),
    /// Give the intent up.
    CancelIntent(Slot),
    /// Give the order back.
    Refund(Buyer),
    /// A signed approval that comes on another way once the payment is over for both sides: nobody's request.
    Word(Slot),
    /// How an intent stands, asked of the provider.
    Look(Slot),
    /// Have the payment approved or declined now.
    Process(Slot, bool),
    /// The answer to that, once it was reported.
    Settle(Slot),
}

impl Request {
    /// Kinds of keys; a kind has one for each buyer or intent.
    pub const KEYS: usize = 9;

    /// Who is asked.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Look(_) | Self::Process(..) | Self::Settle(_) => Side::Provider,
            _ => Side::Inventory,
        }
    }

    /// The key that it comes with: its kind, and the number of the buyer or intent.
    #[must_use]
    pub const fn key(self) -> Option<(u8, u8)> {
        Some(match self {
            Self::Hold(buyer, _) => (0, buyer),
            Self::Open(slot) => (1, slot),
            Self::Confirm(slot, _) => (2, slot),
            Self::Cancel(buyer) => (3, buyer),
            Self::CancelIntent(slot) => (4, slot),
            Self::Refund(buyer) => (5, buyer),
            Self::Word(slot) => (6, slot),
            Self::Settle(slot) => (7, slot),
            Self::Look(_) | Self::Process(..) => return None,
        })
    }

    /// The key of the provider's own webhook.
    #[must_use]
    pub const fn webhook_key(slot: Slot) -> (u8, u8) {
        (8, slot)
    }
}

/// What came of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Came {
    /// It failed, or nobody knows.
    Failed,
    /// It was performed.
    Performed,
    /// It was performed, and the receiver sees the payment like this: a number of `Status::ALL`.
    Told(u8),
}

/// What is on its way. Effects have numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// An effect; who performs it waits.
    Out(u16),
    /// How it was answered.
    Back(u16, Came),
    /// An effect that nobody waits for: a copy, or sent before a crash. It may never arrive.
    Adrift(u16),
    /// Envelopes from one sequence through another, in `sale-events`.
    Batch(u8, u8),
    /// The reader of `sale-events` says that it has dealt with everything up to here.
    Dealt(u8),
}

/// What a machine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// To take over the event.
    Open,
    /// By a buyer.
    Request(Request),
    /// What a message says.
    Message(Message),
    /// To capture, by nobody who may.
    Capture(Slot),
    /// What is due.
    Due,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next instant comes.
    Clock,
    /// A request arrives.
    Ask(Request, Option<Fault>),
    /// The alarm of a machine rings: it carries out what is due.
    Ring(Side, Option<Fault>),
    /// A due effect is sent.
    Perform(u16),
    /// A message arrives.
    Arrive(Message, Option<Fault>),
    /// A message, or the answer to it, is lost.
    Lose(Message),
    /// A copy of a message stays on the way.
    Copy(Message),
    /// A machine loses its memory, and all that it was waiting for.
    Crash(Side),
}

impl Step {
    /// The same step while storage fails; none where the step saves nothing.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Option<Self> {
        let fault = Some(fault);
        Some(match self {
            Self::Ask(request, None) => Self::Ask(request, fault),
            Self::Ring(side, None) => Self::Ring(side, fault),
            Self::Arrive(message, None) => Self::Arrive(message, fault),
            _ => return None,
        })
    }
}

/// Everything that decides about what can happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Time since the sale opened.
    pub now_ms: u32,
    /// The inventory.
    pub inventory: u32,
    /// The provider.
    pub provider: u32,
    /// What was saved so far, as the witness accounts for it.
    pub witness: u32,
    /// What is on its way, sorted.
    pub messages: Vec<Message>,
    /// The last envelope before which the reader of `sale-events` has dealt with all.
    pub reader: u8,
    /// Intents of which some gateway has heard that they are authorised, a bit each.
    pub heard: u8,
    /// Intents that a buyer had decided, a bit each.
    pub processed: u8,
    /// What each key was granted with, from 1; 0 for nothing.
    pub granted: Vec<u16>,
    /// What may still go wrong.
    pub left: Bounds,
}

impl Hash for State {
    /// Of everything but what may still go wrong.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { now_ms, inventory, provider, witness, messages, reader, heard, processed, granted, left: _ } = self;
        (now_ms, inventory, provider, witness, messages).hash(hasher);
        (reader, heard, processed, granted).hash(hasher);
    }
}
