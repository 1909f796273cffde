//! Numbers that look random and are always the same: the same words give the same number on every machine.
//!
//! For jitter and for the simulated provider's `random`. They keep nothing secret.

/// A number in `0..bound` for these words; 0 where `bound` is 0.
///
/// FNV-1a over the bytes, a separator after each word, then the finalizer of SplitMix64, so that words which differ in
/// one bit give unrelated numbers.
#[must_use]
pub fn below(bound: u64, words: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    const SEPARATOR: u8 = 0xff; // in no UTF-8 text
    let bytes = words.iter().flat_map(|word| word.bytes().chain([SEPARATOR]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    mix(hash).checked_rem(bound).unwrap_or(0)
}

const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finalizer_is_that_of_splitmix64() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn the_same_words_give_the_same_number_and_their_borders_count() {
        assert_eq!(below(1000, &["a", "b"]), below(1000, &["a", "b"]));
        assert_ne!(below(u64::MAX, &["ab", ""]), below(u64::MAX, &["a", "b"]));
        assert_eq!(below(0, &["a"]), 0);
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let hits = (0..10_000).filter(|n| below(1000, &[&n.to_string()]) < 800).count();
        assert!((7_800..=8_200).contains(&hits), "{hits}");
    }
}
