//! One seat's sale as a world to search: what can happen in a state, and what becomes of it.
//!
//! What the actors of `protocol` do around their machines is followed step by step; each step is what runs between two
//! awaits. Where a part may be slow, it may be slow for ever and through any number of the others' steps.

use domain::{
    inventory::reservation::Status as Booked,
    machine::Answer,
    payment::{Status, StatusReply},
};

use crate::{
    cast::{Cast, InventoryAsk, KEY_KINDS, PaymentAsk, key_place},
    object::Fault,
    scenario::{Bounds, Flaw, Scenario},
    search::{Broken, World},
    state::{Call, Owner, State, Try},
    step::{Due, Request, Slot, Step},
};

/// After this many failures an errand is tried only together with all that are owed, and once no call is under way: its
/// pause has grown.
const SLOW_TRIES: u32 = 1;

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

    /// Different states of the inventory, of the payments and of the witness, and calls that the engine carried out.
    #[must_use]
    pub fn sizes(&self) -> [usize; 4] {
        self.cast.sizes()
    }

    /// The inventory hears of the event: its number and the witness's.
    ///
    /// # Errors
    /// That breaks a promise.
    pub fn begin_sale(&mut self) -> Result<(u32, u32), Broken> {
        self.cast.configured()
    }

    const fn slots(&self) -> u8 {
        self.scenario.buyers * self.scenario.attempts
    }

    /// Which of `State::granted` belongs to the key of `ask`.
    fn key(&self, ask: InventoryAsk) -> Option<usize> {
        let (kind, number) = key_place(ask)?;
        Some(usize::from(kind) * usize::from(self.slots()) + usize::from(number))
    }

    fn was_granted(&self, state: &State, request: Request) -> bool {
        self.key(InventoryAsk::Request(request)).is_some_and(|key| state.granted[key] != 0)
    }

    // What can happen.

    fn steps(&mut self, state: &State) -> Vec<Step> {
        let mut steps = Vec::with_capacity(32);
        if self.time_passes(state) {
            steps.push(Step::Clock);
        }
        self.requests(state, &mut steps);
        self.inventory_steps(state, &mut steps);
        for slot in 0..self.slots() {
            self.payment_steps(state, slot, &mut steps);
        }
        steps.extend((0..).zip(&state.webhooks).map(|(copy, _)| Step::LateWebhook(copy, None)));
        steps.extend((0..).zip(&state.instructions).map(|(copy, _)| Step::LateInstruct(copy, None)));
        steps
    }

    /// After the scenario's last instant, time passes while it is what a payment waits for.
    fn time_passes(&mut self, state: &State) -> bool {
        let now = self.cast.now(state.instant);
        let mut slots = 0..self.slots();
        usize::from(state.instant) + 1 < self.scenario.instants_sec.len()
            || slots.any(|slot| {
                let facts = self.cast.payment(state.payments[usize::from(slot)], slot);
                facts.deadline.is_some_and(|at| at > now)
            })
    }

    fn requests(&self, state: &State, steps: &mut Vec<Step>) {
        let acts = self.scenario.acts;
        let mut ask = |request| steps.push(Step::Ask(request, None));
        for buyer in 0..self.scenario.buyers {
            let holds = self.was_granted(state, Request::Hold(buyer, false));
            let (first, last) = self.scenario.holds[usize::from(buyer)];
            if holds || (first..=last).contains(&state.instant) {
                ask(Request::Hold(buyer, holds));
            }
            if acts.cancel && holds {
                ask(Request::Cancel(buyer));
            }
            if acts.refund && holds {
                ask(Request::Refund(buyer));
            }
        }
        for slot in 0..self.slots() {
            let first = slot % self.scenario.attempts == 0;
            let before = if first { Request::Hold(self.cast.buyer(slot), false) } else { Request::Open(slot - 1) };
            if !self.was_granted(state, before) {
                continue;
            }
            ask(Request::Open(slot));
            if !self.was_granted(state, Request::Open(slot)) {
                continue;
            }
            if acts.cancel_intent {
                ask(Request::CancelIntent(slot));
            }
            if acts.confirm {
                ask(Request::Confirm(slot, false));
                if state.heard >> slot & 1 == 1 || self.scenario.flaw == Flaw::ProviderIsNotAsked {
                    ask(Request::Confirm(slot, true));
                }
            }
        }
    }

    fn inventory_steps(&mut self, state: &State, steps: &mut Vec<Step>) {
        for (index, call) in (0..).zip(&state.calls) {
            if call.left.is_empty() {
                steps.push(Step::Finish(index, None));
                continue;
            }
            steps.push(Step::Instruct(index, None));
            if state.left.losses > 0 {
                steps.push(Step::InstructLost(index));
            }
            if state.left.echoes > 0 {
                steps.push(Step::InstructEchoed(index));
            }
        }
        let facts = self.cast.inventory(state.inventory);
        if facts.deadline.is_some_and(|at| at <= self.cast.now(state.instant)) || facts.unsent.is_some() {
            steps.push(Step::InventoryAlarm(Due::None, None));
        }
        let rings = state.calls.iter().all(|call| call.owner != Owner::Alarm);
        let may_try = |(number, id, tries): &(u8, u64, u32)| {
            (*tries < SLOW_TRIES || state.calls.is_empty()) && (state.left.overlaps > 0 || !is_tried(state, *number, *id))
        };
        if rings && !facts.errands.is_empty() {
            if facts.errands.iter().all(may_try) {
                steps.push(Step::InventoryAlarm(Due::All, None));
            }
            if facts.errands.len() > 1 {
                // A bound: one that failed may depend on an earlier one, and would fail alone for ever.
                let due = facts.errands.iter().filter(|errand| errand.2 < SLOW_TRIES && may_try(errand));
                steps.extend(
                    due.map(|(_, id, _)| Step::InventoryAlarm(Due::One(u8::try_from(*id).expect("there are few errands")), None)),
                );
            }
        }
        if state.left.crashes > 0 {
            steps.push(Step::CrashInventory);
        }
    }

    fn payment_steps(&mut self, state: &State, slot: Slot, steps: &mut Vec<Step>) {
        let facts = self.cast.payment(state.payments[usize::from(slot)], slot);
        let acts = self.scenario.acts;
        if facts.deadline.is_some_and(|at| at <= self.cast.now(state.instant)) {
            steps.push(Step::PaymentAlarm(slot, None));
        }
        if let Some(status) = &facts.status {
            if acts.confirm {
                steps.push(Step::AskProvider(slot, None));
            }
            if status.status == Status::Pending {
                let acts = [(acts.approve, true), (acts.decline, false)];
                steps.extend(acts.iter().filter(|act| act.0).map(|act| Step::Process(slot, act.1, None)));
            }
        }
        match state.tries[usize::from(slot)] {
            Try::Idle if facts.report.is_some() => steps.push(Step::Report(slot)),
            Try::Idle => {}
            Try::Flying { .. } if self.scenario.flaw == Flaw::EveryWebhookIsLost => steps.push(Step::WebhookLost(slot)),
            Try::Flying { .. } => {
                steps.push(Step::Webhook(slot, None));
                if state.left.echoes > 0 {
                    steps.push(Step::WebhookEchoed(slot));
                }
                if state.left.losses > 0 {
                    steps.push(Step::WebhookLost(slot));
                }
            }
            Try::Working { .. } | Try::Answered { taken: true, .. } if state.left.losses > 0 => {
                steps.push(Step::WebhookLost(slot));
            }
            Try::Working { .. } | Try::Answered { .. } => {}
        }
        if let Try::Answered { .. } = state.tries[usize::from(slot)] {
            steps.push(Step::WebhookResult(slot, None));
        }
        if state.left.crashes > 0 && state.tries[usize::from(slot)] != Try::Idle {
            steps.push(Step::CrashPayment(slot));
        }
    }

    // What becomes of it.

    fn take(&mut self, state: &State, step: Step) -> After {
        let mut after = state.clone();
        self.saves = None;
        match step {
            Step::Clock => after.instant += 1,
            Step::Ask(request, fault) => {
                self.command(&mut after, InventoryAsk::Request(request), fault, Owner::Request)?;
            }
            Step::AskProvider(slot, fault) => self.ask_provider(&mut after, slot, fault)?,
            Step::Process(slot, approve, fault) => {
                self.ask_payment(&mut after, slot, PaymentAsk::Decide(approve), fault)?;
            }
            Step::InventoryAlarm(due, fault) => self.ring(&mut after, due, fault)?,
            Step::PaymentAlarm(slot, fault) => {
                self.ask_payment(&mut after, slot, PaymentAsk::Due, fault)?;
            }
            Step::Instruct(call, fault) => self.instruct(&mut after, call, fault)?,
            Step::InstructLost(call) => {
                after.left.losses -= 1;
                let counts_as_done = self.scenario.flaw == Flaw::LostErrandsCountAsDone;
                self.tried(&mut after, call, counts_as_done);
            }
            Step::InstructEchoed(call) => {
                after.left.echoes -= 1;
                after.instructions.push(after.calls[usize::from(call)].left[0]);
            }
            Step::Finish(call, fault) => self.finish(&mut after, call, fault)?,
            Step::LateInstruct(copy, fault) => {
                let errand = after.instructions.remove(usize::from(copy));
                let slot = self.cast.slot_of(errand).expect("only payments are instructed by message");
                self.ask_payment(&mut after, slot, PaymentAsk::Instruct(errand), fault)?;
            }
            Step::Report(slot) => self.report(&mut after, slot)?,
            Step::Webhook(slot, fault) => self.webhook(&mut after, slot, fault)?,
            Step::WebhookLost(slot) => self.webhook_lost(&mut after, slot),
            Step::WebhookEchoed(slot) => {
                after.left.echoes -= 1;
                let Try::Flying { word, .. } = after.tries[usize::from(slot)] else { unreachable!("it is on its way") };
                after.webhooks.push((slot, word));
            }
            Step::WebhookResult(slot, fault) => self.webhook_result(&mut after, slot, fault)?,
            Step::LateWebhook(copy, fault) => {
                let (slot, word) = after.webhooks.remove(usize::from(copy));
                self.command(&mut after, InventoryAsk::Decided(slot, word), fault, Owner::Request)?;
            }
            Step::CrashInventory => self.crash_inventory(&mut after)?,
            Step::CrashPayment(slot) => crash_payment(&mut after, slot),
        }
        after.calls.sort_unstable();
        after.webhooks.sort_unstable();
        after.instructions.sort_unstable();
        Ok(after)
    }

    /// One call to the inventory; its answer, if it got that far.
    fn ask_inventory(&mut self, state: &mut State, ask: InventoryAsk, fault: Option<Fault>) -> Result<Option<Answer>, Broken> {
        let (outcome, witness) = self.cast.ask_inventory((state.inventory, state.witness), ask, state.instant, fault)?;
        (state.inventory, state.witness) = (outcome.object, witness);
        self.saves.get_or_insert(outcome.saves);
        if let (Some(key), Some(answer)) = (self.key(ask), &outcome.answer) {
            self.same_key_same_answer(state, key, answer)?;
        }
        Ok(outcome.answer.clone())
    }

    fn same_key_same_answer(&mut self, state: &mut State, key: usize, answer: &Answer) -> Result<(), Broken> {
        let before = state.granted[key];
        match answer {
            Answer::Granted { body, replayed } => {
                let body = self.cast.body(body);
                if before != 0 && !(before == body && *replayed) {
                    return Err(Broken("acknowledged-survives: a key was granted twice".to_owned()));
                }
                state.granted[key] = body;
            }
            Answer::Refused(refusal) if before != 0 => {
                let code = refusal.code();
                return Err(Broken(format!("acknowledged-survives: a key that was granted is refused with {code}")));
            }
            Answer::Refused(_) => {}
        }
        Ok(())
    }

    /// What the inventory's actor does with a command; its answer, and whether it first carries out errands.
    fn command(
        &mut self,
        state: &mut State,
        ask: InventoryAsk,
        fault: Option<Fault>,
        owner: Owner,
    ) -> Result<(Option<Answer>, bool), Broken> {
        let first_own = self.cast.inventory(state.inventory).next_errand;
        let answer = self.ask_inventory(state, ask, fault)?;
        if answer.is_none() {
            return Ok((None, false));
        }
        let facts = self.cast.inventory(state.inventory);
        let own: Vec<u8> = facts.errands.iter().filter(|(_, id, _)| *id >= first_own).map(|(number, _, _)| *number).collect();
        self.drain(state)?;
        let carries_out = !own.is_empty();
        if carries_out {
            self.begin(state, owner, own);
        }
        Ok((answer, carries_out))
    }

    /// The outbox is taken at once: nothing else reads what that changes.
    fn drain(&mut self, state: &mut State) -> Result<(), Broken> {
        if let Some(through) = self.cast.inventory(state.inventory).unsent {
            self.ask_inventory(state, InventoryAsk::Sent(through), None)?;
        }
        Ok(())
    }

    fn begin(&self, state: &mut State, owner: Owner, left: Vec<u8>) {
        let mut call = Call { owner, left, done: 0, failed: 0 };
        self.skip_queue(&mut call);
        state.calls.push(call);
    }

    /// What is owed to the queue is always carried out at once: nothing here depends on it.
    fn skip_queue(&self, call: &mut Call) {
        while let Some(errand) = call.left.first().filter(|errand| self.cast.slot_of(**errand).is_none()) {
            call.done |= 1 << self.cast.errand(*errand).0;
            call.left.remove(0);
        }
    }

    fn ring(&mut self, state: &mut State, due: Due, fault: Option<Fault>) -> Result<(), Broken> {
        self.ask_inventory(state, InventoryAsk::Due, fault)?;
        if fault.is_some() {
            // The platform rings again.
            return Ok(());
        }
        self.drain(state)?;
        let facts = self.cast.inventory(state.inventory);
        let is_due = |id: u64| match due {
            Due::None => false,
            Due::All => true,
            Due::One(one) => id == u64::from(one),
        };
        let due: Vec<_> = facts.errands.iter().filter(|(_, id, _)| is_due(*id)).collect();
        if due.iter().any(|(number, id, _)| is_tried(state, *number, *id)) {
            state.left.overlaps -= 1;
        }
        let errands: Vec<u8> = due.into_iter().map(|(number, _, _)| *number).collect();
        if !errands.is_empty() {
            self.begin(state, Owner::Alarm, errands);
        }
        Ok(())
    }

    fn ask_payment(
        &mut self,
        state: &mut State,
        slot: Slot,
        ask: PaymentAsk,
        fault: Option<Fault>,
    ) -> Result<Option<Answer>, Broken> {
        let at = usize::from(slot);
        let (outcome, witness) = self.cast.ask_payment((state.payments[at], slot, state.witness), ask, state.instant, fault)?;
        (state.payments[at], state.witness) = (outcome.object, witness);
        self.saves.get_or_insert(outcome.saves);
        Ok(outcome.answer.clone())
    }

    fn ask_provider(&mut self, state: &mut State, slot: Slot, fault: Option<Fault>) -> Result<(), Broken> {
        self.ask_payment(state, slot, PaymentAsk::Due, fault)?;
        let authorised = self.status(state, slot).is_some_and(|status| status.status.is_authorised());
        if fault.is_none() && authorised {
            state.heard |= 1 << slot;
        }
        Ok(())
    }

    fn status(&mut self, state: &State, slot: Slot) -> Option<StatusReply> {
        self.cast.payment(state.payments[usize::from(slot)], slot).status.clone()
    }

    fn instruct(&mut self, state: &mut State, call: u8, fault: Option<Fault>) -> Result<(), Broken> {
        let errand = state.calls[usize::from(call)].left[0];
        let slot = self.cast.slot_of(errand).expect("what is owed to the queue was skipped");
        let answer = self.ask_payment(state, slot, PaymentAsk::Instruct(errand), fault)?;
        self.tried(state, call, matches!(answer, Some(Answer::Granted { .. })));
        Ok(())
    }

    fn tried(&self, state: &mut State, call: u8, done: bool) {
        let call = &mut state.calls[usize::from(call)];
        let bit = 1 << self.cast.errand(call.left.remove(0)).0;
        *if done { &mut call.done } else { &mut call.failed } |= bit;
        self.skip_queue(call);
    }

    fn finish(&mut self, state: &mut State, call: u8, fault: Option<Fault>) -> Result<(), Broken> {
        let Call { owner, done, failed, .. } = state.calls.remove(usize::from(call));
        let mut noted = true;
        let asks = [(done, InventoryAsk::Done(done)), (failed, InventoryAsk::Failed(failed))];
        for (_, ask) in asks.into_iter().filter(|(ids, _)| *ids != 0) {
            let fault = fault.filter(|_| self.saves.is_none());
            noted &= self.ask_inventory(state, ask, fault)?.is_some();
            if !noted {
                break;
            }
        }
        if let Owner::Webhook(slot) = owner {
            answer_webhook(state, slot, noted);
        }
        Ok(())
    }

    fn report(&mut self, state: &mut State, slot: Slot) -> Result<(), Broken> {
        let facts = self.cast.payment(state.payments[usize::from(slot)], slot);
        let (attempt, word) = facts.report.expect("a webhook is due");
        state.tries[usize::from(slot)] = Try::Flying { attempt, word };
        if self.scenario.flaw == Flaw::CaptureOnApproval {
            self.ask_payment(state, slot, PaymentAsk::Capture, None)?;
        }
        Ok(())
    }

    fn webhook(&mut self, state: &mut State, slot: Slot, fault: Option<Fault>) -> Result<(), Broken> {
        let at = usize::from(slot);
        let Try::Flying { attempt, word } = state.tries[at] else { unreachable!("it is on its way") };
        state.tries[at] = Try::Working { attempt };
        let (answer, carries_out) = self.command(state, InventoryAsk::Decided(slot, word), fault, Owner::Webhook(slot))?;
        if !carries_out {
            answer_webhook(state, slot, matches!(answer, Some(Answer::Granted { .. })));
        }
        Ok(())
    }

    fn webhook_lost(&self, state: &mut State, slot: Slot) {
        if self.scenario.flaw != Flaw::EveryWebhookIsLost {
            state.left.losses -= 1;
        }
        let (Try::Flying { attempt, .. } | Try::Working { attempt } | Try::Answered { attempt, .. }) =
            state.tries[usize::from(slot)]
        else {
            unreachable!("one is out")
        };
        nobody_waits(state, slot);
        state.tries[usize::from(slot)] = Try::Answered { attempt, taken: false };
    }

    fn webhook_result(&mut self, state: &mut State, slot: Slot, fault: Option<Fault>) -> Result<(), Broken> {
        let at = usize::from(slot);
        let Try::Answered { attempt, taken } = state.tries[at] else { unreachable!("it was answered") };
        state.tries[at] = Try::Idle;
        self.ask_payment(state, slot, PaymentAsk::Result(attempt, taken), fault)?;
        Ok(())
    }

    fn crash_inventory(&mut self, state: &mut State) -> Result<(), Broken> {
        state.left.crashes -= 1;
        state.inventory = self.cast.forget_inventory(state.inventory)?;
        state.calls.clear();
        for slot in 0..self.slots() {
            answer_webhook(state, slot, false);
        }
        Ok(())
    }

    // How it may end.

    /// Nothing happens any more unless a buyer asks or a late copy arrives, and every deadline has passed.
    fn is_at_rest(&mut self, state: &State) -> bool {
        let last = !self.time_passes(state);
        let nothing_out = state.calls.is_empty() && state.tries.iter().all(|out| *out == Try::Idle);
        if !(last && nothing_out) {
            return false;
        }
        let now = self.cast.now(state.instant);
        let inventory = self.cast.inventory(state.inventory);
        let owes = !inventory.errands.is_empty() || inventory.unsent.is_some() || inventory.deadline.is_some_and(|at| at <= now);
        let mut slots = 0..self.slots();
        let reports = |slot: Slot| {
            let facts = self.cast.payment(state.payments[usize::from(slot)], slot);
            facts.report.is_some() || facts.deadline.is_some_and(|at| at <= now)
        };
        !owes && !slots.any(reports)
    }

    /// What the inventory and the provider say about one intent, where it was opened.
    fn both(&mut self, state: &State, slot: Slot) -> Option<(Booked, Status, Option<Status>)> {
        let key = Cast::key(self.cast.buyer(slot), false);
        let provider = self.status(state, slot).map(|status| status.status);
        let booking = self.cast.witness(state.witness).seats.bookings().get(&key)?;
        let known = booking.intents.get(usize::from(slot % self.scenario.attempts))?;
        Some((booking.status, *known, provider))
    }

    fn agree(&mut self, state: &State, slot: Slot) -> Result<(), Broken> {
        let Some((_, inventory, provider)) = self.both(state, slot) else { return Ok(()) };
        let agree = provider.is_some_and(|provider| match inventory {
            Status::Approved | Status::Refunded | Status::Failed => provider == inventory,
            // Given up here before the provider's word came: whatever it had decided, nothing was kept.
            Status::Cancelled | Status::Expired => provider.is_final(),
            Status::Pending | Status::Authorized => false,
        });
        if agree { Ok(()) } else { Err(Broken(format!("agreement: the inventory has {inventory}, the provider {provider:?}"))) }
    }

    fn ending(&mut self, state: &State) -> String {
        let mut parts = Vec::new();
        for buyer in 0..self.scenario.buyers {
            let bookings = self.cast.witness(state.witness).seats.bookings();
            let status = bookings.get(&Cast::key(buyer, false)).map_or("no hold", |booking| booking.status.as_str());
            let mut part = status.to_owned();
            for slot in buyer * self.scenario.attempts..(buyer + 1) * self.scenario.attempts {
                if let Some((_, known, provider)) = self.both(state, slot) {
                    let provider = provider.map_or("UNOPENED", Status::as_str);
                    part = format!("{part}, paid {known}, provider {provider}");
                }
            }
            parts.push(part);
        }
        parts.join("; ")
    }
}

