//! Reservations over several shards. Home claims the seats of every shard in the order of their numbers, commits the
//! reservation, and tells the shards how it ended by errands ([`super::words`]); see [`domain::inventory::claim`].
//!
//! | Crash | What follows |
//! |---|---|
//! | home, before a claim is kept | nothing has happened |
//! | home, after some claims, before its commit | each shard asks after 5 s, and frees what no reservation has |
//! | home, after its commit | the reservation stands; the answer is given again by its key |
//! | a shard, before it has kept a claim | home hears nothing, gives up, and owes the release of all of them |
//! | a shard, after that | the claim is in its rows |
//! | home or a shard, while a word is on its way | the errand stays and is tried again; its stamp makes it harmless |

use std::{cell::RefCell, fmt::Display, rc::Rc};

use domain::{
    hash::Hash128,
    id::ReservationKey,
    inventory::{
        Command, Effect, Inventory, Query, Wish,
        claim::{Claimed, Needed, Offer, PartWish, Reclaim, Standing},
    },
    machine::{Answer, Machine},
    refusal::Refusal,
    spread::Part,
};
use futures_channel::oneshot::{self, Sender};
use serde::Deserialize;

use super::{InventoryActor, InventoryRows};
use crate::{
    Platform, Problem,
    ask::{Fault, InventoryAsk, granted},
    within,
};

/// How often home looks for other seats when somebody was quicker with the best ones.
const TRIES_MAX: u32 = 4;
/// How long home waits for a shard, in milliseconds. What comes later is given back.
const PATIENCE_MS: u64 = 3000;

/// What an object of a spread event is doing with the others. All of it may be lost.
#[derive(Default)]
pub(super) struct Coordination {
    /// Reservations that claims are being made for.
    preparing: RefCell<Vec<ReservationKey>>,
    /// What claims are being made for, with those that wait until that is over; see [`turn_of`].
    turns: RefCell<Vec<(Hash128, Vec<Sender<()>>)>>,
    /// Words that are on their way, by the ids of their errands.
    pub(super) speaking: RefCell<Vec<u64>>,
    /// Those who wait until the book has an entry.
    pub(super) waiting_for_book: RefCell<Vec<(u64, Sender<()>)>>,
}

/// What came of asking shards to keep seats.
enum Outcome {
    Kept(Claimed),
    Refused(Refusal),
    /// Somebody did not answer.
    Unknown,
}

