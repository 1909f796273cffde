//! Whatever visitors do, in any order and at any time, the invariants hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    tests::{HOLD_MS, Sale, best, key_of},
    *,
};
use crate::{
    effect::Effect as _,
    id::{EventId, PaymentIntentId, ReservationKey, UserId},
    payment::{self, Instruction, Scenario},
};

/// What a random visitor does.
#[derive(Clone, Debug)]
enum Act {
    Hold { user: u8, seats: Vec<u8> },
    Best { user: u8, quantity: u32, general: bool },
    Cancel { nth: usize },
    Open { nth: usize, timeout: bool },
    Decide { nth: usize, approve: bool },
    Confirm { nth: usize },
    CancelIntent { nth: usize },
    Refund { nth: usize },
    Block { seat: u8, on: bool },
    Perform { nth: usize, fails: bool },
    Publish { back: u64 },
    Consume { back: u64 },
    Wait { ms: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let nth = 0_usize..12;
    prop_oneof![
        3 => (0_u8..4, prop::collection::vec(0_u8..6, 1..4)).prop_map(|(user, seats)| Act::Hold { user, seats }),
        2 => (0_u8..4, 1_u32..4, any::<bool>()).prop_map(|(user, quantity, general)| Act::Best { user, quantity, general }),
        1 => nth.clone().prop_map(|nth| Act::Cancel { nth }),
        3 => (nth.clone(), prop::bool::weighted(0.2)).prop_map(|(nth, timeout)| Act::Open { nth, timeout }),
        3 => (nth.clone(), prop::bool::weighted(0.7)).prop_map(|(nth, approve)| Act::Decide { nth, approve }),
        1 => nth.clone().prop_map(|nth| Act::Confirm { nth }),
        1 => nth.clone().prop_map(|nth| Act::CancelIntent { nth }),
        1 => nth.prop_map(|nth| Act::Refund { nth }),
        1 => (0_u8..6, any::<bool>()).prop_map(|(seat, on)| Act::Block { seat, on }),
        3 => (0_usize..8, prop::bool::weighted(0.3)).prop_map(|(nth, fails)| Act::Perform { nth, fails }),
        1 => (0_u64..5).prop_map(|back| Act::Publish { back }),
        1 => (0_u64..5).prop_map(|back| Act::Consume { back }),
        2 => (0_u64..40_000).prop_map(|ms| Act::Wait { ms }),
    ]
}

/// Captures and give-backs of each intent, from its instructions in order: money is never ahead of the seat.
fn check_money(sale: &Sale) {
    let rows = sale.engine.store().0.borrow();
    let mut captured: BTreeMap<PaymentIntentId, bool> = BTreeMap::new();
    for effect in rows.owed.values() {
        let Effect::Pay { intent, instruction } = effect else { continue };
        match instruction {
            Instruction::Capture { .. } => assert_eq!(captured.insert(intent.clone(), true), None, "captured once"),
            Instruction::Refund => {
                assert_eq!(captured.insert(intent.clone(), false), Some(true), "refunded once, after its capture")
            }
            Instruction::Open(_) | Instruction::Void { .. } | Instruction::Cancel | Instruction::Fail { .. } => {
                assert!(!captured.contains_key(intent), "nothing else follows a capture");
            }
        }
    }
    for reservation in rows.reservations.values() {
        let event_id = EventId::parse("evt_1").unwrap();
        let paid = (0..reservation.intents.len()).filter(|i| captured.get(&reservation.intent_id(&event_id, *i)) == Some(&true));
        let expected = usize::from(reservation.status == Status::Confirmed);
        assert_eq!(paid.count(), expected, "sold exactly where money was captured: {reservation:?}");
    }
}

/// Performs all that is owed, and waits for it.
fn settle(sale: &mut Sale, performed: &mut Vec<Pending<Effect>>) {
    loop {
        for pending in sale.due().into_iter().filter(|pending| pending.id != PUBLISH) {
            sale.performed(pending.id);
            performed.push(pending);
        }
        let (last, ..) = sale.cursor();
        sale.publish(last);
        sale.consume(last);
        let inventory = sale.engine.read(sale.now).unwrap();
        let Some(at) = inventory.effects().due(sale.now).next().map_or_else(|| inventory.wakes_at(sale.now), |_| Some(sale.now))
        else {
            break;
        };
        sale.now = at;
    }
    let rows = sale.engine.store().0.borrow();
    assert!(!rows.witness.as_ref().unwrap().seats.owes(), "all is performed and dealt with");
}

/// Each effect was performed once, and those of a key in the order in which they were owed.
fn check_order(sale: &Sale, performed: &[Pending<Effect>]) {
    let rows = sale.engine.store().0.borrow();
    let mut last = BTreeMap::new();
    for Pending { id, effect, .. } in performed {
        assert_eq!(rows.owed.get(id), Some(effect), "what is performed was owed");
        let before = last.insert(effect.ordering_key(), *id);
        assert!(before.is_none_or(|before| before < *id), "{before:?} was performed before {id}");
    }
    assert_eq!(performed.len(), rows.owed.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_visitors_do_the_invariants_hold(acts in prop::collection::vec(act(), 1..60)) {
        let mut sale = Sale::small();
        let mut made: Vec<(ReservationKey, String)> = Vec::new();
        let mut performed = Vec::new();
        for act in acts {
            let pick = |nth: usize| made.get(nth % made.len().max(1)).cloned();
            match act {
                Act::Hold { user, seats } => {
                    let ids: BTreeSet<_> = seats.iter().map(|seat| format!("A-1-{}", seat + 1)).collect();
                    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
                    let user = format!("u{user}");
                    made.extend(sale.hold(&user, &ids).ok().map(|key| (key, user)));
                }
                Act::Best { user, quantity, general } => {
                    let user = format!("u{user}");
                    let admission = u64::try_from(sale.keys).unwrap() + 1000;
                    let held = sale.hold_as(&user, admission, best(quantity, general.then_some("G")));
                    made.extend(held.ok().map(|body| (key_of(&body), user)));
                }
                Act::Cancel { nth } => drop(pick(nth).map(|(key, user)| sale.cancel(key, &user))),
                Act::Open { nth, timeout } => {
                    let scenario = if timeout { Scenario::Timeout } else { Scenario::Approve };
                    drop(pick(nth).map(|(key, user)| sale.open(key, &user, scenario)));
                }
                Act::Decide { nth, approve } => {
                    let Some((key, _)) = pick(nth) else { continue };
                    let reservation = sale.engine.store().0.borrow().reservations[&key].clone();
                    let Some(attempt) = reservation.intents.len().checked_sub(1) else { continue };
                    let intent = reservation.intent_id(&EventId::parse("evt_1").unwrap(), attempt);
                    let reason = "declined".to_owned();
                    let outcome = if approve { payment::Outcome::Approved } else { payment::Outcome::Failed { reason } };
                    sale.decided(&intent, reservation.total_amount, outcome);
                }
                Act::Confirm { nth } => {
                    let Some((key, user)) = pick(nth) else { continue };
                    let intent = PaymentIntentId { event_id: EventId::parse("evt_1").unwrap(), key, attempt: 0 };
                    drop(sale.confirm(key, &user, &intent, true));
                }
                Act::CancelIntent { nth } => {
                    let Some((key, user)) = pick(nth) else { continue };
                    let idempotency = sale.idempotency();
                    let intent = PaymentIntentId { event_id: EventId::parse("evt_1").unwrap(), key, attempt: 0 };
                    drop(sale.ask(&Command::CancelIntent { intent, user: UserId(user.into()), idempotency }));
                }
                Act::Refund { nth } => drop(pick(nth).map(|(key, user)| sale.refund(key, &user))),
                Act::Block { seat, on } => {
                    let ids = vec![format!("A-1-{}", seat + 1)];
                    let (block, unblock) = if on { (ids, vec![]) } else { (vec![], ids) };
                    drop(sale.ask(&Command::Block { actor: "olga".to_owned(), block, unblock }));
                }
                Act::Perform { nth, fails } => {
                    let due: Vec<_> = sale.due().into_iter().filter(|pending| pending.id != PUBLISH || fails).collect();
                    let Some(pending) = due.get(nth % due.len().max(1)) else { continue };
                    if fails {
                        sale.failed(pending.id);
                    } else {
                        performed.push(pending.clone());
                        sale.performed(pending.id);
                    }
                }
                Act::Publish { back } => {
                    let through = sale.cursor().0.saturating_sub(back);
                    sale.publish(through);
                }
                Act::Consume { back } => {
                    let through = sale.cursor().1.saturating_sub(back);
                    sale.consume(through);
                }
                Act::Wait { ms } => sale.now = sale.now.plus_ms(ms),
            }
            check_money(&sale);
        }
        sale.now = sale.now.plus_ms(HOLD_MS);
        sale.engine.read(sale.now).unwrap().check();
        let inventory = sale.engine.read(sale.now).unwrap();
        prop_assert_eq!(inventory.holds(), 0, "every hold ends");
        settle(&mut sale, &mut performed);
        check_order(&sale, &performed);
    }
}
