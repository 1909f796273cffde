//! A target: inputs go in, each is judged, and the figures come out.

use std::{cell::Cell, fmt::Debug, hint::black_box, time::Instant};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};

use crate::{bytes::Input, memory::peak_of};

/// Bytes of memory that an input may take for each of its own. A row of an event that is sent as `[0],` takes the most:
/// four bytes for a row in memory, which is held twice while its list grows, and once more as text.
pub const BYTES_PER_BYTE: usize = 128;
/// Inputs of a target where `FUZZ_CASES` does not say.
const CASES_USUAL: u32 = 1500;
/// The seed where `FUZZ_SEED` does not say, so that a test run is the same every time.
const SEED_USUAL: u64 = 0x7ac0_5eed;

/// How many inputs a target gets: `FUZZ_CASES`, or a number that a test run can afford.
#[must_use]
pub fn cases() -> u32 {
    number("FUZZ_CASES").map_or(CASES_USUAL, |cases| u32::try_from(cases).unwrap_or(u32::MAX))
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not {text:?}")))
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Accepted,
    /// It was refused, as it should be.
    Refused,
}

impl Verdict {
    /// By whether it was taken.
    #[must_use]
    pub const fn accepted(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// How long an input is, in bytes.
pub trait Weigh {
    /// That.
    fn weight(&self) -> usize;
}

impl Weigh for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for Input {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl<A: Weigh, B: Weigh> Weigh for (A, B) {
    fn weight(&self) -> usize {
        self.0.weight() + self.1.weight()
    }
}

impl<A: Weigh, B: Weigh, C: Weigh> Weigh for (A, B, C) {
    fn weight(&self) -> usize {
        self.0.weight() + self.1.weight() + self.2.weight()
    }
}

impl<A: Weigh, B: Weigh, C: Weigh, D: Weigh> Weigh for (A, B, C, D) {
    fn weight(&self) -> usize {
        self.0.weight() + self.1.weight() + self.2.weight() + self.3.weight()
    }
}

/// Figures of a run.
#[derive(Debug, Default)]
struct Figures {
    accepted: Cell<u64>,
    refused: Cell<u64>,
    peak: Cell<usize>,
    input_bytes: Cell<u64>,
}

/// What is fed with hostile input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name in the figures.
    pub name: &'static str,
    /// Bytes of memory that any input may take, however short it is.
    pub constant: usize,
}

impl Target {
    /// A target whose inputs may take 64 KiB beyond what their length allows.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, constant: 64 * 1024 }
    }

    /// The same with another constant.
    #[must_use]
    pub const fn constant(self, constant: usize) -> Self {
        Self { constant, ..self }
    }

    /// Gives [`cases`] inputs to `judge`, one at a time.
    ///
    /// # Panics
    /// `judge` does, with the shortest input found that makes it; or an input takes more memory than it may; or, in the
    /// whole run, nothing was accepted or nothing refused, so that nothing was tested.
    pub fn run<V: Weigh + Debug>(self, inputs: impl Strategy<Value = V>, judge: impl Fn(&V) -> Verdict) {
        self.run_many(inputs, |input, figures| {
            let (verdict, peak) = peak_of(|| judge(input));
            figures.note(self, verdict, input.weight(), peak);
        });
    }

    /// The same for inputs that belong together: each is a whole history, in which `judge` notes one input at a time.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn run_histories<V: Debug>(
        self,
        histories: impl Strategy<Value = V>,
        judge: impl Fn(&V, &mut dyn FnMut(usize, &mut dyn FnMut() -> Verdict)),
    ) {
        self.run_many(histories, |history, figures| {
            judge(history, &mut |weight, ask| {
                let (verdict, peak) = peak_of(ask);
                figures.note(self, verdict, weight, peak);
            });
        });
    }

    #[allow(clippy::disallowed_methods, reason = "how long a run takes is a figure, and no part of the run")]
    fn run_many<V: Debug>(self, inputs: impl Strategy<Value = V>, judge: impl Fn(&V, &Figures)) {
        let counted = peak_of(|| drop(black_box(vec![1_u8; 1000]))).1;
        assert!(counted >= 1000, "fuzz::memory::Counting is the test binary's global allocator");
        let began = Instant::now();
        let seed = number("FUZZ_SEED").unwrap_or(SEED_USUAL);
        let figures = Figures::default();
        let config = Config { cases: cases(), rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&inputs, |input| {
            judge(&input, &figures);
            Ok::<(), TestCaseError>(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => panic!("{} (FUZZ_SEED={seed}): {why}\ninput: {}", self.name, shown(&input)),
            Err(TestError::Abort(why)) => panic!("{}: {why}", self.name),
        }
        figures.show(self.name, began.elapsed().as_millis());
        assert!(figures.accepted.get() > 0, "{}: nothing was accepted", self.name);
        assert!(figures.refused.get() > 0, "{}: nothing was refused", self.name);
    }
}

impl Figures {
    fn note(&self, target: Target, verdict: Verdict, weight: usize, peak: usize) {
        let counter = match verdict {
            Verdict::Accepted => &self.accepted,
            Verdict::Refused => &self.refused,
        };
        counter.set(counter.get() + 1);
        self.input_bytes.set(self.input_bytes.get() + weight as u64);
        self.peak.set(self.peak.get().max(peak));
        let bound = weight * BYTES_PER_BYTE + target.constant;
        assert!(peak <= bound, "{peak} bytes of memory for an input of {weight}; at most {bound} are allowed");
    }

    /// One line for each target, in the form that `scripts/fuzz.sh` sums up.
    fn show(&self, name: &str, ms: u128) {
        let (accepted, refused) = (self.accepted.get(), self.refused.get());
        eprintln!(
            "fuzz {name} inputs={} accepted={accepted} refused={refused} ms={ms} input_bytes={} peak_bytes={}",
            accepted + refused,
            self.input_bytes.get(),
            self.peak.get(),
        );
    }
}

/// The input, cut to what a person reads; bytes as text where they are some.
fn shown(input: &impl Debug) -> String {
    let mut text = format!("{input:?}");
    text.truncate(text.floor_char_boundary(20_000));
    text
}
