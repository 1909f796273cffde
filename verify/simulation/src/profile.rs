//! What a run is like: how many people and seats, which settings, and how bad the weather is. All drawn from the seed.

use domain::{
    event::{Event, EventBody},
    id::EventId,
    time::{Millis, Timestamp},
};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::endpoints::Plan;

/// When a run begins.
pub(crate) const START: u64 = 1_795_262_400_000;

/// How often something goes wrong, in millionths of the occasions, and how badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// A message takes at least so long, in milliseconds.
    pub delay_min_ms: u64,
    /// A message usually takes at most so long.
    pub delay_max_ms: u64,
    /// A message takes up to 3 s, so that others overtake it.
    pub straggles: u32,
    /// A message is lost.
    pub loses: u32,
    /// A message arrives twice.
    pub repeats: u32,
    /// Storage fails, before or after saving.
    pub storage_fails: u32,
    /// An object loses its memory at a step: whenever it reads or saves.
    pub crashes: u32,
    /// A commit is durable after at most so many milliseconds.
    pub flush_max_ms: u64,
    /// An alarm rings late, early, or twice.
    pub alarm_odd: u32,
    /// An isolate of the gateway goes, at each request.
    pub isolate_goes: u32,
    /// Seconds between jumps of all clocks, on average; 0 for never.
    pub jump_every_sec: u64,
    /// Until when after the start anything goes wrong, in seconds; then all comes to rest.
    pub until_sec: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        delay_min_ms: 1,
        delay_max_ms: 40,
        straggles: 0,
        loses: 0,
        repeats: 0,
        storage_fails: 0,
        crashes: 0,
        flush_max_ms: 13,
        alarm_odd: 0,
        isolate_goes: 0,
        jump_every_sec: 0,
        until_sec: 0,
    };

    fn drawn(rng: &mut Rng) -> Self {
        // One in eight runs is calm, so that what needs calm to be seen is seen.
        let harsh = [0, 1, 1, 2, 2, 3, 3, 4][rng.u64(0..8) as usize];
        if harsh == 0 {
            return Self::CALM;
        }
        let mut often = |most: u32| if rng.bool() { rng.u32(0..=most) * harsh } else { 0 };
        let (straggles, loses, repeats) = (often(20_000), often(20_000), often(20_000));
        let (storage_fails, crashes, alarm_odd, isolate_goes) = (often(5_000), often(4_000), often(100_000), often(4_000));
        Self {
            delay_min_ms: 1,
            delay_max_ms: rng.u64(1..=80),
            straggles,
            loses,
            repeats,
            storage_fails,
            crashes,
            flush_max_ms: rng.u64(0..=25),
            alarm_odd,
            isolate_goes,
            jump_every_sec: if rng.u32(0..4) == 0 { rng.u64(20..300) } else { 0 },
            until_sec: rng.u64(10..400),
        }
    }
}

/// What goes wrong at one moment, whatever the weather. A moment is any step of an object at its storage, and any message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// The object loses its memory; the message is lost on its way.
    Crash,
    /// Storage breaks; the answer is lost.
    Silence,
    /// The object loses its memory and storage breaks; the message comes again, much later.
    Worse,
}

impl Misfortune {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Crash, Self::Silence, Self::Worse];
}

/// What a run is like.
#[derive(Clone, Debug)]
pub struct Profile {
    /// People who come.
    pub people: u32,
    /// Over how many milliseconds they come.
    pub arrivals_ms: u64,
    /// Isolates of the gateway.
    pub isolates: u32,
    /// The event as it is first configured.
    pub event: Event,
    /// How often something goes wrong.
    pub weather: Weather,
    /// Whether the organiser changes settings and blocks seats meanwhile.
    pub organiser: bool,
    /// Whether pages are at sockets.
    pub live: bool,
    /// Organisers' endpoints.
    pub endpoints: Vec<Plan>,
    /// Whether tokens admit anybody who has them, as those of people who joined without an account do.
    pub unbound: bool,
    /// What goes wrong at which moments, by their numbers.
    pub strikes: Vec<(u64, Misfortune)>,
    /// How odd people are, in thousandths: how many leave, forge, act twice, pay late.
    pub oddness: u32,
}

