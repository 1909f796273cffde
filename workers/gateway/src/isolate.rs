//! What an isolate keeps from one request to the next: plain data, all of it bounded, none of it needed.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use actors::{
    batch::{self, Batches},
    carrier::ASK_MAX_MS,
    sale::{self, Told},
};
use shell::clock;
use worker::Env;

use crate::{
    concurrency::{Concurrency, Slot},
    config::Config,
    idempotency::Granted,
    identity::{VerifiedTokens, oidc::Keys},
    metrics::Metrics,
    rate_limit::RateLimiter,
};

thread_local! {
    static BATCHES: Batches = batch::batches(batch::CALLS_MAX, ASK_MAX_MS);
    static NEWCOMERS: RefCell<Option<Concurrency>> = const { RefCell::new(None) };
    static CONFIG: OnceCell<Result<Rc<Config>, Vec<String>>> = const { OnceCell::new() };
    static GRANTED: RefCell<Granted> = RefCell::default();
    static KEYS: RefCell<Keys> = RefCell::default();
    static LIMITER: RefCell<RateLimiter> = RefCell::default();
    static METRICS: RefCell<Metrics> = RefCell::default();
    static TOLD: Told = sale::told();
    static VERIFIED: RefCell<VerifiedTokens> = RefCell::default();
}

/// The settings, read once.
///
/// # Errors
/// What is wrong with them; the Worker then serves nothing.
pub fn config(env: &Env) -> Result<Rc<Config>, Vec<String>> {
    // Secrets and plain variables are both text on the environment.
    let read = || Config::read(|name| env.var(name).ok().map(|value| value.to_string())).map(Rc::new);
    CONFIG.with(|config| config.get_or_init(read).clone())
}

/// What is asked together.
#[must_use]
pub fn batches() -> Batches {
    BATCHES.with(Rc::clone)
}

/// Which objects know their event.
#[must_use]
pub fn told() -> Told {
    TOLD.with(Rc::clone)
}

/// Looks at or changes which requests keys were granted to.
pub fn granted<T>(work: impl FnOnce(&mut Granted) -> T) -> T {
    GRANTED.with_borrow_mut(work)
}

/// Looks at or changes the OpenID provider's keys.
pub fn keys<T>(work: impl FnOnce(&mut Keys) -> T) -> T {
    KEYS.with_borrow_mut(work)
}

/// Looks at or changes the callers' token buckets.
pub fn limiter<T>(work: impl FnOnce(&mut RateLimiter) -> T) -> T {
    LIMITER.with_borrow_mut(work)
}

/// Looks at or changes the counters.
pub fn metrics<T>(work: impl FnOnce(&mut Metrics) -> T) -> T {
    METRICS.with_borrow_mut(work)
}

/// Looks at or changes the tokens that were verified.
pub fn verified<T>(work: impl FnOnce(&mut VerifiedTokens) -> T) -> T {
    VERIFIED.with_borrow_mut(work)
}

/// A newcomer who is being served, until dropped.
pub struct Newcomer(Slot);

impl Newcomer {
    /// Takes a newcomer in, where at most `most` are served at once and fewer while answers come late.
    #[must_use]
    pub fn enter(most: u32) -> Option<Self> {
        let enter =
            |newcomers: &mut Option<Concurrency>| newcomers.get_or_insert_with(|| Concurrency::new(most)).enter(clock::now());
        NEWCOMERS.with_borrow_mut(enter).map(Self)
    }

    /// The newcomer got what was asked for: how long that took counts.
    pub fn answered(self) {
        self.end(|newcomers, slot| newcomers.answer(slot, clock::now()));
    }

    fn end(&self, work: impl FnOnce(&mut Concurrency, Slot)) {
        NEWCOMERS.with_borrow_mut(|newcomers| {
            if let Some(newcomers) = newcomers {
                work(newcomers, self.0);
            }
        });
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.end(|newcomers, slot| newcomers.leave(slot, clock::now()));
    }
}
