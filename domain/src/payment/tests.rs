use std::{cell::RefCell, collections::BTreeMap};

use proptest::prelude::*;

use super::{
    intent::{REASON_MAX_BYTES, RETRY},
    simulator::Effect,
    *,
};
use crate::{
    effect::Pending,
    hash::Hash128,
    id::{EventId, OrderId, PaymentIntentId, ReservationKey, UserId},
    idempotency::{Idempotency, Record},
    machine::{Answer, Batch, Context, Engine, Machine, Store},
    money::{Amount, Currency},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};

const OPENED: Millis = Millis(1_795_262_400_000);
const DELAY_MS: u64 = 2_000;
const HOLD_ENDS: Millis = Millis(OPENED.0 + 60_000);

fn intent_id(key: u128) -> PaymentIntentId {
    PaymentIntentId { event_id: EventId::parse("evt_1").unwrap(), key: ReservationKey(key), attempt: 0 }
}

fn terms_of(key: u128, scenario: Scenario) -> Terms {
    let intent_id = intent_id(key);
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

/// Those of the intent that most tests are about.
fn terms(scenario: Scenario) -> Terms {
    terms_of(7, scenario)
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

fn instruct(key: u128, instruction: Instruction) -> Command {
    Command::Instruct { intent: intent_id(key), instruction }
}

/// The receiver took a report and sees the payment as it says.
const fn taken(webhook: &Webhook) -> Option<Status> {
    Some(webhook.body.kind.status())
}

/// Rows as the object keeps them: every intent as JSON, whether it is settled or not.
#[derive(Default)]
struct Rows {
    intents: BTreeMap<PaymentIntentId, String>,
    records: BTreeMap<Hash128, (Record, Vec<u8>)>,
    /// Every change; no row.
    journal: Vec<Change>,
    commits: usize,
    /// Refuses the next commit.
    broken: bool,
    /// Refuses the next look.
    unreadable: bool,
}

#[derive(Default)]
struct Memory(RefCell<Rows>);

fn read(row: &str) -> Intent {
    serde_json::from_str(row).unwrap()
}

impl Store<Simulator> for Memory {
    type Fault = ();

    fn load(&self) -> Result<(Simulator, Vec<Record>), ()> {
        let rows = self.0.borrow();
        let unsettled = rows.intents.values().map(|row| read(row)).filter(|intent| !intent.is_settled());
        Ok((Simulator::restore(unsettled), rows.records.values().map(|(record, _)| *record).collect()))
    }

    fn recall(&self, simulator: &mut Simulator, command: &Command) -> Result<(), ()> {
        if std::mem::take(&mut self.0.borrow_mut().unreadable) {
            return Err(());
        }
        let found = simulator.missing(command).and_then(|intent| self.0.borrow().intents.get(intent).map(|row| read(row)));
        found.into_iter().for_each(|intent| simulator.recall(intent));
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<(), ()> {
        let mut rows = self.0.borrow_mut();
        if std::mem::take(&mut rows.broken) {
            return Err(());
        }
        rows.commits += 1;
        for change in batch.changes() {
            rows.intents.insert(change.intent.terms.intent_id.clone(), serde_json::to_string(&*change.intent).unwrap());
            rows.journal.push(change.clone());
        }
        for (record, body) in batch.records() {
            rows.records.insert(record.scope, (record, body.to_vec()));
        }
        Ok(())
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>, ()> {
        self.0.borrow().records.get(&idempotency.scope).map(|(_, body)| body.clone()).ok_or(())
    }
}

/// A provider and its clock. What names no intent is about the one of [`terms`].
struct Till {
    engine: Engine<Simulator, Memory>,
    now: Millis,
}

impl Till {
    /// Nothing was ever opened.
    fn new() -> Self {
        Self { engine: Engine::new(Memory::default()), now: OPENED }
    }

    fn open(scenario: Scenario) -> Self {
        let mut till = Self::new();
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
        let before = self.simulator().clone();
        let saved = self.saved();
        let answer = self.engine.execute(command, self.now).unwrap();
        self.check_repetition(before, saved);
        match answer {
            Answer::Granted { body, .. } => Ok(serde_json::from_slice(&body).unwrap()),
            Answer::Refused(refusal) => Err(refusal),
        }
    }

    /// Applying a change again is harmless, and what was saved since `saved` leads from `before` to what is in memory.
    fn check_repetition(&self, mut before: Simulator, saved: usize) {
        let (after, store) = self.engine.parts().unwrap();
        let rows = store.0.borrow();
        for change in &rows.journal[saved..] {
            before.apply(change);
            let once = before.clone();
            before.apply(change);
            assert_eq!(before, once, "applying a change again is harmless");
        }
        assert!(rows.journal.len() == saved || before == *after, "what is saved is what is in memory");
    }

    /// As memory stands, whatever is due.
    fn simulator(&mut self) -> &Simulator {
        if self.engine.parts().is_none() {
            // Long before anything is due.
            self.engine.read(Millis(0)).unwrap();
        }
        self.engine.parts().unwrap().0
    }

    /// How many changes were saved so far.
    fn saved(&self) -> usize {
        self.engine.store().0.borrow().journal.len()
    }

    fn instruct(&mut self, instruction: Instruction) {
        self.ask(&instruct(7, instruction)).unwrap();
    }

    fn process(&mut self, action: Action) {
        self.ask(&Command::Decide { intent: intent_id(7), user: owner(), action }).unwrap();
    }

    fn wait_until(&mut self, at: Millis) {
        self.now = at;
        self.engine.read(at).unwrap();
    }

    /// The report of an intent, due or not.
    fn report_of(&mut self, key: u128) -> Option<Pending<Effect>> {
        let is_of = |pending: &&Pending<Effect>| {
            let Effect::Report(webhook) = &pending.effect;
            webhook.body.data.payment_intent_id == intent_id(key)
        };
        self.simulator().effects().iter().find(is_of).cloned()
    }

    /// The webhook of an intent that is to be sent at `at`.
    fn due_webhook_of(&mut self, key: u128, at: Millis) -> Option<Webhook> {
        let due = self.simulator().effects().due(at).map(|pending| match &pending.effect {
            Effect::Report(webhook) => (**webhook).clone(),
        });
        let mut of_intent = due.filter(|webhook| webhook.body.data.payment_intent_id == intent_id(key));
        of_intent.next()
    }

    fn due_webhook(&mut self, at: Millis) -> Option<Webhook> {
        self.due_webhook_of(7, at)
    }

    fn next_webhook_at(&mut self) -> Option<Millis> {
        self.report_of(7).map(|pending| pending.due_at)
    }

    fn next_deadline(&mut self) -> Option<Millis> {
        self.simulator().next_deadline()
    }

    fn reported(&mut self, key: u128, attempt: u32, told: Option<Status>) {
        self.ask(&Command::Reported { intent: intent_id(key), attempt, told }).unwrap();
    }

    /// Makes the try that is due, if one is.
    fn try_webhook(&mut self, delivered: bool) -> Option<Webhook> {
        let webhook = self.due_webhook(self.now)?;
        self.reported(7, webhook.attempt, taken(&webhook).filter(|_| delivered));
        Some(webhook)
    }

    fn look(&mut self, key: u128, user: UserId) -> Result<StatusReply, Refusal> {
        self.ask(&Command::Look { intent: intent_id(key), user }).map(|reply| reply.unwrap())
    }

    fn reply(&mut self) -> StatusReply {
        self.look(7, owner()).unwrap()
    }

    fn status(&mut self) -> Status {
        self.reply().status
    }

    /// An intent's row.
    fn row(&self, key: u128) -> Intent {
        read(&self.engine.store().0.borrow().intents[&intent_id(key)])
    }

    fn money(&self) -> (Amount, Amount) {
        self.row(7).money()
    }

    fn commits(&self) -> usize {
        self.engine.store().0.borrow().commits
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
            let (saved, money) = (till.saved(), till.money());
            till.instruct(instruction.clone());
            assert_eq!(till.status(), wanted, "{instruction:?} at {status}");
            assert_eq!(till.saved() == saved, wanted == status, "{instruction:?} at {status} changes nothing else");
            let once = (till.saved(), till.row(7));
            till.instruct(instruction.clone());
            assert_eq!((till.saved(), till.row(7)), once, "{instruction:?} at {status} may be repeated");
            let (captured, refunded) = till.money();
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
fn before_it_is_opened_everything_is_refused_and_nothing_is_kept() {
    let mut till = Till::new();
    let intent = intent_id(7);
    let idempotency = Idempotency { scope: Hash128(1), fingerprint: Hash128(2), ttl_ms: 300_000 };
    for command in [
        instruct(7, capture()),
        instruct(7, void()),
        instruct(7, Instruction::Refund),
        instruct(7, Instruction::Cancel),
        instruct(7, fail()),
        Command::Look { intent: intent.clone(), user: owner() },
        Command::Decide { intent: intent.clone(), user: owner(), action: Action::Approve },
        Command::Settle { intent: intent.clone(), user: owner(), idempotency },
        Command::Reported { intent, attempt: 1, told: Some(Status::Approved) },
    ] {
        assert_eq!(till.ask(&command), Err(Refusal::PaymentNotFound), "{command:?}");
        assert_eq!(*till.simulator(), Simulator::default(), "{command:?}");
    }
    assert_eq!(till.ask(&Command::Tick), Ok(None));
    assert_eq!((till.next_deadline(), till.due_webhook(OPENED)), (None, None));
    assert_eq!(till.commits(), 0);
    // Nor beside others, nor for another attempt or another event.
    till.ask(&instruct(8, Instruction::Open(terms_of(8, Scenario::Approve)))).unwrap();
    let saved = till.saved();
    let another = [
        intent_id(7),
        PaymentIntentId { attempt: 1, ..intent_id(8) },
        PaymentIntentId { event_id: EventId::parse("evt_2").unwrap(), ..intent_id(8) },
    ];
    for intent in another {
        assert_eq!(till.ask(&Command::Instruct { intent, instruction: capture() }), Err(Refusal::PaymentNotFound));
    }
    assert_eq!(till.saved(), saved);
}

#[test]
fn opening_again_changes_nothing_and_never_the_amount() {
    let mut till = Till::at(Status::Approved);
    let before = (till.saved(), till.row(7));
    till.instruct(Instruction::Open(terms(Scenario::Approve)));
    assert_eq!((till.saved(), till.row(7)), before);
    let dearer = Terms { amount: 120_001, ..terms(Scenario::Approve) };
    assert_eq!(till.ask(&instruct(7, Instruction::Open(dearer))), Err(Refusal::PaymentConflict));
    assert_eq!((till.saved(), till.row(7)), before);
}

#[test]
fn an_intent_pays_for_its_own_reservation() {
    let foreign = Terms { reservation_id: intent_id(8).reservation_id(), ..terms(Scenario::Approve) };
    let mut till = Till::new();
    let refusal = till.ask(&instruct(7, Instruction::Open(foreign))).unwrap_err();
    assert_eq!((refusal.code(), till.saved()), ("INVALID_REQUEST", 0));
    // Nor is another one opened in its name: of that one, which may be settled, nothing was looked up.
    till.instruct(Instruction::Open(terms(Scenario::Approve)));
    till.instruct(Instruction::Cancel);
    till.engine.forget();
    let saved = till.saved();
    let refusal = till.ask(&instruct(8, Instruction::Open(terms(Scenario::Approve)))).unwrap_err();
    assert_eq!((refusal.code(), till.saved()), ("INVALID_REQUEST", saved));
}

#[test]
fn it_is_seen_and_decided_by_its_owner_alone() {
    let mut till = Till::open(Scenario::Approve);
    let stranger = UserId::parse("u-2").unwrap();
    let (intent, action) = (intent_id(7), Action::Approve);
    let idempotency = Idempotency { scope: Hash128(1), fingerprint: Hash128(2), ttl_ms: 300_000 };
    assert_eq!(till.look(7, stranger.clone()), Err(Refusal::Forbidden));
    let command = Command::Decide { intent: intent.clone(), user: stranger.clone(), action };
    assert_eq!(till.ask(&command), Err(Refusal::Forbidden));
    assert_eq!(till.ask(&Command::Settle { intent, user: stranger, idempotency }), Err(Refusal::Forbidden));
    assert_eq!(till.status(), Status::Pending);
}

#[test]
fn the_provider_decides_after_its_delay_and_not_before() {
    for (scenario, decided) in
        [(Scenario::Approve, Status::Authorized), (Scenario::Delay, Status::Authorized), (Scenario::Fail, Status::Failed)]
    {
        let mut till = Till::open(scenario);
        assert_eq!(till.next_deadline(), Some(OPENED.plus_ms(DELAY_MS)));
        till.wait_until(OPENED.plus_ms(DELAY_MS - 1));
        assert_eq!(till.status(), Status::Pending);
        till.wait_until(OPENED.plus_ms(DELAY_MS));
        assert_eq!(till.status(), decided);
        assert_eq!(till.next_deadline(), None);
    }
}

#[test]
fn an_approval_may_come_after_the_hold() {
    let late = Terms { hold_expires_at: OPENED.plus_ms(1), ..terms(Scenario::Delay) };
    let mut till = Till::new();
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
    assert_eq!((till.next_deadline(), till.next_webhook_at()), (None, None));
}

#[test]
fn an_overdue_decision_comes_before_the_command_that_found_it() {
    let mut till = Till::open(Scenario::Timeout);
    till.now = HOLD_ENDS;
    till.instruct(Instruction::Cancel);
    assert_eq!((till.status(), till.money()), (Status::Expired, (0, 0)));
}

#[test]
fn seats_sold_on_a_word_from_elsewhere_are_paid_after_the_intent_ended_by_itself() {
    for ended in [Status::Expired, Status::Failed] {
        let mut till = Till::at(ended);
        till.instruct(capture());
        assert_eq!((till.status(), till.reply().failure_reason), (Status::Approved, None));
        assert_eq!(till.money(), (till.reply().amount, 0));
        assert_eq!(till.next_webhook_at(), None, "who captures knows");
    }
}

#[test]
fn random_follows_the_rate_and_is_the_same_every_time() {
    let decided = |key: u128, approve_permille: u32| {
        let intent_id = intent_id(key);
        let plan = Plan { scenario: Scenario::Random, delay_ms: 0, approve_permille };
        let terms = Terms { reservation_id: intent_id.reservation_id(), intent_id, plan, ..terms(Scenario::Random) };
        let mut till = Till::new();
        till.ask(&instruct(key, Instruction::Open(terms))).unwrap();
        till.wait_until(OPENED);
        till.look(key, owner()).unwrap().status
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
    let webhook = till.due_webhook(till.now).unwrap();
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
    let body = till.due_webhook(till.now).unwrap().body;
    assert_eq!((body.kind, body.data.failure_reason.as_deref()), (WebhookType::Failed, Some("card_declined")));
    assert_eq!(till.reply().failure_reason.as_deref(), Some("card_declined"));
}

#[test]
fn a_webhook_is_tried_at_once_and_five_times_more_with_the_same_id_and_body() {
    assert_eq!(RETRY.pauses_ms.len(), 5);
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    let first = till.try_webhook(false).unwrap();
    for (attempt, pause_ms) in (2..).zip(RETRY.pauses_ms.iter().copied()) {
        let due_at = till.next_webhook_at().unwrap();
        let waited_ms = due_at.since_ms(till.now);
        assert!((pause_ms..pause_ms + pause_ms / 4).contains(&waited_ms), "{waited_ms} after {pause_ms}");
        assert_eq!(till.due_webhook(Millis(due_at.0 - 1)), None);
        till.now = due_at;
        let again = till.try_webhook(false).unwrap();
        assert_eq!((again.id, again.body, again.attempt), (first.id.clone(), first.body.clone(), attempt));
    }
    assert_eq!((till.next_webhook_at(), till.status()), (None, Status::Authorized));
}

#[test]
fn a_received_webhook_is_not_sent_again() {
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    till.try_webhook(true).unwrap();
    assert_eq!(till.next_webhook_at(), None);
}

#[test]
fn the_result_of_an_older_try_changes_nothing() {
    let mut till = Till::open(Scenario::Approve);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    till.try_webhook(false).unwrap();
    let before = (till.saved(), till.row(7), till.report_of(7));
    for told in [Some(Status::Approved), None] {
        till.reported(7, 1, told);
        assert_eq!((till.saved(), till.row(7), till.report_of(7)), before);
    }
}

#[test]
fn the_inventory_may_capture_while_the_webhook_is_out() {
    let mut till = Till::open(Scenario::Approve);
    till.process(Action::Approve);
    let webhook = till.due_webhook(till.now).unwrap();
    till.instruct(capture());
    till.reported(7, webhook.attempt, Some(Status::Approved));
    assert_eq!((till.reply().order_id, till.status()), (Some(order()), Status::Approved));
    assert_eq!((till.next_deadline(), till.next_webhook_at()), (None, None));
}

#[test]
fn an_approval_that_was_given_back_is_no_longer_reported() {
    let mut till = Till::open(Scenario::Approve);
    till.process(Action::Approve);
    till.instruct(void());
    assert_eq!((till.status(), till.next_webhook_at(), till.money()), (Status::Refunded, None, (0, 0)));
    assert_eq!(till.reply().failure_reason.as_deref(), Some("seats_taken"));
}

#[test]
fn what_was_decided_elsewhere_is_not_reported() {
    for instruction in [capture(), fail(), Instruction::Cancel] {
        let mut till = Till::open(Scenario::Approve);
        till.instruct(instruction);
        till.wait_until(HOLD_ENDS);
        assert_eq!((till.next_deadline(), till.next_webhook_at()), (None, None));
    }
}

#[test]
fn a_refund_that_overtakes_its_capture_leaves_no_charge() {
    let mut till = Till::at(Status::Authorized);
    till.instruct(Instruction::Refund);
    till.instruct(capture());
    assert_eq!((till.status(), till.money()), (Status::Refunded, (0, 0)));
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
    let told = prop::option::of(prop::sample::select(&Status::ALL[..]));
    let intent = || intent_id(7);
    prop_oneof![
        Just(instruct(7, Instruction::Open(terms(Scenario::Approve)))),
        Just(instruct(7, capture())),
        Just(instruct(7, void())),
        Just(instruct(7, Instruction::Refund)),
        Just(instruct(7, Instruction::Cancel)),
        Just(instruct(7, fail())),
        action.prop_map(move |action| Command::Decide { intent: intent(), user: owner(), action }),
        (1..8u32, told).prop_map(move |(attempt, told)| Command::Reported { intent: intent(), attempt, told }),
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

/// The same command about another intent.
fn about(key: u128, command: Command) -> Command {
    let intent = intent_id(key);
    match command {
        Command::Instruct { instruction: Instruction::Open(terms), .. } => {
            let terms = Terms { reservation_id: intent.reservation_id(), intent_id: intent.clone(), ..terms };
            Command::Instruct { intent, instruction: Instruction::Open(terms) }
        }
        Command::Instruct { instruction, .. } => Command::Instruct { intent, instruction },
        Command::Decide { user, action, .. } => Command::Decide { intent, user, action },
        Command::Reported { attempt, told, .. } => Command::Reported { intent, attempt, told },
        other => other,
    }
}

proptest! {
    #[test]
    fn money_is_conserved_and_what_is_final_stays_unless_captured(
        scenario in any_scenario(),
        steps in prop::collection::vec((any_command(), 0..20_000u64), 0..40),
    ) {
        let mut till = Till::open(scenario);
        for (command, pause_ms) in steps {
            // What is due by itself is not the command's doing.
            till.wait_until(till.now.plus_ms(pause_ms));
            let (before, reply) = (till.row(7), till.reply());
            let _ = till.ask(&command);
            let after = till.row(7);
            let (captured, refunded) = after.money();
            prop_assert!(captured - refunded == 0 || captured - refunded == after.terms.amount);
            prop_assert!(captured >= before.money().0 && refunded >= before.money().1, "money never comes back by itself");
            prop_assert_eq!(captured > refunded, after.status() == Status::Approved);
            prop_assert_eq!(&after.terms, &before.terms);
            let captures = matches!(command, Command::Instruct { instruction: Instruction::Capture { .. }, .. });
            let ended_by_itself = matches!(before.status(), Status::Failed | Status::Expired);
            if before.status().is_final() && !(captures && ended_by_itself) {
                prop_assert_eq!(till.reply(), reply);
            }
        }
        let mut replayed = Simulator::default();
        till.engine.store().0.borrow().journal.iter().for_each(|change| replayed.apply(change));
        prop_assert_eq!(replayed.effects(), till.simulator().effects());
        prop_assert_eq!(replayed.next_deadline(), till.next_deadline());
    }

    #[test]
    fn a_payment_that_is_left_alone_comes_to_rest(scenario in any_scenario(), results in prop::collection::vec(any::<bool>(), 8)) {
        let mut till = Till::open(scenario);
        let mut results = results.into_iter();
        loop {
            while till.due_webhook(till.now).is_some() {
                till.try_webhook(results.next().unwrap());
            }
            let now = till.now;
            let Some(at) = till.simulator().wakes_at(now) else { break };
            till.wait_until(at.max(now));
        }
        prop_assert!(till.status() == Status::Authorized || till.status().is_final());
        prop_assert!(till.now <= HOLD_ENDS);
    }

    #[test]
    fn intents_do_not_touch_each_other_and_losing_memory_changes_nothing(
        scenarios in prop::collection::vec(any_scenario(), 3),
        steps in prop::collection::vec((0..3_usize, any_command(), 0..5_000u64, any::<bool>()), 0..40),
    ) {
        let opened = |keys: std::ops::Range<usize>| {
            let mut till = Till::new();
            for key in keys {
                till.ask(&instruct(key as u128, Instruction::Open(terms_of(key as u128, scenarios[key])))).unwrap();
            }
            till
        };
        // All of them in one object that keeps its memory, in one that loses it, and each in one of its own.
        let (mut kept, mut lost) = (opened(0..3), opened(0..3));
        let mut alone = [opened(0..1), opened(1..2), opened(2..3)];
        for (key, command, pause_ms, forgets) in steps {
            let command = about(key as u128, command);
            let now = kept.now.plus_ms(pause_ms);
            [&mut kept, &mut lost].into_iter().chain(&mut alone).for_each(|till| till.wait_until(now));
            if forgets {
                lost.engine.forget();
            }
            let answer = kept.ask(&command);
            prop_assert_eq!(&lost.ask(&command), &answer);
            prop_assert_eq!(&alone[key].ask(&command), &answer);
            for (key, alone) in alone.iter_mut().enumerate() {
                let key = key as u128;
                let report = |pending: Option<Pending<Effect>>| pending.map(|pending| (pending.attempt, pending.due_at, pending.effect));
                // Which number it has is up to the others.
                let stands = |till: &mut Till| {
                    let mut row = till.row(key);
                    row.number = 0;
                    (row, report(till.report_of(key)))
                };
                prop_assert_eq!(stands(&mut kept), stands(alone));
                prop_assert_eq!(stands(&mut lost), stands(alone));
            }
            let deadline = alone.iter_mut().filter_map(Till::next_deadline).min();
            prop_assert_eq!((kept.next_deadline(), lost.next_deadline()), (deadline, deadline));
        }
    }
}

/// Opens the intents of these keys in one call, by traces that count from 1.
fn opened_together(keys: &[u128], scenario: Scenario) -> Till {
    let mut till = Till::new();
    let commands: Vec<Command> = keys.iter().map(|key| instruct(*key, Instruction::Open(terms_of(*key, scenario)))).collect();
    let outcomes = till.engine.execute_all(commands.iter().zip((1..).map(TraceId)), OPENED).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome.answer, Answer::Granted { replayed: false, .. })));
    till
}

#[test]
fn intents_share_a_commit_when_they_are_told_something_and_when_they_are_due() {
    let mut till = opened_together(&[7, 8], Scenario::Approve);
    let before = till.commits();
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    assert_eq!((till.commits(), till.saved()), (before + 1, 4));
    assert!([7, 8].iter().all(|key| till.row(*key).status() == Status::Authorized));
    let commands = [instruct(7, capture()), instruct(8, void()), instruct(9, void())];
    let outcomes = till.engine.execute_all(commands.iter().map(|command| (command, TraceId::NONE)), till.now).unwrap();
    assert_eq!((till.commits(), till.saved()), (before + 2, 6));
    assert_eq!((till.row(7).status(), till.row(8).status()), (Status::Approved, Status::Refunded));
    assert_eq!(outcomes[2].answer, Answer::Refused(Refusal::PaymentNotFound), "one that is refused holds nobody up");
}

#[test]
fn a_commit_that_fails_moves_none_of_its_intents() {
    let mut till = opened_together(&[7, 8], Scenario::Approve);
    let rows = |till: &Till| (till.row(7), till.row(8), till.saved());
    let before = rows(&till);
    till.engine.store().0.borrow_mut().broken = true;
    let commands = [instruct(7, capture()), instruct(8, Instruction::Cancel)];
    let each = || commands.iter().map(|command| (command, TraceId::NONE));
    assert!(till.engine.execute_all(each(), OPENED).is_err());
    assert_eq!(rows(&till), before);
    assert_eq!((till.status(), till.next_deadline()), (Status::Pending, Some(OPENED.plus_ms(DELAY_MS))), "nor in memory");
    till.engine.execute_all(each(), OPENED).unwrap();
    assert_eq!((till.row(7).status(), till.row(8).status()), (Status::Approved, Status::Cancelled));
}

#[test]
fn a_report_that_fails_holds_up_no_other_intents() {
    let mut till = opened_together(&[7, 8], Scenario::Approve);
    let now = OPENED.plus_ms(DELAY_MS);
    till.wait_until(now);
    till.reported(7, 1, None);
    assert_eq!(till.due_webhook_of(7, now), None);
    let webhook = till.due_webhook_of(8, now).unwrap();
    let later = RETRY.after(1, &format!("msg_{}", intent_id(7)), now).unwrap();
    assert_eq!(till.simulator().wakes_at(now), Some(later));
    till.reported(8, webhook.attempt, taken(&webhook));
    assert_eq!((till.report_of(8), till.simulator().effects().len()), (None, 1));
    till.wait_until(later);
    assert_eq!(till.due_webhook(later).map(|webhook| webhook.attempt), Some(2));
}

#[test]
fn reports_and_deadlines_are_there_again_after_a_restart() {
    let mut till = opened_together(&[7, 8, 9], Scenario::Approve);
    till.ask(&Command::Decide { intent: intent_id(7), user: owner(), action: Action::Approve }).unwrap();
    till.reported(7, 1, None);
    till.ask(&Command::Decide { intent: intent_id(8), user: owner(), action: Action::Fail }).unwrap();
    let reports = |till: &mut Till| {
        [7, 8, 9].map(|key| till.report_of(key).map(|pending| (pending.attempt, pending.due_at, pending.trace, pending.effect)))
    };
    let before = (reports(&mut till), till.next_deadline());
    let retried_at = RETRY.after(1, &format!("msg_{}", intent_id(7)), OPENED).unwrap();
    let told =
        |report: &Option<(u32, Millis, TraceId, Effect)>| report.as_ref().map(|(attempt, at, trace, _)| (*attempt, *at, *trace));
    assert_eq!(before.0.each_ref().map(told), [Some((1, retried_at, TraceId(1))), Some((0, OPENED, TraceId(2))), None]);
    assert_eq!(before.1, Some(OPENED.plus_ms(DELAY_MS)), "of the one that is undecided");
    till.engine.forget();
    assert_eq!((reports(&mut till), till.next_deadline()), before);
    till.wait_until(OPENED.plus_ms(DELAY_MS));
    assert_eq!(till.row(9).status(), Status::Authorized);
    assert_eq!(till.report_of(9).map(|pending| pending.trace), Some(TraceId(3)));
}

#[test]
fn a_settled_intent_leaves_memory_and_comes_back_for_whoever_asks() {
    let mut till = opened_together(&[7, 8, 9], Scenario::Approve);
    let in_memory = |till: &mut Till| [7, 8, 9].map(|key| till.simulator().find(&intent_id(key)).is_some());
    till.instruct(Instruction::Cancel);
    till.ask(&instruct(8, capture())).unwrap();
    assert_eq!(in_memory(&mut till), [true; 3], "those that settled a moment ago are still at hand");
    till.engine.forget();
    assert_eq!(in_memory(&mut till), [false, false, true]);
    let saved = till.saved();
    assert_eq!(
        (till.look(7, owner()).unwrap().status, till.look(8, owner()).unwrap().status),
        (Status::Cancelled, Status::Approved)
    );
    assert_eq!(till.look(7, UserId::parse("u-2").unwrap()), Err(Refusal::Forbidden));
    assert_eq!(
        till.ask(&instruct(7, Instruction::Open(terms_of(7, Scenario::Fail)))),
        Err(Refusal::PaymentConflict),
        "never twice"
    );
    assert_eq!(till.saved(), saved, "looking changes nothing");
    till.ask(&instruct(8, Instruction::Refund)).unwrap();
    assert_eq!(till.row(8).money(), (120_000, 120_000));
    assert_eq!(till.saved(), saved + 1);
    assert!(in_memory(&mut till)[2], "the one that is undecided never leaves");
}

#[test]
fn what_happens_to_a_settled_intent_leaves_the_report_of_one_that_got_its_number_alone() {
    let mut till = opened_together(&[7], Scenario::Approve);
    till.ask(&instruct(7, capture())).unwrap();
    till.engine.forget();
    till.ask(&instruct(8, Instruction::Open(terms_of(8, Scenario::Approve)))).unwrap();
    assert_eq!(till.row(7).number, till.row(8).number, "only those that are not settled are known after a restart");
    till.ask(&Command::Decide { intent: intent_id(8), user: owner(), action: Action::Approve }).unwrap();
    till.ask(&instruct(7, Instruction::Refund)).unwrap();
    assert!(till.report_of(8).is_some());
}

#[test]
fn an_authorised_intent_that_was_reported_stays_until_it_is_captured() {
    let mut till = Till::at(Status::Authorized);
    assert_eq!(till.simulator().effects().len(), 0);
    till.engine.forget();
    assert!(till.simulator().find(&intent_id(7)).is_some());
    till.instruct(capture());
    till.engine.forget();
    assert!(till.simulator().find(&intent_id(7)).is_none());
}

#[test]
fn what_is_authorised_is_shown_as_whoever_heard_of_it_sees_it() {
    for (told, shown) in [
        (Some(Status::Approved), Status::Approved),
        (Some(Status::Refunded), Status::Refunded),
        (Some(Status::Authorized), Status::Authorized),
        (None, Status::Authorized),
    ] {
        let mut till = Till::open(Scenario::Approve);
        till.process(Action::Approve);
        till.reported(7, 1, told);
        till.engine.forget();
        assert_eq!((till.status(), till.row(7).status(), till.money()), (shown, Status::Authorized, (0, 0)), "told {told:?}");
        till.instruct(if told == Some(Status::Refunded) { void() } else { capture() });
        assert_eq!(till.status(), if told == Some(Status::Refunded) { Status::Refunded } else { Status::Approved });
    }
}

#[test]
fn a_client_gets_the_answer_that_was_recorded_for_it() {
    let mut till = Till::open(Scenario::Approve);
    let idempotency = Idempotency { scope: Hash128(1), fingerprint: Hash128(2), ttl_ms: 300_000 };
    let settle = Command::Settle { intent: intent_id(7), user: owner(), idempotency };
    till.process(Action::Approve);
    let first = till.ask(&settle).unwrap();
    assert_eq!(first.as_ref().map(|reply| reply.status), Some(Status::Authorized));
    till.instruct(capture());
    till.engine.forget();
    assert_eq!(till.ask(&settle), Ok(first));
    assert_eq!(till.status(), Status::Approved);
}

#[test]
fn a_report_belongs_to_the_request_that_opened_its_intent() {
    let mut till = Till::new();
    let open = instruct(7, Instruction::Open(terms(Scenario::Approve)));
    till.engine.execute(&open, Context { now: OPENED, trace: TraceId(5) }).unwrap();
    till.engine.execute(&open, Context { now: OPENED, trace: TraceId(6) }).unwrap();
    let (intent, user, action) = (intent_id(7), owner(), Action::Approve);
    till.engine.execute(&Command::Decide { intent, user, action }, Context { now: OPENED, trace: TraceId(7) }).unwrap();
    assert_eq!(till.report_of(7).map(|pending| pending.trace), Some(TraceId(5)));
    till.reported(7, 1, None);
    till.engine.forget();
    assert_eq!(till.report_of(7).map(|pending| pending.trace), Some(TraceId(5)));
}

#[test]
fn who_has_a_payment_decided_is_told_which_report_to_wait_for() {
    let mut till = Till::open(Scenario::Approve);
    let mut effects = |command: &Command| {
        let outcomes = till.engine.execute_all([(command, TraceId::NONE)], OPENED).unwrap();
        outcomes.into_iter().next().unwrap().effects
    };
    let decide = Command::Decide { intent: intent_id(7), user: owner(), action: Action::Approve };
    let created = effects(&decide);
    assert_eq!(created.len(), 1);
    assert_eq!(effects(&decide), created, "it was decided before, and is not reported yet");
    assert!(effects(&Command::Reported { intent: intent_id(7), attempt: 1, told: None }).is_empty(), "it is only tried again");
    assert!(effects(&instruct(7, capture())).is_empty(), "it was owed before");
    assert_eq!(till.report_of(7).map(|pending| pending.id), created.first().copied());
}

#[test]
fn what_shared_a_commit_with_an_unreadable_row_is_in_memory_only_as_it_is_in_the_rows() {
    let mut till = Till::new();
    till.ask(&instruct(7, Instruction::Open(terms_of(7, Scenario::Approve)))).unwrap();
    till.engine.store().0.borrow_mut().unreadable = true;
    let commands = [instruct(7, Instruction::Cancel), instruct(9, void())];
    let group = commands.iter().map(|command| (command, TraceId::NONE));
    assert!(till.engine.execute_all(group, OPENED).is_err());
    assert_eq!(till.row(7).status(), Status::Pending);
    till.ask(&instruct(7, Instruction::Cancel)).unwrap();
    assert_eq!(till.row(7).status(), Status::Cancelled);
}

proptest! {
    #[test]
    fn intents_that_share_a_commit_are_as_if_each_command_had_its_own(
        scenarios in prop::collection::vec(any_scenario(), 3),
        steps in prop::collection::vec((0..3_usize, any_command(), any::<bool>()), 0..60),
        pause_ms in 0..5000_u64,
    ) {
        let opened = || {
            let mut till = Till::new();
            for (key, scenario) in (0..).zip(&scenarios) {
                till.ask(&instruct(key, Instruction::Open(terms_of(key, *scenario)))).unwrap();
            }
            till.now = till.now.plus_ms(pause_ms);
            till
        };
        let (mut alone, mut together) = (opened(), opened());
        let commands: Vec<_> = steps.into_iter().map(|(key, command, settles)| if settles {
            let idempotency = Idempotency { scope: Hash128(key as u128 + 1), fingerprint: Hash128(1), ttl_ms: 100_000 };
            Command::Settle { intent: intent_id(key as u128), user: owner(), idempotency }
        } else {
            about(key as u128, command)
        }).collect();
        let now = alone.now;
        let each = commands.iter().map(|command| (command, TraceId::NONE));
        let one_by_one: Vec<_> = each.clone().flat_map(|command| alone.engine.execute_all([command], now).unwrap()).collect();
        prop_assert_eq!(one_by_one, together.engine.execute_all(each, now).unwrap());
        for key in 0..3 {
            prop_assert_eq!(alone.row(key), together.row(key));
        }
    }
}
