//! One payment intent at the simulated provider: authorise, capture, void, refund.
//!
//! Money is never ahead of the seat: an approval only authorises, and the inventory captures once its seats are sold.
//! Everything the inventory says is an [`Instruction`], total over all states and harmless when repeated:
//!
//! | Status | Capture | Void | Refund | Cancel | Fail | by itself |
//! |---|---|---|---|---|---|---|
//! | `PENDING` | `APPROVED` | `CANCELLED` | `CANCELLED` | `CANCELLED` | `FAILED` | decided: `AUTHORIZED` or `FAILED`; `timeout`: `EXPIRED` |
//! | `AUTHORIZED` | `APPROVED` | `REFUNDED` | `REFUNDED` | `REFUNDED` | `REFUNDED` | – |
//! | `APPROVED` | – | `REFUNDED` | `REFUNDED` | `REFUNDED` | – | – |
//! | `FAILED`, `EXPIRED` | `APPROVED` | – | – | – | – | – |
//! | `CANCELLED`, `REFUNDED` | – | – | – | – | – | – |
//!
//! A dash changes nothing and is granted: the answer says how the intent stands. `REFUNDED` after `AUTHORIZED` gives a
//! promise back, after `APPROVED` the money. Whoever wants the money back gets it wherever it is, so that a refund that
//! overtakes its capture cannot leave a charge behind. Whoever captures has sold the seats on a signed word: where that
//! came from elsewhere, the intent may have failed or expired here meanwhile, and is captured all the same. Before
//! `Open` everything is refused with [`Refusal::PaymentNotFound`].
//!
//! The provider's own decision is reported by a [`Webhook`] until it is received or given up, at once and again after
//! [`RETRY_AFTER_MS`]; it is withdrawn when the money went back meanwhile. A decision that came from elsewhere
//! (`Capture` or `Fail` on `PENDING`) is not reported: who made it knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    chance,
    id::{OrderId, PaymentIntentId, ReservationId, UserId},
    idempotency::Idempotency,
    machine::{Decision, Machine},
    money::{Amount, Currency},
    refusal::Refusal,
    time::{Millis, Timestamp},
};

/// Pauses between one try to deliver a webhook and the next, in milliseconds; jitter comes on top.
pub const RETRY_AFTER_MS: [u64; 5] = [1_000, 2_000, 4_000, 8_000, 16_000];
/// Jitter adds less than this part of a pause.
const JITTER_DIVISOR: u64 = 4;
/// Longest reason that is kept, in bytes; the rest is cut.
pub const REASON_MAX_BYTES: usize = 200;

/// How the simulated provider decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Approves after the delay.
    #[default]
    Approve,
    /// Declines after the delay.
    Fail,
    /// Approves after a delay that the client chose.
    Delay,
    /// Approves or declines, by the intent id.
    Random,
    /// Never answers: the intent ends with the hold.
    Timeout,
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "approve" => Ok(Self::Approve),
            "fail" => Ok(Self::Fail),
            "delay" => Ok(Self::Delay),
            "random" => Ok(Self::Random),
            "timeout" => Ok(Self::Timeout),
            _ => Err("must be approve, fail, delay, random or timeout".to_owned()),
        }
    }
}

/// What the simulated provider will do, resolved from body and settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How it decides.
    pub scenario: Scenario,
    /// How long it takes, in milliseconds; `timeout` ignores it.
    pub delay_ms: u64,
    /// Of a thousand `random` intents, how many are approved.
    pub approve_permille: u32,
}

/// What is paid, by whom and how. Never changes after `Open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The intent.
    pub intent_id: PaymentIntentId,
    /// The reservation that it pays for.
    pub reservation_id: ReservationId,
    /// Who pays.
    pub user_id: UserId,
    /// How much, in minor units.
    pub amount: Amount,
    /// Of which currency.
    pub currency: Currency,
    /// What the provider will do.
    pub plan: Plan,
    /// When the hold ends; a `timeout` intent ends with it.
    pub hold_expires_at: Millis,
}

