//! What was paid for what, by what was saved.

use std::collections::BTreeMap;

use super::{
    seats::SeatsWitness,
    verdict::{Invariant, Verdict, hold},
};
use crate::{
    id::{PaymentIntentId, ReservationKey},
    inventory::reservation::Status as Booked,
    money::Amount,
    payment::{Change, Status, Step},
};

/// One attempt to pay, as the provider saved it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    status: Status,
    amount: Amount,
    captured: Amount,
    returned: Amount,
}

/// The payment intents of one event. Told every change that any of them saved.
#[derive(Clone, Debug, Default)]
pub struct MoneyWitness {
    accounts: BTreeMap<(ReservationKey, usize), Account>,
}

impl MoneyWitness {
    pub(super) fn is_authorised(&self, key: ReservationKey, attempt: usize) -> bool {
        self.accounts.get(&(key, attempt)).is_some_and(|account| account.status == Status::Authorized)
    }

    /// Money taken and not given back, in all.
    #[must_use]
    pub fn kept(&self) -> Amount {
        self.accounts.values().map(|account| account.captured - account.returned).sum()
    }

    /// Number of intents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Whether any intent may still move by itself or be moved.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.accounts.values().any(|account| matches!(account.status, Status::Pending | Status::Authorized))
    }

    pub(super) fn saved(&mut self, intent: &PaymentIntentId, change: &Change, seats: &SeatsWitness) -> Verdict {
        let (key, attempt) = (intent.key, usize::from(intent.attempt));
        let booking = seats.bookings().get(&key);
        if change.step == Step::Opened {
            let terms = &change.intent.terms;
            let fits = booking.is_some_and(|booking| {
                (&booking.user, booking.amount, booking.currency) == (&terms.user_id, terms.amount, terms.currency)
                    && attempt < booking.intents.len()
                    && terms.reservation_id.key == key
                    && Some(&terms.reservation_id.event_id) == seats.event_id()
            });
            hold(Invariant::MoneyBehindSeat, fits, || format!("{intent} was opened for something else than {booking:?}"))?;
            let account = Account { status: Status::Pending, amount: terms.amount, captured: 0, returned: 0 };
            let before = self.accounts.insert((key, attempt), account);
            return hold(Invariant::MoneyBehindSeat, before.is_none(), || format!("{intent} was opened twice"));
        }
        let Some(account) = self.accounts.get_mut(&(key, attempt)) else {
            return hold(Invariant::MoneyBehindSeat, false, || format!("{intent} moved before it was opened"));
        };
        let before = account.status;
        let after = match &change.step {
            Step::Opened | Step::Tried { .. } => before,
            Step::Authorised => Status::Authorized,
            Step::Declined { .. } | Step::Failed { .. } => Status::Failed,
            Step::Captured { .. } => {
                account.captured += account.amount;
                Status::Approved
            }
            Step::Released { .. } if before == Status::Pending => Status::Cancelled,
            Step::Released { .. } => Status::Refunded,
            Step::Refunded { .. } => {
                account.returned += account.captured;
                Status::Refunded
            }
            Step::Expired => Status::Expired,
        };
        account.status = after;
        let allowed = before == after
            || match before {
                Status::Pending => true,
                Status::Authorized => matches!(after, Status::Approved | Status::Refunded),
                Status::Approved => after == Status::Refunded,
                Status::Failed | Status::Expired => after == Status::Approved,
                Status::Cancelled | Status::Refunded => false,
            };
        hold(Invariant::MoneyBehindSeat, allowed, || format!("{intent} went from {before} to {after}"))?;
        let Account { amount, captured, returned, .. } = *account;
        hold(Invariant::MoneyBehindSeat, returned <= captured && captured <= amount, || {
            format!("{intent} of {amount} took {captured} and gave {returned} back")
        })?;
        if matches!(change.step, Step::Captured { .. }) {
            let sold = booking.is_some_and(|booking| booking.sold_by == Some(attempt));
            hold(Invariant::MoneyBehindSeat, sold, || format!("{intent} was captured, its seats were not sold"))?;
        }
        Ok(())
    }

    pub(super) fn at_rest(&self, seats: &SeatsWitness) -> Verdict {
        for ((key, attempt), account) in &self.accounts {
            let booking = seats.bookings().get(key);
            let pays = booking.is_some_and(|booking| booking.status == Booked::Confirmed && booking.sold_by == Some(*attempt));
            let due = if pays { account.amount } else { 0 };
            hold(Invariant::MoneyBehindSeat, account.captured - account.returned == due, || {
                format!("attempt {attempt} for {key} kept {} of {due}", account.captured - account.returned)
            })?;
            let ended = pays || account.status.is_final();
            hold(Invariant::AllEnds, ended, || format!("attempt {attempt} for {key} stays {}: {booking:?}", account.status))?;
            let agreed = booking.and_then(|booking| booking.intents.get(*attempt)).copied();
            hold(Invariant::AllEnds, agreed.is_some_and(|known| known != Status::Pending), || {
                format!("the inventory still waits for attempt {attempt} for {key}, which is {}", account.status)
            })?;
        }
        let unpaid = seats.bookings().iter().find(|(key, booking)| {
            let paid = booking.sold_by.is_some_and(|attempt| self.accounts.contains_key(&(**key, attempt)));
            booking.status == Booked::Confirmed && !paid
        });
        hold(Invariant::MoneyBehindSeat, unpaid.is_none(), || format!("{unpaid:?} was sold for nothing"))
    }
}
