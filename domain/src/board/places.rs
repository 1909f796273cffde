//! What became of every place: four bits each, in chunks.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Most places that one line has: nine minutes at 30,000 joins a second.
pub const PLACES_MAX: u64 = 1 << 24;
/// Places in one chunk.
pub const CHUNK_PLACES: u64 = 1024;
const PLACES_PER_WORD: usize = 16;
const WORDS: usize = CHUNK_PLACES as usize / PLACES_PER_WORD;
/// The lowest bit of every place in a word.
const LOW_BITS: u64 = 0x1111_1111_1111_1111;
/// The highest bit of every place in a word; no state uses it.
const HIGH_BITS: u64 = LOW_BITS << 3;

/// How a place stands. A place never goes back: of two states, the later one in this list is the newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// It may enter.
    Ready,
    /// It is inside.
    Entered,
    /// It was inside and confirmed what it came for.
    Finished,
    /// It was given up.
    Left,
    /// It did not enter in time, or was inside until its time was over.
    Expired,
}

impl PlaceState {
    const ALL: [Self; 6] = [Self::Waiting, Self::Ready, Self::Entered, Self::Finished, Self::Left, Self::Expired];

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Left | Self::Expired)
    }

    /// As the contract writes it. A ready place still waits: that it may enter is said beside.
    #[must_use]
    pub const fn as_status(self) -> &'static str {
        match self {
            Self::Waiting | Self::Ready => "waiting",
            Self::Entered | Self::Finished => "entered",
            Self::Left => "left",
            Self::Expired => "expired",
        }
    }

    const fn bits(self) -> u64 {
        self as u64
    }

    const fn from_bits(bits: u64) -> Self {
        Self::ALL[bits as usize]
    }

    const fn letter(self) -> char {
        match self {
            Self::Waiting => 'w',
            Self::Ready => 'r',
            Self::Entered => 'e',
            Self::Finished => 'f',
            Self::Left => 'l',
            Self::Expired => 'x',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.letter() == letter)
    }
}

/// The chunk of a place, and where in it; numbers start at 1.
pub(crate) const fn locate(number: u64) -> (u32, usize) {
    let index = number.saturating_sub(1);
    ((index / CHUNK_PLACES) as u32, (index % CHUNK_PLACES) as usize)
}

/// The number of a place.
pub(crate) const fn number_at(chunk: u32, slot: usize) -> u64 {
    chunk as u64 * CHUNK_PLACES + slot as u64 + 1
}

/// The states of 1024 places in a row. As text, each run of equal states is a letter and its length, the length left
/// out where it is 1 and the waiting ones at the end left out altogether: `f900xf20`.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk([u64; WORDS]);

impl Chunk {
    /// Everybody waits.
    pub const WAITING: Self = Self([0; WORDS]);

    pub(crate) const fn get(&self, slot: usize) -> PlaceState {
        PlaceState::from_bits(self.0[slot / PLACES_PER_WORD] >> (4 * (slot % PLACES_PER_WORD)) & 0xF)
    }

    pub(crate) const fn set(&mut self, slot: usize, state: PlaceState) {
        let shift = 4 * (slot % PLACES_PER_WORD);
        let word = &mut self.0[slot / PLACES_PER_WORD];
        *word = *word & !(0xF << shift) | state.bits() << shift;
    }

    /// How many of the first `slots` places do not wait.
    pub(crate) fn passed_before(&self, slots: usize) -> u32 {
        let (whole, rest) = (slots / PLACES_PER_WORD, slots % PLACES_PER_WORD);
        let whole_words: u32 = self.0[..whole].iter().map(|word| passed(*word).count_ones()).sum();
        if rest == 0 {
            return whole_words;
        }
        whole_words + (passed(self.0[whole]) & ((1 << (4 * rest)) - 1)).count_ones()
    }

    /// Takes the newer state of each place. Whatever is merged in whatever order, the result is the same.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            // With the spare bit set, subtracting borrows from no neighbour and leaves the bit where mine >= theirs.
            let mine_is_newer = (((*mine | HIGH_BITS) - theirs) & HIGH_BITS) >> 3;
            let keep = mine_is_newer * 0xF;
            *mine = *mine & keep | *theirs & !keep;
        }
    }

    /// The slots from `from` to `to`, inclusive, whose state is `state`, in order.
    pub(crate) fn slots_in(&self, state: PlaceState, from: usize, to: usize) -> impl Iterator<Item = usize> {
        let words = (from / PLACES_PER_WORD)..=(to / PLACES_PER_WORD);
        words
            .flat_map(move |index| {
                let mut found = !passed(self.0[index] ^ (LOW_BITS * state.bits())) & LOW_BITS;
                std::iter::from_fn(move || {
                    let place = (found != 0).then(|| found.trailing_zeros() as usize / 4)?;
                    found &= found - 1;
                    Some(index * PLACES_PER_WORD + place)
                })
            })
            .skip_while(move |slot| *slot < from)
            .take_while(move |slot| *slot <= to)
    }
}

