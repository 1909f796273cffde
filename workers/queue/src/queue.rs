//! `QueueObject`: the queue of [`protocol::queue`] on the platform.

use std::rc::Rc;

use domain::id::EventId;
use protocol::{ask::QueueAsk, queue::QueueActor};
use shell::{
    ObjectPlatform,
    ask::{broken, question, respond},
    sql::Sql,
};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::queue_store::QueueStore;

/// The line of one event. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct QueueObject(Option<Rc<QueueActor<ObjectPlatform, QueueStore>>>);

impl DurableObject for QueueObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "queue");
        let store = QueueStore::new(Sql::new(platform.state()));
        let event_id = EventId::parse(&platform.name());
        Self(event_id.map(|event_id| Rc::new(QueueActor::new(Rc::new(platform), store, event_id))))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let asked = question::<QueueAsk>(&mut request).await?;
        respond(&self.actor()?.answer(asked.ask, &asked.trace).await.map_err(broken)?)
    }

    async fn alarm(&self) -> Result<Response> {
        self.actor()?.alarm().await.map_err(broken)?;
        Response::empty()
    }
}

impl QueueObject {
    fn actor(&self) -> Result<&Rc<QueueActor<ObjectPlatform, QueueStore>>> {
        self.0.as_ref().ok_or_else(|| "a queue is named by its event".into())
    }
}
