//! From the first arrival until nothing happens any more.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::{
    invariants::{Invariant, Violation},
    time::Millis,
};
use fastrand::Rng;
use serde_json::Value;
use signing::{token::Keyring, webhook::Key};

use crate::{
    endpoints::Plan,
    executor::IMMORTAL,
    gateway::KID,
    people,
    profile::{Misfortune, Profile, START},
    report::{Report, kendall_tau},
    world::World,
};

/// How often somebody looks whether a slot is idle, in simulated milliseconds.
const WATCH_MS: u64 = 250;
/// How often all seats are walked, in simulated milliseconds.
const MAPS_MS: u64 = 120_000;
/// One seed in so many has pages at sockets: the one with this remainder.
const LIVE_EVERY: u64 = 8;
const LIVE_SEEDS: u64 = 5;
/// One seed in so many has organisers' endpoints.
const ENDPOINTS_EVERY: u64 = 3;
const ENDPOINTS_SEEDS: u64 = 1;
/// How long after the sale pages show the seats, in simulated milliseconds: holds and payments have come to rest.
const PAGES_STAY_MS: u64 = 600_000;
/// After so many simulated milliseconds whatever still happens never ends.
const END_MS: u64 = 20_000_000;

/// A small sale of any kind.
#[must_use]
pub fn run(seed: u64) -> Report {
    let mut rng = Rng::with_seed(seed);
    let drawn = Profile::drawn(&mut rng);
    let until_ms = drawn.weather.until_sec.max(60) * 1000;
    let count = if seed % ENDPOINTS_EVERY == ENDPOINTS_SEEDS { rng.u32(1..=3) } else { 0 };
    let endpoints = (0..count).map(|_| Plan::drawn(&mut rng, until_ms)).collect();
    let profile = Profile { live: seed % LIVE_EVERY == LIVE_SEEDS, endpoints, ..drawn };
    run_with(seed, &profile, rng)
}

/// A few people, with something going wrong at each of these moments.
#[must_use]
pub fn run_struck(seed: u64, strikes: Vec<(u64, Misfortune)>) -> Report {
    let mut rng = Rng::with_seed(seed);
    let profile = Profile { strikes, ..Profile::few(&mut rng) };
    run_with(seed, &profile, rng)
}

/// A sale of a given kind.
#[must_use]
pub fn run_with(seed: u64, profile: &Profile, rng: Rng) -> Report {
    let tokens = Keyring::new([(KID, b"simulated".as_slice())]);
    let world = World::new(profile, rng, tokens, Key::from_bytes(b"simulated webhooks"));
    // The machines assert what they can see by themselves. Where a panic cannot be caught it ends the run as well.
    let outcome = catch_unwind(AssertUnwindSafe(|| sell(&world, profile)));
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let what = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        let violation = Violation { invariant: Invariant::SeatOnce, what: format!("a machine panicked: {what}") };
        world.0.violation.borrow_mut().get_or_insert((Millis(0), violation));
    }
    world.0.executor.clear();
    world.0.nodes.borrow_mut().clear();
    let witness = world.0.witness.borrow();
    let turns: Vec<u64> = witness.line.turns().iter().map(|(number, _)| *number).collect();
    let stats = world.0.stats.borrow().clone();
    Report {
        seed,
        hash: world.hash(),
        simulated_ms: world.elapsed_ms(),
        people: profile.people,
        sold: witness.seats.sold(),
        held: witness.seats.bookings().len() as u64,
        tau_turns: kendall_tau(&turns),
        tau_entered: kendall_tau(&stats.entered),
        stats,
        violation: world.0.violation.borrow().clone(),
    }
}

fn sell(world: &World, profile: &Profile) {
    world.open_isolates(profile.isolates);
    people::arrive(world, profile);
    if profile.live {
        open_pages(world, profile);
    }
    world.open_endpoints(&profile.endpoints);
    plan_jumps(world);
    watch(world, profile);
    while world.0.executor.step() {
        if world.0.violation.borrow().is_some() {
            return;
        }
        if world.elapsed_ms() > END_MS {
            world.promise(Invariant::AllEnds, false, || "something goes on for ever".to_owned());
            return;
        }
    }
    if world.0.set_back.get() {
        let here = world.clone();
        world.0.executor.spawn(IMMORTAL, async move { here.last_word().await });
        while world.0.executor.step() && world.0.violation.borrow().is_none() {}
    }
    rest(world);
}

/// Pages at sockets that show the seats: one in each half of them, where there are two.
fn open_pages(world: &World, profile: &Profile) {
    let closes = profile.event.sale_closes_at.map_or(0, |at| at.0.0 - START);
    let until_ms = closes.max(profile.weather.until_sec * 1000) + PAGES_STAY_MS;
    for choice in 0..2 {
        world.0.executor.spawn(IMMORTAL, world.clone().watch_seats(choice, until_ms));
    }
}

/// Nothing happens any more: everything has ended, and what was saved is what is there.
fn rest(world: &World) {
    world.check_maps();
    let verdict = world.0.witness.borrow().at_rest();
    world.check(verdict);
    let sent = world.0.witness.borrow().seats.sequence();
    let projection = world.0.projection.borrow();
    let missing = (1..=sent).find(|sequence| !projection.rows.contains_key(sequence));
    world.promise(Invariant::NothingUntold, missing.is_none(), || format!("envelope {missing:?} never arrived"));
    let event_id = world.0.event.borrow().event_id.clone();
    for endpoint in world.0.endpoints.borrow().iter() {
        let made_at = endpoint.made_at.get().unwrap_or_default();
        let before = projection.rows.iter().take_while(|(_, body)| logged_at(body) < made_at).count() as u64;
        let verdict = world.0.witness.borrow().told.at_rest(endpoint.id(), &event_id, before, sent);
        world.check(verdict);
    }
    let (turns, here) = {
        let witness = world.0.witness.borrow();
        (witness.line.turns().iter().map(|(number, _)| *number).collect::<Vec<_>>(), world.0.stats.borrow().people_here)
    };
    world.promise(Invariant::NoInversion, turns.is_sorted(), || "turns came out of order".to_owned());
    world.promise(Invariant::AllEnds, here == 0, || format!("{here} people are still there"));
}

/// When an envelope was logged.
fn logged_at(body: &str) -> Millis {
    let envelope: Value = serde_json::from_str(body).unwrap_or_default();
    envelope["time"].as_str().and_then(|time| Millis::parse_rfc3339(time).ok()).unwrap_or_default()
}

fn plan_jumps(world: &World) {
    let every_sec = world.0.weather.jump_every_sec;
    let until_ms = world.0.weather.until_sec * 1000;
    if every_sec == 0 {
        return;
    }
    let mut at = world.draw(0..=every_sec * 2000);
    while at < until_ms {
        let (here, ms) = (world.clone(), [50, 900, 5_000, 61_000][world.draw(0..=3) as usize]);
        world.0.executor.after(at, move || here.jump(ms));
        at += world.draw(1..=every_sec * 2000);
    }
}

/// Looks at the slots often, and walks all seats now and then, until sales close.
fn watch(world: &World, profile: &Profile) {
    let closes = profile.event.sale_closes_at.map_or(0, |at| at.0.0 - START);
    every(world, WATCH_MS, closes, World::watch_slots);
    every(world, MAPS_MS, closes, World::check_maps);
}

fn every(world: &World, span_ms: u64, until_ms: u64, look: fn(&World)) {
    if world.elapsed_ms() < until_ms {
        let here = world.clone();
        world.0.executor.after(span_ms, move || {
            look(&here);
            every(&here, span_ms, until_ms, look);
        });
    }
}
