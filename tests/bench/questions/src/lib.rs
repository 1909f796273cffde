//! What the benchmark's driver asks objects, written as the gateway writes it, and whether they grant it. The driver is JavaScript
//! and knows no encoding: it takes questions out of the memory of this module, and puts answers there.

use std::{
    cell::RefCell,
    pin::pin,
    task::{Context, Waker},
};

use actors::ask::{self, Fault, InventoryAsk, LaneAsk, QueueAsk};
use domain::{
    hash::Hash128,
    id::{ReservationKey, UserId},
    idempotency::Idempotency,
    inventory::{self, Admission, Wish},
    lane::Join,
    machine::Answer,
    queue,
    time::Millis,
};
use serde::Serialize;

const ROW_SEATS: u32 = 100;
const HOUR_SEC: u64 = 3600;
const KEY_TTL_MS: u64 = 300_000;
/// Later than any that the lanes themselves have given.
const NONCE: u64 = 9_000_000_000_000_000;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where the buffer lies.
#[unsafe(no_mangle)]
pub extern "C" fn at() -> *const u8 {
    BUFFER.with_borrow(|buffer| buffer.as_ptr())
}

/// Makes room for an answer of so many bytes; where it is to be put.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        buffer.resize(bytes, 0);
        buffer.as_mut_ptr()
    })
}

/// Whether the answer in the buffer grants all of so many questions.
#[unsafe(no_mangle)]
pub extern "C" fn granted(count: usize) -> bool {
    let is_granted = |answer: &Vec<u8>| matches!(ask::decode(answer), Ok(Answer::Granted { .. }));
    BUFFER.with_borrow(|buffer| ask::answers(buffer, count).is_ok_and(|answers| answers.iter().all(is_granted)))
}

/// Asks an inventory for so many seats from the `first` on, each by somebody else; how many bytes the question has.
#[unsafe(no_mangle)]
pub extern "C" fn holds(first: u32, count: u32, now_ms: f64) -> usize {
    put((first..first + count).map(|number| hold(number, Millis(now_ms as u64))))
}

/// Asks a queue for numbers for the `seq`th batch of a lane.
#[unsafe(no_mangle)]
pub extern "C" fn batch(lane: u32, seq: u32, joins: u32) -> usize {
    put([QueueAsk::Command(queue::Command::Batch(queue::Batch { lane, nonce: NONCE, seq: seq.into(), joins, leaves: vec![] }))])
}

/// Asks a queue for its board.
#[unsafe(no_mangle)]
pub extern "C" fn board() -> usize {
    put([QueueAsk::Board { since: 1 }])
}

/// Asks a lane for the place of the `number`th caller.
#[unsafe(no_mangle)]
pub extern "C" fn join(number: u32) -> usize {
    put([LaneAsk::Join(Join { caller: digest(number), key: digest(number), fingerprint: Hash128(2), kid: 1, replaces: None })])
}

fn hold(number: u32, now: Millis) -> InventoryAsk {
    let seat = format!("A-{}-{}", number / ROW_SEATS + 1, number % ROW_SEATS + 1);
    InventoryAsk::Command(inventory::Command::Hold {
        key: key(number, now),
        user: UserId(format!("2f1c7d0e-5b3a-4c6d-8e9f-{number:012x}").into()),
        admission: Admission { number: number.into(), ends_at: now.plus_sec(HOUR_SEC) },
        wish: Wish { seat_ids: Some([seat].into_iter().collect()), quantity: Some(1), section: None, together: true },
        idempotency: Idempotency { scope: digest(number), fingerprint: Hash128(1), ttl_ms: KEY_TTL_MS },
    })
}

/// Spreads numbers over 128 bits, as digests are.
const fn digest(number: u32) -> Hash128 {
    Hash128((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// A reservation's key as gateways draw it: a UUID of version 7.
const fn key(number: u32, now: Millis) -> ReservationKey {
    const RANDOM_BITS: u32 = 74;
    ReservationKey(((now.0 as u128) << 80) | (0x7 << 76) | (digest(number).0 & ((1 << RANDOM_BITS) - 1)))
}

fn put<A: Serialize>(asks: impl IntoIterator<Item = A>) -> usize {
    let questions: Vec<Vec<u8>> = asks.into_iter().map(|ask| written(&ask)).collect();
    BUFFER.with_borrow_mut(|buffer| {
        *buffer = ask::questions_together(&questions);
        buffer.len()
    })
}

/// A question as it would be sent. What sends it here keeps it, and there is no answer.
fn written<A: Serialize>(ask: &A) -> Vec<u8> {
    let kept = RefCell::new(Vec::new());
    let send = async |body: &[u8]| {
        kept.replace(body.to_vec());
        Err(Fault::TimedOut)
    };
    let asked = pin!(ask::ask_through(send, "", None, ask));
    let _ = asked.poll(&mut Context::from_waker(Waker::noop()));
    kept.take()
}
