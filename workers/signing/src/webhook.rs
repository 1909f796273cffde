//! Standard Webhooks: how a message is signed and how a signature is checked.
//!
//! A signature is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. A receiver may be sent several,
//! separated by spaces, while a secret is being changed; one that fits is enough.

use std::fmt;

use base64::{Engine, alphabet, engine};
use domain::time::Millis;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header with the message's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of sending, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far a timestamp may be off, in milliseconds.
pub const TOLERANCE_MS: u64 = 300_000;
/// How many signatures of one message are looked at; the rest is ignored.
pub const SIGNATURES_MAX: usize = 8;

const SECRET_PREFIX: &str = "whsec_";
const VERSION_PREFIX: &str = "v1,";
const DIGEST_BYTES: usize = 32;
const SECRET_BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);
const SIGNATURE_BASE64: engine::GeneralPurpose = engine::general_purpose::STANDARD;

/// What signs and checks.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSecret {
    /// It is empty.
    Empty,
    /// What follows `whsec_` is not base64.
    NotBase64,
}

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "must not be empty",
            Self::NotBase64 => "must be base64 after whsec_",
        })
    }
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The timestamp is no number, or too far off.
    Timestamp,
    /// No signature fits.
    Signature,
}

impl Key {
    /// Reads a secret: `whsec_` and base64, or any other text as it is.
    ///
    /// # Errors
    /// It is empty or not base64.
    pub fn from_secret(secret: &str) -> Result<Self, BadSecret> {
        let bytes = match secret.strip_prefix(SECRET_PREFIX) {
            Some(encoded) => SECRET_BASE64.decode(encoded).map_err(|_| BadSecret::NotBase64)?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err(BadSecret::Empty);
        }
        Ok(Self::from_bytes(&bytes))
    }

    /// A key of these bytes: a secret that was read before.
    #[must_use]
    pub fn from_bytes(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// The signature of a message that is sent at `timestamp_sec`, in seconds since 1970.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_sec: u64, body: &[u8]) -> String {
        let digest = self.digest(id, &timestamp_sec.to_string(), body);
        format!("{VERSION_PREFIX}{}", SIGNATURE_BASE64.encode(digest))
    }

