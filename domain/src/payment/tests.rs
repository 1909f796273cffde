use proptest::prelude::*;

use super::*;
use crate::{hash::Hash128, id::EventId, id::ReservationKey};

const OPENED: Millis = Millis(1_795_262_400_000);
const DELAY_MS: u64 = 2_000;
const HOLD_ENDS: Millis = Millis(OPENED.0 + 60_000);

fn intent_id(key: u128) -> PaymentIntentId {
    PaymentIntentId { event_id: EventId::parse("evt_1").unwrap(), key: ReservationKey(key), attempt: 0 }
}

fn terms(scenario: Scenario) -> Terms {
    let intent_id = intent_id(7);
    Terms {
        reservation_id: intent_id.reservation_id(),
        intent_id,
        user_id: owner(),
        amount: 120_000,
        currency: Currency::KRW,
        plan: Plan { scenario, delay_ms: DELAY_MS, approve_permille: 800 },
        hold_expires_at: HOLD_ENDS,
    }
}

fn owner() -> UserId {
    UserId::parse("u-1").unwrap()
}

fn order() -> OrderId {
    OrderId { event_id: EventId::parse("evt_1").unwrap(), key: ReservationKey(7) }
}

fn capture() -> Instruction {
    Instruction::Capture { order_id: order() }
}

fn void() -> Instruction {
    Instruction::Void { reason: "seats_taken".to_owned() }
}

fn fail() -> Instruction {
    Instruction::Fail { reason: "insufficient_funds".to_owned() }
}

/// A payment and its clock.
struct Till {
    payment: Payment,
    now: Millis,
}

impl Till {
    fn open(scenario: Scenario) -> Self {
        let mut till = Self { payment: Payment::default(), now: OPENED };
        till.instruct(Instruction::Open(terms(scenario)));
        till
    }

    /// An intent that got to `status` the shortest way, its webhook received.
    fn at(status: Status) -> Self {
        let mut till = Self::open(if status == Status::Expired { Scenario::Timeout } else { Scenario::Approve });
        match status {
            Status::Pending => {}
            Status::Authorized => till.process(Action::Approve),
            Status::Approved => till.instruct(capture()),
            Status::Failed => till.process(Action::Fail),
            Status::Cancelled => till.instruct(Instruction::Cancel),
            Status::Refunded => {
                till.instruct(capture());
                till.instruct(Instruction::Refund);
            }
            Status::Expired => till.wait_until(HOLD_ENDS),
        }
        till.try_webhook(true);
        assert_eq!(till.status(), status);
        till
    }

    fn ask(&mut self, command: &Command) -> Result<Option<StatusReply>, Refusal> {
        let decision = self.payment.decide(command, self.now)?;
        for change in &decision.changes {
            self.payment.apply(change);
            let once = self.payment.clone();
            self.payment.apply(change);
            assert_eq!(self.payment, once, "applying a change again is harmless");
        }
        Ok(decision.reply)
    }

    fn instruct(&mut self, instruction: Instruction) {
        self.ask(&Command::Instruct(instruction)).unwrap();
    }

    fn process(&mut self, action: Action) {
        self.ask(&Command::Decide { user: owner(), action }).unwrap();
    }

    fn wait_until(&mut self, at: Millis) {
        self.now = at;
        self.ask(&Command::Tick).unwrap();
    }

    /// Makes the try that is due, if one is.
    fn try_webhook(&mut self, delivered: bool) -> Option<Webhook> {
        let webhook = self.payment.due_webhook(self.now)?;
        self.ask(&Command::WebhookResult { attempt: webhook.attempt, delivered }).unwrap();
        Some(webhook)
    }

    fn reply(&self) -> StatusReply {
        self.payment.status(&owner()).unwrap()
    }

    fn status(&self) -> Status {
        self.reply().status
    }
}

