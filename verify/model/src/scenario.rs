//! What is explored: who wants what, how the provider decides, and how much may go wrong.

use std::fmt;

use domain::payment::{Plan, Scenario as Provider};

/// How long a hold lasts, in seconds.
pub const HOLD_SEC: u64 = 60;

/// How much may go wrong on one way through. Everything else is unbounded: repetitions of any request with its key, and
/// how long anything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Crashes of a machine, between any two steps or in the middle of one.
    pub crashes: u8,
    /// Messages of which a copy arrives at any later time, too.
    pub copies: u8,
    /// Messages, or answers, that are lost.
    pub losses: u8,
}

impl Bounds {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { crashes: 0, copies: 0, losses: 0 };
}

/// Which requests the buyers make, each any number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Wait for the answer to one of these two.
    pub settle: bool,
    /// A signed approval comes on another way, when the payment is over for both sides.
    pub word: bool,
}

impl Acts {
    /// None of them.
    pub const NONE: Self = Self {
        confirm: false,
        cancel: false,
        cancel_intent: false,
        refund: false,
        approve: false,
        decline: false,
        settle: false,
        word: false,
    };
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
    /// An effect that is lost counts as performed.
    LostEffectsCountAsDone,
    /// Every webhook is lost, however often it is tried.
    EveryWebhookIsLost,
    /// Envelopes that `sale-events` took count as dealt with.
    PublishedCountsAsDealtWith,
    /// The reader of `sale-events` does not mind that a batch is missing.
    GapsAreSkipped,
}

/// One search.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// How many buyers there are.
    pub buyers: u8,
    /// Whether the buyers are one user, who may have one seat, and each of them wants another seat; otherwise they are
    /// different users who want the same.
    pub one_user: bool,
    /// Payment intents that each of them may open, one after the other.
    pub attempts: u8,
    /// Whether they open any.
    pub opens: bool,
    /// What the provider does with the intents of each buyer.
    pub plans: Vec<Plan>,
    /// The instants that matter, in seconds after the sale opened, besides those at which a machine is to be called. Time goes
    /// on whatever else is due until the last of them; behind it, only where nothing else can happen.
    pub instants_sec: Vec<u64>,
    /// The first and the last second at which each buyer first asks for the seat.
    pub holds: Vec<(u64, u64)>,
    /// What the buyers do.
    pub acts: Acts,
    /// Whether publishing the log takes time and may go wrong.
    pub log: bool,
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
            one_user: false,
            attempts: 1,
            opens: true,
            plans: vec![plan(provider, delay_sec)],
            instants_sec: if delay_sec == 30 { vec![0, 30, HOLD_SEC, 90] } else { vec![0, HOLD_SEC, 90] },
            holds: vec![(0, 0)],
            acts: Acts::NONE,
            log: false,
            bounds,
            flaw: Flaw::None,
        }
    }

    /// Two buyers and one seat. The first one's hold ends at 60 seconds and its approval comes at 75 or later; the second asks
    /// for the seat at 60, and its own approval comes 30 later, before its deadline.
    #[must_use]
    pub fn two_buyers(name: &'static str, bounds: Bounds) -> Self {
        Self {
            buyers: 2,
            plans: vec![plan(Provider::Approve, 75), plan(Provider::Approve, 30)],
            instants_sec: vec![0, HOLD_SEC, 90, 120],
            holds: vec![(0, 0), (HOLD_SEC, HOLD_SEC)],
            ..Self::one_buyer(name, Provider::Approve, 0, bounds)
        }
    }

    /// The log of a few envelopes, without payments: three holds, each given up or running out.
    #[must_use]
    pub fn log(name: &'static str, buyers: u8, bounds: Bounds) -> Self {
        Self {
            buyers,
            opens: false,
            plans: vec![plan(Provider::Approve, 0); usize::from(buyers)],
            instants_sec: vec![0],
            holds: vec![(0, 0); usize::from(buyers)],
            acts: Acts { cancel: true, ..Acts::NONE },
            log: true,
            ..Self::one_buyer(name, Provider::Approve, 0, bounds)
        }
    }
}

const CONFIRM: Acts = Acts { confirm: true, ..Acts::NONE };

/// The searches of `scripts/model.sh`.
#[must_use]
pub fn full() -> Vec<Scenario> {
    let crashes = Bounds { crashes: 2, ..Bounds::NONE };
    let network = Bounds { copies: 1, losses: 1, ..Bounds::NONE };
    let both = Bounds { crashes: 1, copies: 1, losses: 0 };
    let lossy = Bounds { crashes: 1, copies: 0, losses: 1 };
    let mut searches = Vec::new();
    for bounds in [crashes, network, both, lossy] {
        searches.extend(one_buyer_each_act(bounds));
    }
    searches.extend(everything(Bounds { crashes: 1, ..Bounds::NONE }));
    searches.extend(everything(Bounds { losses: 1, ..Bounds::NONE }));
    searches.extend(everything(Bounds { copies: 1, ..Bounds::NONE }));
    searches.extend(two_buyers(Bounds { crashes: 1, ..Bounds::NONE }));
    searches.extend(two_buyers(Bounds { losses: 1, ..Bounds::NONE }));
    searches.extend(two_buyers(Bounds { copies: 1, ..Bounds::NONE }));
    searches.extend(logs(Bounds { crashes: 1, copies: 1, losses: 1 }));
    searches.extend(logs(Bounds { crashes: 0, copies: 0, losses: 3 }));
    searches
}

