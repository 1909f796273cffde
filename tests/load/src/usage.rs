//! Processor time and memory of a process, as Linux tells them.

use std::fs;

/// Processor time of a clock tick of `/proc`, in microseconds: 100 a second on every Linux that this runs on.
const TICK_US: u64 = 10_000;

/// Processor time that a process has used with all its threads, in microseconds; `self` is this one.
/// Nothing where it has ended, or the system has no `/proc`.
pub(crate) fn cpu_us(process: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may contain anything; user and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * TICK_US)
}

/// Memory that a process has resident, in mebibytes.
pub(crate) fn resident_mib(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}
