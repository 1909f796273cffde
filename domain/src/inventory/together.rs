//! Commands that share a commit do what they would have done one by one.

use proptest::prelude::*;

use super::{
    tests::{HOLD_MS, START, Sale, named},
    *,
};
use crate::{
    hash::Hash128,
    id::{EventId, PaymentIntentId},
    machine::Answer,
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
    (0_u8..7, 1_u128..5, 1_u32..4, 0_u128..12, after_ms, prop::bool::weighted(0.7))
        .prop_map(|(act, reservation, seat, scope, after_ms, joins)| Ask { act, reservation, seat, scope, after_ms, joins })
}

fn command(ask: &Ask) -> Command {
    let key = ReservationKey(ask.reservation);
    let user = UserId(format!("u{}", ask.reservation).into());
    let intent = PaymentIntentId { event_id: EventId::parse("evt_1").unwrap(), key, attempt: 0 };
    let reservation_id = intent.reservation_id();
    let scope = Hash128(1000 * u128::from(ask.act) + 100 * ask.reservation + ask.scope);
    let idempotency = Idempotency { scope, fingerprint: Hash128(u128::from(ask.seat / 3)), ttl_ms: 300_000 };
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
        _ => Command::Block { block: vec![format!("A-1-{}", ask.seat)], unblock: vec![] },
    }
}

/// The rows, and the answers, of a sale in which `asks` were carried out in commits as `joins` says or one by one.
fn sold(asks: &[Ask], together: bool) -> (String, Vec<Answer>) {
    let mut sale = Sale::small();
    let mut answers = Vec::new();
    let mut rest = asks;
    while let Some(first) = rest.first() {
        let more = rest[1..].iter().take_while(|ask| ask.joins).count();
        let (group, others) = rest.split_at(1 + more);
        rest = others;
        sale.now = sale.now.plus_ms(first.after_ms);
        let commands: Vec<Command> = group.iter().map(command).collect();
        if together {
            let outcomes = sale.engine.execute_all(&commands, sale.now, |_| ()).unwrap();
            answers.extend(outcomes.into_iter().map(|outcome| outcome.answer));
        } else {
            answers.extend(commands.iter().map(|command| sale.engine.execute(command, sale.now).unwrap()));
        }
        sale.engine.read(sale.now).unwrap().check();
        sale.check_ledger();
    }
    (sale.engine.store().0.borrow().dump(), answers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn a_shared_commit_changes_no_row_and_no_answer(asks in prop::collection::vec(ask(), 1..40)) {
        let (rows, answers) = sold(&asks, true);
        let (rows_alone, answers_alone) = sold(&asks, false);
        prop_assert_eq!(answers, answers_alone);
        prop_assert_eq!(rows, rows_alone);
    }
}

fn hold(reservation: u128) -> Command {
    command(&Ask { act: 0, reservation, seat: 1, scope: 0, after_ms: 0, joins: false })
}

#[test]
fn commands_that_need_nothing_of_the_rows_share_one_commit() {
    let mut sale = Sale::small();
    sale.engine.read(sale.now).unwrap();
    let before = sale.engine.store().0.borrow().commits;
    let outcomes = sale.engine.execute_all(&[hold(1), hold(2), hold(3)], sale.now, Inventory::seq).unwrap();
    assert_eq!(outcomes.iter().map(|outcome| outcome.seen).collect::<Vec<_>>(), [(0, 1), (1, 2), (2, 3)]);
    assert!(outcomes.iter().all(|outcome| matches!(outcome.answer, Answer::Granted { .. })));
    assert_eq!(sale.engine.store().0.borrow().commits, before + 1);
}

#[test]
fn a_commit_that_fails_leaves_nothing_of_any_of_them() {
    let mut sale = Sale::small();
    let before = sale.engine.store().0.borrow().dump();
    sale.engine.store().0.borrow_mut().broken = true;
    assert!(sale.engine.execute_all(&[hold(1), hold(2)], sale.now, |_| ()).is_err());
    assert_eq!(sale.engine.store().0.borrow().dump(), before);
    assert_eq!(sale.engine.read(sale.now).unwrap().holds(), 0, "nor in memory");
    let again = sale.engine.execute_all(&[hold(1), hold(2)], sale.now, |_| ()).unwrap();
    assert!(again.iter().all(|outcome| matches!(outcome.answer, Answer::Granted { replayed: false, .. })));
}

#[test]
fn of_two_who_want_a_seat_in_the_same_commit_the_first_gets_it() {
    let mut sale = Sale::small();
    let outcomes = sale.engine.execute_all(&[hold(1), hold(4)], sale.now, |_| ()).unwrap();
    assert!(matches!(outcomes[0].answer, Answer::Granted { .. }));
    assert_eq!(outcomes[1].answer, Answer::Refused(Refusal::SeatTaken { seat_ids: vec!["A-1-2".into()] }));
}
