//! What each object can be asked, how that travels, and what an answer looks like on the way: JSON in, one outcome
//! byte and JSON out. Several questions travel as a JSON list, their answers each with its length before it.

use std::{cell::Cell, future::poll_fn, ops::Deref, pin::pin};

use domain::{
    delivery::{Directions, Letters, Version},
    event::Event,
    id::{EventId, PaymentIntentId, UserId},
    idempotency::Idempotency,
    inventory,
    lane::Join,
    machine::Answer,
    payment::{Action, Instruction},
    queue,
    refusal::Refusal,
    time::Millis,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::problem::Problem;

const GRANTED: u8 = b'G';
const REPLAYED: u8 = b'P';
const REFUSED: u8 = b'R';
const BROKEN: u8 = b'B';

/// An object of a sale. Its name is made here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// One of the lanes of an event.
    Lane(EventId, u32),
    /// The line of an event.
    Queue(EventId),
    /// The seats of an event.
    Inventory(EventId),
    /// The simulated payment provider of an event.
    Payment(EventId),
    /// One of those that hold the sockets of an event.
    Live(EventId, u32),
    /// What delivers to an organiser's endpoint, by the endpoint's id.
    Webhook(EndpointId),
    /// The gateway, which is no object and asked like one.
    Gateway,
}

/// The organiser's name for an endpoint: as an event's.
pub type EndpointId = EventId;

impl Object {
    /// The binding through which objects of its class are reached.
    #[must_use]
    pub const fn binding(&self) -> &'static str {
        match self {
            Self::Lane(..) => "LANE",
            Self::Queue(_) => "QUEUE",
            Self::Inventory(_) => "INVENTORY",
            Self::Payment(_) => "PAYMENT",
            Self::Live(..) => "LIVE",
            Self::Webhook(_) => "WEBHOOK",
            Self::Gateway => "GATEWAY",
        }
    }

    /// What it is called among the objects of its class.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Lane(event_id, index) | Self::Live(event_id, index) => format!("{event_id}/{index}"),
            Self::Queue(event_id) | Self::Inventory(event_id) | Self::Payment(event_id) => event_id.to_string(),
            Self::Webhook(id) => id.to_string(),
            Self::Gateway => String::new(),
        }
    }

    /// The event and index of an object that has one, by its name.
    #[must_use]
    pub fn indexed(name: &str) -> Option<(EventId, u32)> {
        let (event_id, index) = name.rsplit_once('/')?;
        Some((EventId::parse(event_id)?, index.parse().ok()?))
    }
}

/// What a lane can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum LaneAsk {
    /// Give the caller a place → [`domain::lane::Joined`], once it is numbered and stored.
    Join(Join),
    /// Give a place up → [`domain::lane::LeftReply`], once the queue has stored it.
    Leave {
        /// The place.
        number: u64,
    },
    /// Take over the event.
    Configure(Box<Event>),
}

/// What a queue can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum QueueAsk {
    /// Change something → the command's reply.
    Command(queue::Command),
    /// What everybody may know that changed → [`domain::board::BoardUpdate`].
    Board {
        /// The version that the asker has; 0 for none.
        since: u64,
    },
    /// Take over the event.
    Configure(Box<Event>),
}

/// What an inventory can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum InventoryAsk {
    /// Change something → the command's reply.
    Command(inventory::Command),
    /// Look at something → the query's body.
    Query(inventory::Query),
    /// What changed for those who watch the seats → [`domain::inventory::feed::SeatChanges`], as soon as there is something.
    Follow {
        /// Epoch and sequence that the asker stands at; none for everything, at once.
        known: Option<(u64, u64)>,
    },
    /// Take over the event.
    Configure(Box<Event>),
}

/// What the simulated provider can be asked. Every answer is a [`domain::payment::StatusReply`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentAsk {
    /// The inventory instructs.
    Instruct {
        /// About which intent.
        intent: PaymentIntentId,
        /// What to do with it.
        instruction: Instruction,
    },
    /// A client wants a pending intent decided now; answered once the decision was reported.
    Process {
        /// Which intent.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
        /// What to decide.
        action: Action,
        /// The client's key.
        idempotency: Idempotency,
    },
    /// How it stands.
    Status {
        /// Which intent.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
    },
}

