//! Settings of the Worker, read once per isolate from its variables and secrets.
//!
//! | Variable | Meaning | Absent |
//! |---|---|---|
//! | `ENVIRONMENT` | `development` allows weak secrets, any origin and seeded users | production |
//! | `JWT_SECRET` | signs our own tokens; UTF-8, at least 32 bytes | refused; a known one in development |
//! | `PAYMENT_WEBHOOK_SECRET` | signs the provider's webhooks; `whsec_` + base64, or UTF-8 | refused; a known one in development |
//! | `TOKEN_KEYS` | `2:<base64>,1:<base64>`: the first signs waiting, reservation and ticket tokens, all verify | version 0, derived from `JWT_SECRET` |
//! | `OIDC_ISSUER`, `OIDC_AUDIENCE`, `OIDC_JWKS_URL` | the OpenID provider; all three or none | none |
//! | `ALLOWED_ORIGINS` | comma list for CORS; `*` only in development | none; `*` in development |
//! | `SOCKETS_PER_ADDRESS` | sockets from one address at one live object; 0 switches it off | 500, 0 in development |
//! | `NEWCOMERS_MAX` | joins that an isolate serves at once | 2048 |
//! | `RATE_LIMIT_RPS`, `RATE_LIMIT_BURST` | token bucket per caller; RPS 0 switches it off | 50, 2 × RPS |
//! | `IDEMPOTENCY_TTL_SEC` | how long a record is kept | 300 |
//! | `PAYMENT_PROVIDER` | who takes money: `simulator`; outside development only together with `ALLOW_SIMULATOR=yes` | none; the simulator in development |
//! | `PAYMENT_DELAY_MS`, `PAYMENT_APPROVE_RATE` | the provider simulator | 2000, 0.8 |
//! | `METRICS_TOKEN` | bearer that `/metrics` asks for | open |

use std::fmt;

use base64::{Engine, alphabet, engine};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shell::DEVELOPMENT_WEBHOOK_SECRET;

use crate::concurrency::IN_FLIGHT_MAX;

/// Shortest secret outside development, in bytes.
pub const SECRET_MIN_BYTES: usize = 32;
/// Shortest secret in the `whsec_` form, in bytes after decoding: what Standard Webhooks asks for.
pub const WEBHOOK_SECRET_MIN_BYTES: usize = 24;
/// The secret of our own tokens in development, where none is set.
pub const DEVELOPMENT_JWT_SECRET: &str = "development-only-jwt-secret-do-not-deploy";

/// With or without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// Parts of secrets that are printed in tutorials and examples, in lower case.
const WELL_KNOWN: &[&str] = &[
    "development",
    "changeme",
    "change-me",
    "change_me",
    "change-this",
    "change_this",
    "your-secret",
    "your_secret",
    "yoursecret",
    "your-256-bit-secret",
    "secret-key",
    "secret_key",
    "secretkey",
    "jwt-secret",
    "jwt_secret",
    "supersecret",
    "super-secret",
    "super_secret",
    "mysecret",
    "my-secret",
    "my_secret",
    "example",
    "placeholder",
    "password",
    "traffic-tacos",
    "do-not-use",
    "test-secret",
    "dev-secret",
    "default",
    "0123456789",
    "abcdefgh",
];

/// A secret that never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Another secret for another purpose, from which this one cannot be found.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        Self(mac.finalize().into_bytes().to_vec())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A key for waiting, reservation and ticket tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// Which one; tokens name it.
    pub kid: u32,
    pub secret: Secret,
}

/// An OpenID provider whose tokens are accepted beside our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: String,
}

/// Who may read answers from a page of another origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Everybody; only in development.
    Any,
    /// These, written as browsers send them.
    Listed(Vec<String>),
}

impl Origins {
    /// Whether a page of `origin` may.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.iter().any(|listed| listed == origin),
        }
    }
}

/// A token bucket's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a second.
    pub rps: u32,
    /// Requests at once.
    pub burst: u32,
}

/// Who takes money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Nobody: nothing can be paid.
    None,
    /// The built-in simulator, which approves whatever it is told to.
    Simulator,
}

impl Provider {
    /// Its name in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Simulator => "simulator",
        }
    }
}

