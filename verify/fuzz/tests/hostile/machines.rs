//! Histories of broken questions to live machines: every question that can be read is answered, and the machine stays whole.
//!
//! Objects take two things on trust, since only the gateway can ask them: an [`Event`] was checked by
//! [`EventBody::complete`], and the key of a new reservation is 128 fresh random bits. A question that breaks one of these
//! is refused here instead.

use std::cell::RefCell;

use actors::ask::{InventoryAsk, LaneAsk, PaymentAsk, QueueAsk, question};
use domain::{
    effect::Pending,
    event::{Event, EventBody},
    id::ReservationKey,
    idempotency::{Idempotency, Record},
    inventory,
    lane::{self, Gathering},
    machine::{Answer, Batch, Engine, Machine, Store},
    payment,
    queue::{self, BatchReply},
    refusal::Refusal,
    time::Millis,
};
use fuzz::{
    Target, Verdict,
    json::{Breakage, any_breakage, any_whole},
};
use proptest::prelude::*;
use serde_json::Value;
use simulation::rows::{InventoryRows, LaneRows, PaymentRows, QueueRows, Records, Rows};

use crate::samples::{START, inventory_asks, lane_asks, payment_asks, queue_asks, small_event, user};

type ChangeOf<R> = <<R as Rows>::Machine as Machine>::Change;
type CommandOf<R> = <<R as Rows>::Machine as Machine>::Command;

/// Tables that never fail, unless a commit breaks a constraint.
#[derive(Default)]
struct Tables<R> {
    rows: RefCell<R>,
    records: RefCell<Records>,
}

impl<R: Rows> Store<R::Machine> for Tables<R> {
    type Fault = String;

    fn load(&self) -> Result<(R::Machine, Vec<Record>), String> {
        let records = self.records.borrow().values().map(|(record, _)| *record).collect();
        Ok((self.rows.borrow().load(), records))
    }

    fn recall(&self, machine: &mut R::Machine, command: &CommandOf<R>) -> Result<(), String> {
        self.rows.borrow().recall(machine, command);
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, ChangeOf<R>>) -> Result<(), String> {
        let mut rows = self.rows.borrow_mut();
        batch.changes().try_for_each(|change| rows.write(change))?;
        for (record, body) in batch.records() {
            self.records.borrow_mut().insert(record.scope, (record, body.to_vec()));
        }
        Ok(())
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>, String> {
        let records = self.records.borrow();
        records.get(&idempotency.scope).map(|(_, body)| body.clone()).ok_or_else(|| "a live record has a row".to_owned())
    }
}

/// A machine over tables, and its clock.
struct Live<R: Rows> {
    engine: Engine<R::Machine, Tables<R>>,
    now: Millis,
}

impl<R: Rows> Live<R> {
    fn new() -> Self {
        Self { engine: Engine::new(Tables::default()), now: START }
    }

    fn ask(&mut self, command: &CommandOf<R>) -> Answer {
        self.engine.execute(command, self.now).expect("what is decided keeps the constraints of the tables")
    }

