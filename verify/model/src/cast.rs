//! The machines of a sale and the witness, by number: what they are asked, what they owe, what is known of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use domain::{
    effect::{Effects, Pending},
    event::{Event, EventBody},
    hash::Hash128,
    id::{OrderId, PaymentIntentId, ReservationKey, UserId},
    idempotency::Idempotency,
    invariants::{Verdict, Witness},
    inventory::{
        Admission, Change, Command, Inventory, Wish,
        effect::{Effect, PUBLISH},
    },
    machine::Machine,
    money::{Amount, Currency},
    payment::{self, Action, Instruction, Outcome as Word, Simulator, Status, Webhook, WebhookType},
    time::Millis,
};
use simulation::rows::{InventoryRows, PaymentRows};

use crate::{
    part::{Fault, Part, Said, StorageFlaw, event_id, text_digest},
    scenario::{Flaw, HOLD_SEC, Scenario},
    search::Broken,
    step::{Ask, Buyer, Came, Message, Request, Side, Slot},
};

/// When the sale opens.
const START: Millis = Millis(1_795_262_400_000);
/// What the seat costs.
const PRICE: Amount = 100;
/// How long keys and webhook ids are known: beyond the last instant of every scenario.
const KEY_TTL_MS: u64 = 3_600_000;
/// How long admissions last, in seconds: beyond the last instant of every scenario.
const ADMISSION_SEC: u64 = 3600;
/// Envelopes of one batch, so that there is more than one.
const BATCH_MAX: u64 = 2;

/// An effect, apart from when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// The inventory's to the provider.
    Pay {
        /// Its id.
        id: u64,
        /// About which intent.
        intent: PaymentIntentId,
        /// What to do with it.
        instruction: Instruction,
    },
    /// The inventory's to the queue `sale-events`.
    Publish {
        /// The first envelope.
        first: u8,
        /// The last one.
        last: u8,
    },
    /// The provider's to the inventory.
    Report(Box<Webhook>),
}

impl Owed {
    /// Whose it is.
    #[must_use]
    pub const fn side(&self) -> Side {
        match self {
            Self::Pay { .. } | Self::Publish { .. } => Side::Inventory,
            Self::Report(_) => Side::Provider,
        }
    }

    /// The intent that it is about; none where it is about the log.
    #[must_use]
    pub fn intent(&self) -> Option<&PaymentIntentId> {
        match self {
            Self::Pay { intent, .. } => Some(intent),
            Self::Publish { .. } => None,
            Self::Report(webhook) => Some(&webhook.body.data.payment_intent_id),
        }
    }

    /// Whether the other is performed one after this: the sides order by the same key.
    #[must_use]
    pub fn is_in_line_with(&self, other: &Self) -> bool {
        self.side() == other.side() && self.intent() == other.intent()
    }

    /// What whoever performs it tells the machine: what the actors of `actors` do.
    fn performed(&self, came: Came) -> AnyCommand {
        let inventory = match (self, came) {
            (Self::Report(webhook), _) => {
                let told = if let Came::Told(status) = came { Some(Status::ALL[usize::from(status)]) } else { None };
                let intent = webhook.body.data.payment_intent_id.clone();
                return AnyCommand::Provider(payment::Command::Reported { intent, attempt: webhook.attempt, told });
            }
            (Self::Pay { id, .. }, Came::Failed) => Command::Failed(*id),
            (Self::Pay { id, .. }, _) => Command::Performed(*id),
            (Self::Publish { .. }, Came::Failed) => Command::Failed(PUBLISH),
            (Self::Publish { last, .. }, _) => Command::Published { through: u64::from(*last) },
        };
        AnyCommand::Inventory(inventory)
    }

    /// What came of it, by the receiver's answer.
    #[must_use]
    pub fn came(&self, said: &Said) -> Came {
        match (self, said) {
            (Self::Report(webhook), Said::Granted { status, .. }) => {
                let told = status.unwrap_or_else(|| webhook.body.kind.status());
                let number = (0..).zip(Status::ALL).find(|(_, status)| *status == told);
                Came::Told(number.expect("it is one of all").0)
            }
            (_, Said::Granted { .. }) => Came::Performed,
            (_, Said::Refused(_) | Said::Nothing) => Came::Failed,
        }
    }
}

/// A command to one of the machines.
enum AnyCommand {
    Inventory(Command),
    Provider(payment::Command),
}

impl AnyCommand {
    fn inventory(self) -> Command {
        let Self::Inventory(command) = self else { unreachable!("it is for the provider") };
        command
    }

