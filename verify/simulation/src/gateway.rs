//! Isolates of the gateway, and what each request makes them do. Tokens and signatures are the real ones.

use std::{cell::Cell, rc::Rc};

use actors::{
    Problem,
    ask::{
        Company, Envelope, Fault, GatewayAsk, InventoryAsk, Object, PaymentAsk, QueueAsk, SignedWebhook, ask_through, encode,
        question,
    },
    batch::{self, Batches},
    carrier,
    sale::{
        self, Gate, Told,
        board::{self, Boards},
    },
    within,
};
use domain::{
    board::{Board, Phase, Place, PlaceState},
    event::Event,
    hash::Hash128,
    id::{EventId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    idempotency::Idempotency,
    inventory::{Command, Query, Wish},
    lane::Join,
    machine::Answer,
    payment::{Action, Outcome, Plan, WebhookBody, WebhookType},
    queue::{Command as QueueCommand, Entered},
    refusal::Refusal,
    time::Millis,
};
use futures_channel::oneshot;
use serde::Serialize;
use signing::{
    token::{CallerHash, ReservationToken, WaitingToken},
    webhook::TOLERANCE_MS,
};

use crate::{node::Machine, world::World};

/// How long a record of an answer lives, in milliseconds.
pub(crate) const RECORD_TTL_MS: u64 = 300_000;
/// The version of the key that signs tokens.
pub(crate) const KID: u32 = 1;
/// How many calls of an isolate to an object are out before questions wait: fewer than on the platform, because fewer people come.
const CALLS_MAX: usize = 1;
/// How long a browser waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum No {
    /// The rules refuse.
    Refused(Refusal),
    /// Something is broken: 5xx.
    Broken(String),
    /// No answer came.
    Lost,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Overloaded => Refusal::Overloaded.into(),
            Fault::Unavailable(problem) | Fault::Broken(problem) => Self::Broken(problem),
            Fault::TimedOut => Self::Broken("it took too long".to_owned()),
        }
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self::Broken(problem.0)
    }
}

/// One isolate: a life, the boards it keeps and what it asks together.
#[derive(Clone)]
pub(crate) struct Isolate {
    life: u64,
    boards: Boards,
    told: Told,
    batches: Batches,
}

impl Isolate {
    fn new(life: u64) -> Self {
        Self { life, boards: board::boards(), told: sale::told(), batches: batch::batches(CALLS_MAX, carrier::ASK_MAX_MS) }
    }
}

/// One request at one isolate.
#[derive(Clone)]
pub(crate) struct Door {
    world: World,
    isolate: Isolate,
    /// How many objects were asked.
    pub(crate) asked: Rc<Cell<u32>>,
}

/// A digest of some parts, for keys and callers.
pub(crate) fn digest(parts: &[&str]) -> Hash128 {
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    Hash128(parts.iter().flat_map(|part| part.bytes().chain([0xff])).fold(start, step))
}

/// An idempotency key of somebody for something, on a request that says so much.
pub(crate) fn keyed(who: &str, operation: &str, key: &str, says: &str) -> Idempotency {
    Idempotency { scope: digest(&[who, operation, key]), fingerprint: digest(&[operation, says]), ttl_ms: RECORD_TTL_MS }
}

impl World {
    pub(crate) fn open_isolates(&self, count: u32) {
        let isolates = (0..count).map(|_| Isolate::new(self.new_life()));
        *self.0.isolates.borrow_mut() = isolates.collect();
    }

