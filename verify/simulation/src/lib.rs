//! A whole sale from one seed.
//!
//! Browsers, gateway isolates, lanes, queue, inventory, payment provider, webhooks and the queue `sale-events` run over a
//! simulated network, storage and clock. What runs is the objects' own code: the machines of [`domain`] behind the
//! actors of [`actors`], with the real tokens and signatures. Only what the platform gives is simulated, and it fails
//! wherever a platform can: messages are lost, repeated, late and out of order; memory is lost at any await; storage
//! fails before saving, and after saving but before the answer; alarms ring late, early and twice; clocks jump.
//!
//! One `u64` decides everything, so that a run can be repeated to the last byte: [`run`] gives the same hash for the same
//! seed on every machine, also as WebAssembly.

#![warn(missing_docs)]

pub mod disk;
pub mod endpoints;
mod executor;
mod gateway;
mod live;
mod network;
mod node;
mod people;
mod profile;
mod projection;
pub mod report;
pub mod rows;
mod run;
mod world;

pub use profile::{Misfortune, Profile, Weather};
pub use report::Report;
pub use run::{run, run_struck, run_with};

/// The hash of the run from `seed`, for hosts that can only pass numbers. A broken promise traps.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub extern "C" fn simulate(seed: u64) -> u64 {
    let report = run(seed);
    assert!(report.violation.is_none(), "a promise was broken");
    report.hash
}