/// The settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Weak secrets, any origin and webhooks without https are allowed.
    pub development: bool,
    pub jwt_secret: Secret,
    pub payment_webhook_secret: Secret,
    /// Never empty; the first one signs.
    pub token_keys: Vec<TokenKey>,
    pub oidc: Option<Oidc>,
    pub allowed_origins: Origins,
    /// Absent where it is switched off.
    pub rate_limit: Option<RateLimit>,
    /// Newcomers whom an isolate serves at once; at least 1.
    pub newcomers_max: u32,
    pub idempotency_ttl_ms: u64,
    pub payment_provider: Provider,
    pub payment_delay_ms: u64,
    /// How many of 1000 intents the scenario `random` approves.
    pub payment_approve_permille: u32,
    pub metrics_token: Option<Secret>,
}

impl Config {
    /// Reads the settings through `var`, for which an empty variable is the same as an absent one.
    ///
    /// # Errors
    /// What is wrong with each variable, by name and never by value.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let development = var("ENVIRONMENT").as_deref() == Some("development");

        let jwt_secret = secret("JWT_SECRET", var("JWT_SECRET"), DEVELOPMENT_JWT_SECRET, development, &mut problems);
        let payment_webhook_secret = secret(
            "PAYMENT_WEBHOOK_SECRET",
            var("PAYMENT_WEBHOOK_SECRET"),
            DEVELOPMENT_WEBHOOK_SECRET,
            development,
            &mut problems,
        );
        let token_keys = match var("TOKEN_KEYS") {
            None => vec![TokenKey { kid: 0, secret: jwt_secret.derive("traffic-tacos token key") }],
            Some(text) => token_keys(&text, development).unwrap_or_else(|problem| {
                problems.push(format!("TOKEN_KEYS {problem}"));
                Vec::new()
            }),
        };
        let oidc = match (var("OIDC_ISSUER"), var("OIDC_AUDIENCE"), var("OIDC_JWKS_URL")) {
            (None, None, None) => None,
            (Some(issuer), Some(audience), Some(jwks_url)) => {
                if !development && !jwks_url.starts_with("https://") {
                    problems.push("OIDC_JWKS_URL must be https".to_owned());
                }
                Some(Oidc { issuer, audience, jwks_url })
            }
            _ => {
                problems.push("OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS_URL must be set together".to_owned());
                None
            }
        };
        let allowed_origins = origins(var("ALLOWED_ORIGINS").as_deref(), development, &mut problems);

        let mut number = |name: &str, default: u32| match var(name).map(|value| value.trim().parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                problems.push(format!("{name} must be a whole number"));
                default
            }
        };
        let rps = number("RATE_LIMIT_RPS", 50);
        let burst = number("RATE_LIMIT_BURST", rps.saturating_mul(2)).max(1);
        let newcomers_max = number("NEWCOMERS_MAX", IN_FLIGHT_MAX).max(1);
        let idempotency_ttl_sec = number("IDEMPOTENCY_TTL_SEC", 300);
        let payment_delay_ms = number("PAYMENT_DELAY_MS", 2000);
        let payment_approve_permille = permille(var("PAYMENT_APPROVE_RATE").as_deref()).unwrap_or_else(|| {
            problems.push("PAYMENT_APPROVE_RATE must be a number from 0 to 1".to_owned());
            800
        });
        let payment_provider = match var("PAYMENT_PROVIDER").as_deref().map(str::trim) {
            None if development => Provider::Simulator,
            None => Provider::None,
            Some("simulator") => {
                if !development && var("ALLOW_SIMULATOR").as_deref() != Some("yes") {
                    problems.push("PAYMENT_PROVIDER simulator needs ALLOW_SIMULATOR=yes outside development".to_owned());
                }
                Provider::Simulator
            }
            Some(_) => {
                problems.push("PAYMENT_PROVIDER must be simulator, or not set".to_owned());
                Provider::None
            }
        };
        let config = Self {
            development,
            jwt_secret,
            payment_webhook_secret,
            token_keys,
            oidc,
            allowed_origins,
            rate_limit: (rps > 0).then_some(RateLimit { rps, burst }),
            newcomers_max,
            idempotency_ttl_ms: u64::from(idempotency_ttl_sec) * 1000,
            payment_provider,
            payment_delay_ms: u64::from(payment_delay_ms),
            payment_approve_permille,
            metrics_token: var("METRICS_TOKEN").as_deref().map(Secret::from),
        };
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

