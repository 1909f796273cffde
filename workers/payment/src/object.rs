//! `PaymentObject`: the intent of [`protocol::payment`] on the platform.

use std::rc::Rc;

use protocol::{ask::PaymentAsk, payment::PaymentActor};
use shell::{
    ObjectPlatform,
    ask::{broken, question, respond},
    sql::Sql,
};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::store::PaymentStore;

/// One payment intent. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct PaymentObject(PaymentActor<ObjectPlatform, PaymentStore>);

impl DurableObject for PaymentObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "payment");
        let store = PaymentStore::new(Sql::new(platform.state()));
        Self(PaymentActor::new(Rc::new(platform), store))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let asked = question::<PaymentAsk>(&mut request).await?;
        respond(&self.0.answer(asked.ask, &asked.trace).await.map_err(broken)?)
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.alarm().await.map_err(broken)?;
        Response::empty()
    }
}
