use super::{
    feed::CHANGES_KEPT,
    properties::{Answer, Page, Step, World},
    *,
};
use crate::{
    board::{Phase, PlaceState, QueueStats},
    event::{EventBody, Section},
    id::EventId,
    inventory::{
        feed::{DELTAS_KEPT, Delta, SectionStates},
        ledger::{Entry, EntryType},
    },
    seat_map::{SeatIds, SeatMap},
    time::Timestamp,
    trace::TraceId,
};

type Changes = [(u32, u32, u8)];

fn sections() -> Vec<Section> {
    let body = r#"{"name":"N","sections":[{"id":"A","price":1,"rows":[{"id":"1","count":3}]},{"id":"G","price":1,"capacity":9},
        {"id":"B","price":1,"rows":[{"id":"1","count":2},{"id":"2","count":2}]}]}"#;
    let body: EventBody = serde_json::from_str(body).unwrap();
    body.complete(EventId::parse("evt_1").unwrap(), 1, Millis(0)).unwrap().sections
}

fn entry(seq: u64, kind: EntryType, seat_ids: &[&str]) -> Entry {
    let seat_ids: SeatIds = seat_ids.iter().map(|id| (*id).to_owned()).collect();
    let (trace_id, actor) = (TraceId::NONE, None);
    let quantity = seat_ids.len() as u32;
    Entry { seq, at: Timestamp(Millis(0)), kind, trace_id, actor, reservation_id: None, quantity, seat_ids, section: None }
}

pub(super) fn whole(epoch: u64, seq: u64, states: &[&str]) -> SeatChanges {
    let section = |(index, states): (usize, &&str)| SectionStates { id: index.to_string(), states: (*states).to_owned() };
    let sections = states.iter().enumerate().map(section).collect();
    SeatChanges { epoch, seq, remaining: 1, sections: Some(sections), deltas: vec![] }
}

pub(super) fn since(epoch: u64, deltas: Vec<Delta>) -> SeatChanges {
    SeatChanges { epoch, seq: deltas.last().map_or(0, |delta| delta.seq), remaining: 1, sections: None, deltas }
}

pub(super) fn delta(seq: u64, changes: &Changes) -> Delta {
    Delta { seq, changes: changes.to_vec() }
}

/// What brings somebody who stands at `at` up to date, as one text.
fn told(feed: &mut SeatFeed, at: Option<Cursor>) -> String {
    feed.since(at).map_or_else(|| "nothing".to_owned(), |frames| frames.join(" "))
}

#[test]
fn an_entry_says_which_seat_of_which_section_became_what() {
    let map = SeatMap::new(&sections());
    let told = |kind, seats: &[&str]| Delta::new(&entry(7, kind, seats), &map).changes;
    assert_eq!(told(EntryType::Created, &["A-1-3", "B-2-1"]), [(0, 2, 1), (2, 2, 1)]);
    for (kind, state) in [
        (EntryType::Confirmed, 2),
        (EntryType::Blocked, 3),
        (EntryType::Cancelled, 0),
        (EntryType::Expired, 0),
        (EntryType::Refunded, 0),
        (EntryType::Unblocked, 0),
    ] {
        assert_eq!(told(kind, &["B-1-1"]), [(2, 0, state)], "{kind:?}");
    }
    assert_eq!(told(EntryType::Created, &[]), [], "a general section has no seats");
}

#[test]
fn frames_are_as_the_contract_writes_them() {
    let mut feed = SeatFeed::default();
    assert_eq!(told(&mut feed, None), "nothing");
    feed.merge(whole(3, 7, &["000", ""]));
    let snapshot = r#"{"type":"snapshot","epoch":3,"seq":7,"sections":[{"id":"0","states":"000"},{"id":"1","states":""}]}"#;
    assert_eq!(told(&mut feed, None), snapshot);
    feed.merge(since(3, vec![delta(8, &[(0, 0, 1), (0, 2, 2)]), delta(9, &[])]));
    let frames = r#"{"type":"delta","seq":8,"changes":[[0,0,1],[0,2,2]]} {"type":"delta","seq":9,"changes":[]}"#;
    assert_eq!(told(&mut feed, Some((3, 7))), frames);
    assert_eq!(told(&mut feed, None), snapshot.replace(":7", ":9").replace("000", "102"));
}