fn secret(name: &str, value: Option<String>, fallback: &str, development: bool, problems: &mut Vec<String>) -> Secret {
    let Some(value) = value else {
        if !development {
            problems.push(format!("{name} is missing"));
        }
        return Secret::from(fallback);
    };
    let (bytes, min_bytes) = match value.strip_prefix("whsec_").map(|text| BASE64.decode(text)) {
        Some(Ok(bytes)) => (bytes, WEBHOOK_SECRET_MIN_BYTES),
        Some(Err(_)) => {
            problems.push(format!("{name} is not base64 behind whsec_"));
            return Secret::from(fallback);
        }
        None => (value.clone().into_bytes(), SECRET_MIN_BYTES),
    };
    if bytes.is_empty() {
        problems.push(format!("{name} is empty"));
    } else if !development {
        if bytes.len() < min_bytes {
            problems.push(format!("{name} is shorter than {min_bytes} bytes"));
        } else if is_well_known(&value) || is_monotonous(&bytes) {
            problems.push(format!("{name} is a well-known or guessable secret"));
        }
    }
    Secret(bytes)
}

fn is_well_known(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    WELL_KNOWN.iter().any(|known| value.contains(known))
}

/// Fewer than eight different bytes: `aaaa…`, `12341234…`.
fn is_monotonous(bytes: &[u8]) -> bool {
    bytes.iter().collect::<std::collections::BTreeSet<_>>().len() < 8
}

fn token_keys(text: &str, development: bool) -> Result<Vec<TokenKey>, String> {
    let mut keys: Vec<TokenKey> = Vec::new();
    for part in text.split(',') {
        let (kid, secret) = part.trim().split_once(':').ok_or("must be version:base64, …")?;
        let kid: u32 = kid.parse().map_err(|_| "must begin each key with its version, a whole number")?;
        let secret = BASE64.decode(secret).map_err(|_| "must have base64 behind each version")?;
        if !development && (secret.len() < SECRET_MIN_BYTES || is_monotonous(&secret)) {
            return Err(format!("must have keys of at least {SECRET_MIN_BYTES} random bytes"));
        }
        if keys.iter().any(|key| key.kid == kid) {
            return Err("names a version twice".to_owned());
        }
        keys.push(TokenKey { kid, secret: Secret(secret) });
    }
    Ok(keys)
}

fn origins(list: Option<&str>, development: bool, problems: &mut Vec<String>) -> Origins {
    match list.map(str::trim) {
        None if development => Origins::Any,
        Some("*") if development => Origins::Any,
        Some("*") => {
            problems.push("ALLOWED_ORIGINS may be * only in development".to_owned());
            Origins::Listed(Vec::new())
        }
        list => {
            let listed = list.unwrap_or_default().split(',').map(|origin| origin.trim().trim_end_matches('/'));
            Origins::Listed(listed.filter(|origin| !origin.is_empty()).map(str::to_owned).collect())
        }
    }
}

