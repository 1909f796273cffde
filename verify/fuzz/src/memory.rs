//! How much memory a piece of work takes at its worst: an allocator that counts, for each thread by itself.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// Bytes that this thread has allocated and not freed. Negative where it frees what others allocated.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    /// The most that [`LIVE`] was since it was last set.
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting. A test binary makes it its own:
///
/// ```text
/// #[global_allocator]
/// static COUNTING: fuzz::memory::Counting = fuzz::memory::Counting;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Counting;

fn count(bytes: usize, sign: i64) {
    let change = sign * i64::try_from(bytes).unwrap_or(i64::MAX);
    // A thread that is ending has no counters any more; nothing is measured then.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_add(change));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Old and new live side by side while the content moves.
        count(new_size, 1);
        count(layout.size(), -1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, new_size) }
    }
}

/// What `work` gives, and the most bytes that it had allocated at once, beyond what was there before.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let outcome = work();
    (outcome, usize::try_from(PEAK.get() - before).unwrap_or(0))
}
