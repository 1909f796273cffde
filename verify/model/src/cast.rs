//! The objects of a sale and the witness, by number: what each of them does when it is asked, computed once.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use domain::{
    event::{Event, EventBody},
    hash::Hash128,
    id::{EventId, OrderId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    idempotency::Idempotency,
    invariants::Witness,
    inventory::{Admission, Change as InventoryChange, Command as InventoryCommand, Wish, errand::Duty},
    machine::Machine,
    money::{Amount, Currency},
    payment::{
        Action, Change as PaymentChange, Command as PaymentCommand, Instruction, Outcome as Word, Plan, StatusReply, WebhookType,
    },
    time::Millis,
};
use protocol::ask::Object as Address;
use simulation::rows::{InventoryRows, PaymentRows, Rows};

use crate::{
    object::{Fault, Outcome, Shelf, StorageFlaw, text_digest},
    scenario::{Flaw, HOLD_SEC, Scenario},
    search::Broken,
    step::{Buyer, Request, Slot},
};

/// When the sale opens.
const START: Millis = Millis(1_795_262_400_000);
/// What the seat costs.
const PRICE: Amount = 100;
/// How long keys and webhook ids are known: beyond the last instant of every scenario.
const KEY_TTL_MS: u64 = 3_600_000;
/// Time between the instants behind a scenario's last one, in seconds: no intent takes longer to decide.
const LATER_SEC: u64 = 120;
/// How long admissions last, in seconds: beyond the last instant of every scenario.
const ADMISSION_SEC: u64 = 3600;

/// What the inventory is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InventoryAsk {
    /// By a buyer.
    Request(Request),
    /// By a provider: an intent, and which word.
    Decided(Slot, u8),
    /// These errands are done, a bit each.
    Done(u32),
    /// These failed.
    Failed(u32),
    /// The outbox was taken up to here.
    Sent(u64),
    /// What is due.
    Due,
}

/// What a payment is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PaymentAsk {
    /// To carry out the instruction of an errand.
    Instruct(u8),
    /// To approve or decline now.
    Decide(bool),
    /// To note how try number so was answered.
    Result(u32, bool),
    /// To capture, by nobody who may.
    Capture,
    /// What is due.
    Due,
}

/// What the actor around an inventory sees of it.
#[derive(Clone, Debug)]
pub struct InventoryFacts {
    /// Errands in order: their number here, their id, how often they failed.
    pub errands: Vec<(u8, u64, u32)>,
    /// When a hold ends.
    pub deadline: Option<Millis>,
    /// The last notification, where the outbox is not empty.
    pub unsent: Option<u64>,
    /// The id of the next errand.
    pub next_errand: u64,
}

/// What the actor around a payment sees of it.
#[derive(Clone, Debug)]
pub struct PaymentFacts {
    /// When it decides by itself.
    pub deadline: Option<Millis>,
    /// The webhook that is to be sent: which try, and which word.
    pub report: Option<(u32, u8)>,
    /// How it stands, once opened.
    pub status: Option<StatusReply>,
}

type InventoryOutcome = Rc<Outcome<InventoryChange>>;
type PaymentOutcome = Rc<Outcome<PaymentChange>>;
type InventoryCall = (u32, InventoryAsk, u8, Option<Fault>);
type PaymentCall = (u32, Slot, PaymentAsk, u8, Option<Fault>);
type Memo<K, V> = BTreeMap<K, Result<V, Broken>>;

/// Everybody, with all they ever did.
pub struct Cast {
    event_id: EventId,
    attempts: u8,
    plans: Vec<Plan>,
    instants: Vec<Millis>,
    inventories: Shelf<InventoryRows>,
    payments: Shelf<PaymentRows>,
    witnesses: Vec<Rc<Witness>>,
    witness_numbers: BTreeMap<u128, u32>,
    inventory_facts: BTreeMap<u32, Rc<InventoryFacts>>,
    payment_facts: BTreeMap<(u32, Slot), Rc<PaymentFacts>>,
    inventory_calls: Memo<InventoryCall, (u32, InventoryOutcome)>,
    payment_calls: Memo<PaymentCall, (u32, PaymentOutcome)>,
    inventory_testimony: Memo<(u32, u32), u32>,
    payment_testimony: Memo<(u32, Slot, u32), u32>,
    forgotten: Memo<u32, u32>,
    maps_checked: BTreeSet<(u32, u32)>,
    errands: Vec<(u64, Duty)>,
    words: Vec<Word>,
    bodies: BTreeMap<Vec<u8>, u16>,
    outcomes: u32,
}

