//! Any sequence of times, commands and settings, with every promise of the line checked after each step.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    tests::{Line, PLENTY, START},
    *,
};
use crate::board::{Board, BoardUpdate, PlaceState};

/// The longest that the stock is on its way here, in milliseconds.
const STOCK_DELAY_MS: u64 = 30;

#[derive(Clone, Debug)]
enum Step {
    Join(u32),
    Leave(u64),
    Enter(u64),
    End(u64),
    Pass(u64),
    Paused(bool),
    Rate(u32, u32),
    Cap(u32),
    Windows(u32, u32),
    Seats(u32),
    Look(usize),
    Note(usize, u64),
    Reload,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..120_u32).prop_map(Step::Join),
        3 => (1..400_u64).prop_map(Step::Leave),
        5 => (1..400_u64).prop_map(Step::Enter),
        3 => (1..400_u64).prop_map(Step::End),
        8 => (0..2500_u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Paused),
        1 => (1..200_u32, 1..60_u32).prop_map(|(rate, burst)| Step::Rate(rate, burst)),
        1 => (1..150_u32).prop_map(Step::Cap),
        1 => (1..8_u32, 1..12_u32).prop_map(|(entry, inside)| Step::Windows(entry, inside)),
        1 => (0..80_u32).prop_map(Step::Seats),
        4 => (0..3_usize).prop_map(Step::Look),
        1 => ((0..3_usize), 1..400_u64).prop_map(|(board, number)| Step::Note(board, number)),
        1 => Just(Step::Reload),
    ]
}

/// A line under test, with what it has promised so far.
struct Witness {
    line: Line,
    stock: Stock,
    /// The answer about the stock that is on its way: when it comes, and the question.
    coming: Option<(Millis, StockAsked, Stock)>,
    /// When how many were let in, and by which rate and burst from then on.
    admissions: Vec<(Millis, u64, u32, u32)>,
    frontier: u64,
    /// Until when each ready place may enter.
    promised: BTreeMap<u64, Millis>,
    idle_since: Option<Millis>,
    boards: Vec<Board>,
    updates: Vec<BoardUpdate>,
    positions: BTreeMap<(usize, u64), u64>,
}

