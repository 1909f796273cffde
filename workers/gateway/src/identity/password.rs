//! Passwords, kept as Argon2id only.
//!
//! 7 MiB and 5 passes are the smallest-memory setting of the usual recommendations: an isolate has 128 MB for
//! everything, and its wasm memory never shrinks.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};

const MEMORY_KIB: u32 = 7168;
const PASSES: u32 = 5;
const LANES: u32 = 1;

/// A hash that no password is known for, with the settings of every other: who does not exist costs the same time.
pub const NOBODYS_HASH: &str = "$argon2id$v=19$m=7168,t=5,p=1$bm9ib2R5J3Mgc2FsdC4uLg$D9jmcV4OZ0ZHHkX0bGxPk0PUMgfh5ZcXyh5cMZFeEMI";

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the settings are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The text to keep for `password`; `salt` must be fresh and random.
#[must_use]
pub fn hash(password: &str, salt: &[u8; 16]) -> String {
    let hashed = argon2().hash_password_with_salt(password.as_bytes(), salt);
    let hashed: PasswordHash = hashed.expect("a password of at most 4 GiB and a salt of 16 bytes can be hashed");
    hashed.to_string()
}

/// Whether `kept` was made from `password`. Text that is no hash belongs to no password.
#[must_use]
pub fn matches(password: &str, kept: &str) -> bool {
    argon2().verify_password(password.as_bytes(), kept).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_alone() {
        let kept = hash("correct horse", &[7; 16]);
        assert!(matches("correct horse", &kept));
        assert!(!matches("correct hors", &kept));
        assert!(!matches("correct horse", "not a hash"));
        assert_ne!(kept, hash("correct horse", &[8; 16]));
    }

    #[test]
    fn nobodys_hash_costs_what_every_other_costs() {
        let settings = |kept: &str| kept.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(settings(NOBODYS_HASH), settings(&hash("x", &[1; 16])));
        assert_eq!(NOBODYS_HASH.len(), hash("x", &[1; 16]).len());
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok() && !matches("", NOBODYS_HASH));
    }
}
