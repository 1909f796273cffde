//! `LaneObject`: the lane of [`actors::lane`] on the platform.

use std::rc::Rc;

use actors::{
    ask::{self, Envelope, LaneAsk, Object},
    lane::LaneActor,
};
use shell::{
    ObjectPlatform,
    ask::{answer, only_asked},
    sql::Sql,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::lane_store::LaneStore;

/// One lane of an event. What it acknowledged is in its rows; what gathers is lost with its memory and may be sent again.
#[durable_object(fetch)]
pub struct LaneObject(Option<Rc<LaneActor<ObjectPlatform, LaneStore>>>);

impl DurableObject for LaneObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "lane");
        let store = LaneStore::new(Sql::new(platform.state()));
        let named = Object::indexed(&platform.name());
        Self(named.map(|(event_id, index)| Rc::new(LaneActor::new(Rc::new(platform), store, event_id, index))))
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        only_asked()
    }
}

#[wasm_bindgen]
impl LaneObject {
    /// Called by the gateway and by other objects: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let lane = self.0.clone().ok_or("a lane is named <event>/<lane>")?;
        answer(questions, async move |asked: Envelope<LaneAsk>| {
            ask::answer(asked, async |ask, trace: &str| lane.answer(ask, trace).await).await
        })
    }
}