impl Cast {
    /// Everybody of a scenario, before the event is known.
    pub fn new(scenario: &Scenario) -> Self {
        let flaw = StorageFlaw {
            drops_records: scenario.flaw == Flaw::RecordsAreDropped,
            drops_commits: scenario.flaw == Flaw::CommitsAreDropped,
        };
        let witness = Witness::default();
        Self {
            event_id: EventId::parse("evt_1").expect("it is one"),
            attempts: scenario.attempts,
            plans: scenario.plans.clone(),
            instants: scenario.instants_sec.iter().map(|sec| START.plus_sec(*sec)).collect(),
            inventories: Shelf::new(flaw),
            payments: Shelf::new(StorageFlaw::default()),
            witness_numbers: BTreeMap::from([(text_digest(&witness), 0)]),
            witnesses: vec![Rc::new(witness)],
            inventory_facts: BTreeMap::new(),
            payment_facts: BTreeMap::new(),
            inventory_calls: BTreeMap::new(),
            payment_calls: BTreeMap::new(),
            inventory_testimony: BTreeMap::new(),
            payment_testimony: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            maps_checked: BTreeSet::new(),
            errands: vec![],
            words: vec![],
            bodies: BTreeMap::new(),
            outcomes: 0,
        }
    }

    /// Tells the inventory about the event; its number and the witness's afterwards.
    ///
    /// # Errors
    /// It breaks a promise.
    pub fn configured(&mut self) -> Result<(u32, u32), Broken> {
        let command = InventoryCommand::Configure(Box::new(self.event()));
        let outcome = self.inventories.call(0, Some(&command), START, None)?;
        let mut witness = Witness::default();
        for commit in &outcome.commits {
            witness.inventory_saved(commit, START).map_err(|violation| Broken(violation.to_string()))?;
        }
        Ok((outcome.object, self.witness_number(witness)))
    }

    fn event(&self) -> Event {
        let body = format!(
            r#"{{"name":"N","hold_ttl_sec":{HOLD_SEC},"sections":[{{"id":"A","price":{PRICE},"rows":[{{"id":"1","count":1}}]}}]}}"#
        );
        let body: EventBody = serde_json::from_str(&body).expect("it is an event");
        body.complete(self.event_id.clone(), 1, START).expect("it keeps to the rules")
    }

    /// Different states of the inventory, of the payments and of the witness, and calls that the engine carried out.
    pub fn sizes(&self) -> [usize; 4] {
        let calls = self.inventory_calls.len() + self.payment_calls.len();
        [self.inventories.size(), self.payments.size(), self.witnesses.len(), calls]
    }

    /// The instant with this number. Behind the scenario's last one there are more, for intents that were opened late.
    pub fn now(&self, instant: u8) -> Millis {
        let at = usize::from(instant);
        let last = self.instants.len() - 1;
        let more = at.saturating_sub(last) as u64;
        self.instants[at.min(last)].plus_sec(more * LATER_SEC)
    }

    /// The same in seconds since the sale opened.
    pub fn now_sec(&self, instant: u8) -> u64 {
        self.now(instant).since_ms(START) / 1000
    }

    /// Whose intent it is.
    pub const fn buyer(&self, slot: Slot) -> Buyer {
        slot / self.attempts
    }

    /// The reservation that a buyer's hold makes.
    pub fn key(buyer: Buyer, again: bool) -> ReservationKey {
        ReservationKey(1 + 2 * u128::from(buyer) + u128::from(again))
    }

    fn user(buyer: Buyer) -> UserId {
        UserId(format!("user-{buyer}").into())
    }

    fn intent(&self, slot: Slot) -> PaymentIntentId {
        let key = Self::key(self.buyer(slot), false);
        PaymentIntentId { event_id: self.event_id.clone(), key, attempt: slot % self.attempts }
    }

    /// The errand with this number.
    pub fn errand(&self, number: u8) -> &(u64, Duty) {
        &self.errands[usize::from(number)]
    }

