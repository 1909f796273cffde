//! Organisers' endpoints as a world to search: each a cursor per event over logs that grow.
//!
//! The machines are `domain::delivery` in the real engine; they say what they owe and when they are to be called. What is
//! around them is here, as `actors::webhook` and `actors::sale_events` do it: a log is asked for a place or read behind a
//! cursor, what was read is posted, and what came of it is fed back; the reader of `sale-events` says how far a log reaches
//! until the object has granted that, and directs an object that does not know itself.
//!
//! | Checked | Where |
//! |---|---|
//! | the witness *nothing-untold* accepts everything that an endpoint took and that its object saved | each step |
//! | nothing but the last envelope is sent again, unless on the way of a copy or of a post from before a crash | each step |
//! | a cursor moves only over what the endpoint was heard to have taken | each step |
//! | memory is what a reload from the rows gives | each state of an object |
//! | an endpoint that is not disabled has everything that was logged since it was made | each terminal state |
//!
//! A state is terminal when only a longer log, an organiser or a late copy could still set something going: an organiser may
//! leave its endpoint disabled for ever, or enable it at any time, after which it must come to have everything.
//!
//! **What is wider than reality**: the reader repeats a word at once, endpoint by endpoint; what died with a crash may be tried
//! again at once. **What is left out**: replays, dead letters and changed directions, which the tests of `domain::delivery` are
//! about; reading ahead; what is shown only (attempts). The reader says one word of a log after the other to an endpoint; a copy
//! comes out of order.

pub mod account;
pub mod cast;
pub mod rows;
pub mod scenario;
pub mod step;

use std::rc::Rc;

use domain::delivery::State as Condition;

use self::{
    cast::{Cast, Did, Facts},
    rows::event_id,
    scenario::{Bounds, Flaw, Scenario},
    step::{Ask, Came, End, Endpoint, Log, Logged, Message, State, Step},
};
use crate::{
    part::{Fault, with_faults},
    search::{Broken, Successors, World, four_bits_each},
};

/// An endpoint that took what it was sent.
const TAKEN: u16 = 200;
/// One that failed.
const FAILED: u16 = 500;
/// One that wants nothing any more.
const GONE: u16 = 410;
/// One that is down.
const DOWN: u16 = 503;

/// A scenario and everybody in it.
pub struct Endpoints {
    scenario: Scenario,
    cast: Cast,
    /// Commits that the call of the step at hand tried.
    saves: Option<u8>,
}

type After = Result<State, Broken>;

