//! One socket of the platform: what is attached to it, and how it is read, written and closed.

use std::rc::Rc;

use actors::{
    Problem,
    live::{SocketId, Sockets, Ticket, Watch},
};
use futures_util::StreamExt;
use serde_json::Value;
use shell::log::{Level, line};
use worker::{Result, WebSocket, WebsocketEvent};

use crate::object::Actor;

/// Writes what is known of a socket beside it; read back by [`attached`]. Where it outlives the object's memory its page may
/// have been told more than it once came with, so that it is told everything.
pub(crate) fn attach(socket: &WebSocket, id: SocketId, ticket: Ticket) -> Result<()> {
    let ticket = match ticket.watch {
        Watch::Seats { .. } => Ticket { watch: Watch::Seats { from: None }, ..ticket },
        Watch::Place { .. } => ticket,
    };
    socket.serialize_attachment(serde_json::to_string(&(id, ticket))?)
}

pub(crate) fn attached(socket: &WebSocket) -> Option<(SocketId, Ticket)> {
    let text: String = socket.deserialize_attachment().ok()??;
    serde_json::from_slice(text.as_bytes()).ok()
}

/// Hears a socket that does not sleep until it is closed.
pub(crate) async fn listen(actor: Rc<Actor>, id: SocketId, socket: WebSocket) {
    if let Ok(mut events) = socket.events() {
        while let Some(Ok(WebsocketEvent::Message(message))) = events.next().await {
            message.text().into_iter().for_each(|frame| actor.heard(id, &frame));
        }
    }
    actor.left(id);
    finish(&socket, 1000, "");
}

/// The other half of the handshake, unless it is done. Codes that only say that there was none cannot be sent.
pub(crate) fn finish(socket: &WebSocket, code: usize, reason: &str) {
    let code = u16::try_from(code).ok().filter(|code| !matches!(code, 1005 | 1006 | 1015));
    let _ = socket.close(code, Some(reason));
}

/// Frames by the platform's sockets.
pub(crate) struct PlatformSockets;

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
