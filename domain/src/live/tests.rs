use proptest::prelude::*;

use super::*;
use crate::{
    board::{BoardUpdate, QueueStats},
    event::{EventBody, Section},
    id::EventId,
    seat_map::SeatIds,
    trace::TraceId,
};

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

fn whole(epoch: u64, seq: u64, states: &[&str]) -> SeatChanges {
    let sections =
        states.iter().enumerate().map(|(index, states)| SectionStates { id: index.to_string(), states: (*states).to_owned() });
    SeatChanges { epoch, seq, remaining: 1, sections: Some(sections.collect()), deltas: vec![] }
}

fn since(epoch: u64, deltas: Vec<Delta>) -> SeatChanges {
    SeatChanges { epoch, seq: deltas.last().map_or(0, |delta| delta.seq), remaining: 1, sections: None, deltas }
}

fn delta(seq: u64, changes: &[(u32, u32, u8)]) -> Delta {
    Delta { seq, changes: changes.to_vec() }
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
    assert_eq!(feed.since(None), None);
    assert_eq!(feed.merge(whole(3, 7, &["000", ""])), News::Snapshot);
    let snapshot = r#"{"type":"snapshot","epoch":3,"seq":7,"sections":[{"id":"0","states":"000"},{"id":"1","states":""}]}"#;
    assert_eq!(feed.since(None).unwrap(), [snapshot.into()]);
    let told = feed.merge(since(3, vec![delta(8, &[(0, 0, 1), (0, 2, 2)]), delta(9, &[])]));
    let frames = [r#"{"type":"delta","seq":8,"changes":[[0,0,1],[0,2,2]]}"#, r#"{"type":"delta","seq":9,"changes":[]}"#];
    assert_eq!(told, News::Deltas(frames.map(Into::into).to_vec()));
    assert_eq!(feed.sections()[0].states, "102");
}

#[test]
fn what_is_old_changes_nothing_and_what_is_missing_is_noticed() {
    let mut feed = SeatFeed::default();
    assert_eq!(feed.merge(since(3, vec![])), News::Gap, "nothing is known");
    feed.merge(whole(3, 7, &["000"]));
    assert_eq!(feed.merge(whole(3, 6, &["111"])), News::Deltas(vec![]));
    assert_eq!(feed.merge(whole(2, 9, &["111"])), News::Deltas(vec![]));
    assert_eq!(feed.merge(since(3, vec![delta(7, &[(0, 0, 1)])])), News::Deltas(vec![]));
    assert_eq!((feed.known(), feed.sections()[0].states.as_str()), (Some((3, 7)), "000"));
    assert_eq!(feed.merge(since(4, vec![delta(8, &[])])), News::Gap, "another map");
    assert_eq!(feed.merge(since(3, vec![delta(9, &[])])), News::Gap, "8 is missing");
    assert_eq!(feed.known(), None);
}

#[test]
fn the_kept_deltas_are_bounded() {
    let mut feed = SeatFeed::default();
    feed.merge(whole(1, 0, &["0"]));
    feed.merge(since(1, (1..=2 * DELTAS_KEPT).map(|seq| delta(seq, &[(0, 0, 1)])).collect()));
    assert_eq!(feed.since(Some((1, DELTAS_KEPT))).unwrap().len() as u64, DELTAS_KEPT);
    assert!(feed.since(Some((1, DELTAS_KEPT - 1))).unwrap()[0].contains("snapshot"));
    let broad: Vec<(u32, u32, u8)> = (0..CHANGES_KEPT as u32).map(|seat| (0, seat, 3)).collect();
    let seq = 2 * DELTAS_KEPT;
    feed.merge(since(1, vec![delta(seq + 1, &broad), delta(seq + 2, &[(0, 0, 0)])]));
    assert_eq!(feed.since(Some((1, seq + 1))).unwrap().len(), 1);
    assert!(feed.since(Some((1, seq))).unwrap()[0].contains("snapshot"), "what is broad is not kept");
}

#[test]
fn a_place_and_a_sale_are_told_as_the_board_has_them() {
    let mut board = Board::default();
    let stats = QueueStats { phase: Phase::Paused, admission_rate: 2.25, ..QueueStats::default() };
    board.merge(&BoardUpdate { since: 0, version: 1, at: Millis(5), last: 9, pace: 2000, stats, chunks: vec![], waves: vec![] });
    let place = |board: &Board| PlaceFrame::new(board, 9, 40, Millis(5));
    assert_eq!(
        serde_json::to_string(&place(&board)).unwrap(),
        r#"{"type":"place","position":9,"eta_sec":5,"ready_for_entry":false,"status":"waiting","remaining":40,"admitted_per_min":135}"#
    );
    assert!(!place(&board).is_last());
    for (state, status) in [(PlaceState::Entered, "entered"), (PlaceState::Left, "left"), (PlaceState::Expired, "expired")] {
        board.note(9, state);
        assert!(place(&board).is_last());
        assert!(serde_json::to_string(&place(&board)).unwrap().contains(&format!(r#""status":"{status}""#)));
    }
    assert_eq!(serde_json::to_string(&SaleFrame::new(&board, 3)).unwrap(), r#"{"type":"sale","status":"paused","remaining":3}"#);
}

proptest! {
    /// Answers arrive late, twice and with gaps; whoever follows the frames has the map of the ledger.
    #[test]
    fn whatever_arrives_the_copy_is_the_ledgers(
        entries in prop::collection::vec(prop::collection::vec((0..2_u32, 0..5_u32, 0..4_u8), 0..4), 1..60),
        answers in prop::collection::vec((0..60_usize, 0..60_usize, any::<bool>()), 1..60),
    ) {
        let ledger: Vec<Delta> = entries.iter().zip(1..).map(|(changes, seq)| delta(seq, changes)).collect();
        let map_at = |seq: usize| {
            let mut map = vec![vec![b'0'; 5]; 2];
            for (section, seat, state) in ledger[..seq].iter().flat_map(|delta| &delta.changes) {
                map[*section as usize][*seat as usize] = b'0' + state;
            }
            map.into_iter().map(|states| String::from_utf8(states).unwrap()).collect::<Vec<_>>()
        };
        let mut feed = SeatFeed::default();
        let mut page = 0_u64;
        for (from, to, all) in answers {
            let (from, to) = (from.min(ledger.len()), to.min(ledger.len()));
            let news = if all {
                let map = map_at(to);
                feed.merge(whole(1, to as u64, &map.iter().map(String::as_str).collect::<Vec<_>>()))
            } else {
                feed.merge(since(1, ledger[from.min(to)..to].to_vec()))
            };
            match news {
                News::Snapshot => page = feed.known().unwrap().1,
                News::Deltas(frames) => page += frames.len() as u64,
                News::Gap => feed = SeatFeed::default(),
            }
            if let Some((_, seq)) = feed.known() {
                prop_assert_eq!(page, seq, "who takes every frame stands where the copy does");
                let states: Vec<String> = feed.sections().iter().map(|section| section.states.clone()).collect();
                prop_assert_eq!(states, map_at(seq as usize));
            }
        }
    }
}
