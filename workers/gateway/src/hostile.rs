//! Everything that strangers can send over HTTP, broken in every way that we can think of; what objects can be asked and
//! what tokens say is in `verify/fuzz/tests`, which shares the mutators.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    event::{EventBody, QueuePatch},
    id::{ReservationKey, UserId},
    inventory::Cursor,
    time::Millis,
};
use fuzz::{
    Target, Verdict,
    bytes::{self, Input},
    json,
};
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::Sha256;
use worker::Url;

use crate::{
    admin::SeatsBody,
    auth::{self, Login, Registration},
    call::from_json,
    config::Config,
    error::{ApiError, Code},
    idempotency::{KEY_MAX_LEN, Key},
    identity::{
        Identity, Role, bearer,
        jwt::{self, OURS},
    },
    pages::{read_cursor, write_cursor},
    payments::{IntentBody, ProcessBody, WebhookBody},
    query::Query,
    queue::{EnterBody, JoinBody},
    reservations::{ConfirmBody, CreateBody},
    routes,
    trace::Trace,
    webhooks::PutBody,
};

#[global_allocator]
static COUNTING: fuzz::memory::Counting = fuzz::memory::Counting;

const NOW: Millis = Millis(1_795_262_400_000);

fn config() -> Config {
    Config::read(|name| (name == "ENVIRONMENT").then(|| "development".to_owned())).unwrap()
}

/// Gives broken bodies to what reads them; a refusal is `INVALID_REQUEST` and names a field in words of bounded length.
fn body<T: DeserializeOwned>(name: &'static str, samples: Vec<Value>, check: impl Fn(T) -> Result<(), ApiError>) {
    body_within(Target::new(name), samples, check);
}

fn body_within<T: DeserializeOwned>(target: Target, samples: Vec<Value>, check: impl Fn(T) -> Result<(), ApiError>) {
    for sample in &samples {
        let taken = from_json(sample.to_string().as_bytes()).and_then(&check);
        assert_eq!(taken.map_err(|error| error.message), Ok(()), "{sample}");
    }
    target.run(json::hostile(samples), |input| match from_json::<T>(input).and_then(&check) {
        Ok(()) => Verdict::Accepted,
        Err(error) => {
            assert_eq!(error.code, Code::InvalidRequest);
            let field = error.details.as_ref().and_then(|details| details["field"].as_str());
            assert!(field.is_some_and(|field| !field.is_empty()), "a field is named");
            Verdict::Refused
        }
    });
}

#[test]
fn bodies_of_authentication_are_read_or_refused() {
    let registration =
        json!({"username": "mina_kim", "password": "correct horse", "email": "mina@example.com", "display_name": "미나"});
    body::<Registration>("registration-bodies", vec![registration], |wanted| auth::check(&wanted));
    body::<Login>("login-bodies", vec![json!({"username": "user01", "password": "pwd01"})], |_| Ok(()));
}

#[test]
fn bodies_of_the_queue_are_read_or_refused() {
    body::<JoinBody>(
        "join-bodies",
        vec![json!({"event_id": "evt_1"}), json!({"event_id": "evt_1", "user_id": "u1"})],
        |_| Ok(()),
    );
    body::<EnterBody>("enter-bodies", vec![json!({"waiting_token": "V0FJVA"})], |_| Ok(()));
}

#[test]
fn bodies_of_reservations_are_read_or_refused() {
    let samples = vec![
        json!({"event_id": "evt_1", "reservation_token": "t", "seat_ids": ["A-1-1", "A-1-2"], "quantity": 2}),
        json!({"event_id": "evt_1", "reservation_token": "t", "quantity": 2, "section": "A", "together": false}),
    ];
    body::<CreateBody>("reservation-bodies", samples, |body| {
        let wish = body.wish()?;
        assert!(wish.seat_ids.is_some() || wish.quantity.is_some_and(|quantity| quantity > 0));
        Ok(())
    });
    let sample = json!({"payment_intent_id": "pay_evt_1_0000000000000000000000000000000100"});
    body::<ConfirmBody>("confirm-bodies", vec![sample], |_| Ok(()));
}

