//! The objects of the endpoints and their accounts, by number: what they are asked, what they owe, what is known of them.

use std::{collections::BTreeMap, rc::Rc};

use domain::{
    delivery::{
        Change, Command, Directions, Effect, State as Condition, Version,
        attempt::{Outcome, Tried},
    },
    effect::{Effect as _, Pending},
    invariants::Verdict,
    machine::Machine,
    time::Millis,
};

use super::{
    account::Account,
    rows::{EndpointRows, LOGS_MAX, event_id},
    scenario::{Flaw, Scenario},
    step::{Ask, Came, Log},
};
use crate::{
    part::{Fault, Part, Said, StorageFlaw, text_digest},
    search::Broken,
};

/// When everything begins.
const START: Millis = Millis(1_795_262_400_000);

/// An effect, apart from when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Its id.
    id: u64,
    /// What is owed.
    effect: Effect,
}

impl Owed {
    /// The log that it is about.
    pub fn log(&self) -> Log {
        let (Effect::Place { event_id: of, .. } | Effect::Deliver { event_id: of, .. } | Effect::Redeliver { event_id: of }) =
            &self.effect;
        (0..LOGS_MAX).find(|log| event_id(*log) == *of).expect("there is no other log")
    }

    /// The envelope that is to be posted; none where the log is asked for a place.
    pub const fn sequence(&self) -> Option<u64> {
        match &self.effect {
            Effect::Deliver { after, .. } => Some(*after + 1),
            Effect::Place { .. } | Effect::Redeliver { .. } => None,
        }
    }

    /// Whether the other is performed one after this.
    pub fn is_in_line_with(&self, other: &Self) -> bool {
        self.effect.ordering_key() == other.effect.ordering_key()
    }

    /// What whoever performs it tells the machine: what `actors::webhook` does.
    fn command(&self, came: Came, flaw: Flaw) -> Command {
        let outcome = match (came, flaw) {
            (Came::Answered(_), Flaw::RefusalsCountAsDelivered) => Outcome::Answered(200),
            (Came::Unanswered, Flaw::SilenceCountsAsDelivered) => Outcome::Answered(200),
            (Came::Answered(status), _) => Outcome::Answered(status),
            (Came::Unanswered, _) => Outcome::Problem("took too long".to_owned()),
            (Came::Unread | Came::Placed(_), _) => Outcome::Problem("was not sent".to_owned()),
        };
        match (&self.effect, came) {
            (_, Came::Unread) => Command::Unread { id: self.id },
            (Effect::Place { event_id, .. }, Came::Placed(after)) => {
                Command::Placed { event_id: event_id.clone(), after: after.into() }
            }
            (Effect::Deliver { event_id, after }, _) => {
                let sequence = after + 1;
                let (id, kind) = (format!("msg_{event_id}_{sequence}"), "reservation.created".to_owned());
                let tried = Tried { id, kind, sequence, outcome, took_ms: 0 };
                Command::Tried { event_id: event_id.clone(), after: *after, tried }
            }
            (Effect::Place { .. } | Effect::Redeliver { .. }, _) => unreachable!("nothing else comes of it"),
        }
    }
}

/// What a state of an endpoint's object shows to what is around it.
#[derive(Debug)]
pub struct Facts {
    /// The effects that are the first of their key, and when they are due.
    pub heads: Vec<(u16, Millis)>,
    /// How the endpoint does.
    pub condition: Condition,
    /// Envelopes that wait.
    pub backlog: u64,
    /// The object after it lost its memory.
    pub reloaded: u32,
}

/// What an object did.
pub struct Did {
    /// The object afterwards.
    pub object: u32,
    /// The account afterwards.
    pub account: u32,
    /// Commits before the answer.
    pub saves: u8,
    /// Whether it granted what it was asked, and lives on to say so.
    pub granted: bool,
    /// Whether it refused.
    pub refused: bool,
}

/// Every account that there ever was.
struct Accounts {
    accounts: Vec<Account>,
    numbers: BTreeMap<u128, u32>,
}

impl Accounts {
    fn number(&mut self, account: Account) -> u32 {
        let next = u32::try_from(self.accounts.len()).expect("memory ends first");
        let number = *self.numbers.entry(text_digest(&account)).or_insert(next);
        if number == next {
            self.accounts.push(account);
        }
        number
    }

    fn after(&mut self, account: u32, tell: impl FnOnce(&mut Account) -> Verdict) -> Result<u32, Broken> {
        let mut after = self.accounts[account as usize].clone();
        tell(&mut after).map_err(|violation| Broken(violation.to_string()))?;
        Ok(self.number(after))
    }
}

/// All objects, with all they ever did. Endpoints that were made in the same instant are alike, and share their states.
pub struct Cast {
    flaw: Flaw,
    owed: Vec<Owed>,
    part: Part<EndpointRows, Ask>,
    accounts: Accounts,
    facts: BTreeMap<u32, Rc<Facts>>,
}

