//! Requests out, answers in: as much of HTTP/1.1 as a load client needs.

use std::io::{Error, ErrorKind, Result};

use crate::{
    plan::Step,
    template::{Names, Template},
};

const HEADERS_MAX: usize = 64;

/// A step's request, compiled.
#[derive(Debug)]
pub(crate) struct Request {
    head: Template,
    body: Option<Template>,
}

impl Request {
    pub(crate) fn new(step: &Step, address: &str, names: &mut Names) -> Self {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", step.method, step.path);
        for (name, value) in &step.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if step.body.is_some() {
            head.push_str("Content-Type: application/json\r\n");
        }
        Self { head: Template::new(&head, names), body: step.body.as_ref().map(|body| Template::new(body, names)) }
    }

    /// Appends the whole request to `to`; `scratch` is for the body while its length is not known.
    pub(crate) fn render(&self, values: &[Vec<u8>], scratch: &mut Vec<u8>, to: &mut Vec<u8>) {
        self.head.render(values, to);
        scratch.clear();
        if let Some(body) = &self.body {
            body.render(values, scratch);
            to.extend_from_slice(format!("Content-Length: {}\r\n", scratch.len()).as_bytes());
        }
        to.extend_from_slice(b"\r\n");
        to.extend_from_slice(scratch);
    }
}

/// A whole answer at the front of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where the body is, in bytes of the buffer. With chunks, the frames between them are within.
    pub(crate) body: std::ops::Range<usize>,
    /// How many bytes of the buffer belong to the answer.
    pub(crate) len: usize,
}

/// The answer at the front of `bytes`, if it is all there.
///
/// # Errors
/// It is no answer, or one whose end this client does not know how to find.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    let value = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
        return Ok(chunked(bytes, head)?.map(|len| Answer { status, body: head..len, len }));
    }
    let length = match value("content-length") {
        Some(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        None => matches!(status, 204 | 304).then_some(0),
    };
    let length: usize = length.ok_or_else(|| Error::new(ErrorKind::InvalidData, "an answer without a length"))?;
    let len = head + length;
    Ok((bytes.len() >= len).then_some(Answer { status, body: head..len, len }))
}

/// Where the chunks that begin at `at` end.
fn chunked(bytes: &[u8], mut at: usize) -> Result<Option<usize>> {
    loop {
        match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Error::new(ErrorKind::InvalidData, "a broken chunk")),
            Ok(httparse::Status::Complete((head, size))) => {
                at += head + usize::try_from(size).map_err(|error| Error::new(ErrorKind::InvalidData, error))? + 2;
                if at > bytes.len() {
                    return Ok(None);
                }
                if size == 0 {
                    return Ok(Some(at));
                }
            }
        }
    }
}

/// The value of a text field of a JSON object that contains no escapes, as tokens and ids do.
pub(crate) fn text_field<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let pattern = format!("\"{name}\":\"");
    let start = find(json, pattern.as_bytes())? + pattern.len();
    let length = json[start..].iter().position(|byte| *byte == b'"')?;
    Some(&json[start..start + length])
}

/// Where `needle` first occurs.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_not_yet() {
        let bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1";
        for end in 0..49 {
            assert_eq!(parse(&bytes[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(parse(bytes).unwrap(), Some(Answer { status: 202, body: 44..49, len: 49 }));
    }

    #[test]
    fn chunks_end_with_an_empty_one() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let head = 47;
        assert_eq!(parse(&bytes[..bytes.len() - 1]).unwrap(), None);
        assert_eq!(parse(bytes).unwrap(), Some(Answer { status: 200, body: head..bytes.len(), len: bytes.len() }));
    }

    #[test]
    fn fields_are_found_by_name() {
        let json = br#"{"status":"waiting","waiting_token":"ab.c","position":1}"#;
        assert_eq!(text_field(json, "waiting_token"), Some(&b"ab.c"[..]));
        assert_eq!(text_field(json, "token"), None);
    }
}
