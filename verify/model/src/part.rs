//! The real machines: each different state of one is kept once, and each of its steps is computed once, by the engine that
//! runs in production.
//!
//! A state is what the tables hold (rows and recorded answers) and what memory holds. Whenever a new one appears, memory is
//! compared with what a reload from the tables gives: it must be the same, but for what may be forgotten, so that a crash can
//! only take what is on its way. The machines are deterministic: the same state, command and instant need no second run.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::{self, Debug, Write as _},
    hash::{DefaultHasher, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use domain::{
    effect::Pending,
    id::{EventId, PaymentIntentId, ReservationKey, UserId},
    idempotency::{Idempotency, Record},
    inventory::{self, Inventory},
    machine::{Answer, Batch, Engine, Machine, Store},
    payment::{self, Simulator, Status},
    refusal::Refusal,
    time::Millis,
};
use serde::Deserialize;
use simulation::rows::{InventoryRows, PaymentRows, Records, Rows};

use crate::search::Broken;

/// What storage does to one save of a call, counted from 1. The object is gone either way, and nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It was not durable yet.
    Undone(u8),
    /// It was.
    Untold(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undone(save) => write!(f, "crash before save {save} is durable"),
            Self::Untold(save) => write!(f, "crash after save {save}, before anybody is told"),
        }
    }
}

/// What each of `steps` leads to by `take`, which says how often it saved as well; and, where there `may` be crashes, what it
/// leads to `with` each fault that storage can have at one of these saves.
pub fn with_faults<S: Copy, A>(
    steps: Vec<S>,
    may_crash: bool,
    with: impl Fn(S, Fault) -> Option<S>,
    mut take: impl FnMut(S) -> (A, u8),
) -> Vec<(S, A)> {
    let mut outcomes = Vec::with_capacity(2 * steps.len());
    for step in steps {
        let (after, saves) = take(step);
        outcomes.push((step, after));
        let faults = (1..=saves).filter(|_| may_crash).flat_map(|save| [Fault::Undone(save), Fault::Untold(save)]);
        outcomes.extend(faults.filter_map(|fault| with(step, fault)).map(|step| (step, take(step).0)));
    }
    outcomes
}

/// What is wrong with storage, on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageFlaw {
    /// The record of an answer is not kept.
    pub drops_records: bool,
    /// A commit is granted and not made.
    pub drops_commits: bool,
}

/// Keys of reservations are below this number in every scenario, attempts to pay for one below [`ATTEMPTS_MAX`].
const KEYS_MAX: u128 = 6;
const ATTEMPTS_MAX: u8 = 2;

/// Tables whose machine can be looked at.
pub trait Tables: Rows<Machine: Clone + Debug> + Debug {
    /// What memory knows and a reload must give, too. Whatever the rows may bring in is there as far as `live` has it.
    fn lasting(live: &Self::Machine) -> String;

    /// What memory knows and decides about what it does next, as far as a reload may give something else.
    fn passing(live: &Self::Machine) -> String;

    /// For everything that the rows may bring in, a command about it.
    fn probes() -> Vec<CommandOf<Self>>;

    /// What the machine itself checks.
    fn check(_live: &Self::Machine) {}
}

impl Tables for InventoryRows {
    /// When the log is published next follows from its cursor: a life that begins tries at once, and waits anew.
    fn lasting(live: &Inventory) -> String {
        let mut read = live.clone();
        read.apply(&inventory::Change::Consumed { through: live.sequence(), at: Millis(0) });
        format!("{:?} {read:?}", live.published())
    }

    /// All of it but for what was brought in last, which [`Self::lasting`] compares with its row.
    fn passing(live: &Inventory) -> String {
        let mut bare = live.clone();
        let event = live.event().cloned().map(Box::new);
        event.into_iter().for_each(|event| bare.apply(&inventory::Change::Configured(event)));
        format!("{bare:?}")
    }

    fn probes() -> Vec<inventory::Command> {
        let probe = |key| inventory::Command::Cancel { key: ReservationKey(key), user: UserId("".into()), idempotency: None };
        (0..KEYS_MAX).map(probe).collect()
    }