impl<P: Platform, S: InventoryRows<Fault: Display> + 'static> InventoryActor<P, S> {
    /// Carries a command out, with the other shards where it takes them.
    pub(super) async fn coordinate(self: &Rc<Self>, command: Command, trace: &str) -> Result<Answer, Problem> {
        if self.part == Part::Root {
            return self.command(command, trace).await;
        }
        match &command {
            Command::Claim { .. } => {
                self.await_book().await?;
                self.with_overdue_settled(command, trace).await
            }
            Command::Inquire { key, .. } => self.standing(*key, &command).await,
            Command::Hold { .. } | Command::Decided { .. } => self.with_claims(command, trace).await,
            _ => self.command(command, trace).await,
        }
    }

    /// Carries a command out; where its seats are kept for holds that must be over by now, once home has said so.
    async fn with_overdue_settled(self: &Rc<Self>, command: Command, trace: &str) -> Result<Answer, Problem> {
        let answer = self.command(command.clone(), trace).await?;
        let Answer::Refused(Refusal::SeatTaken { seat_ids }) = &answer else { return Ok(answer) };
        let now = self.host.platform.now();
        let overdue = self.host.read(|inventory, _| Ok(inventory.overdue_claims(seat_ids, now)))?;
        if overdue.is_empty() {
            return Ok(answer);
        }
        self.ask_homes(&overdue).await?;
        self.command(command, trace).await
    }

    /// How a reservation stands, once the book has heard what it is.
    async fn standing(self: &Rc<Self>, key: ReservationKey, inquire: &Command) -> Result<Answer, Problem> {
        if self.spread.preparing.borrow().contains(&key) {
            return granted(&Standing::Pending);
        }
        let answer = self.host.execute(inquire)?;
        let seq = self.host.read(|inventory, _| Ok(inventory.seq()))?;
        if self.recorded(seq).await? { Ok(answer) } else { granted(&Standing::Pending) }
    }

    /// Waits until the book has heard of every seat that is free here, before somebody else may have it.
    async fn await_book(self: &Rc<Self>) -> Result<(), Problem> {
        let freed = self.host.read(|inventory, _| Ok(inventory.freed_and_told().0))?;
        self.recorded(freed).await.map(|_| ())
    }

    /// Carries a command out, after claims where it needs some. They go on when whoever asked is gone.
    async fn with_claims(self: &Rc<Self>, command: Command, trace: &str) -> Result<Answer, Problem> {
        let answer = self.with_overdue_settled(command.clone(), trace).await?;
        let Answer::Refused(Refusal::MustClaim(needed)) = answer else { return Ok(answer) };
        let (tell, told) = oneshot::channel();
        let (home, trace) = (Rc::clone(self), trace.to_owned());
        self.host.platform.spawn(async move {
            let scope = turn_of(&command);
            // What it needed may have changed while it waited.
            let needed = if home.await_turn(scope).await { None } else { Some(needed) };
            let answer = home.claim_and_execute(&command, needed, &trace).await;
            for next in home.end_turn(scope) {
                let _ = next.send(());
            }
            let _ = tell.send(answer);
        });
        told.await.map_err(|_| Problem::from("the claims came to nothing"))?
    }

    /// Waits until nothing else with the same scope is being carried out; then it is this one's turn. Whether it waited.
    async fn await_turn(&self, scope: Hash128) -> bool {
        let mut waited = false;
        loop {
            let ended = {
                let mut turns = self.spread.turns.borrow_mut();
                let Some((_, waiting)) = turns.iter_mut().find(|(known, _)| *known == scope) else {
                    turns.push((scope, Vec::new()));
                    return waited;
                };
                let (next, ended) = oneshot::channel();
                waiting.push(next);
                ended
            };
            let _ = ended.await;
            waited = true;
        }
    }

    /// Those who wait for the end of this turn.
    fn end_turn(&self, scope: Hash128) -> Vec<Sender<()>> {
        let mut turns = self.spread.turns.borrow_mut();
        let index = turns.iter().position(|(known, _)| *known == scope);
        index.map(|index| turns.swap_remove(index).1).unwrap_or_default()
    }

    /// Claims what a command needs, as it was found out or is now, and carries it out.
    async fn claim_and_execute(
        self: &Rc<Self>,
        command: &Command,
        mut known: Option<Box<Needed>>,
        trace: &str,
    ) -> Result<Answer, Problem> {
        let mut refused = Refusal::Overloaded;
        for _ in 0..TRIES_MAX {
            let needed = match known.take() {
                Some(needed) => needed,
                None => match self.command(command.clone(), trace).await? {
                    Answer::Refused(Refusal::MustClaim(needed)) => needed,
                    answer => return Ok(answer),
                },
            };
            let key = needed.key;
            // Seats that this home has just given back may be wanted again.
            self.say_all_words(trace).await?;
            self.spread.preparing.borrow_mut().push(key);
            let mut asked = Vec::new();
            let outcome = self.claim_all(&needed, &mut asked, trace).await;
            let answer = match &outcome {
                Outcome::Kept(claimed) => Some(self.command(with_claims(command, claimed), trace).await),
                Outcome::Refused(_) | Outcome::Unknown => None,
            };
            self.spread.preparing.borrow_mut().retain(|preparing| *preparing != key);
            // Where storage broke nobody knows whether the reservation is there: its shards will ask.
            let may_be =
                answer.as_ref().is_some_and(|answer| answer.as_ref().map_or(true, |answer| took_effect(command, answer)));
            if !may_be {
                self.command(Command::Release { key, at: asked }, trace).await?;
            }
            match (outcome, answer) {
                (_, Some(answer)) => return answer,
                (Outcome::Refused(refusal), None) => {
                    if let Some(taken) = without_claims(command, &refusal) {
                        return self.command(taken, trace).await;
                    }
                    let again = needed.anywhere.is_some() && matches!(refusal, Refusal::SoldOut | Refusal::SeatTaken { .. });
                    refused = refusal;
                    if !again {
                        break;
                    }
                }
                (Outcome::Kept(_) | Outcome::Unknown, None) => return Ok(Answer::Refused(Refusal::Overloaded)),
            }
        }
        Ok(Answer::Refused(in_order(command, refused)))
    }

    /// Asks every shard that is needed, one after the other in the order of their numbers, so that of two who want the
    /// same seats one gets them. Who was asked goes into `asked` before it is.
    async fn claim_all(self: &Rc<Self>, needed: &Needed, asked: &mut Vec<u32>, trace: &str) -> Outcome {
        let mut parts = needed.parts.clone();
        if let Some(wish) = &needed.anywhere {
            match self.best_part(wish, trace).await {
                Ok(Some(best)) => add_part(&mut parts, best),
                Ok(None) => return Outcome::Refused(Refusal::SoldOut),
                Err(_) => return Outcome::Unknown,
            }
        }
        let Ok(stamp) = self.host.read(|inventory, _| Ok(inventory.next_stamp())) else { return Outcome::Unknown };
        let mut kept = Claimed::default();
        for (index, part) in parts.iter().enumerate() {
            asked.push(part.shard);
            let PartWish { shard, wish, admission } = part.clone();
            let claim = Command::Claim { key: needed.key, stamp, wish, admission };
            match self.ask_shard(shard, InventoryAsk::Command(claim), trace).await {
                Ok(Answer::Granted { body, .. }) => match serde_json::from_slice::<Claimed>(&body) {
                    Ok(claimed) => {
                        kept.at.push(shard);
                        kept.seat_ids.extend(claimed.seat_ids);
                        kept.section = kept.section.or(claimed.section);
                        kept.quantity += claimed.quantity;
                    }
                    Err(_) => return Outcome::Unknown,
                },
                Ok(Answer::Refused(Refusal::SeatTaken { mut seat_ids })) => {
                    for later in &parts[index + 1..] {
                        seat_ids.extend(self.taken_at(later, trace).await);
                    }
                    return Outcome::Refused(Refusal::SeatTaken { seat_ids });
                }
                Ok(Answer::Refused(refusal)) => return Outcome::Refused(refusal),
                Err(_) => return Outcome::Unknown,
            }
        }
        Outcome::Kept(kept)
    }

    /// The section with the best seats for a wish, of all shards; none where nobody has enough.
    async fn best_part(self: &Rc<Self>, wish: &Wish, trace: &str) -> Result<Option<PartWish>, Fault> {
        let event = self.host.read(|inventory, _| Ok(inventory.event().cloned()));
        let Ok(Some(event)) = event else { return Err(Fault::Broken("nobody knows the event".to_owned())) };
        let mut offers: Vec<Offer> = Vec::new();
        for shard in 0..event.shards {
            let answer = self.ask_shard(shard, InventoryAsk::Query(Query::Offer(wish.clone())), trace).await?;
            let Answer::Granted { body, .. } = answer else { return Err(Fault::Broken("no offer".to_owned())) };
            let offer: Option<Offer> = serde_json::from_slice(&body).map_err(|error| Fault::Broken(error.to_string()))?;
            offers.extend(offer);
        }
        let best = offers.into_iter().min();
        let part = |Offer { apart, section }: Offer| {
            let Part::Shard(shard) = event.part_of_section(section) else { return None };
            let section = event.sections.get(section)?.id.clone();
            Some(PartWish {
                shard,
                wish: Some(Wish { section: Some(section), together: !apart, ..wish.clone() }),
                admission: None,
            })
        };
        Ok(best.and_then(part))
    }

    /// Those of a part's seats that are taken; nothing where its shard does not say.
    async fn taken_at(self: &Rc<Self>, part: &PartWish, trace: &str) -> Vec<String> {
        let Some(seat_ids) = part.wish.as_ref().and_then(|wish| wish.seat_ids.clone()) else { return vec![] };
        match self.ask_shard(part.shard, InventoryAsk::Query(Query::Taken(seat_ids)), trace).await {
            Ok(Answer::Granted { body, .. }) => serde_json::from_slice(&body).unwrap_or_default(),
            _ => vec![],
        }
    }

    /// Asks a shard, which may be this one, and does not wait for ever.
    pub(super) async fn ask_shard(self: &Rc<Self>, shard: u32, question: InventoryAsk, trace: &str) -> Result<Answer, Fault> {
        let broken = |problem: Problem| Fault::Broken(problem.0);
        if self.part == Part::Shard(shard) {
            return match question {
                InventoryAsk::Query(query) => self.look(&query).await.map_err(broken),
                InventoryAsk::Command(command) => match &command {
                    Command::Inquire { key, .. } => self.standing(*key, &command).await.map_err(broken),
                    Command::Claim { .. } => {
                        self.await_book().await.map_err(broken)?;
                        self.host.execute(&command).map_err(broken)
                    }
                    _ => self.host.execute(&command).map_err(broken),
                },
                InventoryAsk::Follow { .. } | InventoryAsk::Configure(_) => Err(Fault::Broken("not asked".to_owned())),
            };
        }
        let answer = self.ask_part_of(Part::Shard(shard), &question, trace);
        let late = || Fault::Unavailable("a shard did not answer in time".to_owned());
        within(self.host.platform.pause(PATIENCE_MS), answer).await.unwrap_or_else(|| Err(late()))
    }

    /// What a shard is asked by another, from memory.
    pub(super) fn tell_shard(&self, inventory: &Inventory, query: &Query) -> Option<Result<Answer, Problem>> {
        inventory.event()?;
        match query {
            Query::Offer(wish) => Some(granted(&inventory.offer(wish))),
            Query::Taken(seat_ids) => Some(granted(&inventory.taken_of(seat_ids))),
            Query::Standings { shard, keys } => {
                let preparing = self.spread.preparing.borrow();
                let standing = |key: &ReservationKey| match inventory.held_until(*key, *shard) {
                    Some(until) => Some(Standing::Held(until)),
                    None => preparing.contains(key).then_some(Standing::Pending),
                };
                Some(granted(&keys.iter().map(standing).collect::<Vec<_>>()))
            }
            _ => None,
        }
    }
}

