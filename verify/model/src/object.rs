//! The real objects: each different state of one is kept once, and each of its steps is computed once, by the engine
//! that runs in production.
//!
//! A state is what the tables hold (rows and recorded answers) and what memory holds. Whenever a new one appears,
//! memory is compared with what a reload from the tables gives: it must be the same, so that a crash can only take
//! what is on its way. The machines are deterministic, so that the same state, command and instant need no second run.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::{Debug, Write as _},
    hash::{DefaultHasher, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use domain::{
    id::ReservationKey,
    idempotency::{Idempotency, Record},
    inventory::{Command, Inventory},
    machine::{Answer, Batch, Engine, Machine, Store},
    time::Millis,
};
use simulation::rows::{InventoryRows, PaymentRows, Records, Rows};

use crate::search::Broken;

/// What storage does to one save of a call, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It is rolled back.
    RolledBack(u8),
    /// It is made, and the object does not hear of it.
    Unheard(u8),
}

/// What is wrong with storage, on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageFlaw {
    /// The record of an answer is not kept.
    pub drops_records: bool,
    /// A commit is granted and not made.
    pub drops_commits: bool,
}

/// Tables whose machine can be looked at.
pub trait Tables: Rows<Machine: Clone + Debug> + Debug {
    /// The machine as a reload gives it, with whatever `live` may keep beyond that.
    fn reloaded(&self, live: &Self::Machine) -> Self::Machine {
        let _ = live;
        self.load()
    }

    /// What the machine itself checks.
    fn check(live: &Self::Machine) {
        let _ = live;
    }
}

impl Tables for PaymentRows {}

/// Keys of reservations are below this number in every scenario.
pub const KEYS_MAX: u128 = 8;

impl Tables for InventoryRows {
    /// Memory may still have the reservation that was brought in last. It must be the row, too.
    fn reloaded(&self, live: &Inventory) -> Inventory {
        let mut reloaded = self.load();
        for key in (0..KEYS_MAX).map(ReservationKey) {
            let probe = Command::Cancel { key, user: domain::id::UserId("".into()), idempotency: None };
            if live.missing(&probe).is_none() {
                self.recall(&mut reloaded, &probe);
            }
        }
        reloaded
    }

    fn check(live: &Inventory) {
        live.check();
    }
}

/// One object.
#[derive(Clone, Debug)]
pub struct Object<R: Tables> {
    rows: R,
    records: Records,
    /// What is in memory.
    pub live: R::Machine,
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

type ChangeOf<R> = <<R as Rows>::Machine as Machine>::Change;
type CommandOf<R> = <<R as Rows>::Machine as Machine>::Command;

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
        if self.fault == Some(Fault::RolledBack(number)) {
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
        if self.fault == Some(Fault::Unheard(number)) { Err(()) } else { Ok(()) }
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>, ()> {
        self.records.borrow().get(&idempotency.scope).map(|(_, body)| body.clone()).ok_or(())
    }
}

/// What one call to an object came to.
#[derive(Debug)]
pub struct Outcome<C> {
    /// The object afterwards.
    pub object: u32,
    /// The instant of the call.
    pub now: Millis,
    /// What became durable, in order.
    pub commits: Vec<Vec<C>>,
    /// Commits that were tried.
    pub saves: u8,
    /// The answer; none where storage failed, or where nothing was asked.
    pub answer: Option<Answer>,
}

/// Every state that the objects of a class were ever in.
pub struct Shelf<R: Tables> {
    flaw: StorageFlaw,
    objects: Vec<Rc<Object<R>>>,
    numbers: BTreeMap<u128, u32>,
}

impl<R: Tables> Shelf<R> {
    /// With one object: number 0, as it comes into being.
    pub fn new(flaw: StorageFlaw) -> Self {
        let mut shelf = Self { flaw, objects: vec![], numbers: BTreeMap::new() };
        let rows = R::default();
        let first = Object { live: rows.load(), rows, records: Records::new() };
        shelf.number(first).expect("an object without rows is what it is");
        shelf
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.objects.len()
    }

    /// One of them.
    pub fn get(&self, number: u32) -> &Object<R> {
        &self.objects[number as usize]
    }

    /// The object without its memory.
    ///
    /// # Errors
    /// A reload from its rows is not what memory was.
    pub fn forget(&mut self, number: u32) -> Result<u32, Broken> {
        let Object { rows, records, .. } = self.get(number).clone();
        let desk = self.desk(number, None);
        let mut engine = Engine::new(&desk);
        // Nothing is due at the beginning of time, so that this only loads.
        engine.read(Millis(0)).expect("nothing is saved");
        engine.forget();
        let live = engine.read(Millis(0)).expect("nothing is saved").clone();
        self.number(Object { rows, records, live })
    }

    /// Lets the object carry out `command` at `now`, or only what is due where there is none.
    ///
    /// # Errors
    /// It panics, its tables refuse a commit, or its memory is not what its tables say.
    pub fn call(
        &mut self,
        number: u32,
        command: Option<&CommandOf<R>>,
        now: Millis,
        fault: Option<Fault>,
    ) -> Result<Outcome<ChangeOf<R>>, Broken> {
        let desk = self.desk(number, fault);
        let mut engine = Engine::new(&desk);
        let carried_out = catch_unwind(AssertUnwindSafe(|| match command {
            Some(command) => engine.execute(command, now).ok(),
            None => engine.read(now).map(|_| None).unwrap_or(None),
        }));
        let answer = carried_out.map_err(|panic| Broken(format!("panic: {}", said(&*panic))))?;
        let live = engine.parts().map(|(live, _)| live.clone());
        drop(engine);
        if let Some(problem) = desk.refused.into_inner() {
            return Err(Broken(format!("tables: a commit was refused: {problem}")));
        }
        let (rows, records) = (desk.rows.into_inner(), desk.records.into_inner());
        let live = live.unwrap_or_else(|| rows.load());
        let object = self.number(Object { rows, records, live })?;
        Ok(Outcome { object, now, commits: desk.commits.into_inner(), saves: desk.saves.get(), answer })
    }

    fn desk(&self, number: u32, fault: Option<Fault>) -> Desk<R> {
        let Object { rows, records, live } = self.get(number).clone();
        Desk {
            rows: RefCell::new(rows),
            records: RefCell::new(records),
            warm: RefCell::new(Some(live)),
            fault,
            flaw: self.flaw,
            saves: Cell::new(0),
            commits: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    fn number(&mut self, object: Object<R>) -> Result<u32, Broken> {
        let digest = text_digest(&object);
        if let Some(number) = self.numbers.get(&digest) {
            return Ok(*number);
        }
        let reloaded = format!("{:?}", object.rows.reloaded(&object.live));
        let live = format!("{:?}", object.live);
        if reloaded != live {
            return Err(Broken(format!("acknowledged-survives: memory is {live}, the tables give {reloaded}")));
        }
        catch_unwind(AssertUnwindSafe(|| R::check(&object.live))).map_err(|panic| Broken(format!("panic: {}", said(&*panic))))?;
        let number = u32::try_from(self.objects.len()).expect("memory ends first");
        self.objects.push(Rc::new(object));
        self.numbers.insert(digest, number);
        Ok(number)
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "nothing".to_owned())
}

/// 128 bits that stand for what a value shows of itself.
pub fn text_digest(value: &impl Debug) -> u128 {
    struct Text(DefaultHasher, DefaultHasher);
    impl std::fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
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
