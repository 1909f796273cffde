//! The simulated provider: many intents that share commits, each by its own [state machine](super::intent).
//!
//! In memory are the intents that something may still happen to: undecided, authorised, or to be reported; and some that are
//! over or that [`Simulator::recall`] brought in. The others are rows. An intent that was never opened leaves nothing
//! behind: everything about it is refused with [`Refusal::PaymentNotFound`].

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    intent::{Intent, Step},
    terms::{Action, Instruction, Status, StatusReply, Terms, Webhook},
};
use crate::{
    effect::{self, Effects, Pending},
    id::{PaymentIntentId, ReservationKey, UserId},
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    recalled::Recalled,
    refusal::Refusal,
    time::Millis,
};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The inventory instructs.
    Instruct {
        /// About which intent.
        intent: PaymentIntentId,
        /// What to do with it.
        instruction: Instruction,
    },
    /// How an intent stands; changes nothing.
    Look {
        /// Which.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
    },
    /// A client wants a pending intent decided now; on a decided one nothing changes.
    Decide {
        /// Which intent.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
        /// What to decide.
        action: Action,
    },
    /// Answers such a client once the decision was reported. Apart from [`Command::Decide`], so that the recorded answer
    /// is the one that was given: reporting changes the status.
    Settle {
        /// Which intent.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
        /// The client's key.
        idempotency: Idempotency,
    },
    /// What became of a try to report a decision.
    Reported {
        /// Which intent.
        intent: PaymentIntentId,
        /// Which try, as in [`Webhook::attempt`]; the result of another one changes nothing.
        attempt: u32,
        /// How the receiver sees the payment since; none where it did not take the report.
        told: Option<Status>,
    },
    /// Carry out what is due.
    Tick,
}

impl Command {
    const fn intent(&self) -> Option<&PaymentIntentId> {
        match self {
            Self::Instruct { intent, .. }
            | Self::Look { intent, .. }
            | Self::Decide { intent, .. }
            | Self::Settle { intent, .. }
            | Self::Reported { intent, .. } => Some(intent),
            Self::Tick => None,
        }
    }
}

/// What happened to an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Millis,
    /// What.
    pub step: Step,
    /// The intent after it.
    pub intent: Rc<Intent>,
}

/// What the provider owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Report a decision to the platform.
    Report(Box<Webhook>),
}

impl effect::Effect for Effect {
    type Key = Key;

    fn ordering_key(&self) -> Key {
        let Self::Report(webhook) = self;
        key(&webhook.body.data.payment_intent_id)
    }
}

/// An intent among those of an event: its reservation, and which attempt to pay for it.
pub type Key = (ReservationKey, u8);

const fn key(intent: &PaymentIntentId) -> Key {
    (intent.key, intent.attempt)
}

/// Intents at the provider. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulator {
    live: BTreeMap<Key, Rc<Intent>>,
    /// Some that are not live.
    recalled: Recalled<Key, Rc<Intent>>,
    deadlines: BTreeSet<(Millis, Key)>,
    effects: Effects<Effect>,
    last_number: u64,
}

impl Simulator {
    /// Rebuilds it from the intents that are not settled.
    #[must_use]
    pub fn restore(intents: impl IntoIterator<Item = Intent>) -> Self {
        let mut simulator = Self::default();
        intents.into_iter().for_each(|intent| simulator.put(&Rc::new(intent)));
        simulator
    }