    fn provider(self) -> payment::Command {
        let Self::Provider(command) = self else { unreachable!("it is for the inventory") };
        command
    }
}

/// What a state of a machine shows to what is around it.
#[derive(Debug)]
pub struct Facts {
    /// The effects that are the first of their key, and when they are due.
    pub heads: Vec<(u16, Millis)>,
    /// When something changes by time alone.
    pub deadline: Option<Millis>,
    /// Whether something is owed that is performed at once.
    pub owes_at_once: bool,
    /// How each intent stands, at the provider.
    pub statuses: Vec<Option<Status>>,
    /// The machine after it lost its memory.
    pub reloaded: u32,
}

/// What a machine did.
pub struct Did {
    /// The machine afterwards.
    pub object: u32,
    /// The witness afterwards.
    pub witness: u32,
    /// Commits before the answer.
    pub saves: u8,
    /// The answer.
    pub said: Said,
}

/// Every account that a witness ever gave.
struct Accounts {
    witnesses: Vec<Rc<Witness>>,
    numbers: BTreeMap<u128, u32>,
}

impl Accounts {
    fn number(&mut self, witness: Witness) -> u32 {
        let next = u32::try_from(self.witnesses.len()).expect("memory ends first");
        let number = *self.numbers.entry(text_digest(&witness)).or_insert(next);
        if number == next {
            self.witnesses.push(Rc::new(witness));
        }
        number
    }

    fn after(&mut self, witness: u32, tell: impl FnOnce(&mut Witness) -> Verdict) -> Result<u32, Broken> {
        let mut after = Witness::clone(&self.witnesses[witness as usize]);
        tell(&mut after).map_err(|violation| Broken(violation.to_string()))?;
        Ok(self.number(after))
    }
}

/// Who wants what, and what is owed: what is asked, in the machines' words.
struct Script {
    scenario: Scenario,
    owed: Vec<Owed>,
}

/// Everybody, with all they ever did.
pub struct Cast {
    script: Script,
    inventory: Part<InventoryRows, Ask>,
    provider: Part<PaymentRows, Ask>,
    accounts: Accounts,
    facts: BTreeMap<(Side, u32), Rc<Facts>>,
    maps_checked: BTreeSet<(u32, u32)>,
}

impl Cast {
    /// Everybody of a scenario, before the event is known.
    pub fn new(scenario: &Scenario) -> Self {
        let flaw = StorageFlaw {
            drops_records: scenario.flaw == Flaw::RecordsAreDropped,
            drops_commits: scenario.flaw == Flaw::CommitsAreDropped,
        };
        let mut accounts = Accounts { witnesses: vec![], numbers: BTreeMap::new() };
        accounts.number(Witness::default());
        Self {
            script: Script { scenario: scenario.clone(), owed: vec![] },
            inventory: Part::new(flaw),
            provider: Part::new(StorageFlaw::default()),
            accounts,
            facts: BTreeMap::new(),
            maps_checked: BTreeSet::new(),
        }
    }

    /// Different states of the machines and of the witness, and calls that the engine carried out.
    pub fn sizes(&self) -> [usize; 4] {
        let ((inventories, asked), (providers, told)) = (self.inventory.sizes(), self.provider.sizes());
        [inventories, providers, self.accounts.witnesses.len(), asked + told]
    }

    /// The instant so long after the sale opened.
    pub const fn instant(now_ms: u32) -> Millis {
        Millis(START.0 + now_ms as u64)
    }

    /// An effect.
    pub fn owed(&self, number: u16) -> &Owed {
        &self.script.owed[usize::from(number)]
    }

    /// The slot of an intent.
    pub fn slot(&self, intent: &PaymentIntentId) -> Slot {
        self.script.slot(intent)
    }

    /// The witness with this number.
    pub fn witness(&self, number: u32) -> &Witness {
        &self.accounts.witnesses[number as usize]
    }

    /// The witness hears that the reader of `sale-events` is about to say how far it is.
    ///
    /// # Errors
    /// Never.
    pub fn acknowledges(&mut self, witness: u32, through: u64) -> Result<u32, Broken> {
        self.accounts.after(witness, |witness| {
            witness.seats.acknowledges(through);
            Ok(())
        })
    }

    /// The last envelope of the log.
    pub fn logged(&self, inventory: u32) -> u64 {
        self.inventory.get(inventory).live.sequence()
    }

