//! Holds over one and over several shards, by the rules alone: how long each object works on them, and what the event
//! carries when each has a thread of its own. Every part is timed as a whole, object by object, so that the clock is
//! read a few times and not at every hold.

use std::time::{Duration, Instant};

use domain::{
    inventory::{
        Change, Command, Inventory, Reply, Rows,
        claim::{Claimed, Needed},
        ledger::Entry,
    },
    machine::Machine,
    refusal::Refusal,
    spread::{Part, home_of},
};
use rules::{self as fixture, NOW};

const SEATS: u32 = 200_000;
const HOLDS: u32 = 100_000;
const ROUNDS: usize = 5;
/// Entries that the book takes in one message.
const TOLD: usize = 200;

#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
fn now() -> Instant {
    Instant::now()
}

/// An object, what it wrote, and how long it worked.
struct Object {
    inventory: Inventory,
    entries: Vec<Entry>,
    busy: Duration,
}

impl Object {
    fn new(part: Part, shards: u32) -> Self {
        let inventory = Inventory::restore(Rows { part, ..Rows::default() });
        let mut object = Self { inventory, entries: Vec::new(), busy: Duration::ZERO };
        let event = domain::event::Event { shards, ..fixture::event(SEATS) };
        object.ask(&Command::Configure(Box::new(event))).expect("an event is taken over");
        object
    }

    fn ask(&mut self, command: &Command) -> Result<Reply, Refusal> {
        let decision = self.inventory.decide(command, NOW)?;
        for change in &decision.changes {
            self.inventory.apply(change);
        }
        for change in decision.changes {
            if let Change::Moved(_, entry) = change {
                self.entries.push(entry);
            }
        }
        Ok(decision.reply)
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let began = now();
        let result = work(self);
        self.busy += began.elapsed();
        result
    }
}

/// A hold on its way through its home.
struct Wanted {
    command: Command,
    needed: Option<Needed>,
    claimed: Claimed,
}

/// Home decides what it needs, shards keep it, home takes all of it. Nothing is refused: nobody wants what another has.
fn holds(shards: u32, seats_each: u32) -> Vec<Duration> {
    let parts: Vec<Part> = if shards == 1 { vec![Part::Root] } else { (0..shards).map(Part::Shard).collect() };
    let mut objects: Vec<Object> = parts.into_iter().map(|part| Object::new(part, shards)).collect();
    let mut by_home: Vec<Vec<Wanted>> = objects.iter().map(|_| Vec::new()).collect();
    let step = SEATS / HOLDS;
    for i in 0..HOLDS {
        // One seat, or one in each of two sections that follow each other.
        let other = (i * step + SEATS / 2 + SEATS / 20) % SEATS;
        let mut wish = fixture::these_seats(i * step, 1);
        if seats_each == 2 {
            wish.seat_ids = Some([fixture::seat_id(i * step), fixture::seat_id(other + 1)].into());
        }
        let mut command = fixture::hold(i.into(), wish);
        let Command::Hold { key, user, .. } = &mut command else { unreachable!("it is a hold") };
        let home = home_of(shards, user);
        *key = key.at(shards, home);
        by_home[home as usize].push(Wanted { command, needed: None, claimed: Claimed::default() });
    }
    for (object, wanted) in objects.iter_mut().zip(&mut by_home) {
        object.timed(|object| {
            for wanted in wanted {
                match object.ask(&wanted.command) {
                    Err(Refusal::MustClaim(needed)) => wanted.needed = Some(*needed),
                    Ok(_) => {}
                    Err(refusal) => panic!("refused: {refusal:?}"),
                }
            }
        });
    }
    for (shard, object) in objects.iter_mut().enumerate().filter(|_| shards > 1) {
        object.timed(|object| {
            for wanted in by_home.iter_mut().flatten() {
                let Some(needed) = &wanted.needed else { continue };
                let Some(part) = needed.parts.iter().find(|part| part.shard as usize == shard) else { continue };
                let claim = Command::Claim { key: needed.key, stamp: 1, wish: part.wish.clone(), admission: part.admission };
                let Ok(Reply::Claimed(claimed)) = object.ask(&claim) else { panic!("nobody wants what another has") };
                wanted.claimed.at.extend(claimed.at);
                wanted.claimed.seat_ids.extend(claimed.seat_ids);
                wanted.claimed.quantity += claimed.quantity;
            }
        });
    }
    for (object, wanted) in objects.iter_mut().zip(&mut by_home) {
        object.timed(|object| {
            for Wanted { command, needed, claimed } in wanted {
                if needed.is_none() {
                    continue;
                }
                let Command::Hold { spread, .. } = command else { unreachable!("it is a hold") };
                spread.claimed = Some(std::mem::take(claimed));
                object.ask(command).expect("all of it was claimed");
            }
        });
    }
    let mut busy: Vec<Duration> = objects.iter().map(|object| object.busy).collect();
    if shards > 1 {
        busy.push(tell(&objects, shards));
    }
    busy
}

/// The book takes everything over, in messages of [`TOLD`] entries from each shard in turn.
fn tell(objects: &[Object], shards: u32) -> Duration {
    let mut book = Object::new(Part::Root, shards);
    let messages: Vec<Command> = (0..)
        .zip(objects)
        .flat_map(|(shard, object)| {
            object.entries.chunks(TOLD).map(move |entries| Command::Merge { shard, entries: entries.to_vec(), envelopes: vec![] })
        })
        .collect();
    book.timed(|book| {
        for message in &messages {
            book.ask(message).expect("it follows on what the book has");
        }
    });
    assert_eq!(book.inventory.seq(), u64::from(HOLDS), "every hold is in the book");
    book.busy
}

#[expect(clippy::print_stdout, reason = "the figures go to the caller")]
fn main() {
    println!("| shards | seats each | all objects, µs a hold | the busiest, µs a hold | holds/s, a thread each | against one |");
    println!("|-------:|-----------:|-----------------------:|-----------------------:|-----------------------:|------------:|");
    for seats_each in [1, 2] {
        let mut one = 0.0;
        for shards in [1, 2, 4, 8] {
            let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
                .map(|_| {
                    let busy = holds(shards, seats_each);
                    let us = |busy: Duration| busy.as_secs_f64() * 1e6 / f64::from(HOLDS);
                    let busiest = busy.iter().copied().max().unwrap_or_default();
                    (us(busy.iter().sum()), us(busiest))
                })
                .collect();
            rounds.sort_by(|a, b| a.1.total_cmp(&b.1));
            let (all, busiest) = rounds[ROUNDS / 2];
            let per_s = 1e6 / busiest;
            if shards == 1 {
                one = per_s;
            }
            println!(
                "| {shards:>6} | {seats_each:>10} | {all:>22.2} | {busiest:>22.2} | {per_s:>22.0} | {:>10.2}× |",
                per_s / one
            );
        }
    }
}
