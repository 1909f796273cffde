//! How much memory the rules need per seat, hold and place, counted by the allocator: what is asked for, with the header and
//! the rounding of each piece. Natively pointers and lengths are of 64 bits; in Wasm, where the platform runs, of 32:
//! `tests/bench/memory.ts` runs this there.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rules::{self as fixture, done};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What a piece takes, as the system's allocators have it, natively and in Wasm: a header of one word, whole pairs of words.
const fn taken(layout: Layout) -> usize {
    const WORD: usize = size_of::<usize>();
    (layout.size() + WORD).next_multiple_of(2 * WORD)
}

// SAFETY: everything is left to the system's allocator; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(taken(layout), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(taken(layout), Relaxed);
        // SAFETY: the memory came from `alloc` above, with this layout.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `make` leaves in memory, in bytes.
fn kept<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.load(Relaxed);
    let made = black_box(make());
    (made, IN_USE.load(Relaxed) - before)
}

#[cfg(not(target_family = "wasm"))]
#[expect(clippy::print_stdout, reason = "the figures go to the caller")]
fn print(line: &str) {
    println!("{line}");
}

/// Wasm alone has nowhere to print: the host takes the text where it lies.
#[cfg(target_family = "wasm")]
fn print(line: &str) {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        safe fn print(at: *const u8, bytes: usize);
    }
    print(line.as_ptr(), line.len());
}

fn row(what: &str, bytes: usize, of: u64, unit: &str) {
    let mib = bytes as f64 / f64::from(1 << 20);
    print(&format!("| {what:<44} | {mib:>8.2} | {:>10.1} per {unit:<5} |", bytes as f64 / of as f64));
}

fn main() {
    let bits = format!("memory of the rules, {} bits", usize::BITS);
    print(&format!("| {bits:<44} | {:>8} | {:>20} |", "MiB", "bytes"));
    print(&format!("|{:-<46}|{:->9}:|{:->21}:|", "", "", ""));
    for seats in [50_000, 200_000] {
        let (inventory, bytes) = kept(|| fixture::inventory(seats));
        row(&format!("inventory of {seats} free seats"), bytes, seats.into(), "seat");
        drop(inventory);
    }
    for (seats_each, holds) in [(1, 20_000), (4, 50_000), (1, 200_000)] {
        let (mut inventory, empty) = kept(|| fixture::inventory(200_000));
        let hold = |i: u32| fixture::hold(i.into(), fixture::these_seats(i * seats_each, seats_each));
        let ((), bytes) = kept(|| (0..holds).for_each(|i| drop(done(&mut inventory, &hold(i)))));
        row(&format!("{holds} holds of {seats_each} in 200000 seats"), empty + bytes, holds.into(), "hold");
    }
    // As it is on the way: almost everything sold one by one, the last ones held at the same time.
    let (house, held) = (200_000, 10_000);
    let (mut inventory, empty) = kept(|| fixture::inventory(house));
    let ((), sold) = kept(|| (0..house - held).for_each(|i| fixture::buy(&mut inventory, i.into(), i)));
    row(&format!("{} of {house} seats sold one by one", house - held), empty + sold, (house - held).into(), "seat");
    let hold = |i: u32| fixture::hold(i.into(), fixture::this_seat(i));
    let ((), bytes) = kept(|| (house - held..house).for_each(|i| drop(done(&mut inventory, &hold(i)))));
    row(&format!("the same, and {held} held"), empty + sold + bytes, house.into(), "seat");

    let places = 1_000_000_u64;
    let (mut line, _) = kept(fixture::line);
    let ((), bytes) = kept(|| (1..=places / 1000).for_each(|seq| drop(done(&mut line, &fixture::batch(seq, 1000)))));
    row("a queue of 1000000 places", bytes, places, "place");

    let (lane, bytes) = kept(fixture::lane);
    row(&format!("a lane of {} places", fixture::LANE_PLACES), bytes, fixture::LANE_PLACES, "place");
    drop(lane);
}
