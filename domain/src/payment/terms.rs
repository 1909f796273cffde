//! What is paid, what a provider is told, and what it says.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    id::{OrderId, PaymentIntentId, ReservationId, UserId},
    money::{Amount, Currency},
    time::{Millis, Timestamp},
};

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

    /// Whether it ended without a sale and without money.
    #[must_use]
    pub const fn is_given_up(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::Expired)
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

impl WebhookType {
    /// How a payment stands by what is told.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Approved => Status::Authorized,
            Self::Failed => Status::Failed,
        }
    }
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