    /// The headers of a message that is sent at `now`.
    #[must_use]
    pub fn headers(&self, id: &str, body: &[u8], now: Millis) -> [(&'static str, String); 3] {
        headers(std::slice::from_ref(self), id, body, now)
    }

    /// Checks a message that came with these three headers. How long it takes says nothing about a signature.
    ///
    /// # Errors
    /// The message is not to be believed.
    pub fn verify(&self, id: &str, timestamp: &str, signatures: &str, body: &[u8], now: Millis) -> Result<(), Rejected> {
        let sent_at = timestamp.parse::<u64>().map_err(|_| Rejected::Timestamp)?;
        if now.0.abs_diff(sent_at.saturating_mul(1000)) > TOLERANCE_MS {
            return Err(Rejected::Timestamp);
        }
        let digest = self.digest(id, timestamp, body);
        let given = signatures.split(' ').filter_map(decoded).take(SIGNATURES_MAX);
        let fits = given.fold(0u8, |fits, given| fits | given.ct_eq(&digest).unwrap_u8());
        if fits == 1 { Ok(()) } else { Err(Rejected::Signature) }
    }

    fn digest(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; DIGEST_BYTES] {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The headers of a message that is sent at `now`, with a signature of each key.
#[must_use]
pub fn headers(keys: &[Key], id: &str, body: &[u8], now: Millis) -> [(&'static str, String); 3] {
    let timestamp_sec = now.0 / 1000;
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp_sec, body)).collect();
    [(ID_HEADER, id.to_owned()), (TIMESTAMP_HEADER, timestamp_sec.to_string()), (SIGNATURE_HEADER, signatures.join(" "))]
}

fn decoded(signature: &str) -> Option<[u8; DIGEST_BYTES]> {
    SIGNATURE_BASE64.decode(signature.strip_prefix(VERSION_PREFIX)?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example that the Standard Webhooks libraries are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const NOW: Millis = Millis(1_614_265_330_000);

    fn key() -> Key {
        Key::from_secret(SECRET).unwrap()
    }

    #[test]
    fn the_published_example_is_signed_and_believed() {
        assert_eq!(key().sign(ID, 1_614_265_330, BODY), SIGNATURE);
        assert_eq!(key().verify(ID, TIMESTAMP, SIGNATURE, BODY, NOW), Ok(()));
    }

    #[test]
    fn what_is_sent_is_believed() {
        let [(_, id), (_, timestamp), (_, signature)] = key().headers(ID, BODY, Millis(NOW.0 + 999));
        assert_eq!((id.as_str(), timestamp.as_str(), signature.as_str()), (ID, TIMESTAMP, SIGNATURE));
    }

    #[test]
    fn a_changed_id_timestamp_body_signature_or_secret_is_not_believed() {
        let rejected = Err(Rejected::Signature);
        assert_eq!(key().verify("msg_other", TIMESTAMP, SIGNATURE, BODY, NOW), rejected);
        assert_eq!(key().verify(ID, "1614265331", SIGNATURE, BODY, NOW), rejected);
        assert_eq!(key().verify(ID, TIMESTAMP, SIGNATURE, b"{}", NOW), rejected);
        for signature in
            ["", "v1,", "v1,AAAA", &SIGNATURE[3..], &SIGNATURE.replace("v1,", "v2,"), &SIGNATURE.replace("v1,g", "v1,h")]
        {
            assert_eq!(key().verify(ID, TIMESTAMP, signature, BODY, NOW), rejected, "{signature}");
        }
        let other = Key::from_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").unwrap();
        assert_eq!(other.verify(ID, TIMESTAMP, SIGNATURE, BODY, NOW), rejected);
    }

    #[test]
    fn one_of_several_signatures_is_enough() {
        let signatures = format!("v1a,xyz v1,AAAA {SIGNATURE}");
        assert_eq!(key().verify(ID, TIMESTAMP, &signatures, BODY, NOW), Ok(()));
    }

    #[test]
    fn a_message_of_two_keys_is_believed_by_each() {
        let other = Key::from_secret("another secret").unwrap();
        let [(_, id), (_, timestamp), (_, signatures)] = headers(&[other.clone(), key()], ID, BODY, NOW);
        for key in [key(), other] {
            assert_eq!(key.verify(&id, &timestamp, &signatures, BODY, NOW), Ok(()));
        }
    }

    #[test]
    fn a_timestamp_may_be_five_minutes_off_either_way_and_no_more() {
        for now in [NOW.0 - TOLERANCE_MS, NOW.0 + TOLERANCE_MS] {
            assert_eq!(key().verify(ID, TIMESTAMP, SIGNATURE, BODY, Millis(now)), Ok(()));
        }
        for now in [NOW.0 - TOLERANCE_MS - 1, NOW.0 + TOLERANCE_MS + 1] {
            assert_eq!(key().verify(ID, TIMESTAMP, SIGNATURE, BODY, Millis(now)), Err(Rejected::Timestamp));
        }
        for timestamp in ["", "soon", "-1", "1614265330.5", "99999999999999999999"] {
            assert_eq!(key().verify(ID, timestamp, SIGNATURE, BODY, NOW), Err(Rejected::Timestamp), "{timestamp}");
        }
    }

    #[test]
    fn a_secret_without_the_prefix_is_taken_as_it_is_and_padding_may_be_left_out() {
        let raw = Key::from_secret("a plain secret").unwrap();
        let encoded = Key::from_secret("whsec_YSBwbGFpbiBzZWNyZXQ").unwrap();
        assert_eq!(raw.sign(ID, 1, BODY), encoded.sign(ID, 1, BODY));
    }

    #[test]
    fn no_secret_is_no_key() {
        assert_eq!(Key::from_secret("").err(), Some(BadSecret::Empty));
        assert_eq!(Key::from_secret("whsec_").err(), Some(BadSecret::Empty));
        assert_eq!(Key::from_secret("whsec_not base64!").err(), Some(BadSecret::NotBase64));
    }
}
