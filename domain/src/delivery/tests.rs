use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const START: Millis = Millis(1_795_262_400_000);

fn event(n: u8) -> EventId {
    EventId::parse(&format!("evt_{n}")).unwrap()
}

fn envelope(n: u8, sequence: u64) -> Envelope {
    let value = serde_json::json!({
        "id": format!("ntf_{n}_{sequence}"), "type": "reservation.created", "source": "traffic-tacos",
        "event_id": event(n), "sequence": sequence, "data": {},
    });
    Envelope::parse(&value.to_string()).unwrap()
}

fn endpoint() -> Endpoint {
    Endpoint { url: "https://hooks.example.com/in".to_owned(), secret: "whsec_YWJj".to_owned() }
}

/// The letters of an endpoint, their clock, and what the endpoint took.
struct Post {
    delivery: Delivery,
    now: Millis,
    received: Vec<(u8, u64)>,
}

impl Post {
    fn new() -> Self {
        Self { delivery: Delivery::default(), now: START, received: Vec::new() }
    }

    fn ask(&mut self, command: &Command) -> Reply {
        let decision = self.delivery.decide(command, self.now.into()).unwrap();
        for change in &decision.changes {
            self.delivery.apply(change);
            if self.delivery.pending() < 50 {
                let once = self.delivery.clone();
                self.delivery.apply(change);
                assert_eq!(self.delivery, once, "applying a change again is harmless");
            }
        }
        decision.reply
    }

    fn enqueue(&mut self, letters: &[(u8, u64)]) -> Reply {
        let envelopes = letters.iter().map(|(n, sequence)| envelope(*n, *sequence)).collect();
        self.ask(&Command::Enqueue { endpoint: endpoint(), envelopes })
    }

    fn result(&mut self, due: &Due, problem: Option<&str>) -> Reply {
        let Due { event_id, sequence, attempt, .. } = due.clone();
        self.ask(&Command::Tried { event_id, sequence, attempt, problem: problem.map(str::to_owned) })
    }

    /// Makes the try that is due now, if one is.
    fn try_one(&mut self, delivered: bool) -> Option<Due> {
        let due = self.delivery.due(self.now)?;
        if delivered {
            self.received.push((due.event_id.as_str().strip_prefix("evt_")?.parse().ok()?, due.sequence));
        }
        self.result(&due, (!delivered).then_some("answered 500"));
        Some(due)
    }

    /// Delivers all that is due now.
    fn deliver(&mut self) {
        while self.try_one(true).is_some() {}
    }

    /// Fails until the letter that is due now is dead.
    fn kill(&mut self) {
        let last = self.delivery.dead.keys().next_back().copied();
        while self.delivery.dead.keys().next_back().copied() == last {
            self.now = self.delivery.next_due_at().unwrap().max(self.now);
            self.try_one(false);
        }
    }
}

#[test]
fn letters_of_an_event_are_delivered_in_order_of_sequence() {
    let mut post = Post::new();
    post.enqueue(&[(1, 3), (1, 1), (1, 2)]);
    post.deliver();
    assert_eq!(post.received, [(1, 1), (1, 2), (1, 3)]);
    assert_eq!((post.delivery.pending(), post.delivery.next_due_at()), (0, None));
}

#[test]
fn what_comes_again_changes_nothing_waiting_or_delivered() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 2)]);
    assert_eq!(post.enqueue(&[(1, 1), (1, 2)]), Reply::Enqueued { accepted: 0, known: 2, displaced: 0 });
    post.deliver();
    assert_eq!(post.enqueue(&[(1, 2), (1, 1), (1, 3)]), Reply::Enqueued { accepted: 1, known: 2, displaced: 0 });
    post.deliver();
    assert_eq!(post.received, [(1, 1), (1, 2), (1, 3)]);
}

#[test]
fn a_letter_is_held_back_for_its_predecessor_and_then_sent_without_it() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 3)]);
    post.deliver();
    assert_eq!(post.received, [(1, 1)]);
    assert_eq!(post.delivery.next_due_at(), Some(START.plus_ms(GAP_WAIT_MS)));
    post.now = START.plus_ms(GAP_WAIT_MS - 1);
    assert_eq!(post.delivery.due(post.now), None);
    post.now = START.plus_ms(GAP_WAIT_MS);
    assert_eq!(post.delivery.due(post.now).map(|due| due.skipped), Some(1));
    post.deliver();
    assert_eq!(post.received, [(1, 1), (1, 3)]);
}

#[test]
fn a_predecessor_that_comes_in_time_is_sent_first() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 3)]);
    post.deliver();
    post.now = START.plus_ms(GAP_WAIT_MS - 1);
    post.enqueue(&[(1, 2)]);
    post.deliver();
    assert_eq!(post.received, [(1, 1), (1, 2), (1, 3)]);
}