    /// Sends a request to the isolate that serves `who`, as a browser does; the answer, if one comes.
    pub(crate) async fn request<T: 'static, F>(&self, who: u32, work: impl Fn(Door) -> F + 'static) -> Result<T, No>
    where
        F: Future<Output = Result<T, No>> + 'static,
    {
        let weather = self.0.weather;
        if self.goes_wrong(weather.loses) {
            self.0.executor.sleep(PATIENCE_MS).await;
            return Err(No::Lost);
        }
        let times = 1 + u32::from(self.goes_wrong(weather.repeats));
        let (reply, answered) = oneshot::channel();
        let mut reply = Some(reply);
        let work = Rc::new(work);
        for _ in 0..times {
            let (world, work, reply) = (self.clone(), Rc::clone(&work), reply.take());
            self.0.executor.after(self.delay_ms(), move || world.serve(who, move |door| work(door), reply));
        }
        let outcome = within(self.0.executor.sleep(PATIENCE_MS), answered).await;
        if self.goes_wrong(weather.loses) {
            return Err(No::Lost);
        }
        self.0.executor.sleep(self.delay_ms()).await;
        outcome.and_then(Result::ok).unwrap_or(Err(No::Lost))
    }

    fn serve<T: 'static, F>(&self, who: u32, work: impl Fn(Door) -> F + 'static, reply: Option<oneshot::Sender<Result<T, No>>>)
    where
        F: Future<Output = Result<T, No>> + 'static,
    {
        let index = who as usize % self.0.isolates.borrow().len();
        let mut isolate = self.0.isolates.borrow()[index].clone();
        if self.goes_wrong(self.0.weather.isolate_goes) {
            self.0.executor.kill(isolate.life);
            isolate = Isolate::new(self.new_life());
            self.0.isolates.borrow_mut()[index] = isolate.clone();
            self.trace("isolate", &[]);
        }
        let life = isolate.life;
        let door = Door { world: self.clone(), isolate, asked: Rc::default() };
        self.0.stats.borrow_mut().requests += 1;
        self.0.executor.spawn(life, async move {
            let outcome = work(door).await;
            if let Some(reply) = reply {
                let _ = reply.send(outcome);
            }
        });
    }
}

impl Gate for Door {
    type Error = No;

    fn now(&self) -> Millis {
        self.world.now()
    }

    fn pause(&self, ms: u64) -> impl Future<Output = ()> {
        self.world.0.executor.sleep(ms)
    }

    fn told(&self) -> Told {
        Rc::clone(&self.isolate.told)
    }

    async fn ask<A: Serialize>(&self, object: &Object, event: Option<&Event>, question: &A) -> Result<Answer, No> {
        self.asked.set(self.asked.get() + 1);
        let machine = machine_of(self);
        Ok(ask_through(async |body: &[u8]| carrier::send(&machine, object, body).await, "", event, question).await?)
    }

    async fn ask_in_company<A: Serialize>(
        &self,
        object: &Object,
        company: Company,
        event: Option<&Event>,
        question: &A,
    ) -> Result<Answer, No> {
        self.asked.set(self.asked.get() + 1);
        Ok(batch::ask(&self.isolate.batches, &machine_of(self), object, company, "", event, question).await?)
    }

    async fn event(&self, _event_id: &EventId) -> Result<Rc<Event>, No> {
        self.pause(self.world.delay_ms()).await;
        Ok(Rc::new(self.world.0.event.borrow().clone()))
    }
}

fn machine_of(door: &Door) -> Machine {
    Machine { world: door.world.clone(), object: None, life: door.isolate.life }
}

/// A granted answer and whether it was given before.
pub(crate) type Granted = (Vec<u8>, bool);

