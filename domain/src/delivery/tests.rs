use std::collections::BTreeMap;

use super::{
    attempt::{ATTEMPTS_KEPT, DeadLetter, Outcome, Tried},
    cursor::GIVE_UP_AFTER_MS,
    decide::OUTAGE_MS,
    endpoint::PREVIOUS_SECRET_MS,
    tables::Tables,
    *,
};

pub(super) const START: Millis = Millis(1_795_262_400_000);

pub(super) fn event(n: u8) -> EventId {
    EventId::parse(&format!("evt_{n}")).unwrap()
}

pub(super) fn directions(version: u64) -> Directions {
    Directions {
        url: "https://hooks.example.com/in".to_owned(),
        secret: "whsec_YWJj".to_owned(),
        organiser_id: None,
        event_ids: None,
        version: version_of(version),
    }
}

fn version_of(change: u64) -> Version {
    Version { created_at: START, updated_at: START.plus_ms(change) }
}

/// An endpoint's deliveries with their rows and clock, the logs they read, and what the endpoint took.
pub(super) struct Bench {
    pub(super) delivery: Delivery,
    pub(super) tables: Tables,
    pub(super) now: Millis,
    /// How long each log is, and how long it was when the endpoint was made.
    pub(super) logs: BTreeMap<EventId, (u64, u64)>,
    pub(super) received: BTreeMap<EventId, Vec<u64>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (delivery, tables) = Default::default();
        let mut bench = Self { delivery, tables, now: START, logs: BTreeMap::new(), received: BTreeMap::new() };
        bench.ask(&Command::Direct(directions(1)));
        bench
    }

    pub(super) fn decide(&mut self, command: &Command) -> Result<Reply, Refusal> {
        if self.delivery.must_recall(command) {
            self.tables.recall(&mut self.delivery, command);
        }
        if self.delivery.next_deadline().is_some_and(|at| at <= self.now) && *command != Command::Tick {
            self.ask(&Command::Tick);
        }
        let decision = self.delivery.decide(command, self.now.into())?;
        for change in &decision.changes {
            self.delivery.apply(change);
            let once = self.delivery.clone();
            self.delivery.apply(change);
            assert_eq!(self.delivery, once, "applying a change again is harmless");
            self.tables.write(change);
        }
        self.tables.check(&self.delivery);
        Ok(decision.reply)
    }

    pub(super) fn ask(&mut self, command: &Command) -> Reply {
        self.decide(command).unwrap()
    }

    /// The log of an event has so many envelopes, and the endpoint hears of it.
    pub(super) fn log(&mut self, n: u8, through: u64) {
        self.logs.entry(event(n)).or_default().0 = through;
        self.hear(n, through);
    }

    pub(super) fn hear(&mut self, n: u8, through: u64) {
        self.ask(&Command::Hear { version: version_of(1), event_id: event(n), through });
    }

    pub(super) fn crash(&mut self) {
        self.delivery = self.tables.load();
    }

    pub(super) fn due(&self) -> Vec<Pending<Effect>> {
        self.delivery.effects().due(self.now).cloned().collect()
    }

    /// What performing an effect comes to. An endpoint that answers has received what it was sent.
    pub(super) fn perform(&mut self, pending: &Pending<Effect>, outcome: &Outcome) -> Command {
        let tried = |sequence: u64, event_id: &EventId| Tried {
            id: format!("msg_{event_id}_{sequence}"),
            kind: "reservation.created".to_owned(),
            sequence,
            outcome: outcome.clone(),
            took_ms: 7,
        };
        match &pending.effect {
            Effect::Place { event_id, .. } => Command::Placed { event_id: event_id.clone(), after: self.logs[event_id].1 },
            Effect::Deliver { event_id, after } if *after >= self.logs[event_id].0 => Command::Unread { id: pending.id },
            Effect::Deliver { event_id, after } => {
                if outcome.is_delivered() {
                    self.received.entry(event_id.clone()).or_default().push(after + 1);
                }
                Command::Tried { event_id: event_id.clone(), after: *after, tried: tried(after + 1, event_id) }
            }
            Effect::Redeliver { event_id } => {
                let letter = self.tables.next_redriven(event_id);
                let received = letter.as_ref().filter(|_| outcome.is_delivered()).map(|letter| letter.sequence);
                self.received.entry(event_id.clone()).or_default().extend(received);
                let letter = letter.map(|letter| (letter.attempts, tried(letter.sequence, event_id)));
                Command::Retried { event_id: event_id.clone(), letter }
            }
        }
    }

    /// Performs everything that is due until nothing is.
    pub(super) fn run(&mut self, outcome: impl Fn(&Effect) -> Outcome) {
        while let Some(pending) = self.due().first() {
            let command = self.perform(pending, &outcome(&pending.effect));
            self.ask(&command);
        }
    }

    /// The same, and lets the time pass until something is due again, until `end`.
    fn run_until(&mut self, end: Millis, outcome: impl Fn(&Effect) -> Outcome) {
        loop {
            self.run(&outcome);
            match self.delivery.wakes_at(self.now).filter(|at| *at <= end) {
                Some(at) => self.now = at,
                None => break,
            }
            self.ask(&Command::Tick);
        }
        self.now = end;
    }

    fn of(&self, n: u8) -> Vec<u64> {
        self.received.get(&event(n)).cloned().unwrap_or_default()
    }

    fn standing(&self) -> Standing {
        self.delivery.standing(self.now)
    }

    fn dead(&self) -> Vec<&DeadLetter> {
        self.tables.dead.values().collect()
    }
}