/// Whether a call that is under way has this errand in its hands.
fn is_tried(state: &State, number: u8, id: u64) -> bool {
    state.calls.iter().any(|call| call.left.contains(&number) || (call.done | call.failed) >> id & 1 == 1)
}

/// The payment hears, unless it has stopped waiting.
fn answer_webhook(state: &mut State, slot: Slot, taken: bool) {
    if let Try::Working { attempt } = state.tries[usize::from(slot)] {
        state.tries[usize::from(slot)] = Try::Answered { attempt, taken };
    }
}

/// The payment has stopped waiting for the call that its webhook led to.
fn nobody_waits(state: &mut State, slot: Slot) {
    for call in state.calls.iter_mut().filter(|call| call.owner == Owner::Webhook(slot)) {
        call.owner = Owner::Request;
    }
}

/// Its rows are its memory (see [`crate::object`]): what it loses is the webhook that is out.
fn crash_payment(state: &mut State, slot: Slot) {
    state.left.crashes -= 1;
    nobody_waits(state, slot);
    state.tries[usize::from(slot)] = Try::Idle;
}

impl World for Sale {
    type State = State;
    type Step = Step;

    fn start(&mut self) -> State {
        let (inventory, witness) = self.begin_sale().expect("a new event breaks no promise");
        let slots = usize::from(self.slots());
        State {
            instant: 0,
            inventory,
            payments: vec![0; slots],
            witness,
            calls: vec![],
            tries: vec![Try::Idle; slots],
            heard: 0,
            webhooks: vec![],
            instructions: vec![],
            granted: vec![0; KEY_KINDS * slots],
            left: self.scenario.bounds,
        }
    }

