use domain::{
    invariants::{Verdict, Witness},
    machine::Machine,
    payment::{Change, Payment},
    time::Millis,
};
use protocol::ask::Object;

use super::{Rows, reread};

/// The journal of a payment intent.
#[derive(Clone, Debug, Default)]
pub struct PaymentRows(Vec<Change>);

impl Rows for PaymentRows {
    type Machine = Payment;

    fn load(&self) -> Payment {
        let mut payment = Payment::default();
        self.0.iter().for_each(|change| payment.apply(&reread(change)));
        payment
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        self.0.push(change.clone());
        Ok(())
    }

    fn testify(witness: &mut Witness, object: &Object, changes: &[Change], _now: Millis) -> Verdict {
        let Object::Payment(intent) = object else { unreachable!("the journal of an intent belongs to an intent") };
        witness.payment_saved(intent, changes)
    }
}
