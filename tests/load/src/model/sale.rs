//! The events of a sale, one after the other.

use std::{cmp::Ordering, collections::BinaryHeap};

use hdrhistogram::Histogram;

use super::{
    report::{Figures, Load},
    scenario::Scenario,
    thread::{Thread, Us},
    times::Times,
};

/// A board may be so old, in microseconds.
const BOARD_AGE: Us = 1e6;
/// A batch has no more joins than this.
const BATCH_MAX: usize = 4096;
/// Half of a join's time in its lane is taking it in, half is storing it.
const TAKING_IN: f64 = 0.5;
/// Half of each service time is the same every time, half is exponential.
const FIXED: f64 = 0.5;
const LONGEST_US: u64 = 600_000_000;

/// What happens.
#[derive(Debug)]
enum Event {
    /// Somebody joins, reads their status, enters, or holds: the next of their kind is then due.
    Join,
    Status,
    Enter,
    Hold,
    /// A join is at its lane; since when its person waits.
    AtLane(usize, Us),
    /// It is in the lane's buffer.
    Gathered(usize, Us),
    /// The lane may send its next batch.
    Depart(usize),
    /// A batch is at the queue.
    AtQueue(usize, Vec<Us>),
    /// It is back at its lane, numbered.
    Numbered(usize, Vec<Us>),
    /// An entry is at the queue, a look at the board, a hold at the inventory.
    EnterAtQueue(Us),
    BoardAtQueue(Us),
    HoldAtInventory(Us),
}

struct Due {
    at: Us,
    order: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    /// The earliest is the greatest; of two at the same instant, the one that was planned first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.order.cmp(&self.order))
    }
}

#[derive(Clone, Debug, Default)]
struct Lane {
    thread: Thread,
    buffer: Vec<Us>,
    /// A batch is out, or is about to leave.
    out: bool,
    departed_at: Us,
    batches: u64,
}

#[derive(Clone, Debug)]
struct Isolate {
    thread: Thread,
    board_at: Us,
}

struct Sale<'a> {
    scenario: &'a Scenario,
    times: &'a Times,
    chance: fastrand::Rng,
    due: BinaryHeap<Due>,
    planned: u64,
    now: Us,
    joined: u64,
    isolates: Vec<Isolate>,
    lanes: Vec<Lane>,
    queue: Thread,
    inventory: Thread,
    latencies: [Histogram<u64>; 4],
}

/// Runs a sale to its end: everybody who comes gets a place. The seed decides everything.
#[must_use]
pub fn run(scenario: &Scenario, times: &Times, seed: u64) -> Figures {
    let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order");
    let mut sale = Sale {
        scenario,
        times,
        chance: fastrand::Rng::with_seed(seed),
        due: BinaryHeap::new(),
        planned: 0,
        now: 0.0,
        joined: 0,
        isolates: (0..scenario.isolates)
            .map(|i| Isolate { thread: Thread::default(), board_at: -BOARD_AGE * i as f64 / scenario.isolates as f64 })
            .collect(),
        lanes: vec![Lane::default(); scenario.lanes as usize],
        queue: Thread::default(),
        inventory: Thread::default(),
        latencies: std::array::from_fn(|_| histogram()),
    };
    for first in [Event::Join, Event::Status, Event::Enter, Event::Hold] {
        sale.plan(0.0, first);
    }
    while let Some(Due { at, event, .. }) = sale.due.pop() {
        sale.now = at;
        sale.happen(event);
    }
    sale.figures()
}

const JOIN: usize = 0;
const STATUS: usize = 1;
const ENTER: usize = 2;
const HOLD: usize = 3;

