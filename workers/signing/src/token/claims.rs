//! What tokens say, and how it is written: numbers of seven bits a byte, then texts.

use domain::{
    id::{EventId, ReservationKey, UserId},
    inventory::Admission,
    time::Millis,
};
use sha2::{Digest, Sha256};

/// Longest seat id in a ticket: section and row of 32 bytes, a number and two dashes.
pub(super) const SEAT_ID_MAX_BYTES: usize = 80;

/// The key version that signed a token.
pub type Kid = u32;

/// Which user a place belongs to, where it was taken with a JWT: a digest of its `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerHash(pub [u8; 8]);

impl CallerHash {
    /// The digest of a JWT's `sub`.
    #[must_use]
    pub fn of(sub: &str) -> Self {
        let digest = Sha256::new().chain_update(b"token caller\0").chain_update(sub).finalize();
        let mut hash = [0; 8];
        hash.copy_from_slice(&digest[..8]);
        Self(hash)
    }
}

/// A place in the line of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingToken {
    /// Whose line.
    pub event_id: EventId,
    /// The lane that knows the caller.
    pub lane: u32,
    /// The place.
    pub number: u64,
    /// When it was taken.
    pub joined_at: Millis,
    /// Which key signs.
    pub kid: Kid,
    /// Who took it, where a JWT said so.
    pub caller: Option<CallerHash>,
}

/// The right to reserve while an admission lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationToken {
    /// The event that is shopped in.
    pub event_id: EventId,
    /// The place that entered.
    pub number: u64,
    /// When the admission ends.
    pub ends_at: Millis,
    /// Which key signs.
    pub kid: Kid,
    /// The only user who may use it, where the place was taken with a JWT.
    pub caller: Option<CallerHash>,
}

impl ReservationToken {
    /// The admission that the token stands for, where `user` may use it for that event. Whether it is over is for the
    /// inventory to say, which first looks whether the request is a repetition; once no record of one can be left, after
    /// `record_ttl_ms`, the token is worth nothing.
    #[must_use]
    pub fn admits(&self, event_id: &EventId, user: &UserId, record_ttl_ms: u64, now: Millis) -> Option<Admission> {
        let theirs = self.caller.is_none_or(|owner| owner == CallerHash::of(&user.0));
        let admits = self.event_id == *event_id && theirs && now < self.ends_at.plus_ms(record_ttl_ms);
        admits.then_some(Admission { number: self.number, ends_at: self.ends_at })
    }
}

/// What a ticket's QR code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketCode {
    /// The event it opens.
    pub event_id: EventId,
    /// The order it belongs to.
    pub order: ReservationKey,
    /// Which ticket of the order, from 0.
    pub place: u32,
    /// The seat; empty where places have no numbers.
    pub seat_id: String,
    /// Which key signs.
    pub kid: Kid,
}

/// What a token is for; its byte opens the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// [`WaitingToken`].
    Waiting,
    /// [`ReservationToken`].
    Reservation,
    /// [`TicketCode`].
    Ticket,
}

impl Purpose {
    pub(super) const ALL: [Self; 3] = [Self::Waiting, Self::Reservation, Self::Ticket];

    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Waiting => b'W',
            Self::Reservation => b'R',
            Self::Ticket => b'T',
        }
    }
}

/// Claims that a token can carry. `write` and `read` are each other's inverse.
pub trait Claims: Sized {
    /// What such a token is for.
    const PURPOSE: Purpose;
    /// The key version the token was or is to be signed with.
    fn kid(&self) -> Kid;
    /// Appends the claims.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads all claims, and nothing may be left over.
    fn read(kid: Kid, input: &mut Reader<'_>) -> Option<Self>;
}

impl Claims for WaitingToken {
    const PURPOSE: Purpose = Purpose::Waiting;

    fn kid(&self) -> Kid {
        self.kid
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_number(out, self.lane.into());
        write_number(out, self.number);
        write_number(out, self.joined_at.0);
        write_caller(out, self.caller);
        out.extend_from_slice(self.event_id.as_str().as_bytes());
    }

    fn read(kid: Kid, input: &mut Reader<'_>) -> Option<Self> {
        let lane = u32::try_from(input.number()?).ok()?;
        let (number, joined_at) = (input.number()?, Millis(input.number()?));
        let caller = input.caller()?;
        Some(Self { event_id: EventId::parse(input.rest()?)?, lane, number, joined_at, kid, caller })
    }
}

impl Claims for ReservationToken {
    const PURPOSE: Purpose = Purpose::Reservation;

    fn kid(&self) -> Kid {
        self.kid
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_number(out, self.number);
        write_number(out, self.ends_at.0);
        write_caller(out, self.caller);
        out.extend_from_slice(self.event_id.as_str().as_bytes());
    }

    fn read(kid: Kid, input: &mut Reader<'_>) -> Option<Self> {
        let (number, ends_at) = (input.number()?, Millis(input.number()?));
        let caller = input.caller()?;
        Some(Self { event_id: EventId::parse(input.rest()?)?, number, ends_at, kid, caller })
    }
}

impl Claims for TicketCode {
    const PURPOSE: Purpose = Purpose::Ticket;

    fn kid(&self) -> Kid {
        self.kid
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.order.0.to_be_bytes());
        write_number(out, self.place.into());
        write_number(out, self.seat_id.len() as u64);
        out.extend_from_slice(self.seat_id.as_bytes());
        out.extend_from_slice(self.event_id.as_str().as_bytes());
    }

    fn read(kid: Kid, input: &mut Reader<'_>) -> Option<Self> {
        let order = ReservationKey(u128::from_be_bytes(input.take(16)?.try_into().ok()?));
        let place = u32::try_from(input.number()?).ok()?;
        let length = usize::try_from(input.number()?).ok().filter(|length| *length <= SEAT_ID_MAX_BYTES)?;
        let seat_id = std::str::from_utf8(input.take(length)?).ok()?.to_owned();
        Some(Self { event_id: EventId::parse(input.rest()?)?, order, place, seat_id, kid })
    }
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
pub(super) fn write_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn write_caller(out: &mut Vec<u8>, caller: Option<CallerHash>) {
    out.push(u8::from(caller.is_some()));
    if let Some(CallerHash(hash)) = caller {
        out.extend_from_slice(&hash);
    }
}

/// Claims that were not read yet.
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The outer nothing says that the bytes are no caller.
    #[allow(clippy::option_option)]
    fn caller(&mut self) -> Option<Option<CallerHash>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.take(8)?.try_into().ok().map(|hash| Some(CallerHash(hash))),
            _ => None,
        }
    }

    fn rest(&mut self) -> Option<&'a str> {
        std::str::from_utf8(std::mem::take(&mut self.left)).ok()
    }
}