/// The lowest bit of every place in `word` that is not zero.
const fn passed(word: u64) -> u64 {
    (word | word >> 1 | word >> 2 | word >> 3) & LOW_BITS
}

impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.iter().rposition(|word| *word != 0).map_or(0, |last| (last + 1) * PLACES_PER_WORD);
        let used = (0..used).rev().find(|slot| self.get(*slot) != PlaceState::Waiting).map_or(0, |last| last + 1);
        let mut slot = 0;
        while slot < used {
            let state = self.get(slot);
            let run = (slot..used).take_while(|next| self.get(*next) == state).count();
            write!(f, "{}", state.letter())?;
            if run > 1 {
                write!(f, "{run}")?;
            }
            slot += run;
        }
        Ok(())
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Chunk {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut chunk = Self::WAITING;
        let mut slot = 0;
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            let state = PlaceState::from_letter(letter)?;
            let mut run = 0;
            while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
                run = (run * 10 + digit as usize).min(CHUNK_PLACES as usize + 1);
                rest.next();
            }
            let end = slot + run.max(1);
            if end > CHUNK_PLACES as usize {
                return None;
            }
            (slot..end).for_each(|slot| chunk.set(slot, state));
            slot = end;
        }
        Some(chunk)
    }
}

impl Serialize for Chunk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chunk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("runs of place states expected"))
    }
}

/// The chunks of a whole line; a chunk that was never put is one of people who wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(Vec<Chunk>);

impl Places {
    pub(crate) fn chunk(&self, index: u32) -> &Chunk {
        self.0.get(index as usize).unwrap_or(&Chunk::WAITING)
    }

    pub(crate) fn chunk_mut(&mut self, index: u32) -> &mut Chunk {
        let wanted = index as usize + 1;
        if self.0.len() < wanted {
            self.0.resize(wanted, Chunk::WAITING);
        }
        &mut self.0[index as usize]
    }

    pub(crate) fn get(&self, number: u64) -> PlaceState {
        let (chunk, slot) = locate(number);
        self.chunk(chunk).get(slot)
    }

    /// Number of chunks that may have somebody who does not wait.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = PlaceState> {
        (0..6_u64).prop_map(PlaceState::from_bits)
    }

    fn any_chunk() -> impl Strategy<Value = Chunk> {
        prop::collection::vec((0..CHUNK_PLACES as usize, 1..200_usize, any_state()), 0..12).prop_map(|runs| {
            let mut chunk = Chunk::WAITING;
            for (start, len, state) in runs {
                (start..(start + len).min(CHUNK_PLACES as usize)).for_each(|slot| chunk.set(slot, state));
            }
            chunk
        })
    }

    #[test]
    fn a_chunk_of_people_who_wait_is_written_as_nothing() {
        assert_eq!(Chunk::WAITING.to_string(), "");
        assert_eq!(Chunk::parse(""), Some(Chunk::WAITING));
    }

    #[test]
    fn a_single_departure_costs_a_few_bytes() {
        let mut chunk = Chunk::WAITING;
        chunk.set(900, PlaceState::Left);
        assert_eq!(chunk.to_string(), "w900l");
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for text in ["w1025", "w1024l", "q", "3", "w99999999999999999999999", "W"] {
            assert_eq!(Chunk::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_chunk_reads_back_as_it_was_written_and_is_never_longer_than_its_places(chunk in any_chunk()) {
            let text = chunk.to_string();
            prop_assert!(text.len() as u64 <= CHUNK_PLACES);
            prop_assert_eq!(Chunk::parse(&text), Some(chunk));
        }

        #[test]
        fn merging_takes_the_newer_state_of_each_place(a in any_chunk(), b in any_chunk()) {
            let mut merged = a.clone();
            merged.merge(&b);
            for slot in 0..CHUNK_PLACES as usize {
                prop_assert_eq!(merged.get(slot), a.get(slot).max(b.get(slot)));
            }
        }

        #[test]
        fn counting_and_finding_agree_with_looking_at_each_place(
            chunk in any_chunk(), state in any_state(), from in 0..1024_usize, to in 0..1024_usize,
        ) {
            let passed = (0..from).filter(|slot| chunk.get(*slot) != PlaceState::Waiting).count();
            prop_assert_eq!(chunk.passed_before(from) as usize, passed);
            let looked: Vec<_> = (from..=to).filter(|slot| chunk.get(*slot) == state).collect();
            prop_assert_eq!(chunk.slots_in(state, from, to).collect::<Vec<_>>(), looked);
        }
    }
}
