//! `InventoryObject`: the inventory of [`actors::inventory`] on the platform.

use std::rc::Rc;

use actors::{
    Actor,
    ask::{self, Envelope, InventoryAsk},
    inventory::InventoryActor,
};
use domain::id::EventId;
use shell::{
    ObjectPlatform,
    ask::{answer, broken, only_asked},
    sql::Sql,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::store::InventoryStore;

/// The seats of one event. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct InventoryObject(Option<Rc<InventoryActor<ObjectPlatform, InventoryStore>>>);

impl DurableObject for InventoryObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "inventory");
        let Some(event_id) = EventId::parse(&platform.name()) else { return Self(None) };
        let store = InventoryStore::new(Sql::new(platform.state()));
        Self(Some(Rc::new(InventoryActor::new(Rc::new(platform), store, event_id))))
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
impl InventoryObject {
    /// Called by the gateway and by other objects: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let inventory = Rc::clone(self.actor()?);
        answer(questions, async move |asked: Envelope<InventoryAsk>| {
            ask::answer(asked, async |ask, trace: &str| inventory.answer(ask, trace).await).await
        })
    }
}

impl InventoryObject {
    fn actor(&self) -> Result<&Rc<InventoryActor<ObjectPlatform, InventoryStore>>> {
        self.0.as_ref().ok_or_else(|| "an inventory is named by its event".into())
    }
}
