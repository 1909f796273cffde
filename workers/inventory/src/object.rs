//! `InventoryObject`: the inventory of [`protocol::inventory`] on the platform.

use std::rc::Rc;

use domain::id::EventId;
use protocol::{ask::InventoryAsk, inventory::InventoryActor};
use shell::{
    ObjectPlatform,
    ask::{broken, question, respond},
    sql::Sql,
};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::store::InventoryStore;

/// The seats of one event. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct InventoryObject(Option<Rc<InventoryActor<ObjectPlatform, InventoryStore>>>);

impl DurableObject for InventoryObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "inventory");
        let store = InventoryStore::new(Sql::new(platform.state()));
        let event_id = EventId::parse(&platform.name());
        Self(event_id.map(|event_id| Rc::new(InventoryActor::new(Rc::new(platform), store, event_id))))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let asked = question::<InventoryAsk>(&mut request).await?;
        respond(&self.actor()?.answer(asked.ask, &asked.trace).await.map_err(broken)?)
    }

    async fn alarm(&self) -> Result<Response> {
        self.actor()?.alarm().await.map_err(broken)?;
        Response::empty()
    }
}

impl InventoryObject {
    fn actor(&self) -> Result<&Rc<InventoryActor<ObjectPlatform, InventoryStore>>> {
        self.0.as_ref().ok_or_else(|| "an inventory is named by its event".into())
    }
}