/// What the inventory tells the provider. See the table above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// Open the intent. Again with the same terms changes nothing; with others it is [`Refusal::PaymentConflict`].
    Open(Terms),
    /// The seats are sold: take the money.
    Capture {
        /// The order that it pays for.
        order_id: OrderId,
    },
    /// The seats could not be had: take nothing.
    Void {
        /// Why.
        reason: String,
    },
    /// The order was given back: return the money.
    Refund,
    /// The buyer or the reservation gave up.
    Cancel,
    /// It was reported from elsewhere that the payment failed.
    Fail {
        /// Why.
        reason: String,
    },
}

/// What a provider decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The money is authorised.
    Approved,
    /// It is not.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Nothing is decided.
    Pending,
    /// Promised, not taken.
    Authorized,
    /// Taken.
    Approved,
    /// Declined.
    Failed,
    /// Given up before it was decided.
    Cancelled,
    /// Given back.
    Refunded,
    /// Never answered.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Authorized, Self::Approved, Self::Failed, Self::Cancelled, Self::Refunded, Self::Expired];

    /// The name in the public contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Authorized => "AUTHORIZED",
            Self::Approved => "APPROVED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Refunded => "REFUNDED",
            Self::Expired => "EXPIRED",
        }
    }

    /// Whether a reservation may be confirmed on it.
    #[must_use]
    pub const fn is_authorised(self) -> bool {
        matches!(self, Self::Authorized | Self::Approved)
    }

    /// Whether it never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::Refunded | Self::Expired)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| "is not a payment status".to_owned())
    }
}

/// What a client wants decided now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Approve.
    #[default]
    Approve,
    /// Decline.
    Fail,
}

/// How an intent stands: the contract's body of `GET /payments/{id}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The intent.
    pub payment_intent_id: PaymentIntentId,
    /// Where it stands.
    pub status: Status,
    /// How much, in minor units.
    pub amount: Amount,
    /// Of which currency.
    pub currency: Currency,
    /// The reservation that it pays for.
    pub reservation_id: ReservationId,
    /// The order, once the money was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Why nothing was taken, or why it went back, where there is a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
}

/// What a [`Payment`] can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The inventory instructs.
    Instruct(Instruction),
    /// A client wants a pending intent decided now; on a decided one nothing changes.
    Decide {
        /// Who asks.
        user: UserId,
        /// What to decide.
        action: Action,
    },
    /// Answers such a client once the decision was reported. Apart from [`Command::Decide`], so that the recorded answer
    /// is the one that was given: reporting changes the status.
    Settle {
        /// Who asks.
        user: UserId,
        /// The client's key.
        idempotency: Idempotency,
    },
    /// What became of a try to deliver [`Payment::due_webhook`].
    WebhookResult {
        /// Which try, as in [`Webhook::attempt`]; the result of another one changes nothing.
        attempt: u32,
        /// Whether the receiver took it.
        delivered: bool,
    },
    /// Carry out what is due.
    Tick,
}

/// What happened to an intent; the rows of a payment are its changes, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Millis,
    /// What.
    pub step: Step,
}

/// What can happen to an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It was opened.
    Opened(Terms),
    /// The provider approved; to be reported.
    Authorised,
    /// The provider declined; to be reported.
    Declined {
        /// Why.
        reason: String,
    },
    /// The money was taken, authorised in the same step where it was not before.
    Captured {
        /// The order that it pays for.
        order_id: OrderId,
    },
    /// It was given up before any money was taken.
    Released {
        /// Why, where there is a reason.
        reason: Option<String>,
    },
    /// The money that was taken went back.
    Refunded {
        /// Why, where there is a reason.
        reason: Option<String>,
    },
    /// It failed elsewhere.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was never answered.
    Expired,
    /// The webhook was tried.
    Tried {
        /// Which try.
        attempt: u32,
        /// Whether the receiver took it.
        delivered: bool,
    },
}

/// What a webhook tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookType {
    /// The money is authorised.
    #[serde(rename = "payment.approved")]
    Approved,
    /// It is not.
    #[serde(rename = "payment.failed")]
    Failed,
}

/// The body of a webhook, as the contract has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookBody {
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: WebhookType,
    /// When the provider decided.
    pub timestamp: Timestamp,
    /// About which intent.
    pub data: WebhookData,
}

