use std::cell::RefCell;

use super::*;
use crate::{
    board::{Board, Phase, PlaceState},
    event::{EventBody, QueuePatch},
    hash::Hash128,
    id::EventId,
    idempotency::Record,
    invariants::Witness,
    machine::{Answer, Engine, Store},
    time::Timestamp,
};

pub(super) const START: Millis = Millis(1_795_262_400_000);
/// More than anybody asks for.
pub(super) const PLENTY: Stock = Stock { available: 1_000_000, holding: 0, sold_out: false, closed: false };

/// Rows as a log of changes: loading replays it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    changes: RefCell<Vec<Change>>,
    records: RefCell<Vec<(Record, Vec<u8>)>>,
    /// Told every commit; see [`crate::invariants`].
    witness: RefCell<Option<Witness>>,
}

impl Log {
    pub(super) fn changes(&self) -> Vec<Change> {
        self.changes.borrow().clone()
    }
}

impl Store<Queue> for Log {
    type Fault = String;

    fn load(&self) -> Result<(Queue, Vec<Record>), String> {
        let mut queue = Queue::default();
        self.changes.borrow().iter().for_each(|change| queue.apply(change));
        Ok((queue, self.records.borrow().iter().map(|(record, _)| *record).collect()))
    }

    fn save(&self, batch: &crate::machine::Batch<'_, Change>) -> Result<(), String> {
        let mut witness = self.witness.borrow_mut();
        let changes: Vec<Change> = batch.changes().cloned().collect();
        // That the stock rests has no row.
        let rows = changes.iter().filter(|change| !matches!(change, Change::StockRests(_))).cloned();
        self.changes.borrow_mut().extend(rows);
        witness.get_or_insert_with(Witness::of_one).queue_saved(&changes, batch.decided_at).unwrap();
        self.records.borrow_mut().extend(batch.records().map(|(record, body)| (record, body.to_vec())));
        Ok(())
    }

    fn recorded(&self, wanted: &Idempotency) -> Result<Vec<u8>, String> {
        let records = self.records.borrow();
        let found = records.iter().rev().find(|(record, _)| record.scope == wanted.scope);
        found.map(|(_, body)| body.clone()).ok_or_else(|| "no such record".into())
    }
}

/// A queue, its clock, and a lane that never forgets.
pub(super) struct Line {
    pub(super) engine: Engine<Queue, Log>,
    pub(super) now: Millis,
    pub(super) event: Event,
    seq: u64,
    keys: u128,
}

