//! `pages ADDRESS < PATHS`: opens a WebSocket at each path, a line each, and prints every frame that it is told as
//! `page⇥instant⇥text`, the instant in milliseconds since 1970. Ends with its input's reader.
//!
//! One thread. Frames are noted when they are read and printed once nothing has come for a while, so that printing does not
//! delay the next. Nothing is sent but the handshake, and no compression is offered.

use std::{
    env,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    process::ExitCode,
    time::Duration,
};

use load::{
    clock::unix_ms,
    frames::{self, CLOSE, TEXT},
};
use polling::{Event, Events, PollMode, Poller};

/// Sockets that are being opened at the same time.
const AT_ONCE: usize = 50;
/// Nothing has come for so long: what was noted is printed.
const QUIET: Duration = Duration::from_millis(15);
/// Noted bytes that are printed however much comes.
const NOTED_MAX_BYTES: usize = 64 << 20;
const READ_BYTES: usize = 64 * 1024;

struct Page {
    stream: TcpStream,
    came: Vec<u8>,
    is_open: bool,
    is_told: bool,
}

impl Page {
    fn connect(address: &str, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, came: Vec::new(), is_open: false, is_told: false })
    }

    /// Reads what is there into `noted`; whether the socket goes on.
    fn read(&mut self, index: usize, buffer: &mut [u8], noted: &mut Vec<u8>) -> io::Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let at = unix_ms();
        self.came.extend_from_slice(&buffer[..count]);
        if !self.is_open {
            let Some(end) = self.came.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(true) };
            if !self.came.starts_with(b"HTTP/1.1 101 ") {
                let answer = String::from_utf8_lossy(&self.came).into_owned();
                return Err(io::Error::other(format!("page {index}: {answer}")));
            }
            self.is_open = true;
            self.came.drain(..end + 4);
        }
        let mut taken = 0;
        while let Some((opcode, text, length)) = frames::first(&self.came[taken..]) {
            if opcode == TEXT {
                self.is_told = true;
                write!(noted, "{index}\t{at:.3}\t")?;
                noted.extend_from_slice(text);
                noted.push(b'\n');
            }
            if opcode == CLOSE {
                return Ok(false);
            }
            taken += length;
        }
        self.came.drain(..taken);
        Ok(true)
    }
}

fn watch(address: &str, paths: &[String]) -> io::Result<()> {
    let poller = Poller::new()?;
    let (mut pages, mut events, mut noted) = (Vec::with_capacity(paths.len()), Events::new(), Vec::new());
    let (mut buffer, mut told) = (vec![0; READ_BYTES], 0);
    loop {
        while pages.len() < paths.len() && pages.len() < told + AT_ONCE {
            let page = Page::connect(address, &paths[pages.len()])?;
            // SAFETY: pages are never dropped before the poller, and each is taken out of it when its socket ends.
            unsafe { poller.add_with_mode(&page.stream, Event::readable(pages.len()), PollMode::Level)? };
            pages.push(page);
        }
        events.clear();
        poller.wait(&mut events, Some(QUIET))?;
        if events.is_empty() || noted.len() > NOTED_MAX_BYTES {
            io::stdout().write_all(&noted)?;
            io::stdout().flush()?;
            noted.clear();
        }
        for event in events.iter() {
            let page: &mut Page = &mut pages[event.key];
            let was_told = page.is_told;
            if !page.read(event.key, &mut buffer, &mut noted)? {
                poller.delete(&page.stream)?;
                writeln!(noted, "{}\t{:.3}\tclosed", event.key, unix_ms())?;
            }
            told += usize::from(page.is_told && !was_told);
        }
    }
}

fn main() -> ExitCode {
    let Some(address) = env::args().nth(1) else {
        eprintln!("usage: pages ADDRESS < PATHS");
        return ExitCode::FAILURE;
    };
    let paths: Result<Vec<String>, _> = io::stdin().lines().collect();
    match paths.and_then(|paths| watch(&address, &paths)) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("pages: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