/// What a webhook is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookData {
    /// The intent.
    pub payment_intent_id: PaymentIntentId,
    /// The reservation that it pays for.
    pub reservation_id: ReservationId,
    /// How much, in minor units.
    pub amount: Amount,
    /// Of which currency.
    pub currency: Currency,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
}

/// A webhook that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, the same in each try.
    pub id: String,
    /// Which try, from 1.
    pub attempt: u32,
    /// What it says, the same in each try.
    pub body: WebhookBody,
}

/// An intent, once opened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Intent {
    terms: Terms,
    opened_at: Millis,
    status: Status,
    order_id: Option<OrderId>,
    failure_reason: Option<String>,
    report: Option<Report>,
    captured: Amount,
    refunded: Amount,
}

/// A decision that was not received yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    kind: WebhookType,
    decided_at: Millis,
    attempt: u32,
    due_at: Millis,
}

/// One payment intent at the provider. Default is one that was never opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    intent: Option<Intent>,
}

impl Payment {
    /// How it stands, for its owner.
    ///
    /// # Errors
    /// It was never opened, or belongs to someone else.
    pub fn status(&self, user: &UserId) -> Result<StatusReply, Refusal> {
        self.owned(user).map(Intent::reply)
    }

    /// The webhook that is to be sent at `now`.
    #[must_use]
    pub fn due_webhook(&self, now: Millis) -> Option<Webhook> {
        let intent = self.intent.as_ref()?;
        let report = intent.report.as_ref().filter(|report| report.due_at <= now)?;
        let Terms { intent_id, reservation_id, amount, currency, .. } = intent.terms.clone();
        let failure_reason = intent.failure_reason.clone();
        let data = WebhookData { payment_intent_id: intent_id, reservation_id, amount, currency, failure_reason };
        let body = WebhookBody { kind: report.kind, timestamp: Timestamp(report.decided_at), data };
        Some(Webhook { id: intent.webhook_id(), attempt: report.attempt, body })
    }

    /// When a webhook is to be sent next.
    #[must_use]
    pub fn next_webhook_at(&self) -> Option<Millis> {
        Some(self.intent.as_ref()?.report.as_ref()?.due_at)
    }

    /// What was taken from the buyer and what went back, in minor units.
    #[must_use]
    pub fn money(&self) -> (Amount, Amount) {
        self.intent.as_ref().map_or((0, 0), |intent| (intent.captured, intent.refunded))
    }

    fn opened(&self) -> Result<&Intent, Refusal> {
        self.intent.as_ref().ok_or(Refusal::PaymentNotFound)
    }

    fn owned(&self, user: &UserId) -> Result<&Intent, Refusal> {
        let intent = self.opened()?;
        if intent.terms.user_id == *user { Ok(intent) } else { Err(Refusal::Forbidden) }
    }

    /// The step that `command` asks for; none where nothing changes.
    fn step(&self, command: &Command) -> Result<Option<Step>, Refusal> {
        match command {
            Command::Instruct(Instruction::Open(terms)) => self.open(terms),
            Command::Instruct(instruction) => Ok(self.opened()?.instructed(instruction)),
            Command::Decide { user, action } => Ok(self.owned(user)?.decided(*action)),
            Command::Settle { user, .. } => self.owned(user).map(|_| None),
            Command::WebhookResult { attempt, delivered } => Ok(self.opened()?.tried(*attempt, *delivered)),
            Command::Tick => Ok(None),
        }
    }

    fn open(&self, terms: &Terms) -> Result<Option<Step>, Refusal> {
        match &self.intent {
            None if terms.intent_id.reservation_id() != terms.reservation_id => {
                Err(Refusal::Invalid { field: "reservation_id".to_owned(), problem: "is not the intent's".to_owned() })
            }
            None => Ok(Some(Step::Opened(terms.clone()))),
            Some(intent) if intent.terms == *terms => Ok(None),
            Some(_) => Err(Refusal::PaymentConflict),
        }
    }
}

impl Intent {
    const fn new(terms: Terms, opened_at: Millis) -> Self {
        Self {
            terms,
            opened_at,
            status: Status::Pending,
            order_id: None,
            failure_reason: None,
            report: None,
            captured: 0,
            refunded: 0,
        }
    }