    /// When a machine is to be called next.
    pub fn wakes_at(&self, side: Side, object: u32, now: Millis) -> Option<Millis> {
        match side {
            Side::Inventory => self.inventory.get(object).live.wakes_at(now),
            Side::Provider => self.provider.get(object).live.wakes_at(now),
        }
    }

    /// Asks a machine.
    ///
    /// # Errors
    /// It breaks a promise.
    pub fn ask(
        &mut self,
        side: Side,
        (object, witness): (u32, u32),
        ask: Ask,
        now: Millis,
        fault: Option<Fault>,
    ) -> Result<Did, Broken> {
        let Self { script, inventory, provider, accounts, .. } = self;
        let at = (object, now, fault);
        match side {
            Side::Inventory => {
                let log = script.scenario.log;
                let command = || script.command(ask).map(AnyCommand::inventory);
                let follows = |live: &Inventory| at_once(live, now, log);
                let tell = |commits: &[_]| accounts.after(witness, |witness| saved(witness, commits, now, log));
                let (outcome, witness) = inventory.ask(at, (ask, command), follows, (witness, tell))?;
                self.check_map(witness, outcome.object)?;
                Ok(Did { object: outcome.object, witness, saves: outcome.saves, said: outcome.said.clone() })
            }
            Side::Provider => {
                let command = || script.command(ask).map(AnyCommand::provider);
                let tell = |commits: &[Vec<payment::Change>]| {
                    accounts.after(witness, |witness| commits.iter().try_for_each(|commit| witness.payments_saved(commit)))
                };
                let (outcome, witness) = provider.ask(at, (ask, command), |_| None, (witness, tell))?;
                Ok(Did { object: outcome.object, witness, saves: outcome.saves, said: outcome.said.clone() })
            }
        }
    }

    /// The ledger so far gives the inventory's map, and nobody has more than the event allows.
    fn check_map(&mut self, witness: u32, inventory: u32) -> Result<(), Broken> {
        if !self.maps_checked.insert((witness, inventory)) {
            return Ok(());
        }
        let live = &self.inventory.get(inventory).live;
        self.witness(witness).seats.is_the_map_of(live).map_err(|violation| Broken(violation.to_string()))?;
        let max = live.event().map_or(0, |event| event.max_seats_per_user);
        let mut taken = BTreeMap::<&UserId, u32>::new();
        for booking in self.witness(witness).seats.bookings().values().filter(|booking| booking.status.takes_seats()) {
            *taken.entry(&booking.user).or_default() += booking.quantity;
        }
        match taken.into_iter().find(|(_, seats)| *seats > max) {
            Some((user, seats)) => Err(Broken(format!("limits: {user:?} has {seats} seats of at most {max}"))),
            None => Ok(()),
        }
    }

    /// What a state of a machine shows.
    ///
    /// # Errors
    /// A reload does not give what memory was.
    pub fn facts(&mut self, side: Side, object: u32) -> Result<Rc<Facts>, Broken> {
        if let Some(facts) = self.facts.get(&(side, object)) {
            return Ok(Rc::clone(facts));
        }
        let script = &mut self.script;
        let facts = match side {
            Side::Inventory => {
                let reloaded = self.inventory.forget(object)?;
                let live = &self.inventory.get(object).live;
                let heads =
                    heads(live.effects()).filter_map(|pending| Some((script.of_inventory(live, pending)?, pending.due_at)));
                Facts {
                    heads: heads.collect(),
                    deadline: live.next_deadline(),
                    owes_at_once: at_once(live, Millis(u64::MAX), script.scenario.log).is_some(),
                    statuses: vec![],
                    reloaded,
                }
            }
            Side::Provider => {
                let reloaded = self.provider.forget(object)?;
                let provider = self.provider.get(object);
                let slots = 0..script.scenario.buyers * script.scenario.attempts;
                let statuses = slots.map(|slot| provider.status(&script.intent(slot))).collect();
                let live: &Simulator = &provider.live;
                let heads = heads(live.effects()).map(|pending| (script.of_provider(pending), pending.due_at)).collect();
                Facts { heads, deadline: live.next_deadline(), owes_at_once: false, statuses, reloaded }
            }
        };
        Ok(Rc::clone(self.facts.entry((side, object)).or_insert_with(|| Rc::new(facts))))
    }
}

/// The first effect of each key.
fn heads<E: domain::effect::Effect>(effects: &Effects<E>) -> impl Iterator<Item = &Pending<E>> {
    effects.due(Millis(u64::MAX))
}

