//! What is explored: who wants what, how the provider decides, and how much may go wrong.

use std::fmt;

use domain::payment::{Plan, Scenario as Provider};

/// How long a hold lasts, in seconds.
pub const HOLD_SEC: u64 = 60;

/// How much may go wrong on one way through. Everything else is unbounded: repetitions of any request with its key, and
/// how long anything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Crashes of the inventory or of a payment, between any two steps.
    pub crashes: u8,
    /// Saves that are rolled back, or made and not heard of.
    pub faults: u8,
    /// Messages of which a copy arrives at any later time, too: webhooks and instructions.
    pub echoes: u8,
    /// Messages, or answers, that are lost.
    pub losses: u8,
    /// Rings of the inventory's alarm that try an errand while the call that owes it is still trying, slowly.
    pub overlaps: u8,
}

impl Bounds {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { crashes: 0, faults: 0, echoes: 0, losses: 0, overlaps: 0 };
}

/// Which requests the buyers make, each any number of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acts {
    /// Confirm with the intent, and ask the provider where its word has not come.
    pub confirm: bool,
    /// Give the reservation up.
    pub cancel: bool,
    /// Give the intent up.
    pub cancel_intent: bool,
    /// Give the order back.
    pub refund: bool,
    /// Have the payment approved now.
    pub approve: bool,
    /// Have the payment declined now.
    pub decline: bool,
}

impl Acts {
    /// All of them.
    pub const ALL: Self = Self { confirm: true, cancel: true, cancel_intent: true, refund: true, approve: true, decline: true };
}

/// What is wrong with the environment, on purpose: shows that the search finds what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// The inventory's storage keeps no record of an answer.
    RecordsAreDropped,
    /// The inventory's storage grants commits that it does not make.
    CommitsAreDropped,
    /// Somebody captures as soon as the provider approves.
    CaptureOnApproval,
    /// The gateway takes the client's word that the payment is authorised.
    ProviderIsNotAsked,
    /// An instruction that is lost counts as carried out.
    LostErrandsCountAsDone,
    /// Every webhook is lost, however often it is tried.
    EveryWebhookIsLost,
}

/// One search.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// Buyers of the one seat.
    pub buyers: u8,
    /// Payment intents that each of them may open, one after the other.
    pub attempts: u8,
    /// What the provider does with the intents of each buyer.
    pub plans: Vec<Plan>,
    /// The instants that matter, in seconds after the sale opened. Everything may happen at each of them; real time
    /// between two of them is part of the earlier one.
    pub instants_sec: Vec<u64>,
    /// The first and the last instant at which each buyer first asks for the seat.
    pub holds: Vec<(u8, u8)>,
    /// What the buyers do.
    pub acts: Acts,
    /// What may go wrong.
    pub bounds: Bounds,
    /// What is wrong on purpose.
    pub flaw: Flaw,
}

impl Scenario {
    /// One buyer whose intents the provider decides like this, `delay_sec` after they were opened: 30 is before the
    /// deadline of the hold, 60 in the very instant, 90 behind it; an intent opened at 30 seconds is decided 30 later.
    #[must_use]
    pub fn one_buyer(name: &'static str, provider: Provider, delay_sec: u64, bounds: Bounds) -> Self {
        Self {
            name,
            buyers: 1,
            attempts: 1,
            plans: vec![plan(provider, delay_sec)],
            instants_sec: if delay_sec == 30 { vec![0, 30, HOLD_SEC, 90] } else { vec![0, HOLD_SEC, 90] },
            holds: vec![(0, 0)],
            acts: Acts::ALL,
            bounds,
            flaw: Flaw::None,
        }
    }

    /// Two buyers and one seat. The first one's hold ends at 60 seconds and its approval comes at 90; the second asks for
    /// the seat at 60 or 90, and its own approval comes 30 later, before its deadline or long after.
    #[must_use]
    pub fn two_buyers(bounds: Bounds) -> Self {
        Self {
            name: "two buyers, one seat",
            buyers: 2,
            attempts: 1,
            plans: vec![plan(Provider::Approve, 75), plan(Provider::Approve, 30)],
            instants_sec: vec![0, HOLD_SEC, 90, 120],
            holds: vec![(0, 0), (1, 1)],
            acts: Acts { confirm: true, ..Acts::default() },
            bounds,
            flaw: Flaw::None,
        }
    }
}

