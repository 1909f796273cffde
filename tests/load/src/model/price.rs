//! What a million people who queue cost, by the published prices.

use super::{report::Figures, times::Times};

/// The paid plan, beyond what it includes, in US dollars.
pub const PRICE_LIST: &str = "\
Prices as published, read on 2026-11-30, beyond what the paid plan includes.
Workers (https://developers.cloudflare.com/workers/platform/pricing/): a million requests 0.30, of which the opening of a socket is one \
and its messages are none; a million milliseconds of processor time 0.02.
Durable Objects (https://developers.cloudflare.com/durable-objects/platform/pricing/): a million requests 0.15, of which twenty messages \
from sockets are one, messages to sockets none, and pings that the runtime answers none; a million GB-seconds 12.50, with 128 MB for \
each object while it is active or cannot hibernate; a million rows written 1.00, of which those of indexes are some and an alarm that \
is set is one.";
const WORKER_REQUEST: f64 = 0.30e-6;
const CPU_MS: f64 = 0.02e-6;
const OBJECT_REQUEST: f64 = 0.15e-6;
const GB_SECOND: f64 = 12.50e-6;
const ROW_WRITTEN: f64 = 1.00e-6;
const OBJECT_GB: f64 = 0.128;
const MESSAGES_A_REQUEST: f64 = 20.0;
/// What the design allows for a million people who wait ten minutes, in US dollars.
pub const MOST_DOLLARS: f64 = 2.0;

const PEOPLE: f64 = 1e6;
/// Rows for each batch besides places: the queue's counters with its answer.
const ROWS_A_BATCH: f64 = 1.0;
/// Calls of a queue a second for boards, at most.
const BOARDS_MAX: f64 = 1000.0;

/// How people wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// Each asks for their status every so often, in seconds.
    Polling {
        /// The time from one status to the next.
        every_s: f64,
    },
    /// Each is at a socket.
    Sockets(Sockets),
}

/// Sockets of objects that can hibernate.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    /// Sockets that one object holds.
    pub held_by_one: f64,
    /// How often each person opens one: more than once where a network changes.
    pub opened_each: f64,
    /// Messages that each person sends and an object hears.
    pub heard_each: f64,
    /// Rows that are written when a socket is opened.
    pub rows_an_opening: f64,
    /// What an object asks queue and inventory a second.
    pub asks_per_s: f64,
    /// The share of the time in which an object is active, or waits for a timer and cannot hibernate.
    pub active: f64,
}

/// How places are written.
#[derive(Clone, Copy, Debug)]
pub enum Places {
    /// So many rows for each.
    Each(f64),
    /// So many rows for a whole batch of a lane.
    Batch(f64),
}