/// What is owed to the queue is performed at once, because nothing here depends on it; so is what is owed to `sale-events`,
/// unless the `log` is what a scenario is about.
fn at_once(inventory: &Inventory, now: Millis, log: bool) -> Option<Command> {
    let (published, consumed) = inventory.published();
    let owed = inventory.effects().due(now).find_map(|pending| match pending.effect {
        Effect::EndAdmission { .. } => Some(Command::Performed(pending.id)),
        Effect::Publish if !log => Some(Command::Published { through: inventory.sequence() }),
        Effect::Publish | Effect::Pay { .. } => None,
    });
    owed.or_else(|| (!log && consumed < published).then_some(Command::Consumed { through: published }))
}

fn saved(witness: &mut Witness, commits: &[Vec<Change>], now: Millis, log: bool) -> Verdict {
    commits.iter().try_for_each(|commit| {
        for change in commit {
            if let (Change::Consumed { through, .. }, false) = (change, log) {
                witness.seats.acknowledges(*through);
            }
        }
        witness.inventory_saved(commit, now)
    })
}

/// The reservation that a buyer's hold makes.
pub const fn key(buyer: Buyer, again: bool) -> ReservationKey {
    ReservationKey(1 + 2 * buyer as u128 + again as u128)
}

fn idempotency(key: (u8, u8)) -> Idempotency {
    let scope = Hash128(1000 + 100 * u128::from(key.0) + u128::from(key.1));
    Idempotency { scope, fingerprint: scope, ttl_ms: KEY_TTL_MS }
}

impl Script {
    const fn buyer(&self, slot: Slot) -> Buyer {
        slot / self.scenario.attempts
    }

    fn intent(&self, slot: Slot) -> PaymentIntentId {
        let key = key(self.buyer(slot), false);
        PaymentIntentId { event_id: event_id(), key, attempt: slot % self.scenario.attempts }
    }

    fn slot(&self, intent: &PaymentIntentId) -> Slot {
        let buyer = u8::try_from((intent.key.0 - 1) / 2).expect("there are few buyers");
        buyer * self.scenario.attempts + intent.attempt
    }

    fn user(&self, buyer: Buyer) -> UserId {
        let person = if self.scenario.one_user { 0 } else { buyer };
        UserId(format!("user-{person}").into())
    }