fn granted(answer: Answer) -> Result<Granted, No> {
    match answer {
        Answer::Granted { body, replayed } => Ok((body, replayed)),
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

impl Door {
    pub(crate) const fn world(&self) -> &World {
        &self.world
    }

    /// The machine that the isolate runs on.
    pub(crate) fn machine(&self) -> Machine {
        machine_of(self)
    }

    fn event_id(&self) -> EventId {
        self.world.0.event.borrow().event_id.clone()
    }

    /// POST `/queue/join`: the waiting token.
    pub(crate) async fn join(&self, user: &UserId, key: &str) -> Result<(String, u64), No> {
        let (event_id, lanes) = (self.event_id(), self.world.0.event.borrow().queue.lanes);
        let caller = digest(&["user", &user.0]);
        let lane = u32::try_from(caller.0 % u128::from(lanes)).expect("a remainder of lanes");
        let key = keyed(&user.0, "join", key, "");
        let join = Join { caller, key: key.scope, fingerprint: key.fingerprint, kid: KID, replaces: None };
        let (joined, _) = sale::join(self, &self.isolate.boards, &event_id, lane, &join).await?;
        let waiting = WaitingToken {
            event_id,
            lane,
            number: joined.number,
            joined_at: joined.joined_at,
            kid: joined.kid,
            caller: (!self.world.0.unbound).then(|| CallerHash::of(&user.0)),
        };
        Ok((self.world.0.tokens.sign(&waiting), joined.number))
    }

    fn waiting(&self, token: &str) -> Result<WaitingToken, No> {
        self.world.0.tokens.verify(token).ok_or(No::Refused(Refusal::TokenNotFound))
    }

    /// GET `/queue/status`, and whether everything is sold.
    pub(crate) async fn status(&self, token: &str) -> Result<(Place, bool), No> {
        let WaitingToken { event_id, number, .. } = self.waiting(token)?;
        let now = self.now();
        let look = |board: &Board| (board.place(number, now), board.stats().phase == Phase::SoldOut);
        board::look(self, &self.isolate.boards, &event_id, board::AGES, look).await
    }

    /// POST `/queue/enter`: the reservation token, and the queue's answer.
    pub(crate) async fn enter(&self, token: &str, key: &str) -> Result<(String, Granted), No> {
        let waiting = self.waiting(token)?;
        let idempotency = keyed("", "enter", key, token);
        let enter = QueueAsk::Command(QueueCommand::Enter { number: waiting.number, kid: KID, idempotency });
        let queue = Object::Queue(waiting.event_id.clone());
        let (body, replayed) = granted(sale::ask(self, &waiting.event_id, &queue, &enter).await?)?;
        let entered: Entered = sale::read::<Self, _>(&body)?;
        board::note(&self.isolate.boards, &waiting.event_id, waiting.number, PlaceState::Entered);
        let reservation = ReservationToken {
            event_id: waiting.event_id,
            number: entered.number,
            ends_at: entered.ends_at,
            kid: entered.kid,
            caller: waiting.caller,
        };
        Ok((self.world.0.tokens.sign(&reservation), (body, replayed)))
    }

    /// DELETE `/queue/leave`.
    pub(crate) async fn leave(&self, token: &str) -> Result<u64, No> {
        let WaitingToken { event_id, lane, number, .. } = self.waiting(token)?;
        self.world.0.witness.borrow_mut().line.leaves(number);
        sale::leave(self, &self.isolate.boards, &event_id, lane, number).await?;
        Ok(number)
    }

    /// POST `/reservations`.
    pub(crate) async fn hold(&self, user: &UserId, token: &str, wish: Wish, key: &str) -> Result<Granted, No> {
        let event_id = self.event_id();
        let token: Option<ReservationToken> = self.world.0.tokens.verify(token);
        let admission = token.and_then(|token| token.admits(&event_id, user, RECORD_TTL_MS, self.now()));
        let admission = admission.ok_or(No::Refused(Refusal::NotAdmitted))?;
        let says = format!("{wish:?}");
        let random = (u128::from(self.world.draw(0..=u64::MAX)) << 64) | u128::from(self.world.draw(0..=u64::MAX));
        let command = Command::Hold {
            key: ReservationKey(random),
            user: user.clone(),
            admission,
            wish,
            idempotency: keyed(&user.0, "reserve", key, &says),
        };
        granted(sale::command(self, &event_id, command).await?)
    }

    /// GET `/reservations/{id}`.
    pub(crate) async fn reservation(&self, user: &UserId, id: &ReservationId) -> Result<Vec<u8>, No> {
        let query = Query::Reservation { key: id.key, user: user.clone() };
        Ok(granted(sale::look(self, &id.event_id, query).await?)?.0)
    }

    /// POST `/payments/intent`.
    pub(crate) async fn intent(&self, user: &UserId, id: &ReservationId, plan: Plan, key: &str) -> Result<Granted, No> {
        let idempotency = keyed(&user.0, "intent", key, &format!("{id}{plan:?}"));
        let user = user.clone();
        let command = Command::OpenIntent { key: id.key, user, amount: None, currency: None, plan, idempotency };
        granted(sale::command(self, &id.event_id, command).await?)
    }

    /// POST `/payments/process`.
    pub(crate) async fn process(
        &self,
        user: &UserId,
        intent: &PaymentIntentId,
        action: Action,
        key: &str,
    ) -> Result<Granted, No> {
        let idempotency = keyed(&user.0, "process", key, &format!("{intent}{action:?}"));
        let process = PaymentAsk::Process { intent: intent.clone(), user: user.clone(), action, idempotency };
        granted(self.ask(&Object::Payment(intent.event_id.clone()), None, &process).await?)
    }

    /// POST `/payments/{id}/cancel`.
    pub(crate) async fn cancel_intent(&self, user: &UserId, intent: &PaymentIntentId, key: &str) -> Result<Granted, No> {
        let idempotency = keyed(&user.0, "cancel_payment", key, &intent.to_string());
        let command = Command::CancelIntent { intent: intent.clone(), user: user.clone(), idempotency };
        granted(sale::command(self, &intent.event_id, command).await?)
    }

    /// POST `/reservations/{id}/confirm`.
    pub(crate) async fn confirm(
        &self,
        user: &UserId,
        id: &ReservationId,
        intent: &PaymentIntentId,
        key: &str,
    ) -> Result<Granted, No> {
        let idempotency = keyed(&user.0, "confirm", key, &format!("{id}{intent}"));
        granted(sale::confirm(self, id, intent, user, idempotency).await?)
    }

    /// DELETE `/reservations/{id}`.
    pub(crate) async fn cancel(&self, user: &UserId, id: &ReservationId, key: Option<&str>) -> Result<Granted, No> {
        let idempotency = key.map(|key| keyed(&user.0, "cancel", key, &id.to_string()));
        let command = Command::Cancel { key: id.key, user: user.clone(), idempotency };
        granted(sale::command(self, &id.event_id, command).await?)
    }

    /// POST `/orders/{id}/refund`.
    pub(crate) async fn refund(&self, user: &UserId, id: &ReservationId, key: &str) -> Result<Granted, No> {
        let idempotency = keyed(&user.0, "refund", key, &id.to_string());
        let command = Command::Refund { key: id.key, user: user.clone(), idempotency };
        granted(sale::command(self, &id.event_id, command).await?)
    }

    /// POST `/payments/webhook`.
    async fn webhook(&self, message: &SignedWebhook) -> Result<Answer, Problem> {
        let SignedWebhook { id, timestamp, signature, body } = message;
        if self.world.0.webhooks.verify(id, timestamp, signature, body.as_bytes(), self.now()).is_err() {
            return Ok(Answer::Refused(Refusal::Forbidden));
        }
        let WebhookBody { kind, data, .. } = serde_json::from_str(body)?;
        let outcome = match kind {
            WebhookType::Approved => Outcome::Approved,
            WebhookType::Failed => Outcome::Failed { reason: data.failure_reason.unwrap_or_default() },
        };
        let scope = digest(&["webhook", id.as_str()]);
        let event_id = data.payment_intent_id.event_id.clone();
        let command = Command::Decided {
            idempotency: Idempotency { scope, fingerprint: scope, ttl_ms: 2 * TOLERANCE_MS },
            intent: data.payment_intent_id,
            reservation_id: data.reservation_id,
            amount: data.amount,
            currency: data.currency,
            outcome,
        };
        sale::command(self, &event_id, command).await.map_err(|no| Problem(format!("{no:?}")))
    }

    /// What an object asks the gateway; the answer as it travels.
    pub(crate) async fn hear(&self, asked: &[u8]) -> Vec<u8> {
        let outcome = match question::<GatewayAsk>(asked) {
            Ok(Envelope { ask: GatewayAsk::Webhook(message), .. }) => self.webhook(&message).await,
            Err(problem) => Err(problem),
        };
        encode(&outcome)
    }

    /// PUT `/admin/events/{id}` and PATCH `/admin/events/{id}/queue`: the newest version, to whom it concerns.
    pub(crate) async fn publish_event(&self) -> Result<(), No> {
        let event = self.world.0.event.borrow().clone();
        let event_id = event.event_id.clone();
        let inventory = InventoryAsk::Configure(Box::new(event.clone()));
        granted(self.ask(&Object::Inventory(event_id.clone()), None, &inventory).await?)?;
        let queue = QueueAsk::Configure(Box::new(event));
        granted(self.ask(&Object::Queue(event_id), None, &queue).await?)?;
        Ok(())
    }

    /// POST `/admin/events/{id}/seats`.
    pub(crate) async fn block(&self, block: Vec<String>, unblock: Vec<String>) -> Result<Granted, No> {
        let event_id = self.event_id();
        granted(sale::command(self, &event_id, Command::Block { actor: "organiser".to_owned(), block, unblock }).await?)
    }
}