impl Endpoints {
    /// The world of a scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self { cast: Cast::new(&scenario), scenario, saves: None }
    }

    /// Different states of objects and accounts, and calls that the engine carried out.
    #[must_use]
    pub fn sizes(&self) -> [usize; 3] {
        self.cast.sizes()
    }

    /// The endpoints that are there from the beginning are made and directed.
    ///
    /// # Errors
    /// That breaks a promise.
    pub fn begin(&mut self) -> After {
        let Scenario { endpoints, logs, late, bounds, .. } = self.scenario;
        let none = vec![0; logs.len()];
        let unmade = Endpoint { made_ms: None, object: 0, account: 0, before: none.clone(), told: none };
        let mut state = State {
            now_ms: 0,
            logs: vec![Logged::default(); logs.len()],
            endpoints: vec![unmade; usize::from(endpoints)],
            messages: vec![],
            left: bounds,
        };
        for end in 0..endpoints - u8::from(late) {
            make(&mut state, end);
            self.ask(&mut state, end, Ask::Direct(0), None)?;
        }
        state.messages.clear();
        Ok(state)
    }

    fn facts(&mut self, state: &State, end: End) -> Rc<Facts> {
        self.cast.facts(endpoint(state, end).object).expect("a state that was reached can be loaded again")
    }

    fn ends(&self) -> impl Iterator<Item = End> + use<> {
        0..self.scenario.endpoints
    }

    fn logs(&self) -> impl Iterator<Item = Log> + use<> {
        (0..).zip(self.scenario.logs).map(|(log, _)| log)
    }

    // What can happen.

    fn steps(&mut self, state: &State) -> Vec<Step> {
        let mut steps = Vec::with_capacity(32);
        let is_free = self.scenario.instants_ms.last().is_some_and(|last| state.now_ms < *last);
        if self.next_instant(state).is_some() && (is_free || self.is_calm(state)) {
            steps.push(Step::Clock);
        }
        for (log, max) in self.logs().zip(self.scenario.logs) {
            steps.extend((logged(state, log).last < *max).then_some(Step::Log(log)));
        }
        for end in self.ends() {
            if endpoint(state, end).made_ms.is_none() {
                steps.push(Step::Make(end));
                continue;
            }
            steps.extend(self.logs().filter(|log| may_be_told(state, end, *log)).map(|log| Step::Tell(end, log)));
            let facts = self.facts(state, end);
            steps.extend(self.may_be_enabled(state, &facts).then_some(Step::Enable(end, None)));
            steps.extend(self.performable(state, end, &facts).map(|number| Step::Perform(end, number)));
            let loses = facts.reloaded != endpoint(state, end).object;
            if state.left.crashes > 0 && (loses || state.messages.iter().any(|message| waits(message, end))) {
                steps.push(Step::Crash(end));
            }
        }
        for (index, message) in state.messages.iter().enumerate() {
            if index == 0 || state.messages[index - 1] != *message {
                self.ways(state, *message, &mut steps);
            }
        }
        steps
    }

    /// Whether an organiser has a reason to. One who does so all the time while its endpoint is down would never end.
    fn may_be_enabled(&self, state: &State, facts: &Facts) -> bool {
        match facts.condition {
            Condition::Disabled => true,
            Condition::Failing => state.now_ms >= self.scenario.down_ms,
            Condition::Active => false,
        }
    }

    /// What can become of a message.
    fn ways(&self, state: &State, message: Message, steps: &mut Vec<Step>) {
        let Bounds { copies, losses, refusals, farewells, .. } = state.left;
        if let Message::Out(end, number) = message
            && let Some(sequence) = self.cast.owed(number).sequence()
        {
            if end == 0 && state.now_ms < self.scenario.down_ms && sequence >= self.scenario.down_from {
                steps.push(Step::Refuse(message, DOWN));
                return;
            }
            steps.extend((refusals > 0).then_some(Step::Refuse(message, FAILED)));
            steps.extend((farewells > 0).then_some(Step::Refuse(message, GONE)));
            steps.extend((losses > 0).then_some(Step::MissLog(message)));
            steps.extend((losses > 0).then_some(Step::ArriveUnheard(message)));
            steps.extend((copies > 0).then_some(Step::Copy(message)));
        }
        if matches!(message, Message::Word(..)) {
            steps.extend((losses > 0).then_some(Step::ArriveUnheard(message)));
            steps.extend((copies > 0).then_some(Step::Copy(message)));
        }
        steps.push(Step::Arrive(message, None));
        if losses > 0 && matches!(message, Message::Directions(_) | Message::Word(..) | Message::Out(..)) {
            steps.push(Step::Lose(message));
        }
    }

    /// The effects of an endpoint that are due and of whose key none is under way.
    fn performable<'s>(&'s self, state: &'s State, end: End, facts: &'s Facts) -> impl Iterator<Item = u16> + 's {
        let now = Cast::instant(state.now_ms);
        let under_way = move |number: u16| {
            state.messages.iter().any(|message| match message {
                Message::Out(of, other) | Message::Back(of, other, _) => {
                    *of == end && self.cast.owed(number).is_in_line_with(self.cast.owed(*other))
                }
                _ => false,
            })
        };
        let due = facts.heads.iter().filter(move |(_, due_at)| *due_at <= now).map(|(number, _)| *number);
        due.filter(move |number| !under_way(*number))
    }

    /// Nothing is under way and nothing is due: only time, the log, an organiser or something late could set anything going.
    fn is_calm(&mut self, state: &State) -> bool {
        let now = Cast::instant(state.now_ms);
        let is_told = |end: End| !self.logs().any(|log| must_be_told(state, end, log));
        state.messages.iter().all(|message| message.is_late())
            && self.ends().all(is_told)
            && self.ends().all(|end| self.facts(state, end).heads.iter().all(|(_, due_at)| *due_at > now))
    }

    /// The next instant at which an object is to be called or that matters to the scenario.
    fn next_instant(&self, state: &State) -> Option<u32> {
        let now = Cast::instant(state.now_ms);
        let objects = state.endpoints.iter().filter_map(|endpoint| self.cast.wakes_at(endpoint.object, now));
        let scenario = self.scenario.instants_ms.iter().map(|at| Cast::instant(*at)).filter(|at| *at > now);
        let next = objects.chain(scenario).min();
        next.map(|at| u32::try_from(at.since_ms(Cast::instant(0))).expect("scenarios are short"))
    }

    // What becomes of it.

    fn take(&mut self, state: &State, step: Step) -> After {
        let mut after = state.clone();
        self.saves = None;
        match step {
            Step::Clock => {
                after.now_ms = self.next_instant(state).expect("there is a next instant");
                after.logs.iter_mut().for_each(|log| log.older = log.last);
            }
            Step::Log(log) => after.logs[usize::from(log)].last += 1,
            Step::Make(end) => make(&mut after, end),
            Step::Tell(end, log) => after.messages.push(Message::Word(end, log, logged(state, log).last)),
            Step::Enable(end, fault) => {
                self.ask(&mut after, end, Ask::Enable, fault)?;
            }
            Step::Perform(end, number) => after.messages.push(Message::Out(end, number)),
            Step::Arrive(message, fault) => {
                take_out(&mut after, message);
                let answer = self.arrive(&mut after, message, fault)?;
                self.answer(&mut after, message, answer);
            }
            Step::ArriveUnheard(message) => {
                after.left.losses -= 1;
                take_out(&mut after, message);
                self.arrive(&mut after, message, None)?;
                self.silence(&mut after, message);
            }
            Step::Refuse(message, status) => {
                match status {
                    FAILED => after.left.refusals -= 1,
                    GONE => after.left.farewells -= 1,
                    _ => {}
                }
                take_out(&mut after, message);
                self.answer(&mut after, message, Answer::Came(Came::Answered(status)));
            }
            Step::MissLog(message) => {
                after.left.losses -= 1;
                take_out(&mut after, message);
                self.answer(&mut after, message, Answer::Came(Came::Unread));
            }
            Step::Lose(message) => {
                after.left.losses -= 1;
                take_out(&mut after, message);
                self.silence(&mut after, message);
            }
            Step::Copy(message) => {
                after.left.copies -= 1;
                after.messages.push(match message {
                    Message::Word(end, log, through) => Message::LateWord(end, log, through),
                    Message::Out(end, number) => Message::Adrift(end, number),
                    _ => unreachable!("nothing else is copied"),
                });
            }
            Step::Crash(end) => self.crash(&mut after, end)?,
        }
        after.messages.sort_unstable();
        Ok(after)
    }

    /// One call to the object of an endpoint. If storage fails the object is gone.
    fn ask(&mut self, state: &mut State, end: End, ask: Ask, fault: Option<Fault>) -> Result<Did, Broken> {
        let Endpoint { object, account, .. } = *endpoint(state, end);
        let did = self.cast.ask((object, account), ask, Cast::instant(state.now_ms), fault)?;
        let endpoint = &mut state.endpoints[usize::from(end)];
        (endpoint.object, endpoint.account) = (did.object, did.account);
        self.saves.get_or_insert(did.saves);
        // Whatever can be reached can be loaded again.
        self.cast.facts(did.object)?;
        if fault.is_some() {
            self.crash(state, end)?;
        }
        Ok(did)
    }

    /// A message reaches whom it is for; what that one answers.
    fn arrive(&mut self, state: &mut State, message: Message, fault: Option<Fault>) -> Result<Answer, Broken> {
        match message {
            Message::Directions(end) => {
                let ask = Ask::Direct(made_ms(state, end));
                self.ask(state, end, ask, fault)?;
            }
            Message::Word(end, log, through) | Message::LateWord(end, log, through) => {
                let did = self.ask(state, end, Ask::Hear(made_ms(state, end), log, through), fault)?;
                return Ok(match (did.granted, did.refused) {
                    (true, _) => Answer::Granted,
                    (false, true) => Answer::Refused,
                    (false, false) => Answer::Nothing,
                });
            }
            Message::Back(end, number, came) => {
                self.ask(state, end, Ask::Came(number, came), fault)?;
            }
            Message::Out(end, number) | Message::Adrift(end, number) => {
                let is_late = message.is_late();
                return self.perform(state, end, number, is_late).map(Answer::Came);
            }
        }
        Ok(Answer::Nothing)
    }

    /// The log says where a cursor begins, or what it has behind one reaches the endpoint.
    fn perform(&mut self, state: &mut State, end: End, number: u16, is_late: bool) -> Result<Came, Broken> {
        let owed = self.cast.owed(number);
        let (log, sequence) = (owed.log(), owed.sequence());
        let logged = logged(state, log);
        let Some(sequence) = sequence else {
            let flawed = self.scenario.flaw == Flaw::CursorsBeginAtTheEnd;
            let place = if flawed { logged.last } else { endpoint(state, end).before[usize::from(log)] };
            return Ok(Came::Placed(place));
        };
        if sequence > u64::from(logged.last) {
            return Err(Broken(format!("nothing-untold: endpoint {end} believes in envelope {sequence} of {}", logged.last)));
        }
        let sequence = if self.scenario.flaw == Flaw::TheNewestIsPosted { u64::from(logged.last) } else { sequence };
        let account = &mut state.endpoints[usize::from(end)].account;
        *account = self.cast.took(*account, log, sequence, is_late)?;
        Ok(Came::Answered(TAKEN))
    }

    /// The answer to a message reaches who waits for it.
    fn answer(&self, state: &mut State, message: Message, answer: Answer) {
        match (message, answer) {
            (Message::Out(end, number), Answer::Came(came)) => state.messages.push(Message::Back(end, number, came)),
            (Message::Word(end, log, through), Answer::Granted) => {
                let told = &mut state.endpoints[usize::from(end)].told[usize::from(log)];
                *told = through.max(*told);
            }
            // Who does not know itself yet is told that first, and then the word again.
            (Message::Word(end, ..), Answer::Refused) if !state.messages.contains(&Message::Directions(end)) => {
                state.messages.push(Message::Directions(end));
            }
            _ => {}
        }
    }

    /// No answer to a message reaches who waits for it.
    fn silence(&self, state: &mut State, message: Message) {
        let answer = match message {
            Message::Word(..) if self.scenario.flaw == Flaw::LostWordsAreNotSaidAgain => Answer::Granted,
            Message::Out(_, number) if self.cast.owed(number).sequence().is_some() => Answer::Came(Came::Unanswered),
            Message::Out(..) => Answer::Came(Came::Unread),
            _ => Answer::Nothing,
        };
        self.answer(state, message, answer);
    }

    /// What an object waited for it waits for no more; what it posted may still arrive.
    fn crash(&mut self, state: &mut State, end: End) -> Result<(), Broken> {
        state.left.crashes -= 1;
        let object = &mut state.endpoints[usize::from(end)].object;
        *object = self.cast.facts(*object)?.reloaded;
        let messages = std::mem::take(&mut state.messages);
        state.messages.extend(messages.into_iter().filter_map(|message| match message {
            _ if !waits(&message, end) => Some(message),
            Message::Out(_, number) if self.cast.owed(number).sequence().is_some() => Some(Message::Adrift(end, number)),
            _ => None,
        }));
        Ok(())
    }

    // How it may end.

    /// An endpoint that is not disabled has everything.
    fn has_everything(&mut self, state: &State, end: End) -> Result<(), Broken> {
        let facts = self.facts(state, end);
        let Endpoint { made_ms: Some(_), account, before, .. } = endpoint(state, end) else { return Ok(()) };
        if facts.condition == Condition::Disabled {
            return Ok(());
        }
        if facts.condition != Condition::Active || facts.backlog > 0 {
            return Err(Broken(format!("all-ends: endpoint {end} is {:?}, {} behind", facts.condition, facts.backlog)));
        }
        let account = self.cast.account(*account);
        self.logs().try_for_each(|log| {
            let (before, last) = (before[usize::from(log)].into(), logged(state, log).last.into());
            account.at_rest(&event_id(log), before, last).map_err(|violation| Broken(format!("{violation} by endpoint {end}")))
        })
    }

    fn ending(&mut self, state: &State) -> String {
        let ends = self.ends();
        let standing = |end| match (endpoint(state, end).made_ms, self.facts(state, end).condition) {
            (None, _) => "was never made",
            (Some(_), Condition::Disabled) => "is disabled",
            (Some(_), Condition::Failing) => "is failing",
            (Some(_), Condition::Active) => "has everything",
        };
        let standings: Vec<_> = ends.map(standing).collect();
        (0..).zip(standings).map(|(end, how)| format!("endpoint {end} {how}")).collect::<Vec<_>>().join("; ")
    }

    fn message(&self, message: Message) -> String {
        let owed = |number: u16| {
            let owed = self.cast.owed(number);
            let log = owed.log();
            owed.sequence().map_or_else(|| format!("question where log {log} began"), |at| format!("post of {at} of log {log}"))
        };
        match message {
            Message::Directions(end) => format!("directions of endpoint {end}"),
            Message::Word(end, log, through) => format!("word to endpoint {end} that log {log} reaches {through}"),
            Message::LateWord(end, log, through) => format!("late word to endpoint {end} that log {log} reaches {through}"),
            Message::Out(end, number) => format!("{} for endpoint {end}", owed(number)),
            Message::Adrift(end, number) => format!("late {} for endpoint {end}", owed(number)),
            Message::Back(end, number, came) => format!("answer ({came:?}) to {} for endpoint {end}", owed(number)),
        }
    }
}