#[test]
fn every_instruction_does_in_every_status_what_the_table_says() {
    use Status::{Approved, Authorized, Cancelled, Expired, Failed, Pending, Refunded};
    let instructions = || [capture(), void(), Instruction::Refund, Instruction::Cancel, fail()];
    let table = [
        (Pending, [Approved, Cancelled, Cancelled, Cancelled, Failed]),
        (Authorized, [Approved, Refunded, Refunded, Refunded, Refunded]),
        (Approved, [Approved, Refunded, Refunded, Refunded, Approved]),
        (Failed, [Approved, Failed, Failed, Failed, Failed]),
        (Cancelled, [Cancelled; 5]),
        (Refunded, [Refunded; 5]),
        (Expired, [Approved, Expired, Expired, Expired, Expired]),
    ];
    assert_eq!(table.map(|(status, _)| status), Status::ALL);
    for (status, wanted) in table {
        for (instruction, wanted) in instructions().into_iter().zip(wanted) {
            let mut till = Till::at(status);
            let (before, money) = (till.payment.clone(), till.payment.money());
            till.instruct(instruction.clone());
            assert_eq!(till.status(), wanted, "{instruction:?} at {status}");
            if wanted == status {
                assert_eq!(till.payment, before, "{instruction:?} at {status} changes nothing");
            }
            let once = till.payment.clone();
            till.instruct(instruction.clone());
            assert_eq!(till.payment, once, "{instruction:?} at {status} may be repeated");
            let (captured, refunded) = till.payment.money();
            assert!(captured >= money.0 && refunded >= money.1 && (captured == 0 || captured == 120_000));
        }
    }
}

#[test]
fn a_client_decides_a_pending_intent_and_no_other() {
    for status in Status::ALL {
        for (action, decided) in [(Action::Approve, Status::Authorized), (Action::Fail, Status::Failed)] {
            let mut till = Till::at(status);
            till.process(action);
            assert_eq!(till.status(), if status == Status::Pending { decided } else { status });
        }
    }
}

#[test]
fn before_it_is_opened_everything_is_refused() {
    let mut till = Till { payment: Payment::default(), now: OPENED };
    let idempotency = Idempotency { scope: Hash128(1), fingerprint: Hash128(2), ttl_ms: 300_000 };
    for command in [
        Command::Instruct(capture()),
        Command::Instruct(void()),
        Command::Instruct(Instruction::Refund),
        Command::Instruct(Instruction::Cancel),
        Command::Instruct(fail()),
        Command::Decide { user: owner(), action: Action::Approve },
        Command::Settle { user: owner(), idempotency },
        Command::WebhookResult { attempt: 1, delivered: true },
    ] {
        assert_eq!(till.ask(&command), Err(Refusal::PaymentNotFound), "{command:?}");
    }
    assert_eq!(till.payment.status(&owner()), Err(Refusal::PaymentNotFound));
    assert_eq!((till.payment.next_deadline(), till.payment.due_webhook(OPENED)), (None, None));
}

#[test]
fn opening_again_changes_nothing_and_never_the_amount() {
    let mut till = Till::at(Status::Approved);
    let before = till.payment.clone();
    till.instruct(Instruction::Open(terms(Scenario::Approve)));
    assert_eq!(till.payment, before);
    let dearer = Terms { amount: 120_001, ..terms(Scenario::Approve) };
    assert_eq!(till.ask(&Command::Instruct(Instruction::Open(dearer))), Err(Refusal::PaymentConflict));
    assert_eq!(till.payment, before);
}

#[test]
fn an_intent_pays_for_its_own_reservation() {
    let foreign = Terms { reservation_id: intent_id(8).reservation_id(), ..terms(Scenario::Approve) };
    let refusal = Payment::default().decide(&Command::Instruct(Instruction::Open(foreign)), OPENED).map(|_| ()).unwrap_err();
    assert_eq!(refusal.code(), "INVALID_REQUEST");
}

