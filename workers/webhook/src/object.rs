//! `WebhookObject`: the deliveries of [`actors::webhook`] on the platform.

use std::rc::Rc;

use actors::{
    Actor,
    ask::{Envelope, WebhookAsk},
    webhook::WebhookActor,
};
use shell::{
    ObjectPlatform,
    ask::{answer, broken, only_asked},
    sql::Sql,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::store::WebhookStore;

/// One endpoint of an organiser. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct WebhookObject(Rc<WebhookActor<ObjectPlatform, WebhookStore>>);

impl DurableObject for WebhookObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "webhook");
        let store = WebhookStore::new(Sql::new(platform.state()));
        Self(Rc::new(WebhookActor::new(Rc::new(platform), store)))
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        only_asked()
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.ring().await.map_err(broken)?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl WebhookObject {
    /// Called by the gateway: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let webhook = Rc::clone(&self.0);
        answer(questions, async move |asked: Envelope<WebhookAsk>| webhook.answer(asked.ask, &asked.trace).await)
    }
}
