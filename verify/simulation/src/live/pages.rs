//! The pages at the sockets: whatever happens to these, a page ends up with the map of the ledger, and is told its turn.

use actors::{ask::Object, live::Watch};
use domain::{board::PlaceState, invariants::Invariant, inventory::feed::SectionStates, time::Millis};
use serde::Deserialize;

use super::Connection;
use crate::world::World;

/// How long a page may be behind the ledger once nothing goes wrong any more, in milliseconds.
const BEHIND_MAX_MS: u64 = 100_000;
/// How long after the weather is calm everything is as fast as promised, in milliseconds.
const RECOVERY_MS: u64 = 20_000;
/// How soon a place is told that it is ready, in milliseconds, without the frame's way.
const TOLD_READY_MS: u64 = 1_000;

/// Deltas out of a million that a page loses.
const LOST: u32 = 20_000;

/// What a page at the seats has.
#[derive(Default)]
struct Map {
    known: Option<(u64, u64)>,
    sections: Vec<SectionStates>,
    /// Whether a delta was lost, so that those behind it do not apply; and whether it was asked for.
    lost: bool,
    asked: bool,
    /// Whether it resumed at this socket, so that deltas may come twice.
    resumed: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame {
    Snapshot { epoch: u64, seq: u64, sections: Vec<SectionStates> },
    Delta { seq: u64, changes: Vec<(usize, usize, u8)> },
    Sale {},
    Place { status: String, position: u64, ready_for_entry: bool },
}

impl World {
    /// A page that shows the seats from `choice`, until everything is over. Now and then it loses a delta.
    pub(crate) async fn watch_seats(self, choice: u64, until_ms: u64) {
        let mut map = Map::default();
        loop {
            let from = map.known.filter(|_| self.chance(500_000));
            (map.lost, map.asked, map.resumed) = (false, false, false);
            let page = self.connect(Watch::Seats { from }, choice).await;
            while page.is_open() {
                match page.wire.read(&self).await {
                    Some(frame) => self.take(&mut map, &frame, &page),
                    None if page.is_open() => resume(&mut map, &page),
                    None => {}
                }
                if self.elapsed_ms() >= until_ms && self.agrees(&map) {
                    return;
                }
                let late = self.elapsed_ms() >= until_ms + BEHIND_MAX_MS;
                self.promise(Invariant::LedgerIsTruth, !late, || format!("a page stays at {:?}", map.known));
                if late {
                    return;
                }
            }
            self.0.executor.sleep(self.draw(0..=2000)).await;
        }
    }

    fn take(&self, map: &mut Map, frame: &str, page: &Connection) {
        match serde_json::from_str(frame).expect("a frame of the contract") {
            Frame::Snapshot { epoch, seq, sections } => {
                let older = map.known.is_some_and(|known| known > (epoch, seq));
                self.promise(Invariant::LedgerIsTruth, !older, || {
                    format!("a page at {:?} was told of {epoch}, {seq}", map.known)
                });
                (map.known, map.sections, map.lost, map.asked) = (Some((epoch, seq)), sections, false, false);
            }
            Frame::Delta { seq, changes } => {
                let Some((epoch, last)) = map.known else {
                    return self.promise(Invariant::LedgerIsTruth, false, || "a delta came before a snapshot".to_owned());
                };
                let follows = seq == last + 1;
                self.promise(Invariant::LedgerIsTruth, follows || map.lost || (map.resumed && seq <= last), || {
                    format!("a page at {last} was told {seq}")
                });
                if !follows {
                    if map.lost && !map.asked {
                        resume(map, page);
                    }
                    return;
                }
                map.lost = self.chance(LOST);
                if !map.lost {
                    (map.known, map.asked) = (Some((epoch, seq)), false);
                    for (section, seat, state) in changes {
                        map.sections[section].states.replace_range(seat..=seat, &state.to_string());
                    }
                }
            }
            Frame::Sale {} => {}
            Frame::Place { .. } => unreachable!("whoever watches the seats is told of no place"),
        }
    }

    /// Whether a page shows what the inventory's rows say.
    fn agrees(&self, map: &Map) -> bool {
        let event_id = self.0.event.borrow().event_id.clone();
        match self.inventory_at_rest(&Object::Inventory(event_id)) {
            Some(inventory) => inventory.stands_at() == map.known && inventory.section_states() == map.sections,
            None => true, // nobody ever asked for it
        }
    }

    /// A page that shows a place, until that is over.
    pub(crate) async fn watch_place(self, number: u64, until_ms: u64) {
        let mut last = u64::MAX;
        while self.elapsed_ms() < until_ms {
            let page = self.connect(Watch::Place { number }, number).await;
            let opened = self.now();
            while page.is_open() && self.elapsed_ms() < until_ms {
                let Some(frame) = page.wire.read(&self).await else {
                    let silent = page.is_open() && page.wire.0.told.get().is_some() && self.is_calm();
                    self.promise(Invariant::NothingUntold, !silent, || format!("nothing is heard of place {number}"));
                    break;
                };
                let Frame::Place { status, position, ready_for_entry } =
                    serde_json::from_str(&frame).expect("a frame of the contract")
                else {
                    unreachable!("whoever watches a place is told of no seats")
                };
                self.promise(Invariant::NoInversion, position <= last, || {
                    format!("the page of place {number} was told {position} after {last}")
                });
                last = position;
                if status != "waiting" {
                    return;
                }
                if !ready_for_entry {
                    self.check_turn(number, opened);
                }
            }
            drop(page);
            self.0.executor.sleep(self.draw(0..=2000)).await;
        }
    }

    /// A page hears that its place still waits: then it does, or its turn came only now.
    fn check_turn(&self, number: u64, opened: Millis) {
        let witness = self.0.witness.borrow();
        let turn = witness.line.turns().iter().find(|(of, _)| *of == number).map(|(_, at)| *at);
        let Some(at) = turn.filter(|_| self.is_calm() && witness.line.state(number) == PlaceState::Ready) else { return };
        drop(witness);
        let untold_ms = self.now().since_ms(at.max(opened));
        let kept = untold_ms <= TOLD_READY_MS + self.0.weather.delay_max_ms;
        self.promise(Invariant::NothingUntold, kept, || {
            format!("place {number} is ready for {untold_ms} ms and is told to wait")
        });
    }

    fn is_calm(&self) -> bool {
        let until_ms = self.0.weather.until_sec * 1000;
        until_ms == 0 || self.elapsed_ms() > until_ms + RECOVERY_MS
    }
}

/// Asks for what came after what the page has.
fn resume(map: &mut Map, page: &Connection) {
    if let Some((epoch, seq)) = map.known {
        (map.asked, map.resumed) = (true, true);
        page.say(format!(r#"{{"type":"resume","epoch":{epoch},"seq":{seq}}}"#));
    }
}