#[test]
fn it_is_seen_and_decided_by_its_owner_alone() {
    let mut till = Till::open(Scenario::Approve);
    let stranger = UserId::parse("u-2").unwrap();
    assert_eq!(till.payment.status(&stranger), Err(Refusal::Forbidden));
    let command = Command::Decide { user: stranger, action: Action::Approve };
    assert_eq!(till.ask(&command), Err(Refusal::Forbidden));
    assert_eq!(till.status(), Status::Pending);
}

#[test]
fn the_provider_decides_after_its_delay_and_not_before() {
    for (scenario, decided) in
        [(Scenario::Approve, Status::Authorized), (Scenario::Delay, Status::Authorized), (Scenario::Fail, Status::Failed)]
    {
        let mut till = Till::open(scenario);
        assert_eq!(till.payment.next_deadline(), Some(OPENED.plus_ms(DELAY_MS)));
        till.wait_until(OPENED.plus_ms(DELAY_MS - 1));
        assert_eq!(till.status(), Status::Pending);
        till.wait_until(OPENED.plus_ms(DELAY_MS));
        assert_eq!(till.status(), decided);
        assert_eq!(till.payment.next_deadline(), None);
    }
}

#[test]
fn an_approval_may_come_after_the_hold() {
    let late = Terms { hold_expires_at: OPENED.plus_ms(1), ..terms(Scenario::Delay) };
    let mut till = Till { payment: Payment::default(), now: OPENED };
    till.instruct(Instruction::Open(late));
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    assert_eq!(till.status(), Status::Authorized);
}

#[test]
fn a_provider_that_never_answers_ends_with_the_hold_and_reports_nothing() {
    let mut till = Till::open(Scenario::Timeout);
    till.wait_until(Millis(HOLD_ENDS.0 - 1));
    assert_eq!(till.status(), Status::Pending);
    till.wait_until(HOLD_ENDS);
    assert_eq!(till.status(), Status::Expired);
    assert_eq!((till.payment.next_deadline(), till.payment.next_webhook_at()), (None, None));
}

#[test]
fn an_overdue_decision_comes_before_the_command_that_found_it() {
    let mut till = Till::open(Scenario::Timeout);
    till.now = HOLD_ENDS;
    till.instruct(Instruction::Cancel);
    assert_eq!((till.status(), till.payment.money()), (Status::Expired, (0, 0)));
}

#[test]
fn seats_sold_on_a_word_from_elsewhere_are_paid_after_the_intent_ended_by_itself() {
    for ended in [Status::Expired, Status::Failed] {
        let mut till = Till::at(ended);
        till.instruct(capture());
        assert_eq!((till.status(), till.reply().failure_reason), (Status::Approved, None));
        assert_eq!(till.payment.money(), (till.reply().amount, 0));
        assert_eq!(till.payment.next_webhook_at(), None, "who captures knows");
    }
}

#[test]
fn random_follows_the_rate_and_is_the_same_every_time() {
    let decided = |key: u128, approve_permille: u32| {
        let intent_id = intent_id(key);
        let plan = Plan { scenario: Scenario::Random, delay_ms: 0, approve_permille };
        let terms = Terms { reservation_id: intent_id.reservation_id(), intent_id, plan, ..terms(Scenario::Random) };
        let mut till = Till { payment: Payment::default(), now: OPENED };
        till.instruct(Instruction::Open(terms));
        till.wait_until(OPENED);
        till.status()
    };
    let approved = (0..2_000).filter(|key| decided(*key, 800) == Status::Authorized).count();
    assert!((1_520..=1_680).contains(&approved), "{approved}");
    assert!((0..50).all(|key| decided(key, 800) == decided(key, 800)));
    assert!((0..50).all(|key| decided(key, 1000) == Status::Authorized && decided(key, 0) == Status::Failed));
}

