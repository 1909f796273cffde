//! What a million people who queue cost, by the published prices.
//!
//! Paid plan, beyond what is included, in US dollars:
//! - Workers: a million requests 0.30, a million milliseconds of processor time 0.02
//!   (<https://developers.cloudflare.com/workers/platform/pricing/>)
//! - Durable Objects: a million requests 0.15, a million GB-seconds 12.50 with 128 MB for each object, a million rows
//!   written 1.00, and `setAlarm` is a row (<https://developers.cloudflare.com/durable-objects/platform/pricing/>)

use super::{report::Figures, times::Times};

const WORKER_REQUEST: f64 = 0.30e-6;
const CPU_MS: f64 = 0.02e-6;
const OBJECT_REQUEST: f64 = 0.15e-6;
const GB_SECOND: f64 = 12.50e-6;
const ROW_WRITTEN: f64 = 1.00e-6;
const OBJECT_GB: f64 = 0.128;
const PEOPLE: f64 = 1e6;
/// Rows that are written for a batch: the lane's places, the queue's counters with its answer.
const ROWS_A_BATCH: f64 = 2.0;

/// How a million people wait.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// How long each of them waits, in seconds.
    pub seconds: f64,
    /// How often each asks for their status, in seconds.
    pub every_s: f64,
}

/// The bill, item by item.
#[derive(Clone, Debug)]
pub struct Bill(pub Vec<(&'static str, f64)>);

impl Bill {
    /// Of a million people who join as in `figures`, wait as in `wait`, and of whom nobody buys.
    #[must_use]
    pub fn new(figures: &Figures, lanes: u32, times: &Times, wait: Wait) -> Self {
        let scale = PEOPLE / figures.joins as f64;
        let statuses = PEOPLE * wait.seconds / wait.every_s;
        let batches = figures.batches as f64 * scale;
        let open_s = figures.seconds * scale + wait.seconds;
        let boards = figures.queue.calls_per_s.min(1000.0) * wait.seconds;
        Self(vec![
            ("Worker requests: joins and statuses", (PEOPLE + statuses) * WORKER_REQUEST),
            ("Worker processor time", (PEOPLE + statuses) * times.gateway / 1000.0 * CPU_MS),
            ("object requests: joins, batches, boards", (PEOPLE + batches + boards) * OBJECT_REQUEST),
            ("object duration: lanes, queue, inventory", (lanes as f64 + 2.0) * open_s * OBJECT_GB * GB_SECOND),
            ("rows written: batches", batches * ROWS_A_BATCH * ROW_WRITTEN),
        ])
    }

    /// In dollars.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().map(|(_, dollars)| dollars).sum()
    }
}
