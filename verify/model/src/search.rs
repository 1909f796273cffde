//! Breadth first through every state, so that the first way to a broken promise is a shortest one.
//!
//! The search is our own, and not stateright's, for one reason: a state here is a handful of numbers. The real machines
//! are neither small nor hashable; each machine's state is interned once and each of its steps is computed once by the
//! real engine (see [`crate::part`]), so that millions of combinations cost a table look-up each. What is left of a
//! search then is this page. A state is known by 128 bits of SipHash: of 10 million states, one is taken for
//! another with a probability below 10⁻²⁴.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

/// A promise was broken; in words, its name first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// Steps, each with the state behind it or the promise that it breaks.
pub type Successors<W> = Vec<(<W as World>::Step, Result<<W as World>::State, Broken>)>;

/// What can be searched.
pub trait World {
    /// Everything that decides about what can happen next.
    type State: Clone + PartialEq + Hash;
    /// What can happen.
    type Step: Copy + PartialEq;

    /// Where it begins.
    fn start(&mut self) -> Self::State;

    /// Everything that can happen in `state`, with what becomes of it.
    fn successors(&mut self, state: &Self::State) -> Successors<Self>;

    /// How much may still go wrong in `state`, four bits each. It is no part of the state's hash: what can be reached with
    /// less can be reached with more, so that a state is left out where it was reached with no less before.
    fn left(&self, state: &Self::State) -> u32;

    /// Where the system is at rest: how it ended, for the statistics.
    ///
    /// # Errors
    /// It must not end like this.
    fn rest(&mut self, state: &Self::State) -> Result<Option<String>, Broken>;

    /// `state` in a few words, for a path.
    fn describe(&mut self, state: &Self::State) -> String;

    /// `step` in words.
    fn name(&self, step: Self::Step) -> String;
}

/// A way to a broken promise, as short as any.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What is broken.
    pub what: String,
    /// The steps that lead there, each with the state behind it.
    pub path: Vec<String>,
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Different states, a state being counted again where it is reached with other things left to go wrong.
    pub states: usize,
    /// Steps from all of them.
    pub transitions: usize,
    /// States in which the system is at rest.
    pub terminal: usize,
    /// Steps to the farthest state.
    pub depth: usize,
    /// How the system can end, and how many terminal states do.
    pub endings: BTreeMap<String, usize>,
    /// Broken promises in all.
    pub broken: usize,
    /// The shortest way to each kind of them.
    pub violations: Vec<Violation>,
    /// Whether the search stopped at its bound.
    pub unfinished: bool,
}

/// Small numbers, as [`World::left`] gives them.
#[must_use]
pub fn four_bits_each<const N: usize>(numbers: [u8; N]) -> u32 {
    numbers.into_iter().fold(0, |bits, number| bits << 4 | u32::from(number))
}

impl Found {
    /// Why a search that should find nothing did not go well; none where it came to its end and every promise was kept.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self { broken: 1.., violations, .. } => Some(format!("{violations:#?}")),
            Self { unfinished: true, states, .. } => Some(format!("there are more than {states} states")),
            Self { terminal: 0, .. } => Some("it never ends".to_owned()),
            _ => None,
        }
    }

    /// The first broken promise of a search that should find one.
    ///
    /// # Panics
    /// It found none, or no way there.
    #[must_use]
    pub fn first_broken(&self) -> &str {
        let first = self.violations.first().expect("the search finds nothing");
        assert!(first.path.len() > 1, "a path leads there: {:?}", first.path);
        &first.what
    }
}

/// 128 bits that stand for a value: two runs of the standard hash, the second behind a prefix.
pub fn digest(value: &impl Hash) -> u128 {
    let (mut low, mut high) = (DefaultHasher::new(), DefaultHasher::new());
    value.hash(&mut low);
    high.write_u8(1);
    value.hash(&mut high);
    u128::from(low.finish()) | u128::from(high.finish()) << 64
}

/// Every state that was reached, with what was left then.
#[derive(Default)]
struct Seen(BTreeSet<(u128, u32)>);

impl Seen {
    /// Whether the state was never reached with as much left; it is now.
    fn is_new(&mut self, state: u128, left: u32) -> bool {
        let mut before = self.0.range((state, 0)..=(state, u32::MAX));
        !before.any(|(_, more)| covers(*more, left)) && self.0.insert((state, left))
    }
}

/// Whether `more` is as much as `less` in each group of four bits.
fn covers(more: u32, less: u32) -> bool {
    (0..u32::BITS / 4).all(|group| more >> (4 * group) & 15 >= less >> (4 * group) & 15)
}

/// Explores `world`, at most `states_max` states of it.
pub fn explore<W: World>(world: &mut W, states_max: usize) -> Found {
    let mut found = Found::default();
    let mut seen = Seen::default();
    // How each state was reached first.
    let mut reached: Vec<(u32, Option<W::Step>)> = Vec::new();
    let start = world.start();
    seen.is_new(digest(&start), world.left(&start));
    reached.push((0, None));
    let mut layer = vec![(0_u32, start)];
    while !layer.is_empty() {
        let mut next = Vec::new();
        for (index, state) in layer {
            match world.rest(&state) {
                Ok(None) => {}
                Ok(Some(ending)) => {
                    found.terminal += 1;
                    *found.endings.entry(ending).or_default() += 1;
                }
                Err(broken) => note(world, &mut found, &reached, (index, None), broken),
            }
            for (step, outcome) in world.successors(&state) {
                found.transitions += 1;
                match outcome {
                    Ok(after) => {
                        if after != state && seen.is_new(digest(&after), world.left(&after)) {
                            let number = u32::try_from(reached.len()).expect("states_max is far below 2^32");
                            reached.push((index, Some(step)));
                            next.push((number, after));
                        }
                    }
                    Err(broken) => note(world, &mut found, &reached, (index, Some(step)), broken),
                }
            }
            if reached.len() > states_max {
                found.unfinished = true;
                next.clear();
                break;
            }
        }
        if !next.is_empty() {
            found.depth += 1;
        }
        layer = next;
    }
    found.states = reached.len();
    found
}

/// Counts a broken promise, and keeps the way to it where it is the first of its kind.
fn note<W: World>(
    world: &mut W,
    found: &mut Found,
    reached: &[(u32, Option<W::Step>)],
    (index, last): (u32, Option<W::Step>),
    broken: Broken,
) {
    found.broken += 1;
    let kind = |what: &str| what.split(':').next().unwrap_or_default().to_owned();
    if found.violations.iter().any(|known| kind(&known.what) == kind(&broken.0)) {
        return;
    }
    let (mut steps, mut at) = (Vec::new(), index);
    while let (before, Some(step)) = reached[at as usize] {
        steps.push(step);
        at = before;
    }
    steps.reverse();
    let mut state = world.start();
    let mut path = Vec::new();
    for step in steps {
        let after = world.successors(&state).into_iter().find(|(other, _)| *other == step);
        state = after.and_then(|(_, after)| after.ok()).expect("a step that was taken can be taken again");
        path.push(format!("{}  →  {}", world.name(step), world.describe(&state)));
    }
    path.extend(last.map(|step| world.name(step)));
    found.violations.push(Violation { what: broken.0, path });
}