/// A refusal that names seats, in the order in which they were asked for.
fn in_order(command: &Command, refusal: Refusal) -> Refusal {
    match (command, refusal) {
        (Command::Hold { wish: Wish { seat_ids: Some(asked), .. }, .. }, Refusal::SeatTaken { seat_ids }) => {
            Refusal::SeatTaken { seat_ids: asked.iter().filter(|id| seat_ids.contains(id)).cloned().collect() }
        }
        (_, refusal) => refusal,
    }
}

/// What must be carried out one after the other: requests with the same key, and whatever claims the seats of the same
/// reservation again.
fn turn_of(command: &Command) -> Hash128 {
    match command {
        Command::Decided { intent, .. } => Hash128(intent.key.0),
        _ => Inventory::idempotency(command).map_or(Hash128(0), |idempotency| idempotency.scope),
    }
}

/// Puts a part where its shard's number belongs; a shard is asked once.
fn add_part(parts: &mut Vec<PartWish>, part: PartWish) {
    match parts.binary_search_by_key(&part.shard, |known| known.shard) {
        Ok(index) => parts[index].wish = part.wish,
        Err(index) => parts.insert(index, part),
    }
}

/// The command with what was claimed for it.
fn with_claims(command: &Command, claimed: &Claimed) -> Command {
    let mut command = command.clone();
    match &mut command {
        Command::Hold { spread, .. } => spread.claimed = Some(claimed.clone()),
        Command::Decided { reclaim, .. } => *reclaim = Reclaim::Granted,
        _ => {}
    }
    command
}

/// What follows where the seats could not be claimed, if anything: a late approval is given back.
fn without_claims(command: &Command, refusal: &Refusal) -> Option<Command> {
    let Command::Decided { .. } = command else { return None };
    if !matches!(refusal, Refusal::SeatTaken { .. } | Refusal::SoldOut | Refusal::SeatNotFound { .. }) {
        return None;
    }
    let mut command = command.clone();
    if let Command::Decided { reclaim, .. } = &mut command {
        *reclaim = Reclaim::Refused;
    }
    Some(command)
}

/// Whether the seats that were claimed for a command are its reservation's now.
fn took_effect(command: &Command, answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Received {
        effect: Effect,
    }
    match (command, answer) {
        (Command::Hold { .. }, Answer::Granted { replayed, .. }) => !replayed,
        (Command::Decided { .. }, Answer::Granted { body, replayed: false }) => {
            serde_json::from_slice::<Received>(body).is_ok_and(|received| received.effect == Effect::Confirmed)
        }
        _ => false,
    }
}