#[test]
fn bodies_of_payments_are_read_or_refused() {
    let config = config();
    let (intent, reservation) = ("pay_evt_1_0000000000000000000000000000000100", "rsv_evt_1_00000000000000000000000000000001");
    let samples = vec![
        json!({"reservation_id": reservation, "amount": 100, "currency": "KRW", "scenario": "delay", "delay_ms": 5000}),
        json!({"reservation_id": reservation}),
    ];
    body::<IntentBody>("intent-bodies", samples, |body| {
        let plan = body.plan(&config)?;
        assert!(plan.delay_ms <= 3_600_000);
        Ok(())
    });
    body::<ProcessBody>("process-bodies", vec![json!({"payment_intent_id": intent, "action": "fail"})], |_| Ok(()));
    let data = json!({"payment_intent_id": intent, "reservation_id": reservation, "amount": 100, "currency": "KRW", "failure_reason": "no"});
    let samples = ["payment.approved", "payment.failed"]
        .map(|kind| json!({"type": kind, "timestamp": "2026-11-21T12:00:00Z", "data": data}));
    // `amount` is read as a tree: up to 95 bytes for each of a body that the provider signed.
    body_within::<WebhookBody>(Target::new("report-bodies").constant(4 * 1024 * 1024), samples.to_vec(), |body| {
        drop(body.word());
        Ok(())
    });
}

