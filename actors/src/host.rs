//! What every object does around its machine: commands share commits, effects are performed in order, one alarm rings.
//!
//! An [`Actor`] is a machine on a platform. It says how one of its effects is performed; everything else is the same for all
//! of them and is here:
//!
//! - **Commits.** Commands that come while a commit is on its way to the disk share the next one
//!   ([decision 0013](../../docs/decisions/0013-group-commit.md)).
//! - **Effects.** What is due is performed, one at a time per ordering key, different keys side by side. What came of it is
//!   fed back as a command, so that it is in the rows before the next effect of the key begins. Who dies in the middle finds
//!   the effect in its rows again.
//! - **The alarm** rings for the machine's next deadline or effect ([`Machine::wakes_at`]); for an effect that is being
//!   performed, a little later, should the object die before it is done.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Display,
    rc::Rc,
};

use domain::{
    effect::{Effect, Pending},
    machine::{Answer, Engine, Machine, Outcome, Store},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};
use futures_channel::oneshot::{self, Sender};
use serde_json::json;

use crate::{
    carrier::Carrier as _,
    pace::Pace,
    platform::{Level, Platform},
    problem::Problem,
};

/// Commands that wait for a commit at the same time; one more is told to come back. Each is about 1 KB.
const WAITING_MAX: usize = 4096;
/// Commands of one commit: what is decided and written without a pause, a few milliseconds.
const COMMIT_MAX: usize = 128;
/// How long after it became due the alarm rings for an effect that is being performed, in milliseconds.
const GRACE_MS: u64 = 2000;

/// The ordering key of a machine's effects.
type KeyOf<M> = <<M as Machine>::Effect as Effect>::Key;
/// An effect of an actor's machine.
type EffectOf<A> = Pending<<<A as Actor>::Machine as Machine>::Effect>;
/// A command to an actor's machine.
type CommandOf<A> = <<A as Actor>::Machine as Machine>::Command;

/// What came of performing an effect.
#[derive(Debug)]
pub struct Performed<C> {
    /// What the machine is told.
    pub command: C,
    /// What went wrong, for the log.
    pub problem: Option<Problem>,
}

/// A machine on a platform.
pub trait Actor: Sized + 'static {
    /// What runs it.
    type Platform: Platform;
    /// Its rules.
    type Machine: Machine<Effect: 'static, Command: 'static>;
    /// Its rows.
    type Store: Store<Self::Machine, Fault: Display>;

    /// Where its machine is kept.
    fn host(&self) -> &Host<Self::Platform, Self::Machine, Self::Store>;

    /// Performs an effect. It may have been performed before.
    fn perform(self: &Rc<Self>, effect: EffectOf<Self>) -> impl Future<Output = Performed<CommandOf<Self>>>;

    /// Whether who caused an effect is answered only after it was tried.
    fn is_awaited(_effect: &<Self::Machine as Machine>::Effect) -> bool {
        false
    }

    /// Looks at the machine after it may have changed. Not for anything that must not be lost.
    fn changed(&self, _machine: &Self::Machine) {}

    /// Carries out `command`: with others that come meanwhile, in one commit. Returns once it is saved.
    ///
    /// # Errors
    /// Storage is broken.
    fn execute(self: &Rc<Self>, command: CommandOf<Self>, trace: TraceId) -> impl Future<Output = Result<Answer, Problem>> {
        async move {
            let outcome = self.commit(command, trace).await?;
            for id in outcome.effects {
                if let Some(tried) = self.host().when_tried(id, Self::is_awaited) {
                    let _ = tried.await;
                }
            }
            Ok(outcome.answer)
        }
    }

    /// The same without waiting for its effects.
    ///
    /// # Errors
    /// Storage is broken.
    fn commit(self: &Rc<Self>, command: CommandOf<Self>, trace: TraceId) -> impl Future<Output = Result<Outcome, Problem>> {
        let (done, committed) = oneshot::channel();
        self.host().pace.ask(self.host().platform.now());
        let begins = self.host().inbox.borrow_mut().push(Waiting { command, trace, done });
        if begins {
            self.host().platform.spawn(commit_all(Rc::clone(self)));
        }
        async move { committed.await.map_err(|_| Problem::from("the commit came to nothing"))? }
    }

    /// Looks at the machine and its rows as they stand now.
    ///
    /// # Errors
    /// Storage is broken, or `look` says so.
    fn look<T>(
        self: &Rc<Self>,
        look: impl FnOnce(&Self::Machine, &Self::Store) -> Result<T, Problem>,
    ) -> impl Future<Output = Result<T, Problem>> {
        async move {
            let seen = self.host().read(look)?;
            follow_up(self).await?;
            Ok(seen)
        }
    }

    /// Carries out what is due. Safe to run early, late or twice.
    ///
    /// # Errors
    /// Storage is broken; the platform rings again.
    fn ring(self: &Rc<Self>) -> impl Future<Output = Result<(), Problem>> {
        async move {
            self.host().rang();
            self.look(|_, _| Ok(())).await
        }
    }

    /// Performs an effect now that is due for a reason of its own, unless one of its key is being performed.
    fn perform_now(self: &Rc<Self>, effect: EffectOf<Self>) {
        begin(self, effect.effect.ordering_key(), Some(effect));
    }
}

