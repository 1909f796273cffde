//! A payment intent: reports its decision by a webhook until that is received.

use std::{cell::Cell, fmt::Display, rc::Rc};

use domain::{
    machine::{Answer, Machine, Store},
    payment::{Command, Payment, Webhook},
    time::Millis,
};
use serde_json::json;

use crate::{
    Host, Level, Platform, Problem,
    ask::{PaymentAsk, granted},
    within,
};

/// Longest time that one try may take, in milliseconds.
const TRY_MAX_MS: u64 = 10_000;
/// After this time, in milliseconds, a try that never came back counts as lost and is made again.
const TRY_LOST_MS: u64 = TRY_MAX_MS + 5_000;
/// How often somebody looks whether a try that another request makes is over, in milliseconds.
const LOOK_MS: u64 = 20;

/// One payment intent. Everything it knows is in its rows; memory is a copy.
///
/// While its webhook is out, the inventory instructs this same object: nothing is borrowed then, and there is one try at
/// a time.
pub struct PaymentActor<P, S> {
    host: Host<P, Payment, S>,
    /// When the try that is out counts as lost.
    trying_until: Cell<Option<Millis>>,
}

impl<P: Platform, S: Store<Payment, Fault: Display> + 'static> PaymentActor<P, S> {
    /// An intent.
    pub const fn new(platform: Rc<P>, store: S) -> Self {
        Self { host: Host::new(platform, store), trying_until: Cell::new(None) }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(&self, question: PaymentAsk, trace: &str) -> Result<Answer, Problem> {
        match question {
            PaymentAsk::Instruct(instruction) => {
                let answer = self.host.execute(&Command::Instruct(instruction))?;
                self.arm().await?;
                Ok(answer)
            }
            PaymentAsk::Process { user, action, idempotency } => {
                let decided = self.host.execute(&Command::Decide { user: user.clone(), action })?;
                if let Answer::Refused(_) = decided {
                    return Ok(decided);
                }
                self.report(trace).await?;
                while self.is_trying() {
                    self.host.platform.pause(LOOK_MS).await;
                }
                let answer = self.host.execute(&Command::Settle { user, idempotency })?;
                self.arm().await?;
                Ok(answer)
            }
            PaymentAsk::Status { user } => match self.host.read(|payment, _| Ok(payment.status(&user)))? {
                Ok(status) => granted(&status),
                Err(refusal) => Ok(Answer::Refused(refusal)),
            },
        }
    }

    /// Carries out what is due.
    ///
    /// # Errors
    /// Storage is broken; the platform rings again.
    pub async fn alarm(&self) -> Result<(), Problem> {
        self.host.ring()?;
        self.report("").await?;
        self.arm().await
    }

    /// Sees to it that the object is woken for its decision, for the next try, or for a try that is lost; when nothing
    /// can happen by itself any more, never again.
    async fn arm(&self) -> Result<(), Problem> {
        let (deadline, due_at) = self.host.read(|payment, _| Ok((payment.next_deadline(), payment.next_webhook_at())))?;
        if deadline.is_none() && due_at.is_none() {
            return self.host.disarm().await;
        }
        let not_before = self.trying_until.get().unwrap_or_default();
        self.host.arm(due_at.map(|at| at.max(not_before))).await
    }

    fn is_trying(&self) -> bool {
        self.trying_until.get().is_some_and(|until| self.host.platform.now() < until)
    }

    /// Sends the webhook that is due, if one is and none is out, and notes what became of it.
    async fn report(&self, trace: &str) -> Result<(), Problem> {
        if self.is_trying() {
            return Ok(());
        }
        let platform = &*self.host.platform;
        let now = platform.now();
        let Some(webhook) = self.host.read(|payment, _| Ok(payment.due_webhook(now)))? else { return Ok(()) };
        self.trying_until.set(Some(now.plus_ms(TRY_LOST_MS)));
        self.arm().await?;
        let sent = within(platform.pause(TRY_MAX_MS), platform.report(&webhook, trace)).await;
        self.trying_until.set(None);
        let problem = match sent {
            Some(Ok(200..=299)) => None,
            Some(Ok(status)) => Some(format!("answered {status}")),
            Some(Err(problem)) => Some(problem.to_string()),
            None => Some("took too long".to_owned()),
        };
        self.host.execute(&Command::WebhookResult { attempt: webhook.attempt, delivered: problem.is_none() })?;
        self.arm().await?;
        if let Some(problem) = problem {
            self.complain(&webhook, trace, &problem)?;
        }
        Ok(())
    }

    fn complain(&self, webhook: &Webhook, trace: &str, problem: &str) -> Result<(), Problem> {
        let given_up = self.host.read(|payment, _| Ok(payment.next_webhook_at().is_none()))?;
        let (level, message) = if given_up { (Level::Error, "webhook given up") } else { (Level::Warn, "webhook failed") };
        let data = &webhook.body.data;
        let fields = json!({
            "payment_intent_id": data.payment_intent_id, "reservation_id": data.reservation_id,
            "attempt": webhook.attempt, "problem": problem,
        });
        self.host.platform.log(level, trace, message, fields);
        Ok(())
    }
}