/// The searches of `scripts/model.sh`.
#[must_use]
pub fn full() -> Vec<Scenario> {
    let crashes = Bounds { crashes: 2, ..Bounds::NONE };
    let network = Bounds { echoes: 1, losses: 1, ..Bounds::NONE };
    let storage = Bounds { crashes: 1, faults: 1, ..Bounds::NONE };
    let slow = Bounds { crashes: 1, overlaps: 1, ..Bounds::NONE };
    let mut searches = Vec::new();
    for bounds in [crashes, network, storage, slow] {
        searches.extend(one_buyer_each_act(bounds));
    }
    searches.extend(everything(Bounds::NONE));
    searches.push(Scenario::two_buyers(Bounds::NONE));
    searches.push(two_buyers_by_webhook(Bounds { crashes: 1, ..Bounds::NONE }));
    searches
}

/// The searches of the test: the same with less to go wrong, and without the largest ones.
#[must_use]
pub fn small() -> Vec<Scenario> {
    let mut searches = one_buyer_each_act(Bounds::NONE);
    let crash = Bounds { crashes: 1, ..Bounds::NONE };
    searches.extend(one_buyer_each_act(crash).into_iter().take(8));
    searches.push(two_buyers_by_webhook(Bounds::NONE));
    searches
}

/// One buyer who confirms, and does one other thing; the provider approves before, at or after the deadline, declines, or
/// never answers.
fn one_buyer_each_act(bounds: Bounds) -> Vec<Scenario> {
    let confirm = Acts { confirm: true, ..Acts::default() };
    let search = |name, provider, delay_sec, acts| {
        let scenario = Scenario::one_buyer(name, provider, delay_sec, bounds);
        Scenario { acts, ..scenario }
    };
    vec![
        search("approved before the deadline", Provider::Approve, 30, confirm),
        search("approved at the deadline", Provider::Approve, 60, confirm),
        search("approved after the deadline", Provider::Approve, 90, confirm),
        search("declined before the deadline", Provider::Fail, 30, confirm),
        search("declined at the deadline", Provider::Fail, 60, confirm),
        search("declined after the deadline", Provider::Fail, 90, confirm),
        search("never answered, or decided by request", Provider::Timeout, 0, Acts { approve: true, decline: true, ..confirm }),
        search("approved at the deadline; cancel", Provider::Approve, 60, Acts { cancel: true, ..confirm }),
        search("approved at the deadline; cancel intent", Provider::Approve, 60, Acts { cancel_intent: true, ..confirm }),
        search("approved at the deadline; refund", Provider::Approve, 60, Acts { refund: true, ..confirm }),
    ]
}

/// Two buyers who wait for the provider's webhook instead of confirming: what leaves room for a crash.
fn two_buyers_by_webhook(bounds: Bounds) -> Scenario {
    Scenario { name: "two buyers, one seat, by webhook", acts: Acts::default(), ..Scenario::two_buyers(bounds) }
}

/// One buyer who does everything.
fn everything(bounds: Bounds) -> Vec<Scenario> {
    vec![
        Scenario::one_buyer("everything; approved before the deadline", Provider::Approve, 30, bounds),
        Scenario::one_buyer("everything; approved at the deadline", Provider::Approve, 60, bounds),
        Scenario::one_buyer("everything; approved after the deadline", Provider::Approve, 90, bounds),
        Scenario::one_buyer("everything; declined at the deadline", Provider::Fail, 60, bounds),
        Scenario::one_buyer("everything; never answered", Provider::Timeout, 0, bounds),
    ]
}

const fn plan(scenario: Provider, delay_sec: u64) -> Plan {
    Plan { scenario, delay_ms: delay_sec * 1000, approve_permille: 1000 }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crashes, faults, echoes, losses, overlaps } = self;
        write!(f, "{crashes} crashes, {faults} storage faults, {echoes} copies, {losses} losses, {overlaps} overlaps")
    }
}
