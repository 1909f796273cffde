//! The tokens of this deployment: signed and verified with the configured keys.

use std::cell::OnceCell;

pub use signing::token::{CallerHash, Claims, Keyring, Kid, ReservationToken, TicketCode, WaitingToken};

use crate::config::Config;

thread_local! {
    /// Made once per isolate: the configuration of an isolate never changes.
    static KEYRING: OnceCell<Keyring> = const { OnceCell::new() };
}

/// Signs with the configured keys.
#[must_use]
pub fn sign<C: Claims>(config: &Config, claims: &C) -> String {
    with_keyring(config, |ring| ring.sign(claims))
}

/// The claims of a token that was signed with one of the configured keys.
#[must_use]
pub fn verify<C: Claims>(config: &Config, token: &str) -> Option<C> {
    with_keyring(config, |ring| ring.verify(token))
}

/// The key version that signs what is new.
#[must_use]
pub fn newest_kid(config: &Config) -> Kid {
    config.token_keys[0].kid
}

fn with_keyring<T>(config: &Config, work: impl FnOnce(&Keyring) -> T) -> T {
    let ring = || Keyring::new(config.token_keys.iter().map(|key| (key.kid, key.secret.bytes())));
    KEYRING.with(|kept| work(kept.get_or_init(ring)))
}
