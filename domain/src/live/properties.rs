//! Pages, an inventory and a queue around [`Live`], with everything in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::{
    registry::RESUMES_PER_SEC,
    tests::{delta, since, whole},
    *,
};
use crate::{board::QueueStats, hash::Hash128, inventory::feed::Delta};

const PER_ADDRESS: u32 = 4;
/// A place is told again after so long without news, in milliseconds: the contract's 2 s.
const UNTOLD_MAX_MS: u64 = 2_000;
/// A ledger of one section of five seats.
const SEATS: u32 = 5;

#[derive(Clone, Debug)]
pub(super) enum Step {
    AtPlace(u64),
    AtSeats {
        knows: bool,
        address: u8,
    },
    Leaves(usize),
    Resumes {
        who: usize,
        forgets: usize,
    },
    /// Entries are written; some of them make a new map.
    Writes {
        seat: u32,
        state: u8,
        new_map: bool,
    },
    /// What was asked is answered or not.
    Inventory(Answer),
    Queue {
        answers: bool,
    },
    Pass(u64),
}

/// What comes of asking the inventory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Whole,
    Fails,
    /// It is as of so many entries ago.
    Old(usize),
    /// It lacks its first entry.
    Gap,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..4_u64).prop_map(Step::AtPlace),
        4 => (any::<bool>(), 0..3_u8).prop_map(|(knows, address)| Step::AtSeats { knows, address }),
        2 => (0..50_usize).prop_map(Step::Leaves),
        2 => (0..50_usize, 0..9_usize).prop_map(|(who, forgets)| Step::Resumes { who, forgets }),
        8 => (0..SEATS, 0..4_u8, prop::bool::weighted(0.05)).prop_map(|(seat, state, new_map)| Step::Writes { seat, state, new_map }),
        6 => prop_oneof![5 => Just(Answer::Whole), 1 => Just(Answer::Fails), 1 => (1..9_usize).prop_map(Answer::Old), 1 => Just(Answer::Gap)]
            .prop_map(Step::Inventory),
        4 => prop::bool::weighted(0.8).prop_map(|answers| Step::Queue { answers }),
        6 => (0..3_000_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..150)
}

/// What a page has: every map that it ever showed, by its cursor, the newest last.
#[derive(Clone, Default)]
pub(super) struct Page {
    pub(super) place: Option<u64>,
    pub(super) address: Option<Hash128>,
    pub(super) maps: Vec<(Cursor, String)>,
    pub(super) sale: Option<String>,
    pub(super) told_at: Option<Millis>,
    pub(super) resumes: Vec<Millis>,
}

impl Page {
    fn take(&mut self, frame: &str, now: Millis) {
        self.told_at = Some(now);
        let value: Value = serde_json::from_str(frame).expect("JSON");
        let number = |name: &str| value[name].as_u64().expect("a number");
        match value["type"].as_str().expect("a type") {
            "place" => assert!(self.place.is_some()),
            "snapshot" => {
                let states = value["sections"][0]["states"].as_str().expect("states");
                self.maps.push(((number("epoch"), number("seq")), states.to_owned()));
            }
            "delta" => {
                let ((epoch, seq), mut states) = self.maps.last().cloned().expect("a snapshot comes first");
                assert_eq!(number("seq"), seq + 1, "without a gap");
                for change in value["changes"].as_array().expect("changes") {
                    let at = change[1].as_u64().expect("a seat") as usize;
                    states.replace_range(at..=at, &change[2].to_string());
                }
                self.maps.push(((epoch, seq + 1), states));
            }
            "sale" => {
                assert!(!self.maps.is_empty(), "the seats come first");
                self.sale = Some(frame.to_owned());
            }
            other => panic!("{other}"),
        }
    }
}

