//! Runs sales from seeds.
//!
//! ```text
//! simulate --seeds 1000 [--from 1]   one run for each seed; the first broken promise of each is printed
//! simulate --seed 7                  one run, twice, with its hash
//! simulate --first 1000              one seed after the other until a promise is broken
//! simulate --crowd 2000 [--seed 7]   one big sale, with simulated time ÷ real time
//! simulate --strikes 4 [--from 1]    so many small sales, each with every misfortune at every moment, and with every
//!                                    two at moments that are close
//! ```
//!
//! The exit status is 1 where a promise was broken.

use std::{
    collections::BTreeMap,
    io::Write,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use domain::invariants::Invariant;
use fastrand::Rng;
use simulation::{Misfortune, Profile, Report, run, run_struck, run_with};

fn main() -> ExitCode {
    let mut options = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
        match (name.strip_prefix("--"), value) {
            (Some(name @ ("seed" | "seeds" | "from" | "crowd" | "first" | "strikes")), Some(value)) => {
                options.insert(name.to_owned(), value);
            }
            _ => return usage(&name),
        }
    }
    let option = |name: &str| options.get(name).copied();
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        // A machine's assertion is reported with its seed.
        std::panic::set_hook(Box::new(|_| {}));
    }
    match (option("crowd"), option("seeds"), option("seed")) {
        (Some(people), None, seed) => crowd(u32::try_from(people).unwrap_or(u32::MAX), seed.unwrap_or(1)),
        (None, None, None) if option("strikes").is_some() => strikes(option("from").unwrap_or(1), option("strikes").unwrap_or(1)),
        (None, None, None) if option("first").is_some() => first(option("first").unwrap_or(1)),
        (None, Some(seeds), None) => many(option("from").unwrap_or(1), seeds),
        (None, None, Some(seed)) => one(seed),
        _ => usage("nothing"),
    }
}

fn usage(what: &str) -> ExitCode {
    say(&format!("simulate: {what} is not understood; --seeds N [--from N], --seed N, or --crowd PEOPLE [--seed N]"));
    ExitCode::from(2)
}

fn say(line: &str) {
    // Nobody who reads is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[allow(clippy::disallowed_methods, reason = "how long a run takes in the real world is the result, and no part of the run")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed().as_secs_f64())
}

/// What was broken, if anything was, and how to see it again.
fn broken(report: &Report) -> Option<String> {
    let (at, violation) = report.violation.as_ref()?;
    Some(format!("seed {}: at {at}: {violation}\n  again: make simulate SEED={}", report.seed, report.seed))
}

