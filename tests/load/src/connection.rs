//! One kept connection, never blocking, with at most one request on its way.

use std::{
    io::{ErrorKind, Read, Result, Write},
    net::TcpStream,
};

use crate::http::{self, Answer};

const READ_BYTES: usize = 16 * 1024;

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// What is still to be sent.
    outgoing: Vec<u8>,
    sent: usize,
    incoming: Vec<u8>,
    /// Who waits for the answer.
    pub(crate) person: Option<usize>,
}

impl Connection {
    /// # Errors
    /// The server does not listen.
    pub(crate) fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, outgoing: Vec::new(), sent: 0, incoming: Vec::new(), person: None })
    }

    /// Sends a request that `fill` writes into an empty buffer.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn send(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.outgoing.clear();
        self.sent = 0;
        fill(&mut self.outgoing);
        self.flush()
    }

    /// Sends what is left.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there; the answer, once it is whole.
    ///
    /// # Errors
    /// The connection is broken, or ended.
    pub(crate) fn receive(&mut self) -> Result<Option<Answer>> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.incoming.extend_from_slice(&buffer[..count]);
                    // What comes after a short read raises an event of its own.
                    if count < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.incoming.is_empty() { Ok(None) } else { http::parse(&self.incoming) }
    }

    /// The body of an answer that is whole.
    pub(crate) fn body(&self, answer: &Answer) -> &[u8] {
        &self.incoming[answer.body.clone()]
    }

    /// Forgets an answer.
    pub(crate) fn taken(&mut self, answer: &Answer) {
        self.incoming.drain(..answer.len);
    }
}
