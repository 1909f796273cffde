//! Who is at which socket, what each was told last, and how many may be there.

use std::{collections::BTreeMap, ops::RangeBounds, rc::Rc};

use serde::{Deserialize, Serialize};

use crate::{hash::Hash128, inventory::feed::Cursor, time::Millis};

/// Sockets that one object holds; the platform allows 32,768.
pub const SOCKETS_MAX: usize = 20_000;
/// Sockets that one place may have: all its tabs and devices.
pub const SOCKETS_PER_PLACE: u32 = 5;
/// Resumes that a socket may ask for in a second: a page needs one whenever it missed something.
pub const RESUMES_PER_SEC: u32 = 5;

/// Too many sockets, or too many questions.
pub const SLOW_DOWN: u16 = 4429;
/// The object is full.
pub const TRY_AGAIN: u16 = 1013;

/// Objects that hold the sockets of one event, at most: 320,000 sockets, and as many who ask the queue and the inventory.
const OBJECTS_MAX: u32 = 16;

/// How many objects hold the sockets of an event with so many lanes.
#[must_use]
pub fn objects(lanes: u32) -> u32 {
    lanes.clamp(1, OBJECTS_MAX)
}

/// A socket of one object, as long as the object has its memory.
pub type SocketId = u64;

/// What a socket watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// A place in the line.
    Place {
        /// Its number.
        number: u64,
    },
    /// The seats.
    Seats {
        /// What the page already has; it is told what came since.
        from: Option<Cursor>,
    },
}

/// What is known of a socket when it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What it watches.
    pub watch: Watch,
    /// A digest of the address that it came from, where that is known.
    pub address: Option<Hash128>,
}

/// What a socket was told last.
pub(super) enum Told {
    Place {
        number: u64,
        /// The frame, and when.
        last: Option<(Rc<str>, Millis)>,
    },
    Seats {
        /// Where the page stands, by what it said itself or was told.
        at: Option<Cursor>,
        /// The revision of the sale's frame. None until it was told the seats; then 0 where there was no such frame yet.
        sale: Option<u64>,
    },
}

struct Watcher {
    told: Told,
    groups: [Option<Group>; 2],
    /// The second in which it last resumed, and how often in it.
    resumes: (u64, u32),
}

/// Sockets of which there may be only so many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Place(u64),
    Address(Hash128),
}

impl Group {
    fn of(ticket: &Ticket) -> [Option<Self>; 2] {
        let place = match ticket.watch {
            Watch::Place { number } => Some(Self::Place(number)),
            Watch::Seats { .. } => None,
        };
        [place, ticket.address.map(Self::Address)]
    }
}

/// Those who stand at the same cursor, and whether they are told of the seats for the first time.
pub(super) type Behind = BTreeMap<(Option<Cursor>, bool), Vec<SocketId>>;

/// Everybody at a socket.
#[derive(Default)]
pub(super) struct Registry {
    watchers: BTreeMap<SocketId, Watcher>,
    sizes: BTreeMap<Group, u32>,
    last_id: SocketId,
}

impl Registry {
    pub(super) fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    pub(super) fn admits(&self, ticket: &Ticket, per_address: u32) -> Result<(), u16> {
        let is_full = |group: &Group| {
            let max = match group {
                Group::Place(_) => SOCKETS_PER_PLACE,
                Group::Address(_) if per_address == 0 => u32::MAX,
                Group::Address(_) => per_address,
            };
            self.sizes.get(group).is_some_and(|size| *size >= max)
        };
        if self.watchers.len() >= SOCKETS_MAX {
            Err(TRY_AGAIN)
        } else if Group::of(ticket).iter().flatten().any(is_full) {
            Err(SLOW_DOWN)
        } else {
            Ok(())
        }
    }

    pub(super) fn add(&mut self, ticket: &Ticket) -> SocketId {
        let told = match ticket.watch {
            Watch::Place { number } => Told::Place { number, last: None },
            Watch::Seats { from } => Told::Seats { at: from, sale: None },
        };
        let groups = Group::of(ticket);
        groups.into_iter().flatten().for_each(|group| *self.sizes.entry(group).or_default() += 1);
        self.last_id += 1;
        self.watchers.insert(self.last_id, Watcher { told, groups, resumes: (0, 0) });
        self.last_id
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: SocketId) -> bool {
        let Some(watcher) = self.watchers.remove(&id) else { return false };
        for group in watcher.groups.into_iter().flatten() {
            let size = self.sizes.remove(&group).map_or(0, |size| size - 1);
            if size > 0 {
                self.sizes.insert(group, size);
            }
        }
        true
    }

    pub(super) fn told_mut(&mut self, who: impl RangeBounds<SocketId>) -> impl Iterator<Item = (SocketId, &mut Told)> {
        self.watchers.range_mut(who).map(|(id, watcher)| (*id, &mut watcher.told))
    }

    pub(super) fn anybody_watches_seats(&self) -> bool {
        self.watchers.values().any(|watcher| matches!(watcher.told, Told::Seats { .. }))
    }

    /// Those who watch the seats and do not stand at `known`. From now on they do; who is new also has the sale's frame of
    /// this `revision`.
    pub(super) fn bring_to(&mut self, known: Cursor, revision: u64, who: impl RangeBounds<SocketId>) -> Behind {
        let mut behind = Behind::new();
        for (id, told) in self.told_mut(who) {
            let Told::Seats { at, sale } = told else { continue };
            let is_new = sale.is_none();
            if is_new || *at != Some(known) {
                behind.entry((at.replace(known), is_new)).or_default().push(id);
                sale.get_or_insert(revision);
            }
        }
        behind
    }

    /// A page that watches the seats says that it stands at `from`; false where it said so too often.
    pub(super) fn resume(&mut self, id: SocketId, from: Cursor, now: Millis) -> bool {
        // Who waits for the first picture has missed nothing.
        let Some(Watcher { told: Told::Seats { at, sale: Some(_) }, resumes, .. }) = self.watchers.get_mut(&id) else {
            return true;
        };
        let second = now.0 / 1000;
        let times = if resumes.0 == second { resumes.1 + 1 } else { 1 };
        *resumes = (second, times);
        *at = Some(from);
        times <= RESUMES_PER_SEC
    }

    /// At most `count` of those who see the seats and have an older frame of the sale, from `first` on and round. From now on
    /// they have this `revision`.
    pub(super) fn bring_sale(&mut self, revision: u64, first: SocketId, count: usize) -> Vec<SocketId> {
        let older = |(id, watcher): (&SocketId, &Watcher)| {
            let is_older = matches!(watcher.told, Told::Seats { sale: Some(has), .. } if has != revision);
            is_older.then_some(*id)
        };
        let round = self.watchers.range(first..).chain(self.watchers.range(..first));
        let ids: Vec<SocketId> = round.filter_map(older).take(count).collect();
        for id in &ids {
            if let Some(Watcher { told: Told::Seats { sale, .. }, .. }) = self.watchers.get_mut(id) {
                *sale = Some(revision);
            }
        }
        ids
    }
}
