//! How long each object works on what, from the benchmark's figures.

use std::{fs, io};

use serde::Deserialize;

/// The figures that are kept with the sources.
const KEPT: &str = include_str!("../../measured.json");

/// Service times in microseconds of processor time.
#[derive(Clone, Debug)]
pub struct Times {
    /// When they were measured.
    pub date: String,
    /// On what.
    pub cpu: String,
    /// A request in the gateway: identity, tokens, headers. What a status takes.
    pub gateway: f64,
    /// A join in its lane, from the call to the stored row.
    pub lane_join: f64,
    /// A batch of joins in the queue.
    pub queue_batch: f64,
    /// The board in the queue: a call that writes nothing.
    pub queue_board: f64,
    /// An entry in the queue.
    pub queue_enter: f64,
    /// A hold in the inventory.
    pub inventory_hold: f64,
}

#[derive(Deserialize)]
struct Summary {
    machine: Machine,
    results: Vec<Work>,
    objects: Option<Objects>,
}

/// What each object takes by itself, the call included, in microseconds.
#[derive(Clone, Copy, Deserialize)]
struct Objects {
    queue_board: f64,
    queue_batch: f64,
    lane_join: f64,
    inventory_hold: f64,
}

#[derive(Deserialize)]
struct Machine {
    cpu: String,
    date: String,
}

#[derive(Deserialize)]
struct Work {
    name: String,
    cpu_us: f64,
}

impl Times {
    /// Reads a summary of the benchmark, with what objects take by themselves (`--objects`), or what is kept where it says
    /// nothing of them. The call is in an object's time, at both of its ends, so that it is too large rather than too
    /// small. Of an entry, which is not measured by itself, it is what a request takes beyond a status.
    ///
    /// # Errors
    /// The file cannot be read, or a work is missing.
    pub fn read(path: &str) -> io::Result<Self> {
        let summary: Summary = serde_json::from_slice(&fs::read(path)?)?;
        let kept: Summary = serde_json::from_str(KEPT)?;
        let objects = summary.objects.or(kept.objects);
        let objects = objects.ok_or_else(|| io::Error::other(format!("{path} says nothing of objects")))?;
        let work = |name: &str| {
            let found = summary.results.iter().find(|work| work.name == name);
            found.ok_or_else(|| io::Error::other(format!("{path} does not say how long {name} takes")))
        };
        let status = work("status")?;
        let beyond = |name: &str| Ok::<_, io::Error>((work(name)?.cpu_us - status.cpu_us).max(1.0));
        Ok(Self {
            gateway: status.cpu_us,
            lane_join: objects.lane_join,
            queue_batch: objects.queue_batch,
            queue_board: objects.queue_board,
            queue_enter: beyond("enter")?,
            inventory_hold: objects.inventory_hold,
            date: summary.machine.date,
            cpu: summary.machine.cpu,
        })
    }

    /// The same work at `factor` times the speed.
    #[must_use]
    pub fn faster(&self, factor: f64) -> Self {
        Self {
            gateway: self.gateway / factor,
            lane_join: self.lane_join / factor,
            queue_batch: self.queue_batch / factor,
            queue_board: self.queue_board / factor,
            queue_enter: self.queue_enter / factor,
            inventory_hold: self.inventory_hold / factor,
            ..self.clone()
        }
    }
}
