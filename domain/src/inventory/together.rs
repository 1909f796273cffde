//! Commands that share a commit do what they would have done one by one.

use proptest::prelude::*;

use super::{
    tests::{HOLD_MS, START, Sale, named},
    *,
};
use crate::{
    event::Event,
    hash::Hash128,
    id::{EventId, PaymentIntentId, ReservationKey, UserId},
    machine::{self, Answer},
    money::Currency,
    payment::{Outcome, Plan, Scenario},
};

/// What somebody asks of one of four reservations, with one of a few keys: many repeat another, some with something else.
#[derive(Clone, Debug)]
struct Ask {
    act: u8,
    reservation: u128,
    seat: u32,
    scope: u128,
    after_ms: u64,
    /// Whether it goes into the same commit as the one before.
    joins: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    let after_ms = prop_oneof![6 => Just(0_u64), 2 => 0_u64..1000, 1 => 0_u64..HOLD_MS + 1000];
    (0_u8..11, 1_u128..5, 1_u32..4, 0_u128..12, after_ms, prop::bool::weighted(0.7))
        .prop_map(|(act, reservation, seat, scope, after_ms, joins)| Ask { act, reservation, seat, scope, after_ms, joins })
}

fn command(ask: &Ask) -> Command {
    let key = ReservationKey(ask.reservation);
    let user = UserId(format!("u{}", ask.reservation).into());
    let intent = PaymentIntentId { event_id: EventId::parse("evt_1").unwrap(), key, attempt: 0 };
    let reservation_id = intent.reservation_id();
    let scope = Hash128(1000 * u128::from(ask.act) + 100 * ask.reservation + ask.scope);
    let idempotency = Idempotency { scope, fingerprint: Hash128(u128::from(ask.seat / 3)), ttl_ms: 300_000 };
    let number = u64::try_from(ask.scope).unwrap();
    match ask.act {
        0 | 1 => {
            let number = u64::try_from(ask.reservation).unwrap();
            let admission = Admission { number, ends_at: START.plus_sec(3600) };
            // A reservation's key is drawn for it: only the same request has it again.
            let idempotency = Idempotency { scope: Hash128(ask.reservation), fingerprint: Hash128(0), ttl_ms: 3_600_000 };
            let seat = format!("A-1-{}", ask.reservation % 3 + 1);
            Command::Hold { key, user, admission, wish: named(&[&seat]), idempotency }
        }
        2 => Command::Cancel { key, user, idempotency: Some(idempotency) },
        3 => {
            let plan = Plan { scenario: Scenario::Approve, delay_ms: 0, approve_permille: 1000 };
            Command::OpenIntent { key, user, amount: None, currency: None, plan, idempotency }
        }
        4 => {
            let (amount, currency, outcome) = (100, Currency::KRW, Outcome::Approved);
            Command::Decided { idempotency, intent, reservation_id, amount, currency, outcome }
        }
        5 => Command::Refund { key, user, idempotency },
        6 => Command::Block { actor: "olga".to_owned(), block: vec![format!("A-1-{}", ask.seat)], unblock: vec![] },
        7 => Command::Performed(number + 1),
        8 => Command::Failed(number),
        9 => Command::Published { through: number },
        _ => Command::Consumed { through: number },
    }
}

fn trace(ask: &Ask) -> TraceId {
    TraceId(1000 + 100 * u128::from(ask.act) + ask.scope)
}