/// What is answered to a message.
enum Answer {
    /// It was granted.
    Granted,
    /// It was refused.
    Refused,
    /// What came of an effect.
    Came(Came),
    /// Nobody answers.
    Nothing,
}

fn endpoint(state: &State, end: End) -> &Endpoint {
    &state.endpoints[usize::from(end)]
}

fn logged(state: &State, log: Log) -> Logged {
    state.logs[usize::from(log)]
}

fn made_ms(state: &State, end: End) -> u32 {
    endpoint(state, end).made_ms.expect("nobody speaks to an endpoint that was not made")
}

/// The organiser makes an endpoint; its object is on the way to hear of it.
fn make(state: &mut State, end: End) {
    let before = state.logs.iter().map(|log| log.older).collect();
    let endpoint = &mut state.endpoints[usize::from(end)];
    (endpoint.made_ms, endpoint.before) = (Some(state.now_ms), before);
    state.messages.push(Message::Directions(end));
}

/// Whether the reader of `sale-events` may say how far a log reaches: one word after the other.
fn may_be_told(state: &State, end: End, log: Log) -> bool {
    let is_told = endpoint(state, end).told[usize::from(log)] == logged(state, log).last;
    let is_waiting = |message: &Message| matches!(message, Message::Word(of, about, _) if (*of, *about) == (end, log));
    !is_told && !state.messages.iter().any(is_waiting)
}

