//! What is to be sent, by how many and when: a JSON file.

use std::{fs, io, path::PathBuf};

use serde::Deserialize;

/// One measurement.
#[derive(Clone, Debug, Deserialize)]
pub struct Plan {
    /// Where the server listens, for example `127.0.0.1:8080`.
    pub address: String,
    /// Connections that are kept open at most.
    pub connections: usize,
    /// Who sends when.
    pub arrivals: Arrivals,
    /// What each person does, one request after the other.
    pub steps: Vec<Step>,
    /// How long a person thinks before each step but the first, in milliseconds: from, to.
    #[serde(default)]
    pub think_ms: (u64, u64),
    /// A table of tab-separated columns, names in the first line: each person takes the next line.
    pub rows: Option<PathBuf>,
    /// Lines to leave out at its beginning.
    #[serde(default)]
    pub skip: usize,
    /// Whether the table begins again after its last line; otherwise nobody comes after it.
    #[serde(default)]
    pub cycle: bool,
    /// Where a line is written for each person who got through, with the columns of `keep`.
    pub out: Option<PathBuf>,
    /// Names of variables to write.
    #[serde(default)]
    pub keep: Vec<String>,
    /// Nothing is counted for so long, in milliseconds.
    pub warmup_ms: u64,
    /// Then everything is, for so long.
    pub measure_ms: u64,
    /// The server's process, for its processor time and memory.
    pub server_pid: Option<u32>,
    /// Makes idempotency keys differ from those of other runs.
    pub nonce: String,
}

/// Who sends when.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// So many people at all times: whoever is done is followed by the next one at once. Shows what is served at most.
    Closed {
        /// How many.
        people: usize,
        /// They come one after the other over so long, in milliseconds.
        #[serde(default)]
        over_ms: u64,
    },
    /// People come at a fixed rate, whatever the server does. Shows how long it takes.
    Open {
        /// How many a second.
        per_s: f64,
    },
}

/// One request of a person.
///
/// In `path`, `headers` and `body`, `$name` stands for a column of the person's line, for what an earlier step took,
/// or for `$key`, an idempotency key of its own for every request.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// What the figures are called.
    pub name: String,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names and values, besides those of length and host.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<String>,
    /// The status of success.
    pub expect: u16,
    /// Text fields of the answer's JSON that become variables.
    #[serde(default)]
    pub take: Vec<String>,
    /// The step is repeated until the answer contains this.
    pub until: Option<String>,
    /// How long a person waits before such a repetition, in milliseconds.
    #[serde(default)]
    pub again_ms: u64,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// The file cannot be read or is not a plan.
    pub fn read(path: &str) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}
