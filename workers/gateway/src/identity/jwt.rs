//! JSON Web Tokens: our own (HS256) and those of the OpenID provider (RS256, ES256).
//!
//! The algorithm is decided by the issuer and its key, never by the token. Tokens of our own may lack `iss` and `aud`,
//! since independent clients that know `JWT_SECRET` make them too; what is there must be right.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{id::UserId, time::Millis};
use jwt_compact::{
    AlgorithmExt, Claims, Header, TimeOptions, UntrustedToken,
    alg::{Es256, Hs256, Hs256Key, Rsa, RsaPublicKey, StrongAlg, StrongKey},
};
use serde::{Deserialize, Serialize};

use super::{Identity, Role};
use crate::config::{Config, Oidc, Secret};

/// `iss` and `aud` of our own tokens.
pub const OURS: &str = "traffic-tacos";
/// How long a token of our own is valid, in seconds.
pub const TTL_SEC: u64 = 86_400;
/// How far clocks may differ, in seconds.
const LEEWAY_SEC: u64 = 30;
/// Longest token that is looked at, in bytes.
const TOKEN_MAX_BYTES: usize = 8 * 1024;

type EsVerifyingKey = <Es256 as jwt_compact::Algorithm>::VerifyingKey;

/// The token is malformed, forged, over, or not for us. Which one is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// A token that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub identity: Identity,
    /// The last instant at which it counts, leeway included.
    pub expires_at: Millis,
}

/// A public key of the OpenID provider. Its kind decides the algorithm.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// At least 2048 bits.
    Rs256(StrongKey<RsaPublicKey>),
    /// On P-256.
    Es256(EsVerifyingKey),
}

/// Whose token it claims to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Ours.
    Own,
    /// The provider's, signed with the key of this id.
    Provider {
        /// Absent where the provider has one key and does not name it.
        kid: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Issuer {
    #[serde(default)]
    iss: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

#[derive(Deserialize)]
struct Presented {
    sub: String,
    username: Option<String>,
    /// What providers call it.
    preferred_username: Option<String>,
    #[serde(default)]
    role: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
}

#[derive(Serialize)]
struct Issued<'a> {
    sub: &'a str,
    username: &'a str,
    role: Role,
    iss: &'a str,
    aud: &'a str,
}

/// A token of our own for `identity`: the same text for the same second, always.
#[must_use]
pub fn sign(identity: &Identity, secret: &Secret, issued_at: Millis) -> String {
    let custom = Issued { sub: &identity.sub.0, username: &identity.username, role: identity.role, iss: OURS, aud: OURS };
    let mut claims = Claims::new(custom);
    claims.issued_at = Some(instant(issued_at));
    claims.expiration = Some(instant(issued_at.plus_sec(TTL_SEC)));
    let header = Header::empty().with_token_type("JWT");
    Hs256.token(&header, &claims, &Hs256Key::new(secret.bytes())).expect("claims are plain data")
}

/// Whose token this claims to be, before anything is believed.
///
/// # Errors
/// It is no token, or of an issuer that is not accepted.
pub fn inspect(token: &str, oidc: Option<&Oidc>) -> Result<Source, Invalid> {
    let token = parse(token)?;
    let claims = token.deserialize_claims_unchecked::<Issuer>().map_err(|_| Invalid)?;
    match claims.custom.iss.as_deref() {
        None | Some(OURS) => Ok(Source::Own),
        Some(issuer) if oidc.is_some_and(|oidc| oidc.issuer == issuer) => {
            Ok(Source::Provider { kid: token.header().key_id.clone() })
        }
        Some(_) => Err(Invalid),
    }
}

/// Verifies a token of our own at `now`.
///
/// # Errors
/// It does not hold.
pub fn verify_own(token: &str, config: &Config, now: Millis) -> Result<Verified, Invalid> {
    let token = parse(token)?;
    let key = Hs256Key::new(config.jwt_secret.bytes());
    let verified = Hs256.validator::<Presented>(&key).validate(&token).map_err(|_| Invalid)?;
    let claims = verified.claims();
    let addressed = |audience: &Audience| audience.names(OURS);
    let ours = claims.custom.iss.as_deref().is_none_or(|iss| iss == OURS);
    if !ours || !claims.custom.aud.as_ref().is_none_or(addressed) {
        return Err(Invalid);
    }
    accept(claims, now)
}

/// Verifies a token of the provider at `now` with one of its keys.
///
/// # Errors
/// It does not hold.
pub fn verify_provider(token: &str, oidc: &Oidc, key: &PublicKey, now: Millis) -> Result<Verified, Invalid> {
    let token = parse(token)?;
    let verified = match key {
        PublicKey::Rs256(key) => StrongAlg(Rsa::rs256()).validator::<Presented>(key).validate(&token),
        PublicKey::Es256(key) => Es256.validator::<Presented>(key).validate(&token),
    };
    let verified = verified.map_err(|_| Invalid)?;
    let claims = verified.claims();
    let addressed = |audience: &Audience| audience.names(&oidc.audience);
    if claims.custom.iss.as_deref() != Some(&oidc.issuer) || !claims.custom.aud.as_ref().is_some_and(addressed) {
        return Err(Invalid);
    }
    accept(claims, now)
}

fn parse(token: &str) -> Result<UntrustedToken<'_>, Invalid> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(Invalid);
    }
    UntrustedToken::new(token).map_err(|_| Invalid)
}

