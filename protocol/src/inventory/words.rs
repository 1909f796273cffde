//! How home tells the shards what became of their claims, and how a shard asks where it hears nothing.

use std::{fmt::Display, rc::Rc};

use domain::{
    id::ReservationKey,
    inventory::{
        Command, Query,
        claim::{NEXT_CHECK_MS, Standing, Word},
        errand::{Duty, Errand},
    },
    machine::Answer,
    spread::{Part, shard_of},
};
use serde::Deserialize;
use serde_json::json;

use super::{InventoryActor, InventoryRows};
use crate::{Level, Platform, Problem, ask::InventoryAsk};

/// Claims that a shard asks about in one turn of its alarm.
const CHECKS_MAX: usize = 500;
/// Words of one message.
const WORDS_MAX: usize = 500;

/// Whether an errand is home's word about a claim.
pub(super) const fn is_word(errand: &Errand) -> bool {
    matches!(errand.duty, Duty::Settle { .. })
}

impl<P: Platform, S: InventoryRows<Fault: Display> + 'static> InventoryActor<P, S> {
    /// Speaks home's words, one message to each shard, after the book has heard why. Ids of the errands that are done
    /// and of those that failed.
    pub(super) async fn speak(self: &Rc<Self>, errands: &[Errand], trace: &str) -> Result<(Vec<u64>, Vec<u64>), Problem> {
        let ids: Vec<u64> = errands.iter().map(|errand| errand.id).collect();
        self.spread.speaking.borrow_mut().extend(&ids);
        let outcome = self.speak_all(errands, trace).await;
        self.spread.speaking.borrow_mut().retain(|id| !ids.contains(id));
        outcome
    }

    async fn speak_all(self: &Rc<Self>, errands: &[Errand], trace: &str) -> Result<(Vec<u64>, Vec<u64>), Problem> {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for shard in 0..self.shards()? {
            let word = |errand: &Errand| match errand.duty {
                Duty::Settle { shard: to_whom, key, to, after } => {
                    (to_whom == shard).then_some((Word { key, stamp: errand.id, to }, after))
                }
                _ => None,
            };
            let spoken: Vec<(Word, u64)> = errands.iter().filter_map(word).collect();
            for spoken in spoken.chunks(WORDS_MAX) {
                let ids = || spoken.iter().map(|(word, _)| word.stamp);
                let after = spoken.iter().map(|(_, after)| *after).max().unwrap_or(0);
                let words = spoken.iter().map(|(word, _)| *word).collect();
                let heard = self.recorded(after).await?
                    && match self.ask_shard(shard, InventoryAsk::Command(Command::Settle(words)), trace).await {
                        Ok(Answer::Granted { .. }) => true,
                        Ok(Answer::Refused(_)) | Err(_) => false,
                    };
                if heard { done.extend(ids()) } else { failed.extend(ids()) }
            }
        }
        if !failed.is_empty() {
            self.host.platform.log(Level::Warn, trace, "a shard was not told", json!({ "errands": failed.len() }));
        }
        Ok((done, failed))
    }

    /// Speaks the words that nobody has spoken yet: of holds that ran out, whoever found them.
    pub(super) async fn say_words(self: &Rc<Self>, trace: &str) -> Result<(), Problem> {
        if self.part == Part::Root {
            return Ok(());
        }
        let new =
            self.errands(|errand| is_word(errand) && errand.tries == 0 && !self.spread.speaking.borrow().contains(&errand.id))?;
        if new.is_empty() { Ok(()) } else { self.carry_out(new, trace).await }
    }

    /// Speaks every word that was not heard yet, also where that is under way: hearing one twice is harmless.
    pub(super) async fn say_all_words(self: &Rc<Self>, trace: &str) -> Result<(), Problem> {
        let words = self.errands(|errand| is_word(errand) && errand.tries == 0)?;
        if words.is_empty() { Ok(()) } else { self.carry_out(words, trace).await }
    }

    /// Asks home about the claims of which nothing was heard for a while.
    pub(super) async fn check_claims(self: &Rc<Self>) -> Result<(), Problem> {
        let now = self.host.platform.now();
        let due: Vec<ReservationKey> = self.host.read(|inventory, _| Ok(inventory.checks_due(now).take(CHECKS_MAX).collect()))?;
        self.ask_homes(&due).await
    }

    /// Asks the homes of these reservations how they stand, and does what they say.
    pub(super) async fn ask_homes(self: &Rc<Self>, due: &[ReservationKey]) -> Result<(), Problem> {
        let Part::Shard(here) = self.part else { return Ok(()) };
        let shards = self.shards()?;
        for home in 0..shards {
            let keys: Vec<ReservationKey> = due.iter().copied().filter(|key| shard_of(shards, *key) == home).collect();
            if keys.is_empty() {
                continue;
            }
            let (mut until, mut words) = (Vec::new(), Vec::new());
            let soon = self.host.platform.now().plus_ms(NEXT_CHECK_MS);
            for (key, standing) in keys.iter().zip(self.standings(home, here, &keys).await) {
                match standing {
                    Some(Standing::Held(at)) => until.push((*key, at.plus_ms(NEXT_CHECK_MS).max(soon))),
                    Some(Standing::Settled(word)) => words.push(word),
                    Some(Standing::Pending) | None => until.push((*key, soon)),
                }
            }
            if !until.is_empty() {
                self.command(Command::Keep(until), "").await?;
            }
            if !words.is_empty() {
                self.command(Command::Settle(words), "").await?;
            }
        }
        Ok(())
    }

    /// How many shards the event has.
    fn shards(&self) -> Result<u32, Problem> {
        self.host.read(|inventory, _| Ok(inventory.event().map_or(0, |event| event.shards)))
    }

    /// How home says that reservations stand; none where it says nothing.
    async fn standings(self: &Rc<Self>, home: u32, here: u32, keys: &[ReservationKey]) -> Vec<Option<Standing>> {
        #[derive(Deserialize)]
        struct Held(Vec<Option<Standing>>);
        let all = InventoryAsk::Query(Query::Standings { shard: here, keys: keys.to_vec() });
        let answer = self.ask_shard(home, all, "").await;
        let Ok(Answer::Granted { body, .. }) = answer else { return vec![None; keys.len()] };
        let Ok(Held(mut standings)) = serde_json::from_slice(&body) else { return vec![None; keys.len()] };
        standings.resize(keys.len(), None);
        for (key, standing) in keys.iter().zip(&mut standings).filter(|(_, standing)| standing.is_none()) {
            let inquire = InventoryAsk::Command(Command::Inquire { key: *key, shard: here });
            if let Ok(Answer::Granted { body, .. }) = self.ask_shard(home, inquire, "").await {
                *standing = serde_json::from_slice(&body).ok();
            }
        }
        standings
    }
}