    fn check(live: &Inventory) {
        live.check();
    }
}

impl Tables for PaymentRows {
    /// Effects are numbered anew in each life.
    fn lasting(live: &Simulator) -> String {
        let effects: Vec<_> = live.effects().iter().map(|pending| Pending { id: 0, ..pending.clone() }).collect();
        let intents: Vec<_> =
            Self::probes().iter().filter_map(intent_of).filter_map(|intent| live.find(&intent)).cloned().collect();
        format!("{effects:?} {intents:?} {:?}", live.next_deadline())
    }

    fn passing(_live: &Simulator) -> String {
        String::new()
    }

    fn probes() -> Vec<payment::Command> {
        let intents = (0..KEYS_MAX).flat_map(|key| (0..ATTEMPTS_MAX).map(move |attempt| (key, attempt)));
        intents.map(|(key, attempt)| look(PaymentIntentId { event_id: event_id(), key: ReservationKey(key), attempt })).collect()
    }
}

fn look(intent: PaymentIntentId) -> payment::Command {
    payment::Command::Look { intent, user: UserId("".into()) }
}

fn intent_of(command: &payment::Command) -> Option<PaymentIntentId> {
    match command {
        payment::Command::Look { intent, .. } => Some(intent.clone()),
        _ => None,
    }
}

/// The event of every scenario.
#[must_use]
pub fn event_id() -> EventId {
    EventId::parse("evt_1").expect("it is one")
}

type ChangeOf<R> = <<R as Rows>::Machine as Machine>::Change;
type CommandOf<R> = <<R as Rows>::Machine as Machine>::Command;

/// One state of a machine.
#[derive(Clone, Debug)]
pub struct Object<R: Tables> {
    rows: R,
    records: Records,
    /// What is in memory.
    pub live: R::Machine,
}

impl Object<PaymentRows> {
    /// How an intent stands at the provider, once opened.
    #[must_use]
    pub fn status(&self, intent: &PaymentIntentId) -> Option<Status> {
        let mut simulator = self.live.clone();
        self.rows.recall(&mut simulator, &look(intent.clone()));
        simulator.find(intent).map(|intent| intent.status())
    }
}

/// Storage of one object during one call.
struct Desk<R: Tables> {
    rows: RefCell<R>,
    records: RefCell<Records>,
    /// What is in memory when the call begins.
    warm: RefCell<Option<R::Machine>>,
    fault: Option<Fault>,
    flaw: StorageFlaw,
    saves: Cell<u8>,
    commits: RefCell<Vec<Vec<ChangeOf<R>>>>,
    /// The tables refused a commit.
    refused: RefCell<Option<String>>,
}

impl<R: Tables> Store<R::Machine> for &Desk<R> {
    type Fault = ();

    fn load(&self) -> Result<(R::Machine, Vec<Record>), ()> {
        let machine = self.warm.borrow_mut().take().unwrap_or_else(|| self.rows.borrow().load());
        Ok((machine, self.records.borrow().values().map(|(record, _)| *record).collect()))
    }

