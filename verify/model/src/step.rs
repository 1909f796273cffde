//! What can happen, one at a time.

use std::fmt;

use crate::object::Fault;

/// A buyer, from 0.
pub type Buyer = u8;
/// A payment intent: `buyer * attempts + attempt`.
pub type Slot = u8;

/// What a buyer asks of the inventory through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// Hold the seat. Sent again, the same key comes with other random bits for the reservation.
    Hold(Buyer, bool),
    /// Open an intent.
    Open(Slot),
    /// Confirm; whether the gateway has heard from the provider that it is authorised.
    Confirm(Slot, bool),
    /// Give the reservation up.
    Cancel(Buyer),
    /// Give the intent up.
    CancelIntent(Slot),
    /// Give the order back.
    Refund(Buyer),
}

/// Which errands an alarm finds due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// None: it rings for a deadline or for the outbox.
    None,
    /// All there are.
    All,
    /// This one alone; the others' pauses are longer.
    One(u8),
}

/// One step of one part of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The next instant comes.
    Clock,
    /// A buyer's request reaches the inventory.
    Ask(Request, Option<Fault>),
    /// The gateway asks the provider, to confirm.
    AskProvider(Slot, Option<Fault>),
    /// A buyer has a payment decided now, approved or declined.
    Process(Slot, bool, Option<Fault>),
    /// The inventory's alarm rings.
    InventoryAlarm(Due, Option<Fault>),
    /// A payment's alarm rings.
    PaymentAlarm(Slot, Option<Fault>),
    /// The next errand of a call is delivered.
    Instruct(u8, Option<Fault>),
    /// It fails: the instruction or its answer is lost.
    InstructLost(u8),
    /// A copy of it stays on the way.
    InstructEchoed(u8),
    /// All errands of a call were tried; the inventory notes it and the call is answered.
    Finish(u8, Option<Fault>),
    /// A copy of an instruction arrives.
    LateInstruct(u8, Option<Fault>),
    /// A payment sends its webhook.
    Report(Slot),
    /// It reaches the inventory.
    Webhook(Slot, Option<Fault>),
    /// It, or its answer, is lost.
    WebhookLost(Slot),
    /// A copy of it stays on the way.
    WebhookEchoed(Slot),
    /// The payment hears how its webhook was answered.
    WebhookResult(Slot, Option<Fault>),
    /// A copy of a webhook arrives.
    LateWebhook(u8, Option<Fault>),
    /// The inventory loses its memory and every call it was carrying out.
    CrashInventory,
    /// A payment loses its memory and the webhook it was sending.
    CrashPayment(Slot),
}

impl Step {
    /// The same step while storage fails; none where the step saves nothing.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Option<Self> {
        let fault = Some(fault);
        Some(match self {
            Self::Ask(request, None) => Self::Ask(request, fault),
            Self::AskProvider(slot, None) => Self::AskProvider(slot, fault),
            Self::Process(slot, approve, None) => Self::Process(slot, approve, fault),
            Self::InventoryAlarm(due, None) => Self::InventoryAlarm(due, fault),
            Self::PaymentAlarm(slot, None) => Self::PaymentAlarm(slot, fault),
            Self::Instruct(call, None) => Self::Instruct(call, fault),
            Self::Finish(call, None) => Self::Finish(call, fault),
            Self::LateInstruct(copy, None) => Self::LateInstruct(copy, fault),
            Self::Webhook(slot, None) => Self::Webhook(slot, fault),
            Self::WebhookResult(slot, None) => Self::WebhookResult(slot, fault),
            Self::LateWebhook(copy, None) => Self::LateWebhook(copy, fault),
            _ => return None,
        })
    }

    const fn fault(self) -> Option<Fault> {
        match self {
            Self::Ask(_, fault)
            | Self::AskProvider(_, fault)
            | Self::Process(_, _, fault)
            | Self::InventoryAlarm(_, fault)
            | Self::PaymentAlarm(_, fault)
            | Self::Instruct(_, fault)
            | Self::Finish(_, fault)
            | Self::LateInstruct(_, fault)
            | Self::Webhook(_, fault)
            | Self::WebhookResult(_, fault)
            | Self::LateWebhook(_, fault) => fault,
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => f.write_str("time passes"),
            Self::Ask(Request::Hold(buyer, false), _) => write!(f, "buyer {buyer} holds the seat"),
            Self::Ask(Request::Hold(buyer, true), _) => write!(f, "buyer {buyer} sends the hold again"),
            Self::Ask(Request::Open(slot), _) => write!(f, "intent {slot} is opened"),
            Self::Ask(Request::Confirm(slot, false), _) => write!(f, "intent {slot} is confirmed"),
            Self::Ask(Request::Confirm(slot, true), _) => write!(f, "intent {slot} is confirmed, as authorised"),
            Self::Ask(Request::Cancel(buyer), _) => write!(f, "buyer {buyer} cancels the reservation"),
            Self::Ask(Request::CancelIntent(slot), _) => write!(f, "intent {slot} is cancelled"),
            Self::Ask(Request::Refund(buyer), _) => write!(f, "buyer {buyer} gives the order back"),
            Self::AskProvider(slot, _) => write!(f, "the gateway asks the provider about intent {slot}"),
            Self::Process(slot, true, _) => write!(f, "intent {slot} is approved by request"),
            Self::Process(slot, false, _) => write!(f, "intent {slot} is declined by request"),
            Self::InventoryAlarm(Due::None, _) => f.write_str("the inventory's alarm rings"),
            Self::InventoryAlarm(Due::All, _) => f.write_str("the inventory's alarm tries all errands"),
            Self::InventoryAlarm(Due::One(errand), _) => write!(f, "the inventory's alarm tries errand {errand}"),
            Self::PaymentAlarm(slot, _) => write!(f, "the alarm of intent {slot} rings"),
            Self::Instruct(call, _) => write!(f, "call {call} delivers its next errand"),
            Self::InstructLost(call) => write!(f, "call {call} fails to deliver its next errand"),
            Self::InstructEchoed(call) => write!(f, "a copy of the next errand of call {call} stays on the way"),
            Self::Finish(call, _) => write!(f, "call {call} notes what was delivered"),
            Self::LateInstruct(copy, _) => write!(f, "late instruction {copy} arrives"),
            Self::Report(slot) => write!(f, "intent {slot} sends its webhook"),
            Self::Webhook(slot, _) => write!(f, "the webhook of intent {slot} arrives"),
            Self::WebhookLost(slot) => write!(f, "the webhook of intent {slot} or its answer is lost"),
            Self::WebhookEchoed(slot) => write!(f, "a copy of the webhook of intent {slot} stays on the way"),
            Self::WebhookResult(slot, _) => write!(f, "intent {slot} hears how its webhook was answered"),
            Self::LateWebhook(copy, _) => write!(f, "late webhook {copy} arrives"),
            Self::CrashInventory => f.write_str("the inventory crashes"),
            Self::CrashPayment(slot) => write!(f, "intent {slot} crashes"),
        }?;
        match self.fault() {
            Some(Fault::RolledBack(save)) => write!(f, " [save {save} is rolled back]"),
            Some(Fault::Unheard(save)) => write!(f, " [the answer of save {save} is lost]"),
            None => Ok(()),
        }
    }
}