/// Whether it goes on until it has. Of what is older than an endpoint it may have been told before that was made, or not.
fn must_be_told(state: &State, end: End, log: Log) -> bool {
    let Endpoint { made_ms, before, told, .. } = endpoint(state, end);
    made_ms.is_some() && told[usize::from(log)].max(before[usize::from(log)]) < logged(state, log).last
}

/// Whether the object of an endpoint waits for what becomes of a message.
fn waits(message: &Message, end: End) -> bool {
    matches!(message, Message::Out(of, _) | Message::Back(of, ..) if *of == end)
}

fn take_out(state: &mut State, message: Message) {
    let at = state.messages.iter().position(|known| *known == message);
    state.messages.remove(at.expect("it is on its way"));
}

impl World for Endpoints {
    type State = State;
    type Step = Step;

    fn start(&mut self) -> State {
        self.begin().expect("a new endpoint breaks no promise")
    }

    fn left(&self, state: &State) -> u32 {
        let Bounds { crashes, copies, losses, refusals, farewells } = state.left;
        four_bits_each([crashes, copies, losses, refusals, farewells])
    }

    fn successors(&mut self, state: &State) -> Successors<Self> {
        with_faults(self.steps(state), state.left.crashes > 0, Step::with, |step| {
            (self.take(state, step), self.saves.unwrap_or(0))
        })
    }

