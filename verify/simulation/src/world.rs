//! Everything that a run consists of, and what goes wrong in it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use actors::ask::Object;
use domain::{
    delivery::Envelope,
    event::Event,
    invariants::{Invariant, Verdict, Violation, Witness},
    time::Millis,
};
use fastrand::Rng;
use signing::{token::Keyring, webhook::Key};

use crate::{
    endpoints::Endpoint,
    executor::Executor,
    gateway::Isolate,
    node::Node,
    profile::{Misfortune, Profile, START, Weather},
    projection::Projection,
    report::Stats,
};

/// A run, shared by all that take part in it.
#[derive(Clone)]
pub struct World(pub(crate) Rc<Core>);

pub(crate) struct Core {
    pub(crate) executor: Executor,
    pub(crate) rng: RefCell<Rng>,
    pub(crate) weather: Weather,
    pub(crate) nodes: RefCell<BTreeMap<Object, Node>>,
    pub(crate) isolates: RefCell<Vec<Isolate>>,
    pub(crate) witness: RefCell<Witness>,
    /// The newest version of the event, as D1 has it.
    pub(crate) event: RefCell<Event>,
    /// Whether tokens admit anybody who has them.
    pub(crate) unbound: bool,
    /// How many wishes out of a million name seats of several sections.
    strikes: Vec<(u64, Misfortune)>,
    pub(crate) tokens: Keyring,
    pub(crate) webhooks: Key,
    pub(crate) stats: RefCell<Stats>,
    /// What the reader of `sale-events` has projected.
    pub(crate) projection: RefCell<Projection>,
    /// The last envelope that was published.
    pub(crate) last_word: RefCell<Option<Envelope>>,
    /// Whether the projection was set back.
    pub(crate) set_back: Cell<bool>,
    pub(crate) endpoints: RefCell<Vec<Rc<Endpoint>>>,
    pub(crate) violation: RefCell<Option<(Millis, Violation)>>,
    lives: Cell<u64>,
    hash: Cell<u64>,
    /// How far all clocks have jumped, in milliseconds.
    jumped: Cell<u64>,
    last_fault: Cell<u64>,
    idle_since: Cell<Option<u64>>,
}

impl World {
    pub(crate) fn new(profile: &Profile, rng: Rng, tokens: Keyring, webhooks: Key) -> Self {
        Self(Rc::new(Core {
            executor: Executor::new(START),
            rng: RefCell::new(rng),
            weather: profile.weather,
            nodes: RefCell::default(),
            isolates: RefCell::default(),
            witness: RefCell::default(),
            event: RefCell::new(profile.event.clone()),
            unbound: profile.unbound,
            strikes: profile.strikes.clone(),
            tokens,
            webhooks,
            stats: RefCell::default(),
            projection: RefCell::default(),
            last_word: RefCell::default(),
            set_back: Cell::new(false),
            endpoints: RefCell::default(),
            violation: RefCell::default(),
            lives: Cell::new(0),
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
            jumped: Cell::new(0),
            last_fault: Cell::new(0),
            idle_since: Cell::new(None),
        }))
    }

    pub(crate) fn new_life(&self) -> u64 {
        self.0.lives.set(self.0.lives.get() + 1);
        self.0.lives.get()
    }

    /// The clock of whoever has no skew of its own.
    pub(crate) fn now(&self) -> Millis {
        Millis(self.0.executor.now() + self.0.jumped.get())
    }

    /// The clock of an object.
    pub(crate) fn clock(&self, object: &Object) -> Millis {
        let skew = self.0.nodes.borrow().get(object).map_or(0, |node| node.skew_ms);
        self.now().plus_ms(skew)
    }

