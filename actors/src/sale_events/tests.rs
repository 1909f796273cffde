//! A reader whose projection can be set back while it reads.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;

/// A projection of one event, and what its log is told.
#[derive(Default)]
struct Desk {
    position: Cell<u64>,
    /// Where a backup sets the position once it was read.
    set_back_to: Cell<Option<u64>>,
    consumed: RefCell<Vec<u64>>,
}

impl Reader for Desk {
    async fn ask<A: Serialize>(&self, _to: &Object, _trace: TraceId, ask: &A) -> Result<Answer, Fault> {
        let asked = serde_json::to_value(ask).expect("plain data");
        let through = asked.pointer("/Command/Consumed/through").and_then(serde_json::Value::as_u64);
        self.consumed.borrow_mut().extend(through);
        Ok(Answer::Granted { body: b"null".to_vec(), replayed: false })
    }

    async fn standing(&self, event_ids: &[&EventId]) -> Result<Standing, Problem> {
        let projected = event_ids.iter().map(|event_id| ((*event_id).clone(), self.position.get())).collect();
        self.position.set(self.set_back_to.take().unwrap_or_else(|| self.position.get()));
        Ok(Standing { projected, ..Standing::default() })
    }

    async fn project(&self, projections: &[Projection<'_>]) -> Result<BTreeMap<EventId, u64>, Problem> {
        for Projection { after, through, .. } in projections {
            if *after <= self.position.get() {
                self.position.set(self.position.get().max(*through));
            }
        }
        Ok(projections.iter().map(|projection| (projection.event_id.clone(), self.position.get())).collect())
    }

    async fn directions(&self, _id: &EndpointId) -> Result<Option<Directions>, Problem> {
        Ok(None)
    }
}

impl Desk {
    /// Reads a batch of these envelopes; whether all of it was dealt with.
    fn reads(&self, sequences: std::ops::RangeInclusive<u64>) -> bool {
        let text = |sequence| {
            format!(r#"{{"id":"msg_e_{sequence}","type":"t","event_id":"e","sequence":{sequence},"trace_id":"","data":{{}}}}"#)
        };
        let batch = sequences.map(|sequence| Envelope::parse(&text(sequence)).expect("an envelope")).collect();
        match pin!(consume(self, batch)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(failed) => failed.is_empty(),
            Poll::Pending => panic!("it waits"),
        }
    }
}

#[test]
fn a_batch_behind_the_position_moves_it_and_its_log_is_told() {
    let desk = Desk::default();
    assert!(desk.reads(1..=3));
    assert!(desk.reads(4..=5));
    assert_eq!((desk.position.get(), desk.consumed.take()), (5, vec![3, 5]));
}

#[test]
fn a_batch_that_was_projected_by_another_reader_meanwhile_is_dealt_with() {
    let desk = Desk::default();
    desk.set_back_to.set(Some(7));
    assert!(desk.reads(1..=3));
    assert_eq!((desk.position.get(), desk.consumed.take()), (7, vec![3]));
}

#[test]
fn over_what_a_backup_has_lost_meanwhile_no_position_moves_and_no_log_is_told() {
    let desk = Desk { position: Cell::new(5), ..Desk::default() };
    desk.set_back_to.set(Some(2));
    assert!(!desk.reads(6..=8));
    assert_eq!((desk.position.get(), desk.consumed.take()), (2, vec![]));
}
