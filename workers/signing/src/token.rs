//! Signed tokens: waiting tokens, reservation tokens and ticket codes.
//!
//! A token is `base64url(purpose, kid, claims, tag)`: one byte says what it is for, the key version says which key
//! signed it, the claims say everything that is needed to use it, and the tag is the first half of an HMAC-SHA256.
//! Each purpose signs with a key of its own, derived from the same secret, so that no token passes for another kind.
//! The same claims always give the same token, and a token has one spelling.

mod claims;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

pub use claims::{CallerHash, Claims, Kid, Purpose, ReservationToken, TicketCode, WaitingToken};
use claims::{Reader, write_number};

/// Longest token, in characters; the longest possible claims are shorter.
pub const TOKEN_MAX_CHARS: usize = 320;
/// Length of a tag: 128 bits, which nobody guesses.
const TAG_BYTES: usize = 16;
/// Bytes that the longest accepted token decodes to.
const TOKEN_MAX_BYTES: usize = TOKEN_MAX_CHARS / 4 * 3;

/// The keys that sign and verify tokens. The newest signs, all verify.
pub struct Keyring {
    /// The newest first; never empty.
    keys: Vec<Key>,
}

struct Key {
    kid: Kid,
    /// One prepared state per purpose, in the order of [`Purpose::ALL`].
    macs: [Hmac<Sha256>; 3],
}

impl Key {
    fn new(kid: Kid, secret: &[u8]) -> Self {
        let derive = |purpose: Purpose| {
            let label = [b"traffic-tacos token v1 ".as_slice(), &[purpose.byte()]].concat();
            let key = keyed(secret).chain_update(label).finalize().into_bytes();
            keyed(&key)
        };
        Self { kid, macs: Purpose::ALL.map(derive) }
    }

    fn mac(&self, purpose: Purpose, signed: &[u8]) -> Hmac<Sha256> {
        self.macs[purpose as usize].clone().chain_update(signed)
    }
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes a key of any length")
}