fn ok(_: &Effect) -> Outcome {
    Outcome::Answered(204)
}

fn down(_: &Effect) -> Outcome {
    Outcome::Answered(503)
}

/// Down for one event, well for the others.
fn down_for(n: u8) -> impl Fn(&Effect) -> Outcome {
    move |effect| match effect {
        Effect::Deliver { event_id, .. } if *event_id == event(n) => Outcome::Answered(500),
        _ => Outcome::Answered(200),
    }
}

#[test]
fn everything_since_the_endpoint_was_made_is_delivered_in_order() {
    let mut bench = Bench::new();
    bench.logs.insert(event(1), (0, 40));
    bench.log(1, 43);
    bench.log(2, 2);
    bench.run(ok);
    assert_eq!((bench.of(1), bench.of(2)), (vec![41, 42, 43], vec![1, 2]));
    assert_eq!((bench.standing().state, bench.standing().backlog), (State::Active, 0));
    assert!(bench.delivery.effects().is_empty());
}

#[test]
fn a_word_that_was_lost_comes_late_or_twice_costs_nothing() {
    let mut bench = Bench::new();
    bench.log(1, 2);
    bench.run(ok);
    bench.logs.insert(event(1), (9, 0));
    bench.hear(1, 9);
    bench.hear(1, 5);
    bench.run(ok);
    bench.hear(1, 9);
    bench.crash();
    bench.hear(1, 9);
    bench.run(ok);
    assert_eq!(bench.of(1), (1..=9).collect::<Vec<u64>>());
}

#[test]
fn an_event_that_fails_holds_up_no_other() {
    let mut bench = Bench::new();
    bench.log(1, 3);
    bench.log(2, 3);
    bench.run(down_for(1));
    assert_eq!((bench.of(1), bench.of(2)), (vec![], vec![1, 2, 3]));
    let standing = bench.standing();
    assert_eq!((standing.state, standing.backlog), (State::Failing, 3));
    assert_eq!(standing.last_failure.map(|failure| failure.reason), Some("answered 500".to_owned()));
    let next = standing.next_try_at.unwrap().0;
    assert!((5_000..6_250).contains(&next.since_ms(START)));
    bench.now = next;
    bench.run(ok);
    assert_eq!((bench.of(1), bench.standing().state), (vec![1, 2, 3], State::Active));
}