#[test]
fn bodies_of_organisers_are_read_or_refused() {
    let event = json!({
        "name": {"ko": "가", "en": "N"}, "starts_at": "2027-01-01T10:00:00Z", "queue": {"admit_per_sec": 5, "notice": null},
        "sections": [
            {"id": "A", "price": 1, "rows": [{"id": "1", "count": 3, "blocked": [2]}], "layout": {"x": 1.5}},
            {"id": "G", "kind": "general", "price": 0, "capacity": 9},
        ],
    });
    let event_id = domain::id::EventId::parse("evt_1").unwrap();
    body::<EventBody>("event-bodies", vec![event], |body| Ok(body.complete(event_id.clone(), 1, NOW).map(|_| ())?));
    let patch = json!({"admit_per_sec": 50, "paused": true, "notice": {"ko": "a", "en": "b", "level": "warning"}});
    body::<QueuePatch>("settings-bodies", vec![patch], |_| Ok(()));
    body::<SeatsBody>("seats-bodies", vec![json!({"block": ["A-1-1"], "unblock": ["A-1-2"]})], |_| Ok(()));
    let endpoint = json!({"url": "https://hooks.example.com/a?b#c", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    body::<PutBody>("endpoint-bodies", vec![endpoint], |body| body.check(false));
}

/// Whether a host is plainly one of ours: by the rules of the language's own library, not by those that are tested.
fn is_inside(url: &Url) -> bool {
    let v4 =
        |address: Ipv4Addr| address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified();
    if let Ok(address) = url.host_str().unwrap_or_default().parse::<Ipv4Addr>() {
        return v4(address);
    }
    let bare = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match bare.parse::<Ipv6Addr>() {
        Ok(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.to_ipv4().is_some_and(v4)
                || address.segments()[0] >= 0xfc00
        }
        Err(_) => format!(".{}", bare.trim_end_matches('.')).ends_with(".localhost"),
    }
}

/// An address that is allowed means to a browser what it meant here: https, a public host, and nobody's name.
#[test]
fn no_address_of_an_endpoint_leads_inside() {
    let hosts = [
        "localhost",
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "0x7f.1",
        "2130706433",
        "[fd00::1]",
        "hooks.example.com",
        "8.8.8.8",
        "[2606:4700:4700::1111]",
    ];
    let samples = hosts.iter().flat_map(|host| [format!("https://{host}/a"), format!("https://user@{host}:8443/?b#c")]);
    Target::new("endpoint-addresses").run(bytes::hostile_text(samples.collect()), |url| {
        if domain::delivery::endpoint_allowed(url, false).is_err() {
            return Verdict::Refused;
        }
        let read = Url::parse(url).expect("what is allowed is an address");
        assert!(read.scheme() == "https" && read.username().is_empty() && !is_inside(&read), "{url} is {read}");
        Verdict::Accepted
    });
}

#[test]
fn a_key_is_visible_ascii_of_bounded_length_or_refused() {
    let longest = "k".repeat(KEY_MAX_LEN);
    let samples = ["3f2b8c9e-6d2a-4f0e-9a51-7c6f1d0b2e44", "\"quoted\"", "\"", " a ", &longest].map(str::to_owned).to_vec();
    Target::new("idempotency-keys").run(bytes::hostile_text(samples), |header| {
        let key = Key::parse(header);
        if let Ok(key) = &key {
            let text = key.as_str();
            assert!((1..=KEY_MAX_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()), "{text:?}");
            assert_eq!(Key::parse(&format!(" \"{text}\"\t")).ok().as_ref(), Some(key), "quotes around a key change nothing");
        }
        Verdict::accepted(key.is_ok())
    });
}

#[test]
fn a_query_is_read_whatever_it_says() {
    let samples = ["token=a%2Bb&event_id=&name=x+y", "cursor=%00%ff", "&&==&", "token"].map(str::to_owned).to_vec();
    Target::new("queries").run(bytes::hostile_text(samples), |text| {
        let query = Query::parse(text);
        let token = query.get("token");
        assert!(token.is_none_or(|token| !token.is_empty()), "an empty parameter is absent");
        Verdict::accepted(token.is_some())
    });
}

#[test]
fn a_cursor_is_one_that_was_written_or_none() {
    let cursor = |created_at, key| write_cursor(Cursor { created_at: Millis(created_at), key: ReservationKey(key) });
    let samples = vec![cursor(0, 0), cursor(NOW.0, 7), cursor(u64::MAX, u128::MAX)];
    Target::new("cursors").run(bytes::hostile_text(samples), |text| {
        let cursor = read_cursor(text);
        if let Some(cursor) = cursor {
            assert!(cursor.created_at <= Millis::MAX);
            assert_eq!(read_cursor(&write_cursor(cursor)), Some(cursor), "a cursor reads back as it was written");
        }
        Verdict::accepted(cursor.is_some())
    });
}

#[test]
fn a_path_is_found_or_not() {
    let samples = [
        "/api/v1/reservations/rsv_evt_1_0/confirm",
        "/api/v1/queue/join",
        "/api/v1/admin/events/evt_1/ledger",
        "/problems/seat-taken",
        "/healthz",
        "/api/v1/payment/x/status",
        "/api/v1//events",
        "/",
    ];
    Target::new("paths").run(bytes::hostile_text(samples.map(str::to_owned).to_vec()), |path| {
        let Some(route) = routes::find(path) else { return Verdict::Refused };
        assert!(route.id.as_ref().is_none_or(|id| !id.is_empty() && !id.contains('/')), "{route:?}");
        assert!(route.allow().ends_with("OPTIONS"));
        Verdict::Accepted
    });
}

#[test]
fn a_trace_goes_on_or_begins() {
    let samples =
        ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-x"];
    Target::new("traces").run(bytes::hostile_text(samples.map(str::to_owned).to_vec()), |header| {
        let trace = Trace::new(Some(header), Some(header));
        let is_hex =
            |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        assert!(is_hex(&trace.trace_id, 32) && is_hex(&trace.span_id, 16), "{trace:?}");
        Verdict::accepted(header.contains(&trace.trace_id))
    });
}

fn identities() -> [Identity; 2] {
    let identity = |sub: &str, role| Identity { sub: UserId(sub.into()), username: sub.to_owned(), role };
    [identity("00000000-0000-4000-8000-000000000001", Role::User), identity("admin", Role::Admin)]
}

#[test]
fn only_what_was_signed_is_a_jwt() {
    let config = config();
    let identities = identities();
    let signed = identities.each_ref().map(|identity| jwt::sign(identity, &config.jwt_secret, NOW));
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let unsigned = format!("{}.{}.", part(r#"{"alg":"none"}"#), signed[1].split('.').nth(1).unwrap());
    let samples = [signed.as_slice(), &[unsigned]].concat();
    Target::new("jwts").run(bytes::hostile_text(samples), |token| {
        let _ = (bearer(token), jwt::inspect(token, None));
        let Ok(verified) = jwt::verify_own(token, &config, NOW) else { return Verdict::Refused };
        let issued = signed.iter().zip(&identities).find(|(signed, _)| *signed == token);
        assert_eq!(Some(&verified.identity), issued.map(|(_, identity)| identity), "{token}");
        Verdict::Accepted
    });
}

/// Header and claims broken below the signature, as an issuer that we believe could sign them.
#[test]
fn whatever_is_well_signed_is_an_identity_or_refused() {
    let config = config();
    let sec = NOW.0 / 1000;
    let claims = vec![
        json!({"sub": "u1", "username": "u1", "role": "user", "iss": OURS, "aud": OURS, "iat": sec, "exp": sec + 60, "nbf": sec}),
        json!({"sub": "admin", "username": "a", "role": "admin", "aud": [OURS, "other"], "exp": sec + 60}),
    ];
    let whole = Just(Input(br#"{"alg":"HS256","typ":"JWT"}"#.to_vec()));
    let headers = prop_oneof![3 => whole, 1 => json::hostile(vec![json!({"alg": "HS256", "typ": "JWT", "kid": "k"})])];
    Target::new("jwt-claims").run((headers, json::hostile(claims)), |(header, claims)| {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(&**header), URL_SAFE_NO_PAD.encode(&**claims));
        let mac = Hmac::<Sha256>::new_from_slice(config.jwt_secret.bytes()).unwrap().chain_update(&text);
        let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        let _ = jwt::inspect(&token, None);
        let Ok(verified) = jwt::verify_own(&token, &config, NOW) else { return Verdict::Refused };
        assert_eq!(UserId::parse(&verified.identity.sub.0).as_ref(), Some(&verified.identity.sub), "a user id is checked");
        assert!(verified.expires_at > NOW);
        Verdict::Accepted
    });
}
