//! Ids, parsed once and then trusted.
//!
//! Public ids are opaque to clients. Inside, each carries what routing needs, so that no look-up stands between
//! an id and its object:
//!
//! | Id | Form |
//! |---|---|
//! | event | chosen by the organiser, `[A-Za-z0-9_-]{1,64}` |
//! | reservation | `rsv_<event>_<32 hex>` |
//! | order | `ord_<event>_<the reservation's 32 hex>` |
//! | payment intent | `pay_<event>_<the reservation's 32 hex><2 hex: which attempt>` |
//! | ticket | `tkt_<event>_<the reservation's 32 hex>_<seat's place in the order>` |

use std::{fmt, rc::Rc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest user id that is accepted from a token, in bytes.
pub const USER_ID_MAX_BYTES: usize = 128;

/// The organiser's name for an event: `[A-Za-z0-9_-]{1,64}`. Every id of the event has it; all of them share one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EventId(Rc<str>);

impl EventId {
    /// Longest event id, in characters.
    pub const MAX_LEN: usize = 64;

    /// Accepts `[A-Za-z0-9_-]{1,64}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        ((1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"))
    }
}

/// Who a JWT speaks for: its `sub`, 1 to 128 bytes. A reservation shares the text with the command that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Rc<str>);

impl UserId {
    /// Accepts 1 to [`USER_ID_MAX_BYTES`] bytes without control characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=USER_ID_MAX_BYTES).contains(&text.len());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What identifies a reservation inside its event: 128 bits, of which enough are random that nobody has it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationKey(pub u128);

impl ReservationKey {
    fn parse(hex: &str) -> Option<Self> {
        let plain = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        plain.then(|| u128::from_str_radix(hex, 16).ok().map(Self))?
    }
}

impl fmt::Display for ReservationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for ReservationKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReservationKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("32 hex digits expected"))
    }
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom(concat!("not a ", stringify!($name))))
            }
        }
    };
}

/// `rsv_<event>_<key>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationId {
    /// The event whose inventory has it.
    pub event_id: EventId,
    /// Which of the event's reservations.
    pub key: ReservationKey,
}

impl ReservationId {
    /// Reads the public form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (event, key) = text.strip_prefix("rsv_")?.rsplit_once('_')?;
        Some(Self { event_id: EventId::parse(event)?, key: ReservationKey::parse(key)? })
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rsv_{}_{}", self.event_id, self.key)
    }
}
text_serde!(ReservationId);

/// `ord_<event>_<key>`: the order of the reservation with that key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId {
    /// The event whose inventory has it.
    pub event_id: EventId,
    /// The key of the reservation that was confirmed.
    pub key: ReservationKey,
}

impl OrderId {
    /// Reads the public form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (event, key) = text.strip_prefix("ord_")?.rsplit_once('_')?;
        Some(Self { event_id: EventId::parse(event)?, key: ReservationKey::parse(key)? })
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ord_{}_{}", self.event_id, self.key)
    }
}
text_serde!(OrderId);

/// `pay_<event>_<key><attempt>`: one attempt to pay for one reservation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentIntentId {
    /// The event whose inventory knows it.
    pub event_id: EventId,
    /// The key of the reservation that is paid for.
    pub key: ReservationKey,
    /// Which attempt, from 0.
    pub attempt: u8,
}

impl PaymentIntentId {
    /// Reads the public form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (event, rest) = text.strip_prefix("pay_")?.rsplit_once('_')?;
        if rest.len() != 34 || !rest.is_ascii() {
            return None;
        }
        let (key, attempt) = rest.split_at(32);
        let plain = attempt.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let attempt = plain.then(|| u8::from_str_radix(attempt, 16).ok())??;
        Some(Self { event_id: EventId::parse(event)?, key: ReservationKey::parse(key)?, attempt })
    }

    /// The reservation that this intent pays for.
    #[must_use]
    pub fn reservation_id(&self) -> ReservationId {
        ReservationId { event_id: self.event_id.clone(), key: self.key }
    }
}

impl fmt::Display for PaymentIntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pay_{}_{}{:02x}", self.event_id, self.key, self.attempt)
    }
}
text_serde!(PaymentIntentId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_written_even_with_underscores_in_the_event() {
        let event_id = EventId::parse("evt_2025_1001").unwrap();
        let key = ReservationKey(7);
        let reservation = ReservationId { event_id: event_id.clone(), key };
        let order = OrderId { event_id: event_id.clone(), key };
        let intent = PaymentIntentId { event_id, key, attempt: 255 };
        assert_eq!(ReservationId::parse(&reservation.to_string()), Some(reservation));
        assert_eq!(OrderId::parse(&order.to_string()), Some(order));
        assert_eq!(PaymentIntentId::parse(&intent.to_string()), Some(intent));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in ["", "rsv_", "rsv_e_0", "rsv__00000000000000000000000000000007", "rsv_e_+0000000000000000000000000000007"] {
            assert_eq!(ReservationId::parse(text), None, "{text}");
        }
        assert_eq!(PaymentIntentId::parse("pay_e_00000000000000000000000000000007+f"), None);
        assert_eq!(EventId::parse(&"e".repeat(65)), None);
        assert_eq!(EventId::parse("e/../f"), None);
    }
}