#[test]
fn one_that_comes_too_late_is_sent_at_once_and_only_once() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 5)]);
    post.deliver();
    post.now = START.plus_ms(GAP_WAIT_MS);
    post.deliver();
    post.enqueue(&[(1, 3)]);
    post.deliver();
    assert_eq!(post.enqueue(&[(1, 3), (1, 5)]), Reply::Enqueued { accepted: 0, known: 2, displaced: 0 });
    post.enqueue(&[(1, 2), (1, 4)]);
    post.deliver();
    assert_eq!(post.received, [(1, 1), (1, 5), (1, 3), (1, 2), (1, 4)]);
    assert_eq!(post.delivery.line(&event(1)), Line { next: 6, missing: vec![] });
}

#[test]
fn one_that_comes_while_its_successor_is_out_is_sent_only_once() {
    let mut post = Post::new();
    post.enqueue(&[(1, 2)]);
    post.now = START.plus_ms(FIRST_WAIT_MS);
    let out = post.delivery.due(post.now).unwrap();
    post.enqueue(&[(1, 1)]);
    post.result(&out, None);
    post.deliver();
    assert_eq!(post.enqueue(&[(1, 1), (1, 2)]), Reply::Enqueued { accepted: 0, known: 2, displaced: 0 });
    assert_eq!(post.received, [(1, 1)]);
}

#[test]
fn an_endpoint_that_joins_a_sale_soon_gets_what_happens_from_then_on() {
    let mut post = Post::new();
    post.enqueue(&[(1, 812), (1, 811)]);
    assert_eq!(post.delivery.next_due_at(), Some(START.plus_ms(FIRST_WAIT_MS)));
    post.now = START.plus_ms(FIRST_WAIT_MS);
    post.deliver();
    post.enqueue(&[(1, 813)]);
    post.deliver();
    assert_eq!(post.received, [(1, 811), (1, 812), (1, 813)]);
}

#[test]
fn a_failed_letter_is_tried_again_after_each_pause_and_then_dead() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1)]);
    for (attempt, pause_ms) in (1..).zip(RETRY_AFTER_MS) {
        assert_eq!(post.try_one(false).map(|due| due.attempt), Some(attempt));
        let due_at = post.delivery.next_due_at().unwrap();
        let waited_ms = due_at.since_ms(post.now);
        assert!((pause_ms..pause_ms + pause_ms / JITTER_DIVISOR).contains(&waited_ms), "{waited_ms} after {pause_ms}");
        assert_eq!(post.delivery.due(Millis(due_at.0 - 1)), None);
        post.now = due_at;
    }
    assert_eq!(post.try_one(false).map(|due| due.attempt), Some(ATTEMPTS_MAX));
    let page = post.delivery.dead_letters(None, 10);
    let dead = &page.dead_letters[0];
    assert_eq!((dead.id.as_str(), dead.attempts, dead.problem.as_str()), ("ntf_1_1", ATTEMPTS_MAX, "answered 500"));
    assert_eq!((post.delivery.next_due_at(), page.next_before), (None, None));
    assert_eq!(post.enqueue(&[(1, 1)]), Reply::Enqueued { accepted: 0, known: 1, displaced: 0 });
}

#[test]
fn those_behind_a_failed_letter_wait_and_go_on_when_it_is_dead() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 2)]);
    post.try_one(false);
    assert_eq!(post.delivery.due(post.now), None);
    post.kill();
    post.deliver();
    assert_eq!(post.received, [(1, 2)]);
}

#[test]
fn a_failed_letter_does_not_hold_up_another_event() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (2, 1), (2, 2)]);
    assert_eq!(post.try_one(false).map(|due| due.event_id), Some(event(1)));
    post.deliver();
    assert_eq!(post.received, [(2, 1), (2, 2)]);
}

#[test]
fn the_result_of_another_try_changes_nothing() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1)]);
    let first = post.try_one(false).unwrap();
    let before = post.delivery.clone();
    for problem in [None, Some("answered 500")] {
        assert_eq!(post.result(&first, problem), Reply::Tried { dead: false });
        assert_eq!(post.delivery, before);
    }
}

#[test]
fn a_redriven_letter_is_tried_once_and_at_once() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 2)]);
    post.kill();
    post.deliver();
    let redrive = Command::Redrive { id: "ntf_1_1".to_owned() };
    assert_eq!(post.ask(&redrive), Reply::Redriven { redriven: true });
    assert_eq!(post.try_one(false).map(|due| due.sequence), Some(1));
    assert_eq!(post.delivery.dead_letters(None, 10).dead_letters.len(), 1);
    post.ask(&redrive);
    post.deliver();
    assert_eq!(post.received, [(1, 2), (1, 1)]);
    assert_eq!(post.ask(&redrive), Reply::Redriven { redriven: false });
}