impl Witness {
    fn new() -> Self {
        let line = Line::new(|_| ());
        let (rate, burst) = (line.event.queue.admit_per_sec, line.event.queue.burst);
        Self {
            line,
            stock: PLENTY,
            coming: None,
            admissions: vec![(START, 0, rate, burst)],
            frontier: 0,
            promised: BTreeMap::new(),
            idle_since: None,
            boards: vec![Board::default(); 3],
            updates: vec![],
            positions: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        if matches!(step, Step::Rate(..) | Step::Seats(_)) {
            self.idle_since = None;
        }
        match step {
            Step::Join(joins) => drop(self.line.batch(*joins, &[])),
            Step::Leave(number) => {
                self.line.leave(*number);
                self.promised.remove(number);
            }
            Step::Enter(number) => self.enter(*number),
            Step::End(number) => drop(self.line.ask(&Command::End { number: *number }).unwrap()),
            Step::Pass(ms) => self.pass(*ms),
            Step::Paused(paused) => self.line.patch(&format!(r#"{{"paused":{paused}}}"#)),
            Step::Rate(rate, burst) => self.line.patch(&format!(r#"{{"admit_per_sec":{rate},"burst":{burst}}}"#)),
            Step::Cap(cap) => self.line.patch(&format!(r#"{{"max_active":{cap}}}"#)),
            Step::Windows(entry, inside) => {
                self.line.patch(&format!(r#"{{"entry_window_sec":{entry},"admission_ttl_sec":{inside}}}"#));
            }
            Step::Seats(available) => self.stock.available = *available,
            Step::Look(board) => self.look(*board),
            Step::Note(board, number) => self.note(*board, *number),
            Step::Reload => self.reload(),
        }
        self.check();
    }

    /// Whoever was promised may enter until the promise is over, and nobody else.
    fn enter(&mut self, number: u64) {
        let was = self.line.states(number..=number)[0];
        let promised = self.promised.remove(&number).is_some_and(|until| self.line.now < until);
        assert_eq!(promised, was == PlaceState::Ready, "{number} was {was:?}");
        let entered = self.line.enter(number);
        assert_eq!(entered.is_ok(), promised || was == PlaceState::Entered, "{number} was {was:?}");
    }

    /// Time passes; alarms are on time, the stock is on its way for a while.
    fn pass(&mut self, ms: u64) {
        let end = self.line.now.plus_ms(ms);
        loop {
            if let Some((at, asked, stock)) = self.coming.filter(|(at, ..)| *at <= self.line.now) {
                self.coming = None;
                assert!(at <= self.line.now);
                self.line.ask(&Command::Stock { stock, asked }).unwrap();
                self.check();
            }
            let now = self.line.now;
            let asks = self.line.asks();
            if asks && self.coming.is_none() {
                let asked = self.line.queue().stock_question(now);
                self.coming = Some((now.plus_ms(STOCK_DELAY_MS), asked, self.stock));
                continue;
            }
            let coming = self.coming.map(|(at, ..)| at);
            let Some(next) = self.line.queue().wakes_at(now).into_iter().chain(coming).min() else { break };
            if next > end {
                break;
            }
            self.line.now = now.max(next);
            self.check();
        }
        self.line.now = end;
        self.check();
    }

    /// A copy asks for what is new, or gets any earlier update once more.
    fn look(&mut self, board: usize) {
        let now = self.line.now;
        let since = self.boards[board].version();
        let update = self.line.queue().board(since, now).unwrap();
        let earlier = self.updates.get(self.updates.len().wrapping_sub(board + 2)).cloned();
        self.boards[board].merge(&update);
        earlier.iter().for_each(|earlier| self.boards[board].merge(earlier));
        self.updates.push(update);
        let last = self.line.queue().counters().last;
        for number in 1..=last {
            let place = self.boards[board].place(number, now);
            let truth = self.line.queue().state(number);
            assert_eq!(place.state, truth, "place {number} on board {board}");
            assert_eq!(place.ready_expires_at, self.promised.get(&number).copied().filter(|_| truth == PlaceState::Ready));
            let before = self.positions.insert((board, number), place.position);
            assert!(before.is_none_or(|before| place.position <= before), "place {number} moved back");
            if truth == PlaceState::Waiting {
                let ahead = (1..number).filter(|other| self.line.engine.parts().unwrap().0.state(*other) == PlaceState::Waiting);
                assert_eq!(place.position, ahead.count() as u64 + 1, "place {number} on board {board}");
            }
        }
        assert_eq!(self.boards[board].stats().waiting, self.line.queue().counters().waiting);
    }

    /// What an answer told is true, and may be on a copy before any update says so.
    fn note(&mut self, board: usize, number: u64) {
        let state = self.line.states(number..=number)[0];
        if state > PlaceState::Ready {
            self.boards[board].note(number, state);
        }
    }

    fn reload(&mut self) {
        let before = self.line.queue().clone();
        self.line.engine.forget();
        assert_eq!(*self.line.queue(), before);
    }

    fn check(&mut self) {
        let now = self.line.now;
        let settings = self.line.event.queue.clone();
        let queue = self.line.queue().clone();
        let counters = queue.counters().clone();

        // The frontier moves forward, and everybody up to it has had their turn.
        assert!(counters.frontier >= self.frontier);
        for number in 1..=counters.last {
            let state = queue.state(number);
            let passed = number <= counters.frontier;
            assert!(if passed { state != PlaceState::Waiting } else { matches!(state, PlaceState::Waiting | PlaceState::Left) });
        }

        // Nobody is let in beyond the cap.
        let admitted = counters.admitted_total - self.admissions.iter().map(|(_, count, ..)| count).sum::<u64>();
        if admitted > 0 {
            assert!(counters.ready + counters.active <= u64::from(settings.max_active));
        }

        // In no window is more let in than burst and rate allow.
        self.admissions.push((now, admitted, settings.admit_per_sec, settings.burst));
        let (mut taken, mut allowed, mut burst, mut until) = (0, 0, 0, now);
        for (at, count, rate, held_burst) in self.admissions.iter().rev() {
            allowed += until.since_ms(*at) * u64::from(*rate);
            (taken, burst, until) = (taken + count, burst.max(u64::from(*held_burst)), *at);
            assert!(taken * 1000 <= allowed + burst * 1000, "{taken} since {at}");
        }

        // A promise is made once and kept.
        for number in self.frontier + 1..=counters.frontier {
            if queue.state(number) == PlaceState::Ready {
                self.promised.insert(number, now.plus_sec(u64::from(settings.entry_window_sec)));
            }
        }
        self.promised.retain(|number, until| {
            let state = queue.state(*number);
            assert_eq!(state == PlaceState::Ready, now < *until, "{number} is {state:?}");
            now < *until
        });
        self.frontier = counters.frontier;

        // No slot is idle for a second while people wait and rate, cap and stock allow.
        let inside = counters.ready + counters.active;
        let could = counters.waiting > 0 && !settings.paused && inside < u64::from(settings.max_active.min(self.stock.available));
        self.idle_since = self.idle_since.filter(|_| could && admitted == 0).or_else(|| could.then_some(now));
        let next_token_ms = 1000_u64.div_ceil(u64::from(settings.admit_per_sec));
        let idle_ms = self.idle_since.map_or(0, |since| now.since_ms(since));
        assert!(idle_ms <= next_token_ms + 300, "idle for {idle_ms} ms until {now}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_line_keeps_every_promise_whatever_happens(steps in prop::collection::vec(any_step(), 1..70)) {
        let mut witness = Witness::new();
        steps.iter().for_each(|step| witness.take(step));
        (0..3).for_each(|board| witness.look(board));
    }

    #[test]
    fn a_board_shows_the_truth_whatever_updates_it_got_in_whatever_order(
        steps in prop::collection::vec(any_step(), 1..50), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut witness = Witness::new();
        steps.iter().for_each(|step| witness.take(step));
        witness.look(0);
        let (queue, now) = (witness.line.queue().clone(), witness.line.now);
        let mut board = Board::default();
        picks.iter().for_each(|pick| board.merge(pick.get(&witness.updates)));
        board.merge(&queue.board(board.version(), now).unwrap());
        picks.iter().for_each(|pick| board.merge(pick.get(&witness.updates)));
        let known = &witness.boards[0];
        for number in 1..=queue.counters().last {
            prop_assert_eq!(board.place(number, now), known.place(number, now));
        }
        prop_assert_eq!((board.version(), board.stats()), (known.version(), known.stats()));
    }

    #[test]
    fn applying_every_change_twice_is_harmless(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut witness = Witness::new();
        steps.iter().for_each(|step| witness.take(step));
        let queue = witness.line.queue().clone();
        let mut doubled = Queue::default();
        for change in witness.line.engine.store().changes() {
            doubled.apply(&change);
            doubled.apply(&change);
        }
        prop_assert_eq!(doubled, queue);
    }

    #[test]
    fn an_older_answer_among_batches_of_many_lanes_never_numbers_twice(
        sends in prop::collection::vec((0..4_u32, 1..9_u32, 0..3_usize), 1..60),
    ) {
        let mut line = Line::new(|_| ());
        let mut sent: Vec<(Batch, Vec<u8>)> = vec![];
        let mut seqs = BTreeMap::new();
        for (lane, joins, back) in sends {
            let seq = seqs.entry(lane).or_insert(0_u64);
            *seq += 1;
            let batch = Batch { lane, nonce: 1, seq: *seq, joins, leaves: vec![] };
            let answer = line.ask(&Command::Batch(batch.clone())).unwrap();
            let numbered = serde_json::from_slice::<BatchReply>(&answer).unwrap().joins.unwrap();
            let before: u64 = sent.iter().map(|(batch, _)| u64::from(batch.joins)).sum();
            prop_assert_eq!(numbered.first, before + 1);
            sent.push((batch, answer));
            let (again, answer) = &sent[sent.len().saturating_sub(back + 1)];
            match line.ask(&Command::Batch(again.clone())) {
                Ok(repeated) => prop_assert_eq!(&repeated, answer),
                Err(refusal) => prop_assert_eq!(refusal.code(), "INVALID_REQUEST"),
            }
        }
    }
}
