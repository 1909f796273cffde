//! Runs the full searches and prints what they came to. An argument chooses those whose name contains it.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{process::ExitCode, time::Duration};

use model::{
    endpoints::{self, Endpoints},
    sale::Sale,
    scenario::full,
    search::{Found, World, explore},
};

/// Where a search gives up, so that it ends within the memory of a small machine.
const STATES_MAX: usize = 8_000_000;

fn main() -> ExitCode {
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let (mut broken, mut searches) = (false, 0);
    let mut count = |went_well: bool| (broken, searches) = (broken || !went_well, searches + 1);
    for scenario in full().into_iter().filter(|scenario| scenario.name.contains(&chosen)) {
        let title = format!("{} ({})", scenario.name, scenario.bounds);
        let sizes = |sale: &Sale| {
            let [inventories, providers, accounts, calls] = sale.sizes();
            format!("{inventories} states of the inventory, {providers} of the provider, {accounts} accounts; {calls} calls")
        };
        count(search(&title, Sale::new(scenario), sizes));
    }
    for scenario in endpoints::scenario::full().into_iter().filter(|scenario| scenario.name.contains(&chosen)) {
        let title = format!("{} ({})", scenario.name, scenario.bounds);
        let sizes = |endpoints: &Endpoints| {
            let [objects, accounts, calls] = endpoints.sizes();
            format!("{objects} states of an endpoint's object, {accounts} accounts; {calls} calls")
        };
        count(search(&title, Endpoints::new(scenario), sizes));
    }
    if broken || searches == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Explores `world` and prints what that came to; whether every promise was kept, everywhere.
fn search<W: World>(title: &str, mut world: W, sizes: impl FnOnce(&W) -> String) -> bool {
    let (found, took) = timed(|| explore(&mut world, STATES_MAX));
    print(title, &found, took, &sizes(&world));
    found.complaint().is_none()
}

#[expect(clippy::disallowed_methods, reason = "how long a search took is printed and decides nothing")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = std::time::Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn print(title: &str, found: &Found, took: Duration, sizes: &str) {
    println!("{title}");
    let Found { states, transitions, terminal, depth, broken, unfinished, .. } = found;
    let seconds = took.as_secs_f64();
    println!(
        "  {states} states, {transitions} transitions, {terminal} terminal, depth {depth}, {seconds:.1} s, {broken} violations{}",
        if *unfinished { ", UNFINISHED" } else { "" }
    );
    println!("  of {sizes} of the engine");
    for (ending, number) in &found.endings {
        println!("    {number:>7}  {ending}");
    }
    for violation in &found.violations {
        println!("  VIOLATION {}", violation.what);
        violation.path.iter().for_each(|step| println!("    {step}"));
    }
}
