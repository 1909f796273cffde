mod stage;

use domain::{
    board::Phase,
    hash::Hash128,
    inventory::feed::{Delta, SeatChanges, SectionStates},
    live::{BAD_REQUEST, BOARD_MS, FRAME_MAX_BYTES, OVER, RESUMES_PER_SEC, SLOW_DOWN, SOCKETS_MAX, SOCKETS_PER_PLACE, TRY_AGAIN},
};
use serde_json::Value;

use self::stage::{Theatre, Wire};
use super::*;

fn states(text: &str) -> Option<Vec<SectionStates>> {
    Some(vec![SectionStates { id: "A".to_owned(), states: text.to_owned() }])
}

fn all(seq: u64, text: &str) -> SeatChanges {
    SeatChanges { epoch: 1, seq, remaining: 4, sections: states(text), deltas: vec![] }
}

fn delta(seq: u64, seat: u32) -> SeatChanges {
    SeatChanges { epoch: 1, seq, remaining: 3, sections: None, deltas: vec![Delta { seq, changes: vec![(0, seat, 1)] }] }
}

const SEATS: Watch = Watch::Seats { from: None };

fn kinds(wire: &Wire) -> Vec<String> {
    let kind = |frame: &String| match serde_json::from_str::<Value>(frame) {
        Ok(frame) => format!("{} {}", frame["type"].as_str().unwrap_or("?"), frame["seq"]).replace(" null", ""),
        Err(_) => frame.clone(),
    };
    wire.borrow().iter().map(kind).collect()
}

#[test]
fn everybody_hears_of_the_seats_by_one_question() {
    let theatre = Theatre::open();
    theatre.line(1, Phase::OnSale, "www");
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let wires: Vec<Wire> = (0..100).map(|_| theatre.connect(SEATS).1).collect();
    theatre.stage.seats.borrow_mut().push_back(delta(8, 2));
    theatre.pass(20_000);
    for wire in &wires {
        assert_eq!(kinds(wire)[..1], ["snapshot 7"]);
        assert_eq!(kinds(wire).iter().filter(|kind| kind.starts_with("delta")).collect::<Vec<_>>(), ["delta 8"]);
    }
    assert!(theatre.asked("INVENTORY") <= 4, "{}", theatre.asked("INVENTORY"));
    assert!(theatre.asked("QUEUE") <= 52, "{}", theatre.asked("QUEUE"));
}

#[test]
fn who_comes_back_gets_what_was_missed_and_who_missed_too_much_a_snapshot() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().extend([all(7, "0000"), delta(8, 1), delta(9, 2)]);
    let (id, first) = theatre.connect(SEATS);
    theatre.pass(100);
    assert_eq!(kinds(&first), ["snapshot 7", "delta 8", "delta 9"]);
    assert_eq!(kinds(&theatre.connect(Watch::Seats { from: Some((1, 8)) }).1), ["delta 9"]);
    assert_eq!(kinds(&theatre.connect(Watch::Seats { from: Some((1, 9)) }).1), Vec::<String>::new());
    for from in [(1, 6), (1, 10), (2, 9)] {
        assert_eq!(kinds(&theatre.connect(Watch::Seats { from: Some(from) }).1), ["snapshot 9"], "{from:?}");
    }
    theatre.live.heard(id, r#"{"type":"resume","epoch":1,"seq":7}"#);
    assert_eq!(kinds(&first)[3..], ["delta 8", "delta 9"]);
    let snapshot = theatre.connect(SEATS).1.borrow()[0].clone();
    assert_eq!(snapshot, r#"{"type":"snapshot","epoch":1,"seq":9,"sections":[{"id":"A","states":"0110"}]}"#);
}

#[test]
fn a_gap_is_healed_by_a_snapshot() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().extend([all(7, "0000"), delta(9, 1), all(9, "0110")]);
    let (_, wire) = theatre.connect(SEATS);
    theatre.pass(100);
    assert_eq!(kinds(&wire), ["snapshot 7", "snapshot 9"]);
}

