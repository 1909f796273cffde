//! How every place in line stands, by what was saved.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    seats::SeatsWitness,
    verdict::{Invariant, Verdict, hold},
};
use crate::{
    board::{CHUNK_PLACES, Chunk, PlaceState, Wave, number_at},
    event::{Event, QueueSettings},
    hash::Hash128,
    lane,
    queue::{Answered, Change, Counters},
    time::Millis,
};

/// A token bucket, counted in thousandths.
#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    level: u64,
    at: Millis,
}

impl Tokens {
    fn filled(self, settings: &QueueSettings, now: Millis) -> Self {
        let level = self.level + now.since_ms(self.at) * u64::from(settings.admit_per_sec);
        Self { level: level.min(u64::from(settings.burst) * 1000), at: self.at.max(now) }
    }
}

/// The line of one event. Told every change that its queue and its lanes saved.
#[derive(Clone, Debug, Default)]
pub struct LineWitness {
    event: Option<Event>,
    /// By number, from 1.
    states: Vec<PlaceState>,
    last: u64,
    frontier: u64,
    joined_at: Millis,
    tokens: Tokens,
    /// Until when each ready place may enter.
    windows: BTreeMap<u64, Millis>,
    /// When each admission is over.
    ends: BTreeMap<u64, Millis>,
    /// The lane that each place was numbered for.
    lanes: BTreeMap<u64, u32>,
    /// Who has each place.
    callers: BTreeMap<u64, Hash128>,
    /// The place of each caller.
    places: BTreeMap<Hash128, u64>,
    told: BTreeSet<u64>,
    leaving: BTreeSet<u64>,
    waiting: u64,
    ready: u64,
    active: u64,
    /// When each place became ready, in that order.
    turns: Vec<(u64, Millis)>,
}

impl LineWitness {
    /// How a place stands.
    #[must_use]
    pub fn state(&self, number: u64) -> PlaceState {
        usize::try_from(number).ok().and_then(|number| self.states.get(number.checked_sub(1)?)).copied().unwrap_or_default()
    }