#[test]
fn what_fails_for_three_days_is_dead_where_other_things_were_delivered() {
    let mut bench = Bench::new();
    bench.log(1, 2);
    bench.log(2, 1);
    bench.run(down_for(1));
    bench.now = bench.now.plus_ms(1000);
    bench.log(2, 2);
    let end = START.plus_ms(GIVE_UP_AFTER_MS + 1000);
    bench.run_until(end, down_for(1));
    let dead = bench.dead();
    let [letter] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!((letter.event_id.clone(), letter.sequence, letter.problem.as_str()), (event(1), 1, "answered 500"));
    assert!(letter.attempts > 15 && letter.failed_at.0.since_ms(START) == GIVE_UP_AFTER_MS);
    assert_eq!((bench.standing().state, bench.standing().backlog), (State::Failing, 1));
    bench.run_until(end.plus_ms(10_000), ok);
    assert_eq!(bench.of(1), [2]);
}

#[test]
fn an_endpoint_that_takes_nothing_for_three_days_is_disabled_and_loses_nothing() {
    let mut bench = Bench::new();
    bench.log(1, 3);
    bench.log(2, 2);
    bench.run_until(START.plus_ms(2 * GIVE_UP_AFTER_MS), down);
    let standing = bench.standing();
    assert_eq!((standing.state, standing.backlog, standing.next_try_at), (State::Disabled, 5, None));
    assert!(standing.disabled.is_some_and(|why| why.reason.ends_with("answered 503")));
    assert!(bench.dead().is_empty());
    bench.log(1, 4);
    bench.crash();
    bench.run(ok);
    assert!(bench.received.is_empty());
    bench.ask(&Command::Enable);
    bench.run(ok);
    assert_eq!((bench.of(1), bench.of(2)), (vec![1, 2, 3, 4], vec![1, 2]));
    assert_eq!(bench.standing().state, State::Active);
}

