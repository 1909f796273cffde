//! `LiveObject`: the sockets of [`protocol::live`] on the platform, accepted so that they outlive the object's memory.

use std::{cell::Cell, rc::Rc};

use domain::id::EventId;
use futures_util::StreamExt;
use protocol::{
    Platform, Problem,
    ask::Object,
    live::{LiveActor, Sockets, Ticket, Watch},
};
use serde_json::Value;
use shell::{
    ObjectPlatform,
    ask::broken,
    log::{Level, line},
    socket,
};
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    WebsocketEvent, durable_object, wasm_bindgen, worker_sys::WebSocketRequestResponsePair,
};

/// The header with which the gateway says what a socket watches: a [`Ticket`] as JSON. Only the gateway can reach an
/// object, and it hands on no header of a request.
pub const TICKET: &str = "x-ticket";
/// When somebody who found no room may come back, in seconds; pages add their own jitter.
const RETRY_AFTER_SEC: u32 = 10;
/// Most sockets from one address, where the variable says nothing: a carrier puts many phones behind one. In development
/// everybody has the same address, and there is no limit.
const PER_ADDRESS: u32 = 500;
const PER_ADDRESS_VAR: &str = "SOCKETS_PER_ADDRESS";

type Actor = LiveActor<ObjectPlatform, PlatformSockets>;

/// The sockets of one event, or of a part of those who watch it.
#[durable_object]
pub struct LiveObject {
    platform: Rc<ObjectPlatform>,
    actor: Option<Rc<Actor>>,
    /// Whether those sockets were taken in that outlived the object's memory.
    restored: Cell<bool>,
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
        let actor = named.map(|(event_id, _)| Rc::new(actor_of(&platform, event_id, per_address)));
        Self { platform, actor, restored: Cell::new(false) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let ticket = request.headers().get(TICKET)?.ok_or("no ticket")?;
        let ticket: Ticket = serde_json::from_slice(ticket.as_bytes())?;
        let actor = self.actor()?;
        if let Err(code) = actor.admits(&ticket) {
            return socket::refuse(code, &format!("too many sockets retry-after={RETRY_AFTER_SEC}"));
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let id = match &ticket.watch {
            // It is told something every other second, so that it would never sleep; and a runtime of development does not
            // end a sleeping kind of socket that was closed here before its page ever said a word.
            Watch::Place { .. } => {
                server.accept()?;
                let id = actor.arrived(ticket, server.clone());
                self.platform.spawn(listen(Rc::clone(actor), id, server));
                id
            }
            Watch::Seats { .. } => {
                self.platform.state().accept_web_socket(&server);
                let id = actor.arrived(ticket.clone(), server.clone());
                attach(&server, id, &ticket)?;
                id
            }
        };
        actor.welcome(id).await.map_err(broken)?;
        Response::from_websocket(client)
    }

    async fn alarm(&self) -> Result<Response> {
        self.actor()?.alarm().await.map_err(broken)?;
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let (actor, Some((id, _))) = (self.actor()?, attached(&socket)) else { return Ok(()) };
        if let WebSocketIncomingMessage::String(frame) = message {
            actor.heard(id, &frame);
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, reason: String, _was_clean: bool) -> Result<()> {
        self.left(&socket)?;
        // The other half of the handshake. Codes that only say that there was none cannot be sent; nor once it is done.
        let code = u16::try_from(code).ok().filter(|code| !matches!(code, 1005 | 1006 | 1015));
        let _ = socket.close(code, Some(reason));
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.left(&socket)
    }
}

impl LiveObject {
    fn actor(&self) -> Result<&Rc<Actor>> {
        let actor = self.actor.as_ref().ok_or("sockets are named by their event")?;
        if !self.restored.replace(true) {
            for socket in self.platform.state().get_websockets() {
                if let Some((_, ticket)) = attached(&socket) {
                    attach(&socket, actor.arrived(ticket.clone(), socket.clone()), &ticket)?;
                }
            }
            actor.resume();
        }
        Ok(actor)
    }

    fn left(&self, socket: &WebSocket) -> Result<()> {
        if let Some((id, _)) = attached(socket) {
            self.actor()?.left(id);
        }
        Ok(())
    }
}

fn actor_of(platform: &Rc<ObjectPlatform>, event_id: EventId, per_address: u32) -> Actor {
    LiveActor::new(Rc::clone(platform), PlatformSockets, event_id, per_address)
}

/// Hears a socket that does not sleep until it is closed.
async fn listen(actor: Rc<Actor>, id: u64, socket: WebSocket) {
    if let Ok(mut events) = socket.events() {
        while let Some(Ok(event)) = events.next().await {
            match event {
                WebsocketEvent::Message(message) => message.text().into_iter().for_each(|frame| actor.heard(id, &frame)),
                WebsocketEvent::Close(_) => break,
            }
        }
    }
    actor.left(id);
    // The other half of the handshake, unless it is done.
    let _ = socket.close(Some(1000), Some(""));
}

/// Writes what is known of a socket beside it; read back by [`attached`].
fn attach(socket: &WebSocket, id: u64, ticket: &Ticket) -> Result<()> {
    socket.serialize_attachment(serde_json::to_string(&(id, ticket))?)
}

fn attached(socket: &WebSocket) -> Option<(u64, Ticket)> {
    let text: String = socket.deserialize_attachment().ok()??;
    serde_json::from_slice(text.as_bytes()).ok()
}

/// Frames by the platform's sockets.
struct PlatformSockets;

impl Sockets for PlatformSockets {
    type Socket = WebSocket;

    fn send(&self, to: &WebSocket, frame: &str) -> std::result::Result<(), Problem> {
        to.send_with_str(frame).map_err(|error| Problem(error.to_string()))
    }

    fn close(&self, socket: &WebSocket, code: u16, reason: &str) {
        if let Err(error) = socket.close(Some(code), Some(reason)) {
            line(Level::Info, "live", "", "socket was closed already", Value::from(error.to_string()));
        }
    }
}
