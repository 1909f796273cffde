//! Organisers' events and settings, from body to seat map.

use domain::{
    event::{Event, EventBody, QueuePatch, SEATS_MAX, from_json},
    seat_map::{Seat, SeatMap},
};
use fuzz::{Target, Verdict, bytes, json};
use serde_json::json;

use crate::samples::{START, event_bodies, event_id, small_event};

/// Everything that a checked event promises.
fn keeps_its_promises(event: &Event) {
    let map = SeatMap::new(&event.sections);
    let places: u64 = map.sections().iter().map(|section| u64::from(section.total())).sum();
    assert!(places <= SEATS_MAX, "{places} seats");
    let last = map.seats().checked_sub(1);
    for seat in [Some(0), last.map(|last| last / 2), last].into_iter().flatten().filter(|seat| *seat < map.seats()).map(Seat) {
        assert_eq!(map.seat(&map.seat_id(seat)), Some(seat), "{}", map.seat_id(seat));
    }
    let ids = event.sections.iter().map(|section| map.section(&section.id));
    assert!(ids.enumerate().all(|(index, found)| found == Some(index)), "a section is found by its id");
    let written = serde_json::to_string(event).unwrap();
    let again = from_json(&written).unwrap();
    for (layout, again) in
        event.sections.iter().zip(&again.sections).filter_map(|(a, b)| Some((a.layout.as_ref()?, b.layout.as_ref()?)))
    {
        for (number, again) in
            [(layout.x, again.x), (layout.y, again.y), (layout.angle, again.angle), (layout.curve, again.curve)]
        {
            // Reading a number may miss its last bit; see `float_roundtrip` of serde_json.
            assert!((number - again).abs() <= number.abs() * 1e-15, "{number} and {again}");
        }
    }
    assert_eq!(without_numbers(again), without_numbers(event.clone()), "an event reads back as it was written");
}

/// The event without the numbers of its layouts that are no integers.
fn without_numbers(mut event: Event) -> Event {
    for layout in event.sections.iter_mut().filter_map(|section| section.layout.as_mut()) {
        (layout.x, layout.y, layout.angle, layout.curve) = (0.0, 0.0, 0.0, 0.0);
    }
    event
}

#[test]
fn an_event_is_refused_or_keeps_its_promises() {
    Target::new("events").run(json::hostile(event_bodies()), |input| {
        let Ok(body) = serde_json::from_slice::<EventBody>(input) else { return Verdict::Refused };
        let completed = body.complete(event_id(), 7, START);
        completed.iter().for_each(keeps_its_promises);
        Verdict::accepted(completed.is_ok())
    });
}

#[test]
fn an_event_of_broken_bytes_is_refused_or_keeps_its_promises() {
    let samples = event_bodies().iter().map(|body| body.to_string().into_bytes()).collect();
    Target::new("events-bytes").run(bytes::hostile(samples), |input| {
        let Ok(body) = serde_json::from_slice::<EventBody>(input) else { return Verdict::Refused };
        let completed = body.complete(event_id(), 7, START);
        completed.iter().for_each(keeps_its_promises);
        Verdict::accepted(completed.is_ok())
    });
}

#[test]
fn settings_are_refused_or_stay_within_their_bounds() {
    let settings = small_event(1).queue;
    let samples = vec![
        json!({"admit_per_sec": 50, "burst": 100, "max_active": 2000, "entry_window_sec": 60, "admission_ttl_sec": 180, "lanes": 4,
               "paused": false, "notice": {"ko": "a", "en": "b", "level": "info"}}),
        json!({"notice": null}),
        json!({"paused": true}),
    ];
    Target::new("queue-settings").run(json::hostile(samples), |input| {
        let Ok(patch) = serde_json::from_slice::<QueuePatch>(input) else { return Verdict::Refused };
        let Ok(patched) = settings.patched(&patch) else { return Verdict::Refused };
        let within = |value: u32, max: u32| (1..=max).contains(&value);
        assert!(
            within(patched.admit_per_sec, 100_000) && within(patched.burst, 1_000_000) && within(patched.max_active, 1_000_000)
        );
        assert!(within(patched.entry_window_sec, 3600) && within(patched.admission_ttl_sec, 3600) && within(patched.lanes, 256));
        Verdict::Accepted
    });
}

#[test]
fn a_seat_id_names_one_seat_or_none() {
    let map = SeatMap::new(&small_event(1).sections);
    let samples = ["A-1-1", "A-1-6", "G-1-1", "A-1", "-", "A-1-0006", "A-1-4294967296"].map(str::to_owned).to_vec();
    Target::new("seat-ids").run(bytes::hostile_text(samples), |id| {
        let seat = map.seat(id);
        if let Some(seat) = seat {
            assert_eq!(map.seat_id(seat), *id, "an id has one spelling");
        }
        Verdict::accepted(seat.is_some())
    });
}
