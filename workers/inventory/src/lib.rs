//! The object of an event's seats. The rules are in [`domain::inventory`], what the object does around them in
//! [`actors::inventory`]; this crate stores rows and looks into them.

mod object;
mod queries;
mod store;
mod written;

pub use object::InventoryObject;