/// Commits what waits until nothing does. What comes while a commit is on its way to the disk waits for the next one.
async fn commit_all<A: Actor>(actor: Rc<A>) {
    loop {
        actor.host().pace().await;
        let commands = actor.host().inbox.borrow_mut().take();
        if commands.is_empty() {
            return;
        }
        actor.host().pace.leave(actor.host().platform.now());
        let outcomes = match actor.host().execute_all(&commands) {
            // Nobody is answered before the object is sure to be woken for what follows.
            Ok(outcomes) => follow_up(&actor).await.map(|()| outcomes),
            Err(problem) => Err(problem),
        };
        match outcomes {
            // Who is gone asks again and finds the recorded answer.
            Ok(outcomes) => commands.into_iter().zip(outcomes).for_each(|(waiting, outcome)| {
                let _ = waiting.done.send(Ok(outcome));
            }),
            Err(problem) => commands.into_iter().for_each(|waiting| {
                let _ = waiting.done.send(Err(problem.clone()));
            }),
        }
        actor.host().platform.flushed().await;
    }
}

/// Begins to perform what is due, and arms the alarm.
async fn follow_up<A: Actor>(actor: &Rc<A>) -> Result<(), Problem> {
    let host = actor.host();
    let now = host.platform.now();
    let (due, wakes_at) = host.read(|machine, _| {
        actor.changed(machine);
        let due: Vec<KeyOf<A::Machine>> = machine.effects().due(now).map(|pending| pending.effect.ordering_key()).collect();
        Ok((due, machine.wakes_at(now)))
    })?;
    let lost_at = (!due.is_empty()).then(|| now.plus_ms(GRACE_MS));
    due.into_iter().for_each(|key| begin(actor, key, None));
    host.arm(wakes_at.into_iter().chain(lost_at).min()).await
}

/// Begins to perform the effects of a key, unless they are being performed.
fn begin<A: Actor>(actor: &Rc<A>, key: KeyOf<A::Machine>, first: Option<EffectOf<A>>) {
    if actor.host().performing.borrow_mut().insert(key.clone()) {
        actor.host().platform.spawn(perform_all(Rc::clone(actor), key, first));
    }
}

/// Performs the effects of a key, one after the other, until none is due: `first`, then those of the machine.
async fn perform_all<A: Actor>(actor: Rc<A>, key: KeyOf<A::Machine>, first: Option<EffectOf<A>>) {
    let host = actor.host();
    let mut next = first.map_or_else(|| host.due_of(&key), |first| Ok(Some(first)));
    while let Ok(Some(effect)) = next {
        let (id, trace, attempt) = (effect.id, effect.trace, effect.attempt);
        let Performed { command, problem } = actor.perform(effect).await;
        if let Some(problem) = problem {
            let fields = json!({ "effect": id, "attempt": attempt + 1, "problem": problem.to_string() });
            host.platform.log(Level::Warn, trace, "effect failed", fields);
        }
        // What those who waited ask next shares the commit: that it was tried need not be saved before they are told.
        let noted = actor.commit(command, trace);
        host.wake(id);
        let noted = noted.await;
        // Who came meanwhile.
        host.wake(id);
        next = noted.and_then(|outcome| match outcome.answer {
            Answer::Granted { .. } => host.due_of(&key),
            // It would be due again at once.
            Answer::Refused(refusal) => Err(refusal.code().into()),
        });
    }
    host.performing.borrow_mut().remove(&key);
    host.wake_all(&key);
    if let Err(problem) = next {
        let fields = json!({ "problem": problem.to_string() });
        host.platform.log(Level::Error, TraceId::NONE, "effects wait for the alarm", fields);
    }
}

/// A command that waits for its turn.
struct Waiting<C> {
    command: C,
    trace: TraceId,
    done: Sender<Result<Outcome, Problem>>,
}

/// Commands in the order in which they came.
struct Inbox<C> {
    waiting: VecDeque<Waiting<C>>,
    /// How many are in the commit that is on its way to the disk.
    committing: usize,
}

impl<C> Inbox<C> {
    /// Takes a command in; whether it is the first, so that somebody has to begin to commit.
    fn push(&mut self, waiting: Waiting<C>) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            let _ = waiting.done.send(Ok(Answer::Refused(Refusal::Overloaded).into()));
            return false;
        }
        self.waiting.push_back(waiting);
        self.committing + self.waiting.len() == 1
    }

    /// The commands of the next commit; the one before is on the disk.
    fn take(&mut self) -> Vec<Waiting<C>> {
        self.committing = self.waiting.len().min(COMMIT_MAX);
        self.waiting.drain(..self.committing).collect()
    }
}

/// Those who wait until an effect was tried, by its id, with its key.
type Awaited<M> = BTreeMap<u64, (KeyOf<M>, Vec<Sender<()>>)>;

