//! `InventoryObject`: the inventory of [`protocol::inventory`] on the platform.

use std::rc::Rc;

use domain::{id::EventId, spread::Part};
use protocol::{
    ask::{Envelope, InventoryAsk, Object},
    inventory::InventoryActor,
};
use shell::{
    ObjectPlatform,
    ask::{answer, broken, only_asked},
    sql::Sql,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::store::InventoryStore;

/// The seats of one event, or of one of its shards. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct InventoryObject(Option<Rc<InventoryActor<ObjectPlatform, InventoryStore>>>);

impl DurableObject for InventoryObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "inventory");
        let Some((event_id, part)) = named(&platform.name()) else { return Self(None) };
        let store = InventoryStore::new(Sql::new(platform.state()), part);
        Self(Some(Rc::new(InventoryActor::new(Rc::new(platform), store, event_id, part))))
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        only_asked()
    }

    async fn alarm(&self) -> Result<Response> {
        self.actor()?.alarm().await.map_err(broken)?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl InventoryObject {
    /// Called by the gateway and by other objects: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let inventory = Rc::clone(self.actor()?);
        answer(questions, async move |asked: Envelope<InventoryAsk>| inventory.answer(asked.ask, &asked.trace).await)
    }
}

/// What an object of this name is part of.
fn named(name: &str) -> Option<(EventId, Part)> {
    match Object::indexed(name) {
        Some((event_id, shard)) => Some((event_id, Part::Shard(shard))),
        None => Some((EventId::parse(name)?, Part::Root)),
    }
}

impl InventoryObject {
    fn actor(&self) -> Result<&Rc<InventoryActor<ObjectPlatform, InventoryStore>>> {
        self.0.as_ref().ok_or_else(|| "an inventory is named by its event, and by its number where it is a shard".into())
    }
}