    /// The intent that an errand is about; none where it is about the queue.
    pub fn slot_of(&self, number: u8) -> Option<Slot> {
        match &self.errand(number).1 {
            Duty::Pay { intent, .. } => {
                let buyer = u8::try_from((intent.key.0 - 1) / 2).expect("there are few buyers");
                Some(buyer * self.attempts + intent.attempt)
            }
            Duty::EndAdmission { .. } => None,
        }
    }

    /// A number for an answer's body, from 1.
    pub fn body(&mut self, body: &[u8]) -> u16 {
        let next = u16::try_from(self.bodies.len() + 1).expect("there are few different answers");
        *self.bodies.entry(body.to_vec()).or_insert(next)
    }

    /// The witness with this number.
    pub fn witness(&self, number: u32) -> &Witness {
        &self.witnesses[number as usize]
    }

    fn witness_number(&mut self, witness: Witness) -> u32 {
        let next = u32::try_from(self.witnesses.len()).expect("memory ends first");
        let number = *self.witness_numbers.entry(text_digest(&witness)).or_insert(next);
        if number == next {
            self.witnesses.push(Rc::new(witness));
        }
        number
    }

    /// What the inventory with this number shows.
    pub fn inventory(&mut self, number: u32) -> Rc<InventoryFacts> {
        if let Some(facts) = self.inventory_facts.get(&number) {
            return Rc::clone(facts);
        }
        let live = &self.inventories.get(number).live;
        let (sent, sequence) = live.outbox();
        let errands: Vec<_> = live.errands().map(|errand| (errand.id, errand.duty.clone(), errand.tries)).collect();
        let (deadline, next_errand) = (live.next_deadline(), live.next_errand());
        let number_of = |(id, duty, tries): (u64, Duty, u32)| (self.errand_number(id, duty), id, tries);
        let facts = InventoryFacts {
            errands: errands.into_iter().map(number_of).collect(),
            deadline,
            unsent: (sent < sequence).then_some(sequence),
            next_errand,
        };
        Rc::clone(self.inventory_facts.entry(number).or_insert_with(|| Rc::new(facts)))
    }

    fn errand_number(&mut self, id: u64, duty: Duty) -> u8 {
        let known = self.errands.iter().position(|errand| *errand == (id, duty.clone()));
        let number = known.unwrap_or_else(|| {
            self.errands.push((id, duty));
            self.errands.len() - 1
        });
        u8::try_from(number).expect("there are few different errands")
    }

    /// What the payment with this number shows.
    pub fn payment(&mut self, number: u32, slot: Slot) -> Rc<PaymentFacts> {
        if let Some(facts) = self.payment_facts.get(&(number, slot)) {
            return Rc::clone(facts);
        }
        let live = self.payments.get(number).live.clone();
        let report = live.next_webhook_at().and_then(|at| live.due_webhook(at)).map(|webhook| {
            let word = match webhook.body.kind {
                WebhookType::Approved => Word::Approved,
                WebhookType::Failed => Word::Failed { reason: webhook.body.data.failure_reason.unwrap_or_default() },
            };
            (webhook.attempt, self.word(word))
        });
        let status = live.status(&Self::user(self.buyer(slot))).ok();
        let facts = PaymentFacts { deadline: live.next_deadline(), report, status };
        Rc::clone(self.payment_facts.entry((number, slot)).or_insert_with(|| Rc::new(facts)))
    }