#[test]
fn a_changed_endpoint_is_tried_at_once() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1)]);
    post.try_one(false);
    assert_eq!(post.delivery.due(post.now), None);
    let repaired = Endpoint { url: "https://hooks.example.com/new".to_owned(), ..endpoint() };
    post.ask(&Command::Enqueue { endpoint: repaired.clone(), envelopes: vec![] });
    assert_eq!(post.delivery.endpoint(), Some(&repaired));
    assert_eq!(post.delivery.due(post.now).map(|due| due.attempt), Some(1));
}

#[test]
fn a_deleted_endpoint_forgets_everything_even_a_try_that_is_out() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (1, 2)]);
    post.kill();
    let out = post.delivery.due(post.now).unwrap();
    post.ask(&Command::Drop);
    post.result(&out, None);
    assert_eq!(post.delivery, Delivery::default());
}

#[test]
fn one_letter_too_many_makes_the_oldest_a_dead_one() {
    let mut post = Post::new();
    let sequences: Vec<(u8, u64)> = (1..=PENDING_MAX as u64).map(|sequence| (1, sequence)).collect();
    sequences.chunks(ENQUEUE_MAX).for_each(|chunk| {
        post.enqueue(chunk);
    });
    assert_eq!(post.enqueue(&[(2, 1)]), Reply::Enqueued { accepted: 1, known: 0, displaced: 1 });
    assert_eq!(post.delivery.pending(), PENDING_MAX);
    assert_eq!(post.delivery.dead_letters(None, 1).dead_letters[0].id, "ntf_1_1");
    assert_eq!(post.delivery.due(post.now).map(|due| (due.sequence, due.skipped)), Some((2, 0)));
}

#[test]
fn dead_letters_are_bounded_and_shown_in_pages_newest_first() {
    let mut post = Post::new();
    for sequence in 1..=DEAD_MAX as u64 + 1 {
        post.enqueue(&[(1, sequence)]);
        post.kill();
    }
    let first = post.delivery.dead_letters(None, 2);
    assert_eq!(first.dead_letters.iter().map(|dead| dead.sequence).collect::<Vec<_>>(), [1001, 1000]);
    let mut seen = first.dead_letters.len();
    let mut before = first.next_before;
    while before.is_some() {
        let page = post.delivery.dead_letters(before, usize::MAX);
        assert!(page.dead_letters.len() <= DEAD_PAGE_MAX);
        (seen, before) = (seen + page.dead_letters.len(), page.next_before);
    }
    assert_eq!(seen, DEAD_MAX);
}

#[test]
fn too_many_gaps_become_one() {
    let mut line = Line::default();
    for n in 1..=MISSING_MAX as u64 + 1 {
        line = line.with_past(2 * n);
    }
    assert_eq!((line.missing.len(), line.missing[0]), (MISSING_MAX, (1, 3)));
}

#[test]
fn what_is_no_envelope_is_not_taken() {
    let good = serde_json::json!({ "id": "n", "type": "t", "event_id": "e", "sequence": 1 });
    assert!(Envelope::parse(&good.to_string()).is_some());
    assert_eq!(Envelope::parse(r#"["n", "t", "e", 1]"#), None);
    for (field, bad) in [
        ("id", serde_json::json!("")),
        ("id", serde_json::json!("a\r\nb")),
        ("type", serde_json::json!(1)),
        ("event_id", serde_json::json!("e/f")),
        ("sequence", serde_json::json!(0)),
        ("sequence", serde_json::json!("1")),
    ] {
        let mut value = good.clone();
        value[field] = bad.clone();
        assert_eq!(Envelope::parse(&value.to_string()), None, "{field}: {bad}");
    }
}

#[test]
fn a_pause_has_jitter_and_at_most_a_quarter_of_it() {
    let jitters: Vec<f64> = (0..200)
        .flat_map(|n| (1..).zip(RETRY_AFTER_MS).map(move |(attempt, pause_ms)| (n, attempt, pause_ms)))
        .map(|(n, attempt, pause_ms)| {
            let waited_ms = retry_at(&format!("ntf_{n}"), attempt, START).unwrap().since_ms(START);
            assert!((pause_ms..pause_ms + pause_ms / 4).contains(&waited_ms), "{waited_ms} for {pause_ms}");
            (waited_ms - pause_ms) as f64 / pause_ms as f64
        })
        .collect();
    assert!(jitters.iter().any(|jitter| *jitter > 0.2) && jitters.iter().any(|jitter| *jitter < 0.05), "over all of the quarter");
    assert_eq!(retry_at("ntf", ATTEMPTS_MAX, START), None);
}

#[test]
fn too_many_letters_at_once_are_refused_whole() {
    let post = Post::new();
    let envelopes = |count: u64| (1..=count).map(|sequence| envelope(1, sequence)).collect();
    let enqueue =
        |count| post.delivery.decide(&Command::Enqueue { endpoint: endpoint(), envelopes: envelopes(count) }, START.into());
    assert!(enqueue(ENQUEUE_MAX as u64).is_ok());
    assert!(matches!(enqueue(ENQUEUE_MAX as u64 + 1), Err(Refusal::Invalid { field, .. }) if field == "envelopes"));
}

#[test]
fn of_too_many_events_one_is_forgotten_for_which_nothing_waits() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1), (2, 1)]);
    let idle = |n: usize| EventId::parse(&format!("evt_idle_{n}")).unwrap();
    let line = post.delivery.lines[&event(1)].clone();
    (2..LINES_MAX).for_each(|n| drop(post.delivery.lines.insert(idle(n), line.clone())));
    post.enqueue(&[(3, 1)]);
    assert_eq!(post.delivery.lines.len(), LINES_MAX);
    for n in 1..=3 {
        assert!(post.delivery.lines.contains_key(&event(n)), "{n} waits");
    }
}