/// The engine of one object, and what is under way around it. No borrow outlives a call, so nothing can come between
/// deciding and saving.
pub struct Host<P, M: Machine, S> {
    /// What runs the object.
    pub platform: Rc<P>,
    engine: RefCell<Engine<M, S>>,
    inbox: RefCell<Inbox<M::Command>>,
    pace: Pace,
    /// The keys whose effects are being performed.
    performing: RefCell<BTreeSet<KeyOf<M>>>,
    awaited: RefCell<Awaited<M>>,
    armed: Cell<Option<Millis>>,
}

impl<P: Platform, M: Machine, S: Store<M, Fault: Display>> Host<P, M, S> {
    /// A host that loads its machine when it is first asked.
    pub fn new(platform: Rc<P>, store: S) -> Self {
        Self {
            platform,
            engine: RefCell::new(Engine::new(store)),
            inbox: RefCell::new(Inbox { waiting: VecDeque::new(), committing: 0 }),
            pace: Pace::default(),
            performing: RefCell::new(BTreeSet::new()),
            awaited: RefCell::new(BTreeMap::new()),
            armed: Cell::new(None),
        }
    }

    /// Waits until the next commit may begin.
    async fn pace(&self) {
        let wait_ms = self.pace.wait_ms(self.platform.now());
        if wait_ms > 0 {
            self.platform.pause(wait_ms).await;
        }
    }

    /// Looks at the machine and its rows as they stand now.
    ///
    /// # Errors
    /// Storage is broken, or `look` says so.
    pub fn read<T>(&self, look: impl FnOnce(&M, &S) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut engine = self.engine.borrow_mut();
        engine.read(self.platform.now()).map_err(storage)?;
        let (machine, store) = engine.parts().expect("read loads");
        look(machine, store)
    }

    /// Decides, saves and applies `command`, now and in a commit of its own. For a machine without effects and deadlines.
    ///
    /// # Errors
    /// Storage is broken.
    pub fn execute_now(&self, command: &M::Command) -> Result<Answer, Problem> {
        self.engine.borrow_mut().execute(command, self.platform.now()).map_err(storage)
    }

    fn execute_all(&self, commands: &[Waiting<M::Command>]) -> Result<Vec<Outcome>, Problem> {
        let commands = commands.iter().map(|waiting| (&waiting.command, waiting.trace));
        self.engine.borrow_mut().execute_all(commands, self.platform.now()).map_err(storage)
    }

    /// The effect of a key that is to be performed now.
    fn due_of(&self, key: &KeyOf<M>) -> Result<Option<Pending<M::Effect>>, Problem> {
        let now = self.platform.now();
        self.read(|machine, _| Ok(machine.effects().head(key).filter(|head| head.due_at <= now).cloned()))
    }

    /// Tells when an effect was tried, where it is one that is `awaited` and was not tried yet.
    fn when_tried(&self, id: u64, awaited: impl FnOnce(&M::Effect) -> bool) -> Option<oneshot::Receiver<()>> {
        let key = self.read(|machine, _| {
            let pending = machine.effects().get(id).filter(|pending| pending.attempt == 0 && awaited(&pending.effect));
            Ok(pending.map(|pending| pending.effect.ordering_key()))
        });
        let key = key.ok().flatten().filter(|key| self.performing.borrow().contains(key))?;
        let (tried, when) = oneshot::channel();
        self.awaited.borrow_mut().entry(id).or_insert_with(|| (key, Vec::new())).1.push(tried);
        Some(when)
    }

    fn wake(&self, id: u64) {
        let waiting = self.awaited.borrow_mut().remove(&id);
        for tried in waiting.into_iter().flat_map(|(_, waiting)| waiting) {
            let _ = tried.send(());
        }
    }

    /// An earlier effect of the key failed: who waits for a later one waits no longer.
    fn wake_all(&self, key: &KeyOf<M>) {
        let of_key = |(id, (of, _)): (&u64, &(KeyOf<M>, Vec<Sender<()>>))| (of == key).then_some(*id);
        let ids: Vec<u64> = self.awaited.borrow().iter().filter_map(of_key).collect();
        ids.into_iter().for_each(|id| self.wake(id));
    }

    /// The alarm rang, so that none is set.
    pub fn rang(&self) {
        self.armed.set(None);
    }

    /// Sees to it that the object is woken at `wanted`. Writes only when the alarm must ring earlier than it would: a late
    /// deadline finds an alarm that rings for nothing, once.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn arm(&self, wanted: Option<Millis>) -> Result<(), Problem> {
        let Some(wanted) = wanted else { return Ok(()) };
        if self.armed.get().is_some_and(|armed| armed <= wanted) {
            return Ok(());
        }
        self.armed.set(Some(wanted));
        let outcome = self.platform.set_alarm(wanted).await;
        if outcome.is_err() {
            self.armed.set(None);
        }
        outcome
    }
}

fn storage(fault: impl Display) -> Problem {
    Problem(fault.to_string())
}