    fn reply(&self) -> StatusReply {
        StatusReply {
            payment_intent_id: self.terms.intent_id.clone(),
            status: self.status,
            amount: self.terms.amount,
            currency: self.terms.currency,
            reservation_id: self.terms.reservation_id.clone(),
            order_id: self.order_id.clone(),
            failure_reason: self.failure_reason.clone(),
        }
    }

    /// An intent is decided once, so its id tells its one webhook apart.
    fn webhook_id(&self) -> String {
        format!("msg_{}", self.terms.intent_id)
    }

    /// When the provider decides, or stops waiting; none once that is over.
    fn decides_at(&self) -> Option<Millis> {
        if self.status != Status::Pending {
            return None;
        }
        Some(match self.terms.plan.scenario {
            Scenario::Timeout => self.terms.hold_expires_at,
            Scenario::Approve | Scenario::Fail | Scenario::Delay | Scenario::Random => {
                self.opened_at.plus_ms(self.terms.plan.delay_ms)
            }
        })
    }

    /// What the provider decides by itself.
    fn planned(&self) -> Step {
        let plan = &self.terms.plan;
        let declined = || Step::Declined { reason: "card_declined".to_owned() };
        match plan.scenario {
            Scenario::Approve | Scenario::Delay => Step::Authorised,
            Scenario::Fail => declined(),
            Scenario::Timeout => Step::Expired,
            Scenario::Random => {
                let drawn = chance::below(1000, &["approve", &self.terms.intent_id.to_string()]);
                if drawn < u64::from(plan.approve_permille) { Step::Authorised } else { declined() }
            }
        }
    }

    fn decided(&self, action: Action) -> Option<Step> {
        (self.status == Status::Pending).then(|| match action {
            Action::Approve => Step::Authorised,
            Action::Fail => Step::Declined { reason: "declined_by_request".to_owned() },
        })
    }

    /// The table of the module, row by row.
    fn instructed(&self, instruction: &Instruction) -> Option<Step> {
        let reason = match instruction {
            Instruction::Void { reason } | Instruction::Fail { reason } => Some(cut(reason)),
            Instruction::Open(_) | Instruction::Capture { .. } | Instruction::Refund | Instruction::Cancel => None,
        };
        match (self.status, instruction) {
            (Status::Cancelled | Status::Refunded, _) | (_, Instruction::Open(_)) => None,
            (Status::Pending | Status::Authorized | Status::Failed | Status::Expired, Instruction::Capture { order_id }) => {
                Some(Step::Captured { order_id: order_id.clone() })
            }
            (Status::Failed | Status::Expired, _) => None,
            (Status::Pending, Instruction::Fail { reason }) => Some(Step::Failed { reason: cut(reason) }),
            (Status::Pending | Status::Authorized, _) => Some(Step::Released { reason }),
            (Status::Approved, Instruction::Capture { .. } | Instruction::Fail { .. }) => None,
            (Status::Approved, Instruction::Void { .. } | Instruction::Refund | Instruction::Cancel) => {
                Some(Step::Refunded { reason })
            }
        }
    }

    fn tried(&self, attempt: u32, delivered: bool) -> Option<Step> {
        let awaited = self.report.as_ref().is_some_and(|report| report.attempt == attempt);
        awaited.then_some(Step::Tried { attempt, delivered })
    }

