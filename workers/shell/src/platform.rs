//! What runs an object: [`actors::Platform`] on Durable Objects.

use actors::{
    Carrier, Level, Platform, Post, Problem,
    ask::{Fault, Object, SignedWebhook},
    carrier::Bell,
};
use domain::{delivery::endpoint_allowed, time::Millis, trace::TraceId};
use futures_channel::oneshot;
use js_sys::{Array, JSON, Uint8Array};
use serde_json::Value;
use signing::webhook::{self, Key};
use wasm_bindgen::JsValue;
use worker::{
    AbortController, Date, DateInit, Env, Error, Fetch, Headers, Method, QueueContentType, RawMessageBuilder, Request,
    RequestInit, RequestRedirect, Result, ScheduledTime, SendMessage, State,
};

use crate::{ask, clock, log, promise::pause};

/// What signs the provider's webhooks in development where nothing is set.
pub const DEVELOPMENT_WEBHOOK_SECRET: &str = "development-only-payment-webhook-secret";

/// How organisers' endpoints see who posts.
const USER_AGENT: &str = "traffic-tacos-webhooks/1";
/// Binding of the queue `sale-events`.
const SALE_EVENTS: &str = "SALE_EVENTS";
/// The secret that the gateway verifies the provider's webhooks with.
const WEBHOOK_SECRET: &str = "PAYMENT_WEBHOOK_SECRET";

/// The platform of one object.
pub struct ObjectPlatform {
    state: State,
    env: Env,
    /// The name under which the object logs.
    service: &'static str,
}

impl ObjectPlatform {
    /// The platform of the object that was given this state.
    #[must_use]
    pub const fn new(state: State, env: Env, service: &'static str) -> Self {
        Self { state, env, service }
    }

    /// The object's name among those of its class.
    #[must_use]
    pub fn name(&self) -> String {
        self.state.id().name().unwrap_or_default()
    }

    /// The object's storage.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The object's bindings.
    #[must_use]
    pub const fn env(&self) -> &Env {
        &self.env
    }

    fn webhook_key(&self) -> Result<Key> {
        let var = |name: &str| self.env.var(name).map(|value| value.to_string().trim().to_owned()).unwrap_or_default();
        let secret = match var(WEBHOOK_SECRET) {
            unset if unset.is_empty() && var("ENVIRONMENT") == "development" => DEVELOPMENT_WEBHOOK_SECRET.to_owned(),
            secret => secret,
        };
        Key::from_secret(&secret).map_err(|bad| format!("{WEBHOOK_SECRET} {bad}").into())
    }

    /// A redirect is an answer like any other that is not 2xx: following one could lead to an address that is not allowed.
    async fn post_to_endpoint(&self, post: Post<'_>) -> Result<u16> {
        let development = self.env.var("ENVIRONMENT").is_ok_and(|value| value.to_string().trim() == "development");
        endpoint_allowed(post.url, development).map_err(|problem| format!("address {problem}"))?;
        let keys = post.secrets.iter().map(|secret| Key::from_secret(secret));
        let keys = keys.collect::<std::result::Result<Vec<Key>, _>>().map_err(|bad| format!("secret {bad}"))?;
        let headers = Headers::new();
        for (name, value) in webhook::headers(&keys, post.id, post.body.as_bytes(), clock::now()) {
            headers.set(name, &value)?;
        }
        headers.set("content-type", "application/json")?;
        headers.set("user-agent", USER_AGENT)?;
        let (trace, span) = post.trace;
        if !trace.is_none() {
            headers.set("traceparent", &trace.traceparent(span))?;
        }
        let mut init = RequestInit::new();
        let body = Uint8Array::from(post.body.as_bytes());
        init.with_method(Method::Post).with_headers(headers).with_redirect(RequestRedirect::Manual).with_body(Some(body.into()));
        let request = Request::new_with_init(post.url, &init)?;
        let given_up = GivenUp::default();
        let signal = given_up.0.signal();
        Ok(Fetch::Request(request).send_with_signal(&signal).await?.status_code())
    }

    /// Each goes as a plain object: the `worker` crate would hand a JSON map over as a JavaScript `Map`, which the platform
    /// writes as `{}`.
    async fn send_envelopes(&self, envelopes: &[String]) -> Result<()> {
        let objects = Array::from(&JSON::parse(&format!("[{}]", envelopes.join(","))).map_err(Error::from)?);
        let message = |object| RawMessageBuilder::new(object).build_with_content_type(QueueContentType::Json);
        let messages: Vec<SendMessage<JsValue>> = objects.iter().map(message).collect();
        self.env.queue(SALE_EVENTS)?.send_raw_batch(messages).await
    }
}

impl Carrier for ObjectPlatform {
    fn now(&self) -> Millis {
        clock::now()
    }

    async fn pause(&self, ms: u64) {
        pause(ms).await;
    }

    async fn abandoned(&self, _ms: u64) {
        std::future::pending().await
    }

    /// All requests of an object are one to the platform.
    fn bell(&self) -> (Bell, impl Future<Output = ()>) {
        let (ring, rung) = oneshot::channel();
        let ring = move || {
            let _ = ring.send(());
        };
        (Box::new(ring), async {
            let _ = rung.await;
        })
    }

    async fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> std::result::Result<Vec<Vec<u8>>, Fault> {
        ask::send_together(&self.env, to.binding(), &to.name(), &questions).await
    }
}

impl Platform for ObjectPlatform {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.state.wait_until(task);
    }

    async fn flushed(&self) {
        // Where it fails, the object is reset and nobody waits any more.
        let _ = self.state.storage().sync().await;
    }

    async fn set_alarm(&self, at: Millis) -> std::result::Result<(), Problem> {
        let at = ScheduledTime::new(Date::new(DateInit::Millis(at.0)).into());
        self.state.storage().set_alarm(at).await.map_err(problem)
    }

    async fn delete_alarm(&self) -> std::result::Result<(), Problem> {
        self.state.storage().delete_alarm().await.map_err(problem)
    }

    async fn publish(&self, envelopes: &[String]) -> std::result::Result<(), Problem> {
        self.send_envelopes(envelopes).await.map_err(problem)
    }

    fn sign(&self, id: &str, body: String) -> std::result::Result<SignedWebhook, Problem> {
        let headers = self.webhook_key().map_err(problem)?.headers(id, body.as_bytes(), clock::now());
        let [id, timestamp, signature] = headers.map(|(_, value)| value);
        Ok(SignedWebhook { id, timestamp, signature, body })
    }

    async fn post(&self, post: Post<'_>) -> std::result::Result<u16, Problem> {
        self.post_to_endpoint(post).await.map_err(problem)
    }

    fn log(&self, level: Level, trace: TraceId, message: &str, fields: Value) {
        log::line(level, self.service, &trace.to_string(), message, fields);
    }
}

/// Ends a request when nobody waits for its answer any more, or for the rest of it.
#[derive(Default)]
struct GivenUp(AbortController);

impl Drop for GivenUp {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).abort();
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn problem(error: Error) -> Problem {
    Problem(error.to_string())
}
