use std::collections::BTreeMap;

use actors::ask::Object;
use domain::{
    id::PaymentIntentId,
    invariants::{Verdict, Witness},
    payment::{Change, Command, Intent, Simulator},
    time::Millis,
};

use super::{Rows, reread};

/// The intents of a simulated provider.
#[derive(Clone, Debug, Default)]
pub struct PaymentRows(BTreeMap<PaymentIntentId, Intent>);

impl Rows for PaymentRows {
    type Machine = Simulator;

    fn load(&self) -> Simulator {
        Simulator::restore(self.0.values().filter(|intent| !intent.is_settled()).map(reread))
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        self.0.insert(change.intent.terms.intent_id.clone(), (*change.intent).clone());
        Ok(())
    }

    fn recall(&self, simulator: &mut Simulator, command: &Command) {
        let found = simulator.missing(command).and_then(|intent| self.0.get(intent));
        found.into_iter().for_each(|intent| simulator.recall(reread(intent)));
    }

    fn testify(witness: &mut Witness, _object: &Object, changes: &[Change], _now: Millis) -> Verdict {
        witness.payments_saved(changes)
    }
}