    fn rest(&mut self, state: &State) -> Result<Option<String>, Broken> {
        if self.next_instant(state).is_some() || !self.is_calm(state) {
            return Ok(None);
        }
        self.ends().try_for_each(|end| self.has_everything(state, end))?;
        Ok(Some(self.ending(state)))
    }

    fn describe(&mut self, state: &State) -> String {
        let taken = |end: End| {
            let account = self.cast.account(endpoint(state, end).account);
            self.logs().map(|log| format!("{} of {}", account.taken(&event_id(log)), logged(state, log).last)).collect::<Vec<_>>()
        };
        let taken: Vec<String> = self.ends().map(|end| format!("endpoint {end} took {}", taken(end).join(" and "))).collect();
        format!("{:.1} s: {}; {}", f64::from(state.now_ms) / 1000.0, taken.join(", "), self.ending(state))
    }

    fn name(&self, step: Step) -> String {
        let (text, fault) = match step {
            Step::Clock => ("time passes".to_owned(), None),
            Step::Log(log) => (format!("log {log} grows"), None),
            Step::Make(end) => (format!("endpoint {end} is made"), None),
            Step::Tell(end, log) => (format!("endpoint {end} is told of log {log}"), None),
            Step::Enable(end, fault) => (format!("endpoint {end} is enabled"), fault),
            Step::Perform(end, number) => (format!("{} is sent", self.message(Message::Out(end, number))), None),
            Step::Arrive(message, fault) => (format!("{} arrives", self.message(message)), fault),
            Step::ArriveUnheard(message) => (format!("{} arrives, its answer is lost", self.message(message)), None),
            Step::Refuse(message, status) => (format!("{} is answered {status}", self.message(message)), None),
            Step::MissLog(message) => (format!("the log does not answer for the {}", self.message(message)), None),
            Step::Lose(message) => (format!("{} is lost", self.message(message)), None),
            Step::Copy(message) => (format!("a copy of {} stays on the way", self.message(message)), None),
            Step::Crash(end) => (format!("endpoint {end} crashes"), None),
        };
        fault.map_or_else(|| text.clone(), |fault| format!("{text} [{fault}]"))
    }
}
