//! `model [SUMMARY.json]`: runs the sales of the model and prints their tables.

use std::{env, io, path::Path, process::ExitCode};

use load::model::{
    price::{Bill, MOST_DOLLARS, PRICE_LIST, Places, Sockets, Wait},
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
/// How long each of those who pay waits, in seconds.
const WAITED_S: f64 = 600.0;
/// A place is a row with an index beside it, as lanes write it now.
const ROWS_A_PLACE: Places = Places::Each(2.0);
/// A lane writes the places of a batch as one row.
const ROW_A_BATCH: Places = Places::Batch(1.0);
/// As objects that hold sockets are now (`actors::live`): they look at the board every 400 ms and at the seats every 500, so that they
/// never hibernate while somebody is there, and set their alarm for each who comes. One in ten opens a socket once more.
const SOCKETS: Sockets =
    Sockets { held_by_one: 20_000.0, opened_each: 1.1, heard_each: 1.0, rows_an_opening: 1.0, asks_per_s: 4.5, active: 1.0 };
/// The same, where an alarm that is set already is left as it is.
const ARMED_ONCE: Sockets = Sockets { rows_an_opening: 0.0, ..SOCKETS };
/// Ways to wait and to write places; the last is the one that is judged.
const PAID: [(&str, Wait, Places); 5] = [
    ("status every 10 s", Wait::Polling { every_s: 10.0 }, ROWS_A_PLACE),
    ("status every 30 s", Wait::Polling { every_s: 30.0 }, ROWS_A_PLACE),
    ("socket", Wait::Sockets(SOCKETS), ROWS_A_PLACE),
    ("socket, row a batch", Wait::Sockets(SOCKETS), ROW_A_BATCH),
    ("socket, row a batch, one alarm", Wait::Sockets(ARMED_ONCE), ROW_A_BATCH),
];

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
    print_bills(&figures[paid.unwrap_or_default()], &times);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table goes to the caller")]
fn print_bills(figures: &Figures, times: &Times) {
    let bills = PAID.map(|(_, wait, places)| Bill::new(figures, PAID_LANES, times, WAITED_S, wait, places));
    let row = |item: &str, dollars: &dyn Fn(&Bill) -> f64| {
        [item.to_owned()].into_iter().chain(bills.iter().map(|bill| format!("{:.2}", dollars(bill)))).collect::<Vec<_>>()
    };
    let items = bills[0].0.iter().enumerate();
    let mut rows: Vec<Vec<String>> = items.map(|(i, (item, _))| row(item, &|bill| bill.0[i].1)).collect();
    rows.push(row("together", &Bill::total));
    let head = format!("A million people, waiting {WAITED_S:.0} s, US dollars");
    let head: Vec<&str> = [head.as_str()].into_iter().chain(PAID.iter().map(|(name, ..)| *name)).collect();
    println!("{}", report::table(&head, &rows));
    if let (Some((name, ..)), Some(bill)) = (PAID.last(), bills.last()) {
        let met = if bill.total() <= MOST_DOLLARS { "met" } else { "not met" };
        println!("{name}: {:.2}; at most {MOST_DOLLARS:.2} is {met}.\n\n{PRICE_LIST}", bill.total());
    }
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