/// The rows, and what came of each command, of a sale in which `asks` were carried out in commits as `joins` says or one by one.
fn sold(asks: &[Ask], together: bool) -> (String, Vec<machine::Outcome>) {
    let mut sale = Sale::small();
    let mut outcomes = Vec::new();
    let mut rest = asks;
    while let Some(first) = rest.first() {
        // What came of an effect is heard of after the commit that owes it.
        let joins = |ask: &&Ask| ask.joins && !matches!(ask.act, 7 | 8);
        let more = rest[1..].iter().take_while(joins).count();
        let (group, others) = rest.split_at(1 + more);
        rest = others;
        sale.now = sale.now.plus_ms(first.after_ms);
        let commands: Vec<(Command, TraceId)> = group.iter().map(|ask| (command(ask), trace(ask))).collect();
        for (command, _) in &commands {
            if let Command::Consumed { through } = command {
                sale.engine.store().acknowledged(*through);
            }
        }
        let each = commands.iter().map(|(command, trace)| (command, *trace));
        if together {
            outcomes.extend(sale.engine.execute_all(each, sale.now).unwrap());
        } else {
            outcomes.extend(each.flat_map(|one| sale.engine.execute_all([one], sale.now).unwrap()));
        }
        sale.engine.read(sale.now).unwrap().check();
        sale.check_ledger();
    }
    (sale.engine.store().0.borrow().dump(), outcomes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn a_shared_commit_changes_no_row_no_answer_and_no_effect(asks in prop::collection::vec(ask(), 1..40)) {
        let (rows, outcomes) = sold(&asks, true);
        let (rows_alone, outcomes_alone) = sold(&asks, false);
        prop_assert_eq!(outcomes, outcomes_alone);
        prop_assert_eq!(rows, rows_alone);
    }
}

fn hold(reservation: u128) -> Command {
    command(&Ask { act: 0, reservation, seat: 1, scope: 0, after_ms: 0, joins: false })
}

/// Carries out `commands` in one commit, by traces that count from 1.
fn all(sale: &mut Sale, commands: &[Command]) -> Result<Vec<machine::Outcome>, ()> {
    sale.engine.execute_all(commands.iter().zip((1..).map(TraceId)), sale.now)
}

#[test]
fn commands_that_need_nothing_of_the_rows_share_one_commit() {
    let mut sale = Sale::small();
    sale.engine.read(sale.now).unwrap();
    let before = sale.engine.store().0.borrow().commits;
    let outcomes = all(&mut sale, &[hold(1), hold(2), hold(3)]).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome.answer, Answer::Granted { .. })));
    let rows = sale.engine.store().0.borrow();
    let held: Vec<u128> = rows.ledger.iter().map(|entry| entry.reservation_id.as_ref().unwrap().key.0).collect();
    assert_eq!(held, [1, 2, 3], "one after the other");
    let traces: Vec<u128> = rows.ledger.iter().map(|entry| entry.trace_id.0).collect();
    assert_eq!(traces, [1, 2, 3], "each by its own request");
    assert_eq!(rows.commits, before + 1);
}

#[test]
fn a_row_that_the_same_commit_changed_is_saved_before_it_is_read() {
    let mut sale = Sale::small();
    let event = sale.engine.read(sale.now).unwrap().event().unwrap().clone();
    // A new description takes from memory what has ended.
    let newer = Command::Configure(Box::new(Event { version: event.version + 1, ..event }));
    let cancel = |scope| command(&Ask { act: 2, reservation: 1, seat: 1, scope, after_ms: 0, joins: false });
    let outcomes = all(&mut sale, &[hold(1), cancel(0), newer, cancel(1)]).unwrap();
    assert!(outcomes[..3].iter().all(|outcome| matches!(outcome.answer, Answer::Granted { .. })));
    assert_ne!(outcomes[3].answer, Answer::Refused(Refusal::ReservationNotFound));
}

#[test]
fn every_command_names_the_effects_that_it_created() {
    let mut sale = Sale::small();
    let ask = |act: u8, reservation: u128| command(&Ask { act, reservation, seat: 1, scope: 0, after_ms: 0, joins: false });
    let commands = [hold(1), hold(2), ask(3, 1), ask(3, 2), ask(4, 1), Command::Performed(1), ask(3, 1)];
    let outcomes = all(&mut sale, &commands).unwrap();
    let effects: Vec<&[u64]> = outcomes.iter().map(|outcome| outcome.effects.as_slice()).collect();
    // Opening owes an instruction; the approval a capture and a free slot; the last one is a repetition.
    assert_eq!(effects, [&[][..], &[], &[1], &[2], &[3, 4], &[], &[]]);
    let again = all(&mut sale, &[Command::Failed(2)]).unwrap();
    assert!(again[0].effects.is_empty(), "it was owed before");
}

#[test]
fn a_commit_that_fails_leaves_nothing_of_any_of_them() {
    let mut sale = Sale::small();
    let before = sale.engine.store().0.borrow().dump();
    sale.engine.store().0.borrow_mut().broken = true;
    assert!(all(&mut sale, &[hold(1), hold(2)]).is_err());
    assert_eq!(sale.engine.store().0.borrow().dump(), before);
    assert_eq!(sale.engine.read(sale.now).unwrap().holds(), 0, "nor in memory");
    let again = all(&mut sale, &[hold(1), hold(2)]).unwrap();
    assert!(again.iter().all(|outcome| matches!(outcome.answer, Answer::Granted { replayed: false, .. })));
}

#[test]
fn of_two_who_want_a_seat_in_the_same_commit_the_first_gets_it() {
    let mut sale = Sale::small();
    let outcomes = all(&mut sale, &[hold(1), hold(4)]).unwrap();
    assert!(matches!(outcomes[0].answer, Answer::Granted { .. }));
    assert_eq!(outcomes[1].answer, Answer::Refused(Refusal::SeatTaken { seat_ids: vec!["A-1-2".into()] }));
}