fn accept(claims: &Claims<Presented>, now: Millis) -> Result<Verified, Invalid> {
    let clock = TimeOptions::new(TimeDelta::seconds(LEEWAY_SEC as i64), || instant(now));
    claims.validate_expiration(&clock).map_err(|_| Invalid)?;
    if claims.not_before.is_some() {
        claims.validate_maturity(&clock).map_err(|_| Invalid)?;
    }
    let custom = &claims.custom;
    let expires_at = claims.expiration.and_then(|at| u64::try_from(at.timestamp_millis()).ok()).ok_or(Invalid)?;
    let identity = Identity {
        sub: UserId::parse(&custom.sub).ok_or(Invalid)?,
        username: custom.username.as_ref().or(custom.preferred_username.as_ref()).cloned().unwrap_or_default(),
        role: if custom.role.as_deref() == Some("admin") { Role::Admin } else { Role::User },
    };
    Ok(Verified { identity, expires_at: Millis(expires_at).plus_sec(LEEWAY_SEC) })
}

fn instant(at: Millis) -> DateTime<Utc> {
    i64::try_from(at.0).ok().and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    pub(crate) const NOW: Millis = Millis(1_795_000_000_000);
    const SECRET: &str = "q7Gd0xKz-3mVt9_PfW2hLr8YbNc5JsEa";

    fn config() -> Config {
        let vars = [("JWT_SECRET", SECRET), ("PAYMENT_WEBHOOK_SECRET", "Zk4uHw1RoD6_ivT-xQ9gMy0CjBn2SlXe")];
        Config::read(|name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())).expect("valid")
    }

    fn someone() -> Identity {
        Identity { sub: UserId("8d3f3f52-5d0e-4b8c-9d0a-000000000001".into()), username: "user01".into(), role: Role::User }
    }

    pub(crate) fn exp(sec_from_now: i64) -> i64 {
        (NOW.0 / 1000) as i64 + sec_from_now
    }

    fn signed(claims: &Value) -> String {
        let claims: Claims<Value> = serde_json::from_value(claims.clone()).expect("claims");
        Hs256.token(&Header::empty(), &claims, &Hs256Key::new(SECRET.as_bytes())).expect("plain data")
    }

    fn verify(claims: Value) -> Result<Verified, Invalid> {
        verify_own(&signed(&claims), &config(), NOW)
    }

    #[test]
    fn a_token_of_our_own_comes_back_as_whom_it_was_made_for() {
        let token = sign(&someone(), &config().jwt_secret, NOW);
        let verified = verify_own(&token, &config(), NOW.plus_sec(TTL_SEC)).expect("valid until its last second");
        assert_eq!(verified.identity, someone());
        assert_eq!(verified.expires_at, NOW.plus_sec(TTL_SEC + 30));
        assert_eq!(inspect(&token, None), Ok(Source::Own));
    }

    #[test]
    fn signing_again_gives_the_same_text() {
        let secret = config().jwt_secret;
        assert_eq!(sign(&someone(), &secret, NOW), sign(&someone(), &secret, Millis(NOW.0 + 999)));
    }

    #[test]
    fn issuer_and_audience_may_be_absent_but_not_wrong() {
        assert!(verify(json!({"sub": "u", "exp": exp(60)})).is_ok());
        assert!(verify(json!({"sub": "u", "exp": exp(60), "iss": OURS, "aud": ["x", OURS]})).is_ok());
        assert_eq!(verify(json!({"sub": "u", "exp": exp(60), "iss": "https://else.test"})), Err(Invalid));
        assert_eq!(verify(json!({"sub": "u", "exp": exp(60), "aud": "else"})), Err(Invalid));
        assert_eq!(verify(json!({"sub": "u", "exp": exp(60), "aud": []})), Err(Invalid));
        let foreign = signed(&json!({"sub": "u", "exp": exp(60), "iss": "https://else.test"}));
        assert_eq!(inspect(&foreign, None), Err(Invalid));
    }

    #[test]
    fn an_expiry_is_required_and_has_thirty_seconds_of_leeway() {
        assert_eq!(verify(json!({"sub": "u"})), Err(Invalid));
        assert!(verify(json!({"sub": "u", "exp": exp(-30)})).is_ok());
        assert_eq!(verify(json!({"sub": "u", "exp": exp(-31)})), Err(Invalid));
    }

    #[test]
    fn a_token_does_not_count_before_its_time() {
        assert!(verify(json!({"sub": "u", "exp": exp(60), "nbf": exp(30)})).is_ok());
        assert_eq!(verify(json!({"sub": "u", "exp": exp(90), "nbf": exp(31)})), Err(Invalid));
    }

    #[test]
    fn somebody_must_be_named() {
        assert_eq!(verify(json!({"exp": exp(60)})), Err(Invalid));
        assert_eq!(verify(json!({"sub": "", "exp": exp(60)})), Err(Invalid));
    }

    #[test]
    fn only_the_role_admin_makes_an_admin() {
        let role = |claims| verify(claims).map(|verified| verified.identity.role);
        assert_eq!(role(json!({"sub": "u", "exp": exp(60), "role": "admin"})), Ok(Role::Admin));
        assert_eq!(role(json!({"sub": "u", "exp": exp(60), "role": "ADMIN"})), Ok(Role::User));
        assert_eq!(role(json!({"sub": "u", "exp": exp(60)})), Ok(Role::User));
    }

    fn by_hand(header: &Value, claims: &Value, signature: &[u8]) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn the_token_cannot_choose_its_algorithm() {
        let claims = json!({"sub": "u", "exp": exp(60)});
        for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", ""] {
            for signature in [&[][..], &[0; 32], &[0; 64]] {
                let token = by_hand(&json!({"alg": alg, "typ": "JWT"}), &claims, signature);
                assert_eq!(verify_own(&token, &config(), NOW), Err(Invalid), "{alg}");
            }
        }
    }

    #[test]
    fn another_key_or_another_claim_is_refused() {
        let token = sign(&someone(), &Secret::from("another secret of more than 32 bytes"), NOW);
        assert_eq!(verify_own(&token, &config(), NOW), Err(Invalid));
        let token = sign(&someone(), &config().jwt_secret, NOW);
        let (head, signature) = token.rsplit_once('.').expect("three parts");
        let (header, _) = head.split_once('.').expect("three parts");
        let admin = URL_SAFE_NO_PAD.encode(json!({"sub": "u", "exp": exp(60), "role": "admin"}).to_string());
        assert_eq!(verify_own(&format!("{header}.{admin}.{signature}"), &config(), NOW), Err(Invalid));
        assert_eq!(verify_own(&format!("{header}.{admin}."), &config(), NOW), Err(Invalid));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", ".", "..", "a.b.c", "a.b.c.d", &"a".repeat(10_000)] {
            assert_eq!(inspect(text, None), Err(Invalid), "{text}");
            assert_eq!(verify_own(text, &config(), NOW), Err(Invalid), "{text}");
        }
    }
}