impl Line {
    /// 10 admissions a second, 20 at once, 100 inside, 5 s to enter, 30 s inside.
    pub(super) fn new(change: impl FnOnce(&mut Event)) -> Self {
        let json = r#"{"name":"N","sections":[{"id":"G","price":1,"capacity":200000}],
            "queue":{"admit_per_sec":10,"burst":20,"max_active":100,"entry_window_sec":5,"admission_ttl_sec":30}}"#;
        let body: EventBody = serde_json::from_str(json).unwrap();
        let mut event = body.complete(EventId::parse("evt_1").unwrap(), 1, START).unwrap();
        change(&mut event);
        let mut line = Self { engine: Engine::new(Log::default()), now: START, event, seq: 0, keys: 0 };
        line.ask(&Command::Configure(Box::new(line.event.clone()))).unwrap();
        line
    }

    pub(super) fn ask(&mut self, command: &Command) -> Result<Vec<u8>, Refusal> {
        match self.engine.execute(command, self.now).unwrap() {
            Answer::Granted { body, .. } => Ok(body),
            Answer::Refused(refusal) => Err(refusal),
        }
    }

    pub(super) fn queue(&mut self) -> &Queue {
        self.engine.read(self.now).unwrap()
    }

    pub(super) fn batch(&mut self, joins: u32, leaves: &[u64]) -> BatchReply {
        self.seq += 1;
        let batch = Batch { lane: 0, nonce: 1, seq: self.seq, joins, leaves: leaves.to_vec() };
        serde_json::from_slice(&self.ask(&Command::Batch(batch)).unwrap()).unwrap()
    }

    pub(super) fn join(&mut self, joins: u32) -> Numbered {
        self.batch(joins, &[]).joins.unwrap()
    }

    pub(super) fn leave(&mut self, number: u64) -> PlaceState {
        self.batch(0, &[number]).leaves[0]
    }

    pub(super) fn enter(&mut self, number: u64) -> Result<Entered, Refusal> {
        self.keys += 1;
        let idempotency = Idempotency { scope: Hash128(self.keys), fingerprint: Hash128(0), ttl_ms: 300_000 };
        self.ask(&Command::Enter { number, kid: 1, idempotency }).map(|body| serde_json::from_slice(&body).unwrap())
    }

    pub(super) fn stock(&mut self, stock: Stock) {
        let now = self.now;
        let asked = self.queue().stock_question(now);
        self.ask(&Command::Stock { stock, asked }).unwrap();
    }

    /// Whether the inventory is to be asked for the stock now.
    pub(super) fn asks(&mut self) -> bool {
        let now = self.now;
        self.queue().effects().due(now).next().is_some()
    }

    /// When something changes by time alone, next, as memory stands.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.engine.parts()?.0.next_deadline()
    }

    /// Lets time pass with alarms on time and the stock heard of whenever it is wanted.
    pub(super) fn pass(&mut self, ms: u64, stock: Stock) {
        let end = self.now.plus_ms(ms);
        loop {
            if self.asks() {
                self.stock(stock);
                continue;
            }
            let now = self.now;
            let Some(next) = self.queue().wakes_at(now).filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            self.queue();
        }
        self.now = end;
        self.queue();
    }

    pub(super) fn patch(&mut self, json: &str) {
        let patch: QueuePatch = serde_json::from_str(json).unwrap();
        self.event.version += 1;
        self.event.queue = self.event.queue.patched(&patch).unwrap();
        self.ask(&Command::Configure(Box::new(self.event.clone()))).unwrap();
    }

    pub(super) fn states(&mut self, numbers: std::ops::RangeInclusive<u64>) -> Vec<PlaceState> {
        let queue = self.queue();
        numbers.map(|number| queue.state(number)).collect()
    }

    pub(super) fn board(&mut self) -> Board {
        let now = self.now;
        let mut board = Board::default();
        board.merge(&self.queue().board(0, now).unwrap());
        board
    }

    fn waiting(&mut self) -> u64 {
        self.queue().counters().waiting
    }
}

fn open() -> Line {
    let mut line = Line::new(|_| ());
    line.stock(PLENTY);
    line
}

#[test]
fn what_was_never_configured_refuses_everything() {
    let mut engine = Engine::new(Log::default());
    assert_eq!(engine.execute(&Command::End { number: 1 }, START).unwrap(), Answer::Refused(Refusal::Unconfigured));
    assert_eq!(engine.read(START).unwrap().board(0, START), Err(Refusal::Unconfigured));
}

#[test]
fn an_older_or_equal_event_changes_nothing() {
    let mut line = open();
    let mut older = line.event.clone();
    older.queue.paused = true;
    line.ask(&Command::Configure(Box::new(older))).unwrap();
    assert!(!line.queue().event().unwrap().queue.paused);
}

#[test]
fn numbers_follow_each_other_whichever_lane_asks() {
    let mut line = Line::new(|_| ());
    assert_eq!(line.join(3), Numbered { first: 1, joined_at: START, position_hint: 1 });
    let other = Batch { lane: 7, nonce: 9, seq: 1, joins: 2, leaves: vec![] };
    let reply: BatchReply = serde_json::from_slice(&line.ask(&Command::Batch(other)).unwrap()).unwrap();
    assert_eq!(reply.joins.unwrap().first, 4);
    assert_eq!(line.join(1).first, 6);
}

