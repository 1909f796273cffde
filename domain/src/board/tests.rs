use super::*;

fn chunk(text: &str) -> Chunk {
    Chunk::parse(text).unwrap()
}

fn update(since: u64, version: u64) -> BoardUpdate {
    BoardUpdate {
        since,
        version,
        at: Millis(version * 100),
        last: 5000,
        pace: 10_000,
        stats: QueueStats { waiting: version, ..QueueStats::default() },
        chunks: vec![],
        waves: vec![],
    }
}

fn wave(first: u64, last: u64, until: u64) -> Wave {
    Wave { first, last, ready_at: Millis(0), until: Millis(until) }
}

#[test]
fn a_board_that_knows_nothing_says_so() {
    let board = Board::default();
    assert_eq!((board.version(), board.as_of()), (0, Millis(0)));
    assert!(!board.knows(1));
}

#[test]
fn a_board_knows_what_was_given_out() {
    let mut board = Board::default();
    board.merge(&update(0, 1));
    assert!(board.knows(1) && board.knows(5000));
    assert!(!board.knows(5001) && !board.knows(0));
}

#[test]
fn the_position_counts_those_ahead_who_still_wait_over_all_chunks() {
    let mut board = Board::default();
    board.merge(&BoardUpdate { chunks: vec![(0, chunk("f10l")), (2, chunk("w4l2"))], ..update(0, 1) });
    let position = |number| board.place(number, Millis(0)).position;
    assert_eq!((position(12), position(13)), (1, 2));
    assert_eq!(position(2052), 2052 - 11);
    assert_eq!(position(2055), 2055 - 13);
    assert_eq!(position(5000), 5000 - 13);
}

#[test]
fn whoever_is_ready_or_over_has_no_position_and_no_time_to_wait() {
    let mut board = Board::default();
    board.merge(&BoardUpdate { chunks: vec![(0, chunk("relfx"))], waves: vec![wave(1, 1, 900)], ..update(0, 1) });
    for number in 1..=5 {
        let place = board.place(number, Millis(200));
        assert_eq!((place.position, place.eta_sec), (0, 0), "{number}");
    }
    assert_eq!(board.place(1, Millis(200)).ready_expires_at, Some(Millis(900)));
}

#[test]
fn the_estimate_is_at_least_a_second() {
    let mut board = Board::default();
    board.merge(&update(0, 1));
    assert_eq!(board.place(1, Millis(0)).eta_sec, 1);
    assert_eq!(board.place(10, Millis(0)).eta_sec, 1);
    assert_eq!(board.place(11, Millis(0)).eta_sec, 2);
}

#[test]
fn readiness_ends_by_itself_between_updates_and_being_inside_does_not() {
    let mut board = Board::default();
    board.merge(&BoardUpdate { chunks: vec![(0, chunk("re"))], waves: vec![wave(1, 2, 900)], ..update(0, 1) });
    assert_eq!(board.place(1, Millis(899)).state, PlaceState::Ready);
    assert_eq!(board.place(1, Millis(900)).state, PlaceState::Expired);
    assert_eq!(board.place(2, Millis(900)).state, PlaceState::Entered);
}

#[test]
fn a_place_never_goes_back() {
    let mut board = Board::default();
    board.merge(&BoardUpdate { chunks: vec![(0, chunk("l"))], ..update(0, 2) });
    board.merge(&BoardUpdate { chunks: vec![(0, chunk("r"))], ..update(0, 1) });
    board.note(1, PlaceState::Entered);
    assert_eq!(board.place(1, Millis(0)).state, PlaceState::Left);
}

#[test]
fn what_an_answer_told_is_on_the_board_at_once() {
    let mut board = Board::default();
    board.merge(&update(0, 1));
    board.note(3000, PlaceState::Left);
    board.note(2, PlaceState::Entered);
    assert_eq!(board.place(2, Millis(0)).state, PlaceState::Entered);
    assert_eq!(board.place(3001, Millis(0)).position, 2999);
    assert_eq!(board.version(), 1);
}

#[test]
fn what_is_no_place_is_not_noted() {
    let mut board = Board::default();
    board.note(0, PlaceState::Left);
    board.note(PLACES_MAX + 1, PlaceState::Left);
    board.note(u64::MAX, PlaceState::Left);
    assert_eq!(board, Board::default());
}

#[test]
fn an_update_that_starts_after_what_is_known_is_passed_over() {
    let mut board = Board::default();
    board.merge(&update(0, 3));
    board.merge(&BoardUpdate { chunks: vec![(0, chunk("l"))], ..update(4, 5) });
    assert_eq!((board.version(), board.place(1, Millis(0)).state), (3, PlaceState::Waiting));
    board.merge(&update(2, 5));
    assert_eq!(board.version(), 5);
}

#[test]
fn older_counters_do_not_replace_newer_ones() {
    let mut board = Board::default();
    board.merge(&update(0, 3));
    board.merge(&update(0, 2));
    assert_eq!((board.stats().waiting, board.as_of(), board.version()), (3, Millis(300), 3));
}

#[test]
fn an_update_with_nothing_new_still_says_how_old_the_board_is() {
    let mut board = Board::default();
    board.merge(&update(0, 3));
    board.merge(&BoardUpdate { at: Millis(777), ..update(3, 3) });
    assert_eq!(board.as_of(), Millis(777));
}

#[test]
fn an_update_reads_back_as_it_was_written() {
    let update = BoardUpdate { chunks: vec![(3, chunk("f3wx2"))], waves: vec![wave(1, 9, 100)], ..update(1, 7) };
    let text = serde_json::to_string(&update).unwrap();
    assert!(text.contains(r#""chunks":[[3,"f3wx2"]]"#), "{text}");
    assert_eq!(serde_json::from_str::<BoardUpdate>(&text).unwrap(), update);
}