    fn apply(&mut self, step: &Step, at: Millis) {
        match (self.status, step) {
            (Status::Pending, Step::Authorised) => {
                self.status = Status::Authorized;
                self.report = Some(Report { kind: WebhookType::Approved, decided_at: at, attempt: 1, due_at: at });
            }
            (Status::Pending, Step::Declined { reason }) => {
                self.end(Status::Failed, Some(reason));
                self.report = Some(Report { kind: WebhookType::Failed, decided_at: at, attempt: 1, due_at: at });
            }
            (Status::Failed | Status::Expired, Step::Captured { .. }) => {
                // Its own end does not count: the seats were sold on a word that came from elsewhere.
                self.report = None;
                self.failure_reason = None;
                self.status = Status::Pending;
                self.apply(step, at);
            }
            (Status::Pending | Status::Authorized, Step::Captured { order_id }) => {
                self.status = Status::Approved;
                self.order_id = Some(order_id.clone());
                self.captured = self.terms.amount;
            }
            (Status::Pending, Step::Released { reason }) => self.end(Status::Cancelled, reason.as_ref()),
            (Status::Authorized, Step::Released { reason }) => self.end(Status::Refunded, reason.as_ref()),
            (Status::Approved, Step::Refunded { reason }) => {
                self.end(Status::Refunded, reason.as_ref());
                self.refunded = self.captured;
            }
            (Status::Pending, Step::Failed { reason }) => self.end(Status::Failed, Some(reason)),
            (Status::Pending, Step::Expired) => self.end(Status::Expired, None),
            (_, Step::Tried { attempt, delivered }) => self.note_try(*attempt, *delivered, at),
            // Made before: applying a change again is harmless.
            _ => {}
        }
        self.check();
    }

    fn end(&mut self, status: Status, reason: Option<&String>) {
        self.status = status;
        self.failure_reason = reason.cloned();
        self.report = None;
    }

    fn note_try(&mut self, attempt: u32, delivered: bool, at: Millis) {
        let id = self.webhook_id();
        let Some(report) = self.report.as_mut().filter(|report| report.attempt == attempt) else { return };
        match retry_at(&id, attempt, at) {
            Some(due_at) if !delivered => (report.attempt, report.due_at) = (attempt + 1, due_at),
            _ => self.report = None,
        }
    }

    /// Money is taken once, in full, for an order, and goes back only after it was taken.
    fn check(&self) {
        let taken = matches!(self.status, Status::Approved) || self.refunded > 0;
        assert!(self.captured == if taken { self.terms.amount } else { 0 }, "money was taken without a capture, or twice");
        assert!(self.refunded == 0 || self.status == Status::Refunded, "money went back without a refund");
        assert!(self.captured == 0 || self.order_id.is_some(), "money was taken for no order");
    }
}

/// When to try again after try `attempt` failed at `at`; none after the last.
fn retry_at(webhook_id: &str, attempt: u32, at: Millis) -> Option<Millis> {
    let pause_ms = *RETRY_AFTER_MS.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
    let jitter_ms = chance::below(pause_ms / JITTER_DIVISOR, &["retry", webhook_id, &attempt.to_string()]);
    Some(at.plus_ms(pause_ms + jitter_ms))
}

fn cut(reason: &str) -> String {
    reason[..reason.floor_char_boundary(REASON_MAX_BYTES)].to_owned()
}

impl Machine for Payment {
    type Command = Command;
    type Change = Change;
    type Reply = Option<StatusReply>;

    fn decide(&self, command: &Command, now: Millis) -> Result<Decision<Self>, Refusal> {
        let mut after = self.clone();
        let mut changes = Vec::new();
        let overdue = self.intent.as_ref().and_then(|intent| Some((intent.decides_at()?, intent.planned())));
        if let Some((at, step)) = overdue.filter(|(at, _)| *at <= now) {
            changes.push(Change { at, step });
        }
        changes.iter().for_each(|change| after.apply(change));
        if let Some(step) = after.step(command)? {
            let change = Change { at: now, step };
            after.apply(&change);
            changes.push(change);
        }
        Ok(Decision { reply: after.intent.as_ref().map(Intent::reply), changes })
    }

    fn apply(&mut self, change: &Change) {
        match (&mut self.intent, &change.step) {
            (intent @ None, Step::Opened(terms)) => *intent = Some(Intent::new(terms.clone(), change.at)),
            (Some(intent), step) => intent.apply(step, change.at),
            (None, _) => {}
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.intent.as_ref().and_then(Intent::decides_at)
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn idempotency(command: &Command) -> Option<&Idempotency> {
        match command {
            Command::Settle { idempotency, .. } => Some(idempotency),
            Command::Instruct(_) | Command::Decide { .. } | Command::WebhookResult { .. } | Command::Tick => None,
        }
    }
}

#[cfg(test)]
mod tests;
