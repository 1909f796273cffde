//! `QueueObject`: the queue of [`actors::queue`] on the platform.

use std::rc::Rc;

use actors::{
    Actor,
    ask::{self, Envelope, QueueAsk},
    queue::QueueActor,
};
use domain::id::EventId;
use shell::{
    ObjectPlatform,
    ask::{answer, broken, only_asked},
    sql::Sql,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

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

    async fn fetch(&self, _request: Request) -> Result<Response> {
        only_asked()
    }

    async fn alarm(&self) -> Result<Response> {
        self.actor()?.ring().await.map_err(broken)?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl QueueObject {
    /// Called by the gateway and by other objects: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let queue = Rc::clone(self.actor()?);
        answer(questions, async move |asked: Envelope<QueueAsk>| {
            ask::answer(asked, async |ask, trace: &str| queue.answer(ask, trace).await).await
        })
    }
}

impl QueueObject {
    fn actor(&self) -> Result<&Rc<QueueActor<ObjectPlatform, QueueStore>>> {
        self.0.as_ref().ok_or_else(|| "a queue is named by its event".into())
    }
}