fn one(seed: u64) -> ExitCode {
    let ((first, second), seconds) = timed(|| (run(seed), run(seed)));
    let profile = Profile::drawn(&mut Rng::with_seed(seed));
    say(&format!("{:?}\n{:?}", profile.weather, profile.event.queue));
    say(&first.to_string());
    say(&format!("hash again {:016x}, {:.3} s for both", second.hash, seconds));
    let same = first.hash == second.hash;
    if !same {
        say("the two runs differ");
    }
    let broken = broken(&first);
    broken.iter().for_each(|line| say(line));
    if broken.is_none() && same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Moments that are so close together are struck in pairs.
const CLOSE: u64 = 6;

fn strikes(from: u64, sales: u64) -> ExitCode {
    let (mut runs, mut held) = (0_u64, 0_u64);
    let mut strike = |seed: u64, strikes: Vec<(u64, Misfortune)>| {
        let report = run_struck(seed, strikes.clone());
        runs += 1;
        held += report.held;
        report.violation.map(|(at, violation)| format!("sale {seed} struck by {strikes:?}: at {at}: {violation}"))
    };
    let (broken, seconds) = timed(|| {
        let mut broken: Vec<String> = Vec::new();
        for seed in from..from + sales {
            let moments = run_struck(seed, vec![]).stats.moments;
            for at in 1..=moments {
                for how in Misfortune::ALL {
                    broken.extend(strike(seed, vec![(at, how)]));
                    for (later, next) in (at + 1..=at + CLOSE).flat_map(|later| Misfortune::ALL.map(|next| (later, next))) {
                        broken.extend(strike(seed, vec![(at, how), (later, next)]));
                    }
                }
            }
        }
        broken
    });
    say(&format!("{runs} runs of {sales} small sales: {} broke a promise; {held} reservations, {seconds:.1} s", broken.len()));
    broken.iter().take(20).for_each(|line| say(line));
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn first(seeds: u64) -> ExitCode {
    for seed in 1..=seeds {
        if let Some((_, violation)) = run(seed).violation {
            say(&format!("broke a promise after {seed} seeds: {violation}"));
            return ExitCode::FAILURE;
        }
    }
    say(&format!("{seeds} seeds kept every promise"));
    ExitCode::SUCCESS
}

fn crowd(people: u32, seed: u64) -> ExitCode {
    let (report, seconds) = timed(|| run_with(seed, &Profile::crowd(people), Rng::with_seed(seed)));
    say(&report.to_string());
    // Until the last one left: that sales stay open after that costs nothing and counts for nothing.
    let simulated = report.stats.last_left_ms as f64 / 1000.0;
    say(&format!("{simulated:.0} simulated s until the last one left, in {seconds:.3} s: {:.0} ×", simulated / seconds));
    let broken = broken(&report);
    broken.iter().for_each(|line| say(line));
    if broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What many runs came to.
#[derive(Default)]
struct Total {
    runs: u64,
    simulated_ms: u64,
    steps: u64,
    faults: u64,
    crashes: u64,
    repeated: u64,
    forged: u64,
    sold: u64,
    idle_max_ms: u64,
    hash: u64,
    broken: Vec<String>,
    by_name: BTreeMap<&'static str, u64>,
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.simulated_ms += report.simulated_ms;
        self.steps += report.stats.steps;
        self.faults += report.stats.faults;
        self.crashes += report.stats.crashes;
        self.repeated += report.stats.repeated;
        self.forged += report.stats.forged;
        self.sold += report.sold;
        self.idle_max_ms = self.idle_max_ms.max(report.stats.idle_max_ms);
        // Independent of the order in which threads finish.
        self.hash ^= report.hash;
        if let (Some(line), Some((_, violation))) = (broken(report), &report.violation) {
            *self.by_name.entry(violation.invariant.name()).or_default() += 1;
            self.broken.push(line);
        }
    }

    fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.simulated_ms += other.simulated_ms;
        self.steps += other.steps;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.repeated += other.repeated;
        self.forged += other.forged;
        self.sold += other.sold;
        self.idle_max_ms = self.idle_max_ms.max(other.idle_max_ms);
        self.hash ^= other.hash;
        self.broken.extend(other.broken);
        for (name, count) in other.by_name {
            *self.by_name.entry(name).or_default() += count;
        }
    }
}

fn many(from: u64, seeds: u64) -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(from);
    let (total, seconds) = timed(|| {
        std::thread::scope(|scope| {
            let work = || {
                let mut total = Total::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return total;
                    }
                    total.add(&run(seed));
                }
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().fold(Total::default(), |mut total, worker| {
                total.merge(worker.join().expect("a run catches its own panics"));
                total
            })
        })
    });
    let Total { runs, steps, faults, crashes, repeated, forged, sold, idle_max_ms, hash, .. } = total;
    let simulated = total.simulated_ms as f64 / 1000.0;
    say(&format!(
        "{runs} seeds from {from}: {} broke a promise; {simulated:.0} simulated s in {seconds:.1} s ({:.0} ×), {steps} steps, {faults} faults, \
         {crashes} crashes, {repeated} answers repeated, {forged} forgeries, {sold} seats sold, idle at most {idle_max_ms} ms, hash {hash:016x}",
        total.broken.len(),
        simulated / seconds,
    ));
    for invariant in Invariant::ALL {
        let count = total.by_name.get(invariant.name()).copied().unwrap_or(0);
        if count > 0 {
            say(&format!("  {}: {count}", invariant.name()));
        }
    }
    total.broken.iter().take(100).for_each(|line| say(line));
    if total.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