impl Keyring {
    /// A ring of these keys, the newest first.
    ///
    /// # Panics
    /// There is no key.
    #[must_use]
    pub fn new<'a>(keys: impl IntoIterator<Item = (Kid, &'a [u8])>) -> Self {
        let keys: Vec<Key> = keys.into_iter().map(|(kid, secret)| Key::new(kid, secret)).collect();
        assert!(!keys.is_empty(), "a ring has at least one key");
        Self { keys }
    }

    /// Signs with the key version that the claims name, so that a repeated answer is the same answer; with the
    /// newest one where that key is no longer in the ring.
    #[must_use]
    pub fn sign<C: Claims>(&self, claims: &C) -> String {
        let key = self.key(claims.kid()).unwrap_or_else(|| self.newest_key());
        let mut bytes = Vec::with_capacity(TOKEN_MAX_BYTES / 2);
        bytes.push(C::PURPOSE.byte());
        write_number(&mut bytes, key.kid.into());
        claims.write(&mut bytes);
        let tag = key.mac(C::PURPOSE, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(&bytes)
    }

    /// The claims of a token that one of the keys signed for this purpose; nothing for any other text.
    #[must_use]
    pub fn verify<C: Claims>(&self, token: &str) -> Option<C> {
        if token.len() > TOKEN_MAX_CHARS {
            return None;
        }
        let mut buffer = [0; TOKEN_MAX_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut buffer).ok()?;
        let (signed, tag) = buffer[..length].split_at_checked(length.checked_sub(TAG_BYTES)?)?;
        let mut input = Reader::new(signed);
        if input.byte()? != C::PURPOSE.byte() {
            return None;
        }
        let kid = Kid::try_from(input.number()?).ok()?;
        self.key(kid)?.mac(C::PURPOSE, signed).verify_truncated_left(tag).ok()?;
        C::read(kid, &mut input)
    }

    fn key(&self, kid: Kid) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    fn newest_key(&self) -> &Key {
        &self.keys[0]
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        id::{EventId, ReservationKey, UserId},
        inventory::Admission,
        time::Millis,
    };
    use proptest::prelude::*;

    use super::{claims::SEAT_ID_MAX_BYTES, *};

    fn of(keys: &[(Kid, &str)]) -> Keyring {
        Keyring::new(keys.iter().map(|(kid, secret)| (*kid, secret.as_bytes())))
    }

    fn ring() -> Keyring {
        of(&[(9, "nine"), (7, "seven")])
    }

    fn event_id() -> EventId {
        EventId::parse("evt_2025_1001").unwrap()
    }

    fn waiting(kid: Kid) -> WaitingToken {
        let caller = Some(CallerHash::of("0b6c"));
        WaitingToken { event_id: event_id(), lane: 3, number: 812, joined_at: Millis(1_795_262_400_000), kid, caller }
    }

    #[test]
    fn a_token_carries_its_claims_and_is_the_same_each_time() {
        let token = ring().sign(&waiting(9));
        assert_eq!(token, ring().sign(&waiting(9)));
        assert_eq!(ring().verify(&token), Some(waiting(9)));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
    }

    #[test]
    fn the_newest_key_signs_and_older_ones_verify_until_they_are_taken_away() {
        let old = ring().sign(&waiting(7));
        assert_eq!(ring().verify(&old), Some(waiting(7)));
        let rotated = of(&[(12, "twelve"), (9, "nine")]);
        assert_eq!(rotated.verify::<WaitingToken>(&old), None);
        let again = rotated.sign(&waiting(7));
        assert_eq!(rotated.verify::<WaitingToken>(&again).map(|claims| claims.kid), Some(12));
    }

    #[test]
    fn a_token_serves_one_purpose() {
        let token = ring().sign(&waiting(9));
        assert_eq!(ring().verify::<ReservationToken>(&token), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[0] = Purpose::Reservation.byte();
        assert_eq!(ring().verify::<ReservationToken>(&URL_SAFE_NO_PAD.encode(&bytes)), None);
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let bytes = URL_SAFE_NO_PAD.decode(ring().sign(&waiting(9))).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ring().verify::<WaitingToken>(&URL_SAFE_NO_PAD.encode(&forged)), None, "bit {bit}");
        }
    }

    #[test]
    fn a_token_has_one_spelling_and_a_longest_length() {
        let token = ring().sign(&waiting(9));
        for other in [format!("{token}="), format!(" {token}"), token[1..].to_owned(), "A".repeat(TOKEN_MAX_CHARS + 1)] {
            assert_eq!(ring().verify::<WaitingToken>(&other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_ticket_fits() {
        let event_id = EventId::parse(&"e".repeat(EventId::MAX_LEN)).unwrap();
        let order = ReservationKey(u128::MAX);
        let seat_id = "s".repeat(SEAT_ID_MAX_BYTES);
        let ticket = TicketCode { event_id, order, place: u32::MAX, seat_id, kid: Kid::MAX };
        let ring = of(&[(Kid::MAX, "k")]);
        let token = ring.sign(&ticket);
        assert!(token.len() <= TOKEN_MAX_CHARS, "{}", token.len());
        assert_eq!(ring.verify(&token), Some(ticket));
    }

    fn admission(event: &str, caller: Option<&str>, user: &str, now: u64) -> Option<Admission> {
        let caller = caller.map(CallerHash::of);
        let token = ReservationToken { event_id: event_id(), number: 7, ends_at: Millis(1000), kid: 9, caller };
        token.admits(&EventId::parse(event).unwrap(), &UserId(user.into()), 300, Millis(now))
    }

    #[test]
    fn a_token_admits_to_its_event_and_where_it_was_joined_by_a_user_that_user_alone() {
        let expected = Some(Admission { number: 7, ends_at: Millis(1000) });
        assert_eq!(admission("evt_2025_1001", None, "ann", 0), expected);
        assert_eq!(admission("evt_2025_1001", Some("ann"), "ann", 0), expected);
        assert_eq!(admission("evt_2025_1001", Some("ann"), "bob", 0), None);
        assert_eq!(admission("evt_2", None, "ann", 0), None);
    }

    #[test]
    fn a_token_that_ran_out_is_worth_something_as_long_as_a_repetition_may_be_recorded() {
        assert!(admission("evt_2025_1001", None, "ann", 1299).is_some());
        assert!(admission("evt_2025_1001", None, "ann", 1300).is_none());
    }

    proptest! {
        #[test]
        fn no_text_is_a_token_or_a_panic(text in ".{0,400}") {
            prop_assert_eq!(ring().verify::<WaitingToken>(&text), None);
            prop_assert_eq!(ring().verify::<ReservationToken>(&text), None);
            prop_assert_eq!(ring().verify::<TicketCode>(&text), None);
        }

        #[test]
        fn well_signed_rubbish_is_read_without_a_panic(rubbish in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = WaitingToken::read(1, &mut Reader::new(&rubbish));
            let _ = ReservationToken::read(1, &mut Reader::new(&rubbish));
            let _ = TicketCode::read(1, &mut Reader::new(&rubbish));
        }

        #[test]
        fn all_claims_come_back(
            event in "[A-Za-z0-9_-]{1,64}", lane: u32, number: u64, at: u64, caller: Option<[u8; 8]>, order: u128,
            seat_id in "[A-Za-z0-9가-힣-]{0,26}",
        ) {
            let (event_id, kid) = (EventId::parse(&event).unwrap(), 7);
            let caller = caller.map(CallerHash);
            let waiting =
                WaitingToken { event_id: event_id.clone(), lane, number, joined_at: Millis(at), kid, caller };
            prop_assert_eq!(ring().verify(&ring().sign(&waiting)), Some(waiting));
            let reservation = ReservationToken { event_id: event_id.clone(), number, ends_at: Millis(at), kid, caller };
            prop_assert_eq!(ring().verify(&ring().sign(&reservation)), Some(reservation));
            let ticket = TicketCode { event_id, order: ReservationKey(order), place: lane, seat_id, kid };
            prop_assert_eq!(ring().verify(&ring().sign(&ticket)), Some(ticket));
        }
    }
}