    /// A row with one seat for all, or, where all are one user who may have one seat, with one for each.
    fn event(&self) -> Event {
        let seats = if self.scenario.one_user { self.scenario.buyers } else { 1 };
        let body = format!(
            r#"{{"name":"N","hold_ttl_sec":{HOLD_SEC},"max_seats_per_reservation":1,"max_seats_per_user":1,
                "sections":[{{"id":"A","price":{PRICE},"rows":[{{"id":"1","count":{seats}}}]}}]}}"#
        );
        let body: EventBody = serde_json::from_str(&body).expect("it is an event");
        body.complete(event_id(), 1, START).expect("it keeps to the rules")
    }

    fn number(&mut self, owed: Owed) -> u16 {
        let known = self.owed.iter().position(|known| *known == owed);
        let number = known.unwrap_or_else(|| {
            self.owed.push(owed);
            self.owed.len() - 1
        });
        u16::try_from(number).expect("there are few different effects")
    }

    /// The number of an effect; none for what is performed at once.
    fn of_inventory(&mut self, live: &Inventory, pending: &Pending<Effect>) -> Option<u16> {
        let owed = match &pending.effect {
            Effect::Pay { intent, instruction } => {
                Owed::Pay { id: pending.id, intent: intent.clone(), instruction: instruction.clone() }
            }
            Effect::Publish if self.scenario.log => {
                let first = live.published().0 + 1;
                let last = live.sequence().min(live.published().0 + BATCH_MAX);
                let small = |sequence: u64| u8::try_from(sequence).expect("logs are short");
                Owed::Publish { first: small(first), last: small(last) }
            }
            Effect::Publish | Effect::EndAdmission { .. } => return None,
        };
        Some(self.number(owed))
    }

    fn of_provider(&mut self, pending: &Pending<payment::simulator::Effect>) -> u16 {
        let payment::simulator::Effect::Report(webhook) = &pending.effect;
        self.number(Owed::Report(webhook.clone()))
    }

    fn command(&self, ask: Ask) -> Option<AnyCommand> {
        Some(match ask {
            Ask::Due => return None,
            Ask::Open => AnyCommand::Inventory(Command::Configure(Box::new(self.event()))),
            Ask::Request(request) => match request.side() {
                Side::Inventory => AnyCommand::Inventory(self.request(request)),
                Side::Provider => AnyCommand::Provider(self.payment_request(request)),
            },
            Ask::Message(Message::Out(number) | Message::Adrift(number)) => match &self.owed[usize::from(number)] {
                Owed::Pay { intent, instruction, .. } => {
                    AnyCommand::Provider(payment::Command::Instruct { intent: intent.clone(), instruction: instruction.clone() })
                }
                Owed::Report(webhook) => AnyCommand::Inventory(self.decided(webhook)),
                Owed::Publish { .. } => unreachable!("no machine takes it"),
            },
            Ask::Message(Message::Back(number, came)) => self.owed[usize::from(number)].performed(came),
            Ask::Message(Message::Dealt(through)) => AnyCommand::Inventory(Command::Consumed { through: through.into() }),
            Ask::Message(Message::Batch(..)) => unreachable!("no machine takes it"),
            Ask::Capture(slot) => {
                let intent = self.intent(slot);
                let order_id = OrderId { event_id: event_id(), key: intent.key };
                AnyCommand::Provider(payment::Command::Instruct { intent, instruction: Instruction::Capture { order_id } })
            }
        })
    }

    fn request(&self, request: Request) -> Command {
        let idempotency = idempotency(request.key().expect("what is asked of an inventory has a key"));
        match request {
            Request::Hold(buyer, again) => Command::Hold {
                key: key(buyer, again),
                user: self.user(buyer),
                admission: Admission { number: u64::from(buyer) + 1, ends_at: START.plus_sec(ADMISSION_SEC) },
                wish: Wish {
                    seat_ids: Some([format!("A-1-{}", if self.scenario.one_user { buyer + 1 } else { 1 })].into()),
                    ..Wish::default()
                },
                idempotency,
            },
            Request::Open(slot) => Command::OpenIntent {
                key: self.intent(slot).key,
                user: self.user(self.buyer(slot)),
                amount: Some(PRICE),
                currency: Some(Currency::KRW),
                plan: self.scenario.plans[usize::from(self.buyer(slot))],
                idempotency,
            },
            Request::Confirm(slot, authorised) => Command::Confirm {
                key: self.intent(slot).key,
                user: self.user(self.buyer(slot)),
                intent: self.intent(slot),
                authorised,
                idempotency,
            },
            Request::Cancel(buyer) => {
                Command::Cancel { key: key(buyer, false), user: self.user(buyer), idempotency: Some(idempotency) }
            }
            Request::CancelIntent(slot) => {
                Command::CancelIntent { intent: self.intent(slot), user: self.user(self.buyer(slot)), idempotency }
            }
            Request::Refund(buyer) => Command::Refund { key: key(buyer, false), user: self.user(buyer), idempotency },
            Request::Word(slot) => Command::Decided {
                reservation_id: self.intent(slot).reservation_id(),
                intent: self.intent(slot),
                amount: PRICE,
                currency: Currency::KRW,
                outcome: Word::Approved,
                idempotency,
            },
            Request::Look(_) | Request::Process(..) | Request::Settle(_) => unreachable!("the provider is asked"),
        }
    }

    fn payment_request(&self, request: Request) -> payment::Command {
        match request {
            Request::Process(slot, approve) => payment::Command::Decide {
                intent: self.intent(slot),
                user: self.user(self.buyer(slot)),
                action: if approve { Action::Approve } else { Action::Fail },
            },
            Request::Settle(slot) => payment::Command::Settle {
                intent: self.intent(slot),
                user: self.user(self.buyer(slot)),
                idempotency: idempotency(request.key().expect("it has one")),
            },
            Request::Look(slot) => payment::Command::Look { intent: self.intent(slot), user: self.user(self.buyer(slot)) },
            _ => unreachable!("the inventory is asked"),
        }
    }

    /// What the gateway makes of a webhook.
    fn decided(&self, webhook: &Webhook) -> Command {
        let data = webhook.body.data.clone();
        Command::Decided {
            idempotency: idempotency(Request::webhook_key(self.slot(&data.payment_intent_id))),
            intent: data.payment_intent_id,
            reservation_id: data.reservation_id,
            amount: data.amount,
            currency: data.currency,
            outcome: match webhook.body.kind {
                WebhookType::Approved => Word::Approved,
                WebhookType::Failed => Word::Failed { reason: data.failure_reason.unwrap_or_default() },
            },
        }
    }
}