    fn word(&mut self, word: Word) -> u8 {
        let known = self.words.iter().position(|known| *known == word);
        let number = known.unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        });
        u8::try_from(number).expect("there are few different words")
    }

    /// Asks the inventory; what it came to, and the witness afterwards.
    ///
    /// # Errors
    /// It breaks a promise.
    pub fn ask_inventory(
        &mut self,
        (object, witness): (u32, u32),
        ask: InventoryAsk,
        instant: u8,
        fault: Option<Fault>,
    ) -> Result<(InventoryOutcome, u32), Broken> {
        let key = (object, ask, instant, fault);
        if !self.inventory_calls.contains_key(&key) {
            let command = self.inventory_command(ask);
            let outcome = self.inventories.call(object, command.as_ref(), self.now(instant), fault);
            let number = self.next_outcome();
            self.inventory_calls.insert(key, outcome.map(|outcome| (number, Rc::new(outcome))));
        }
        let (number, outcome) = self.inventory_calls[&key].clone()?;
        let witness = match self.inventory_testimony.get(&(witness, number)) {
            Some(known) => known.clone(),
            None => {
                let after = self.testify::<InventoryRows>(witness, &Address::Inventory(self.event_id.clone()), &outcome);
                self.inventory_testimony.insert((witness, number), after.clone());
                after
            }
        }?;
        self.check_map(witness, outcome.object)?;
        Ok((outcome, witness))
    }

    /// Asks a payment; what it came to, and the witness afterwards.
    ///
    /// # Errors
    /// It breaks a promise.
    pub fn ask_payment(
        &mut self,
        (object, slot, witness): (u32, Slot, u32),
        ask: PaymentAsk,
        instant: u8,
        fault: Option<Fault>,
    ) -> Result<(PaymentOutcome, u32), Broken> {
        let key = (object, slot, ask, instant, fault);
        if !self.payment_calls.contains_key(&key) {
            let command = self.payment_command(slot, ask);
            let outcome = self.payments.call(object, command.as_ref(), self.now(instant), fault);
            let number = self.next_outcome();
            self.payment_calls.insert(key, outcome.map(|outcome| (number, Rc::new(outcome))));
        }
        let (number, outcome) = self.payment_calls[&key].clone()?;
        let witness = match self.payment_testimony.get(&(witness, slot, number)) {
            Some(known) => known.clone(),
            None => {
                let after = self.testify::<PaymentRows>(witness, &Address::Payment(self.intent(slot)), &outcome);
                self.payment_testimony.insert((witness, slot, number), after.clone());
                after
            }
        }?;
        Ok((outcome, witness))
    }

    /// The inventory without its memory.
    ///
    /// # Errors
    /// A reload does not give what memory was.
    pub fn forget_inventory(&mut self, object: u32) -> Result<u32, Broken> {
        if !self.forgotten.contains_key(&object) {
            let forgotten = self.inventories.forget(object);
            self.forgotten.insert(object, forgotten);
        }
        self.forgotten[&object].clone()
    }

    const fn next_outcome(&mut self) -> u32 {
        self.outcomes += 1;
        self.outcomes
    }

    fn testify<R: Rows>(
        &mut self,
        witness: u32,
        address: &Address,
        outcome: &Outcome<<R::Machine as Machine>::Change>,
    ) -> Result<u32, Broken> {
        if outcome.commits.is_empty() {
            return Ok(witness);
        }
        let mut after = self.witness(witness).clone();
        for commit in &outcome.commits {
            R::testify(&mut after, address, commit, outcome.now).map_err(|violation| Broken(violation.to_string()))?;
        }
        Ok(self.witness_number(after))
    }

    /// The ledger so far gives the inventory's map.
    fn check_map(&mut self, witness: u32, inventory: u32) -> Result<(), Broken> {
        if self.maps_checked.contains(&(witness, inventory)) {
            return Ok(());
        }
        let live = &self.inventories.get(inventory).live;
        self.witness(witness).seats.is_the_map_of(live).map_err(|violation| Broken(violation.to_string()))?;
        self.maps_checked.insert((witness, inventory));
        Ok(())
    }

    fn inventory_command(&self, ask: InventoryAsk) -> Option<InventoryCommand> {
        let ids = |bits: u32| (0..u64::from(u32::BITS)).filter(|id| bits >> id & 1 == 1).collect();
        Some(match ask {
            InventoryAsk::Request(request) => self.request(request),
            InventoryAsk::Decided(slot, word) => InventoryCommand::Decided {
                idempotency: idempotency(ask),
                intent: self.intent(slot),
                reservation_id: self.intent(slot).reservation_id(),
                amount: PRICE,
                currency: Currency::KRW,
                outcome: self.words[usize::from(word)].clone(),
            },
            InventoryAsk::Done(bits) => InventoryCommand::ErrandsDone(ids(bits)),
            InventoryAsk::Failed(bits) => InventoryCommand::ErrandsFailed(ids(bits)),
            InventoryAsk::Sent(through) => InventoryCommand::Sent { through },
            InventoryAsk::Due => return None,
        })
    }

    fn request(&self, request: Request) -> InventoryCommand {
        let idempotency = idempotency(InventoryAsk::Request(request));
        let user = Self::user(match request {
            Request::Hold(buyer, _) | Request::Cancel(buyer) | Request::Refund(buyer) => buyer,
            Request::Open(slot) | Request::Confirm(slot, _) | Request::CancelIntent(slot) => self.buyer(slot),
        });
        match request {
            Request::Hold(buyer, again) => InventoryCommand::Hold {
                key: Self::key(buyer, again),
                user,
                admission: Admission { number: u64::from(buyer) + 1, ends_at: START.plus_sec(ADMISSION_SEC) },
                wish: Wish { seat_ids: Some(["A-1-1".to_owned()].into()), ..Wish::default() },
                idempotency,
            },
            Request::Open(slot) => InventoryCommand::OpenIntent {
                key: Self::key(self.buyer(slot), false),
                user,
                amount: Some(PRICE),
                currency: Some(Currency::KRW),
                plan: self.plans[usize::from(self.buyer(slot))],
                idempotency,
            },
            Request::Confirm(slot, authorised) => InventoryCommand::Confirm {
                key: Self::key(self.buyer(slot), false),
                user,
                intent: self.intent(slot),
                authorised,
                idempotency,
            },
            Request::Cancel(buyer) => {
                InventoryCommand::Cancel { key: Self::key(buyer, false), user, idempotency: Some(idempotency) }
            }
            Request::CancelIntent(slot) => InventoryCommand::CancelIntent { intent: self.intent(slot), user, idempotency },
            Request::Refund(buyer) => InventoryCommand::Refund { key: Self::key(buyer, false), user, idempotency },
        }
    }

    fn payment_command(&self, slot: Slot, ask: PaymentAsk) -> Option<PaymentCommand> {
        let user = Self::user(self.buyer(slot));
        Some(match ask {
            PaymentAsk::Instruct(number) => match &self.errand(number).1 {
                Duty::Pay { instruction, .. } => PaymentCommand::Instruct(instruction.clone()),
                Duty::EndAdmission { .. } => {
                    unreachable!("payments are asked about payments")
                }
            },
            PaymentAsk::Decide(true) => PaymentCommand::Decide { user, action: Action::Approve },
            PaymentAsk::Decide(false) => PaymentCommand::Decide { user, action: Action::Fail },
            PaymentAsk::Result(attempt, delivered) => PaymentCommand::WebhookResult { attempt, delivered },
            PaymentAsk::Capture => {
                let ReservationId { event_id, key } = self.intent(slot).reservation_id();
                PaymentCommand::Instruct(Instruction::Capture { order_id: OrderId { event_id, key } })
            }
            PaymentAsk::Due => return None,
        })
    }
}