#[test]
fn a_place_is_told_at_once_at_every_change_and_now_and_then() {
    let theatre = Theatre::open();
    theatre.line(1, Phase::OnSale, "www");
    let (_, wire) = theatre.connect(Watch::Place { number: 2 });
    assert_eq!(
        wire.borrow()[0],
        r#"{"type":"place","position":2,"eta_sec":2,"ready_for_entry":false,"status":"waiting","remaining":0,"admitted_per_min":90}"#
    );
    theatre.pass(10_000);
    let told = wire.borrow().len();
    assert!((6..=8).contains(&told), "{told} frames in 10 s of which nothing changed");

    theatre.line(2, Phase::Paused, "www");
    theatre.stage.seats.borrow_mut().push_back(all(1, "0"));
    theatre.pass(1000);
    assert!(wire.borrow().iter().any(|frame| frame.contains(r#""remaining":4"#)));
}

#[test]
fn the_last_word_about_a_place_comes_before_the_close() {
    let theatre = Theatre::open();
    theatre.line(1, Phase::OnSale, "www");
    let (_, wire) = theatre.connect(Watch::Place { number: 2 });
    theatre.line(2, Phase::OnSale, "wlw");
    theatre.pass(BOARD_MS);
    let frames = wire.borrow();
    assert!(frames[frames.len() - 2].contains(r#""status":"left""#), "{frames:?}");
    assert_eq!(frames[frames.len() - 1], format!("closed {OVER}"));
    assert!(theatre.live.open.borrow().is_empty());
}

#[test]
fn a_place_an_address_and_an_object_have_only_so_many_sockets() {
    let theatre = Theatre::open();
    let place = || Ticket { watch: Watch::Place { number: 1 }, address: None };
    let ids: Vec<u64> = (0..SOCKETS_PER_PLACE).map(|_| theatre.live.arrived(&place(), Wire::default())).collect();
    assert_eq!(theatre.live.admits(&place()), Err(SLOW_DOWN));
    assert_eq!(theatre.live.admits(&Ticket { watch: Watch::Place { number: 2 }, address: None }), Ok(()));
    theatre.live.left(ids[0]);
    theatre.live.left(ids[0]);
    assert_eq!(theatre.live.admits(&place()), Ok(()));

    let from = |address| Ticket { watch: SEATS, address: Some(Hash128(address)) };
    for _ in 0..3 {
        theatre.live.arrived(&from(7), Wire::default());
    }
    assert_eq!((theatre.live.admits(&from(7)), theatre.live.admits(&from(8))), (Err(SLOW_DOWN), Ok(())));
    for _ in 0..SOCKETS_MAX {
        theatre.live.arrived(&Ticket { watch: SEATS, address: None }, Wire::default());
    }
    assert_eq!(theatre.live.admits(&from(8)), Err(TRY_AGAIN));
}

#[test]
fn nobody_is_asked_anything_once_everybody_has_left() {
    let theatre = Theatre::open();
    theatre.line(1, Phase::OnSale, "www");
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let (id, _) = theatre.connect(SEATS);
    assert_eq!(theatre.stage.alarm.get(), Some(Millis(1_000_000 + WATCHDOG_MS)));
    theatre.live.left(id);
    theatre.pass(30_000);
    let asked = theatre.stage.asked.borrow().len();
    theatre.pass(60_000);
    assert_eq!(theatre.stage.asked.borrow().len(), asked);
    // And again when somebody comes.
    theatre.connect(SEATS);
    theatre.pass(1000);
    assert!(theatre.stage.asked.borrow().len() > asked);
}

#[test]
fn sockets_that_outlive_the_memory_are_told_at_the_alarm() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let wire = Wire::default();
    theatre.live.restored(&Ticket { watch: SEATS, address: None }, Rc::clone(&wire));
    let live = Rc::clone(&theatre.live);
    theatre.stage.tasks.borrow_mut().push(Box::pin(async move { live.alarm().await.expect("an alarm can be set") }));
    theatre.run();
    assert_eq!(kinds(&wire), ["snapshot 7"]);
    let alarm = theatre.stage.alarm.take();
    assert_eq!(alarm, Some(Millis(1_000_000 + WATCHDOG_MS)));
    theatre.connect(SEATS);
    assert_eq!(theatre.stage.alarm.get(), None, "it is set as long as it did not ring");
}

#[test]
fn a_question_without_an_answer_is_given_up() {
    let theatre = Theatre::open();
    theatre.stage.silent.set(true);
    theatre.connect(SEATS);
    theatre.pass(ANSWER_MAX_MS - 1);
    assert_eq!((theatre.asked("INVENTORY"), theatre.asked("QUEUE")), (1, 1));
    theatre.pass(1000);
    assert_eq!((theatre.asked("INVENTORY"), theatre.asked("QUEUE")), (2, 2));
}

#[test]
fn what_is_no_question_is_ignored_and_too_many_are_refused() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let (id, wire) = theatre.connect(SEATS);
    for frame in ["", "{", "[]", r#"{"type":"resume"}"#, r#"{"type":"sale"}"#, "ping"] {
        theatre.live.heard(id, frame);
    }
    assert_eq!(kinds(&wire), ["snapshot 7", "pong"]);
    (0..=RESUMES_PER_SEC).for_each(|_| theatre.live.heard(id, r#"{"type":"resume","epoch":1,"seq":7}"#));
    assert_eq!(kinds(&wire)[2..], [format!("closed {SLOW_DOWN}")]);
    let (id, wire) = theatre.connect(Watch::Place { number: 1 });
    theatre.live.heard(id, &"x".repeat(FRAME_MAX_BYTES + 1));
    assert_eq!(kinds(&wire), [format!("closed {BAD_REQUEST}")]);
}