impl Profile {
    /// A small sale of any kind.
    #[must_use]
    pub fn drawn(rng: &mut Rng) -> Self {
        let seats_per_row = rng.u32(1..=8);
        let rows = (0..rng.u32(1..=3)).map(|row| json!({ "id": row.to_string(), "count": seats_per_row }));
        let mut sections = vec![json!({ "id": "A", "price": rng.u64(0..=500), "rows": rows.collect::<Vec<_>>() })];
        if rng.bool() {
            sections.push(json!({ "id": "G", "price": rng.u64(1..=50), "capacity": rng.u32(1..=12) }));
        }
        let rate = [1, 2, 5, 20, 1000][rng.u64(0..5) as usize];
        let settings = json!({
            "admit_per_sec": rate,
            "burst": rng.u32(1..=rate * 2),
            "max_active": ([1, 2, 5, 20, 500][rng.u64(0..5) as usize]),
            "entry_window_sec": rng.u32(2..=60),
            "admission_ttl_sec": rng.u32(10..=180),
            "lanes": rng.u32(1..=4),
        });
        let event = event(&json!({
            "name": "Simulated",
            "hold_ttl_sec": rng.u32(5..=60),
            "max_seats_per_reservation": rng.u32(1..=4),
            "max_seats_per_user": rng.u32(4..=8),
            "sale_opens_at": Timestamp(Millis(START + if rng.u32(0..4) == 0 { rng.u64(0..20_000) } else { 0 })),
            "sale_closes_at": Timestamp(Millis(START + rng.u64(60..=900) * 1000)),
            "queue": settings,
            "sections": sections,
        }));
        Self {
            people: rng.u32(2..=40),
            arrivals_ms: [1, 50, 5_000, 60_000][rng.u64(0..4) as usize],
            isolates: rng.u32(1..=3),
            event,
            weather: Weather::drawn(rng),
            organiser: rng.u32(0..3) == 0,
            live: false,
            endpoints: vec![],
            unbound: rng.u32(0..8) == 0,
            strikes: vec![],
            oddness: rng.u32(0..=300),
        }
    }

    /// A few people in calm weather. Half of the sales have people who let holds
    /// run out, cancel and pay late, and tokens that admit anybody.
    #[must_use]
    pub fn few(rng: &mut Rng) -> Self {
        let rows = json!([{ "id": "1", "count": 3 }]);
        let event = event(&json!({
            "name": "Simulated",
            "hold_ttl_sec": 20,
            "sale_closes_at": Timestamp(Millis(START + 300_000)),
            "queue": { "admit_per_sec": 5, "burst": 5, "max_active": 5, "admission_ttl_sec": 60, "lanes": 1 },
            "sections": [
                { "id": "A", "price": 100, "rows": rows },
                { "id": "B", "price": 70, "rows": rows },
            ],
        }));
        let odd = rng.bool();
        Self {
            people: 3,
            arrivals_ms: 2000,
            isolates: 1,
            event,
            weather: Weather::CALM,
            organiser: false,
            live: false,
            endpoints: vec![],
            unbound: rng.bool(),
            strikes: vec![],
            oddness: if odd { 300 } else { 0 },
        }
    }

    /// A sale of some size in weather that is a little rough, as a benchmark.
    #[must_use]
    pub fn crowd(people: u32) -> Self {
        let rows: Vec<Value> = (0..people.div_ceil(25)).map(|row| json!({ "id": row.to_string(), "count": 40 })).collect();
        let event = event(&json!({
            "name": "Simulated",
            "hold_ttl_sec": 60,
            "sale_closes_at": Timestamp(Millis(START + 3_600_000)),
            "queue": { "admit_per_sec": 1, "burst": 2, "max_active": 400, "lanes": 4 },
            "sections": [{ "id": "A", "price": 100, "rows": rows }],
        }));
        let weather = Weather {
            straggles: 500,
            loses: 500,
            repeats: 500,
            crashes: 20,
            storage_fails: 20,
            until_sec: 3_000,
            ..Weather::CALM
        };
        Self {
            people,
            arrivals_ms: 1000,
            isolates: 4,
            event,
            weather,
            organiser: false,
            live: false,
            endpoints: vec![],
            unbound: false,
            strikes: vec![],
            oddness: 50,
        }
    }
}

fn event(body: &Value) -> Event {
    let body: EventBody = serde_json::from_value(body.clone()).expect("the body of an event");
    let event_id = EventId::parse("evt_sim").expect("a valid id");
    body.complete(event_id, 1, Millis(START)).expect("within every bound")
}