/// Kinds of keys; a kind has a key for each buyer or intent.
pub const KEY_KINDS: usize = 7;

/// The key that comes with `ask`: its kind, and the number of the buyer or intent; none for asks without one.
pub const fn key_place(ask: InventoryAsk) -> Option<(u8, u8)> {
    Some(match ask {
        InventoryAsk::Request(Request::Hold(buyer, _)) => (0, buyer),
        InventoryAsk::Request(Request::Open(slot)) => (1, slot),
        InventoryAsk::Request(Request::Confirm(slot, _)) => (2, slot),
        InventoryAsk::Request(Request::Cancel(buyer)) => (3, buyer),
        InventoryAsk::Request(Request::CancelIntent(slot)) => (4, slot),
        InventoryAsk::Request(Request::Refund(buyer)) => (5, buyer),
        InventoryAsk::Decided(slot, _) => (6, slot),
        InventoryAsk::Done(_) | InventoryAsk::Failed(_) | InventoryAsk::Sent(_) | InventoryAsk::Due => return None,
    })
}

fn idempotency(ask: InventoryAsk) -> Idempotency {
    let (kind, number) = key_place(ask).expect("it is asked with a key");
    let scope = Hash128(1000 + 10 * u128::from(kind) + u128::from(number));
    Idempotency { scope, fingerprint: scope, ttl_ms: KEY_TTL_MS }
}
