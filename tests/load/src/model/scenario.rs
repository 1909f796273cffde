//! Who comes, how often, and to how many objects.

/// One sale.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the row of the table is called.
    pub name: String,
    /// Joins a second while the crowd comes.
    pub joins_per_s: f64,
    /// How many come.
    pub crowd: u64,
    /// Lanes of the event.
    pub lanes: u32,
    /// A lane sends a batch at most every so often, in milliseconds; 0 is as soon as the one before is stored.
    pub gather_ms: f64,
    /// Entries a second, each followed by a hold.
    pub entries_per_s: f64,
    /// Isolates of the gateway, each with a board of its own.
    pub isolates: usize,
    /// Status requests a second.
    pub statuses_per_s: f64,
    /// Way from one machine to another, in milliseconds.
    pub way_ms: f64,
    /// A flush takes from … to …, in milliseconds.
    pub flush_ms: (f64, f64),
}

impl Scenario {
    /// An event at its opening.
    #[must_use]
    pub fn hot(lanes: u32, gather_ms: f64) -> Self {
        Self {
            name: format!("{lanes} lanes"),
            joins_per_s: 30_000.0,
            crowd: 300_000,
            lanes,
            gather_ms,
            entries_per_s: 200.0,
            isolates: 200,
            statuses_per_s: 10_000.0,
            way_ms: 1.0,
            flush_ms: (10.0, 13.0),
        }
    }

    /// An event where nothing happens but `holds_per_s` entries and holds, for ten seconds.
    #[must_use]
    pub fn holds(holds_per_s: f64) -> Self {
        Self {
            name: "holds".into(),
            joins_per_s: 10.0,
            crowd: 100,
            entries_per_s: holds_per_s,
            statuses_per_s: 0.0,
            ..Self::hot(4, 0.0)
        }
    }
}