#[test]
fn a_letter_that_is_displaced_tells_how_often_it_was_tried() {
    let mut post = Post::new();
    post.enqueue(&[(1, 1)]);
    post.try_one(false);
    (1..=PENDING_MAX as u64).collect::<Vec<_>>().chunks(ENQUEUE_MAX).for_each(|chunk| {
        post.enqueue(&chunk.iter().map(|sequence| (2, *sequence)).collect::<Vec<_>>());
    });
    assert_eq!(post.delivery.dead.values().map(|dead| dead.attempts).collect::<Vec<_>>(), [1]);
}

proptest! {
    /// Whatever comes in whatever order, however often, and whatever fails: nothing is lost, nothing that was taken is
    /// sent again, and only what came after a later one was tried is sent after it.
    #[test]
    fn every_letter_arrives_in_order_or_is_dead(
        steps in prop::collection::vec((0..3u8, 1..3u8, 1..15u64, any::<bool>(), 0..40_000u64), 0..200),
    ) {
        let mut post = Post::new();
        let mut sent = BTreeSet::new();
        let mut late = BTreeSet::new();
        for (kind, n, sequence, delivered, pause_ms) in steps {
            let highest_sent = sent.range((n, 0)..=(n, u64::MAX)).next_back().copied();
            match kind {
                0 if highest_sent.is_some_and(|highest| (n, sequence) < highest) => {
                    post.enqueue(&[(n, sequence)]);
                    late.insert((n, sequence));
                }
                0 => {
                    post.enqueue(&[(n, sequence)]);
                }
                1 => {
                    if let Some(due) = post.try_one(delivered) {
                        let n = if due.event_id == event(1) { 1 } else { 2 };
                        let overtaken = sent.range((n, due.sequence + 1)..=(n, u64::MAX)).next().is_some();
                        prop_assert!(!overtaken || late.contains(&(n, due.sequence)));
                        sent.insert((n, due.sequence));
                    }
                }
                _ => post.now = post.now.plus_ms(pause_ms),
            }
        }
        while let Some(at) = post.delivery.next_due_at() {
            post.now = at.max(post.now);
            post.try_one(true);
        }
        let dead: BTreeSet<_> = post.delivery.dead.values().map(|dead| (dead.event_id.clone(), dead.sequence)).collect();
        let received: BTreeSet<_> = post.received.iter().map(|(n, sequence)| (event(*n), *sequence)).collect();
        prop_assert_eq!(received.len(), post.received.len(), "nothing that was taken is sent again");
        prop_assert!(received.is_disjoint(&dead));
        for n in 1..3 {
            let known = (1..15).filter(|sequence| post.delivery.lines.get(&event(n)).is_some_and(|line| line.is_past(*sequence)));
            for sequence in known {
                let place = (event(n), sequence);
                prop_assert!(received.contains(&place) || dead.contains(&place), "{:?} was lost", place);
            }
        }
    }

    #[test]
    fn whatever_was_enqueued_is_delivered_once_the_endpoint_works(
        letters in prop::collection::vec((1..4u8, 1..40u64), 1..120),
        failures in prop::collection::vec(any::<bool>(), 0..30),
    ) {
        let mut post = Post::new();
        let mut failures = failures.into_iter();
        for batch in letters.chunks(7) {
            post.enqueue(batch);
            post.try_one(!failures.next().unwrap_or(false));
        }
        let wanted: BTreeSet<_> = letters.iter().copied().collect();
        while let Some(at) = post.delivery.next_due_at() {
            post.now = at.max(post.now);
            post.try_one(true);
        }
        prop_assert!(post.delivery.dead.is_empty());
        prop_assert_eq!(post.received.len(), wanted.len());
        prop_assert_eq!(post.received.into_iter().collect::<BTreeSet<_>>(), wanted);
    }
}
