//! A request as the platform gives it: what is asked for is read, and nothing else. The `worker` crate's own request copies
//! its path and its `cf` before anybody has asked for them.

use futures_util::StreamExt;
use shell::ask::bytes;
use worker::{Method, Request, worker_sys::web_sys};

use crate::{
    edge,
    error::{ApiError, Code},
};

/// Longest body of a request, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// Headers that are read together with the request, the first [`HEADERS_OF_EVERY`] of every one, the others where it may have a
/// body.
pub const HEADERS: &[&str] = &[
    "CF-Connecting-IP",
    "traceparent",
    "X-Trace-Id",
    "Origin",
    "X-Request-Id",
    "Authorization",
    "Idempotency-Key",
    "Content-Length",
    "Content-Type",
];
/// How many of [`HEADERS`] nearly every request is asked for.
pub const HEADERS_OF_EVERY: usize = 6;

/// A request.
#[derive(Debug)]
pub struct Inbound {
    request: web_sys::Request,
    /// Method, address and [`HEADERS`], a line each.
    text: String,
}

impl Inbound {
    /// The request that the platform has.
    #[must_use]
    pub fn new(request: web_sys::Request) -> Self {
        let text = edge::look(&request);
        Self { request, text }
    }

    fn line(&self, index: usize) -> &str {
        self.text.split('\n').nth(index).unwrap_or_default()
    }

    /// The method as it was sent. The crate takes one that it does not know for GET; here it is one that no route has.
    #[must_use]
    pub fn method(&self) -> Method {
        let sent = self.line(0);
        match Method::from(sent.to_owned()) {
            Method::Get if sent != "GET" => Method::Report,
            known => known,
        }
    }

    /// The address as the platform writes it.
    #[must_use]
    pub fn url(&self) -> String {
        self.line(1).to_owned()
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let read = HEADERS.iter().position(|read| *read == name).and_then(|index| self.text.split('\n').nth(2 + index));
        match read {
            Some(value) => (value != edge::ABSENT).then(|| value.to_owned()),
            None => self.request.headers().get(name).ok().flatten(),
        }
    }

    /// The body, once; empty where there is none.
    ///
    /// # Errors
    /// `PAYLOAD_TOO_LARGE`, or it does not come.
    pub async fn body(&self) -> Result<Vec<u8>, ApiError> {
        match self.header("Content-Length").map(|length| length.parse::<usize>()) {
            Some(Ok(0..=BODY_MAX_BYTES)) => Ok(self.whole().await?),
            Some(Ok(_)) => Err(Code::PayloadTooLarge.into()),
            _ if self.request.body().is_none() => Ok(Vec::new()),
            _ => self.chunks().await,
        }
    }

    async fn whole(&self) -> worker::Result<Vec<u8>> {
        Ok(bytes(self.request.array_buffer()?).await?)
    }

    /// A body of unknown length, up to the limit.
    async fn chunks(&self) -> Result<Vec<u8>, ApiError> {
        let mut body = Vec::new();
        let mut chunks = Request::from(Clone::clone(&self.request)).stream()?;
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > BODY_MAX_BYTES {
                return Err(Code::PayloadTooLarge.into());
            }
        }
        Ok(body)
    }
}