impl Sale<'_> {
    fn plan(&mut self, at: Us, event: Event) {
        self.planned += 1;
        self.due.push(Due { at, order: self.planned, event });
    }

    fn exponential(&mut self, mean: Us) -> Us {
        -mean * (1.0 - self.chance.f64()).ln()
    }

    fn service(&mut self, mean: Us) -> Us {
        FIXED * mean + self.exponential((1.0 - FIXED) * mean)
    }

    fn flush(&mut self) -> Us {
        let (least, most) = self.scenario.flush_ms;
        1000.0 * (least + (most - least) * self.chance.f64())
    }

    fn way(&self) -> Us {
        1000.0 * self.scenario.way_ms
    }

    /// Until when people come.
    fn end(&self) -> Us {
        1e6 * self.scenario.crowd as f64 / self.scenario.joins_per_s
    }

    /// The next of a kind comes at random, `per_s` on average.
    fn next(&mut self, per_s: f64, event: Event) {
        let at = self.now + self.exponential(1e6 / per_s);
        if per_s > 0.0 && at < self.end() {
            self.plan(at, event);
        }
    }

    /// A request goes through one of the gateway's isolates; which, and when it has.
    fn gateway(&mut self) -> (usize, Us) {
        let isolate = self.chance.usize(..self.isolates.len());
        let service = self.service(self.times.gateway);
        (isolate, self.isolates[isolate].thread.call(self.now, service))
    }

    fn answered(&mut self, kind: usize, at: Us, since: Us) {
        self.latencies[kind].saturating_record((at - since).max(1.0) as u64);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join => {
                self.joined += 1;
                if self.joined < self.scenario.crowd {
                    let at = self.now + self.exponential(1e6 / self.scenario.joins_per_s);
                    self.plan(at, Event::Join);
                }
                let (_, done) = self.gateway();
                let lane = self.chance.usize(..self.lanes.len());
                self.plan(done + self.way(), Event::AtLane(lane, self.now));
            }
            Event::AtLane(lane, since) => {
                let service = self.service(self.times.lane_join * TAKING_IN);
                let done = self.lanes[lane].thread.call(self.now, service);
                self.plan(done, Event::Gathered(lane, since));
            }
            Event::Gathered(lane, since) => {
                self.lanes[lane].buffer.push(since);
                if !self.lanes[lane].out {
                    self.send_soon(lane);
                }
            }
            Event::Depart(lane) => self.depart(lane),
            Event::AtQueue(lane, batch) => {
                let service = self.service(self.times.queue_batch);
                let done = self.queue.call(self.now, service) + self.flush() + self.way();
                self.plan(done, Event::Numbered(lane, batch));
            }
            Event::Numbered(lane, batch) => self.store(lane, batch),
            Event::Status => self.status(),
            Event::BoardAtQueue(since) => {
                let service = self.service(self.times.queue_board);
                let done = self.queue.call(self.now, service) + self.way();
                self.answered(STATUS, done, since);
            }
            Event::Enter => {
                self.next(self.scenario.entries_per_s, Event::Enter);
                let (_, done) = self.gateway();
                self.plan(done + self.way(), Event::EnterAtQueue(self.now));
            }
            Event::EnterAtQueue(since) => {
                let service = self.service(self.times.queue_enter);
                let done = self.queue.call(self.now, service) + self.flush() + self.way();
                self.answered(ENTER, done, since);
            }
            Event::Hold => {
                self.next(self.scenario.entries_per_s, Event::Hold);
                let (_, done) = self.gateway();
                self.plan(done + self.way(), Event::HoldAtInventory(self.now));
            }
            Event::HoldAtInventory(since) => {
                let service = self.service(self.times.inventory_hold);
                let done = self.inventory.call(self.now, service) + self.flush() + self.way();
                self.answered(HOLD, done, since);
            }
        }
    }

    /// The first request that finds an isolate's board old asks for a new one; the others use what is there.
    fn status(&mut self) {
        self.next(self.scenario.statuses_per_s, Event::Status);
        let (isolate, done) = self.gateway();
        let isolate = &mut self.isolates[isolate];
        if self.now - isolate.board_at >= BOARD_AGE {
            isolate.board_at = self.now;
            self.plan(done + self.way(), Event::BoardAtQueue(self.now));
        } else {
            self.answered(STATUS, done, self.now);
        }
    }

    fn send_soon(&mut self, lane: usize) {
        let lane_ref = &mut self.lanes[lane];
        lane_ref.out = true;
        let first = lane_ref.batches == 0;
        let at = if first { self.now } else { self.now.max(lane_ref.departed_at + 1000.0 * self.scenario.gather_ms) };
        self.plan(at, Event::Depart(lane));
    }

    fn depart(&mut self, lane: usize) {
        let way = self.way();
        let lane_ref = &mut self.lanes[lane];
        if lane_ref.buffer.is_empty() {
            lane_ref.out = false;
            return;
        }
        let rest = lane_ref.buffer.split_off(lane_ref.buffer.len().min(BATCH_MAX));
        let batch = std::mem::replace(&mut lane_ref.buffer, rest);
        lane_ref.departed_at = self.now;
        lane_ref.batches += 1;
        self.plan(self.now + way, Event::AtQueue(lane, batch));
    }

    /// The whole batch in one commit; then everybody is answered, and the next batch leaves.
    fn store(&mut self, lane: usize, batch: Vec<Us>) {
        let service = self.service(self.times.lane_join * (1.0 - TAKING_IN) * batch.len() as f64);
        let saved = self.lanes[lane].thread.call(self.now, service) + self.flush();
        let told = saved + self.way();
        for since in batch {
            self.answered(JOIN, told, since);
        }
        let next = saved.max(self.lanes[lane].departed_at + 1000.0 * self.scenario.gather_ms);
        self.plan(next, Event::Depart(lane));
    }

    fn figures(&self) -> Figures {
        let seconds = self.end() / 1e6;
        let load = |thread: &Thread| Load { calls_per_s: thread.calls as f64 / seconds, busy: thread.busy / self.now.max(1.0) };
        let most = |loads: &mut dyn Iterator<Item = Load>| {
            loads
                .reduce(|a, b| Load { calls_per_s: a.calls_per_s.max(b.calls_per_s), busy: a.busy.max(b.busy) })
                .unwrap_or_default()
        };
        let p95 = |kind: usize| self.latencies[kind].value_at_quantile(0.95) as f64 / 1000.0;
        Figures {
            name: self.scenario.name.clone(),
            gather_ms: self.scenario.gather_ms,
            join_p95_ms: p95(JOIN),
            status_p95_ms: p95(STATUS),
            enter_p95_ms: p95(ENTER),
            hold_p95_ms: p95(HOLD),
            isolate: most(&mut self.isolates.iter().map(|isolate| load(&isolate.thread))),
            lane: most(&mut self.lanes.iter().map(|lane| load(&lane.thread))),
            queue: load(&self.queue),
            inventory: load(&self.inventory),
            batches: self.lanes.iter().map(|lane| lane.batches).sum(),
            joins: self.joined,
            holds: self.latencies[HOLD].len(),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> Times {
        Times {
            date: String::new(),
            cpu: String::new(),
            gateway: 100.0,
            lane_join: 200.0,
            queue_batch: 300.0,
            queue_board: 100.0,
            queue_enter: 300.0,
            inventory_hold: 500.0,
        }
    }

    fn small(lanes: u32) -> Scenario {
        Scenario { joins_per_s: 2000.0, crowd: 6000, statuses_per_s: 1000.0, ..Scenario::hot(lanes, 0.0) }
    }

    #[test]
    fn everybody_is_answered_and_the_seed_decides_everything() {
        let figures = run(&small(8), &times(), 7);
        assert_eq!(figures.joins, 6000);
        assert_eq!(figures.join_p95_ms, run(&small(8), &times(), 7).join_p95_ms);
        assert_ne!(figures.join_p95_ms, run(&small(8), &times(), 8).join_p95_ms);
    }

    #[test]
    fn a_join_takes_at_least_two_flushes_and_a_hold_one() {
        let figures = run(&small(64), &times(), 1);
        assert!(figures.join_p95_ms > 20.0 && figures.hold_p95_ms > 10.0, "{figures:?}");
        assert!(figures.status_p95_ms < 5.0, "{figures:?}");
    }

    #[test]
    fn an_inventory_carries_holds_until_its_thread_is_full() {
        let [some, many] = [1500.0, 3000.0].map(|per_s| run(&Scenario::holds(per_s), &times(), 1));
        assert!(some.hold_p95_ms < 30.0 && some.inventory.busy > 0.6 && some.inventory.busy < 0.9, "{some:?}");
        assert!(many.hold_p95_ms > 1000.0, "{many:?}");
    }

    #[test]
    fn gathering_longer_calls_the_queue_less() {
        let quick = run(&small(64), &times(), 1);
        let slow = run(&Scenario { gather_ms: 128.0, ..small(64) }, &times(), 1);
        assert!(slow.batches < quick.batches / 2, "{} {}", slow.batches, quick.batches);
        assert!(slow.join_p95_ms > quick.join_p95_ms);
    }

    #[test]
    fn too_few_lanes_cannot_keep_up() {
        let few = run(&Scenario { joins_per_s: 10_000.0, crowd: 50_000, ..small(1) }, &times(), 1);
        assert!(few.join_p95_ms > 1000.0 && few.lane.busy > 0.95, "{few:?}");
    }
}
