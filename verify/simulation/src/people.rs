//! People: each comes, waits, enters, takes seats, pays, or does something else instead.

use std::{cell::Cell, rc::Rc};

use domain::{
    board::PlaceState,
    event::{QueueSettings, SectionKind},
    id::{EventId, PaymentIntentId, ReservationId, UserId},
    invariants::Invariant,
    inventory::{Wish, reservation::Status},
    payment::{Action, Plan, Scenario},
    queue::Entered,
    refusal::Refusal,
    time::Millis,
};
use serde::Deserialize;

use crate::{
    executor::IMMORTAL,
    gateway::{Door, Granted, No, RECORD_TTL_MS},
    profile::{Profile, START},
    world::World,
};

/// How often a request that got no answer is sent again before somebody despairs.
const TRIES_MAX: u32 = 400;
/// How long an answer is sent for again after it was given, at most, in milliseconds.
const REPEATED_WITHIN_MS: u64 = 60_000;

/// How long after the sale a page shows a place at most, in simulated milliseconds.
const PAGE_STAYS_MS: u64 = 600_000;

/// Lets everybody come who comes, and the organiser.
pub(crate) fn arrive(world: &World, profile: &Profile) {
    for index in 1..=profile.people {
        let person = Person {
            world: world.clone(),
            index,
            user: UserId(format!("user-{index}").into()),
            oddness: profile.oddness,
            live: profile.live,
            keys: Rc::default(),
        };
        let wait_ms = world.draw(0..=profile.arrivals_ms);
        world.0.stats.borrow_mut().people_here += 1;
        world.0.executor.spawn(IMMORTAL, async move {
            person.world.0.executor.sleep(wait_ms).await;
            person.visit().await;
            let mut stats = person.world.0.stats.borrow_mut();
            stats.people_here -= 1;
            stats.last_left_ms = person.world.elapsed_ms();
        });
    }
    if profile.organiser {
        world.0.executor.spawn(IMMORTAL, organise(world.clone()));
    }
}

#[derive(Clone)]
struct Person {
    world: World,
    index: u32,
    user: UserId,
    oddness: u32,
    /// Whether their pages are at sockets as well.
    live: bool,
    keys: Rc<Cell<u32>>,
}

/// How a reservation is answered.
#[derive(Deserialize)]
struct Reserved {
    reservation_id: ReservationId,
    user_id: UserId,
    status: Status,
}

#[derive(Deserialize)]
struct Intended {
    payment_intent_id: PaymentIntentId,
}

impl Person {
    /// Whether the person does something odd now.
    fn odd(&self) -> bool {
        self.world.chance(self.oddness * 1000)
    }