    fn recall(&self, machine: &mut R::Machine, command: &CommandOf<R>) -> Result<(), ()> {
        self.rows.borrow().recall(machine, command);
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, ChangeOf<R>>) -> Result<(), ()> {
        let number = self.saves.get() + 1;
        self.saves.set(number);
        if self.fault == Some(Fault::Undone(number)) {
            return Err(());
        }
        if !self.flaw.drops_commits {
            let mut rows = self.rows.borrow().clone();
            if let Err(problem) = batch.changes().try_for_each(|change| rows.write(change)) {
                *self.refused.borrow_mut() = Some(problem);
                return Err(());
            }
            *self.rows.borrow_mut() = rows;
        }
        let mut records = self.records.borrow_mut();
        if let Some(now) = batch.purge_records_at {
            records.retain(|_, (record, _)| record.expires_at > now);
        }
        for (record, body) in batch.records().filter(|_| !self.flaw.drops_records) {
            records.insert(record.scope, (record, body.to_vec()));
        }
        self.commits.borrow_mut().push(batch.changes().cloned().collect());
        if self.fault == Some(Fault::Untold(number)) { Err(()) } else { Ok(()) }
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>, ()> {
        self.records.borrow().get(&idempotency.scope).map(|(_, body)| body.clone()).ok_or(())
    }
}

/// What a call was answered.
#[derive(Clone, Debug)]
pub enum Said {
    /// Granted.
    Granted {
        /// The number of the answer's body, from 1.
        body: u16,
        /// Whether it is a recorded answer.
        replayed: bool,
        /// The status of a payment in it.
        status: Option<Status>,
    },
    /// Refused.
    Refused(Refusal),
    /// Nothing: storage failed, or nothing was asked.
    Nothing,
}

/// What one call came to.
#[derive(Debug)]
pub struct Outcome<C> {
    /// Which outcome of this machine it is.
    number: u32,
    /// The machine afterwards.
    pub object: u32,
    /// What became durable, in order.
    pub commits: Vec<Vec<C>>,
    /// Commits that were tried before the answer.
    pub saves: u8,
    /// The answer.
    pub said: Said,
}

/// What was asked of a machine, where it stood, at which instant, and what storage did.
type Call<A> = (u32, A, Millis, Option<Fault>);
type Known<R> = Rc<Outcome<ChangeOf<R>>>;

/// A machine, in every state that it was ever in. `A` says what it is asked.
pub struct Part<R: Tables, A> {
    flaw: StorageFlaw,
    objects: Vec<Rc<Object<R>>>,
    numbers: BTreeMap<u128, u32>,
    calls: BTreeMap<Call<A>, Result<Known<R>, Broken>>,
    testimony: BTreeMap<(u32, u32), Result<u32, Broken>>,
    bodies: BTreeMap<Vec<u8>, u16>,
}

impl<R: Tables, A: Copy + Ord> Part<R, A> {
    /// With one state: number 0, as it comes into being.
    #[must_use]
    pub fn new(flaw: StorageFlaw) -> Self {
        let (numbers, calls, testimony, bodies) = Default::default();
        let mut part = Self { flaw, objects: vec![], numbers, calls, testimony, bodies };
        let rows = R::default();
        let first = Object { live: rows.load(), rows, records: Records::new() };
        part.number(first).expect("what has no rows is what it is");
        part
    }

    /// Different states, and calls that the engine carried out.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.objects.len(), self.calls.len())
    }

    /// One of the states.
    #[must_use]
    pub fn get(&self, number: u32) -> &Object<R> {
        &self.objects[number as usize]
    }

    /// The machine after it lost its memory.
    ///
    /// # Errors
    /// A reload from its rows is not what memory was.
    pub fn forget(&mut self, number: u32) -> Result<u32, Broken> {
        let Object { rows, records, .. } = self.get(number).clone();
        self.number(Object { live: rows.load(), rows, records })
    }

    /// Lets the machine carry out the command of `ask`, or only what is due where it has none, and then each command that `then`
    /// gives, unless storage fails. What it came to, and the witness afterwards, who is told of the commits by `tell`.
    ///
    /// # Errors
    /// It panics, its tables refuse a commit, its memory is not what its tables say, or the witness objects.
    pub fn ask(
        &mut self,
        (object, now, fault): (u32, Millis, Option<Fault>),
        (ask, command): (A, impl FnOnce() -> Option<CommandOf<R>>),
        then: impl Fn(&R::Machine) -> Option<CommandOf<R>>,
        (witness, tell): (u32, impl FnOnce(&[Vec<ChangeOf<R>>]) -> Result<u32, Broken>),
    ) -> Result<(Known<R>, u32), Broken> {
        let key = (object, ask, now, fault);
        let outcome = match self.calls.get(&key) {
            Some(known) => known.clone(),
            None => {
                let outcome = self.call(object, command().as_ref(), now, fault, then).map(Rc::new);
                self.calls.insert(key, outcome.clone());
                outcome
            }
        }?;
        if outcome.commits.is_empty() {
            return Ok((outcome, witness));
        }
        let told = self.testimony.entry((witness, outcome.number)).or_insert_with(|| tell(&outcome.commits));
        told.clone().map(|witness| (outcome, witness))
    }

