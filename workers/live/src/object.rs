//! `LiveObject`: the sockets of [`actors::live`] on the platform, accepted so that they outlive the object's memory.

use std::rc::Rc;

use actors::{
    Platform,
    ask::Object,
    live::{LiveActor, Ticket, Watch},
};
use shell::{ObjectPlatform, ask::broken, socket::refuse};
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object, wasm_bindgen, worker_sys::WebSocketRequestResponsePair,
};

use crate::socket::{PlatformSockets, attach, attached, finish, listen};

/// The header with which the gateway says what a socket watches: a [`Ticket`] as JSON. Only the gateway can reach an
/// object, and it hands on no header of a request.
pub const TICKET: &str = "x-ticket";
/// When somebody who found no room may come back, in seconds; pages add their own jitter.
const RETRY_AFTER_SEC: u32 = 10;
/// Most sockets from one address, where the variable says nothing: a carrier puts many phones behind one. In development
/// everybody has the same address, and there is no limit.
const PER_ADDRESS: u32 = 500;
const PER_ADDRESS_VAR: &str = "SOCKETS_PER_ADDRESS";

pub(crate) type Actor = LiveActor<ObjectPlatform, PlatformSockets>;

/// The sockets of one event, or of a part of those who watch it.
#[durable_object]
pub struct LiveObject {
    platform: Rc<ObjectPlatform>,
    actor: Option<Rc<Actor>>,
}

impl DurableObject for LiveObject {
    fn new(state: State, env: Env) -> Self {
        let var = |name: &str| env.var(name).map(|text| text.to_string()).unwrap_or_default();
        let usual = if var("ENVIRONMENT") == "development" { 0 } else { PER_ADDRESS };
        let per_address = var(PER_ADDRESS_VAR).parse().unwrap_or(usual);
        let platform = Rc::new(ObjectPlatform::new(state, env, "live"));
        // Answered by the platform, without waking the object.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            platform.state().set_websocket_auto_response(&pair);
        }
        let named = Object::indexed(&platform.name());
        let actor = named.map(|(event_id, _)| LiveActor::new(Rc::clone(&platform), PlatformSockets, event_id, per_address));
        for socket in actor.iter().flat_map(|_| platform.state().get_websockets()) {
            // Whoever cannot be attached is told everything all the same, and nothing that it says is heard.
            if let (Some(actor), Some((_, ticket))) = (&actor, attached(&socket)) {
                let _ = attach(&socket, actor.restored(&ticket, socket.clone()), ticket);
            }
        }
        Self { platform, actor: actor.map(Rc::new) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let ticket = request.headers().get(TICKET)?.ok_or("no ticket")?;
        let ticket: Ticket = serde_json::from_slice(ticket.as_bytes())?;
        let actor = self.actor()?;
        if let Err(code) = actor.admits(&ticket) {
            return refuse(code, &format!("too many sockets retry-after={RETRY_AFTER_SEC}"));
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        if matches!(ticket.watch, Watch::Place { .. }) {
            // It is told something every other second, so that it would never sleep; and a runtime of development does not
            // end a sleeping kind of socket that was closed here before its page ever said a word.
            server.accept()?;
            let id = actor.arrived(&ticket, server.clone());
            self.platform.spawn(listen(Rc::clone(actor), id, server));
        } else {
            self.platform.state().accept_web_socket(&server);
            attach(&server, actor.arrived(&ticket, server.clone()), ticket)?;
        }
        actor.watch_over().await.map_err(broken)?;
        Response::from_websocket(client)
    }

    async fn alarm(&self) -> Result<Response> {
        self.actor()?.alarm().await.map_err(broken)?;
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        if let (Some((id, _)), WebSocketIncomingMessage::String(frame)) = (attached(&socket), message) {
            self.actor()?.heard(id, &frame);
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, reason: String, _was_clean: bool) -> Result<()> {
        self.left(&socket)?;
        finish(&socket, code, &reason);
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.left(&socket)
    }
}

impl LiveObject {
    fn actor(&self) -> Result<&Rc<Actor>> {
        self.actor.as_ref().ok_or_else(|| "sockets are named by their event".into())
    }

    fn left(&self, socket: &WebSocket) -> Result<()> {
        attached(socket).map_or(Ok(()), |(id, _)| self.actor().map(|actor| actor.left(id)))
    }
}
