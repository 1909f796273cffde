//! What is explored of endpoints: how many, over which logs, and how much may go wrong.

use std::fmt;

/// How much may go wrong on one way through. Everything else is unbounded: how long anything takes, how often an endpoint is
/// enabled, and how often a word is said again that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Crashes of an endpoint's object, between any two steps or in the middle of one.
    pub crashes: u8,
    /// Messages of which a copy arrives at any later time, too.
    pub copies: u8,
    /// Messages, answers to them, or readings of a log that are lost.
    pub losses: u8,
    /// Posts that are answered 500.
    pub refusals: u8,
    /// Posts that are answered 410.
    pub farewells: u8,
}

impl Bounds {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { crashes: 0, copies: 0, losses: 0, refusals: 0, farewells: 0 };
}

/// What is wrong on purpose: shows that the search finds what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// A post that was answered 500 counts as delivered.
    RefusalsCountAsDelivered,
    /// A post that got no answer counts as delivered.
    SilenceCountsAsDelivered,
    /// A word that is lost is never said again.
    LostWordsAreNotSaidAgain,
    /// A crash takes the rows along.
    CrashesForgetRows,
    /// Storage grants commits that it does not make.
    CommitsAreDropped,
    /// The newest envelope is posted instead of the one behind the cursor.
    TheNewestIsPosted,
    /// A cursor begins at the end of the log, wherever the log stood when the endpoint was made.
    CursorsBeginAtTheEnd,
}

/// One search.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// How many endpoints there are.
    pub endpoints: u8,
    /// How long the log of each event gets.
    pub logs: &'static [u8],
    /// Whether the last endpoint is made at any time while the logs grow; the others are there before anything is logged.
    pub late: bool,
    /// Time goes on whatever else is due until so many milliseconds have passed, in so many steps besides those to the next
    /// deadline of a machine; after that, only where nothing else can happen.
    pub instants_ms: &'static [u32],
    /// Until when the first endpoint answers 503 to everything, in milliseconds.
    pub down_ms: u32,
    /// The first envelope that it answers so.
    pub down_from: u64,
    /// What may go wrong.
    pub bounds: Bounds,
    /// What is wrong on purpose.
    pub flaw: Flaw,
}

impl Scenario {
    /// Two endpoints that are there from the beginning, and the log of one event.
    #[must_use]
    pub const fn two(name: &'static str, logs: &'static [u8], bounds: Bounds) -> Self {
        Self { name, endpoints: 2, logs, late: false, instants_ms: &[0], down_ms: 0, down_from: 1, bounds, flaw: Flaw::None }
    }
}

/// Time runs free beyond the first try that follows a failure.
const BEYOND_A_RETRY_MS: &[u32] = &[0, 8_000];
/// One is there in the first instant, the other may be made in the second.
const TWO_INSTANTS_MS: &[u32] = &[0, 1];
/// Three days and an hour: longer than anything is tried.
const THREE_DAYS_MS: u32 = (3 * 24 + 1) * 3600 * 1000;

/// The searches of `scripts/model.sh`.
#[must_use]
pub fn full() -> Vec<Scenario> {
    let crash = Bounds { crashes: 1, ..Bounds::NONE };
    let loss = Bounds { losses: 1, ..Bounds::NONE };
    let network = Bounds { copies: 1, losses: 1, ..Bounds::NONE };
    let refused = Bounds { crashes: 1, refusals: 1, ..Bounds::NONE };
    let gone = Bounds { crashes: 1, farewells: 1, ..Bounds::NONE };
    vec![
        Scenario::two("endpoints, four envelopes", &[4], crash),
        Scenario::two("endpoints, three envelopes", &[3], network),
        Scenario::two("endpoints, two envelopes", &[2], Bounds { crashes: 1, ..network }),
        Scenario::two("endpoints, two envelopes", &[2], Bounds { crashes: 2, ..Bounds::NONE }),
        Scenario::two("endpoints that refuse", &[3], refused),
        Scenario { instants_ms: BEYOND_A_RETRY_MS, ..Scenario::two("endpoints that refuse, out of step", &[2], refused) },
        Scenario::two("endpoints that want nothing any more", &[3], gone),
        Scenario::two("endpoints that want nothing any more", &[2], Bounds { refusals: 1, losses: 1, ..gone }),
        Scenario { late: true, instants_ms: TWO_INSTANTS_MS, ..Scenario::two("an endpoint that is made late", &[2], loss) },
        Scenario { late: true, instants_ms: TWO_INSTANTS_MS, ..Scenario::two("an endpoint that is made late", &[2], crash) },
        Scenario::two("endpoints, two events", &[1, 1], crash),
        Scenario { down_ms: THREE_DAYS_MS, ..Scenario::two("an endpoint that is down for three days", &[2], Bounds::NONE) },
        Scenario {
            down_ms: THREE_DAYS_MS,
            down_from: 2,
            ..Scenario::two("an endpoint that is down from the second envelope on", &[2], Bounds::NONE)
        },
    ]
}

/// The searches of the test: the same with less to go wrong.
#[must_use]
pub fn small() -> Vec<Scenario> {
    let crash = Bounds { crashes: 1, ..Bounds::NONE };
    let loss = Bounds { losses: 1, ..Bounds::NONE };
    let copy = Bounds { copies: 1, ..Bounds::NONE };
    let gone = Bounds { farewells: 1, refusals: 1, ..Bounds::NONE };
    vec![
        Scenario::two("endpoints, a crash", &[2], crash),
        Scenario::two("endpoints, a loss", &[2], loss),
        Scenario::two("endpoints, a copy", &[2], copy),
        Scenario::two("endpoints that want nothing any more", &[2], gone),
        Scenario { late: true, instants_ms: TWO_INSTANTS_MS, ..Scenario::two("an endpoint that is made late", &[1], loss) },
        Scenario::two("endpoints, two events", &[1, 1], Bounds::NONE),
        Scenario { down_ms: THREE_DAYS_MS, ..Scenario::two("an endpoint that is down for three days", &[2], Bounds::NONE) },
        Scenario {
            down_ms: THREE_DAYS_MS,
            down_from: 2,
            ..Scenario::two("an endpoint that is down from the second envelope on", &[2], Bounds::NONE)
        },
    ]
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crashes, copies, losses, refusals, farewells } = self;
        write!(f, "{crashes} crashes, {copies} copies, {losses} losses, {refusals} refusals, {farewells} farewells")
    }
}
