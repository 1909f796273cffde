//! All of a line that is one number, and what follows from numbers alone.

use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, wave_spacing_ms};
use crate::{
    board::{Phase, QueueStats},
    event::{Event, QueueSettings},
    stock::Stock,
    time::Millis,
};

/// How old the stock may be, in milliseconds,
const STOCK_AGE_MAX_MS: u64 = 500;
/// and where it may be what stops the line within the next second.
const STOCK_AGE_NEAR_MS: u64 = 100;
/// The rate is measured over so many whole seconds, the present one included.
const MEASURED_SEC: u64 = 10;
/// A line younger than this has no pace of its own yet, in milliseconds.
const PACE_AGE_MIN_MS: u64 = 1000;

/// When the stock was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAsked {
    /// When.
    pub at: Millis,
    /// How many had ever left the inside by then.
    pub departed: u64,
}

/// The stock as last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownStock {
    pub(super) stock: Stock,
    pub(super) asked: StockAsked,
}

/// The numbers of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Rises with every decision that changes anything; the version of the board.
    pub version: u64,
    /// The last number that was given out.
    pub last: u64,
    /// The last number whose turn has come.
    pub frontier: u64,
    /// Places whose turn has not come.
    pub waiting: u64,
    /// Places that may enter.
    pub ready: u64,
    /// Places that are inside.
    pub active: u64,
    /// Places that ever became ready.
    pub admitted_total: u64,
    /// Places that were ready and did not enter in time.
    pub lapsed_total: u64,
    /// Places that were given up, wherever they stood.
    pub left_total: u64,
    /// Places that confirmed what they came for.
    pub finished_total: u64,
    /// Places that were inside until their time was over.
    pub ended_total: u64,
    /// Places that were inside and are not any more.
    pub departed_total: u64,
    /// Whether the inventory said that everything is sold or blocked, when last heard of.
    pub sold_out: bool,
    /// Whether sales are over.
    pub closed: bool,
    /// Where there is none, nobody is let in.
    pub(super) stock: Option<KnownStock>,
    pub(super) bucket: Bucket,
    pub(super) last_wave_at: Option<Millis>,
    /// When the last place was given out. The clock of another machine may be behind.
    #[serde(default)]
    pub(super) joined_at: Millis,
    /// Since when, without a break, somebody waits.
    pub(super) line_since: Millis,
    /// Admissions by second, oldest first; at most [`MEASURED_SEC`] entries.
    pub(super) recent: Vec<(u64, u64)>,
}

impl Counters {
    /// How many more may be let in by `max_active` and stock.
    pub(super) fn room(&self, settings: &QueueSettings) -> u64 {
        self.room_inside(settings).min(self.stock.map_or(0, |known| self.room_in_stock(&known)))
    }

    fn room_inside(&self, settings: &QueueSettings) -> u64 {
        u64::from(settings.max_active).saturating_sub(self.ready + self.active)
    }

    fn room_in_stock(&self, known: &KnownStock) -> u64 {
        if known.stock.sold_out || known.stock.closed {
            return 0;
        }
        // Who left since the question may have taken seats that the answer still calls available.
        let active = self.active + self.departed_total.saturating_sub(known.asked.departed);
        let shopping = self.ready + active - u64::from(known.stock.holding).min(active);
        u64::from(known.stock.available).saturating_sub(shopping)
    }

    /// How long an answer about the stock serves.
    fn stock_age_max_ms(&self, settings: &QueueSettings, known: &KnownStock) -> u64 {
        let wanted = u64::from(settings.burst) + u64::from(settings.admit_per_sec);
        let over = known.stock.sold_out || known.stock.closed;
        let near = self.room_in_stock(known) <= self.room_inside(settings).min(wanted);
        if near && !over { STOCK_AGE_NEAR_MS } else { STOCK_AGE_MAX_MS }
    }

    fn stock_until(&self, settings: &QueueSettings, known: &KnownStock) -> Millis {
        known.asked.at.plus_ms(self.stock_age_max_ms(settings, known))
    }

