//! What pages are sent, as the contract writes it.

use std::{fmt::Write as _, rc::Rc};

use serde::Serialize;

use crate::{
    board::{Board, Phase, PlaceState},
    event::Notice,
    inventory::feed::{Delta, SectionStates},
    time::{Millis, Timestamp},
};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    Snapshot {
        epoch: u64,
        seq: u64,
        sections: &'a [SectionStates],
    },
    Sale {
        status: Phase,
        remaining: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        notice: Option<Notice>,
    },
    Place {
        position: u64,
        eta_sec: u64,
        ready_for_entry: bool,
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ready_expires_at: Option<Timestamp>,
        remaining: u32,
        admitted_per_min: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        notice: Option<Notice>,
    },
}

impl Frame<'_> {
    fn text(&self) -> Rc<str> {
        serde_json::to_string(self).expect("plain data with text keys").into()
    }
}

/// Every seat.
pub(super) fn snapshot(epoch: u64, seq: u64, sections: &[SectionStates]) -> Rc<str> {
    Frame::Snapshot { epoch, seq, sections }.text()
}

/// The seats that one entry of the ledger changed. Written by hand: there is one for each entry.
pub(super) fn delta(delta: &Delta) -> Rc<str> {
    let mut frame = format!(r#"{{"type":"delta","seq":{},"changes":["#, delta.seq);
    for (index, (section, seat, state)) in delta.changes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(frame, "{comma}[{section},{seat},{state}]");
    }
    frame.push_str("]}");
    frame.into()
}

/// How the sale stands, with so many seats left.
pub(super) fn sale(board: &Board, remaining: u32) -> Rc<str> {
    let stats = board.stats();
    Frame::Sale { status: stats.phase, remaining, notice: stats.notice }.text()
}

/// How place `number` stands at `now`, and whether it is over, so that nothing comes after this: it entered, left or expired.
pub(super) fn place(board: &Board, number: u64, remaining: u32, now: Millis) -> (Rc<str>, bool) {
    let (place, stats) = (board.place(number, now), board.stats());
    let frame = Frame::Place {
        position: place.position,
        eta_sec: place.eta_sec,
        ready_for_entry: place.state == PlaceState::Ready,
        status: place.state.as_status(),
        ready_expires_at: place.ready_expires_at.map(Timestamp),
        remaining,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and not negative")]
        admitted_per_min: (stats.admission_rate * 60.0).round() as u64,
        notice: stats.notice,
    };
    (frame.text(), !matches!(place.state, PlaceState::Waiting | PlaceState::Ready))
}
