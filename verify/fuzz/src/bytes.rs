//! Texts broken byte by byte: flipped, set, inserted, deleted, repeated and spliced.

use std::{fmt, ops::Deref};

use proptest::prelude::*;

/// Longest input, in bytes: the longest body that a request can have.
pub const INPUT_MAX_BYTES: usize = 64 * 1024;

/// What strangers sent. Shown as text where it is some.
#[derive(Clone, PartialEq, Eq)]
pub struct Input(pub Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Pieces that readers trip over.
const PIECES: [&[u8]; 28] = [
    b"\0",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b" ",
    b"+",
    b"-",
    b"=",
    b"%",
    b"%00",
    b"%ff",
    b"&",
    b";",
    b".",
    b",",
    b"/../",
    b"\"",
    b"\\",
    b"\\u0000",
    b"0",
    b"18446744073709551616",
    b"-1",
    b"1e999",
    "가힣\u{202e}\u{200b}".as_bytes(),
    "👩‍👩‍👧‍👦".as_bytes(),
];

/// One thing that is done to a text. Positions are taken modulo its length.
#[derive(Clone, Debug)]
pub enum Edit {
    /// One bit is turned.
    Flip(u16, u8),
    /// One byte becomes another.
    Set(u16, u8),
    /// A known troublemaker comes in.
    Piece(u16, usize),
    /// Some bytes come in.
    Insert(u16, Vec<u8>),
    /// This many bytes go.
    Delete(u16, u8),
    /// Everything from here on goes.
    Cut(u16),
    /// This many bytes from the first position are written at the second, so many times.
    Repeat(u16, u8, u16, u16),
}

impl Edit {
    fn apply(&self, text: &mut Vec<u8>) {
        let at = |position: u16, end: usize| usize::from(position) % end.max(1);
        let len = text.len();
        let insert = |text: &mut Vec<u8>, position: u16, piece: &[u8]| {
            let at = at(position, len + 1);
            text.splice(at..at, piece.iter().copied());
        };
        match self {
            Self::Piece(position, which) => insert(text, *position, PIECES[which % PIECES.len()]),
            Self::Insert(position, bytes) => insert(text, *position, bytes),
            _ if text.is_empty() => {}
            Self::Flip(position, bit) => text[at(*position, len)] ^= 1 << (bit % 8),
            Self::Set(position, byte) => text[at(*position, len)] = *byte,
            Self::Delete(position, count) => {
                let from = at(*position, len);
                text.drain(from..(from + usize::from(*count)).min(len));
            }
            Self::Cut(position) => text.truncate(at(*position, len)),
            Self::Repeat(from, count, to, times) => {
                let from = at(*from, len);
                let part = text[from..(from + usize::from(*count)).min(len)].to_vec();
                insert(text, *to, &part.repeat(usize::from(*times)));
            }
        }
    }
}

/// Any edit.
pub fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => any::<(u16, u8)>().prop_map(|(at, bit)| Edit::Flip(at, bit)),
        4 => any::<(u16, u8)>().prop_map(|(at, byte)| Edit::Set(at, byte)),
        4 => (any::<u16>(), 0..PIECES.len()).prop_map(|(at, which)| Edit::Piece(at, which)),
        2 => (any::<u16>(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        3 => (any::<u16>(), 1..20_u8).prop_map(|(at, count)| Edit::Delete(at, count)),
        1 => any::<u16>().prop_map(Edit::Cut),
        2 => (any::<u16>(), 1..40_u8, any::<u16>(), 1..8_u16).prop_map(|(from, count, to, times)| Edit::Repeat(from, count, to, times)),
        1 => (any::<u16>(), 1..40_u8, any::<u16>(), 100..1500_u16).prop_map(|(from, count, to, times)| Edit::Repeat(from, count, to, times)),
    ]
}

/// `text` with `edits` made one after the other, cut to [`INPUT_MAX_BYTES`].
#[must_use]
pub fn edited(mut text: Vec<u8>, edits: &[Edit]) -> Input {
    for edit in edits {
        edit.apply(&mut text);
        text.truncate(INPUT_MAX_BYTES);
    }
    Input(text)
}

/// Broken copies of the samples, now and then a whole one, and the head of one with the tail of another.
pub fn hostile(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    assert!(!samples.is_empty(), "there is something to break");
    let spliced = prop_oneof![3 => Just(None), 1 => (any::<usize>(), any::<u16>(), any::<u16>()).prop_map(Some)];
    (any::<usize>(), spliced, prop::collection::vec(any_edit(), 0..6)).prop_map(move |(which, spliced, edits)| {
        let mut text = samples[which % samples.len()].clone();
        if let Some((other, cut, from)) = spliced {
            let other = &samples[other % samples.len()];
            text.truncate(usize::from(cut) % (text.len() + 1));
            text.extend_from_slice(&other[usize::from(from) % (other.len() + 1)..]);
        }
        edited(text, &edits)
    })
}

/// The same as text; what is no UTF-8 any more is replaced, as the platform does with headers and addresses.
pub fn hostile_text(samples: Vec<String>) -> impl Strategy<Value = String> {
    let samples = samples.into_iter().map(String::into_bytes).collect();
    hostile(samples).prop_map(|input| String::from_utf8_lossy(&input).into_owned())
}
