//! `PaymentObject`: the simulated provider of [`actors::payment`] on the platform.

use std::rc::Rc;

use actors::{
    Actor,
    ask::{Envelope, PaymentAsk},
    payment::PaymentActor,
};
use shell::{
    ObjectPlatform,
    ask::{answer, broken, only_asked},
    sql::Sql,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::store::PaymentStore;

/// The intents of an event. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct PaymentObject(Rc<PaymentActor<ObjectPlatform, PaymentStore>>);

impl DurableObject for PaymentObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "payment");
        let store = PaymentStore::new(Sql::new(platform.state()));
        Self(Rc::new(PaymentActor::new(Rc::new(platform), store)))
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
impl PaymentObject {
    /// Called by the gateway and by other objects: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let payment = Rc::clone(&self.0);
        answer(questions, async move |asked: Envelope<PaymentAsk>| payment.answer(asked.ask, &asked.trace).await)
    }
}
