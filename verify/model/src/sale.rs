//! One seat's sale as a world to search: what can happen in a state, and what becomes of it.
//!
//! The machines say what they owe and when they are to be called. What is around them is here, with everything that may go
//! wrong: an effect that is due is sent, unless another of its key is under way; it arrives, and its acknowledgement comes back.
//! What takes time may take it through any number of the others' steps.

use std::rc::Rc;

use domain::{
    payment::{Status, WebhookType},
    time::Millis,
};

use crate::{
    cast::{Cast, Facts, Owed, key},
    part::{Fault, Said, with_faults},
    scenario::{Bounds, Flaw, Scenario},
    search::{Broken, World, four_bits_each},
    step::{Ask, Came, Message, Request, Side, Slot, State, Step},
};

const SIDES: [Side; 2] = [Side::Inventory, Side::Provider];

/// A scenario and everybody in it.
pub struct Sale {
    scenario: Scenario,
    cast: Cast,
    /// Commits that the first call of the step at hand tried.
    saves: Option<u8>,
}

type After = Result<State, Broken>;

impl Sale {
    /// The world of a scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self { cast: Cast::new(&scenario), scenario, saves: None }
    }

    /// Different states of the inventory, of the provider and of the witness, and calls that the engine carried out.
    #[must_use]
    pub fn sizes(&self) -> [usize; 4] {
        self.cast.sizes()
    }

    /// The inventory hears of the event.
    ///
    /// # Errors
    /// That breaks a promise.
    pub fn begin(&mut self) -> After {
        let slots = usize::from(self.slots());
        let mut state = State {
            now_ms: 0,
            inventory: 0,
            provider: 0,
            witness: 0,
            messages: vec![],
            reader: 0,
            heard: 0,
            processed: 0,
            granted: vec![0; Request::KEYS * slots],
            left: self.scenario.bounds,
        };
        self.ask(&mut state, Side::Inventory, Ask::Open, None)?;
        Ok(state)
    }

    const fn slots(&self) -> u8 {
        self.scenario.buyers * self.scenario.attempts
    }

    fn facts(&mut self, state: &State, side: Side) -> Rc<Facts> {
        self.cast.facts(side, object(state, side)).expect("a state that was reached can be loaded again")
    }

    // What can happen.

    fn steps(&mut self, state: &State) -> Vec<Step> {
        let mut steps = Vec::with_capacity(32);
        if self.next_instant(state).is_some() && (self.is_before_last(state) || self.is_calm(state)) {
            steps.push(Step::Clock);
        }
        self.requests(state, &mut steps);
        let now = Cast::instant(state.now_ms);
        for side in SIDES {
            let facts = self.facts(state, side);
            let overdue = facts.deadline.is_some_and(|at| at <= now);
            if overdue || facts.owes_at_once {
                steps.push(Step::Ring(side, None));
            }
            if !overdue {
                steps.extend(self.performable(state, &facts).map(Step::Perform));
            }
            let waits = |message: &Message| self.waiting(message) == Some(side);
            if state.left.crashes > 0 && (state.messages.iter().any(waits) || facts.reloaded != object(state, side)) {
                steps.push(Step::Crash(side));
            }
        }
        for (index, message) in state.messages.iter().enumerate() {
            if index > 0 && state.messages[index - 1] == *message {
                continue;
            }
            self.ways(state, *message, &mut steps);
        }
        steps
    }

    /// What can become of a message.
    fn ways(&self, state: &State, message: Message, steps: &mut Vec<Step>) {
        let Bounds { losses, copies, .. } = state.left;
        let reports = matches!(message, Message::Out(number) if matches!(self.cast.owed(number), Owed::Report(_)));
        if reports && self.scenario.flaw == Flaw::EveryWebhookIsLost {
            steps.push(Step::Lose(message));
            return;
        }
        steps.push(Step::Arrive(message, None));
        if losses > 0 && !matches!(message, Message::Adrift(_) | Message::Back(_, Came::Failed)) {
            steps.push(Step::Lose(message));
        }
        if copies > 0 && matches!(message, Message::Out(_) | Message::Batch(..)) {
            steps.push(Step::Copy(message));
        }
    }

    /// The effects that are due and of whose key none is under way.
    fn performable<'s>(&'s self, state: &'s State, facts: &'s Facts) -> impl Iterator<Item = u16> + 's {
        let now = Cast::instant(state.now_ms);
        let under_way = |number: u16| {
            let owed = self.cast.owed(number);
            state.messages.iter().any(|message| match message {
                Message::Out(other) | Message::Back(other, _) => owed.is_in_line_with(self.cast.owed(*other)),
                _ => false,
            })
        };
        let due = facts.heads.iter().filter(move |(_, due_at)| *due_at <= now).map(|(number, _)| *number);
        due.filter(move |number| !under_way(*number))
    }

    /// Which machine waits for what becomes of a message.
    fn waiting(&self, message: &Message) -> Option<Side> {
        match message {
            Message::Out(number) | Message::Back(number, _) => Some(self.cast.owed(*number).side()),
            Message::Adrift(_) | Message::Batch(..) | Message::Dealt(_) => None,
        }
    }

    fn is_before_last(&self, state: &State) -> bool {
        self.scenario.instants_sec.last().is_some_and(|last| u64::from(state.now_ms) < last * 1000)
    }

    /// Nothing is under way and nothing is due: only time, a buyer or something adrift could set anything going.
    fn is_calm(&mut self, state: &State) -> bool {
        let now = Cast::instant(state.now_ms);
        let is_due = |facts: &Facts| {
            let mut due = facts.heads.iter().map(|(_, due_at)| *due_at).chain(facts.deadline);
            due.any(|at| at <= now) || facts.owes_at_once
        };
        state.messages.iter().all(|message| matches!(message, Message::Adrift(_)))
            && SIDES.into_iter().all(|side| !is_due(&self.facts(state, side)))
    }

    /// The next instant at which a machine is to be called or that matters to the scenario.
    fn next_instant(&self, state: &State) -> Option<u32> {
        let now = Cast::instant(state.now_ms);
        let machines = SIDES.into_iter().filter_map(|side| self.cast.wakes_at(side, object(state, side), now));
        let scenario = self.scenario.instants_sec.iter().map(|sec| Cast::instant(0).plus_sec(*sec));
        let next: Option<Millis> = machines.chain(scenario).filter(|at| *at > now).min();
        next.map(|at| u32::try_from(at.since_ms(Cast::instant(0))).expect("scenarios are short"))
    }

    fn requests(&mut self, state: &State, steps: &mut Vec<Step>) {
        let acts = self.scenario.acts;
        let statuses = &self.facts(state, Side::Provider).statuses;
        let was_granted = |request: Request| request.key().is_some_and(|key| state.granted[self.place(key)] != 0);
        let mut ask = |wanted: bool, request| steps.extend(wanted.then_some(Step::Ask(request, None)));
        for buyer in 0..self.scenario.buyers {
            let holds = was_granted(Request::Hold(buyer, false));
            let (first, last) = self.scenario.holds[usize::from(buyer)];
            let may_begin = (first * 1000..=last * 1000).contains(&u64::from(state.now_ms));
            ask(holds || may_begin, Request::Hold(buyer, holds));
            ask(holds && acts.cancel, Request::Cancel(buyer));
            ask(holds && acts.refund, Request::Refund(buyer));
        }
        for slot in 0..self.slots() {
            let (buyer, attempt) = (slot / self.scenario.attempts, slot % self.scenario.attempts);
            let before = if attempt == 0 { Request::Hold(buyer, false) } else { Request::Open(slot - 1) };
            ask(was_granted(before) && self.scenario.opens, Request::Open(slot));
            let opened = was_granted(Request::Open(slot));
            ask(opened && acts.cancel_intent, Request::CancelIntent(slot));
            ask(opened && acts.confirm, Request::Confirm(slot, false));
            let heard = state.heard >> slot & 1 == 1 || self.scenario.flaw == Flaw::ProviderIsNotAsked;
            ask(opened && acts.confirm && heard, Request::Confirm(slot, true));
            let status = statuses[usize::from(slot)];
            ask(status.is_some() && acts.confirm, Request::Look(slot));
            ask(status == Some(Status::Pending) && acts.approve, Request::Process(slot, true));
            ask(status == Some(Status::Pending) && acts.decline, Request::Process(slot, false));
            ask(state.processed >> slot & 1 == 1 && acts.settle, Request::Settle(slot));
            let over = acts.word && status.is_some_and(Status::is_given_up);
            ask(over && self.inventorys(state, slot).is_some_and(Status::is_given_up), Request::Word(slot));
        }
    }

    fn place(&self, (kind, number): (u8, u8)) -> usize {
        usize::from(kind) * usize::from(self.slots()) + usize::from(number)
    }

    // What becomes of it.

    fn take(&mut self, state: &State, step: Step) -> After {
        let mut after = state.clone();
        self.saves = None;
        match step {
            Step::Clock => after.now_ms = self.next_instant(state).expect("there is a next instant"),
            Step::Ask(request, fault) => self.request(&mut after, request, fault)?,
            Step::Ring(side, fault) => drop(self.ask(&mut after, side, Ask::Due, fault)?),
            Step::Perform(number) => {
                after.messages.push(Message::Out(number));
                if let (Owed::Report(webhook), Flaw::CaptureOnApproval) = (self.cast.owed(number), self.scenario.flaw)
                    && webhook.body.kind == WebhookType::Approved
                {
                    let slot = self.cast.slot(&webhook.body.data.payment_intent_id);
                    self.ask(&mut after, Side::Provider, Ask::Capture(slot), None)?;
                }
            }
            Step::Arrive(message, fault) => self.arrive(&mut after, message, fault)?,
            Step::Lose(message) => self.lose(&mut after, message),
            Step::Copy(message) => {
                after.left.copies -= 1;
                after.messages.push(if let Message::Out(number) = message { Message::Adrift(number) } else { message });
            }
            Step::Crash(side) => self.crash(&mut after, side)?,
        }
        after.messages.sort_unstable();
        Ok(after)
    }

    /// One call to a machine. If storage fails the machine is gone.
    fn ask(&mut self, state: &mut State, side: Side, ask: Ask, fault: Option<Fault>) -> Result<Said, Broken> {
        let did = self.cast.ask(side, (object(state, side), state.witness), ask, Cast::instant(state.now_ms), fault)?;
        *object_mut(state, side) = did.object;
        state.witness = did.witness;
        self.saves.get_or_insert(did.saves);
        // Whatever can be reached can be loaded again.
        self.cast.facts(side, did.object)?;
        if fault.is_some() {
            self.crash(state, side)?;
        }
        Ok(did.said)
    }

    fn request(&mut self, state: &mut State, request: Request, fault: Option<Fault>) -> Result<(), Broken> {
        let said = self.ask(state, request.side(), Ask::Request(request), fault)?;
        if let Some(key) = request.key() {
            self.same_key_same_answer(state, key, &said)?;
        }
        match (request, said) {
            (Request::Look(slot), Said::Granted { status: Some(status), .. }) if status.is_authorised() => {
                state.heard |= 1 << slot
            }
            (Request::Process(slot, _), Said::Granted { .. }) => state.processed |= 1 << slot,
            _ => {}
        }
        Ok(())
    }

    fn same_key_same_answer(&self, state: &mut State, key: (u8, u8), said: &Said) -> Result<(), Broken> {
        let granted = &mut state.granted[self.place(key)];
        let broken = |what: String| Err(Broken(format!("acknowledged-survives: a key that was granted {what}")));
        match (*granted, said) {
            (0, Said::Granted { body, .. }) => *granted = *body,
            (before, Said::Granted { body, replayed, .. }) if before != *body || !replayed => {
                return broken("is granted anew".into());
            }
            (1.., Said::Refused(refusal)) => return broken(format!("is refused with {}", refusal.code())),
            _ => {}
        }
        Ok(())
    }

    fn arrive(&mut self, state: &mut State, message: Message, fault: Option<Fault>) -> Result<(), Broken> {
        take_out(state, message);
        match message {
            Message::Back(number, _) => {
                let side = self.cast.owed(number).side();
                self.ask(state, side, Ask::Message(message), fault)?;
            }
            Message::Out(number) => {
                let came = self.deliver(state, number, fault)?;
                state.messages.push(Message::Back(number, came));
            }
            Message::Adrift(number) => drop(self.deliver(state, number, fault)?),
            Message::Batch(first, last) => self.read(state, first, last)?,
            Message::Dealt(_) => drop(self.ask(state, Side::Inventory, Ask::Message(message), fault)?),
        }
        Ok(())
    }

    /// An effect reaches whom it is for.
    fn deliver(&mut self, state: &mut State, number: u16, fault: Option<Fault>) -> Result<Came, Broken> {
        let (to, slot) = match self.cast.owed(number) {
            Owed::Pay { .. } => (Side::Provider, None),
            Owed::Report(webhook) => (Side::Inventory, Some(self.cast.slot(&webhook.body.data.payment_intent_id))),
            Owed::Publish { first, last } => {
                let batch = Message::Batch(*first, *last);
                // A flaw: whoever hands envelopes over takes it that they will be dealt with.
                let flawed = self.scenario.flaw == Flaw::PublishedCountsAsDealtWith;
                state.messages.push(if flawed { Message::Dealt(*last) } else { batch });
                return Ok(Came::Performed);
            }
        };
        let said = self.ask(state, to, Ask::Message(Message::Out(number)), fault)?;
        if let Some(slot) = slot {
            self.same_key_same_answer(state, Request::webhook_key(slot), &said)?;
        }
        Ok(self.cast.owed(number).came(&said))
    }

    /// The reader of `sale-events` takes in what follows on what it has, and reads the log where something is missing.
    fn read(&mut self, state: &mut State, first: u8, last: u8) -> Result<(), Broken> {
        let gap = first > state.reader + 1;
        let dealt = if gap && self.scenario.flaw == Flaw::GapsAreSkipped {
            last
        } else {
            let logged = u8::try_from(self.cast.logged(state.inventory)).expect("logs are short");
            state.reader = state.reader.max(if gap { logged } else { last });
            state.reader
        };
        state.witness = self.cast.acknowledges(state.witness, state.reader.into())?;
        state.messages.push(Message::Dealt(dealt));
        Ok(())
    }

    fn lose(&self, state: &mut State, message: Message) {
        take_out(state, message);
        if self.scenario.flaw != Flaw::EveryWebhookIsLost {
            state.left.losses -= 1;
        }
        if let Message::Out(number) | Message::Back(number, _) = message {
            let counts_as_done = self.scenario.flaw == Flaw::LostEffectsCountAsDone;
            state.messages.push(Message::Back(number, if counts_as_done { Came::Performed } else { Came::Failed }));
        }
    }

    /// What a machine waited for it waits for no more; what it sent may still arrive.
    fn crash(&mut self, state: &mut State, side: Side) -> Result<(), Broken> {
        state.left.crashes -= 1;
        *object_mut(state, side) = self.cast.facts(side, object(state, side))?.reloaded;
        let messages = std::mem::take(&mut state.messages);
        state.messages.extend(messages.into_iter().filter_map(|message| match message {
            _ if self.waiting(&message) != Some(side) => Some(message),
            Message::Out(number) => Some(Message::Adrift(number)),
            _ => None,
        }));
        Ok(())
    }

    // How it may end.

    /// What the inventory knows about an intent, by what it saved.
    fn inventorys(&self, state: &State, slot: Slot) -> Option<Status> {
        let booking = self.cast.witness(state.witness).seats.bookings().get(&key(slot / self.scenario.attempts, false))?;
        booking.intents.get(usize::from(slot % self.scenario.attempts)).copied()
    }

    fn agree(&mut self, state: &State, slot: Slot) -> Result<(), Broken> {
        let Some(inventory) = self.inventorys(state, slot) else { return Ok(()) };
        let provider = self.facts(state, Side::Provider).statuses[usize::from(slot)];
        let agree = provider.is_some_and(|provider| match inventory {
            Status::Approved | Status::Failed => provider == inventory,
            // An approval that came on another way is given back where the provider knows of none.
            Status::Refunded if self.scenario.acts.word => provider.is_final(),
            Status::Refunded => provider == inventory,
            // Given up here before the provider's word came: whatever it had decided, nothing was kept.
            Status::Cancelled | Status::Expired => provider.is_final(),
            Status::Pending | Status::Authorized => false,
        });
        if agree { Ok(()) } else { Err(Broken(format!("agreement: the inventory has {inventory}, the provider {provider:?}"))) }
    }

    fn ending(&mut self, state: &State) -> String {
        let statuses = &self.facts(state, Side::Provider).statuses;
        let mut parts = Vec::new();
        for buyer in 0..self.scenario.buyers {
            let bookings = self.cast.witness(state.witness).seats.bookings();
            let mut part = bookings.get(&key(buyer, false)).map_or("no hold", |booking| booking.status.as_str()).to_owned();
            for slot in buyer * self.scenario.attempts..(buyer + 1) * self.scenario.attempts {
                if let Some(known) = self.inventorys(state, slot) {
                    let provider = statuses[usize::from(slot)].map_or("UNOPENED", Status::as_str);
                    part = format!("{part}, paid {known}, provider {provider}");
                }
            }
            parts.push(part);
        }
        parts.join("; ")
    }

    fn message(&self, message: Message) -> String {
        let owed = |number: u16| match self.cast.owed(number) {
            Owed::Pay { id, intent, instruction } => {
                let what = format!("{instruction:?}");
                let what = what.split([' ', '(']).next().unwrap_or_default();
                format!("effect {id}, {what} of intent {}", self.cast.slot(intent))
            }
            Owed::Publish { first, last } => format!("publication of {first} to {last}"),
            Owed::Report(webhook) => {
                let slot = self.cast.slot(&webhook.body.data.payment_intent_id);
                format!("{:?} of intent {slot}, try {}", webhook.body.kind, webhook.attempt)
            }
        };
        match message {
            Message::Out(number) => owed(number),
            Message::Adrift(number) => format!("late {}", owed(number)),
            Message::Back(number, came) => format!("answer ({came:?}) to {}", owed(number)),
            Message::Batch(first, last) => format!("batch of {first} to {last}"),
            Message::Dealt(through) => format!("word that all is dealt with through {through}"),
        }
    }
}

