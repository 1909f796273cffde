//! The OpenID provider's public keys, kept per isolate.
//!
//! Keys are good for ten minutes. An unknown key id, or old keys, make one request fetch them again, at most once a
//! minute; while that fails, the old ones go on. Before the first keys are there every request may fetch.

use std::collections::BTreeMap;

use domain::time::Millis;
use jwt_compact::{alg::RsaPublicKey, jwk::JsonWebKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use shell::limit::within;
use worker::{Error, Fetch, Method, Request, RequestInit, RequestRedirect};

use super::jwt::PublicKey;

/// How long keys are good, in milliseconds.
const FRESH_MS: u64 = 600_000;
/// Shortest time between two fetches, in milliseconds.
const RETRY_MS: u64 = 60_000;
/// The same while there are no keys at all and the last fetch failed.
const RETRY_EMPTY_MS: u64 = 1000;
/// How long a fetch may take, in milliseconds.
const FETCH_MS: u64 = 5000;
/// Most keys that are kept.
const KEYS_MAX: usize = 32;
/// Longest key document, in bytes.
const DOCUMENT_MAX_BYTES: usize = 256 * 1024;

/// The keys that are known.
#[derive(Debug, Default)]
pub struct Keys {
    by_id: BTreeMap<String, PublicKey>,
    fetched_at: Option<Millis>,
    failed_at: Option<Millis>,
    tried_at: Option<Millis>,
}

/// What the known keys say about a key id.
#[derive(Debug)]
pub enum Found {
    /// Verify with this one.
    Key(PublicKey),
    /// Fetch the keys, then look again; this one will do if that fails.
    Fetch(Option<PublicKey>),
    /// The provider has no such key.
    Unknown,
    /// The keys cannot be had just now.
    Unavailable,
}

impl Keys {
    /// Looks for `kid`; without one, for the only key there is.
    #[must_use]
    pub fn find(&self, kid: Option<&str>, now: Millis) -> Found {
        let key = match kid {
            Some(kid) => self.by_id.get(kid),
            None if self.by_id.len() == 1 => self.by_id.values().next(),
            None => None,
        };
        let Some(fetched_at) = self.fetched_at else {
            let waiting = self.failed_at.is_some_and(|failed| now.since_ms(failed) < RETRY_EMPTY_MS);
            return if waiting { Found::Unavailable } else { Found::Fetch(None) };
        };
        let may_fetch = self.tried_at.is_none_or(|tried| now.since_ms(tried) >= RETRY_MS);
        match key {
            Some(key) if now.since_ms(fetched_at) < FRESH_MS || !may_fetch => Found::Key(key.clone()),
            Some(key) => Found::Fetch(Some(key.clone())),
            None if may_fetch => Found::Fetch(None),
            None => Found::Unknown,
        }
    }

    /// A fetch begins.
    pub fn trying(&mut self, now: Millis) {
        self.tried_at = Some(now);
    }

    /// A fetch ended: with the document, or without.
    pub fn fetched(&mut self, document: Option<&[u8]>, now: Millis) {
        match document.and_then(read) {
            Some(by_id) => {
                self.by_id = by_id;
                self.fetched_at = Some(now);
                self.failed_at = None;
            }
            None => self.failed_at = Some(now),
        }
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Described {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
}

/// The usable keys of a JWKS document. Keys for encryption, of other kinds, or too short are left out.
fn read(document: &[u8]) -> Option<BTreeMap<String, PublicKey>> {
    let document: Document<'_> = serde_json::from_slice(document).ok()?;
    Some(document.keys.iter().filter_map(|key| read_key(key.get())).take(KEYS_MAX).collect())
}

fn read_key(json: &str) -> Option<(String, PublicKey)> {
    let described: Described = serde_json::from_slice(json.as_bytes()).ok()?;
    let jwk: JsonWebKey<'_> = serde_json::from_slice(json.as_bytes()).ok()?;
    if described.purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let (key, alg) = match &jwk {
        JsonWebKey::Rsa { .. } => {
            (PublicKey::Rs256(RsaPublicKey::try_from(&jwk).ok().and_then(|key| key.try_into().ok())?), "RS256")
        }
        JsonWebKey::EllipticCurve { .. } => (PublicKey::Es256((&jwk).try_into().ok()?), "ES256"),
        _ => return None,
    };
    described.alg.is_none_or(|named| named == alg).then(|| (described.kid.unwrap_or_default(), key))
}

/// Gets the document. Follows no redirect: the address is configuration.
///
/// # Errors
/// The provider does not answer in time, or not with a document of reasonable size.
pub async fn fetch(url: &str) -> worker::Result<Vec<u8>> {
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_redirect(RequestRedirect::Manual);
    let request = Request::new_with_init(url, &init)?;
    let answer = async {
        let mut response = Fetch::Request(request).send().await?;
        match response.status_code() {
            200 => response.bytes().await,
            status => Err(Error::from(format!("the provider answered {status}"))),
        }
    };
    let bytes = within(FETCH_MS, answer).await.ok_or_else(|| Error::from("the provider did not answer in time"))??;
    if bytes.len() > DOCUMENT_MAX_BYTES {
        return Err(Error::from("the provider's keys are too large"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use jwt_compact::{
        AlgorithmExt, Claims, Header,
        alg::{Es256, Rsa, RsaPrivateKey, SigningKey, StrongAlg, StrongKey},
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        config::Oidc,
        identity::{
            Role,
            jwt::{
                Invalid, Source, inspect,
                tests::{NOW, exp},
                verify_provider,
            },
        },
    };

    type EsSigningKey = <Es256 as jwt_compact::Algorithm>::SigningKey;

    fn provider() -> Oidc {
        Oidc { issuer: "https://id.test".into(), audience: "tickets".into(), jwks_url: "https://id.test/keys".into() }
    }

    fn es_key() -> EsSigningKey {
        <EsSigningKey as SigningKey<Es256>>::from_slice(&[7; 32]).expect("a scalar")
    }

    fn es_jwk(kid: &str) -> Value {
        let key = es_key();
        let public = SigningKey::<Es256>::to_verifying_key(&key);
        let mut jwk = serde_json::to_value(JsonWebKey::from(&public)).expect("plain data");
        jwk["kid"] = kid.into();
        jwk
    }

    fn document(keys: &[Value]) -> Vec<u8> {
        json!({ "keys": keys }).to_string().into_bytes()
    }

    fn known(keys: &[Value], at: Millis) -> Keys {
        let mut known = Keys::default();
        known.trying(at);
        known.fetched(Some(&document(keys)), at);
        known
    }

    fn claims(change: impl FnOnce(&mut Value)) -> Claims<Value> {
        let mut claims = json!({"sub": "someone", "iss": "https://id.test", "aud": "tickets", "exp": exp(60), "role": "admin",
            "preferred_username": "some.one"});
        change(&mut claims);
        serde_json::from_value(claims).expect("claims")
    }

    fn es_token(change: impl FnOnce(&mut Value)) -> String {
        Es256.token(&Header::empty().with_key_id("k1"), &claims(change), &es_key()).expect("plain data")
    }

    fn key(keys: &Keys, kid: &str) -> PublicKey {
        match keys.find(Some(kid), NOW) {
            Found::Key(key) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_of_the_provider_is_verified_with_the_key_it_names() {
        let token = es_token(|_| {});
        assert_eq!(inspect(&token, Some(&provider())), Ok(Source::Provider { kid: Some("k1".into()) }));
        let verified = verify_provider(&token, &provider(), &key(&known(&[es_jwk("k1")], NOW), "k1"), NOW).expect("valid");
        assert_eq!(verified.identity.username, "some.one");
        assert_eq!(verified.identity.role, Role::Admin);
    }

    #[test]
    fn an_rsa_key_verifies_rs256_and_nothing_else() {
        let key: StrongKey<RsaPrivateKey> = rsa_key();
        let mut jwk = serde_json::to_value(JsonWebKey::from(&key.to_public_key().into_inner())).expect("plain data");
        jwk["kid"] = "r1".into();
        let keys = known(&[jwk, es_jwk("k1")], NOW);
        let header = Header::empty().with_key_id("r1");
        let token = StrongAlg(Rsa::rs256()).token(&header, &claims(|_| {}), &key).expect("plain data");
        let rsa = self::key(&keys, "r1");
        assert!(verify_provider(&token, &provider(), &rsa, NOW).is_ok());
        assert_eq!(verify_provider(&token, &provider(), &self::key(&keys, "k1"), NOW), Err(Invalid));
        let other_alg = StrongAlg(Rsa::ps256()).token(&header, &claims(|_| {}), &key).expect("plain data");
        assert_eq!(verify_provider(&other_alg, &provider(), &rsa, NOW), Err(Invalid));
        assert_eq!(verify_provider(&es_token(|_| {}), &provider(), &rsa, NOW), Err(Invalid));
    }

    #[test]
    fn issuer_and_audience_of_the_provider_must_be_there_and_right() {
        let keys = known(&[es_jwk("k1")], NOW);
        let verify = |token: &str| verify_provider(token, &provider(), &key(&keys, "k1"), NOW);
        assert!(verify(&es_token(|claims| claims["aud"] = json!(["x", "tickets"]))).is_ok());
        for (claim, value) in [
            ("aud", json!("else")),
            ("aud", Value::Null),
            ("iss", json!("https://else.test")),
            ("iss", Value::Null),
            ("exp", json!(exp(-31))),
            ("nbf", json!(exp(31))),
        ] {
            assert_eq!(verify(&es_token(|claims| claims[claim] = value.clone())), Err(Invalid), "{claim} {value}");
        }
    }

    #[test]
    fn an_unknown_key_is_looked_for_at_most_once_a_minute() {
        let mut keys = known(&[es_jwk("k1")], NOW);
        assert!(matches!(keys.find(Some("k2"), NOW.plus_sec(59)), Found::Unknown));
        assert!(matches!(keys.find(Some("k2"), NOW.plus_sec(60)), Found::Fetch(None)));
        keys.trying(NOW.plus_sec(60));
        assert!(matches!(keys.find(Some("k2"), NOW.plus_sec(61)), Found::Unknown));
    }

    #[test]
    fn old_keys_go_on_while_the_provider_does_not_answer() {
        let mut keys = known(&[es_jwk("k1")], NOW);
        let later = NOW.plus_ms(FRESH_MS);
        assert!(matches!(keys.find(Some("k1"), later), Found::Fetch(Some(_))));
        keys.trying(later);
        keys.fetched(None, later);
        assert!(matches!(keys.find(Some("k1"), later.plus_sec(1)), Found::Key(_)));
        assert!(matches!(keys.find(Some("k1"), later.plus_sec(60)), Found::Fetch(Some(_))));
    }

    #[test]
    fn without_any_keys_a_failure_is_remembered_for_a_second() {
        let mut keys = Keys::default();
        assert!(matches!(keys.find(Some("k1"), NOW), Found::Fetch(None)));
        keys.trying(NOW);
        assert!(matches!(keys.find(Some("k1"), NOW), Found::Fetch(None)));
        keys.fetched(Some(b"not a document"), NOW);
        assert!(matches!(keys.find(Some("k1"), NOW.plus_ms(999)), Found::Unavailable));
        assert!(matches!(keys.find(Some("k1"), NOW.plus_ms(1000)), Found::Fetch(None)));
    }

    #[test]
    fn a_token_without_a_key_id_needs_a_single_key() {
        assert!(matches!(known(&[es_jwk("k1")], NOW).find(None, NOW), Found::Key(_)));
        assert!(matches!(known(&[es_jwk("k1"), es_jwk("k2")], NOW).find(None, NOW), Found::Unknown));
    }

    #[test]
    fn keys_for_something_else_are_left_out_and_their_number_is_bounded() {
        let with = |field: &str, value: &str| {
            let mut jwk = es_jwk("k1");
            jwk[field] = value.into();
            jwk
        };
        let useless =
            [with("use", "enc"), with("alg", "HS256"), with("crv", "P-384"), json!({"kty": "oct", "kid": "k1", "k": "AAEC"})];
        assert!(known(&useless, NOW).by_id.is_empty());
        let many: Vec<_> = (0..100).map(|i| es_jwk(&format!("k{i}"))).collect();
        assert_eq!(known(&many, NOW).by_id.len(), KEYS_MAX);
    }

    /// A fixed 2048-bit test key, made for this test alone.
    fn rsa_key() -> StrongKey<RsaPrivateKey> {
        let jwk: JsonWebKey<'_> = serde_json::from_str(include_str!("test_rsa_key.json")).expect("a key");
        RsaPrivateKey::try_from(&jwk).expect("a key").try_into().expect("2048 bits")
    }
}