#[test]
fn the_same_batch_again_gets_the_same_answer() {
    let mut line = open();
    let batch = Command::Batch(Batch { lane: 3, nonce: 5, seq: 1, joins: 30, leaves: vec![] });
    let first = line.ask(&batch).unwrap();
    line.pass(1000, PLENTY);
    assert_eq!(line.ask(&batch).unwrap(), first);
    assert_eq!(line.queue().counters().last, 30);
}

#[test]
fn numbers_that_nobody_was_told_are_given_up() {
    let mut line = open();
    line.join(20);
    let batch = |nonce| Command::Batch(Batch { lane: 3, nonce, seq: 1, joins: 2, leaves: vec![] });
    line.ask(&batch(5)).unwrap();
    let reply: BatchReply = serde_json::from_slice(&line.ask(&batch(6)).unwrap()).unwrap();
    assert_eq!(reply.joins.unwrap().first, 23);
    let left = PlaceState::Left;
    assert_eq!(line.states(21..=24), [left, left, PlaceState::Waiting, PlaceState::Waiting]);
    assert_eq!(line.waiting(), 2);
}

#[test]
fn a_batch_that_was_overtaken_is_refused() {
    let mut line = open();
    let batch = |nonce, seq| Command::Batch(Batch { lane: 3, nonce, seq, joins: 1, leaves: vec![] });
    line.ask(&batch(6, 4)).unwrap();
    for (nonce, seq) in [(5, 4), (6, 3), (5, 9)] {
        assert!(matches!(line.ask(&batch(nonce, seq)), Err(Refusal::Invalid { .. })), "{nonce} {seq}");
    }
    line.ask(&batch(6, 5)).unwrap();
    assert_eq!(line.queue().counters().last, 2);
}

#[test]
fn a_batch_beyond_its_bounds_is_refused() {
    let mut line = open();
    for batch in [
        Batch { lane: LANES_MAX, nonce: 1, seq: 1, joins: 1, leaves: vec![] },
        Batch { lane: 0, nonce: 1, seq: 1, joins: JOINS_MAX + 1, leaves: vec![] },
        Batch { lane: 0, nonce: 1, seq: 1, joins: 1, leaves: vec![1; LEAVES_MAX + 1] },
    ] {
        assert!(matches!(line.ask(&Command::Batch(batch)), Err(Refusal::Invalid { .. })));
    }
}

#[test]
fn nobody_joins_outside_the_sale_but_whoever_leaves_may() {
    let mut line = Line::new(|event| {
        event.sale_opens_at = Timestamp(START.plus_sec(10));
        event.sale_closes_at = Some(Timestamp(START.plus_sec(20)));
    });
    let opens_at = Timestamp(START.plus_sec(10));
    assert_eq!(line.batch(1, &[]).joins, Err(Refusal::SaleNotOpen { opens_at }));
    line.now = START.plus_sec(10);
    line.join(1);
    line.now = START.plus_sec(20);
    let reply = line.batch(1, &[1]);
    assert_eq!((reply.joins, reply.leaves), (Err(Refusal::SaleClosed), vec![PlaceState::Waiting]));
}

#[test]
fn nobody_joins_what_is_sold_out_and_everybody_does_again_after_a_refund() {
    let mut line = open();
    line.stock(Stock { sold_out: true, ..Stock::default() });
    assert_eq!(line.batch(1, &[]).joins, Err(Refusal::SoldOut));
    assert_eq!(line.board().stats().phase, Phase::SoldOut);
    line.now = line.now.plus_sec(2);
    let now = line.now;
    assert_eq!(line.queue().doubts_stock(now).map(|pending| pending.effect), Some(Effect::AskStock));
    line.stock(PLENTY);
    line.join(1);
}

#[test]
fn the_burst_is_let_in_at_once_and_the_rest_at_the_rate() {
    let mut line = open();
    line.join(60);
    assert_eq!(line.queue().counters().frontier, 20);
    line.pass(1000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 30);
    line.pass(2000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 50);
}

#[test]
fn a_burst_of_one_does_not_slow_the_rate_down() {
    let mut line = Line::new(|event| event.queue.burst = 1);
    line.join(60);
    line.pass(3000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 31);
}