#[test]
fn a_decision_is_reported_with_the_time_it_was_made() {
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS + 700));
    let webhook = till.payment.due_webhook(till.now).unwrap();
    assert_eq!((webhook.id.as_str(), webhook.attempt), ("msg_pay_evt_1_0000000000000000000000000000000700", 1));
    assert_eq!(
        serde_json::to_value(&webhook.body).unwrap(),
        serde_json::json!({
            "type": "payment.approved", "timestamp": "2026-11-21T12:00:02.000Z",
            "data": {
                "payment_intent_id": "pay_evt_1_0000000000000000000000000000000700",
                "reservation_id": "rsv_evt_1_00000000000000000000000000000007",
                "amount": 120_000, "currency": "KRW",
            },
        })
    );
}

#[test]
fn a_failure_is_reported_with_its_reason() {
    let mut till = Till::open(Scenario::Fail);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    let body = till.payment.due_webhook(till.now).unwrap().body;
    assert_eq!((body.kind, body.data.failure_reason.as_deref()), (WebhookType::Failed, Some("card_declined")));
    assert_eq!(till.reply().failure_reason.as_deref(), Some("card_declined"));
}

#[test]
fn a_webhook_is_tried_at_once_and_five_times_more_with_the_same_id_and_body() {
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    let first = till.try_webhook(false).unwrap();
    for (attempt, pause_ms) in (2..).zip(RETRY_AFTER_MS) {
        let due_at = till.payment.next_webhook_at().unwrap();
        let waited_ms = due_at.since_ms(till.now);
        assert!((pause_ms..pause_ms + pause_ms / JITTER_DIVISOR).contains(&waited_ms), "{waited_ms} after {pause_ms}");
        assert_eq!(till.payment.due_webhook(Millis(due_at.0 - 1)), None);
        till.now = due_at;
        let again = till.try_webhook(false).unwrap();
        assert_eq!((again.id, again.body, again.attempt), (first.id.clone(), first.body.clone(), attempt));
    }
    assert_eq!((till.payment.next_webhook_at(), till.status()), (None, Status::Authorized));
}

#[test]
fn a_received_webhook_is_not_sent_again() {
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    till.try_webhook(true).unwrap();
    assert_eq!(till.payment.next_webhook_at(), None);
}

#[test]
fn the_result_of_an_older_try_changes_nothing() {
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    till.try_webhook(false).unwrap();
    let before = till.payment.clone();
    for delivered in [true, false] {
        till.ask(&Command::WebhookResult { attempt: 1, delivered }).unwrap();
        assert_eq!(till.payment, before);
    }
}

#[test]
fn the_inventory_may_capture_while_the_webhook_is_out() {
    let mut till = Till::open(Scenario::Approve);
    till.process(Action::Approve);
    let webhook = till.payment.due_webhook(till.now).unwrap();
    till.instruct(capture());
    till.ask(&Command::WebhookResult { attempt: webhook.attempt, delivered: true }).unwrap();
    assert_eq!((till.reply().order_id, till.status()), (Some(order()), Status::Approved));
    assert_eq!((till.payment.next_deadline(), till.payment.next_webhook_at()), (None, None));
}

#[test]
fn an_approval_that_was_given_back_is_no_longer_reported() {
    let mut till = Till::open(Scenario::Approve);
    till.process(Action::Approve);
    till.instruct(void());
    assert_eq!((till.status(), till.payment.next_webhook_at(), till.payment.money()), (Status::Refunded, None, (0, 0)));
    assert_eq!(till.reply().failure_reason.as_deref(), Some("seats_taken"));
}

#[test]
fn what_was_decided_elsewhere_is_not_reported() {
    for instruction in [capture(), fail(), Instruction::Cancel] {
        let mut till = Till::open(Scenario::Approve);
        till.instruct(instruction);
        till.wait_until(HOLD_ENDS);
        assert_eq!((till.payment.next_deadline(), till.payment.next_webhook_at()), (None, None));
    }
}

#[test]
fn a_refund_that_overtakes_its_capture_leaves_no_charge() {
    let mut till = Till::at(Status::Authorized);
    till.instruct(Instruction::Refund);
    till.instruct(capture());
    assert_eq!((till.status(), till.payment.money()), (Status::Refunded, (0, 0)));
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut till = Till::open(Scenario::Approve);
    till.instruct(Instruction::Fail { reason: "잔".repeat(100) });
    assert_eq!(till.reply().failure_reason, Some("잔".repeat(REASON_MAX_BYTES / 3)));
}

