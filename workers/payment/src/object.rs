//! `PaymentObject`: decide, save, apply, arm; and the webhook that reports a decision.

use std::{cell::Cell, time::Duration};

use domain::{
    machine::{Answer, Machine},
    payment::{Command, Payment, Webhook},
    time::Millis,
};
use js_sys::Uint8Array;
use serde_json::json;
use shell::{
    Host,
    ask::{Envelope, granted, question, respond},
    clock,
    limit::within,
    log::{Level, line},
    sql::Sql,
};
use signing::Key;
use worker::{
    Delay, DurableObject, Env, Headers, Method, Request, RequestInit, Response, Result, State, durable_object, wasm_bindgen,
};

use crate::{PaymentAsk, store::PaymentStore};

/// What signs webhooks in development where nothing is set.
pub const DEVELOPMENT_WEBHOOK_SECRET: &str = "development-only-payment-webhook-secret";

const GATEWAY: &str = "GATEWAY";
const WEBHOOK_URL: &str = "http://gateway/api/v1/payments/webhook";
const SECRET: &str = "PAYMENT_WEBHOOK_SECRET";

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
#[durable_object(alarm)]
pub struct PaymentObject {
    state: State,
    env: Env,
    host: Host<Payment, PaymentStore>,
    /// When the try that is out counts as lost.
    trying_until: Cell<Option<Millis>>,
}

impl DurableObject for PaymentObject {
    fn new(state: State, env: Env) -> Self {
        let host = Host::new(PaymentStore::new(Sql::new(&state)));
        Self { state, env, host, trying_until: Cell::new(None) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Envelope { trace, ask } = question::<PaymentAsk>(&mut request).await?;
        respond(&self.answer(ask, &trace).await?)
    }

    async fn alarm(&self) -> Result<Response> {
        self.host.ring()?;
        self.report("").await?;
        self.arm().await?;
        Response::empty()
    }
}

impl PaymentObject {
    async fn answer(&self, ask: PaymentAsk, trace: &str) -> Result<Answer> {
        match ask {
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
                    Delay::from(Duration::from_millis(LOOK_MS)).await;
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

    /// Sees to it that the object is woken for its decision, for the next try, or for a try that is lost; when nothing
    /// can happen by itself any more, never again.
    async fn arm(&self) -> Result<()> {
        let (deadline, due_at) = self.host.read(|payment, _| Ok((payment.next_deadline(), payment.next_webhook_at())))?;
        if deadline.is_none() && due_at.is_none() {
            return self.state.storage().delete_alarm().await;
        }
        let not_before = self.trying_until.get().unwrap_or_default();
        self.host.arm(&self.state, due_at.map(|at| at.max(not_before))).await
    }

    fn is_trying(&self) -> bool {
        self.trying_until.get().is_some_and(|until| clock::now() < until)
    }

    /// Sends the webhook that is due, if one is and none is out, and notes what became of it.
    async fn report(&self, trace: &str) -> Result<()> {
        if self.is_trying() {
            return Ok(());
        }
        let now = clock::now();
        let Some(webhook) = self.host.read(|payment, _| Ok(payment.due_webhook(now)))? else { return Ok(()) };
        self.trying_until.set(Some(now.plus_ms(TRY_LOST_MS)));
        self.arm().await?;
        let sent = within(TRY_MAX_MS, self.send(&webhook, trace)).await;
        self.trying_until.set(None);
        let problem = match sent {
            Some(Ok(200..=299)) => None,
            Some(Ok(status)) => Some(format!("answered {status}")),
            Some(Err(error)) => Some(error.to_string()),
            None => Some("took too long".to_owned()),
        };
        self.host.execute(&Command::WebhookResult { attempt: webhook.attempt, delivered: problem.is_none() })?;
        self.arm().await?;
        if let Some(problem) = problem {
            self.complain(&webhook, trace, &problem)?;
        }
        Ok(())
    }

    async fn send(&self, webhook: &Webhook, trace: &str) -> Result<u16> {
        let body = serde_json::to_vec(&webhook.body)?;
        let headers = Headers::new();
        for (name, value) in self.key()?.headers(&webhook.id, &body, clock::now()) {
            headers.set(name, &value)?;
        }
        headers.set("content-type", "application/json")?;
        if !trace.is_empty() {
            headers.set("traceparent", trace)?;
        }
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_headers(headers).with_body(Some(Uint8Array::from(body.as_slice()).into()));
        let response = self.env.service(GATEWAY)?.fetch(WEBHOOK_URL, Some(init)).await?;
        Ok(response.status_code())
    }

    fn key(&self) -> Result<Key> {
        let var = |name: &str| self.env.var(name).map(|value| value.to_string().trim().to_owned()).unwrap_or_default();
        let secret = match var(SECRET) {
            unset if unset.is_empty() && var("ENVIRONMENT") == "development" => DEVELOPMENT_WEBHOOK_SECRET.to_owned(),
            secret => secret,
        };
        Key::from_secret(&secret).map_err(|bad| format!("{SECRET} {bad}").into())
    }

    fn complain(&self, webhook: &Webhook, trace: &str, problem: &str) -> Result<()> {
        let given_up = self.host.read(|payment, _| Ok(payment.next_webhook_at().is_none()))?;
        let (level, msg) = if given_up { (Level::Error, "webhook given up") } else { (Level::Warn, "webhook failed") };
        let data = &webhook.body.data;
        let fields = json!({
            "payment_intent_id": data.payment_intent_id, "reservation_id": data.reservation_id,
            "attempt": webhook.attempt, "problem": problem,
        });
        line(level, "payment", trace.split('-').nth(1).unwrap_or_default(), msg, fields);
        Ok(())
    }
}
