//! The object of an event's seats. The rules are in [`domain::inventory`]; this crate moves bytes.
//!
//! | Asked | Answered |
//! |---|---|
//! | [`InventoryAsk::Command`] | the reply of [`domain::inventory::Command`] |
//! | [`InventoryAsk::Query`] | the body of [`domain::inventory::Query`] |
//! | [`InventoryAsk::Configure`] | nothing; every other question is refused as unconfigured until then |

mod object;
mod outbox;
mod queries;
mod store;

use domain::{
    event::Event,
    inventory::{Command, Query},
};
pub use object::InventoryObject;
use serde::{Deserialize, Serialize};

/// The binding of [`InventoryObject`]; an object's name is its event's id.
pub const INVENTORY: &str = "INVENTORY";

/// What an inventory can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum InventoryAsk {
    /// Change something.
    Command(Command),
    /// Look at something.
    Query(Query),
    /// Take over the event.
    Configure(Box<Event>),
}
