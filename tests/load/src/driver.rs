//! Carries out a plan: one thread, one event loop.
//!
//! A person is due at an instant; then the next request is sent over a free connection, or waits for one, and either
//! way its latency counts from that instant. In an open plan people become due by the schedule alone.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    io::Result,
    time::{Duration, Instant},
};

use polling::{Event, Events, PollMode, Poller};

use crate::{
    clock,
    connection::Connection,
    http::{self, Answer, Request},
    outcome::{Outcome, Tally},
    person::Person,
    plan::{Arrivals, Plan},
    rows::{Out, Rows},
    template::Names,
    usage,
};

/// How long the loop sleeps at most.
const NAP: Duration = Duration::from_millis(50);
/// How long answers are awaited after the end of a measurement.
const GRACE: Duration = Duration::from_secs(5);

/// Thinking times are the same in every run.
const SEED: u64 = 1;

/// Carries out a plan.
///
/// # Errors
/// Files, or the server cannot be reached at all. A connection that breaks later is counted instead.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let mut driver = Driver::new(plan)?;
    driver.work()?;
    driver.finish()
}

/// Processor time at an instant: this client's and the server's, in microseconds.
#[derive(Clone, Copy)]
struct Mark {
    at: Instant,
    client_us: u64,
    server_us: Option<u64>,
}

struct Driver<'a> {
    plan: &'a Plan,
    requests: Vec<Request>,
    takes: Vec<Vec<usize>>,
    key: usize,
    keys: u64,
    variables: usize,
    rows: Rows,
    out: Option<Out>,
    poller: Poller,
    connections: Vec<Connection>,
    free: Vec<usize>,
    people: Vec<Person>,
    idle: Vec<usize>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    waiting: VecDeque<usize>,
    in_flight: usize,
    dry: bool,
    arrived: u64,
    started: Instant,
    from: Option<Mark>,
    until: Option<Mark>,
    tallies: Vec<Tally>,
    finished: u64,
    unexpected: BTreeMap<u16, u64>,
    complaint: Option<String>,
    scratch: Vec<u8>,
    chance: fastrand::Rng,
}

