//! Organisers' endpoints: each is made at some moment of the sale, and then down for a while, slow, or gone until its organiser
//! enables it again. Signatures are the real ones.

use std::{cell::Cell, rc::Rc};

use actors::{
    Post, Problem,
    ask::{EndpointId, Object, WebhookAsk},
    sale::Gate,
};
use domain::{
    delivery::{Directions, Envelope, Version},
    id::EventId,
    machine::Answer,
    time::Millis,
};
use fastrand::Rng;
use signing::webhook::Key;

use crate::{
    executor::IMMORTAL,
    gateway::{Door, No},
    world::World,
};

const SECRET: &str = "a secret of an organiser";
/// An endpoint that is slow takes up to so long, in milliseconds: longer than anybody waits for it.
const SLOW_MS: u64 = 15_000;
/// How long after everything went well again an organiser enables its endpoint, in milliseconds.
const ENABLED_AFTER_MS: u64 = 30_000;

/// What an endpoint is like. Times are milliseconds after the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// When it is made.
    pub made_ms: u64,
    /// When it is down.
    pub down_ms: (u64, u64),
    /// When it is slow.
    pub slow_ms: (u64, u64),
    /// When it says that it wants nothing any more, until it is enabled.
    pub gone_ms: Option<u64>,
}

impl Plan {
    /// An endpoint of any kind, within the first `until_ms`.
    pub(crate) fn drawn(rng: &mut Rng, until_ms: u64) -> Self {
        let mut span = |often: u32| {
            let from = rng.u64(0..=until_ms);
            if rng.u32(0..100) < often { (from, from + rng.u64(0..=until_ms)) } else { (0, 0) }
        };
        let (down_ms, slow_ms) = (span(60), span(30));
        let gone_ms = (rng.u32(0..4) == 0).then(|| rng.u64(0..=until_ms));
        let made_ms = if rng.bool() { 0 } else { rng.u64(0..=until_ms) };
        Self { made_ms, down_ms, slow_ms, gone_ms }
    }

    /// When it takes everything again, but for being disabled.
    fn well_ms(&self) -> u64 {
        [self.made_ms, self.down_ms.1, self.slow_ms.1, self.gone_ms.unwrap_or(0)].into_iter().max().unwrap_or(0)
    }
}

/// An endpoint.
pub(crate) struct Endpoint {
    id: EndpointId,
    plan: Plan,
    /// When it was made, by the clock of whoever made it; what D1 has.
    pub(crate) made_at: Cell<Option<Millis>>,
    enabled: Cell<bool>,
}

impl Endpoint {
    fn url(&self) -> String {
        format!("https://hooks.example.com/{}", self.id)
    }

    /// What D1 has of it; none before it is made.
    pub(crate) fn directions(&self) -> Option<Directions> {
        let created_at = self.made_at.get()?;
        let (secret, version) = (SECRET.to_owned(), Version { created_at, updated_at: created_at });
        Some(Directions { url: self.url(), secret, organiser_id: None, event_ids: None, version })
    }

    pub(crate) const fn id(&self) -> &EndpointId {
        &self.id
    }
}

const fn within(span: (u64, u64), at: u64) -> bool {
    span.0 <= at && at < span.1
}

impl World {
    /// Endpoints are made when their time comes, and enabled when all is well again.
    pub(crate) fn open_endpoints(&self, plans: &[Plan]) {
        let endpoint = |(index, plan): (usize, &Plan)| {
            let id = EventId::parse(&format!("hook_{index}")).expect("a valid id");
            Rc::new(Endpoint { id, plan: *plan, made_at: Cell::new(None), enabled: Cell::new(false) })
        };
        *self.0.endpoints.borrow_mut() = plans.iter().enumerate().map(endpoint).collect();
        for endpoint in self.0.endpoints.borrow().iter() {
            let (world, endpoint) = (self.clone(), Rc::clone(endpoint));
            self.0.executor.spawn(IMMORTAL, async move { world.organise(&endpoint).await });
        }
    }

    async fn organise(&self, endpoint: &Endpoint) {
        self.0.executor.sleep(endpoint.plan.made_ms).await;
        endpoint.made_at.set(Some(self.now()));
        // Told once: where that is lost, the reader of `sale-events` finds that the object does not know itself.
        let directions = endpoint.directions().expect("it was just made");
        let _ = self.tell(endpoint, &WebhookAsk::Direct(Box::new(directions))).await;
        let well_ms = endpoint.plan.well_ms().max(self.0.weather.until_sec * 1000) + ENABLED_AFTER_MS;
        self.0.executor.sleep(well_ms.saturating_sub(self.elapsed_ms())).await;
        endpoint.enabled.set(true);
        while self.tell(endpoint, &WebhookAsk::Enable).await.is_err() {}
    }

    async fn tell(&self, endpoint: &Endpoint, ask: &WebhookAsk) -> Result<Answer, No> {
        let (to, ask) = (Object::Webhook(endpoint.id.clone()), ask.clone());
        let send = move |gate: Door| {
            let (to, ask) = (to.clone(), ask.clone());
            async move { gate.ask(&to, None, &ask).await }
        };
        self.request(0, send).await
    }

    /// An endpoint is sent something.
    pub(crate) async fn post(&self, post: Post<'_>) -> Result<u16, Problem> {
        self.0.executor.sleep(self.delay_ms()).await;
        if self.goes_wrong(self.0.weather.loses) {
            return Err("the endpoint could not be reached".into());
        }
        let endpoints = self.0.endpoints.borrow().clone();
        let endpoint = endpoints.iter().find(|endpoint| endpoint.url() == post.url).ok_or("there is no such endpoint")?;
        let Plan { down_ms, slow_ms, gone_ms, .. } = endpoint.plan;
        if within(slow_ms, self.elapsed_ms()) {
            self.0.executor.sleep(self.draw(0..=SLOW_MS)).await;
        }
        if gone_ms.is_some_and(|at| at <= self.elapsed_ms()) && !endpoint.enabled.get() {
            return Ok(410);
        }
        if within(down_ms, self.elapsed_ms()) {
            return if self.chance(500_000) { Ok(503) } else { Err("the endpoint is down".into()) };
        }
        let signed = post.secrets.iter().any(|secret| secret == SECRET) && Key::from_secret(SECRET).is_ok();
        let envelope = Envelope::parse(post.body).filter(|envelope| signed && envelope.id == post.id);
        let envelope = envelope.ok_or("that is no envelope of ours")?;
        self.trace("told", post.body.as_bytes());
        let verdict = self.0.witness.borrow_mut().told.took(&endpoint.id, &envelope.event_id, envelope.sequence);
        self.check(verdict);
        self.0.stats.borrow_mut().told += 1;
        let unheard = self.goes_wrong(self.0.weather.loses);
        self.0.executor.sleep(self.delay_ms()).await;
        if unheard { Err("no answer".into()) } else { Ok(204) }
    }
}
