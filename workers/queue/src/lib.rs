//! The objects of an event's line. The rules are in [`domain::lane`] and [`domain::queue`], what the objects do around
//! them in [`actors::lane`] and [`actors::queue`]; this crate stores rows.

mod lane;
mod lane_store;
mod queue;
mod queue_store;

pub use self::{lane::LaneObject, queue::QueueObject};