/// The bill, kind by kind.
#[derive(Clone, Debug)]
pub struct Bill(pub Vec<(&'static str, f64)>);

impl Bill {
    /// Of a million people who join as in `figures`, wait for so many seconds, and of whom nobody buys.
    #[must_use]
    pub fn new(figures: &Figures, lanes: u32, times: &Times, seconds: f64, wait: Wait, places: Places) -> Self {
        let scale = PEOPLE / figures.joins as f64;
        let batches = figures.batches as f64 * scale;
        let coming_s = figures.seconds * scale;
        let open_s = coming_s + seconds;
        let boards_per_s = figures.queue.calls_per_s.min(BOARDS_MAX);
        // Requests that ask how it stands, calls of objects because of them, seconds of objects, rows.
        let (asking, calls, object_s, rows) = match wait {
            Wait::Polling { every_s } => (PEOPLE * seconds / every_s, boards_per_s * open_s, 0.0, 0.0),
            Wait::Sockets(sockets) => {
                let opened = PEOPLE * sockets.opened_each;
                let awake_s = (PEOPLE / sockets.held_by_one).ceil() * open_s;
                let calls = opened + PEOPLE * sockets.heard_each / MESSAGES_A_REQUEST + awake_s * sockets.asks_per_s;
                (opened, calls + boards_per_s * coming_s, awake_s * sockets.active, opened * sockets.rows_an_opening)
            }
        };
        let places = match places {
            Places::Each(rows) => PEOPLE * rows,
            Places::Batch(rows) => batches * rows,
        };
        // A lane hibernates when nobody comes any more; queue and inventory have something to do until the end.
        let object_s = object_s + f64::from(lanes) * coming_s + 2.0 * open_s;
        let requests = PEOPLE + asking;
        Self(vec![
            ("Worker requests: joins; statuses or sockets", requests * WORKER_REQUEST),
            ("Worker processor time", requests * times.gateway / 1000.0 * CPU_MS),
            ("object requests: joins, batches, boards, sockets, messages", (PEOPLE + batches + calls) * OBJECT_REQUEST),
            ("object duration: lanes, queue, inventory, sockets", object_s * OBJECT_GB * GB_SECOND),
            ("rows written: places", places * ROW_WRITTEN),
            ("rows written: batches, sockets", (batches * ROWS_A_BATCH + rows) * ROW_WRITTEN),
        ])
    }

    /// In dollars.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().map(|(_, dollars)| dollars).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Load;

    fn figures() -> Figures {
        let load = Load { calls_per_s: 500.0, busy: 0.2 };
        Figures {
            name: String::new(),
            gather_ms: 100.0,
            join_p95_ms: 0.0,
            status_p95_ms: 0.0,
            enter_p95_ms: 0.0,
            hold_p95_ms: 0.0,
            isolate: load,
            lane: load,
            queue: load,
            inventory: load,
            batches: 10_000,
            joins: 1_000_000,
            holds: 0,
            seconds: 30.0,
        }
    }

    fn times() -> Times {
        Times {
            date: String::new(),
            cpu: String::new(),
            gateway: 0.0,
            lane_join: 0.0,
            queue_batch: 0.0,
            queue_board: 0.0,
            queue_enter: 0.0,
            inventory_hold: 0.0,
        }
    }

    const SILENT: Sockets =
        Sockets { held_by_one: 10_000.0, opened_each: 1.0, heard_each: 0.0, rows_an_opening: 0.0, asks_per_s: 0.0, active: 0.0 };

    fn total(wait: Wait, places: Places) -> f64 {
        Bill::new(&figures(), 10, &times(), 600.0, wait, places).total()
    }

    fn is_near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_status_is_a_request_of_the_worker_alone() {
        let [often, rarely] = [10.0, 20.0].map(|every_s| total(Wait::Polling { every_s }, Places::Each(2.0)));
        assert!(is_near(often - rarely, 30e6 * 0.30e-6), "{often} {rarely}");
    }

    #[test]
    fn twenty_messages_of_sockets_are_a_request_of_an_object() {
        let silent = total(Wait::Sockets(SILENT), Places::Each(2.0));
        let loud = total(Wait::Sockets(Sockets { heard_each: 20.0, ..SILENT }), Places::Each(2.0));
        assert!(is_near(loud - silent, 1e6 * 0.15e-6), "{loud} {silent}");
    }

    #[test]
    fn a_socket_is_a_request_of_worker_and_object() {
        let once = total(Wait::Sockets(SILENT), Places::Each(2.0));
        let twice = total(Wait::Sockets(Sockets { opened_each: 2.0, ..SILENT }), Places::Each(2.0));
        assert!(is_near(twice - once, 1e6 * (0.30e-6 + 0.15e-6)), "{twice} {once}");
    }

    #[test]
    fn objects_that_hold_sockets_cost_while_they_are_active() {
        let asleep = total(Wait::Sockets(SILENT), Places::Each(2.0));
        let awake = total(Wait::Sockets(Sockets { active: 1.0, ..SILENT }), Places::Each(2.0));
        assert!(is_near(awake - asleep, 100.0 * 630.0 * 0.128 * 12.50e-6), "{awake} {asleep}");
    }

    #[test]
    fn places_cost_a_row_each_or_a_row_a_batch() {
        let [each, batch] = [Places::Each(1.0), Places::Batch(1.0)].map(|places| total(Wait::Sockets(SILENT), places));
        assert!(is_near(each - batch, 1e6 * 1e-6 - 1e4 * 1e-6), "{each} {batch}");
    }
}