fn permille(rate: Option<&str>) -> Option<u32> {
    let rate: f64 = rate.unwrap_or("0.8").trim().parse().ok()?;
    (0.0..=1.0).contains(&rate).then(|| (rate * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "q7Gd0xKz-3mVt9_PfW2hLr8YbNc5JsEa";
    const GOOD_TOO: &str = "Zk4uHw1RoD6_ivT-xQ9gMy0CjBn2SlXe";

    fn read(vars: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::read(|name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned()))
    }

    fn production(more: &[(&'static str, &'static str)]) -> Result<Config, Vec<String>> {
        let mut vars = more.to_vec();
        vars.extend([("JWT_SECRET", GOOD), ("PAYMENT_WEBHOOK_SECRET", GOOD_TOO)]);
        read(&vars)
    }

    #[test]
    fn outside_development_a_missing_short_or_well_known_secret_is_refused() {
        assert_eq!(read(&[]).map_err(|problems| problems.len()), Err(2));
        let long_but_known = "your-256-bit-secret-your-256-bit-secret";
        for secret in
            ["x7q", &GOOD[..31], long_but_known, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", DEVELOPMENT_JWT_SECRET, "whsec_%"]
        {
            let result = read(&[("JWT_SECRET", secret), ("PAYMENT_WEBHOOK_SECRET", GOOD)]);
            assert!(result.is_err_and(|problems| problems.len() == 1 && !problems[0].contains(secret)), "{secret}");
            assert!(read(&[("JWT_SECRET", GOOD), ("PAYMENT_WEBHOOK_SECRET", secret)]).is_err(), "{secret}");
        }
        assert!(production(&[]).is_ok());
        assert!(production(&[("ENVIRONMENT", "Development")]).is_ok_and(|config| !config.development));
    }

    #[test]
    fn development_needs_no_secret_and_takes_any() {
        let config = read(&[("ENVIRONMENT", "development")]).expect("nothing is needed");
        assert_eq!(config.jwt_secret, Secret::from(DEVELOPMENT_JWT_SECRET));
        assert_eq!(config.allowed_origins, Origins::Any);
        let config = read(&[("ENVIRONMENT", "development"), ("JWT_SECRET", "short")]).expect("any is taken");
        assert_eq!(config.jwt_secret, Secret::from("short"));
    }

    #[test]
    fn a_whsec_secret_is_decoded() {
        let config = read(&[("ENVIRONMENT", "development"), ("PAYMENT_WEBHOOK_SECRET", "whsec_AAEC")]).expect("valid");
        assert_eq!(config.payment_webhook_secret.bytes(), [0, 1, 2]);
        let refused = |secret| read(&[("ENVIRONMENT", "development"), ("PAYMENT_WEBHOOK_SECRET", secret)]).is_err();
        assert!(refused("whsec_%") && refused("whsec_") && !refused("whsec_AAE"));
    }

    #[test]
    fn the_first_token_key_signs_and_all_are_kept() {
        let keys = "2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
        let config = production(&[("TOKEN_KEYS", keys)]).expect("valid");
        assert_eq!(config.token_keys.iter().map(|key| key.kid).collect::<Vec<_>>(), [2, 1]);
        for wrong in ["", "1", "x:AAEC", "1:%", "1:AAEC", "1:AAEC,1:AAEC"] {
            let refused = production(&[("TOKEN_KEYS", Box::leak(wrong.to_owned().into_boxed_str()))]).is_err();
            assert_eq!(refused, !wrong.is_empty(), "{wrong}");
        }
    }

    #[test]
    fn the_derived_token_key_differs_from_the_secret_it_comes_from() {
        let config = production(&[]).expect("valid");
        assert_eq!(config.token_keys[0].kid, 0);
        assert_ne!(config.token_keys[0].secret, config.jwt_secret);
    }

    #[test]
    fn an_openid_provider_is_set_in_whole_and_over_https() {
        assert!(production(&[("OIDC_ISSUER", "https://id.test")]).is_err());
        let whole = |url| [("OIDC_ISSUER", "https://id.test"), ("OIDC_AUDIENCE", "tickets"), ("OIDC_JWKS_URL", url)];
        assert!(production(&whole("https://id.test/keys")).is_ok_and(|config| config.oidc.is_some()));
        assert!(production(&whole("http://id.test/keys")).is_err());
    }

    #[test]
    fn any_origin_is_allowed_in_development_only() {
        assert!(production(&[("ALLOWED_ORIGINS", "*")]).is_err());
        let config = production(&[("ALLOWED_ORIGINS", "https://a.test/, https://b.test")]).expect("valid");
        assert!(config.allowed_origins.allow("https://a.test") && config.allowed_origins.allow("https://b.test"));
        assert!(!config.allowed_origins.allow("https://c.test") && !config.allowed_origins.allow("null"));
    }

    #[test]
    fn zero_requests_a_second_switch_the_limit_off() {
        assert_eq!(production(&[]).expect("valid").rate_limit, Some(RateLimit { rps: 50, burst: 100 }));
        assert_eq!(production(&[("RATE_LIMIT_RPS", "0")]).expect("valid").rate_limit, None);
        assert!(production(&[("RATE_LIMIT_RPS", "many")]).is_err());
    }

    #[test]
    fn outside_development_nobody_takes_money_unless_named() {
        let provider = |vars: &[(&'static str, &'static str)]| production(vars).map(|config| config.payment_provider);
        assert_eq!(provider(&[]), Ok(Provider::None));
        let allowed = [("PAYMENT_PROVIDER", "simulator"), ("ALLOW_SIMULATOR", "yes")];
        assert_eq!(provider(&allowed), Ok(Provider::Simulator));
        for refused in
            [[("PAYMENT_PROVIDER", "simulator"), ("ALLOW_SIMULATOR", "true")], [("PAYMENT_PROVIDER", "paypal"), allowed[1]]]
        {
            assert!(provider(&refused).is_err_and(|problems| problems[0].starts_with("PAYMENT_PROVIDER")), "{refused:?}");
        }
        let development = read(&[("ENVIRONMENT", "development")]).expect("nothing is needed");
        assert_eq!(development.payment_provider, Provider::Simulator);
    }

    #[test]
    fn a_secret_does_not_show() {
        assert!(!format!("{:?}", production(&[])).contains(GOOD));
    }
}
