//! `model [SUMMARY.json]`: runs the sales of the model and prints their tables.

use std::{env, io, path::Path, process::ExitCode};

use load::model::{
    price::{Bill, Wait},
    report::{self, Figures, GOAL_MS},
    run,
    times::Times,
};

const SEED: u64 = 1;
/// The last figures, or else those that are kept with the sources.
const SOURCES: [&str; 2] = ["target/bench/summary.json", "tests/load/measured.json"];
/// Speeds that are tried, as multiples of what was measured.
const SPEEDS: [f64; 7] = [1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 8.0];
/// Lanes of the sale that is paid for.
const PAID_LANES: u32 = 64;
const WAITS: [Wait; 2] = [Wait { seconds: 600.0, every_s: 10.0 }, Wait { seconds: 600.0, every_s: 30.0 }];

fn source() -> Option<String> {
    let given = env::args().nth(1);
    given.or_else(|| SOURCES.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned()))
}

/// The least of some speeds at which the hot event holds, with the sale that does.
fn least_speed(times: &Times) -> Option<(f64, Figures)> {
    let hot = || report::scenarios().into_iter().filter(|scenario| scenario.name.ends_with("lanes") && scenario.crowd == 300_000);
    SPEEDS.into_iter().find_map(|factor| {
        let mut all = hot().map(|scenario| run(&scenario, &times.faster(factor), SEED));
        all.find(|figures| figures.is_within_limits() && figures.is_quick()).map(|figures| (factor, figures))
    })
}

#[expect(clippy::print_stdout, reason = "the tables go to the caller")]
fn print() -> io::Result<()> {
    let source = source().ok_or_else(|| io::Error::other("no figures yet; run make bench"))?;
    let times = Times::read(&source)?;
    println!("Fed with {source}, measured {} on {}; seed {SEED}.\n", times.date, times.cpu);
    println!("| work | µs |\n|---|---|");
    let rows = [
        ("gateway, any request", times.gateway),
        ("a join in its lane", times.lane_join),
        ("a batch in the queue", times.queue_batch),
        ("a board in the queue", times.queue_board),
        ("an entry in the queue", times.queue_enter),
        ("a hold in the inventory", times.inventory_hold),
    ];
    for (work, us) in rows {
        println!("| {work} | {us:.0} |");
    }
    let scenarios = report::scenarios();
    let figures: Vec<Figures> = scenarios.iter().map(|scenario| run(scenario, &times, SEED)).collect();
    println!("\n30,000 joins a second on one event. Loads are calls a second · share of the thread.\n");
    println!("{}", report::sales(&figures));
    if let Some((factor, best)) = least_speed(&times) {
        println!(
            "Within every limit and under {GOAL_MS} ms from {factor} × these speeds on: {}, gathering {:.0} ms.\n",
            best.name, best.gather_ms
        );
        if factor > 1.0 {
            let fast = times.faster(factor);
            let figures: Vec<Figures> = scenarios.iter().map(|scenario| run(scenario, &fast, SEED)).collect();
            println!("{}", report::sales(&figures));
        }
    } else {
        println!("Not within every limit and under {GOAL_MS} ms at any of {SPEEDS:?} × these speeds.\n");
    }
    println!("What one inventory carries with P95 under {GOAL_MS} ms.\n\n{}", report::holds(&report::carried(&times, SEED)));
    let paid = scenarios.iter().position(|scenario| scenario.lanes == PAID_LANES && scenario.gather_ms > 0.0);
    for wait in WAITS {
        let bill = Bill::new(&figures[paid.unwrap_or_default()], PAID_LANES, &times, wait);
        let head = format!("A million people, waiting {} s, a status every {} s", wait.seconds, wait.every_s);
        let mut rows: Vec<Vec<String>> =
            bill.0.iter().map(|(item, dollars)| vec![(*item).to_owned(), format!("{dollars:.2}")]).collect();
        rows.push(vec!["together".into(), format!("{:.2}", bill.total())]);
        println!("{}", report::table(&[&head, "US dollars"], &rows));
    }
    Ok(())
}

fn main() -> ExitCode {
    match print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("model: {error}");
            ExitCode::FAILURE
        }
    }
}
