//! Runs futures in one fixed order, on a clock that jumps to whatever comes next.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_channel::oneshot;

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// What belongs to nobody's life, and so outlives every crash.
pub(crate) const IMMORTAL: u64 = 0;

struct Task {
    life: u64,
    work: Work,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// Tasks that can go on, in the order in which they were woken.
type Ready = Arc<Mutex<VecDeque<usize>>>;

struct Wakes {
    task: usize,
    /// Whether it is among those that can go on.
    woken: AtomicBool,
    ready: Ready,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Relaxed) {
            self.ready.lock().expect("nobody panics with the lock").push_back(self.task);
        }
    }
}

/// Something that happens at an instant; of those at the same instant the one that was planned first.
struct Event {
    at: u64,
    order: u64,
    happen: Box<dyn FnOnce()>,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The clock, what happens when, and who can go on. Times are milliseconds since 1970.
pub(crate) struct Executor {
    now: Cell<u64>,
    order: Cell<u64>,
    events: RefCell<BinaryHeap<Reverse<Event>>>,
    /// By their number; a free one waits for the next task.
    tasks: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    ready: Ready,
}

impl Executor {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now: Cell::new(now),
            order: Cell::new(0),
            events: RefCell::default(),
            tasks: RefCell::default(),
            free: RefCell::default(),
            ready: Ready::default(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Lets something happen after `ms`.
    pub(crate) fn after(&self, ms: u64, happen: impl FnOnce() + 'static) {
        let order = self.order.get() + 1;
        self.order.set(order);
        let event = Event { at: self.now.get() + ms, order, happen: Box::new(happen) };
        self.events.borrow_mut().push(Reverse(event));
    }

    /// Waits.
    pub(crate) fn sleep(&self, ms: u64) -> impl Future<Output = ()> + use<> {
        let (wake, woken) = oneshot::channel();
        self.after(ms, move || {
            let _ = wake.send(());
        });
        async move {
            let _ = woken.await;
        }
    }

    /// Starts a task that ends with this life.
    pub(crate) fn spawn(&self, life: u64, work: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        let task = self.free.borrow_mut().pop().unwrap_or_else(|| {
            tasks.push(None);
            tasks.len() - 1
        });
        let wakes = Arc::new(Wakes { task, woken: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        let waker = Waker::from(Arc::clone(&wakes));
        waker.wake_by_ref();
        tasks[task] = Some(Task { life, work: Box::pin(work), wakes, waker });
    }

    /// Ends a life: nothing of it goes on.
    pub(crate) fn kill(&self, life: u64) {
        let of_life = |task: &Option<Task>| task.as_ref().is_some_and(|task| task.life == life);
        let doomed: Vec<Task> = {
            let mut tasks = self.tasks.borrow_mut();
            let numbers: Vec<usize> = (0..tasks.len()).filter(|number| of_life(&tasks[*number])).collect();
            self.free.borrow_mut().extend(&numbers);
            numbers.into_iter().filter_map(|number| tasks[number].take()).collect()
        };
        // Outside of the borrow: what is dropped may wake others.
        drop(doomed);
    }

    /// Ends everything. Who takes part in a run holds on to it, so that nothing would ever be dropped by itself.
    pub(crate) fn clear(&self) {
        // What is dropped may plan something.
        while !(self.tasks.borrow().is_empty() && self.events.borrow().is_empty()) {
            let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
            let events = std::mem::take(&mut *self.events.borrow_mut());
            drop((tasks, events));
        }
        self.free.borrow_mut().clear();
    }

    /// Lets everybody go on who can, then the next thing happen. Whether there was one.
    pub(crate) fn step(&self) -> bool {
        self.go_on();
        let next = self.events.borrow_mut().pop();
        let Some(Reverse(event)) = next else { return false };
        self.now.set(event.at);
        (event.happen)();
        self.go_on();
        true
    }

    fn go_on(&self) {
        loop {
            let next = self.ready.lock().expect("nobody panics with the lock").pop_front();
            let Some(number) = next else { return };
            let Some(mut task) = self.tasks.borrow_mut()[number].take() else { continue };
            if task.wakes.woken.swap(false, Ordering::Relaxed) {
                let mut context = Context::from_waker(&task.waker);
                if task.work.as_mut().poll(&mut context) == Poll::Ready(()) {
                    drop(task);
                    self.free.borrow_mut().push(number);
                    continue;
                }
            }
            // A number that was woken for a task that is gone may have been given to another one.
            self.tasks.borrow_mut()[number] = Some(task);
        }
    }
}