#[test]
fn names_are_those_of_the_contract() {
    for status in Status::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    for scenario in [Scenario::Approve, Scenario::Fail, Scenario::Delay, Scenario::Random, Scenario::Timeout] {
        assert_eq!(serde_json::to_value(scenario).unwrap().as_str().unwrap().parse(), Ok(scenario));
    }
    assert!("Approve".parse::<Scenario>().is_err() && "pending".parse::<Status>().is_err());
}

fn any_command() -> impl Strategy<Value = Command> {
    let action = prop_oneof![Just(Action::Approve), Just(Action::Fail)];
    prop_oneof![
        Just(Command::Instruct(Instruction::Open(terms(Scenario::Approve)))),
        Just(Command::Instruct(capture())),
        Just(Command::Instruct(void())),
        Just(Command::Instruct(Instruction::Refund)),
        Just(Command::Instruct(Instruction::Cancel)),
        Just(Command::Instruct(fail())),
        action.prop_map(|action| Command::Decide { user: owner(), action }),
        (1..8u32, any::<bool>()).prop_map(|(attempt, delivered)| Command::WebhookResult { attempt, delivered }),
        Just(Command::Tick),
    ]
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    prop_oneof![
        Just(Scenario::Approve),
        Just(Scenario::Fail),
        Just(Scenario::Delay),
        Just(Scenario::Random),
        Just(Scenario::Timeout)
    ]
}

proptest! {
    #[test]
    fn money_is_conserved_and_what_is_final_stays_unless_captured(
        scenario in any_scenario(),
        steps in prop::collection::vec((any_command(), 0..20_000u64), 0..40),
    ) {
        let mut till = Till::open(scenario);
        let mut journal = till.payment.decide(&Command::Tick, OPENED).unwrap().changes;
        for (command, pause_ms) in steps {
            till.now = till.now.plus_ms(pause_ms);
            let before = till.reply();
            let money = till.payment.money();
            if let Ok(decision) = till.payment.decide(&command, till.now) {
                prop_assert_eq!(decision.reply.is_some(), true);
                journal.extend(decision.changes);
            }
            let _ = till.ask(&command);
            let after = till.reply();
            let (captured, refunded) = till.payment.money();
            prop_assert!(captured - refunded == 0 || captured - refunded == after.amount);
            prop_assert!(captured >= money.0 && refunded >= money.1, "money never comes back by itself");
            prop_assert_eq!(captured > refunded, after.status == Status::Approved);
            prop_assert_eq!((after.amount, after.currency), (before.amount, before.currency));
            let captures = matches!(command, Command::Instruct(Instruction::Capture { .. }));
            let ended_by_itself = matches!(before.status, Status::Failed | Status::Expired);
            if before.status.is_final() && !(captures && ended_by_itself) {
                prop_assert_eq!(after, before);
            }
        }
        let mut replayed = Till::open(scenario).payment;
        journal.iter().for_each(|change| replayed.apply(change));
        prop_assert_eq!(replayed, till.payment);
    }

    #[test]
    fn a_payment_that_is_left_alone_comes_to_rest(scenario in any_scenario(), results in prop::collection::vec(any::<bool>(), 8)) {
        let mut till = Till::open(scenario);
        let mut results = results.into_iter();
        while let Some(at) = till.payment.next_deadline().into_iter().chain(till.payment.next_webhook_at()).min() {
            till.wait_until(at.max(till.now));
            if till.payment.due_webhook(till.now).is_some() {
                till.try_webhook(results.next().unwrap());
            }
        }
        prop_assert!(till.status() == Status::Authorized || till.status().is_final());
        prop_assert!(till.now <= HOLD_ENDS);
    }
}