/// What can be asked of what delivers to an organiser's endpoint. One that was never directed, or not by the version that
/// whoever asks knows, answers [`domain::refusal::Refusal::Unconfigured`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookAsk {
    /// The organiser made the endpoint, or changed it.
    Direct(Box<Directions>),
    /// Logs of events have envelopes up to these sequences.
    Hear {
        /// The endpoint as whoever tells this knows it.
        version: Version,
        /// Events and the last sequence of each.
        logs: Vec<(EventId, u64)>,
    },
    /// How the endpoint does → [`domain::delivery::Standing`].
    Standing,
    /// Send something now that is of no log → [`domain::delivery::attempt::Attempt`].
    Ping {
        /// The endpoint's id.
        webhook_id: EndpointId,
    },
    /// Go on, and try everything at once.
    Enable,
    /// Deliver everything of an event again that is behind a sequence → [`domain::delivery::Reply::Replaying`].
    Replay {
        /// Which event.
        event_id: EventId,
        /// The sequence.
        after: u64,
        /// The log's last one.
        through: u64,
    },
    /// Try these dead letters once more → [`domain::delivery::Reply::Redriven`].
    Redrive(Letters),
    /// What could not be delivered, newest first: a list of [`domain::delivery::attempt::DeadLetter`].
    DeadLetters {
        /// Only those that failed before this instant, or at it with a lower envelope id.
        before: Option<(Millis, String)>,
        /// At most this many.
        limit: u32,
    },
    /// What was sent, newest first: a [`domain::delivery::attempt::AttemptPage`].
    Attempts {
        /// `next` of the page before.
        before: Option<u64>,
    },
    /// The endpoint was deleted: forget everything.
    Drop {
        /// When it was made; none where nobody knows any more.
        created_at: Option<Millis>,
    },
}

/// What the gateway can be asked from within the platform.
#[derive(Debug, Serialize, Deserialize)]
pub enum GatewayAsk {
    /// The simulated provider reports a decision → as `POST /payments/webhook`.
    Webhook(SignedWebhook),
}

/// A message of the payment provider, by the headers of Standard Webhooks and its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedWebhook {
    /// Its id, the same in each try.
    pub id: String,
    /// When it was sent, in seconds since 1970.
    pub timestamp: String,
    /// The signatures, separated by spaces.
    pub signature: String,
    /// What was signed.
    pub body: String,
}

/// Who share a call to an object: those that wait for the same before they are answered, so that none holds up the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Company {
    /// For the object; of a lane, its queue, too.
    Itself,
    /// For the payment provider.
    Provider,
    /// For a sale: the queue hears that an admission has ended.
    Sale,
}

/// What can be asked of an object that must know its event first.
pub trait EventAsk: Serialize {
    /// Take over this event, unless a newer version is known.
    fn configure(event: Box<Event>) -> Self;

    /// With whom it may share a call, where crowds ask it. See [`crate::batch`].
    fn company(&self) -> Option<Company>;

    /// Whether it changes nothing, and is answered from what was committed before.
    fn is_look(&self) -> bool;
}

impl EventAsk for LaneAsk {
    fn configure(event: Box<Event>) -> Self {
        Self::Configure(event)
    }

    fn company(&self) -> Option<Company> {
        matches!(self, Self::Join(_)).then_some(Company::Itself)
    }

    fn is_look(&self) -> bool {
        false
    }
}

impl EventAsk for QueueAsk {
    fn configure(event: Box<Event>) -> Self {
        Self::Configure(event)
    }

    fn company(&self) -> Option<Company> {
        matches!(self, Self::Command(queue::Command::Enter { .. })).then_some(Company::Itself)
    }

    fn is_look(&self) -> bool {
        matches!(self, Self::Board { .. })
    }
}

impl EventAsk for InventoryAsk {
    fn configure(event: Box<Event>) -> Self {
        Self::Configure(event)
    }

