//! How a shard tells the book what it did: its ledger and its notifications, in order, one message in flight.

use std::fmt::Display;

use domain::{
    id::EventId,
    inventory::{Command, Inventory, ledger::Entry},
    machine::Answer,
    spread::Part,
};
use futures_channel::oneshot;

use super::{InventoryActor, InventoryRows};
use crate::{
    Platform, Problem,
    ask::{Fault, InventoryAsk, Object, ask},
    within,
};

/// Entries, and notifications, of one message: 300 KB at most.
const TOLD_MAX: u32 = 200;
/// How long somebody waits for the book to have an entry, in milliseconds.
const RECORDED_MS: u64 = 1000;

/// Envelopes by their sequence, each as JSON.
type Numbered = Vec<(u64, String)>;

impl<P: Platform, S: InventoryRows<Fault: Display> + 'static> InventoryActor<P, S> {
    /// Whether the book has not heard of everything that this shard did.
    pub(super) fn untold(&self) -> Result<bool, Problem> {
        if self.part == Part::Root {
            return Ok(false);
        }
        self.host.read(|inventory, _| Ok(inventory.freed_and_told().1 < inventory.seq()))
    }

    /// Waits until the book has an entry of this shard's ledger, but not for ever. Whether it has.
    pub(super) async fn recorded(self: &std::rc::Rc<Self>, seq: u64) -> Result<bool, Problem> {
        let has = |inventory: &Inventory| inventory.freed_and_told().1 >= seq;
        if self.host.read(|inventory, _| Ok(has(inventory)))? {
            return Ok(true);
        }
        let (tell, told) = oneshot::channel();
        self.spread.waiting_for_book.borrow_mut().push((seq, tell));
        self.drain();
        let _ = within(self.host.platform.pause(RECORDED_MS), told).await;
        self.spread.waiting_for_book.borrow_mut().retain(|(_, waiting)| !waiting.is_canceled());
        self.host.read(|inventory, _| Ok(has(inventory)))
    }

    /// Sends what the book does not have, until it has everything.
    pub(super) async fn tell_book(&self) -> Result<(), Problem> {
        let Part::Shard(shard) = self.part else { return Ok(()) };
        loop {
            let Some((known_seq, known_sequence)) = self.told_so_far()? else { return Ok(()) };
            let (entries, envelopes) = self.untold_rows()?;
            if entries.is_empty() && envelopes.is_empty() {
                return Err("what the book lacks is not in the rows".into());
            }
            let seq = entries.last().map_or(known_seq, |entry| entry.seq);
            let sequence = envelopes.last().map_or(known_sequence, |(sequence, _)| *sequence);
            let envelopes =
                envelopes.iter().map(|(_, envelope)| serde_json::from_slice(envelope.as_bytes())).collect::<Result<_, _>>()?;
            match self.ask_part(Part::Root, Command::Merge { shard, entries, envelopes }, "").await {
                Ok(Answer::Granted { .. }) => {}
                Ok(Answer::Refused(refusal)) => return Err(refusal.code().into()),
                Err(fault) => return Err(Problem(format!("{fault:?}"))),
            }
            self.host.execute(&Command::Told { seq, sequence })?;
            let waiting = self.spread.waiting_for_book.take();
            let (done, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(wanted, _)| *wanted <= seq);
            self.spread.waiting_for_book.borrow_mut().extend(rest);
            for (_, tell) in done {
                let _ = tell.send(());
            }
        }
    }

    /// The last entry and the last notification that the book has; none where it has all of them.
    fn told_so_far(&self) -> Result<Option<(u64, u64)>, Problem> {
        self.host.read(|inventory, _| {
            let ((_, told), (sent, sequence)) = (inventory.freed_and_told(), inventory.outbox());
            Ok((told < inventory.seq() || sent < sequence).then_some((told, sent)))
        })
    }

    fn untold_rows(&self) -> Result<(Vec<Entry>, Numbered), Problem> {
        self.host.read(|inventory, store| {
            let fault = |fault: S::Fault| Problem(fault.to_string());
            let entries = store.ledger(inventory.freed_and_told().1, TOLD_MAX).map_err(fault)?;
            Ok((entries, store.outbox(TOLD_MAX).map_err(fault)?))
        })
    }

    /// Asks another part of the event's inventory; one that was never configured is configured on its first question.
    pub(super) async fn ask_part(&self, part: Part, command: Command, trace: &str) -> Result<Answer, Fault> {
        self.ask_part_of(part, &InventoryAsk::Command(command), trace).await
    }

    pub(super) async fn ask_part_of(&self, part: Part, question: &InventoryAsk, trace: &str) -> Result<Answer, Fault> {
        let (platform, object) = (&*self.host.platform, object(&self.event_id, part));
        match ask(platform, &object, trace, question).await? {
            Answer::Refused(domain::refusal::Refusal::Unconfigured) => {}
            answer => return Ok(answer),
        }
        let event = self.host.read(|inventory, _| Ok(inventory.event().cloned()));
        let event = event.map_err(|problem| Fault::Broken(problem.0))?;
        let Some(event) = event else { return Err(Fault::Broken("nobody knows the event".to_owned())) };
        ask(platform, &object, trace, &InventoryAsk::Configure(Box::new(event))).await?;
        ask(platform, &object, trace, question).await
    }
}

fn object(event_id: &EventId, part: Part) -> Object {
    match part {
        Part::Root => Object::Inventory(event_id.clone()),
        Part::Shard(shard) => Object::Shard(event_id.clone(), shard),
    }
}
