//! Runs the full searches and prints what they came to. An argument chooses those whose name contains it.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{process::ExitCode, time::Duration};

use model::{
    sale::Sale,
    scenario::{Scenario, full},
    search::{Found, explore},
};

/// Where a search gives up, so that it ends within the memory of a small machine.
const STATES_MAX: usize = 8_000_000;

fn main() -> ExitCode {
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let (mut broken, mut searches) = (false, 0);
    for scenario in full().into_iter().filter(|scenario| scenario.name.contains(&chosen)) {
        let mut sale = Sale::new(scenario.clone());
        let (found, took) = timed(|| explore(&mut sale, STATES_MAX));
        print(&scenario, &found, took, sale.sizes());
        broken |= found.broken > 0 || found.unfinished;
        searches += 1;
    }
    if broken || searches == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[expect(clippy::disallowed_methods, reason = "how long a search took is printed and decides nothing")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = std::time::Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn print(scenario: &Scenario, found: &Found, took: Duration, [inventories, providers, accounts, calls]: [usize; 4]) {
    println!("{} ({})", scenario.name, scenario.bounds);
    let Found { states, transitions, terminal, depth, broken, unfinished, .. } = found;
    let seconds = took.as_secs_f64();
    println!(
        "  {states} states, {transitions} transitions, {terminal} terminal, depth {depth}, {seconds:.1} s, {broken} violations{}",
        if *unfinished { ", UNFINISHED" } else { "" }
    );
    println!(
        "  of {inventories} states of the inventory, {providers} of the provider, {accounts} accounts; {calls} calls of the engine"
    );
    for (ending, number) in &found.endings {
        println!("    {number:>7}  {ending}");
    }
    for violation in &found.violations {
        println!("  VIOLATION {}", violation.what);
        violation.path.iter().for_each(|step| println!("    {step}"));
    }
}
