//! Tokens of all three purposes: nothing is one but what was signed as one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::time::Millis;
use fuzz::{Target, Verdict, bytes};
use proptest::prelude::*;
use signing::token::{CallerHash, Claims, Keyring, ReservationToken, TicketCode, WaitingToken};

use crate::samples::{START, event_id, key};

fn ring() -> Keyring {
    Keyring::new([(9, b"nine".as_slice()), (7, b"seven".as_slice())])
}

fn waiting() -> Vec<String> {
    let claims = |lane, number, caller| WaitingToken { event_id: event_id(), lane, number, joined_at: START, kid: 9, caller };
    [claims(0, 1, None), claims(255, u64::MAX, Some(CallerHash::of("u1"))), WaitingToken { kid: 7, ..claims(3, 812, None) }]
        .map(|claims| ring().sign(&claims))
        .to_vec()
}

fn reservation() -> Vec<String> {
    let claims = |number, ends_at, caller| ReservationToken { event_id: event_id(), number, ends_at, kid: 9, caller };
    [claims(1, START, None), claims(u64::MAX, Millis(u64::MAX), Some(CallerHash::of("u1")))]
        .map(|claims| ring().sign(&claims))
        .to_vec()
}

fn ticket() -> Vec<String> {
    let claims =
        |place, seat_id: &str| TicketCode { event_id: event_id(), order: key(1), place, seat_id: seat_id.to_owned(), kid: 9 };
    [claims(0, "VIP-1-2"), claims(u32::MAX, "")].map(|claims| ring().sign(&claims)).to_vec()
}

fn genuine<C: Claims>(ring: &Keyring, signed: &[String], text: &str) -> bool {
    let accepted = ring.verify::<C>(text).is_some();
    assert_eq!(accepted, signed.iter().any(|token| token == text), "{text}");
    accepted
}

#[test]
fn only_what_was_signed_is_a_token_of_its_purpose() {
    let (ring, waiting, reservation, ticket) = (ring(), waiting(), reservation(), ticket());
    let all = [waiting.as_slice(), &reservation, &ticket].concat();
    Target::new("tokens").constant(4096).run(bytes::hostile_text(all), |text| {
        let purposes = [
            genuine::<WaitingToken>(&ring, &waiting, text),
            genuine::<ReservationToken>(&ring, &reservation, text),
            genuine::<TicketCode>(&ring, &ticket, text),
        ];
        Verdict::accepted(purposes.contains(&true))
    });
}

/// The bytes of tokens broken before they are encoded, so that the text itself is well formed.
#[test]
fn only_what_was_signed_is_a_token_below_the_encoding() {
    let (ring, waiting, reservation, ticket) = (ring(), waiting(), reservation(), ticket());
    let all = [waiting.as_slice(), &reservation, &ticket].concat();
    let decoded = all.iter().map(|token| URL_SAFE_NO_PAD.decode(token).unwrap()).collect();
    let texts = bytes::hostile(decoded).prop_map(|bytes| URL_SAFE_NO_PAD.encode(&*bytes));
    Target::new("tokens-decoded").constant(4096).run(texts, |text| {
        let purposes = [
            genuine::<WaitingToken>(&ring, &waiting, text),
            genuine::<ReservationToken>(&ring, &reservation, text),
            genuine::<TicketCode>(&ring, &ticket, text),
        ];
        Verdict::accepted(purposes.contains(&true))
    });
}