    fn company(&self) -> Option<Company> {
        use inventory::Command::{Confirm, Decided, Hold, OpenIntent};
        match self {
            Self::Command(Hold { .. }) => Some(Company::Itself),
            Self::Command(OpenIntent { .. }) => Some(Company::Provider),
            Self::Command(Decided { .. } | Confirm { .. }) => Some(Company::Sale),
            _ => None,
        }
    }

    fn is_look(&self) -> bool {
        matches!(self, Self::Query(_) | Self::Follow { .. })
    }
}

/// What travels to an object.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<A, T = String, E = Box<Event>> {
    /// The asker's `traceparent`.
    pub trace: T,
    /// What the object has to know before it can answer, where the asker does not know that it does.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub event: Option<E>,
    /// What is asked.
    pub ask: A,
}

const fn none<T>() -> Option<T> {
    None
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The platform sheds load; asking again now makes it worse.
    Overloaded,
    /// The object could not be reached.
    Unavailable(String),
    /// The object took too long. What it was asked may still be done.
    TimedOut,
    /// The object is broken.
    Broken(String),
}

/// Asks an object of an event by `ask`, which takes the event along where it is given. It is, where the object is not known to
/// have it and where it says so: an object that was never configured is configured by its first question.
///
/// # Errors
/// There is no answer, or no event.
pub async fn ask_configured<V: Deref<Target = Event>, E>(
    is_told: &Cell<bool>,
    event: impl AsyncFn() -> Result<V, E>,
    ask: impl AsyncFn(Option<&Event>) -> Result<Answer, E>,
) -> Result<Answer, E> {
    let mut answer = Answer::Refused(Refusal::Unconfigured);
    if is_told.get() {
        answer = ask(None).await?;
    }
    if answer == Answer::Refused(Refusal::Unconfigured) {
        answer = ask(Some(&*event().await?)).await?;
        is_told.set(true);
    }
    Ok(answer)
}

/// Asks by any way of sending once, and once more where that may help: every command has one effect however often it arrives.
///
/// # Errors
/// There is no answer.
pub async fn ask_through<A: Serialize>(
    send: impl AsyncFn(&[u8]) -> Result<Vec<u8>, Fault>,
    trace: &str,
    event: Option<&Event>,
    ask: &A,
) -> Result<Answer, Fault> {
    let body = write(trace, event, ask)?;
    let bytes = match send(&body).await {
        Err(Fault::Unavailable(_)) => send(&body).await?,
        outcome => outcome?,
    };
    decode(&bytes)
}

fn write<A: Serialize>(trace: &str, event: Option<&Event>, ask: &A) -> Result<Vec<u8>, Fault> {
    let envelope = Envelope { trace, event, ask };
    serde_json::to_vec(&envelope).map_err(|error| Fault::Broken(error.to_string()))
}

/// Answers a question of an object of an event. An event that came along is taken over first, in the same turn: what an object
/// writes for both is one commit.
///
/// # Errors
/// What `answer` says.
pub async fn answer<A: EventAsk>(
    Envelope { trace, event, ask }: Envelope<A>,
    answer: impl AsyncFn(A, &str) -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    let Some(event) = event else { return answer(ask, &trace).await };
    if ask.is_look() {
        // It sees what was committed, so that the event has to be first.
        answer(A::configure(event), &trace).await?;
        return answer(ask, &trace).await;
    }
    let mut configured = pin!(answer(A::configure(event), &trace));
    let mut answered = pin!(answer(ask, &trace));
    let mut is_configured = false;
    poll_fn(|context| {
        // Where that went wrong, so will the question, or it finds that the object is not configured.
        is_configured = is_configured || configured.as_mut().poll(context).is_ready();
        answered.as_mut().poll(context)
    })
    .await
}

/// Reads what an object was asked.
///
/// # Errors
/// The body is not what [`ask_through`] sends.
pub fn question<A: DeserializeOwned>(body: &[u8]) -> Result<Envelope<A>, Problem> {
    Ok(serde_json::from_slice(body)?)
}

