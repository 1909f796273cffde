use actors::ask::Object;
use domain::{
    delivery::{Change, Command, Delivery, tables::Tables},
    invariants::{Verdict, Witness},
    time::Millis,
};

use super::Rows;

/// The tables of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct WebhookRows(pub Tables);

impl Rows for WebhookRows {
    type Machine = Delivery;

    fn load(&self) -> Delivery {
        self.0.load()
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        self.0.write(change);
        Ok(())
    }

    fn recall(&self, delivery: &mut Delivery, command: &Command) {
        self.0.recall(delivery, command);
    }

    fn testify(witness: &mut Witness, object: &Object, changes: &[Change], _now: Millis) -> Verdict {
        let Object::Webhook(endpoint) = object else { return Ok(()) };
        witness.told.saved(endpoint, changes)
    }
}
