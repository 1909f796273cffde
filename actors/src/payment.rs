//! The seam to payment providers, and the simulated one: reports each decision by a webhook until it is received.

use std::{fmt::Display, rc::Rc};

use domain::{
    effect::Pending,
    id::PaymentIntentId,
    machine::{Answer, Store},
    payment::{Command, Instruction, Simulator, Status, Webhook, simulator::Effect},
    trace::TraceId,
};
use serde::Deserialize;

use crate::{
    Actor, Host, Performed, Platform, Problem,
    ask::{Company, GatewayAsk, Object, PaymentAsk, answered},
    batch::{self, Batches, CALLS_MAX},
};

/// How long a report waits for its answer, in milliseconds: less than whoever has a payment decided waits. A call that it makes
/// for others may take some seconds more.
const TRY_MAX_MS: u64 = 10_000;

/// Who takes money. The inventory instructs it by effects, each of which it may get more than once, and hears its decisions
/// as signed webhooks.
pub trait Provider {
    /// Carries out an instruction about an intent; `id` is the effect's, the same in each try.
    ///
    /// # Errors
    /// The provider did not take it; it is told again.
    fn instruct(
        &self,
        intent: &PaymentIntentId,
        instruction: &Instruction,
        id: u64,
        trace: TraceId,
    ) -> impl Future<Output = Result<(), Problem>>;
}

/// The simulated provider, as the inventory reaches it.
#[derive(Debug)]
pub struct SimulatedProvider<P> {
    platform: Rc<P>,
    batches: Batches,
}

impl<P> SimulatedProvider<P> {
    /// The provider on this platform; what is asked at the same time shares the calls of `batches`.
    pub const fn new(platform: Rc<P>, batches: Batches) -> Self {
        Self { platform, batches }
    }
}

impl<P: Platform> Provider for SimulatedProvider<P> {
    async fn instruct(
        &self,
        intent: &PaymentIntentId,
        instruction: &Instruction,
        id: u64,
        trace: TraceId,
    ) -> Result<(), Problem> {
        let to = Object::Payment(intent.event_id.clone());
        let instruct = PaymentAsk::Instruct { intent: intent.clone(), instruction: instruction.clone() };
        answered(batch::ask(&self.batches, &*self.platform, &to, Company::Itself, &trace.traceparent(id), None, &instruct).await)
            .map(drop)
    }
}

/// The intents of an event, at the simulated provider. Everything it knows is in its rows; memory is a copy.
pub struct PaymentActor<P, S> {
    host: Host<P, Simulator, S>,
    batches: Batches,
}

/// What the platform answers to a webhook that it took.
#[derive(Deserialize)]
struct Received {
    status: Option<Status>,
}

impl<P: Platform, S: Store<Simulator, Fault: Display> + 'static> Actor for PaymentActor<P, S> {
    type Platform = P;
    type Machine = Simulator;
    type Store = S;

    fn host(&self) -> &Host<P, Simulator, S> {
        &self.host
    }

    async fn perform(self: &Rc<Self>, effect: Pending<Effect>) -> Performed<Command> {
        let Effect::Report(webhook) = effect.effect;
        let (told, problem) = match self.report(&webhook, effect.trace).await {
            Ok(body) => (Some(told(&body, &webhook)), None),
            Err(problem) => (None, Some(problem)),
        };
        let intent = webhook.body.data.payment_intent_id.clone();
        Performed { command: Command::Reported { intent, attempt: webhook.attempt, told }, problem }
    }

    /// Who has a payment decided is answered once the platform has heard of it.
    fn is_awaited(_effect: &Effect) -> bool {
        true
    }
}

/// How the receiver sees the payment; as the webhook tells it where it does not say.
fn told(body: &[u8], webhook: &Webhook) -> Status {
    let received = serde_json::from_slice::<Received>(body).ok();
    received.and_then(|received| received.status).unwrap_or_else(|| webhook.body.kind.status())
}

impl<P: Platform, S: Store<Simulator, Fault: Display> + 'static> PaymentActor<P, S> {
    /// A simulated provider.
    pub fn new(platform: Rc<P>, store: S) -> Self {
        Self { host: Host::new(platform, store), batches: batch::batches(CALLS_MAX, TRY_MAX_MS) }
    }

    /// Tells the gateway of a decision, together with what else is to be told; the body of its answer.
    async fn report(&self, webhook: &Webhook, trace: TraceId) -> Result<Vec<u8>, Problem> {
        let platform = &*self.host.platform;
        let signed = platform.sign(&webhook.id, serde_json::to_string(&webhook.body)?)?;
        let (traceparent, ask) = (trace.traceparent(webhook.attempt.into()), GatewayAsk::Webhook(signed));
        answered(batch::ask(&self.batches, platform, &Object::Gateway, Company::Sale, &traceparent, None, &ask).await)
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: PaymentAsk, trace: &str) -> Result<Answer, Problem> {
        let trace = TraceId::of_traceparent(trace);
        match question {
            PaymentAsk::Instruct { intent, instruction } => self.execute(Command::Instruct { intent, instruction }, trace).await,
            PaymentAsk::Process { intent, user, action, idempotency } => {
                let decide = Command::Decide { intent: intent.clone(), user: user.clone(), action };
                match self.execute(decide, trace).await? {
                    refused @ Answer::Refused(_) => Ok(refused),
                    Answer::Granted { .. } => self.execute(Command::Settle { intent, user, idempotency }, trace).await,
                }
            }
            PaymentAsk::Status { intent, user } => self.execute(Command::Look { intent, user }, trace).await,
        }
    }
}