    fn look<T>(&mut self, look: impl FnOnce(&R::Machine) -> T) -> T {
        look(self.engine.read(self.now).expect("what is due keeps the constraints of the tables"))
    }
}

/// One question of a history: how it is broken, how long after the one before, and whether memory is lost first.
#[derive(Clone, Debug)]
struct Step {
    breakage: Breakage,
    after_ms: u64,
    forgets: bool,
}

fn any_history() -> impl Strategy<Value = Vec<Step>> {
    let after_ms = prop_oneof![4 => 0..200_u64, 2 => 0..5000_u64, 1 => 0..70_000_u64];
    // A history of refusals leads nowhere: every other question is a good one.
    let breakage = prop_oneof![any_whole(), any_breakage()];
    let step = (breakage, after_ms, prop::bool::weighted(0.1));
    prop::collection::vec(step.prop_map(|(breakage, after_ms, forgets)| Step { breakage, after_ms, forgets }), 1..24)
}

/// Whether the gateway would have sent this event.
fn is_checked(event: &Event) -> bool {
    let json = serde_json::to_value(event).expect("an event is plain data with text keys");
    let body = serde_json::from_value::<EventBody>(json);
    body.is_ok_and(|body| body.complete(event.event_id.clone(), event.version, START).is_ok_and(|checked| checked == *event))
}

/// Whether there is a reservation with this key.
fn is_known(live: &Live<InventoryRows>, key: ReservationKey) -> bool {
    let query = inventory::Query::Reservation { key, user: user(1) };
    let known = live.engine.store().rows.borrow().reservation(&query);
    known.is_some_and(|answer| answer != Answer::Refused(Refusal::ReservationNotFound))
}

fn verdict(answer: &Answer) -> Verdict {
    Verdict::accepted(matches!(answer, Answer::Granted { .. }))
}

/// Plays each history on a machine made by `begin`; `answer` asks it one question that was read.
fn survives<R: Rows, A: serde::de::DeserializeOwned>(
    target: Target,
    samples: &[Value],
    begin: impl Fn(&mut Live<R>),
    answer: impl Fn(&mut Live<R>, A) -> Verdict,
) {
    target.run_histories(any_history(), |history, input| {
        let mut live = Live::new();
        begin(&mut live);
        for Step { breakage, after_ms, forgets } in history {
            live.now = live.now.plus_ms(*after_ms);
            if *forgets {
                live.engine.forget();
            }
            let text = breakage.of(samples);
            input(text.len(), &mut || question::<A>(&text).map_or(Verdict::Refused, |envelope| answer(&mut live, envelope.ask)));
        }
    });
}

#[test]
fn an_inventory_answers_everything_and_stays_whole() {
    use inventory::Command;
    survives::<InventoryRows, InventoryAsk>(
        Target::new("inventory-histories").constant(512 * 1024),
        &inventory_asks(),
        |live| drop(live.ask(&Command::Configure(Box::new(small_event(1))))),
        |live, ask| {
            let command = match ask {
                InventoryAsk::Configure(event) if !is_checked(&event) => return Verdict::Refused,
                InventoryAsk::Configure(event) => Command::Configure(event),
                InventoryAsk::Command(Command::Configure(event)) if !is_checked(&event) => return Verdict::Refused,
                InventoryAsk::Command(Command::Hold { key, .. }) if is_known(live, key) => return Verdict::Refused,
                InventoryAsk::Command(command) => command,
                InventoryAsk::Query(query) => {
                    let known = live.engine.store().rows.borrow().reservation(&query);
                    return known.map_or(Verdict::Refused, |answer| verdict(&answer));
                }
                InventoryAsk::Follow { known } => {
                    live.look(|inventory| {
                        let after = inventory.changed_since(known);
                        let changes = inventory.changes(known, &[]);
                        assert!(after <= changes.seq, "{known:?} is asked for what is behind {after}");
                    });
                    return Verdict::Accepted;
                }
            };
            let answer = live.ask(&command);
            live.look(inventory::Inventory::check);
            verdict(&answer)
        },
    );
}

#[test]
fn a_queue_answers_everything_and_stays_whole() {
    use queue::Command;
    survives::<QueueRows, QueueAsk>(
        Target::new("queue-histories").constant(512 * 1024),
        &queue_asks(),
        |live| drop(live.ask(&Command::Configure(Box::new(small_event(1))))),
        |live, ask| {
            let command = match ask {
                QueueAsk::Configure(event) if !is_checked(&event) => return Verdict::Refused,
                QueueAsk::Configure(event) => Command::Configure(event),
                QueueAsk::Command(Command::Configure(event)) if !is_checked(&event) => return Verdict::Refused,
                QueueAsk::Command(command) => command,
                QueueAsk::Board { since } => {
                    let now = live.now;
                    let update = live.look(|queue| queue.board(since, now)).expect("it is configured");
                    serde_json::to_vec(&update).expect("a board is plain data with text keys");
                    return Verdict::Accepted;
                }
            };
            let answer = live.ask(&command);
            live.look(|queue| {
                let counters = queue.counters();
                assert!(counters.ready + counters.active <= counters.last, "{counters:?}");
            });
            verdict(&answer)
        },
    );
}

#[test]
fn a_payment_answers_everything_and_stays_whole() {
    use payment::{Command, simulator::Effect};
    survives::<PaymentRows, PaymentAsk>(
        Target::new("payment-histories").constant(512 * 1024),
        &payment_asks(),
        |_| {},
        |live, ask| {
            let answer = match ask {
                PaymentAsk::Instruct { intent, instruction } => live.ask(&Command::Instruct { intent, instruction }),
                PaymentAsk::Process { intent, user, action, idempotency } => {
                    match live.ask(&Command::Decide { intent: intent.clone(), user: user.clone(), action }) {
                        refused @ Answer::Refused(_) => refused,
                        Answer::Granted { .. } => live.ask(&Command::Settle { intent, user, idempotency }),
                    }
                }
                PaymentAsk::Status { intent, user } => live.ask(&Command::Look { intent, user }),
            };
            let now = live.now;
            let due = live.look(|simulator| simulator.effects().due(now).next().cloned());
            if let Some(Pending { effect: Effect::Report(webhook), .. }) = due {
                serde_json::to_vec(&webhook.body).expect("a webhook is plain data with text keys");
                let intent = webhook.body.data.payment_intent_id.clone();
                let told = (now.0 % 2 == 0).then(|| webhook.body.kind.status());
                live.ask(&Command::Reported { intent: intent.clone(), attempt: webhook.attempt, told });
                let (captured, refunded) = live.look(|simulator| simulator.find(&intent).expect("it was reported").money());
                assert!(refunded == 0 || refunded == captured);
            }
            verdict(&answer)
        },
    );
}

/// A lane in front of a real queue: what gathers leaves at once, is numbered, stored and told.
#[test]
fn a_lane_answers_everything_and_everybody_is_told() {
    let gathering = RefCell::new((Gathering::default(), Live::<QueueRows>::new()));
    let configure = queue::Command::Configure(Box::new(small_event(1)));
    survives::<LaneRows, LaneAsk>(
        Target::new("lane-histories").constant(512 * 1024),
        &lane_asks(),
        |live| {
            let mut queue = Live::new();
            drop(queue.ask(&configure));
            *gathering.borrow_mut() = (Gathering::default(), queue);
            drop(live.ask(&lane::Command::Configure(Box::new(small_event(1)))));
        },
        |live, ask| {
            let (gathering, queue) = &mut *gathering.borrow_mut();
            queue.now = live.now;
            let gathered = match ask {
                LaneAsk::Configure(event) if !is_checked(&event) => return Verdict::Refused,
                LaneAsk::Configure(event) => return verdict(&live.ask(&lane::Command::Configure(event))),
                LaneAsk::Join(join) => match live.ask(&lane::Command::Join(join.clone())) {
                    Answer::Granted { body, .. } if body == b"\"unknown\"" => gathering.join(&join, ()),
                    known => return verdict(&known),
                },
                LaneAsk::Leave { number } => gathering.leave(number, ()),
            };
            let Ok(()) = gathered else { return Verdict::Refused };
            let (nonce, seq) = live.look(|lane| (lane.next_nonce(0, START), lane.next_seq()));
            let batch = gathering.depart(0, nonce, seq).expect("somebody gathered and nothing is out");
            let Answer::Granted { body, .. } = queue.ask(&queue::Command::Batch(batch)) else {
                panic!("the newest batch is never refused");
            };
            let reply: BatchReply = serde_json::from_slice(&body).expect("a reply reads back as it was written");
            let numbered = gathering.to_store(&reply).expect("a batch is out");
            live.ask(&lane::Command::Numbered(numbered));
            let told = gathering.arrive(&reply);
            assert_eq!(told.len(), 1, "who waited is told");
            verdict(&told[0].1)
        },
    );
}