    fn new_key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("key-{}-{}", self.index, self.keys.get())
    }

    async fn pause(&self, from_ms: u64, to_ms: u64) {
        let ms = self.world.draw(from_ms..=to_ms);
        self.world.0.executor.sleep(ms).await;
    }

    /// Sends a request again until it is granted or refused. Now and then it is sent twice at once.
    async fn persist<T: 'static, F>(&self, send: impl Fn(Door) -> F + Clone + 'static) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, No>> + 'static,
    {
        for _ in 0..TRIES_MAX {
            if self.odd() {
                let (world, send, index) = (self.world.clone(), send.clone(), self.index);
                self.world.0.executor.spawn(IMMORTAL, async move {
                    let _ = world.request(index, send).await;
                });
            }
            match self.world.request(self.index, send.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(No::Refused(Refusal::Overloaded | Refusal::Unconfigured) | No::Broken(_) | No::Lost) => {}
                Err(No::Refused(refusal)) => return Err(refusal),
            }
            self.pause(100, 2000).await;
        }
        self.world.promise(Invariant::AllEnds, false, || format!("{} never got an answer", self.user.0));
        Err(Refusal::Overloaded)
    }

    /// The same, for what is recorded with a key: the answer is asked for again later, and must be the same.
    async fn once<F>(&self, send: impl Fn(Door) -> F + Clone + 'static) -> Result<Vec<u8>, Refusal>
    where
        F: Future<Output = Result<Granted, No>> + 'static,
    {
        let began = self.world.now();
        let (body, _) = self.persist(send.clone()).await?;
        let (person, expected) = (self.clone(), body.clone());
        if self.world.chance(300_000) {
            self.world.0.executor.spawn(IMMORTAL, async move {
                person.pause(0, REPEATED_WITHIN_MS).await;
                let again = person.world.request(person.index, send).await;
                // A record lives for its time by the clock; clocks may have jumped.
                if person.world.now().since_ms(began) + 1000 >= RECORD_TTL_MS {
                    return;
                }
                person.world.0.stats.borrow_mut().repeated += 1;
                let same = match &again {
                    Ok((body, replayed)) => *replayed && *body == expected,
                    Err(No::Refused(Refusal::Overloaded) | No::Broken(_) | No::Lost) => true,
                    Err(No::Refused(_)) => false,
                };
                person.world.promise(Invariant::AcknowledgedSurvives, same, || {
                    format!("{} was told {} and then {again:?}", person.user.0, String::from_utf8_lossy(&expected))
                });
            });
        }
        Ok(body)
    }

    /// A whole visit, and perhaps a second one.
    async fn visit(&self) {
        // What was told before the first request was sent is before this person in line. A later visit may get a place
        // that a straggling request of an earlier one took.
        let floor = self.world.0.stats.borrow().last_told;
        self.line_up(floor).await;
        while self.odd() {
            self.pause(0, 20_000).await;
            self.line_up(0).await;
        }
    }

    async fn line_up(&self, floor: u64) {
        let (user, key) = (self.user.clone(), self.new_key());
        let joined = self
            .persist(move |door| {
                let (user, key) = (user.clone(), key.clone());
                async move { door.join(&user, &key).await }
            })
            .await;
        let Ok((token, number)) = joined else { return };
        self.told(number, floor);
        if self.live && self.world.chance(500_000) {
            let closes = self.world.0.event.borrow().sale_closes_at.map_or(0, |at| at.0.0);
            let until_ms = closes.saturating_sub(START) + PAGE_STAYS_MS;
            self.world.0.executor.spawn(IMMORTAL, self.world.clone().watch_place(number, until_ms));
        }
        if self.odd() {
            self.forge(&token).await;
        }
        if self.odd() {
            return; // and never comes back
        }
        if self.odd() {
            self.pause(0, 5000).await;
            return self.leave(&token).await;
        }
        if self.wait(&token).await {
            self.enter(&token).await;
        }
    }

    /// A place was told: somebody has it for this caller, and it is behind all that were told before.
    fn told(&self, number: u64, floor: u64) {
        let caller = crate::gateway::digest(&["user", &self.user.0]);
        let verdict = self.world.0.witness.borrow_mut().told(caller, number);
        self.world.check(verdict);
        let mut stats = self.world.0.stats.borrow_mut();
        let new = stats.places.insert((self.index, number));
        stats.last_told = stats.last_told.max(number);
        drop(stats);
        self.world.promise(Invariant::NoInversion, !new || number > floor, || {
            format!("{} got place {number} although {floor} had been told before", self.user.0)
        });
    }

    async fn leave(&self, token: &str) {
        let token = token.to_owned();
        let left = self
            .persist(move |door| {
                let token = token.clone();
                async move { door.leave(&token).await }
            })
            .await;
        if let Ok(number) = left {
            let over = self.world.0.witness.borrow().line.state(number).is_over();
            self.world.promise(Invariant::AcknowledgedSurvives, over, || format!("place {number} was left and stays"));
        }
    }

    /// Watches the place until it is ready; whether it is.
    async fn wait(&self, token: &str) -> bool {
        let (mut last_position, mut pause_ms) = (u64::MAX, 1000);
        loop {
            let token = token.to_owned();
            let place = self
                .world
                .request(self.index, move |door| {
                    let token = token.clone();
                    async move { door.status(&token).await }
                })
                .await;
            if let Ok((place, sold_out)) = place {
                if sold_out && self.world.chance(100_000) {
                    return false; // nothing is left to wait for
                }
                match place.state {
                    PlaceState::Ready => return true,
                    PlaceState::Waiting => {
                        self.world.promise(Invariant::NoInversion, place.position <= last_position, || {
                            format!("{} moved back from {last_position} to {}", self.user.0, place.position)
                        });
                        last_position = place.position;
                        // Who is far away looks less often.
                        pause_ms = (place.eta_sec * 100).clamp(1000, 30_000);
                    }
                    PlaceState::Entered => return true,
                    PlaceState::Finished | PlaceState::Left | PlaceState::Expired => return false,
                }
            }
            let over = self.world.0.event.borrow().is_closed(self.world.now());
            if over || self.world.chance(self.oddness * 100) {
                return false;
            }
            self.pause(pause_ms / 2, pause_ms * 2).await;
        }
    }

    async fn enter(&self, token: &str) {
        if self.odd() {
            self.pause(0, 90_000).await; // perhaps too late
        }
        let (token_sent, key) = (token.to_owned(), self.new_key());
        let entered = self
            .persist(move |door| {
                let (token, key) = (token_sent.clone(), key.clone());
                async move { door.enter(&token, &key).await }
            })
            .await;
        let Ok((reservation_token, (body, _))) = entered else { return };
        let entered: Entered = serde_json::from_slice(&body).expect("an admission");
        let state = self.world.0.witness.borrow().line.state(entered.number);
        self.world.promise(Invariant::AcknowledgedSurvives, state >= PlaceState::Entered, || {
            format!("place {} was let in and is {state:?}", entered.number)
        });
        self.world.0.stats.borrow_mut().entered.push(entered.number);
        self.world.0.stats.borrow_mut().admissions.push((reservation_token.clone(), self.user.clone()));
        self.shop(&reservation_token).await;
        if self.odd() {
            self.leave(token).await;
            let late = self.try_hold(&reservation_token).await;
            self.world.promise(Invariant::AdmissionExact, late != Some(true), || format!("{} left and holds", self.user.0));
        }
    }

    /// Whether a hold with this token is granted, where there is an answer.
    async fn try_hold(&self, reservation_token: &str) -> Option<bool> {
        let (user, token, key) = (self.user.clone(), reservation_token.to_owned(), self.new_key());
        let send = move |door: Door| {
            let (user, token, key) = (user.clone(), token.clone(), key.clone());
            async move { door.hold(&user, &token, Wish { quantity: Some(1), ..Wish::default() }, &key).await }
        };
        match self.world.request(self.index, send).await {
            Ok(_) => Some(true),
            Err(No::Refused(_)) => Some(false),
            Err(No::Broken(_) | No::Lost) => None,
        }
    }

    /// The key of a hold that was granted, on another request: a conflict, as long as the record lives.
    async fn reuse_key(&self, reservation_token: &str, key: &str, began: Millis) {
        let (user, token, sent_key) = (self.user.clone(), reservation_token.to_owned(), key.to_owned());
        let wish = Wish { quantity: Some(3), section: Some("A".to_owned()), ..Wish::default() };
        let outcome = self
            .world
            .request(self.index, move |door| {
                let (user, token, wish, key) = (user.clone(), token.clone(), wish.clone(), sent_key.clone());
                async move { door.hold(&user, &token, wish, &key).await }
            })
            .await;
        let expected = match &outcome {
            Ok(_) => false,
            Err(No::Refused(refusal)) => {
                matches!(refusal, Refusal::IdempotencyConflict | Refusal::NotAdmitted | Refusal::Overloaded)
            }
            Err(No::Broken(_) | No::Lost) => true,
        };
        let live = self.world.now().since_ms(began) + 1000 < RECORD_TTL_MS;
        self.world
            .promise(Invariant::AcknowledgedSurvives, expected || !live, || format!("{key} on another request: {outcome:?}"));
    }

    /// Takes seats and pays for them, or tries again.
    async fn shop(&self, reservation_token: &str) {
        for _ in 0..4 {
            self.pause(0, 3000).await;
            let Some(reserved) = self.hold(reservation_token).await else { continue };
            let id = reserved.reservation_id;
            self.world.0.stats.borrow_mut().reservations.push((id.clone(), self.user.clone()));
            if self.odd() {
                return; // and lets it run out
            }
            if self.odd() {
                self.cancel(&id).await;
                continue;
            }
            if self.pay(&id).await {
                self.world.0.stats.borrow_mut().bought += 1;
                return;
            }
        }
    }

    fn wish(&self) -> Wish {
        let quantity = self.world.draw(1..=2) as u32;
        if self.world.chance(500_000) {
            return Wish { quantity: Some(quantity), together: self.world.chance(500_000), ..Wish::default() };
        }
        let sections = self.world.0.event.borrow().sections.clone();
        let section = &sections[self.world.draw(0..=sections.len() as u64 - 1) as usize];
        let SectionKind::Seated { rows } = &section.kind else {
            return Wish { quantity: Some(quantity), section: Some(section.id.clone()), ..Wish::default() };
        };
        let row = &rows[self.world.draw(0..=rows.len() as u64 - 1) as usize];
        let first = self.world.draw(1..=u64::from(row.count));
        let last = (first + u64::from(quantity) - 1).min(u64::from(row.count));
        Wish {
            seat_ids: Some((first..=last).map(|number| format!("{}-{}-{number}", section.id, row.id)).collect()),
            ..Wish::default()
        }
    }

    async fn hold(&self, reservation_token: &str) -> Option<Reserved> {
        let began = self.world.now();
        let (user, token, wish, key) = (self.user.clone(), reservation_token.to_owned(), self.wish(), self.new_key());
        let key_sent = key.clone();
        let held = self
            .once(move |door| {
                let (user, token, wish, key) = (user.clone(), token.clone(), wish.clone(), key.clone());
                async move { door.hold(&user, &token, wish, &key).await }
            })
            .await;
        let reserved: Reserved = serde_json::from_slice(&held.ok()?).expect("a reservation");
        self.booked(&reserved.reservation_id, "held", |_| true);
        if self.odd() {
            self.reuse_key(reservation_token, &key_sent, began).await;
        }
        Some(reserved)
    }

    /// What was acknowledged about a reservation is so.
    fn booked(&self, id: &ReservationId, what: &str, stands: impl Fn(Status) -> bool) {
        let booking = self.world.0.witness.borrow().seats.bookings().get(&id.key).cloned();
        let fits = booking.as_ref().is_some_and(|booking| booking.user == self.user && stands(booking.status));
        self.world.promise(Invariant::AcknowledgedSurvives, fits, || format!("{id} was {what} and is {booking:?}"));
    }

    async fn cancel(&self, id: &ReservationId) {
        let (user, reservation, key) = (self.user.clone(), id.clone(), self.new_key());
        let cancelled = self
            .once(move |door| {
                let (user, reservation, key) = (user.clone(), reservation.clone(), key.clone());
                async move { door.cancel(&user, &reservation, Some(&key)).await }
            })
            .await;
        if cancelled.is_ok() {
            self.booked(id, "cancelled", |status| status == Status::Cancelled);
        }
    }

    fn plan(&self) -> Plan {
        let scenario = match self.world.draw(0..=9) {
            0 => Scenario::Fail,
            1 => Scenario::Timeout,
            2 => Scenario::Random,
            3 => Scenario::Delay,
            _ => Scenario::Approve,
        };
        let delay_ms = if scenario == Scenario::Delay { self.world.draw(0..=90_000) } else { self.world.draw(0..=3000) };
        Plan { scenario, delay_ms, approve_permille: 800 }
    }

    /// Pays; whether there is an order.
    async fn pay(&self, id: &ReservationId) -> bool {
        for _ in 0..3 {
            self.pause(0, 2000).await;
            if self.odd() {
                self.pause(0, 70_000).await; // perhaps too late
            }
            let (user, reservation, plan, key) = (self.user.clone(), id.clone(), self.plan(), self.new_key());
            let intended = self
                .once(move |door| {
                    let (user, reservation, key) = (user.clone(), reservation.clone(), key.clone());
                    async move { door.intent(&user, &reservation, plan, &key).await }
                })
                .await;
            let Ok(body) = intended else { return false };
            let intent = serde_json::from_slice::<Intended>(&body).expect("an intent").payment_intent_id;
            if self.odd() {
                self.cancel_intent(&intent).await;
                continue;
            }
            if self.odd() {
                self.process(&intent).await;
            }
            if self.odd() {
                self.cancel(id).await;
            }
            return self.confirmed(id, &intent).await;
        }
        false
    }

    async fn process(&self, intent: &PaymentIntentId) {
        let action = if self.world.chance(700_000) { Action::Approve } else { Action::Fail };
        let (user, intent, key) = (self.user.clone(), intent.clone(), self.new_key());
        let _ = self
            .once(move |door| {
                let (user, intent, key) = (user.clone(), intent.clone(), key.clone());
                async move { door.process(&user, &intent, action, &key).await }
            })
            .await;
    }

    async fn cancel_intent(&self, intent: &PaymentIntentId) {
        let (user, intent, key) = (self.user.clone(), intent.clone(), self.new_key());
        let _ = self
            .once(move |door| {
                let (user, intent, key) = (user.clone(), intent.clone(), key.clone());
                async move { door.cancel_intent(&user, &intent, &key).await }
            })
            .await;
    }

    /// Confirms as soon as that is possible, or waits for the webhook; whether there is an order.
    async fn confirmed(&self, id: &ReservationId, intent: &PaymentIntentId) -> bool {
        let key = self.new_key();
        for _ in 0..60 {
            if self.world.chance(500_000) {
                let (user, reservation, intent, key) = (self.user.clone(), id.clone(), intent.clone(), key.clone());
                let confirmed = self
                    .once(move |door| {
                        let (user, reservation, intent, key) = (user.clone(), reservation.clone(), intent.clone(), key.clone());
                        async move { door.confirm(&user, &reservation, &intent, &key).await }
                    })
                    .await;
                match confirmed {
                    Ok(_) => {
                        self.booked(id, "confirmed", |status| matches!(status, Status::Confirmed | Status::Refunded));
                        return self.keep(id).await;
                    }
                    Err(Refusal::PaymentNotApproved) => {}
                    Err(_) => return false,
                }
            }
            match self.look(id).await {
                Some(Status::Confirmed) => return self.keep(id).await,
                Some(Status::Hold) | None => {}
                Some(Status::Cancelled | Status::Expired | Status::Refunded) => return false,
            }
            self.pause(200, 3000).await;
        }
        false
    }

    async fn look(&self, id: &ReservationId) -> Option<Status> {
        let (user, reservation) = (self.user.clone(), id.clone());
        let body = self
            .persist(move |door| {
                let (user, reservation) = (user.clone(), reservation.clone());
                async move { door.reservation(&user, &reservation).await }
            })
            .await
            .ok()?;
        let reserved: Reserved = serde_json::from_slice(&body).expect("a reservation");
        self.world.promise(Invariant::OwnerAlone, reserved.user_id == self.user, || format!("{} saw {id}", self.user.0));
        Some(reserved.status)
    }

    /// Keeps the order, or gives it back.
    async fn keep(&self, id: &ReservationId) -> bool {
        if !self.odd() {
            return true;
        }
        self.pause(0, 10_000).await;
        let (user, reservation, key) = (self.user.clone(), id.clone(), self.new_key());
        let refunded = self
            .once(move |door| {
                let (user, reservation, key) = (user.clone(), reservation.clone(), key.clone());
                async move { door.refund(&user, &reservation, &key).await }
            })
            .await;
        if refunded.is_ok() {
            self.booked(id, "refunded", |status| status == Status::Refunded);
        }
        false
    }

    /// Tries what is not the person's to do. Nothing may come of it, and where a token is forged nobody is even asked.
    async fn forge(&self, token: &str) {
        self.world.0.stats.borrow_mut().forged += 1;
        let at = self.world.draw(0..=token.len() as u64 - 1) as usize;
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        let (user, token) = (self.user.clone(), token.to_owned());
        let outcome = self
            .world
            .request(self.index, move |door| {
                let (user, token, forged) = (user.clone(), token.clone(), forged.clone());
                async move {
                    let wish = || Wish { quantity: Some(1), ..Wish::default() };
                    let mut granted = vec![];
                    // A changed token, and a waiting token in place of a reservation token.
                    granted.push(door.status(&forged).await.is_ok());
                    granted.push(door.enter(&forged, "forged").await.is_ok());
                    granted.push(door.hold(&user, &forged, wish(), "forged").await.is_ok());
                    granted.push(door.hold(&user, &token, wish(), "forged").await.is_ok());
                    Ok((granted.contains(&true), door.asked.get()))
                }
            })
            .await;
        if let Ok((granted, asked)) = outcome {
            self.world.promise(Invariant::OwnerAlone, !granted && asked == 0, || {
                format!("a forged token was granted something: {granted}, and reached {asked} objects")
            });
        }
        let theirs = self.world.0.stats.borrow().admissions.iter().rev().find(|(_, user)| *user != self.user).cloned();
        if let Some((reservation_token, _)) = theirs {
            let granted = self.try_hold(&reservation_token).await == Some(true);
            let may = self.world.0.unbound;
            self.world.promise(Invariant::OwnerAlone, may || !granted, || format!("{} holds with a foreign token", self.user.0));
        }
        let foreign = self.world.0.stats.borrow().reservations.iter().rev().find(|(_, user)| *user != self.user).cloned();
        if let Some((id, _)) = foreign {
            self.trespass(&id).await;
        }
    }

    /// Tries to see and to change somebody else's reservation.
    async fn trespass(&self, id: &ReservationId) {
        let (user, id) = (self.user.clone(), id.clone());
        let intent = PaymentIntentId { event_id: EventId::clone(&id.event_id), key: id.key, attempt: 0 };
        let outcome = self
            .world
            .request(self.index, move |door| {
                let (user, id, intent) = (user.clone(), id.clone(), intent.clone());
                async move {
                    let mut granted = vec![];
                    granted.push(door.reservation(&user, &id).await.is_ok());
                    granted.push(door.cancel(&user, &id, None).await.is_ok());
                    granted.push(door.confirm(&user, &id, &intent, "foreign").await.is_ok());
                    granted.push(door.refund(&user, &id, "foreign").await.is_ok());
                    granted.push(door.process(&user, &intent, Action::Approve, "foreign").await.is_ok());
                    granted.push(door.cancel_intent(&user, &intent, "foreign").await.is_ok());
                    Ok(granted.contains(&true))
                }
            })
            .await;
        let granted = outcome == Ok(true);
        self.world
            .promise(Invariant::OwnerAlone, !granted, || format!("{} had a say in somebody else's reservation", self.user.0));
    }
}

