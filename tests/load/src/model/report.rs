//! What a sale of the model found, as rows of a table.

use domain::lane::gather_ms;

use super::{scenario::Scenario, times::Times};

/// What the platform recommends at most for one object: requests a second.
pub const SOFT_LIMIT: f64 = 1000.0;
/// What the whole is to stay under, in milliseconds.
pub const GOAL_MS: f64 = 120.0;

/// A thread that works more than this is not asked for more.
const WORN: f64 = 0.9;
/// From this share of a thread on there are queues that matter.
const PRESSED: f64 = 0.8;

/// How much one thread has to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Calls from outside, a second.
    pub calls_per_s: f64,
    /// Share of the time that it works.
    pub busy: f64,
}

impl Load {
    /// How near it is to the nearer of its two limits; 1 is there.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        self.busy.max(self.calls_per_s / SOFT_LIMIT)
    }

    fn cell(&self) -> String {
        format!("{:.0} · {:.0} %", self.calls_per_s, 100.0 * self.busy)
    }
}

/// The figures of one sale.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Of which scenario.
    pub name: String,
    /// How long a lane gathers at least, in milliseconds.
    pub gather_ms: f64,
    /// 95th percentiles from the gateway's door and back, in milliseconds.
    pub join_p95_ms: f64,
    /// Of a status.
    pub status_p95_ms: f64,
    /// Of an entry.
    pub enter_p95_ms: f64,
    /// Of a hold.
    pub hold_p95_ms: f64,
    /// The busiest isolate of the gateway.
    pub isolate: Load,
    /// The busiest lane.
    pub lane: Load,
    /// The queue.
    pub queue: Load,
    /// The inventory.
    pub inventory: Load,
    /// Batches that reached the queue.
    pub batches: u64,
    /// People who joined.
    pub joins: u64,
    /// Holds that were answered.
    pub holds: u64,
    /// How long they came.
    pub seconds: f64,
}

impl Figures {
    /// The object that is nearest to a limit, and what takes load from it.
    #[must_use]
    pub fn first_limit(&self) -> (&'static str, &'static str) {
        let candidates = [
            (self.lane, "lanes", "more lanes"),
            (self.queue, "queue", "gather longer"),
            (self.inventory, "inventory", "fewer entries"),
        ];
        let nearest = candidates.into_iter().max_by(|a, b| a.0.pressure().total_cmp(&b.0.pressure()));
        nearest.map(|(_, name, remedy)| (name, remedy)).unwrap_or_default()
    }

    /// Whether no object has more to do than it can and may.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        [self.lane, self.queue, self.inventory].iter().all(|load| load.pressure() <= 1.0)
    }

    /// Whether a thread has so much to do that everybody waits for it.
    fn is_pressed(&self) -> bool {
        [self.lane, self.queue, self.inventory].iter().any(|load| load.busy > PRESSED)
    }

    /// Whether joins are as quick as they are to be.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.join_p95_ms <= GOAL_MS
    }

    fn cells(&self) -> Vec<String> {
        let late = |ms: f64| if ms > 10_000.0 { "falls behind".to_owned() } else { format!("{ms:.0}") };
        let (first, remedy) = self.first_limit();
        let verdict = match (self.is_within_limits(), self.is_quick()) {
            (true, true) => "holds".to_owned(),
            (true, false) if !self.is_pressed() => "P95: fewer lanes".to_owned(),
            _ => format!("{first}: {remedy}"),
        };
        vec![
            self.name.clone(),
            format!("{:.0}", self.gather_ms),
            late(self.join_p95_ms),
            format!("{:.1}", self.status_p95_ms),
            late(self.enter_p95_ms),
            late(self.hold_p95_ms),
            self.lane.cell(),
            self.queue.cell(),
            self.inventory.cell(),
            verdict,
        ]
    }
}

/// A Markdown table with even columns.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
    };
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}|{}|\n{body}", line(&head), rule.join("|"))
}

/// The table of some sales. Loads are calls a second and the share of a thread.
#[must_use]
pub fn sales(figures: &[Figures]) -> String {
    let head = [
        "sale",
        "gather ms",
        "join P95 ms",
        "status P95",
        "enter P95",
        "hold P95",
        "a lane",
        "queue",
        "inventory",
        "first limit: what raises it",
    ];
    table(&head, &figures.iter().map(Figures::cells).collect::<Vec<_>>())
}

/// The most holds a second at which 95 in a hundred are quick and the inventory does not work without a pause.
#[must_use]
pub fn carried(times: &Times, seed: u64) -> Figures {
    const STEP: f64 = 1.05;
    let mut best = None;
    let mut per_s = 100.0;
    loop {
        // The queue's entries are not what is asked for here.
        let times = Times { queue_enter: 0.0, ..times.clone() };
        let figures = super::run(&Scenario::holds(per_s), &times, seed);
        if figures.hold_p95_ms > GOAL_MS || figures.inventory.busy > WORN {
            return best.unwrap_or(figures);
        }
        best = Some(figures);
        per_s *= STEP;
    }
}

/// The table of what an inventory carries.
#[must_use]
pub fn holds(figures: &Figures) -> String {
    let per_s = figures.holds as f64 / figures.seconds;
    let row = vec![format!("{per_s:.0}"), format!("{:.0}", figures.hold_p95_ms), figures.inventory.cell()];
    table(&["holds/s", "hold P95 ms", "inventory"], &[row])
}

/// The scenarios of the table: lanes with and without gathering, a crowd of a million, a thousand events at once.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let lanes = [8_u32, 16, 32, 48, 64, 128];
    let mut all: Vec<Scenario> = lanes.iter().map(|lanes| Scenario::hot(*lanes, 0.0)).collect();
    all.extend(lanes.iter().map(|lanes| Scenario::hot(*lanes, gather_ms(*lanes) as f64)));
    all.push(Scenario {
        name: "crowd of 1,000,000, 64 lanes".into(),
        crowd: 1_000_000,
        statuses_per_s: 100_000.0,
        isolates: 400,
        ..Scenario::hot(64, gather_ms(64) as f64)
    });
    all.push(Scenario {
        name: "one of 1,000 events at once, 4 lanes".into(),
        joins_per_s: 30.0,
        crowd: 900,
        entries_per_s: 5.0,
        statuses_per_s: 300.0,
        isolates: 50,
        ..Scenario::hot(4, gather_ms(4) as f64)
    });
    all
}
