//! One payment intent at the simulated provider: a state machine, by the table of [`super`].

use serde::{Deserialize, Serialize};

use super::terms::{
    Action, Instruction, Plan, Scenario, Status, StatusReply, Terms, Webhook, WebhookBody, WebhookData, WebhookType,
};
use crate::{
    chance,
    effect::Retry,
    id::OrderId,
    money::Amount,
    time::{Millis, Timestamp},
    trace::TraceId,
};

/// Pauses between one try to deliver a webhook and the next.
pub const RETRY: Retry = Retry { pauses_ms: &[1_000, 2_000, 4_000, 8_000, 16_000], for_ever: false };
/// Longest reason that is kept, in bytes; the rest is cut.
pub const REASON_MAX_BYTES: usize = 200;

/// An intent, once opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which it is of those that its provider has not settled: the id of its effect.
    pub(super) number: u64,
    /// What is paid.
    pub terms: Terms,
    opened_at: Millis,
    /// The request that opened it.
    pub(super) trace: TraceId,
    status: Status,
    order_id: Option<OrderId>,
    failure_reason: Option<String>,
    pub(super) report: Option<Report>,
    /// How the receiver of the report sees the payment since.
    told: Option<Status>,
    captured: Amount,
    refunded: Amount,
}

/// A decision that was not received yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    kind: WebhookType,
    decided_at: Millis,
    /// Which try, from 1.
    pub(super) attempt: u32,
    pub(super) due_at: Millis,
}

/// What can happen to an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was opened.
    Opened,
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
        /// How the receiver sees the payment since; none where it did not take the webhook.
        told: Option<Status>,
    },
}

impl Intent {
    pub(super) const fn new(number: u64, terms: Terms, opened_at: Millis, trace: TraceId) -> Self {
        Self {
            number,
            terms,
            opened_at,
            trace,
            status: Status::Pending,
            order_id: None,
            failure_reason: None,
            report: None,
            told: None,
            captured: 0,
            refunded: 0,
        }
    }

    /// How it stands. What is authorised stands as whoever heard of it sees it: the capture may be on its way.
    #[must_use]
    pub fn reply(&self) -> StatusReply {
        let status = if self.status == Status::Authorized { self.told.unwrap_or(self.status) } else { self.status };
        StatusReply {
            payment_intent_id: self.terms.intent_id.clone(),
            status,
            amount: self.terms.amount,
            currency: self.terms.currency,
            reservation_id: self.terms.reservation_id.clone(),
            order_id: self.order_id.clone(),
            failure_reason: self.failure_reason.clone(),
        }
    }

    /// Where it stands at the provider.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What was taken from the buyer and what went back, in minor units.
    #[must_use]
    pub const fn money(&self) -> (Amount, Amount) {
        (self.captured, self.refunded)
    }

    /// Whether only an instruction can move it, and nobody is to hear of it.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self.status, Status::Pending | Status::Authorized) && self.report.is_none()
    }

    /// The webhook that is to be received.
    pub(super) fn webhook(&self) -> Option<Webhook> {
        let report = self.report.as_ref()?;
        let Terms { intent_id, reservation_id, amount, currency, .. } = self.terms.clone();
        let failure_reason = self.failure_reason.clone();
        let data = WebhookData { payment_intent_id: intent_id, reservation_id, amount, currency, failure_reason };
        let body = WebhookBody { kind: report.kind, timestamp: Timestamp(report.decided_at), data };
        Some(Webhook { id: self.webhook_id(), attempt: report.attempt, body })
    }

    /// An intent is decided once, so its id tells its one webhook apart.
    fn webhook_id(&self) -> String {
        format!("msg_{}", self.terms.intent_id)
    }

    /// When the provider decides, or stops waiting; none once that is over.
    pub(super) fn decides_at(&self) -> Option<Millis> {
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
    pub(super) fn planned(&self) -> Step {
        let Plan { scenario, approve_permille, .. } = self.terms.plan;
        let declined = || Step::Declined { reason: "card_declined".to_owned() };
        match scenario {
            Scenario::Approve | Scenario::Delay => Step::Authorised,
            Scenario::Fail => declined(),
            Scenario::Timeout => Step::Expired,
            Scenario::Random => {
                let drawn = chance::below(1000, &["approve", &self.terms.intent_id.to_string()]);
                if drawn < u64::from(approve_permille) { Step::Authorised } else { declined() }
            }
        }
    }

    pub(super) fn decided(&self, action: Action) -> Option<Step> {
        (self.status == Status::Pending).then(|| match action {
            Action::Approve => Step::Authorised,
            Action::Fail => Step::Declined { reason: "declined_by_request".to_owned() },
        })
    }

    /// The table of the module, row by row.
    pub(super) fn instructed(&self, instruction: &Instruction) -> Option<Step> {
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

    pub(super) fn tried(&self, attempt: u32, told: Option<Status>) -> Option<Step> {
        let awaited = self.report.as_ref().is_some_and(|report| report.attempt == attempt);
        awaited.then_some(Step::Tried { attempt, told })
    }

    /// Makes one step.
    pub(super) fn apply(&mut self, step: &Step, at: Millis) {
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
            (_, Step::Tried { attempt, told }) => self.note_try(*attempt, *told, at),
            (status, step) => unreachable!("{step:?} does not follow on {status}"),
        }
        self.check();
    }

    fn end(&mut self, status: Status, reason: Option<&String>) {
        self.status = status;
        self.failure_reason = reason.cloned();
        self.report = None;
    }

    fn note_try(&mut self, attempt: u32, told: Option<Status>, at: Millis) {
        let id = self.webhook_id();
        let Some(report) = self.report.as_mut() else { return };
        match RETRY.after(attempt, &id, at) {
            Some(due_at) if told.is_none() => (report.attempt, report.due_at) = (attempt + 1, due_at),
            _ => self.report = None,
        }
        self.told = told;
    }

    /// Money is taken once, in full, for an order, and goes back only after it was taken.
    fn check(&self) {
        let taken = matches!(self.status, Status::Approved) || self.refunded > 0;
        assert!(self.captured == if taken { self.terms.amount } else { 0 }, "money was taken without a capture, or twice");
        assert!(self.refunded == 0 || self.status == Status::Refunded, "money went back without a refund");
        assert!(self.captured == 0 || self.order_id.is_some(), "money was taken for no order");
    }
}

fn cut(reason: &str) -> String {
    reason[..reason.floor_char_boundary(REASON_MAX_BYTES)].to_owned()
}