    /// Simulated milliseconds since the run began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.0.executor.now() - START
    }

    pub(crate) fn draw(&self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.0.rng.borrow_mut().u64(range)
    }

    /// Whether something that happens so many times in a million happens now.
    pub(crate) fn chance(&self, millionths: u32) -> bool {
        millionths > 0 && self.0.rng.borrow_mut().u32(0..1_000_000) < millionths
    }

    /// Whether the weather lets something go wrong now.
    pub(crate) fn goes_wrong(&self, millionths: u32) -> bool {
        let wrong = self.elapsed_ms() < self.0.weather.until_sec * 1000 && self.chance(millionths);
        if wrong {
            self.fault();
        }
        wrong
    }

    /// Notes that something went wrong: for a while nobody may rely on speed.
    pub(crate) fn fault(&self) {
        self.fault_until(self.0.executor.now());
        self.0.stats.borrow_mut().faults += 1;
    }

    /// Something stays wrong until then.
    pub(crate) fn fault_until(&self, at: u64) {
        self.0.last_fault.set(at.max(self.0.last_fault.get()));
    }

    /// Folds something that happened into the hash of the run.
    pub(crate) fn trace(&self, what: &str, bytes: &[u8]) {
        let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let at = self.0.executor.now().to_le_bytes();
        let all = at.iter().chain(what.as_bytes()).chain(bytes);
        self.0.hash.set(all.fold(self.0.hash.get(), fold));
        self.0.stats.borrow_mut().steps += 1;
    }

    pub(crate) fn hash(&self) -> u64 {
        self.0.hash.get()
    }

    /// The next moment of the run, and what goes wrong at it by plan.
    pub(crate) fn moment(&self) -> Option<Misfortune> {
        let number = {
            let mut stats = self.0.stats.borrow_mut();
            stats.moments += 1;
            stats.moments
        };
        let struck = self.0.strikes.iter().find(|(at, _)| *at == number).map(|(_, how)| *how);
        if struck.is_some() {
            self.fault();
        }
        struck
    }

    /// Storage may break here, and the object may lose its memory here.
    ///
    /// # Errors
    /// It broke.
    pub(crate) fn may_fail(&self, object: &Object, step: &str) -> Result<(), String> {
        let struck = self.moment();
        if self.goes_wrong(self.0.weather.crashes) || matches!(struck, Some(Misfortune::Crash | Misfortune::Worse)) {
            let (world, object) = (self.clone(), object.clone());
            let life = self.life_of(&object);
            self.0.executor.after(0, move || world.crash(&object, life));
        }
        if self.goes_wrong(self.0.weather.storage_fails) || matches!(struck, Some(Misfortune::Silence | Misfortune::Worse)) {
            return Err(format!("storage broke at the {step}"));
        }
        Ok(())
    }

    /// An object saved something.
    pub(crate) fn saved(&self, object: &Object, testify: impl FnOnce(&mut Witness) -> Verdict) {
        let verdict = testify(&mut self.0.witness.borrow_mut());
        self.trace("saved", object.name().as_bytes());
        self.check(verdict);
        self.0.stats.borrow_mut().commits += 1;
        self.watch_slots();
    }

    /// Notes a broken promise. The first one ends the run.
    pub(crate) fn check(&self, verdict: Verdict) {
        if let Err(violation) = verdict {
            self.0.violation.borrow_mut().get_or_insert((self.now(), violation));
        }
    }

    pub(crate) fn promise(&self, invariant: Invariant, kept: bool, what: impl FnOnce() -> String) {
        self.check(domain::invariants::hold(invariant, kept, what));
    }

    /// All clocks jump.
    pub(crate) fn jump(&self, ms: u64) {
        self.0.jumped.set(self.0.jumped.get() + ms);
        self.fault();
        self.trace("jump", &ms.to_le_bytes());
        let objects: Vec<Object> = self.0.nodes.borrow().keys().cloned().collect();
        objects.iter().for_each(|object| self.plan_alarm(object));
    }

    /// Whether a slot is idle while people wait who could have it, and for how long.
    pub(crate) fn watch_slots(&self) {
        const IDLE_MAX_MS: u64 = 1000;
        let now = self.0.executor.now();
        let idle = {
            let witness = self.0.witness.borrow();
            let (_, _, ready, active) = witness.line.counts();
            let shopping = ready + active - witness.seats.holds().min(active);
            witness.line.could_admit(witness.seats.available().saturating_sub(shopping), self.now())
        };
        let since = if idle { self.0.idle_since.get().or(Some(now)) } else { None };
        self.0.idle_since.set(since);
        let Some(since) = since else { return };
        let idle_ms = now - since.max((self.0.last_fault.get() + 20_000).min(now));
        let mut stats = self.0.stats.borrow_mut();
        stats.idle_max_ms = stats.idle_max_ms.max(idle_ms);
        drop(stats);
        self.promise(Invariant::NoIdleSlot, idle_ms <= IDLE_MAX_MS, || format!("a slot is idle for {idle_ms} ms"));
    }
}