impl Cast {
    /// All of a scenario, before any is made: object 0, account 0.
    pub fn new(scenario: &Scenario) -> Self {
        let flaw = StorageFlaw { drops_commits: scenario.flaw == Flaw::CommitsAreDropped, ..StorageFlaw::default() };
        let mut accounts = Accounts { accounts: vec![], numbers: BTreeMap::new() };
        accounts.number(Account::default());
        Self { flaw: scenario.flaw, owed: vec![], part: Part::new(flaw), accounts, facts: BTreeMap::new() }
    }

    /// Different states of objects and accounts, and calls that the engine carried out.
    pub fn sizes(&self) -> [usize; 3] {
        let (objects, calls) = self.part.sizes();
        [objects, self.accounts.accounts.len(), calls]
    }

    /// The instant so long after the beginning.
    pub const fn instant(now_ms: u32) -> Millis {
        Millis(START.0 + now_ms as u64)
    }

    /// An effect.
    pub fn owed(&self, number: u16) -> &Owed {
        &self.owed[usize::from(number)]
    }

    /// An account.
    pub fn account(&self, number: u32) -> &Account {
        &self.accounts.accounts[number as usize]
    }

    /// The account of an endpoint once it took an envelope.
    ///
    /// # Errors
    /// It should not have been sent that.
    pub fn took(&mut self, account: u32, log: Log, sequence: u64, late: bool) -> Result<u32, Broken> {
        self.accounts.after(account, |account| account.took(&event_id(log), sequence, late))
    }

    /// When an object is to be called next.
    pub fn wakes_at(&self, object: u32, now: Millis) -> Option<Millis> {
        self.part.get(object).live.wakes_at(now)
    }

    /// Asks an object.
    ///
    /// # Errors
    /// It breaks a promise.
    pub fn ask(&mut self, (object, mut account): (u32, u32), ask: Ask, now: Millis, fault: Option<Fault>) -> Result<Did, Broken> {
        let Self { flaw, owed, part, accounts, .. } = self;
        if let Ask::Came(number, Came::Answered(200)) = ask {
            let owed = &owed[usize::from(number)];
            let sequence = owed.sequence().expect("only what was posted is answered");
            account = accounts.after(account, |account| {
                account.answered(&event_id(owed.log()), sequence);
                Ok(())
            })?;
        }
        let command = || {
            Some(match ask {
                Ask::Direct(made_ms) => Command::Direct(directions(made_ms)),
                Ask::Hear(made_ms, log, through) => {
                    Command::Hear { version: version(made_ms), event_id: event_id(log), through: through.into() }
                }
                Ask::Came(number, came) => owed[usize::from(number)].command(came, *flaw),
                Ask::Enable => Command::Enable,
            })
        };
        let tell = |commits: &[Vec<Change>]| {
            accounts.after(account, |account| commits.iter().try_for_each(|commit| account.saved(commit)))
        };
        let (outcome, account) = part.ask((object, now, fault), (ask, command), |_| None, (account, tell))?;
        let (granted, refused) = (matches!(outcome.said, Said::Granted { .. }), matches!(outcome.said, Said::Refused(_)));
        Ok(Did { object: outcome.object, account, saves: outcome.saves, granted, refused })
    }

    /// What a state of an object shows.
    ///
    /// # Errors
    /// A reload does not give what memory was.
    pub fn facts(&mut self, object: u32) -> Result<Rc<Facts>, Broken> {
        if let Some(facts) = self.facts.get(&object) {
            return Ok(Rc::clone(facts));
        }
        let reloaded = if self.flaw == Flaw::CrashesForgetRows { 0 } else { self.part.forget(object)? };
        let live = &self.part.get(object).live;
        let owed = &mut self.owed;
        let heads = live.effects().due(Millis(u64::MAX)).map(|pending| (number(owed, pending), pending.due_at)).collect();
        let standing = live.standing(START);
        let facts = Rc::new(Facts { heads, condition: standing.state, backlog: standing.backlog, reloaded });
        self.facts.insert(object, Rc::clone(&facts));
        Ok(facts)
    }
}

fn number(known: &mut Vec<Owed>, pending: &Pending<Effect>) -> u16 {
    let owed = Owed { id: pending.id, effect: pending.effect.clone() };
    let number = known.iter().position(|known| *known == owed).unwrap_or_else(|| {
        known.push(owed);
        known.len() - 1
    });
    u16::try_from(number).expect("there are few different effects")
}

/// An endpoint that was never changed.
const fn version(made_ms: u32) -> Version {
    let made_at = Cast::instant(made_ms);
    Version { created_at: made_at, updated_at: made_at }
}

fn directions(made_ms: u32) -> Directions {
    Directions {
        url: "https://hooks.example.com/in".to_owned(),
        secret: "whsec_YWJj".to_owned(),
        organiser_id: None,
        event_ids: None,
        version: version(made_ms),
    }
}
