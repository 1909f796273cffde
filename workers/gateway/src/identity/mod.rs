//! Who is calling.

pub mod jwt;
pub mod oidc;
pub mod password;

use std::collections::{BTreeMap, BTreeSet};

use domain::{id::UserId, time::Millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shell::clock;

use self::{
    jwt::{Invalid, PublicKey, Source, Verified},
    oidc::Found,
};
use crate::{
    config::{Config, Oidc},
    isolate,
};

/// What somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buy.
    #[default]
    User,
    /// Organise.
    Admin,
}

/// Whom a valid JWT speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's id.
    pub sub: UserId,
    /// For people; empty where the provider sends none.
    pub username: String,
    pub role: Role,
}

/// What the `Authorization` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// Nothing.
    Nobody,
    /// A valid JWT.
    Valid(Identity),
    /// Something that is not a valid JWT.
    Invalid,
    /// It cannot be verified just now: the OpenID provider does not answer, for this reason.
    Unverifiable(String),
}

/// Reads and verifies the `Authorization` header. A token that was verified before costs one hash.
pub async fn present(header: Option<&str>, config: &Config, now: Millis) -> Presented {
    let Some(header) = header.map(str::trim).filter(|header| !header.is_empty()) else { return Presented::Nobody };
    let Some(token) = bearer(header) else { return Presented::Invalid };
    let digest = Sha256::digest(token.as_bytes()).into();
    if let Some(identity) = isolate::verified(|verified| verified.get(&digest, now)) {
        return Presented::Valid(identity);
    }
    match verify(token, config, now).await {
        Ok(verified) => {
            let identity = verified.identity.clone();
            isolate::verified(|cache| cache.insert(digest, verified, now));
            Presented::Valid(identity)
        }
        Err(Unverified::Invalid) => Presented::Invalid,
        Err(Unverified::Unavailable(why)) => Presented::Unverifiable(why),
    }
}

/// The token of `Bearer <token>`.
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Why a token was not verified.
enum Unverified {
    Invalid,
    Unavailable(String),
}

impl From<Invalid> for Unverified {
    fn from(_: Invalid) -> Self {
        Self::Invalid
    }
}

async fn verify(token: &str, config: &Config, now: Millis) -> Result<Verified, Unverified> {
    let provider = config.oidc.as_ref();
    match (jwt::inspect(token, provider)?, provider) {
        (Source::Provider { kid }, Some(provider)) => {
            let key = provider_key(provider, kid.as_deref(), now).await?;
            Ok(jwt::verify_provider(token, provider, &key, now)?)
        }
        (Source::Own | Source::Provider { .. }, _) => Ok(jwt::verify_own(token, config, now)?),
    }
}

async fn provider_key(provider: &Oidc, kid: Option<&str>, now: Millis) -> Result<PublicKey, Unverified> {
    let stale = match isolate::keys(|keys| keys.find(kid, now)) {
        Found::Key(key) => return Ok(key),
        Found::Unknown => return Err(Unverified::Invalid),
        Found::Unavailable => return Err(Unverified::Unavailable("the provider did not answer a moment ago".to_owned())),
        Found::Fetch(stale) => stale,
    };
    isolate::keys(|keys| keys.trying(now));
    let document = oidc::fetch(&provider.jwks_url).await;
    isolate::keys(|keys| keys.fetched(document.as_deref().ok(), clock::now()));
    match (isolate::keys(|keys| keys.find(kid, now)), stale, document) {
        (Found::Key(key), _, _) | (_, Some(key), _) => Ok(key),
        (Found::Unknown, None, _) => Err(Unverified::Invalid),
        (_, None, Err(why)) => Err(Unverified::Unavailable(why.to_string())),
        (_, None, Ok(_)) => Err(Unverified::Unavailable("the provider sent no key document".to_owned())),
    }
}

/// Longest time for which a verified token is believed without verifying it again, in milliseconds: so that a key that
/// the provider withdrew does not count much longer.
const VERIFIED_MS: u64 = 300_000;
/// Most verified tokens that are kept: 20,000 of about 200 bytes are 4 MB.
const VERIFIED_MAX: usize = 20_000;

/// Tokens that were verified, by their SHA-256. The one that is over first is forgotten first.
#[derive(Debug, Default)]
pub struct VerifiedTokens {
    by_digest: BTreeMap<[u8; 32], (Identity, Millis)>,
    by_end: BTreeSet<(Millis, [u8; 32])>,
}

impl VerifiedTokens {
    /// Whom the token with this digest speaks for, if it was verified and still counts.
    #[must_use]
    pub fn get(&self, digest: &[u8; 32], now: Millis) -> Option<Identity> {
        self.by_digest.get(digest).filter(|(_, until)| now <= *until).map(|(identity, _)| identity.clone())
    }

    /// Keeps a token that was verified at `now`.
    pub fn insert(&mut self, digest: [u8; 32], verified: Verified, now: Millis) {
        let until = verified.expires_at.min(now.plus_ms(VERIFIED_MS));
        if let Some((_, old)) = self.by_digest.insert(digest, (verified.identity, until)) {
            self.by_end.remove(&(old, digest));
        }
        self.by_end.insert((until, digest));
        while self.by_end.len() > VERIFIED_MAX || self.by_end.first().is_some_and(|(until, _)| *until < now) {
            let Some((_, digest)) = self.by_end.pop_first() else { break };
            self.by_digest.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(expires_at: Millis) -> Verified {
        let identity = Identity { sub: UserId("u".into()), username: String::new(), role: Role::User };
        Verified { identity, expires_at }
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        for wrong in ["abc", "Basic abc", "Bearer", "Bearer "] {
            assert_eq!(bearer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_verified_token_is_believed_until_its_end_and_at_most_five_minutes() {
        let mut tokens = VerifiedTokens::default();
        tokens.insert([1; 32], verified(Millis(1000)), Millis(0));
        tokens.insert([2; 32], verified(Millis(1_000_000)), Millis(0));
        assert!(tokens.get(&[1; 32], Millis(1000)).is_some() && tokens.get(&[1; 32], Millis(1001)).is_none());
        assert!(tokens.get(&[2; 32], Millis(300_000)).is_some() && tokens.get(&[2; 32], Millis(300_001)).is_none());
        assert!(tokens.get(&[3; 32], Millis(0)).is_none());
    }

    #[test]
    fn verified_tokens_are_bounded() {
        let mut tokens = VerifiedTokens::default();
        for i in 0..=VERIFIED_MAX as u64 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&i.to_be_bytes());
            tokens.insert(digest, verified(Millis(1000 + i)), Millis(0));
        }
        assert_eq!((tokens.by_digest.len(), tokens.by_end.len()), (VERIFIED_MAX, VERIFIED_MAX));
        assert!(tokens.get(&[0; 32], Millis(0)).is_none());
    }
}
