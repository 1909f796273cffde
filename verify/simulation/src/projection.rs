//! The reader of `sale-events`, as an isolate runs it, and the projection in D1 that it writes.

use std::collections::BTreeMap;

use actors::{
    Problem,
    ask::{EndpointId, Fault, Object},
    carrier::ask,
    sale_events::{self, Projection as Projected, Reader, Standing, Subscriber},
};
use domain::{
    delivery::{Directions, Envelope},
    id::EventId,
    invariants::Invariant,
    machine::Answer,
    trace::TraceId,
};
use serde::Serialize;

use crate::{
    gateway::{Door, No},
    world::World,
};

/// What D1 has of an event.
#[derive(Debug, Default)]
pub(crate) struct Projection {
    /// Envelopes by their sequence.
    pub(crate) rows: BTreeMap<u64, String>,
    /// The last one before which none is missing.
    pub(crate) through: u64,
}

impl Door {
    /// Deals with a batch of the queue.
    pub(crate) async fn consume(&self, batch: Vec<Envelope>) -> Result<(), No> {
        let failed = sale_events::consume(self, batch).await;
        failed.into_values().next().map_or(Ok(()), |problem| Err(problem.into()))
    }

    async fn database(&self) -> Result<(), Problem> {
        self.world().0.executor.sleep(self.world().delay_ms()).await;
        if self.world().goes_wrong(self.world().0.weather.loses) { Err("D1 does not answer".into()) } else { Ok(()) }
    }
}

impl Reader for Door {
    async fn ask<A: Serialize>(&self, to: &Object, trace: TraceId, question: &A) -> Result<Answer, Fault> {
        ask(&self.machine(), to, &trace.traceparent(1), question).await
    }

    async fn standing(&self, event_ids: &[&EventId]) -> Result<Standing, Problem> {
        self.database().await?;
        let world = self.world();
        if world.goes_wrong(world.0.weather.crashes) {
            world.set_back();
        }
        let through = world.0.projection.borrow().through;
        let endpoints = world.0.endpoints.borrow().clone();
        let subscribers = endpoints.iter().filter_map(|endpoint| {
            let Directions { version, organiser_id, event_ids, .. } = endpoint.directions()?;
            Some(Subscriber { id: endpoint.id().clone(), version, organiser_id, event_ids })
        });
        Ok(Standing {
            projected: event_ids.iter().map(|event_id| ((*event_id).clone(), through)).collect(),
            organisers: BTreeMap::new(),
            subscribers: subscribers.collect(),
        })
    }

    async fn project(&self, projections: &[Projected<'_>]) -> Result<BTreeMap<EventId, u64>, Problem> {
        self.database().await?;
        let mut positions = BTreeMap::new();
        for Projected { event_id, after, through, envelopes } in projections {
            envelopes.iter().for_each(|envelope| self.world().receive(envelope));
            let mut projection = self.world().0.projection.borrow_mut();
            if *after <= projection.through {
                projection.through = projection.through.max(*through);
            }
            self.world().0.witness.borrow_mut().seats.acknowledges(projection.through);
            positions.insert((*event_id).clone(), projection.through);
        }
        self.database().await?;
        Ok(positions)
    }

    async fn directions(&self, id: &EndpointId) -> Result<Option<Directions>, Problem> {
        self.database().await?;
        let endpoints = self.world().0.endpoints.borrow().clone();
        Ok(endpoints.iter().find(|endpoint| endpoint.id() == id).and_then(|endpoint| endpoint.directions()))
    }
}

impl World {
    /// Takes an envelope into the projection.
    fn receive(&self, envelope: &Envelope) {
        let Envelope { sequence, body, .. } = envelope;
        let known = self.0.projection.borrow_mut().rows.insert(*sequence, body.clone());
        let same = known.is_none_or(|known| known == *body);
        self.promise(Invariant::NothingUntold, same, || format!("envelope {sequence} was sent with two contents"));
    }

    /// A backup is restored: what was projected last is not there any more.
    fn set_back(&self) {
        let through = self.draw(0..=self.0.projection.borrow().through);
        let mut projection = self.0.projection.borrow_mut();
        projection.through = through;
        projection.rows.split_off(&(through + 1));
        drop(projection);
        self.0.set_back.set(true);
    }

    /// The next word of the event comes, once all is well: what a set-back has left open is closed by it.
    pub(crate) async fn last_word(&self) {
        loop {
            let last = self.0.last_word.borrow().clone();
            let Some(last) = last else { return };
            let consume = move |gate: Door| {
                let batch = vec![last.clone()];
                async move { gate.consume(batch).await }
            };
            if self.request(0, consume).await.is_ok() {
                return;
            }
        }
    }
}
