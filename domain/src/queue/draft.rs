//! A decision in the making: the queue as it stands, and over it what this command changes.

use std::collections::BTreeMap;

use super::{
    bucket::{Bucket, wave_spacing_ms},
    command::{Answered, Batch, BatchReply, Change, Entered, JOINS_MAX, LANES_MAX, LEAVES_MAX, Numbered, Reply},
    counters::{Counters, KnownStock, StockAsked},
    state::Queue,
};
use crate::{
    board::{CHUNK_PLACES, Chunk, PLACES_MAX, PlaceState, Wave, locate, number_at},
    event::Event,
    refusal::Refusal,
    stock::Stock,
    time::Millis,
};

pub(super) struct Draft<'a> {
    queue: &'a Queue,
    event: &'a Event,
    now: Millis,
    counters: Counters,
    /// Chunks that differ from the queue's.
    chunks: BTreeMap<u32, Chunk>,
    wave: Option<Wave>,
    changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(queue: &'a Queue, event: &'a Event, now: Millis) -> Self {
        let counters = queue.counters.clone();
        Self { queue, event, now, counters, chunks: BTreeMap::new(), wave: None, changes: vec![] }
    }

    /// Carries out every deadline up to now but the frontier's.
    pub(super) fn settle(&mut self) {
        let (queue, now) = (self.queue, self.now);
        self.counters.closed = self.event.is_closed(now);
        for (_, first) in queue.lapses.iter().take_while(|(until, _)| *until <= now) {
            let (wave, _) = queue.waves[first];
            let (lapsed, _) = self.turn((wave.first, wave.last), PlaceState::Ready, PlaceState::Expired, u64::MAX);
            self.counters.ready -= lapsed;
            self.counters.lapsed_total += lapsed;
            self.changes.push(Change::Lapsed { first: *first });
        }
        for (_, number) in queue.ends.iter().take_while(|(ends_at, _)| *ends_at <= now) {
            self.depart(*number, PlaceState::Expired);
            self.counters.ended_total += 1;
        }
    }

    /// Takes over the event. The bucket is full the first time and keeps what it has after that.
    pub(super) fn configure(&mut self, event: &'a Event, first_time: bool) {
        self.counters.bucket = if first_time {
            Bucket::full(&event.queue, self.now)
        } else {
            self.counters.bucket.filled(&self.event.queue, self.now).filled(&event.queue, self.now)
        };
        self.event = event;
        self.counters.closed = event.is_closed(self.now);
        self.changes.push(Change::Configured(Box::new(event.clone())));
    }

    pub(super) fn batch(&mut self, batch: &Batch) -> Result<BatchReply, Refusal> {
        check_shape(batch)?;
        if let Some(last) = self.queue.answered.get(&batch.lane) {
            if (batch.nonce, batch.seq) == (last.nonce, last.seq) {
                return Ok(last.reply.clone());
            }
            if (batch.nonce, batch.seq) < (last.nonce, last.seq) {
                return Err(invalid("nonce", "belongs to a batch that another one has replaced"));
            }
            if batch.seq == last.seq {
                self.give_up_untold(last);
            }
        }
        let leaves = batch.leaves.iter().map(|number| self.leave(*number)).collect();
        let reply = BatchReply { joins: self.number(batch.joins), leaves };
        let Batch { lane, nonce, seq, joins, .. } = *batch;
        self.changes.push(Change::Answered(Answered { lane, nonce, seq, joins, reply: reply.clone() }));
        Ok(reply)
    }

    fn number(&mut self, joins: u32) -> Result<Numbered, Refusal> {
        let joins = u64::from(joins);
        let joined_at = self.now.max(self.counters.joined_at);
        let numbered = Numbered { first: self.counters.last + 1, joined_at, position_hint: self.counters.waiting + 1 };
        if joins == 0 {
            return Ok(numbered);
        }
        self.check_open()?;
        if self.counters.last + joins > PLACES_MAX {
            return Err(Refusal::Overloaded);
        }
        if self.counters.waiting == 0 {
            self.counters.line_since = self.now;
        }
        self.counters.last += joins;
        self.counters.waiting += joins;
        self.counters.joined_at = joined_at;
        Ok(numbered)
    }

    fn check_open(&self) -> Result<(), Refusal> {
        if self.event.is_before_opening(self.now) {
            return Err(Refusal::SaleNotOpen { opens_at: self.event.sale_opens_at });
        }
        if self.counters.closed {
            return Err(Refusal::SaleClosed);
        }
        if self.counters.sold_out {
            return Err(Refusal::SoldOut);
        }
        Ok(())
    }

    /// Gives up the places of a batch whose answer nobody got.
    fn give_up_untold(&mut self, answered: &Answered) {
        let Ok(numbered) = &answered.reply.joins else { return };
        if answered.joins == 0 {
            return;
        }
        let untold = (numbered.first, numbered.first + u64::from(answered.joins) - 1);
        let (waiting, _) = self.turn(untold, PlaceState::Waiting, PlaceState::Left, u64::MAX);
        let (ready, _) = self.turn(untold, PlaceState::Ready, PlaceState::Left, u64::MAX);
        self.counters.waiting -= waiting;
        self.counters.ready -= ready;
        self.counters.left_total += waiting + ready;
    }

    /// Gives up a place; how it stood before.
    fn leave(&mut self, number: u64) -> PlaceState {
        if !self.is_given_out(number) {
            return PlaceState::Left;
        }
        let was = self.state(number);
        match was {
            PlaceState::Waiting => {
                self.counters.waiting -= 1;
                self.mark(number, PlaceState::Left);
            }
            PlaceState::Ready => {
                self.counters.ready -= 1;
                self.mark(number, PlaceState::Left);
            }
            PlaceState::Entered => self.depart(number, PlaceState::Left),
            PlaceState::Finished | PlaceState::Left | PlaceState::Expired => return was,
        }
        self.counters.left_total += 1;
        was
    }

    pub(super) fn enter(&mut self, number: u64, kid: u32) -> Result<Entered, Refusal> {
        if !self.is_given_out(number) {
            return Err(Refusal::TokenNotFound);
        }
        match self.state(number) {
            PlaceState::Waiting => Err(Refusal::NotReady),
            PlaceState::Ready => Ok(self.admit(number, kid)),
            PlaceState::Entered => Ok(self.queue.admissions[&number]),
            PlaceState::Finished | PlaceState::Left | PlaceState::Expired => Err(Refusal::TokenExpired),
        }
    }

    fn admit(&mut self, number: u64, kid: u32) -> Entered {
        let ends_at = self.now.plus_sec(u64::from(self.event.queue.admission_ttl_sec));
        let entered = Entered { number, entered_at: self.now, ends_at, kid };
        self.mark(number, PlaceState::Entered);
        self.counters.ready -= 1;
        self.counters.active += 1;
        self.changes.push(Change::Entered(entered));
        entered
    }

    pub(super) fn end(&mut self, number: u64) -> Reply {
        if self.is_given_out(number) && self.state(number) == PlaceState::Entered {
            self.depart(number, PlaceState::Finished);
            self.counters.finished_total += 1;
        }
        Reply::Done {}
    }

    pub(super) fn stock(&mut self, stock: Stock, asked: StockAsked) -> Reply {
        if self.counters.stock.is_none_or(|known| known.asked.at <= asked.at) {
            self.counters.stock = Some(KnownStock { stock, asked });
            self.counters.sold_out = stock.sold_out;
        }
        Reply::Done {}
    }

    /// Moves the frontier as far as the rules allow now.
    pub(super) fn advance(&mut self) {
        let settings = &self.event.queue;
        if self.counters.next_wave_at(self.event).is_none_or(|at| at > self.now) {
            return;
        }
        if !self.counters.trusts_stock(settings, self.now) {
            // It was due and came too late for the stock: without it nothing is due until it is heard of again.
            self.counters.stock = None;
            return;
        }
        let bucket = self.counters.bucket.filled(settings, self.now);
        let count = bucket.tokens().min(self.counters.room(settings)).min(self.counters.waiting);
        let first = self.counters.frontier + 1;
        let (turned, last) = self.turn((first, self.counters.last), PlaceState::Waiting, PlaceState::Ready, count);
        assert!(turned == count && count > 0, "as many wait beyond the frontier as are counted");

        let until = self.now.plus_sec(u64::from(settings.entry_window_sec));
        self.wave = Some(Wave { first, last, ready_at: self.now, until });
        self.counters.frontier = last;
        self.counters.waiting -= count;
        self.counters.ready += count;
        self.counters.admitted_total += count;
        self.counters.bucket = bucket.without(count);
        self.counters.last_wave_at = Some(self.now);
        self.counters.measure(count, self.now);
    }

    /// The changes, checked against the invariants before anything is saved.
    pub(super) fn finish(mut self) -> Vec<Change> {
        if self.changes.is_empty() && self.chunks.is_empty() && self.counters == self.queue.counters {
            return vec![];
        }
        self.check();
        self.counters.version += 1;
        let version = self.counters.version;
        self.changes.extend(self.wave.map(|wave| Change::Opened { wave, version }));
        let marked = |(chunk, states)| Change::Marked { chunk, version, states: Box::new(states) };
        self.changes.extend(std::mem::take(&mut self.chunks).into_iter().map(marked));
        self.changes.push(Change::Counted(Box::new(self.counters)));
        self.changes
    }

    fn check(&self) {
        let (old, new) = (&self.queue.counters, &self.counters);
        let over = new.lapsed_total + new.left_total + new.finished_total + new.ended_total;
        assert!(new.waiting + new.ready + new.active + over == new.last, "every place is counted once");
        assert!(old.frontier <= new.frontier && new.frontier <= new.last, "the frontier moves forward, within the line");
        assert!(new.waiting <= new.last - new.frontier, "nobody waits behind the frontier");
        if let Some(wave) = &self.wave {
            let settings = &self.event.queue;
            assert!(new.ready + new.active <= u64::from(settings.max_active), "nobody is let in beyond the cap");
            assert!(
                !settings.paused && !new.closed && !self.event.is_before_opening(self.now),
                "people are let in during the sale"
            );
            let spaced = old.last_wave_at.is_none_or(|at| at.plus_ms(wave_spacing_ms(settings)) <= wave.ready_at);
            assert!(spaced, "waves keep their distance");
        }
    }

    fn is_given_out(&self, number: u64) -> bool {
        (1..=self.counters.last).contains(&number)
    }

    fn state(&self, number: u64) -> PlaceState {
        let (chunk, slot) = locate(number);
        self.chunk(chunk).get(slot)
    }

    fn chunk(&self, index: u32) -> &Chunk {
        self.chunks.get(&index).unwrap_or_else(|| self.queue.places.chunk(index))
    }

    fn chunk_mut(&mut self, index: u32) -> &mut Chunk {
        let queue = self.queue;
        self.chunks.entry(index).or_insert_with(|| queue.places.chunk(index).clone())
    }

    fn mark(&mut self, number: u64, state: PlaceState) {
        assert!(self.state(number) < state, "a place never goes back");
        let (chunk, slot) = locate(number);
        self.chunk_mut(chunk).set(slot, state);
    }

    /// A place that is inside is not any more.
    fn depart(&mut self, number: u64, state: PlaceState) {
        self.mark(number, state);
        self.counters.active -= 1;
        self.counters.departed_total += 1;
        self.changes.push(Change::Gone { number });
    }

    /// Turns the first `limit` places of a range, both ends included, that are `from` into `to`; how many there were,
    /// and the last one, or the number before the range.
    fn turn(&mut self, (first, last): (u64, u64), from: PlaceState, to: PlaceState, limit: u64) -> (u64, u64) {
        let (mut turned, mut last_turned) = (0, first - 1);
        let (first_chunk, first_slot) = locate(first);
        let (last_chunk, last_slot) = locate(last);
        for index in first_chunk..=last_chunk {
            let low = if index == first_chunk { first_slot } else { 0 };
            let high = if index == last_chunk { last_slot } else { CHUNK_PLACES as usize - 1 };
            let left = usize::try_from(limit - turned).unwrap_or(usize::MAX);
            let slots: Vec<usize> = self.chunk(index).slots_in(from, low, high).take(left).collect();
            let Some(slot) = slots.last() else { continue };
            turned += slots.len() as u64;
            last_turned = number_at(index, *slot);
            let chunk = self.chunk_mut(index);
            slots.iter().for_each(|slot| chunk.set(*slot, to));
            if turned == limit {
                break;
            }
        }
        (turned, last_turned)
    }
}

fn check_shape(batch: &Batch) -> Result<(), Refusal> {
    if batch.lane >= LANES_MAX {
        return Err(invalid("lane", "is not one of the event's"));
    }
    if batch.joins > JOINS_MAX {
        return Err(invalid("joins", "are too many for one batch"));
    }
    if batch.leaves.len() > LEAVES_MAX {
        return Err(invalid("leaves", "are too many for one batch"));
    }
    Ok(())
}

fn invalid(field: &str, problem: &str) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), problem: problem.to_owned() }
}