pub(super) struct World {
    live: Live,
    now: Millis,
    pub(super) pages: BTreeMap<SocketId, Page>,
    /// The map after each entry of the newest version, and the entries.
    epoch: u64,
    maps: Vec<String>,
    entries: Vec<Delta>,
    asked_inventory: Option<Option<Cursor>>,
    asked_queue: bool,
    version: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            live: Live::new(PER_ADDRESS),
            now: Millis(1_000_000),
            pages: BTreeMap::new(),
            epoch: 1,
            maps: vec!["0".repeat(SEATS as usize)],
            entries: vec![],
            asked_inventory: None,
            asked_queue: false,
            version: 0,
        }
    }

    fn head(&self) -> (Cursor, &String) {
        ((self.epoch, self.entries.len() as u64), self.maps.last().expect("one at least"))
    }

    /// Carries out what is to be done.
    pub(super) fn settle(&mut self) {
        while let Some(output) = self.live.poll(self.now) {
            match output {
                Output::AskInventory(known) => assert_eq!(self.asked_inventory.replace(known), None, "one at a time"),
                Output::AskQueue(_) => assert!(!std::mem::replace(&mut self.asked_queue, true), "one at a time"),
                Output::Send(to, frames) => {
                    for id in to {
                        let page = self.pages.get_mut(&id).expect("nobody who left is told");
                        frames.iter().for_each(|frame| page.take(frame, self.now));
                    }
                }
                Output::Close(id, code, _) => {
                    let page = self.pages.remove(&id).expect("it is there");
                    let second = page.resumes.iter().filter(|at| at.0 / 1000 == self.now.0 / 1000).count();
                    assert!(code == SLOW_DOWN && second as u32 > RESUMES_PER_SEC, "{code}");
                }
            }
        }
        assert!(self.live.wakes_at().is_none_or(|at| at > self.now), "what is due is done");
        assert_eq!(self.live.wakes_at().is_none(), self.pages.is_empty(), "it sleeps for good once all have left");
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(at) = self.live.wakes_at().filter(|at| *at <= end) {
            self.now = at;
            self.settle();
        }
        self.now = end;
        for page in self.pages.values().filter(|page| page.place.is_some()) {
            assert!(page.told_at.is_none_or(|at| end.since_ms(at) < UNTOLD_MAX_MS), "told at {:?}, now {end:?}", page.told_at);
        }
    }

    pub(super) fn arrives(&mut self, page: Page) {
        let watch = match page.place {
            Some(number) => Watch::Place { number },
            None => Watch::Seats { from: page.maps.last().map(|(cursor, _)| *cursor) },
        };
        let ticket = Ticket { watch, address: page.address };
        let others = |of: fn(&Page, &Page) -> bool| self.pages.values().filter(|other| of(other, &page)).count() as u32;
        let at_place = others(|other, page| page.place.is_some() && other.place == page.place);
        let from_address = others(|other, page| page.address.is_some() && other.address == page.address);
        let full = at_place >= SOCKETS_PER_PLACE || from_address >= PER_ADDRESS;
        assert_eq!(self.live.admits(&ticket), if full { Err(SLOW_DOWN) } else { Ok(()) });
        if !full {
            let id = self.live.arrive(&ticket, self.now);
            self.pages.insert(id, page);
        }
    }

    pub(super) fn answer_inventory(&mut self, answer: Answer) {
        let Some(known) = self.asked_inventory.take() else { return };
        let ago = if let Answer::Old(ago) = answer { ago } else { 0 };
        let seq = self.entries.len().saturating_sub(ago);
        let mut changes = match known {
            Some((of, from)) if of == self.epoch => since(of, self.entries[..seq].iter().skip(from as usize).cloned().collect()),
            _ => whole(self.epoch, seq as u64, &[&self.maps[seq]]),
        };
        if matches!(answer, Answer::Gap) && !changes.deltas.is_empty() {
            changes.deltas.remove(0);
        }
        let changes = SeatChanges { seq: seq as u64, remaining: seq as u32, ..changes };
        self.live.hear_inventory((!matches!(answer, Answer::Fails)).then_some(changes), self.now);
    }

    pub(super) fn answer_queue(&mut self, answers: bool) {
        if !std::mem::take(&mut self.asked_queue) {
            return;
        }
        self.version += 1;
        let (stats, chunks, waves) = (QueueStats { waiting: self.version, ..QueueStats::default() }, vec![], vec![]);
        let update = BoardUpdate { since: 0, version: self.version, at: self.now, last: 9, pace: 1000, stats, chunks, waves };
        self.live.hear_queue(answers.then_some(update), self.now);
    }

    pub(super) fn step(&mut self, step: &Step) {
        let chosen = |who: usize| self.pages.keys().nth(who % self.pages.len().max(1)).copied();
        match *step {
            Step::AtPlace(number) => self.arrives(Page { place: Some(number), ..Page::default() }),
            Step::AtSeats { knows, address } => {
                let maps = if knows { vec![(self.head().0, self.head().1.clone())] } else { vec![] };
                let address = (address > 0).then_some(Hash128(address.into()));
                self.arrives(Page { maps, address, ..Page::default() });
            }
            Step::Leaves(who) => {
                if let Some(id) = chosen(who) {
                    self.live.left(id);
                    self.live.left(id);
                    self.pages.remove(&id);
                }
            }
            Step::Resumes { who, forgets } => {
                if let Some(id) = chosen(who)
                    && let Some(page) = self.pages.get_mut(&id)
                    && page.maps.len() > forgets
                {
                    page.maps.truncate(page.maps.len() - forgets);
                    page.resumes.push(self.now);
                    let ((epoch, seq), _) = page.maps.last().expect("one is left");
                    self.live.heard(id, &format!(r#"{{"type":"resume","epoch":{epoch},"seq":{seq}}}"#), self.now);
                }
            }
            Step::Writes { seat, state, new_map } => {
                let mut map = self.head().1.clone();
                let at = seat as usize;
                map.replace_range(at..=at, &state.to_string());
                if new_map {
                    self.epoch += 1;
                }
                self.entries.push(delta(self.entries.len() as u64 + 1, &[(0, seat, state)]));
                self.maps.push(map);
            }
            Step::Inventory(answer) => self.answer_inventory(answer),
            Step::Queue { answers } => self.answer_queue(answers),
            Step::Pass(ms) => self.pass(ms),
        }
        self.settle();
    }
}

proptest! {
    /// Pages come with what they have, leave, forget and resume; answers are late or fail. Limits hold, one question is asked
    /// at a time, no place is untold for long, no delta is missing, and in the end everybody has the map and the sale.
    #[test]
    fn everybody_is_told_everything(steps in steps()) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        for _ in 0..20 {
            world.pass(1_000);
            world.answer_inventory(Answer::Whole);
            world.answer_queue(true);
            world.settle();
        }
        let (cursor, map) = world.head();
        let sale = format!(r#"{{"type":"sale","status":"scheduled","remaining":{}}}"#, world.entries.len());
        for page in world.pages.values().filter(|page| page.place.is_none()) {
            prop_assert_eq!(page.maps.last(), Some(&(cursor, map.clone())));
            prop_assert_eq!(page.sale.as_ref(), Some(&sale));
        }
        for page in world.pages.values().filter(|page| page.place.is_some()) {
            prop_assert!(page.told_at.is_some());
        }
    }
}