#[test]
fn never_more_than_max_active_are_ready_or_inside() {
    let mut line = Line::new(|event| event.queue.max_active = 7);
    line.join(60);
    line.pass(1000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 7);
    for number in 1..=7 {
        line.enter(number).unwrap();
    }
    line.pass(4000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 7);
    line.ask(&Command::End { number: 3 }).unwrap();
    line.leave(5);
    line.pass(0, PLENTY);
    line.pass(100, PLENTY);
    assert_eq!(line.queue().counters().frontier, 9);
}

#[test]
fn those_who_left_are_passed_without_using_the_rate() {
    let mut line = Line::new(|_| ());
    line.join(60);
    for number in (2..=40).step_by(2) {
        line.leave(number);
    }
    line.stock(PLENTY);
    assert_eq!(line.queue().counters().frontier, 39);
    assert_eq!(line.queue().counters().ready, 20);
}

#[test]
fn a_ready_place_that_does_not_enter_lapses_and_its_slot_goes_on_at_once() {
    let mut line = Line::new(|event| event.queue.max_active = 2);
    line.join(4);
    line.pass(4999, PLENTY);
    assert_eq!(line.states(1..=3), [PlaceState::Ready, PlaceState::Ready, PlaceState::Waiting]);
    assert!(line.enter(1).is_ok());
    line.pass(1, PLENTY);
    assert_eq!(line.states(1..=4), [PlaceState::Entered, PlaceState::Expired, PlaceState::Ready, PlaceState::Waiting]);
    assert_eq!(line.enter(2), Err(Refusal::TokenExpired));
    assert_eq!(line.queue().counters().lapsed_total, 1);
}

#[test]
fn entering_is_refused_before_the_turn_and_for_numbers_never_given() {
    let mut line = Line::new(|event| event.queue.burst = 1);
    line.join(2);
    line.stock(PLENTY);
    assert_eq!(line.enter(2), Err(Refusal::NotReady));
    assert_eq!(line.enter(3), Err(Refusal::TokenNotFound));
    assert_eq!(line.enter(0), Err(Refusal::TokenNotFound));
}

#[test]
fn entering_again_gives_the_same_admission_with_any_key_while_it_lives() {
    let mut line = open();
    line.join(1);
    let entered = line.enter(1).unwrap();
    assert_eq!(entered, Entered { number: 1, entered_at: START, ends_at: START.plus_sec(30), kid: 1 });
    line.now = START.plus_ms(29_999);
    let idempotency = Idempotency { scope: Hash128(99), fingerprint: Hash128(0), ttl_ms: 1000 };
    let again = line.ask(&Command::Enter { number: 1, kid: 2, idempotency }).unwrap();
    assert_eq!(serde_json::from_slice::<Entered>(&again).unwrap(), entered);
    line.now = START.plus_sec(30);
    assert_eq!(line.enter(1), Err(Refusal::TokenExpired));
    assert_eq!(line.queue().counters().active, 0);
}

#[test]
fn an_admission_ends_once_by_confirming_leaving_or_time() {
    let mut line = open();
    line.join(3);
    for number in 1..=3 {
        line.enter(number).unwrap();
    }
    line.ask(&Command::End { number: 1 }).unwrap();
    line.ask(&Command::End { number: 1 }).unwrap();
    assert_eq!(line.leave(1), PlaceState::Finished);
    assert_eq!(line.leave(2), PlaceState::Entered);
    assert_eq!(line.leave(2), PlaceState::Left);
    line.pass(30_000, PLENTY);
    assert_eq!(line.states(1..=3), [PlaceState::Finished, PlaceState::Left, PlaceState::Expired]);
    let counters = line.queue().counters().clone();
    assert_eq!((counters.active, counters.finished_total, counters.left_total, counters.ended_total), (0, 1, 1, 1));
    for number in 1..=3 {
        assert_eq!(line.enter(number), Err(Refusal::TokenExpired));
    }
}

