//! The objects of an event's line. The rules are in [`domain::lane`] and [`domain::queue`]; this crate moves bytes.
//!
//! | Object | Asked | Answered |
//! |---|---|---|
//! | [`LaneObject`] | [`LaneAsk::Join`] | [`domain::lane::Joined`], once it is numbered and stored |
//! | | [`LaneAsk::Leave`] | [`domain::lane::LeftReply`], once the queue has stored it |
//! | [`QueueObject`] | [`QueueAsk::Command`] | the reply of [`domain::queue::Command`] |
//! | | [`QueueAsk::Board`] | [`domain::board::BoardUpdate`] |
//! | both | `Configure` | nothing; every other question is refused as unconfigured until then |

mod lane;
mod lane_store;
mod queue;
mod queue_store;

use domain::{event::Event, lane::Join, queue::Command};
use serde::{Deserialize, Serialize};

pub use self::{lane::LaneObject, queue::QueueObject};

/// The binding of [`LaneObject`]; an object's name is `<event id>/<lane>`, lanes from 0.
pub const LANE: &str = "LANE";
/// The binding of [`QueueObject`]; an object's name is its event's id.
pub const QUEUE: &str = "QUEUE";

/// What a lane can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum LaneAsk {
    /// Give the caller a place.
    Join(Join),
    /// Give a place up.
    Leave {
        /// The place.
        number: u64,
    },
    /// Take over the event.
    Configure(Box<Event>),
}

/// What a queue can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum QueueAsk {
    /// Change something.
    Command(Command),
    /// What everybody may know that changed.
    Board {
        /// The version that the asker has; 0 for none.
        since: u64,
    },
    /// Take over the event.
    Configure(Box<Event>),
}