    /// The intent that `command` is about and that memory does not hold.
    #[must_use]
    pub fn missing<'c>(&self, command: &'c Command) -> Option<&'c PaymentIntentId> {
        command.intent().filter(|intent| self.find(intent).is_none())
    }

    /// Brings in an intent that is settled.
    pub fn recall(&mut self, intent: Intent) {
        self.recalled.keep(key(&intent.terms.intent_id), Rc::new(intent));
    }

    /// An intent that is in memory.
    #[must_use]
    pub fn find(&self, intent: &PaymentIntentId) -> Option<&Rc<Intent>> {
        let key = key(intent);
        self.live.get(&key).or_else(|| self.recalled.get(&key)).filter(|known| known.terms.intent_id == *intent)
    }

    fn opened(&self, intent: &PaymentIntentId) -> Result<&Rc<Intent>, Refusal> {
        self.find(intent).ok_or(Refusal::PaymentNotFound)
    }

    fn owned(&self, intent: &PaymentIntentId, user: &UserId) -> Result<&Rc<Intent>, Refusal> {
        let intent = self.opened(intent)?;
        if intent.terms.user_id == *user { Ok(intent) } else { Err(Refusal::Forbidden) }
    }

    /// The step that `command` asks for on `intent`; none where nothing changes.
    fn step(command: &Command, intent: &Intent) -> Option<Step> {
        match command {
            Command::Instruct { instruction, .. } => intent.instructed(instruction),
            Command::Decide { action, .. } => intent.decided(*action),
            Command::Reported { attempt, told, .. } => intent.tried(*attempt, *told),
            Command::Look { .. } | Command::Settle { .. } | Command::Tick => None,
        }
    }

    fn open(&self, intent: &PaymentIntentId, terms: &Terms, context: Context) -> Result<Decision<Self>, Refusal> {
        if *intent != terms.intent_id || intent.reservation_id() != terms.reservation_id {
            return Err(Refusal::Invalid { field: "reservation_id".to_owned(), problem: "is not the intent's".to_owned() });
        }
        match self.find(intent) {
            None => {
                let intent = Rc::new(Intent::new(self.last_number + 1, terms.clone(), context.now, context.trace));
                let change = Change { at: context.now, step: Step::Opened, intent: Rc::clone(&intent) };
                Ok(Decision::new(Some(intent.reply()), vec![change]))
            }
            Some(intent) if intent.terms == *terms => Ok(Decision::new(Some(intent.reply()), vec![])),
            Some(_) => Err(Refusal::PaymentConflict),
        }
    }

    /// What the provider decides by itself by `now`.
    fn decide_overdue(&self, now: Millis) -> Vec<Change> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        due.map(|(at, key)| after(&self.live[key], self.live[key].planned(), *at)).collect()
    }

    fn put(&mut self, intent: &Rc<Intent>) {
        let key = key(&intent.terms.intent_id);
        let before = self.live.remove(&key);
        if let Some(at) = before.as_ref().and_then(|before| before.decides_at()) {
            self.deadlines.remove(&(at, key));
        }
        self.recalled.remove(&key);
        self.forget_report(intent);
        if intent.is_settled() {
            self.recalled.keep(key, Rc::clone(intent));
            return;
        }
        self.last_number = self.last_number.max(intent.number);
        self.deadlines.extend(intent.decides_at().map(|at| (at, key)));
        if let (Some(report), Some(webhook)) = (&intent.report, intent.webhook()) {
            self.effects.put(Pending {
                id: intent.number,
                attempt: report.attempt - 1,
                due_at: report.due_at,
                trace: intent.trace,
                effect: Effect::Report(Box::new(webhook)),
            });
        }
        self.live.insert(key, Rc::clone(intent));
    }

    /// The number of a settled intent may be another one's since.
    fn forget_report(&mut self, intent: &Intent) {
        let key = key(&intent.terms.intent_id);
        if self.effects.get(intent.number).is_some_and(|pending| effect::Effect::ordering_key(&pending.effect) == key) {
            self.effects.remove(intent.number);
        }
    }
}

/// What `step` makes of an intent.
fn after(intent: &Rc<Intent>, step: Step, at: Millis) -> Change {
    let mut intent = Intent::clone(intent);
    intent.apply(&step, at);
    Change { at, step, intent: Rc::new(intent) }
}

impl Machine for Simulator {
    type Command = Command;
    type Change = Change;
    type Reply = Option<StatusReply>;
    type Effect = Effect;

    fn decide(&self, command: &Command, context: Context) -> Result<Decision<Self>, Refusal> {
        let intent = match command {
            Command::Tick => return Ok(Decision::new(None, self.decide_overdue(context.now))),
            Command::Instruct { intent, instruction: Instruction::Open(terms) } => return self.open(intent, terms, context),
            Command::Instruct { intent, .. } | Command::Reported { intent, .. } => self.opened(intent)?,
            Command::Look { intent, user } | Command::Decide { intent, user, .. } | Command::Settle { intent, user, .. } => {
                self.owned(intent, user)?
            }
        };
        let change = Self::step(command, intent).map(|step| after(intent, step, context.now));
        let intent = change.as_ref().map_or(intent, |change| &change.intent);
        // Who has a payment decided waits for the report, also where the provider was a moment earlier.
        let reported = matches!(command, Command::Decide { .. }) && intent.report.is_some();
        let effects = reported.then_some(intent.number).into_iter().collect();
        Ok(Decision { reply: Some(intent.reply()), changes: change.into_iter().collect(), effects })
    }

    fn apply(&mut self, change: &Change) {
        self.put(&change.intent);
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn effects(&self) -> &Effects<Effect> {
        &self.effects
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn idempotency(command: &Command) -> Option<&Idempotency> {
        match command {
            Command::Settle { idempotency, .. } => Some(idempotency),
            Command::Instruct { .. }
            | Command::Look { .. }
            | Command::Decide { .. }
            | Command::Reported { .. }
            | Command::Tick => None,
        }
    }

    fn must_recall(&self, command: &Command) -> bool {
        self.missing(command).is_some()
    }

    fn concerns(change: &Change, command: &Command) -> bool {
        command.intent() == Some(&change.intent.terms.intent_id)
    }
}