    fn call(
        &mut self,
        number: u32,
        command: Option<&CommandOf<R>>,
        now: Millis,
        fault: Option<Fault>,
        then: impl Fn(&R::Machine) -> Option<CommandOf<R>>,
    ) -> Result<Outcome<ChangeOf<R>>, Broken> {
        let Object { rows, records, live } = self.get(number).clone();
        let desk = Desk {
            rows: RefCell::new(rows),
            records: RefCell::new(records),
            warm: RefCell::new(Some(live)),
            fault,
            flaw: self.flaw,
            saves: Cell::new(0),
            commits: RefCell::default(),
            refused: RefCell::default(),
        };
        let mut engine = Engine::new(&desk);
        let carried_out = watched(|| {
            let answer = match command {
                Some(command) => engine.execute(command, now).ok(),
                None => engine.read(now).map_or(None, |_| None),
            };
            let saves = desk.saves.get();
            while let Some(next) = engine.parts().and_then(|(live, _)| then(live)) {
                let _ = engine.execute(&next, now);
            }
            (answer, saves)
        });
        let (answer, saves) = carried_out?;
        let live = engine.parts().map(|(live, _)| live.clone());
        drop(engine);
        if let Some(problem) = desk.refused.into_inner() {
            return Err(Broken(format!("tables: a commit was refused: {problem}")));
        }
        let (rows, records) = (desk.rows.into_inner(), desk.records.into_inner());
        let live = live.unwrap_or_else(|| rows.load());
        let object = self.number(Object { rows, records, live })?;
        let number = u32::try_from(self.calls.len()).expect("memory ends first");
        Ok(Outcome { number, object, commits: desk.commits.into_inner(), saves, said: self.said(answer) })
    }

    fn said(&mut self, answer: Option<Answer>) -> Said {
        #[derive(Deserialize)]
        struct Paid {
            status: Option<Status>,
        }
        match answer {
            None => Said::Nothing,
            Some(Answer::Refused(refusal)) => Said::Refused(refusal),
            Some(Answer::Granted { body, replayed }) => {
                let status = serde_json::from_slice::<Paid>(&body).ok().and_then(|paid| paid.status);
                let next = u16::try_from(self.bodies.len() + 1).expect("there are few different answers");
                Said::Granted { body: *self.bodies.entry(body).or_insert(next), replayed, status }
            }
        }
    }

    fn number(&mut self, object: Object<R>) -> Result<u32, Broken> {
        let digest = text_digest(&(&object.rows, &object.records, R::passing(&object.live)));
        let Object { rows, live, .. } = &object;
        let mut reloaded = rows.load();
        for probe in R::probes().iter().filter(|probe| !live.must_recall(probe)) {
            if reloaded.must_recall(probe) {
                rows.recall(&mut reloaded, probe);
            }
        }
        let (memory, tables) = (R::lasting(live), R::lasting(&reloaded));
        if memory != tables {
            return Err(Broken(format!("acknowledged-survives: memory is {memory}, the tables give {tables}")));
        }
        if let Some(number) = self.numbers.get(&digest) {
            return Ok(*number);
        }
        watched(|| R::check(live))?;
        let number = u32::try_from(self.objects.len()).expect("memory ends first");
        self.objects.push(Rc::new(object));
        self.numbers.insert(digest, number);
        Ok(number)
    }
}

/// What `work` gives, unless it panics.
fn watched<T>(work: impl FnOnce() -> T) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Broken(format!("panic: {}", text.unwrap_or_else(|| "nothing".to_owned())))
    })
}

/// 128 bits that stand for what a value shows of itself.
pub fn text_digest(value: &impl Debug) -> u128 {
    struct Text(DefaultHasher, DefaultHasher);
    impl fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            self.1.write(text.as_bytes());
            Ok(())
        }
    }
    let mut text = Text(DefaultHasher::new(), DefaultHasher::new());
    text.1.write_u8(1);
    write!(text, "{value:?}").expect("hashing cannot fail");
    u128::from(text.0.finish()) | u128::from(text.1.finish()) << 64
}
