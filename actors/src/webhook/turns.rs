//! So many at once, the others in the order in which they came.

use std::{cell::Cell, cell::RefCell, collections::VecDeque};

use futures_channel::oneshot::{self, Sender};

/// Hands out turns.
pub(super) struct Turns {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<Sender<()>>>,
}

/// A turn; over when dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    pub(super) const fn new(at_once: usize) -> Self {
        Self { free: Cell::new(at_once), waiting: RefCell::new(VecDeque::new()) }
    }

    /// Waits for a turn.
    pub(super) async fn take(&self) -> Turn<'_> {
        if self.free.get() > 0 {
            self.free.set(self.free.get() - 1);
        } else {
            let (next, mine) = oneshot::channel();
            self.waiting.borrow_mut().push_back(next);
            // Whoever ends hands the turn over; it is never dropped without.
            let _ = mine.await;
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    /// The next one takes the turn over, unless it waits no longer.
    fn drop(&mut self) {
        loop {
            let Some(next) = self.0.waiting.borrow_mut().pop_front() else { break };
            if next.send(()).is_ok() {
                return;
            }
        }
        self.0.free.set(self.0.free.get() + 1);
    }
}