#[test]
fn leaving_what_was_never_given_out_changes_nothing() {
    let mut line = open();
    assert_eq!(line.leave(9), PlaceState::Left);
    assert_eq!(line.leave(0), PlaceState::Left);
    assert_eq!(line.queue().counters().left_total, 0);
}

#[test]
fn nobody_is_let_in_while_paused_and_everybody_ready_keeps_the_promise() {
    let mut line = open();
    line.join(30);
    line.patch(r#"{"paused":true,"entry_window_sec":1,"max_active":1}"#);
    line.pass(4999, PLENTY);
    assert_eq!(line.queue().counters().frontier, 20);
    assert!((1..=20).all(|number| line.enter(number).is_ok()));
    line.patch(r#"{"paused":false,"max_active":100}"#);
    line.pass(0, PLENTY);
    assert_eq!(line.queue().counters().frontier, 30);
}

#[test]
fn whoever_is_ready_when_the_sale_closes_may_enter_and_nobody_else() {
    let mut line = Line::new(|event| event.sale_closes_at = Some(Timestamp(START.plus_sec(1))));
    line.join(40);
    line.pass(60_000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 29);
    assert_eq!(line.next_deadline(), None);
    let mut line = Line::new(|event| event.sale_closes_at = Some(Timestamp(START.plus_sec(1))));
    line.join(40);
    line.pass(1500, PLENTY);
    assert!(line.enter(20).is_ok());
}

#[test]
fn the_line_moves_again_when_the_closing_time_is_put_off() {
    let mut line = Line::new(|event| event.sale_closes_at = Some(Timestamp(START.plus_sec(1))));
    line.join(40);
    line.pass(2000, PLENTY);
    line.event.sale_closes_at = None;
    line.patch("{}");
    line.pass(2000, PLENTY);
    assert_eq!(line.queue().counters().frontier, 40);
}

#[test]
fn nobody_is_let_in_beyond_the_seats_that_remain() {
    let mut line = Line::new(|_| ());
    line.join(20);
    line.stock(Stock { available: 5, ..PLENTY });
    assert_eq!(line.queue().counters().frontier, 5);
    // Three of them hold their seats: two shop for the two that remain.
    for number in 1..=5 {
        line.enter(number).unwrap();
    }
    line.pass(1000, Stock { available: 2, holding: 3, ..PLENTY });
    assert_eq!(line.queue().counters().frontier, 5);
    // One more seat is given back.
    line.pass(1000, Stock { available: 3, holding: 3, ..PLENTY });
    assert_eq!(line.queue().counters().frontier, 6);
}

#[test]
fn whoever_left_since_the_stock_was_asked_for_may_have_taken_seats_along() {
    let mut line = Line::new(|_| ());
    line.join(20);
    line.stock(Stock { available: 1, ..PLENTY });
    line.enter(1).unwrap();
    line.ask(&Command::End { number: 1 }).unwrap();
    line.now = line.now.plus_ms(99);
    assert_eq!(line.queue().counters().frontier, 1);
    line.pass(2000, Stock::default());
    assert_eq!(line.queue().counters().frontier, 1);
}

#[test]
fn an_answer_that_was_asked_for_earlier_does_not_replace_a_later_one() {
    let mut line = Line::new(|_| ());
    line.join(5);
    let early = line.queue().stock_question(START);
    line.now = START.plus_ms(10);
    line.stock(Stock::default());
    line.ask(&Command::Stock { stock: PLENTY, asked: early }).unwrap();
    assert_eq!(line.queue().counters().frontier, 0);
}

#[test]
fn without_knowing_the_stock_nobody_is_let_in_and_it_is_wanted_at_once() {
    let mut line = Line::new(|_| ());
    assert_eq!(line.queue().wants_stock(), None);
    line.join(5);
    assert_eq!(line.queue().counters().frontier, 0);
    assert!(line.queue().wants_stock().is_some_and(|at| at <= START));
    line.stock(PLENTY);
    assert_eq!((line.queue().counters().frontier, line.queue().wants_stock()), (5, None));
}

#[test]
fn stock_serves_a_second_or_a_tenth_where_it_may_stop_the_line() {
    for (available, ms) in [(1_000_000, 1000), (10, 100)] {
        let mut line = Line::new(|_| ());
        line.join(60);
        line.stock(Stock { available, ..PLENTY });
        let frontier = line.queue().counters().frontier;
        line.now = START.plus_ms(ms);
        assert!(line.queue().wants_stock().is_some_and(|at| at <= START.plus_ms(ms)), "{available}");
        assert!(line.next_deadline().is_none_or(|at| at > START.plus_ms(ms)), "{available}");
        assert_eq!(line.queue().counters().frontier, frontier, "{available}");
    }
}

#[test]
fn an_alarm_that_comes_too_late_for_the_stock_lets_nobody_in_and_is_not_due_for_ever() {
    let mut line = open();
    line.join(60);
    assert!(line.next_deadline().is_some());
    line.now = START.plus_sec(3600);
    assert_eq!(line.queue().counters().frontier, 20);
    line.pass(0, PLENTY);
    assert_eq!(line.queue().counters().frontier, 40);
}

#[test]
fn the_rate_is_measured_over_ten_seconds() {
    let mut line = open();
    line.join(500);
    line.pass(4900, PLENTY);
    let stats = line.board().stats();
    assert_eq!((stats.ready, stats.waiting, stats.admitted_total), (69, 431, 69));
    line.pass(25_100, PLENTY);
    let rate = line.board().stats().admission_rate;
    assert!((9.8..=10.2).contains(&rate), "{rate}");
}

#[test]
fn a_line_without_a_pace_of_its_own_is_estimated_by_the_settings() {
    let mut line = Line::new(|_| ());
    line.join(100);
    assert_eq!(line.board().place(100, START).eta_sec, 10);
    line.pass(5000, PLENTY);
    let now = line.now;
    // 70 were let in within 5 s, more than the settings keep up: the settings hold.
    assert_eq!(line.board().place(100, now), crate::board::Place { position: 30, eta_sec: 3, ..line.board().place(100, now) });
}

#[test]
fn a_slow_line_is_estimated_by_its_own_pace() {
    let mut line = Line::new(|event| event.queue.max_active = 5);
    line.join(100);
    line.pass(9_999, PLENTY);
    let now = line.now;
    // Five at once and five more when they lapsed: ten in ten seconds.
    assert_eq!(line.board().place(100, now).position, 90);
    assert_eq!(line.board().place(100, now).eta_sec, 90);
}

#[test]
fn the_phase_is_in_the_words_of_the_contract() {
    let mut line = Line::new(|event| {
        event.sale_opens_at = Timestamp(START.plus_sec(10));
        event.sale_closes_at = Some(Timestamp(START.plus_sec(20)));
    });
    assert_eq!(line.board().stats().phase, Phase::Scheduled);
    line.now = START.plus_sec(10);
    assert_eq!(line.board().stats().phase, Phase::OnSale);
    line.patch(r#"{"paused":true,"notice":{"ko":"a","en":"b"}}"#);
    let stats = line.board().stats();
    assert_eq!((stats.phase, stats.paused, stats.notice.unwrap().en), (Phase::Paused, true, "b".to_owned()));
    line.now = START.plus_sec(20);
    assert_eq!(line.board().stats().phase, Phase::Closed);
}

#[test]
fn the_size_of_an_update_follows_what_changed_and_not_how_many_wait() {
    let mut line = open();
    for _ in 0..25 {
        line.join(4000);
    }
    let board = line.board();
    let size = |line: &mut Line| {
        let now = line.now;
        serde_json::to_string(&line.queue().board(board.version(), now).unwrap()).unwrap().len()
    };
    assert!(size(&mut line) < 400);
    line.leave(70_000);
    assert!(size(&mut line) < 430);
    line.join(1000);
    assert!(size(&mut line) < 430);
}

#[test]
fn a_command_that_changes_nothing_saves_nothing() {
    let mut line = open();
    line.join(1);
    line.enter(1).unwrap();
    let version = line.queue().counters().version;
    line.enter(1).unwrap();
    line.ask(&Command::End { number: 5 }).unwrap();
    line.ask(&Command::Tick).unwrap();
    assert_eq!(line.queue().counters().version, version);
}

#[test]
fn the_stock_is_asked_for_as_soon_as_somebody_waits_and_as_long_as_somebody_does() {
    let mut line = Line::new(|_| ());
    assert!(!line.asks());
    line.join(60);
    assert!(line.asks());
    let asked = line.queue().effects().iter().next().unwrap().clone();
    assert_eq!((asked.effect, Some(asked.due_at)), (Effect::AskStock, line.queue().wants_stock()));
    line.engine.forget();
    assert!(line.asks(), "also after a restart");
    line.stock(PLENTY);
    assert!(!line.asks());
    let (now, due_at) = (line.now, line.queue().wants_stock().unwrap());
    assert!(line.queue().wakes_at(now).is_some_and(|at| at <= due_at), "it wakes up for it");
    assert_eq!(line.queue().effects().next_due_after(now), Some(due_at));
    line.pass(3600, PLENTY);
    assert_eq!((line.waiting(), line.queue().effects().is_empty()), (4, false));
    line.pass(400, PLENTY);
    assert_eq!(line.waiting(), 0);
    assert!(line.queue().effects().is_empty(), "nobody waits any more");
    line.patch(r#"{"paused":true}"#);
    line.join(1);
    assert!(line.queue().effects().is_empty(), "nobody is let in while paused");
    line.patch(r#"{"paused":false}"#);
    assert!(!line.queue().effects().is_empty());
    line.pass(100, PLENTY);
    assert_eq!(line.waiting(), 0);
}

#[test]
fn an_inventory_that_does_not_answer_is_left_alone_for_a_while() {
    let mut line = Line::new(|_| ());
    line.join(5);
    line.ask(&Command::StockUnknown).unwrap();
    let (now, again) = (line.now, line.now.plus_ms(STOCK_RETRY_MS));
    assert!(!line.asks());
    assert_eq!(line.queue().effects().next_due_after(now), Some(again));
    assert_eq!(line.queue().wakes_at(now), Some(again));
    line.join(5);
    assert!(!line.asks(), "whoever joins meanwhile does not change that");
    line.now = Millis(again.0 - 1);
    let now = line.now;
    assert_eq!((line.asks(), line.queue().doubts_stock(now)), (false, None), "nor does whoever looks");
    line.now = again;
    assert!(line.asks() && line.queue().doubts_stock(again).is_some());
    line.ask(&Command::StockUnknown).unwrap();
    assert!(!line.asks(), "again, for as long as it takes");
    line.now = again.plus_ms(STOCK_RETRY_MS);
    assert!(line.asks());
    line.stock(PLENTY);
    assert_eq!((line.waiting(), line.queue().counters().frontier), (0, 10));
}

#[test]
fn after_a_restart_the_inventory_is_asked_at_once() {
    let mut line = Line::new(|_| ());
    line.join(5);
    line.ask(&Command::StockUnknown).unwrap();
    assert!(!line.asks());
    line.engine.forget();
    assert!(line.asks());
}

#[test]
fn whoever_looks_asks_for_what_is_too_old_to_say_that_all_is_sold() {
    let mut line = Line::new(|_| ());
    line.stock(Stock { sold_out: true, ..Stock::default() });
    line.now = line.now.plus_ms(499);
    let now = line.now;
    assert_eq!(line.queue().doubts_stock(now), None);
    line.now = line.now.plus_ms(1);
    let now = line.now;
    let asked = line.queue().doubts_stock(now).unwrap();
    assert_eq!((asked.effect, asked.due_at), (Effect::AskStock, now));
    assert!(line.queue().effects().is_empty(), "nobody waits: it is asked for nobody else");
    assert_eq!(Queue::default().doubts_stock(now), None, "nor before there is an event");
}