    fn left(&self, state: &State) -> u32 {
        let Bounds { crashes, faults, echoes, losses, overlaps } = state.left;
        [crashes, faults, echoes, losses, overlaps].into_iter().fold(0, |bits, left| bits << 4 | u32::from(left))
    }

    fn successors(&mut self, state: &State) -> Vec<(Step, After)> {
        let mut successors = Vec::with_capacity(64);
        for step in self.steps(state) {
            let after = self.take(state, step);
            let saves = self.saves.unwrap_or(0);
            successors.push((step, after));
            if state.left.faults == 0 {
                continue;
            }
            for fault in (1..=saves).flat_map(|save| [Fault::RolledBack(save), Fault::Unheard(save)]) {
                let Some(step) = step.with(fault) else { continue };
                let after = self.take(state, step).map(|mut after| {
                    after.left.faults -= 1;
                    after
                });
                successors.push((step, after));
            }
        }
        successors
    }

    fn rest(&mut self, state: &State) -> Result<Option<String>, Broken> {
        if !self.is_at_rest(state) {
            return Ok(None);
        }
        self.cast.witness(state.witness).at_rest().map_err(|violation| Broken(violation.to_string()))?;
        (0..self.slots()).try_for_each(|slot| self.agree(state, slot))?;
        Ok(Some(self.ending(state)))
    }

    fn describe(&mut self, state: &State) -> String {
        let how = self.ending(state);
        format!("{} s: {how}", self.cast.now_sec(state.instant))
    }
}
