//! `load PLAN.json`: carries the plan out and prints its outcome as JSON.

use std::{env, io, process::ExitCode};

use load::{driver, outcome::Outcome, plan::Plan};

fn measure() -> io::Result<Outcome> {
    let path = env::args().nth(1).ok_or_else(|| io::Error::other("usage: load PLAN.json"))?;
    driver::run(&Plan::read(&path)?)
}

#[expect(clippy::print_stdout, reason = "the outcome goes to the caller")]
fn main() -> ExitCode {
    match measure() {
        Ok(outcome) => {
            println!("{}", serde_json::to_string(&outcome).expect("an outcome is plain data with text keys"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