    /// Places given out, and of them those that wait, are ready, are inside.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64, u64, u64) {
        (self.last, self.waiting, self.ready, self.active)
    }

    /// When each place became ready, in that order.
    #[must_use]
    pub fn turns(&self) -> &[(u64, Millis)] {
        &self.turns
    }

    /// Somebody is about to give this place up.
    pub fn leaves(&mut self, number: u64) {
        self.leaving.insert(number);
    }

    /// Whether somebody could be let in at `now` by rate, cap and `stock`: seats that are free and nobody shops for.
    #[must_use]
    pub fn could_admit(&self, stock: u64, now: Millis) -> bool {
        let Some(event) = &self.event else { return false };
        let settings = &event.queue;
        let on_sale = !settings.paused && !event.is_before_opening(now) && !event.is_closed(now);
        let room = self.ready + self.active < u64::from(settings.max_active) && stock > 0;
        on_sale && room && self.waiting > 0 && self.tokens.filled(settings, now).level >= 1000
    }

    /// The queue refused to let a place in, at `now`.
    ///
    /// # Errors
    /// It was ready.
    pub fn refused(&self, number: u64, now: Millis) -> Verdict {
        let open = self.windows.get(&number).is_some_and(|until| now < *until);
        hold(Invariant::AdmissionExact, !(open && self.state(number) == PlaceState::Ready), || {
            format!("place {number} is ready at {now} and was not let in")
        })
    }

    pub(super) fn told(&mut self, caller: Hash128, number: u64) -> Verdict {
        self.told.insert(number);
        let known = self.callers.get(&number).copied();
        hold(Invariant::AcknowledgedSurvives, known == Some(caller), || {
            format!("{caller} was told place {number}, which {known:?} has")
        })
    }

    pub(super) fn queue_saved(&mut self, changes: &[Change], seats: Option<&SeatsWitness>, now: Millis) -> Verdict {
        for change in changes {
            match change {
                Change::Configured(event) => self.configured(event, now),
                Change::Answered(answered) => self.numbered(answered)?,
                Change::Opened { wave, .. } => self.opened(wave, changes, now)?,
                Change::Lapsed { .. }
                | Change::Gone { .. }
                | Change::Marked { .. }
                | Change::Counted(_)
                | Change::StockRests(_) => {}
                Change::Entered(entered) => {
                    let open = self.windows.get(&entered.number).is_some_and(|until| now < *until);
                    let ready = self.state(entered.number) == PlaceState::Ready;
                    hold(Invariant::AdmissionExact, open && ready && now < entered.ends_at, || {
                        format!("place {} entered at {now}, it is {:?}", entered.number, self.state(entered.number))
                    })?;
                    self.ends.insert(entered.number, entered.ends_at);
                }
            }
        }
        for change in changes {
            if let Change::Marked { chunk, states, .. } = change {
                self.marked(*chunk, states, seats, now)?;
            }
        }
        changes.iter().try_for_each(|change| match change {
            Change::Counted(counters) => self.counted(counters),
            _ => Ok(()),
        })
    }

    fn configured(&mut self, event: &Event, now: Millis) {
        self.tokens = match &self.event {
            Some(before) => self.tokens.filled(&before.queue, now).filled(&event.queue, now),
            None => Tokens { level: u64::from(event.queue.burst) * 1000, at: now },
        };
        self.event = Some(event.clone());
    }

    fn numbered(&mut self, answered: &Answered) -> Verdict {
        let Ok(numbered) = &answered.reply.joins else { return Ok(()) };
        if answered.joins == 0 {
            return Ok(());
        }
        let next = numbered.first == self.last + 1 && self.joined_at <= numbered.joined_at;
        hold(Invariant::NoInversion, next, || format!("{numbered:?} follows {} of {}", self.last, self.joined_at))?;
        self.last += u64::from(answered.joins);
        self.waiting += u64::from(answered.joins);
        self.joined_at = numbered.joined_at;
        for number in numbered.first..=self.last {
            self.states.push(PlaceState::Waiting);
            self.lanes.insert(number, answered.lane);
        }
        Ok(())
    }

    fn opened(&mut self, wave: &Wave, changes: &[Change], now: Millis) -> Verdict {
        let Some(event) = &self.event else {
            return hold(Invariant::AdmissionExact, false, || "somebody was let in before the event was known".to_owned());
        };
        let settings = &event.queue;
        let on_sale = !settings.paused && !event.is_before_opening(now) && !event.is_closed(now);
        hold(Invariant::AdmissionExact, on_sale, || format!("somebody was let in at {now}, outside the sale"))?;
        let behind = self.frontier < wave.first && wave.last <= self.last;
        hold(Invariant::NoInversion, behind, || format!("{wave:?} opened behind {}", self.frontier))?;
        let until = now.plus_sec(settings.entry_window_sec.into());
        hold(Invariant::AdmissionExact, wave.until == until, || format!("{wave:?} is open for another time"))?;
        let marked = |number: u64| changes.iter().find_map(|change| in_chunk(change, number));
        let turned: Vec<u64> =
            (wave.first..=wave.last).filter(|number| marked(*number).is_some_and(|state| state == PlaceState::Ready)).collect();
        let used = turned.len() as u64 * 1000;
        let filled = self.tokens.filled(settings, now);
        hold(Invariant::AdmissionExact, used <= filled.level, || {
            format!("{} were let in at {now} with {} thousandths of a token", turned.len(), filled.level)
        })?;
        self.tokens = Tokens { level: filled.level - used, ..filled };
        self.frontier = wave.last;
        self.turns.extend(turned.iter().map(|number| (*number, now)));
        self.windows.extend(turned.into_iter().map(|number| (number, wave.until)));
        Ok(())
    }

    fn marked(&mut self, chunk: u32, states: &Chunk, seats: Option<&SeatsWitness>, now: Millis) -> Verdict {
        let first = number_at(chunk, 0);
        for slot in 0..CHUNK_PLACES as usize {
            let (number, after) = (first + slot as u64, states.get(slot));
            let Some(before) = self.states.get(number as usize - 1).copied() else { break };
            if before != after {
                self.turned(number, before, after, seats, now)?;
                self.states[number as usize - 1] = after;
            }
        }
        Ok(())
    }

    fn turned(
        &mut self,
        number: u64,
        before: PlaceState,
        after: PlaceState,
        seats: Option<&SeatsWitness>,
        now: Millis,
    ) -> Verdict {
        hold(Invariant::NoInversion, before < after, || format!("place {number} went from {before:?} to {after:?}"))?;
        let window = self.windows.get(&number).copied();
        let lawful = match (before, after) {
            (PlaceState::Ready, PlaceState::Expired) => window.is_some_and(|until| until <= now),
            (PlaceState::Entered, PlaceState::Expired) => self.ends.get(&number).is_some_and(|at| *at <= now),
            (PlaceState::Entered, PlaceState::Finished) => seats.is_none_or(|seats| seats.has_bought(number)),
            (_, PlaceState::Left) => self.leaving.contains(&number) || !self.told.contains(&number),
            (PlaceState::Waiting, PlaceState::Ready) => window.is_some_and(|until| now < until),
            (PlaceState::Ready, PlaceState::Entered) => self.ends.contains_key(&number),
            _ => false,
        };
        hold(Invariant::AdmissionExact, lawful, || format!("place {number} went from {before:?} to {after:?} at {now}"))?;
        match before {
            PlaceState::Waiting => self.waiting -= 1,
            PlaceState::Ready => self.ready -= 1,
            PlaceState::Entered => self.active -= 1,
            PlaceState::Finished | PlaceState::Left | PlaceState::Expired => {}
        }
        match after {
            PlaceState::Ready => self.ready += 1,
            PlaceState::Entered => self.active += 1,
            PlaceState::Waiting | PlaceState::Finished | PlaceState::Left | PlaceState::Expired => {}
        }
        let cap = self.event.as_ref().map_or(0, |event| u64::from(event.queue.max_active));
        let admits = after == PlaceState::Ready;
        hold(Invariant::AdmissionExact, !admits || self.ready + self.active <= cap, || {
            format!("{} are ready and {} inside, of {cap}", self.ready, self.active)
        })
    }

    fn counted(&self, counters: &Counters) -> Verdict {
        let told = (counters.last, counters.waiting, counters.ready, counters.active);
        hold(Invariant::AdmissionExact, told == self.counts(), || {
            format!("{told:?} are counted, {:?} are there", self.counts())
        })?;
        hold(Invariant::NoInversion, counters.frontier == self.frontier, || {
            format!("the frontier is {}, the last wave ended at {}", counters.frontier, self.frontier)
        })
    }

    pub(super) fn lane_saved(&mut self, lane: u32, change: &lane::Change) -> Verdict {
        match change {
            lane::Change::Stored(batch) => {
                batch.places().try_for_each(|(number, caller)| self.placed(lane, number, caller))?;
                batch.left.iter().try_for_each(|number| self.forgotten(*number))
            }
            lane::Change::Keyed { number, .. } => {
                hold(Invariant::AcknowledgedSurvives, self.callers.contains_key(number), || {
                    format!("place {number}, which nobody has, was given a key")
                })
            }
            lane::Change::Configured(_) => Ok(()),
        }
    }

    fn forgotten(&mut self, number: u64) -> Verdict {
        if let Some(caller) = self.callers.get(&number)
            && self.places.get(caller) == Some(&number)
        {
            self.places.remove(caller);
        }
        let over = self.state(number).is_over();
        hold(Invariant::AcknowledgedSurvives, over, || format!("place {number} was forgotten before it was over"))
    }

    fn placed(&mut self, lane: u32, number: u64, caller: Hash128) -> Verdict {
        let numbered_for = self.lanes.get(&number).copied();
        hold(Invariant::NoInversion, numbered_for == Some(lane), || {
            format!("lane {lane} gave place {number}, which was numbered for {numbered_for:?}")
        })?;
        let holder = *self.callers.entry(number).or_insert(caller);
        hold(Invariant::NoInversion, holder == caller, || format!("place {number} of {holder} was given to {caller} as well"))?;
        let before = self.places.insert(caller, number).filter(|before| *before != number);
        hold(Invariant::NoInversion, before.is_none_or(|before| self.state(before).is_over()), || {
            format!("{caller} has place {before:?} and {number} as well")
        })
    }

    pub(super) fn at_rest(&self) -> Verdict {
        let stays = self.states.iter().position(|state| matches!(state, PlaceState::Ready | PlaceState::Entered));
        hold(Invariant::AllEnds, stays.is_none(), || format!("place {:?} never ended", stays.map(|index| index + 1)))
    }
}

/// How a change marks a place, where it does.
fn in_chunk(change: &Change, number: u64) -> Option<PlaceState> {
    let Change::Marked { chunk, states, .. } = change else { return None };
    let slot = number.checked_sub(number_at(*chunk, 0)).filter(|slot| *slot < CHUNK_PLACES)?;
    Some(states.get(slot as usize))
}
