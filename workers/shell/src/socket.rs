//! Sockets that are refused.

use worker::{Response, Result, WebSocketPair};

/// Refuses a WebSocket so that the page learns why: browsers hide the status of a failed upgrade, so it is accepted
/// and closed with a code.
///
/// # Errors
/// The platform makes no socket.
pub fn refuse(code: u16, reason: &str) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    pair.server.close(Some(code), Some(reason))?;
    Response::from_websocket(pair.client)
}