    /// Whether the stock as known serves at `now`.
    pub(super) fn trusts_stock(&self, settings: &QueueSettings, now: Millis) -> bool {
        self.stock.is_some_and(|known| now < self.stock_until(settings, &known))
    }

    pub(super) fn doubts_stock(&self, now: Millis) -> bool {
        self.stock.is_none_or(|known| known.asked.at.plus_ms(STOCK_AGE_MAX_MS) <= now)
    }

    /// When somebody could be let in, were there room.
    fn turn_at(&self, event: &Event) -> Option<Millis> {
        if event.queue.paused || self.closed || self.waiting == 0 {
            return None;
        }
        let spaced = self.last_wave_at.map_or(Millis(0), |at| at.plus_ms(wave_spacing_ms(&event.queue)));
        let at = spaced.max(self.bucket.next_token_at(&event.queue)).max(event.sale_opens_at.0);
        (!event.is_closed(at)).then_some(at)
    }

    /// When the frontier moves next, if nothing happens before.
    pub(super) fn next_wave_at(&self, event: &Event) -> Option<Millis> {
        let at = self.turn_at(event)?;
        (self.room(&event.queue) > 0 && self.trusts_stock(&event.queue, at)).then_some(at)
    }

    pub(super) fn wants_stock(&self, event: &Event) -> Option<Millis> {
        let at = self.turn_at(event)?;
        if self.room_inside(&event.queue) == 0 {
            return None;
        }
        Some(self.stock.map_or(at, |known| at.max(self.stock_until(&event.queue, &known))))
    }

    /// Counts `count` admissions at `now`.
    pub(super) fn measure(&mut self, count: u64, now: Millis) {
        let second = now.0 / 1000;
        self.recent.retain(|(at, _)| at + MEASURED_SEC > second);
        match self.recent.last_mut() {
            Some((at, counted)) if *at >= second => *counted += count,
            _ => self.recent.push((second, count)),
        }
    }

    /// Admissions since `since`, and over how many milliseconds; at most the seconds that are measured.
    fn measured(&self, since: Millis, now: Millis) -> (u64, u64) {
        let second = now.0 / 1000;
        let first = (since.0 / 1000).max((second + 1).saturating_sub(MEASURED_SEC));
        let counted = self.recent.iter().filter(|(at, _)| (first..=second).contains(at)).map(|(_, count)| *count).sum();
        (counted, now.since_ms(Millis(first * 1000).max(since)))
    }

    /// People let in per 1000 s: as measured since the line formed, never more than the settings allow, and as the
    /// settings say while there is nothing to go by.
    pub(super) fn pace(&self, settings: &QueueSettings, now: Millis) -> u64 {
        let configured = u64::from(settings.admit_per_sec).max(1) * 1000;
        let (counted, span_ms) = self.measured(self.line_since, now);
        if counted == 0 || span_ms < PACE_AGE_MIN_MS {
            return configured;
        }
        (counted.saturating_mul(1_000_000) / span_ms).clamp(1, configured)
    }

    pub(super) fn stats(&self, event: &Event, now: Millis) -> QueueStats {
        let (counted, span_ms) = self.measured(Millis(0), now);
        QueueStats {
            waiting: self.waiting,
            ready: self.ready,
            active: self.active,
            admitted_total: self.admitted_total,
            lapsed_total: self.lapsed_total,
            left_total: self.left_total,
            admission_rate: counted as f64 * 1000.0 / span_ms.max(1) as f64,
            paused: event.queue.paused,
            phase: self.phase(event, now),
            notice: event.queue.notice.clone(),
        }
    }

    fn phase(&self, event: &Event, now: Millis) -> Phase {
        if event.is_before_opening(now) {
            Phase::Scheduled
        } else if self.closed || event.is_closed(now) {
            Phase::Closed
        } else if self.sold_out {
            Phase::SoldOut
        } else if event.queue.paused {
            Phase::Paused
        } else {
            Phase::OnSale
        }
    }
}