/// Questions, each as [`question`] reads it, in one body.
#[must_use]
pub fn questions_together<Q: AsRef<[u8]>>(questions: &[Q]) -> Vec<u8> {
    let mut body = Vec::with_capacity(questions.iter().map(|question| question.as_ref().len() + 1).sum::<usize>() + 2);
    for question in questions {
        body.push(if body.is_empty() { b'[' } else { b',' });
        body.extend_from_slice(question.as_ref());
    }
    body.push(b']');
    body
}

/// Reads what an object was asked in one body.
///
/// # Errors
/// The body is not what [`questions_together`] writes.
pub fn questions<A: DeserializeOwned>(body: &[u8]) -> Result<Vec<Envelope<A>>, Problem> {
    Ok(serde_json::from_slice(body)?)
}

/// Answers, each as [`encode`] wrote it, in one body, in the order of their questions.
#[must_use]
pub fn answers_together(answers: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(answers.iter().map(|answer| answer.len() + size_of::<u32>()).sum());
    for answer in answers {
        let length = u32::try_from(answer.len()).expect("an answer is no larger than the memory of an object");
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(answer);
    }
    body
}

/// Reads the answers to `count` questions.
///
/// # Errors
/// [`Fault::Broken`]: these are others.
pub fn answers(mut body: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let mut answers = Vec::with_capacity(count);
    while let Some((length, rest)) = body.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some((answer, rest)) = rest.split_at_checked(length) else { break };
        answers.push(answer.to_vec());
        body = rest;
    }
    if body.is_empty() && answers.len() == count { Ok(answers) } else { Err(Fault::Broken("not as many answers".to_owned())) }
}

/// Writes what came of asking an object.
#[must_use]
pub fn encode(outcome: &Result<Answer, Problem>) -> Vec<u8> {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(Problem(problem)) => return [&[BROKEN], problem.as_bytes()].concat(),
    };
    match answer {
        Answer::Granted { body, replayed } => {
            let mut bytes = Vec::with_capacity(body.len() + 1);
            bytes.push(if *replayed { REPLAYED } else { GRANTED });
            bytes.extend_from_slice(body);
            bytes
        }
        Answer::Refused(refusal) => {
            let mut bytes = vec![REFUSED];
            serde_json::to_writer(&mut bytes, refusal).expect("a refusal is plain data with text keys");
            bytes
        }
    }
}

/// Reads an object's answer.
///
/// # Errors
/// [`Fault::Broken`]: the object is, or [`encode`] writes no such bytes.
pub fn decode(bytes: &[u8]) -> Result<Answer, Fault> {
    let (tag, body) = bytes.split_first().ok_or_else(|| Fault::Broken("empty answer".to_owned()))?;
    match *tag {
        GRANTED => Ok(Answer::Granted { body: body.to_vec(), replayed: false }),
        REPLAYED => Ok(Answer::Granted { body: body.to_vec(), replayed: true }),
        REFUSED => serde_json::from_slice(body).map(Answer::Refused).map_err(|error| Fault::Broken(error.to_string())),
        BROKEN => Err(Fault::Broken(String::from_utf8_lossy(body).into_owned())),
        _ => Err(Fault::Broken("unknown outcome".to_owned())),
    }
}

/// The body of a granted answer.
///
/// # Errors
/// There is none.
pub fn answered(outcome: Result<Answer, Fault>) -> Result<Vec<u8>, Problem> {
    match outcome {
        Ok(Answer::Granted { body, .. }) => Ok(body),
        Ok(Answer::Refused(refusal)) => Err(refusal.code().into()),
        Err(fault) => Err(Problem(format!("{fault:?}"))),
    }
}