const fn object(state: &State, side: Side) -> u32 {
    match side {
        Side::Inventory => state.inventory,
        Side::Provider => state.provider,
    }
}

const fn object_mut(state: &mut State, side: Side) -> &mut u32 {
    match side {
        Side::Inventory => &mut state.inventory,
        Side::Provider => &mut state.provider,
    }
}

fn take_out(state: &mut State, message: Message) {
    let at = state.messages.iter().position(|known| *known == message);
    state.messages.remove(at.expect("it is on its way"));
}

impl World for Sale {
    type State = State;
    type Step = Step;

    fn start(&mut self) -> State {
        self.begin().expect("a new event breaks no promise")
    }

    fn left(&self, state: &State) -> u32 {
        let Bounds { crashes, copies, losses } = state.left;
        four_bits_each([crashes, copies, losses])
    }

    fn successors(&mut self, state: &State) -> Vec<(Step, After)> {
        with_faults(self.steps(state), state.left.crashes > 0, Step::with, |step| {
            (self.take(state, step), self.saves.unwrap_or(0))
        })
    }

    fn rest(&mut self, state: &State) -> Result<Option<String>, Broken> {
        if self.next_instant(state).is_some() || !self.is_calm(state) {
            return Ok(None);
        }
        self.cast.witness(state.witness).at_rest().map_err(|violation| Broken(violation.to_string()))?;
        (0..self.slots()).try_for_each(|slot| self.agree(state, slot))?;
        Ok(Some(self.ending(state)))
    }

    fn describe(&mut self, state: &State) -> String {
        let how = self.ending(state);
        format!("{:.1} s: {how}", f64::from(state.now_ms) / 1000.0)
    }

    fn name(&self, step: Step) -> String {
        let (text, fault) = match step {
            Step::Clock => ("time passes".to_owned(), None),
            Step::Ask(request, fault) => (format!("asked to {request:?}"), fault),
            Step::Ring(side, fault) => (format!("the alarm of the {side:?} rings"), fault),
            Step::Perform(number) => (format!("{} is sent", self.message(Message::Out(number))), None),
            Step::Arrive(message, fault) => (format!("{} arrives", self.message(message)), fault),
            Step::Lose(message) => (format!("{} is lost", self.message(message)), None),
            Step::Copy(message) => (format!("a copy of {} stays on the way", self.message(message)), None),
            Step::Crash(side) => (format!("the {side:?} crashes"), None),
        };
        fault.map_or_else(|| text.clone(), |fault| format!("{text} [{fault}]"))
    }
}