/// Changes settings and blocks seats now and then, while anything goes wrong; then lets everybody in again.
async fn organise(world: World) {
    let until_ms = world.0.weather.until_sec * 1000;
    let first: QueueSettings = world.0.event.borrow().queue.clone();
    while world.elapsed_ms() < until_ms {
        let wait_ms = world.draw(1000..=20_000);
        world.0.executor.sleep(wait_ms).await;
        if world.chance(500_000) {
            let seat = |world: &World| format!("A-{}-{}", world.draw(0..=2), world.draw(1..=8));
            let (block, unblock) = (vec![seat(&world)], vec![seat(&world)]);
            let _ = world
                .request(0, move |door| {
                    let (block, unblock) = (block.clone(), unblock.clone());
                    async move { door.block(block, unblock).await }
                })
                .await;
            continue;
        }
        {
            let mut event = world.0.event.borrow_mut();
            event.version += 1;
            event.queue.admit_per_sec = world.draw(1..=20) as u32;
            event.queue.burst = world.draw(1..=40) as u32;
            event.queue.max_active = world.draw(1..=50) as u32;
            event.queue.paused = world.chance(200_000);
        }
        publish(&world).await;
    }
    {
        let mut event = world.0.event.borrow_mut();
        event.version += 1;
        event.queue = first;
    }
    publish(&world).await;
}

async fn publish(world: &World) {
    for _ in 0..TRIES_MAX {
        if world.request(0, |door| async move { door.publish_event().await }).await.is_ok() {
            return;
        }
    }
}