impl<'a> Driver<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let mut names = Names::default();
        let key = names.index("key");
        let rows = match &plan.rows {
            Some(path) => Rows::read(path, plan.skip, plan.cycle, &mut names)?,
            None => Rows::endless(),
        };
        let requests = plan.steps.iter().map(|step| Request::new(step, &plan.address, &mut names)).collect();
        let takes = plan.steps.iter().map(|step| step.take.iter().map(|name| names.index(name)).collect()).collect();
        let out = plan.out.as_ref().map(|path| Out::create(path, &plan.keep, &mut names)).transpose()?;
        let now = clock::now();
        Ok(Self {
            plan,
            requests,
            takes,
            key,
            keys: 0,
            variables: names.len(),
            rows,
            out,
            poller: Poller::new()?,
            connections: Vec::new(),
            free: Vec::new(),
            people: Vec::new(),
            idle: Vec::new(),
            due: BinaryHeap::new(),
            waiting: VecDeque::new(),
            in_flight: 0,
            dry: false,
            arrived: 0,
            started: now,
            from: None,
            until: None,
            tallies: plan.steps.iter().map(|step| Tally::new(&step.name)).collect(),
            finished: 0,
            unexpected: BTreeMap::new(),
            complaint: None,
            scratch: Vec::new(),
            chance: fastrand::Rng::with_seed(SEED),
        })
    }

    /// The loop, until the measurement is over and what was sent is answered.
    fn work(&mut self) -> Result<()> {
        self.started = clock::now();
        let measured_from = self.started + Duration::from_millis(self.plan.warmup_ms);
        let measured_until = measured_from + Duration::from_millis(self.plan.measure_ms);
        if let Arrivals::Closed { people, over_ms } = self.plan.arrivals {
            for i in 0..people {
                let offset = Duration::from_millis(over_ms) * u32::try_from(i).unwrap_or_default();
                self.arrive(self.started + offset / u32::try_from(people).unwrap_or(1));
            }
        }
        let mut events = Events::new();
        loop {
            let now = clock::now();
            if self.from.is_none() && now >= measured_from {
                self.from = Some(self.mark(now));
            }
            let ended = now >= measured_until;
            if self.until.is_none() && (ended || self.is_done()) {
                self.until = Some(self.mark(now));
            }
            if self.is_done() || (ended && (self.in_flight == 0 || now >= measured_until + GRACE)) {
                return Ok(());
            }
            let next = if ended { None } else { self.send_due(now)? };
            let nap = next.map_or(NAP, |at| at.saturating_duration_since(clock::now()).min(NAP));
            events.clear();
            self.poller.wait(&mut events, Some(nap))?;
            for event in events.iter() {
                self.on_event(event)?;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.dry && self.in_flight == 0 && self.due.is_empty() && self.waiting.is_empty()
    }

    fn mark(&self, at: Instant) -> Mark {
        let server = self.plan.server_pid.map(|pid| pid.to_string());
        Mark { at, client_us: usage::cpu_us("self").unwrap_or_default(), server_us: server.and_then(|pid| usage::cpu_us(&pid)) }
    }

    /// Sends everything that is due; when the next thing is.
    fn send_due(&mut self, now: Instant) -> Result<Option<Instant>> {
        let mut next = None;
        if let Arrivals::Open { per_s } = self.plan.arrivals {
            while !self.dry {
                let at = self.started + Duration::from_secs_f64(self.arrived as f64 / per_s);
                if at > now {
                    next = Some(at);
                    break;
                }
                self.arrived += 1;
                self.arrive(at);
            }
        }
        while let Some(Reverse((at, person))) = self.due.peek().copied() {
            if at > now {
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
                break;
            }
            self.due.pop();
            self.waiting.push_back(person);
        }
        while !self.waiting.is_empty() {
            let Some(connection) = self.connection()? else { break };
            let person = self.waiting.pop_front().expect("it is not empty");
            self.send(connection, person)?;
        }
        Ok(next)
    }

    /// Lets one more person come at `at`, with the next line of the table.
    fn arrive(&mut self, at: Instant) {
        let index = self.idle.pop().unwrap_or_else(|| {
            self.people.push(Person { values: vec![Vec::new(); self.variables], step: 0, intended: at });
            self.people.len() - 1
        });
        let person = &mut self.people[index];
        if self.rows.take(&mut person.values) {
            (person.step, person.intended) = (0, at);
            self.due.push(Reverse((at, index)));
        } else {
            self.dry = true;
            self.idle.push(index);
        }
    }

    /// A free connection, opened if need be; none where all are in use.
    fn connection(&mut self) -> Result<Option<usize>> {
        if let Some(index) = self.free.pop() {
            return Ok(Some(index));
        }
        if self.connections.len() >= self.plan.connections {
            return Ok(None);
        }
        let index = self.connections.len();
        self.connections.push(self.open(index)?);
        Ok(Some(index))
    }

    fn open(&self, index: usize) -> Result<Connection> {
        let connection = Connection::open(&self.plan.address)?;
        // SAFETY: the stream outlives its registration: `replace` and `finish` take it out before it is dropped.
        unsafe { self.poller.add_with_mode(&connection.stream, Event::all(index), PollMode::Edge)? };
        Ok(connection)
    }

    fn send(&mut self, connection: usize, person: usize) -> Result<()> {
        self.keys += 1;
        let Person { values, step, .. } = &mut self.people[person];
        values[self.key].clear();
        values[self.key].extend_from_slice(format!("{}-{}", self.plan.nonce, self.keys).as_bytes());
        let (request, scratch) = (&self.requests[*step], &mut self.scratch);
        self.in_flight += 1;
        self.connections[connection].person = Some(person);
        match self.connections[connection].send(|buffer| request.render(values, scratch, buffer)) {
            Ok(()) => Ok(()),
            Err(_) => self.broken(connection),
        }
    }

    fn on_event(&mut self, event: Event) -> Result<()> {
        let connection = &mut self.connections[event.key];
        if event.writable && connection.flush().is_err() {
            return self.broken(event.key);
        }
        if !event.readable {
            return Ok(());
        }
        match connection.receive() {
            Ok(None) => Ok(()),
            Ok(Some(answer)) => {
                self.on_answer(event.key, &answer);
                Ok(())
            }
            Err(_) => self.broken(event.key),
        }
    }

    /// Counts a broken connection, opens another in its place and lets its person give up.
    fn broken(&mut self, index: usize) -> Result<()> {
        let person = self.connections[index].person.take();
        self.poller.delete(&self.connections[index].stream)?;
        self.connections[index] = self.open(index)?;
        if let Some(person) = person {
            self.in_flight -= 1;
            self.free.push(index);
            *self.unexpected.entry(0).or_default() += 1;
            self.leave(person, clock::now());
        }
        Ok(())
    }

    fn on_answer(&mut self, index: usize, answer: &Answer) {
        let now = clock::now();
        let Some(who) = self.connections[index].person.take() else { return };
        self.in_flight -= 1;
        self.free.push(index);
        let connection = &mut self.connections[index];
        let person = &mut self.people[who];
        let step = &self.plan.steps[person.step];
        if answer.status != step.expect {
            *self.unexpected.entry(answer.status).or_default() += 1;
            let body = connection.body(answer);
            self.complaint.get_or_insert_with(|| format!("{}: {}", step.name, String::from_utf8_lossy(body)));
            connection.taken(answer);
            self.leave(who, now);
            return;
        }
        let body = connection.body(answer);
        for (name, variable) in step.take.iter().zip(&self.takes[person.step]) {
            person.values[*variable].clear();
            person.values[*variable].extend_from_slice(http::text_field(body, name).unwrap_or_default());
        }
        let again = step.until.as_ref().is_some_and(|text| http::find(body, text.as_bytes()).is_none());
        connection.taken(answer);
        if self.from.is_some() && self.until.is_none() {
            self.tallies[person.step].count(now.saturating_duration_since(person.intended));
        }
        self.go_on(who, now, again);
    }

    /// What a person does after an answer as expected.
    fn go_on(&mut self, who: usize, now: Instant, again: bool) {
        let person = &mut self.people[who];
        let step = &self.plan.steps[person.step];
        if !again && person.step + 1 == self.plan.steps.len() {
            if let Some(out) = &mut self.out {
                out.write(&person.values).expect("the table can be written");
            }
            self.finished += u64::from(self.from.is_some() && self.until.is_none());
            self.leave(who, now);
            return;
        }
        let (least, most) = self.plan.think_ms;
        let pause_ms = if again { step.again_ms } else { self.chance.u64(least..=most.max(least)) };
        person.step += usize::from(!again);
        person.intended = now + Duration::from_millis(pause_ms);
        self.due.push(Reverse((person.intended, who)));
    }

    /// A person is gone; in a closed plan the next one comes.
    fn leave(&mut self, who: usize, now: Instant) {
        self.idle.push(who);
        if matches!(self.plan.arrivals, Arrivals::Closed { .. }) && self.until.is_none() {
            self.arrive(now);
        }
    }

    fn finish(mut self) -> Result<Outcome> {
        for connection in &self.connections {
            self.poller.delete(&connection.stream)?;
        }
        if let Some(out) = self.out.take() {
            out.finish()?;
        }
        let now = clock::now();
        let until = self.until.unwrap_or_else(|| self.mark(now));
        let from = self.from.unwrap_or(until);
        let seconds = until.at.saturating_duration_since(from.at).as_secs_f64().max(1e-9);
        let steps: Vec<_> = self.tallies.iter().map(|tally| tally.figures(seconds)).collect();
        let completed = steps.iter().map(|figures| figures.completed).sum();
        let server_us = until.server_us.zip(from.server_us).map(|(until, from)| until.saturating_sub(from) as f64);
        let micros = seconds * 1e6;
        Ok(Outcome {
            seconds,
            completed,
            per_s: completed as f64 / seconds,
            people: self.finished,
            taken: self.rows.taken(),
            dry: self.dry,
            steps,
            unexpected: self.unexpected,
            unanswered: self.in_flight,
            complaint: self.complaint,
            client_cpu: until.client_us.saturating_sub(from.client_us) as f64 / micros,
            server_cpu_us: server_us.filter(|_| completed > 0).map(|us| us / completed as f64),
            server_cpu: server_us.map(|us| us / micros),
            server_mib: self.plan.server_pid.and_then(|pid| usage::resident_mib(&pid.to_string())),
        })
    }
}
