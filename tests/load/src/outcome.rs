//! What was measured.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Three significant digits up to a minute, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// The figures of one step while they are gathered.
#[derive(Debug)]
pub(crate) struct Tally {
    name: String,
    latencies: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new(name: &str) -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order");
        Self { name: name.to_owned(), latencies }
    }

    /// Counts an answer that came so long after its request was meant to be sent.
    pub(crate) fn count(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        self.latencies.saturating_record(us.max(1));
    }

    pub(crate) fn figures(&self, seconds: f64) -> Figures {
        let ms = |quantile: f64| self.latencies.value_at_quantile(quantile) as f64 / 1000.0;
        Figures {
            name: self.name.clone(),
            completed: self.latencies.len(),
            per_s: self.latencies.len() as f64 / seconds,
            mean_ms: self.latencies.mean() / 1000.0,
            p50_ms: ms(0.50),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
            max_ms: self.latencies.max() as f64 / 1000.0,
        }
    }
}

/// The figures of one step: answers as expected, and how long after the intended time they came.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The step.
    pub name: String,
    /// Answers with the expected status.
    pub completed: u64,
    /// The same, a second.
    pub per_s: f64,
    /// Arithmetic mean, in milliseconds.
    pub mean_ms: f64,
    /// Median, in milliseconds.
    pub p50_ms: f64,
    /// In milliseconds.
    pub p95_ms: f64,
    /// In milliseconds.
    pub p99_ms: f64,
    /// In milliseconds.
    pub max_ms: f64,
}

/// The figures of one measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// How long was measured: shorter than planned where the table came to its end.
    pub seconds: f64,
    /// Answers as expected, of all steps.
    pub completed: u64,
    /// The same, a second.
    pub per_s: f64,
    /// People who finished their last step.
    pub people: u64,
    /// The line of the table that would have been next.
    pub taken: usize,
    /// Whether the table came to its end.
    pub dry: bool,
    /// Each step, in order.
    pub steps: Vec<Figures>,
    /// Other statuses and how often; 0 is a broken connection. The whole run, warm-up and all.
    pub unexpected: BTreeMap<u16, u64>,
    /// Requests that had no answer five seconds after the last one was sent. The whole run, warm-up and all.
    pub unanswered: usize,
    /// The body of the first unexpected answer.
    pub complaint: Option<String>,
    /// Share of one core that this client used itself.
    pub client_cpu: f64,
    /// Processor time that the server used for each answer, in microseconds.
    pub server_cpu_us: Option<f64>,
    /// Share of one core that the server used.
    pub server_cpu: Option<f64>,
    /// What the server has resident at the end, in mebibytes.
    pub server_mib: Option<u64>,
}