/// The searches of the test: the same with less to go wrong, and without the largest ones.
#[must_use]
pub fn small() -> Vec<Scenario> {
    let crash = Bounds { crashes: 1, ..Bounds::NONE };
    let loss = Bounds { losses: 1, ..Bounds::NONE };
    let mut searches = one_buyer_each_act(crash);
    searches.extend(one_buyer_each_act(loss));
    searches.extend(two_buyers(Bounds::NONE));
    searches.extend(logs(loss));
    searches
}

/// One buyer who confirms, and does one other thing; the provider approves before, at or after the deadline, declines, or
/// never answers.
fn one_buyer_each_act(bounds: Bounds) -> Vec<Scenario> {
    let search = |name, provider, delay_sec, acts| Scenario { acts, ..Scenario::one_buyer(name, provider, delay_sec, bounds) };
    let by_request = Acts { approve: true, decline: true, ..CONFIRM };
    vec![
        search("approved before the deadline", Provider::Approve, 30, CONFIRM),
        search("approved at the deadline", Provider::Approve, 60, CONFIRM),
        search("approved after the deadline", Provider::Approve, 90, CONFIRM),
        search("declined before the deadline", Provider::Fail, 30, CONFIRM),
        search("declined at the deadline", Provider::Fail, 60, CONFIRM),
        search("declined after the deadline", Provider::Fail, 90, CONFIRM),
        search("declined, and approved on another way", Provider::Fail, 60, Acts { word: true, ..Acts::NONE }),
        search("never answered, and approved on another way", Provider::Timeout, 0, Acts { word: true, ..Acts::NONE }),
        search("never answered, or decided by request", Provider::Timeout, 0, by_request),
        search("decided by request, and answered", Provider::Timeout, 0, Acts { settle: true, confirm: false, ..by_request }),
        search("approved at the deadline; cancel", Provider::Approve, 60, Acts { cancel: true, ..CONFIRM }),
        search("approved at the deadline; cancel intent", Provider::Approve, 60, Acts { cancel_intent: true, ..CONFIRM }),
        search("approved at the deadline; refund", Provider::Approve, 60, Acts { refund: true, ..CONFIRM }),
    ]
}

/// Two buyers who wait for the provider's webhook, or confirm; one user whose first payment is approved late, when it holds
/// another seat already; and one who tries to pay a second time.
fn two_buyers(bounds: Bounds) -> Vec<Scenario> {
    let again = Acts { cancel_intent: true, ..Acts::NONE };
    let two = |name| Scenario::two_buyers(name, bounds);
    // With a crash there are more states than anybody waits for.
    let confirming = Scenario { acts: CONFIRM, ..two("two buyers, one seat") };
    let mut searches: Vec<Scenario> = (bounds.crashes == 0).then_some(confirming).into_iter().collect();
    searches.extend([
        two("two buyers, one seat, by webhook"),
        Scenario { one_user: true, ..two("one user, two seats, may have one") },
        Scenario { attempts: 2, acts: again, ..Scenario::one_buyer("a second intent", Provider::Approve, 60, bounds) },
    ]);
    searches
}

/// One buyer who does everything.
fn everything(bounds: Bounds) -> Vec<Scenario> {
    let acts = Acts { cancel: true, cancel_intent: true, refund: true, approve: true, decline: true, ..CONFIRM };
    let search = |name, provider, delay_sec| Scenario { acts, ..Scenario::one_buyer(name, provider, delay_sec, bounds) };
    vec![
        search("everything; approved before the deadline", Provider::Approve, 30),
        search("everything; approved at the deadline", Provider::Approve, 60),
        search("everything; approved after the deadline", Provider::Approve, 90),
        search("everything; declined at the deadline", Provider::Fail, 60),
        search("everything; never answered", Provider::Timeout, 0),
    ]
}

/// Publication of the log.
fn logs(bounds: Bounds) -> Vec<Scenario> {
    vec![Scenario::log("the log of one buyer", 1, bounds), Scenario::log("the log of two buyers", 2, bounds)]
}

const fn plan(scenario: Provider, delay_sec: u64) -> Plan {
    Plan { scenario, delay_ms: delay_sec * 1000, approve_permille: 1000 }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crashes, copies, losses } = self;
        write!(f, "{crashes} crashes, {copies} copies, {losses} losses")
    }
}