#[test]
fn what_was_taken_in_the_instant_of_the_first_failure_was_taken_before_it() {
    let mut bench = Bench::new();
    bench.log(1, 1);
    bench.run(ok);
    bench.log(1, 2);
    bench.run_until(START.plus_ms(2 * GIVE_UP_AFTER_MS), down);
    assert_eq!((bench.standing().state, bench.standing().backlog), (State::Disabled, 1));
    assert!(bench.dead().is_empty());
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_at_once() {
    let mut bench = Bench::new();
    bench.log(1, 2);
    bench.log(2, 2);
    bench.run(|_| Outcome::Answered(410));
    assert_eq!(bench.standing().disabled.map(|why| why.reason), Some("answered 410: it wants nothing any more".to_owned()));
    assert_eq!(bench.tables.attempts.len(), 1);
    bench.ask(&Command::Direct(Directions { url: "https://hooks.example.com/new".to_owned(), ..directions(2) }));
    bench.run(ok);
    assert_eq!((bench.of(1), bench.of(2), bench.standing().state), (vec![1, 2], vec![1, 2], State::Active));
}

#[test]
fn an_endpoint_that_was_down_and_is_there_again_is_tried_with_everything_at_once() {
    let mut bench = Bench::new();
    (1..=3).for_each(|n| bench.log(n, 1));
    bench.run_until(START.plus_ms(2 * OUTAGE_MS), down);
    bench.log(4, 1);
    bench.run(ok);
    assert_eq!((1..=4).map(|n| bench.of(n)).collect::<Vec<_>>(), vec![vec![1]; 4]);
}

#[test]
fn a_replaced_secret_signs_for_a_day_and_is_then_forgotten() {
    let mut bench = Bench::new();
    bench.ask(&Command::Direct(Directions { secret: "whsec_bmV3".to_owned(), ..directions(2) }));
    let secrets = |bench: &Bench, at: u64| bench.delivery.endpoint().unwrap().secrets(START.plus_ms(at));
    assert_eq!(secrets(&bench, 0), ["whsec_bmV3", "whsec_YWJj"]);
    assert_eq!(secrets(&bench, PREVIOUS_SECRET_MS), ["whsec_bmV3"]);
    bench.run_until(START.plus_ms(PREVIOUS_SECRET_MS), ok);
    assert_eq!(bench.delivery.endpoint().unwrap().previous, None);
}

#[test]
fn an_older_version_of_the_endpoint_changes_nothing() {
    let mut bench = Bench::new();
    bench.ask(&Command::Direct(Directions { url: "https://b.example.com".to_owned(), ..directions(5) }));
    bench.ask(&Command::Direct(directions(4)));
    assert_eq!(bench.delivery.endpoint().unwrap().url, "https://b.example.com");
    bench.ask(&Command::Drop { created_at: Some(Millis(START.0 - 1)) });
    let hear = |version| Command::Hear { version: version_of(version), event_id: event(1), through: 1 };
    assert_eq!(bench.decide(&hear(6)), Err(Refusal::Unconfigured));
    assert_eq!(bench.decide(&hear(4)), Ok(Reply::Done {}));
    bench.ask(&Command::Drop { created_at: None });
    bench.ask(&Command::Direct(directions(7)));
    assert_eq!(bench.delivery.endpoint(), None);
    assert_eq!(bench.decide(&hear(7)), Err(Refusal::Unconfigured));
    // One that is made anew is another.
    let (created_at, updated_at) = (START.plus_ms(1), START.plus_ms(1));
    bench.ask(&Command::Direct(Directions { version: Version { created_at, updated_at }, ..directions(0) }));
    assert_eq!(bench.delivery.endpoint().map(|endpoint| endpoint.since), Some(created_at));
}

#[test]
fn who_is_another_organisers_now_is_told_nothing_that_waited() {
    let mut bench = Bench::new();
    bench.log(1, 3);
    bench.now = bench.now.plus_ms(60_000);
    bench.ask(&Command::Direct(Directions { organiser_id: Some("org_b".to_owned()), ..directions(2) }));
    assert_eq!((bench.standing().backlog, bench.delivery.endpoint().unwrap().since), (0, bench.now));
}

#[test]
fn an_event_that_is_no_longer_named_waits_and_one_that_is_again_goes_on() {
    let mut bench = Bench::new();
    bench.log(1, 2);
    bench.log(2, 2);
    bench.ask(&Command::Direct(Directions { event_ids: Some(vec![event(2)]), ..directions(2) }));
    bench.run(ok);
    assert_eq!((bench.of(1), bench.of(2), bench.standing().backlog), (vec![], vec![1, 2], 0));
    bench.ask(&Command::Direct(directions(3)));
    bench.run(ok);
    assert_eq!(bench.of(1), [1, 2]);
}

#[test]
fn a_replay_delivers_again_what_is_behind_a_sequence() {
    let mut bench = Bench::new();
    bench.log(1, 5);
    bench.run(ok);
    let replay = |n, after, through| Command::Replay { event_id: event(n), after, through };
    let reply = |n, after, through| Reply::Replaying { event_id: event(n), after, through };
    assert_eq!(bench.ask(&replay(1, 3, 5)), reply(1, 3, 5));
    bench.run(ok);
    assert_eq!(bench.of(1), [1, 2, 3, 4, 5, 4, 5]);
    // Nothing is skipped by one, and nothing is behind the end.
    assert_eq!(bench.ask(&replay(1, 9, 5)), reply(1, 5, 5));
    // What was never heard of is delivered, too.
    bench.logs.insert(event(2), (2, 0));
    assert_eq!(bench.ask(&replay(2, 0, 2)), reply(2, 0, 2));
    bench.run(ok);
    assert_eq!(bench.of(2), [1, 2]);
}

#[test]
fn what_was_tried_before_a_replay_changes_nothing() {
    let mut bench = Bench::new();
    bench.log(1, 5);
    bench.run(|effect| match effect {
        Effect::Deliver { after: 4, .. } => Outcome::Problem("took too long".to_owned()),
        effect => ok(effect),
    });
    bench.now = bench.standing().next_try_at.unwrap().0;
    let under_way = bench.due();
    bench.ask(&Command::Replay { event_id: event(1), after: 1, through: 5 });
    let late = bench.perform(&under_way[0], &Outcome::Answered(200));
    bench.ask(&late);
    bench.run(ok);
    assert_eq!(bench.of(1), [1, 2, 3, 4, 5, 2, 3, 4, 5]);
}

/// An endpoint with two dead letters of the first event.
fn with_dead_letters() -> Bench {
    let mut bench = Bench::new();
    bench.log(1, 2);
    bench.run(down_for(1));
    while bench.dead().len() < 2 {
        bench.now = bench.standing().next_try_at.unwrap().0;
        let through = bench.logs.get(&event(2)).map_or(0, |log| log.0) + 1;
        bench.log(2, through);
        bench.run(down_for(1));
    }
    bench
}

#[test]
fn dead_letters_are_tried_once_more_when_redriven() {
    let mut bench = with_dead_letters();
    let redriven = |redriven| Reply::Redriven { redriven };
    assert_eq!(bench.ask(&Command::Redrive(Letters::One("msg_evt_1_9".to_owned()))), redriven(0));
    assert_eq!(bench.ask(&Command::Redrive(Letters::One("msg_evt_1_2".to_owned()))), redriven(1));
    bench.run(ok);
    assert_eq!((bench.of(1), bench.dead().len()), (vec![2], 1));
    assert_eq!(bench.ask(&Command::Redrive(Letters::OfEvent(event(2)))), redriven(0));
    assert_eq!(bench.ask(&Command::Redrive(Letters::All)), redriven(1));
    assert_eq!(bench.ask(&Command::Redrive(Letters::All)), redriven(0), "it is under way");
    bench.crash();
    let attempts = bench.dead()[0].attempts;
    bench.run(down);
    assert_eq!(bench.dead().iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [attempts + 1], "dead again");
    assert!(bench.due().is_empty());
    bench.ask(&Command::Redrive(Letters::OfEvent(event(1))));
    bench.run(ok);
    assert_eq!((bench.of(1), bench.dead().len()), (vec![2, 1], 0));
}

#[test]
fn a_dead_letter_that_a_replay_delivers_is_dead_no_more() {
    let mut bench = with_dead_letters();
    bench.ask(&Command::Replay { event_id: event(1), after: 0, through: 2 });
    bench.run(ok);
    assert_eq!((bench.of(1), bench.dead().len()), (vec![1, 2], 0));
}

#[test]
fn a_log_that_does_not_answer_is_asked_again_and_nobodys_failure() {
    let mut bench = Bench::new();
    bench.logs.insert(event(1), (0, 0));
    bench.hear(1, 2);
    bench.run(ok);
    assert_eq!((bench.standing().state, bench.standing().last_failure), (State::Active, None));
    let next = bench.standing().next_try_at.unwrap().0;
    assert!((10_000..12_500).contains(&next.since_ms(START)));
    bench.logs.insert(event(1), (2, 0));
    bench.now = next;
    bench.run(ok);
    assert_eq!(bench.of(1), [1, 2]);
}

#[test]
fn an_event_that_was_deleted_is_owed_nothing() {
    let mut bench = Bench::new();
    bench.log(1, 7);
    bench.ask(&Command::Ended { event_id: event(1) });
    assert_eq!((bench.due(), bench.standing().backlog), (vec![], 0));
}

#[test]
fn a_ping_is_remembered_and_changes_nothing_else() {
    let mut bench = Bench::new();
    bench.log(1, 1);
    let before = bench.standing();
    let outcome = Outcome::Answered(410);
    bench.ask(&Command::Pinged(Tried { id: "msg_ping".into(), kind: "webhook.ping".into(), sequence: 0, outcome, took_ms: 3 }));
    assert_eq!(bench.standing(), before);
    let attempt = bench.tables.attempts.values().next().unwrap();
    assert_eq!((attempt.number, attempt.event_id.clone(), attempt.sequence, attempt.status), (1, None, None, Some(410)));
}

#[test]
fn the_newest_attempts_are_remembered() {
    let mut bench = Bench::new();
    bench.log(1, ATTEMPTS_KEPT + 5);
    bench.run(ok);
    assert_eq!(bench.tables.attempts.len() as u64, ATTEMPTS_KEPT);
    assert_eq!(bench.tables.attempts.keys().next(), Some(&6));
}

#[test]
fn memory_has_only_events_that_are_behind() {
    let mut bench = Bench::new();
    for n in 0..100 {
        bench.log(n, 1);
        bench.run(ok);
    }
    assert!(bench.delivery.behind.is_empty());
}