/// An answer that changes nothing and carries `body` as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn granted<T: Serialize>(body: &T) -> Result<Answer, Problem> {
    Ok(Answer::Granted { body: serde_json::to_vec(body)?, replayed: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        for answer in [
            Answer::Granted { body: b"{}".to_vec(), replayed: false },
            Answer::Granted { body: br#"{"a":1}"#.to_vec(), replayed: true },
            Answer::Refused(Refusal::SeatTaken { seat_ids: vec!["A-1-1".to_owned()] }),
        ] {
            assert_eq!(decode(&encode(&Ok(answer.clone()))), Ok(answer));
        }
        assert_eq!(decode(&encode(&Err("the disk is full".into()))), Err(Fault::Broken("the disk is full".to_owned())));
    }

    #[test]
    fn what_travels_together_reads_back_as_each_was_written() {
        let leave = |number| LaneAsk::Leave { number };
        let asked: Vec<Vec<u8>> = [1, 22].map(|number| write("t", None, &leave(number)).expect("plain data")).to_vec();
        let read = questions::<LaneAsk>(&questions_together(&asked)).expect("a list");
        let numbers = read.iter().map(|envelope| match envelope.ask {
            LaneAsk::Leave { number } => number,
            _ => 0,
        });
        assert_eq!(numbers.collect::<Vec<u64>>(), [1, 22]);

        let told = [b"G{}".to_vec(), Vec::new(), b"G\n".to_vec()].to_vec();
        let body = answers_together(&told);
        assert_eq!(answers(&body, 3), Ok(told));
        for (body, count) in [(&body[..], 2), (&body[..], 4), (&body[..body.len() - 1], 3), (&[1, 0][..], 1), (&[], 1)] {
            assert!(matches!(answers(body, count), Err(Fault::Broken(_))), "{body:?} for {count}");
        }
    }

    fn at_once<T>(work: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match pin!(work).poll(&mut context) {
            std::task::Poll::Ready(outcome) => outcome,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }

    fn event() -> Result<Box<Event>, Fault> {
        let body = r#"{"name":"A","sections":[{"id":"A","price":1,"rows":[{"id":"1","count":1}]}]}"#;
        let body: domain::event::EventBody = serde_json::from_str(body).expect("valid");
        let event_id = EventId::parse("evt_1").expect("valid");
        Ok(Box::new(body.complete(event_id, 1, Millis(0)).expect("valid")))
    }

    #[test]
    fn the_event_goes_along_with_the_first_question_and_where_the_object_does_not_know_it() {
        let granted = || Ok::<_, Fault>(Answer::Granted { body: Vec::new(), replayed: false });
        let (is_told, carried) = (Cell::new(false), std::cell::RefCell::new(Vec::new()));
        let ask = |knows: bool| {
            let send = async |event: Option<&Event>| {
                carried.borrow_mut().push(event.is_some());
                if knows || event.is_some() { granted() } else { Ok(Answer::Refused(Refusal::Unconfigured)) }
            };
            assert_eq!(at_once(ask_configured(&is_told, async || event(), send)), granted());
            carried.take()
        };
        assert_eq!(ask(false), [true]);
        assert_eq!(ask(true), [false]);
        assert_eq!(ask(false), [false, true]);
    }

    #[test]
    fn an_object_takes_an_event_over_before_it_answers_what_came_with_it() {
        let event = event().expect("it is known");
        let bytes = write("t", Some(&event), &LaneAsk::Leave { number: 7 }).expect("plain data");
        let taken_up = std::cell::RefCell::new(Vec::new());
        let take_up = async |ask: LaneAsk, trace: &str| {
            taken_up.borrow_mut().push(format!("{trace} {}", matches!(ask, LaneAsk::Configure(_))));
            granted(&())
        };
        at_once(answer(question::<LaneAsk>(&bytes).expect("a question"), take_up)).expect("answered");
        assert_eq!(taken_up.take(), ["t true", "t false"]);
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for bytes in [b"".as_slice(), b"X{}", b"R{}", b"R"] {
            assert!(matches!(decode(bytes), Err(Fault::Broken(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_lane_is_found_by_its_name() {
        let event_id = EventId::parse("evt_1").expect("valid");
        let name = Object::Lane(event_id.clone(), 7).name();
        assert_eq!(Object::indexed(&name), Some((event_id, 7)));
        assert_eq!(Object::indexed("evt_1"), None);
    }
}
