//! Promises and futures, each as the other, with little between them.
//!
//! A future of `js_sys` makes two closures for each promise, a timer of the `worker` crate one more, and the garbage collector
//! watches them; here all share one. And what JavaScript is given is a promise only where the outcome is not there at once.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use js_sys::{Function, Promise, futures::future_to_promise};
use wasm_bindgen::{JsValue, prelude::Closure, prelude::wasm_bindgen};

#[wasm_bindgen(module = "/src/glue.js")]
extern "C" {
    fn settle(promise: &Promise, id: u32, settled: &Closure<dyn Fn(u32, bool, JsValue)>);
    fn call_after(ms: i32, id: u32, settled: &Closure<dyn Fn(u32, bool, JsValue)>) -> f64;
    fn hang(id: u32, settled: &Closure<dyn Fn(u32, bool, JsValue)>) -> Function;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: f64);
}

/// How far something is that somebody waits for.
enum Stage {
    Pending(Waker),
    Settled(Result<JsValue, JsValue>),
}

thread_local! {
    /// What somebody waits for: as much as the platform has requests and timers under way, and what cancelled requests left.
    static WAITING: RefCell<BTreeMap<u32, Stage>> = const { RefCell::new(BTreeMap::new()) };
    static LAST: Cell<u32> = const { Cell::new(0) };
    static SETTLED: Closure<dyn Fn(u32, bool, JsValue)> = Closure::new(settled);
}

fn settled(id: u32, kept: bool, value: JsValue) {
    let outcome = if kept { Ok(value) } else { Err(value) };
    let woken = WAITING.with_borrow_mut(|waiting| {
        let stage = waiting.get_mut(&id)?;
        Some(std::mem::replace(stage, Stage::Settled(outcome)))
    });
    if let Some(Stage::Pending(waker)) = woken {
        waker.wake();
    }
}

/// What is called back, once, by the number that it was given.
#[derive(Debug, Default)]
struct Callback(Option<u32>);

impl Callback {
    /// Begins at once, though nobody waits yet.
    fn begun<T>(begin: impl FnOnce(u32, &Closure<dyn Fn(u32, bool, JsValue)>) -> T) -> (Self, T) {
        let id = Self::next(Waker::noop());
        (Self(Some(id)), SETTLED.with(|settled| begin(id, settled)))
    }

    fn next(waker: &Waker) -> u32 {
        let id = LAST.get().wrapping_add(1);
        LAST.set(id);
        WAITING.with_borrow_mut(|waiting| waiting.insert(id, Stage::Pending(waker.clone())));
        id
    }

    /// What it was called with; `begin` sees to it that it will be called.
    fn poll(
        &mut self,
        context: &Context<'_>,
        begin: impl FnOnce(u32, &Closure<dyn Fn(u32, bool, JsValue)>),
    ) -> Poll<Result<JsValue, JsValue>> {
        let Some(id) = self.0 else {
            let id = Self::next(context.waker());
            self.0 = Some(id);
            SETTLED.with(|settled| begin(id, settled));
            return Poll::Pending;
        };
        WAITING.with_borrow_mut(|waiting| match waiting.remove(&id) {
            Some(Stage::Settled(outcome)) => Poll::Ready(outcome),
            _ => {
                waiting.insert(id, Stage::Pending(context.waker().clone()));
                Poll::Pending
            }
        })
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            WAITING.with_borrow_mut(|waiting| waiting.remove(&id));
        }
    }
}

/// A promise as a future. Dropped, it forgets what comes of the promise.
#[derive(Debug)]
#[must_use = "nothing waits until it is awaited"]
pub struct Settled {
    promise: Promise,
    callback: Callback,
}

/// What comes of a promise, or of anything else with a `then`.
pub const fn settled_of(promise: Promise) -> Settled {
    Settled { promise, callback: Callback(None) }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { promise, callback } = &mut *self;
        callback.poll(context, |id, settled| settle(promise, id, settled))
    }
}

/// Some time that passes. Dropped, it does not.
#[derive(Debug)]
#[must_use = "no time passes until it is awaited"]
pub struct Pause {
    ms: i32,
    timer: Option<f64>,
    callback: Callback,
}

/// So many milliseconds, from the first look on.
pub fn pause(ms: u64) -> Pause {
    Pause { ms: i32::try_from(ms).unwrap_or(i32::MAX), timer: None, callback: Callback(None) }
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { ms, timer, callback } = &mut *self;
        let over = callback.poll(context, |id, settled| *timer = Some(call_after(*ms, id, settled)));
        over.map(|_| *timer = None)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            clear_timeout(timer);
        }
    }
}

/// Is over when its bell was rung. Dropped, it does not hear it.
#[derive(Debug)]
#[must_use = "nobody listens until it is awaited"]
pub struct Rung(Callback);

/// A bell that any request can ring, and what it wakes this one by. Whoever wakes a future by its waker has it go on in
/// their own name, with their I/O; a promise settled by another request goes on in the request that made it.
pub fn bell() -> (impl FnOnce(), Rung) {
    let (callback, ring) = Callback::begun(hang);
    let ring = move || {
        // It settles a promise, which cannot fail.
        let _ = ring.call0(&JsValue::UNDEFINED);
    };
    (ring, Rung(callback))
}

impl Future for Rung {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll(context, |_, _| ()).map(|_| ())
    }
}

/// Wakes whoever waits by now. A timer of the platform's crate keeps the first waker that it was shown, so that there is
/// one from the first look on.
#[derive(Default)]
struct Relay(Mutex<Option<Waker>>);

impl Relay {
    fn pass_on_to(&self, waker: &Waker) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        if let Some(waker) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }
}

/// What JavaScript is given of a future: its outcome, where that is there at once, otherwise a promise of it.
///
/// # Errors
/// What the future failed with, at once.
pub fn at_once_or_promised(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Result<JsValue, JsValue> {
    let mut future = Box::pin(future);
    let relay = Arc::new(Relay::default());
    let waker = Waker::from(Arc::clone(&relay));
    // Who wakes during this look wakes nobody: whoever promises looks again before anything else can happen.
    if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
        return outcome;
    }
    let rest = poll_fn(move |context| {
        relay.pass_on_to(context.waker());
        future.as_mut().poll(&mut Context::from_waker(&waker))
    });
    Ok(future_to_promise(rest).into())
}
