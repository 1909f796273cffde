//! `LaneObject`: the lane of [`protocol::lane`] on the platform.

use std::rc::Rc;

use protocol::{
    ask::{LaneAsk, Object},
    lane::LaneActor,
};
use shell::{
    ObjectPlatform,
    ask::{broken, question, respond},
    sql::Sql,
};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

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

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let asked = question::<LaneAsk>(&mut request).await?;
        let lane = self.0.as_ref().ok_or("a lane is named <event>/<lane>")?;
        respond(&lane.answer(asked.ask, &asked.trace).await.map_err(broken)?)
    }
}