#[test]
fn what_is_old_changes_nothing_and_what_is_missing_is_noticed() {
    let mut feed = SeatFeed::default();
    feed.merge(since(3, vec![]));
    assert_eq!(feed.known, None);
    feed.merge(whole(3, 7, &["000"]));
    let before = told(&mut feed, None);
    for old in [whole(3, 6, &["111"]), whole(2, 9, &["111"]), since(3, vec![delta(7, &[(0, 0, 1)])])] {
        feed.merge(old);
        assert_eq!((feed.known, told(&mut feed, None)), (Some((3, 7)), before.clone()));
    }
    for missing in [since(4, vec![delta(8, &[])]), since(4, vec![]), since(3, vec![delta(9, &[])])] {
        feed.merge(missing);
        assert_eq!((feed.known, told(&mut feed, None)), (None, "nothing".to_owned()));
        feed.merge(whole(3, 7, &["000"]));
    }
}

#[test]
fn the_kept_deltas_are_bounded() {
    let mut feed = SeatFeed::default();
    feed.merge(whole(1, 0, &["0"]));
    feed.merge(since(1, (1..=2 * DELTAS_KEPT).map(|seq| delta(seq, &[(0, 0, 1)])).collect()));
    assert_eq!(feed.since(Some((1, DELTAS_KEPT))).unwrap().len() as u64, DELTAS_KEPT);
    assert!(told(&mut feed, Some((1, DELTAS_KEPT - 1))).contains("snapshot"));
    let broad: Vec<(u32, u32, u8)> = (0..CHANGES_KEPT as u32).map(|seat| (0, seat, 3)).collect();
    let seq = 2 * DELTAS_KEPT;
    feed.merge(since(1, vec![delta(seq + 1, &broad), delta(seq + 2, &[(0, 0, 0)])]));
    assert_eq!(feed.since(Some((1, seq + 1))).unwrap().len(), 1);
    assert!(told(&mut feed, Some((1, seq))).contains("snapshot"), "what is broad is not kept");
}

#[test]
fn a_place_and_a_sale_are_told_as_the_board_has_them() {
    let mut board = Board::default();
    let stats = QueueStats { phase: Phase::Paused, admission_rate: 2.25, ..QueueStats::default() };
    board.merge(&BoardUpdate { since: 0, version: 1, at: Millis(5), last: 9, pace: 2000, stats, chunks: vec![], waves: vec![] });
    let place = |board: &Board| frames::place(board, 9, 40, Millis(5));
    let waits = r#"{"type":"place","position":9,"eta_sec":5,"ready_for_entry":false,"status":"waiting","remaining":40,"admitted_per_min":135}"#;
    assert_eq!(place(&board), (waits.into(), false));
    for (state, status) in [(PlaceState::Entered, "entered"), (PlaceState::Left, "left"), (PlaceState::Expired, "expired")] {
        board.note(9, state);
        let (frame, is_last) = place(&board);
        assert!(is_last && frame.contains(&format!(r#""status":"{status}""#)), "{frame}");
    }
    assert_eq!(*frames::sale(&board, 3), *r#"{"type":"sale","status":"paused","remaining":3}"#);
}

#[test]
fn the_sale_is_spread_a_few_at_a_time_and_newer_frames_overtake_older_ones() {
    let mut world = World::new();
    (0..120).for_each(|_| world.arrives(Page::default()));
    let have = |world: &World, remaining: u32| {
        let frame = format!(r#"{{"type":"sale","status":"scheduled","remaining":{remaining}}}"#);
        world.pages.values().filter(|page| page.sale.as_ref() == Some(&frame)).count()
    };
    world.settle();
    world.answer_inventory(Answer::Whole);
    world.answer_queue(true);
    world.settle();
    assert_eq!(have(&world, 0), SPREAD_AT_ONCE);
    world.pass(SPREAD_PAUSE_MS);
    assert_eq!(have(&world, 0), 2 * SPREAD_AT_ONCE);
    world.step(&Step::Writes { seat: 0, state: 1, new_map: false });
    world.pass(GATHER_MS);
    assert_eq!(have(&world, 0), 120, "a pause later all have it");
    world.answer_inventory(Answer::Whole);
    world.pass(BOARD_MS);
    world.answer_queue(true);
    world.settle();
    world.arrives(Page::default());
    world.settle();
    assert_eq!((have(&world, 1), have(&world, 0)), (SPREAD_AT_ONCE + 1, 70), "who comes has the newest at once");
    world.pass(2 * SPREAD_PAUSE_MS);
    assert_eq!(have(&world, 1), 121);
}

#[test]
fn a_late_board_repeats_what_was_told_and_says_nothing_new() {
    let mut world = World::new();
    world.arrives(Page { place: Some(1), ..Page::default() });
    world.settle();
    world.answer_queue(true);
    world.settle();
    let mut told = vec![];
    for _ in 0..20 {
        world.pass(500);
        told.push(world.pages.values().next().expect("it is there").told_at);
    }
    told.dedup();
    assert!((5..=8).contains(&told.len()), "{} frames in 10 s", told.len());
}
