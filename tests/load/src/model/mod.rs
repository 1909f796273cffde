//! A whole sale as a discrete-event model, fed with measured service times.
//!
//! Gateways are many, everything else is one thread each: the lanes, the event's queue, its inventory. A thread works
//! first come, first served. What it writes is acknowledged after a flush that does not keep it from working on, and an
//! object's messages, answers and calls alike, leave when the flush of what was written before them is done.
//!
//! The same seed gives the same figures.

pub mod price;
pub mod report;
mod sale;
pub mod scenario;
mod thread;
pub mod times;

pub use sale::run;
