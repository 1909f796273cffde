//! What each object can be asked, how that travels, and what an answer looks like on the way: JSON in, one outcome
//! byte and JSON out.

use domain::{
    event::Event,
    id::{EventId, PaymentIntentId, UserId},
    idempotency::Idempotency,
    inventory,
    lane::Join,
    machine::Answer,
    payment::{Action, Instruction},
    queue,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::platform::{Platform, Problem};

const GRANTED: u8 = b'G';
const REPLAYED: u8 = b'P';
const REFUSED: u8 = b'R';

/// An object of a sale. Its name is made here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// One of the lanes of an event.
    Lane(EventId, u32),
    /// The line of an event.
    Queue(EventId),
    /// The seats of an event; the book of them where it is spread over shards.
    Inventory(EventId),
    /// One of the shards of an event's inventory.
    Shard(EventId, u32),
    /// A payment intent.
    Payment(PaymentIntentId),
    /// One of those that hold the sockets of an event.
    Live(EventId, u32),
}

impl Object {
    /// The binding through which objects of its class are reached.
    #[must_use]
    pub const fn binding(&self) -> &'static str {
        match self {
            Self::Lane(..) => "LANE",
            Self::Queue(_) => "QUEUE",
            Self::Inventory(_) | Self::Shard(..) => "INVENTORY",
            Self::Payment(_) => "PAYMENT",
            Self::Live(..) => "LIVE",
        }
    }

    /// What it is called among the objects of its class.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Lane(event_id, index) | Self::Live(event_id, index) | Self::Shard(event_id, index) => {
                format!("{event_id}/{index}")
            }
            Self::Queue(event_id) | Self::Inventory(event_id) => event_id.to_string(),
            Self::Payment(intent) => intent.to_string(),
        }
    }

    /// The event and index of a lane, of a shard, or of one that holds sockets, by its name.
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
    /// What changed for those who watch the seats → [`domain::live::SeatChanges`], as soon as there is something.
    Follow {
        /// Epoch and sequence that the asker stands at; none for everything, at once.
        known: Option<(u64, u64)>,
    },
    /// Take over the event.
    Configure(Box<Event>),
}

/// What a payment intent can be asked. Every answer is a [`domain::payment::StatusReply`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentAsk {
    /// The inventory instructs.
    Instruct(Instruction),
    /// A client wants a pending intent decided now; answered once the decision was reported.
    Process {
        /// Who asks.
        user: UserId,
        /// What to decide.
        action: Action,
        /// The client's key.
        idempotency: Idempotency,
    },
    /// How it stands.
    Status {
        /// Who asks.
        user: UserId,
    },
}

/// What can be asked of an object that must know its event first.
pub trait EventAsk: Serialize {
    /// Take over this event, unless a newer version is known.
    fn configure(event: Event) -> Self;
}

impl EventAsk for LaneAsk {
    fn configure(event: Event) -> Self {
        Self::Configure(Box::new(event))
    }
}

impl EventAsk for QueueAsk {
    fn configure(event: Event) -> Self {
        Self::Configure(Box::new(event))
    }
}

impl EventAsk for InventoryAsk {
    fn configure(event: Event) -> Self {
        Self::Configure(Box::new(event))
    }
}

/// What travels to an object.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<A> {
    /// The asker's `traceparent`.
    pub trace: String,
    /// What is asked.
    pub ask: A,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The platform sheds load; asking again now makes it worse.
    Overloaded,
    /// The object could not be reached.
    Unavailable(String),
    /// The object is broken.
    Broken(String),
}

/// Asks an object, and once more where that may help: every command has one effect however often it arrives.
///
/// # Errors
/// There is no answer.
pub async fn ask<P: Platform, A: Serialize>(platform: &P, to: &Object, trace: &str, ask: &A) -> Result<Answer, Fault> {
    ask_through(async |body: &[u8]| platform.send(to, body).await, trace, ask).await
}

/// The same through any way of sending once.
///
/// # Errors
/// There is no answer.
pub async fn ask_through<A: Serialize>(
    send: impl AsyncFn(&[u8]) -> Result<Vec<u8>, Fault>,
    trace: &str,
    ask: &A,
) -> Result<Answer, Fault> {
    let envelope = Envelope { trace: trace.to_owned(), ask };
    let body = serde_json::to_vec(&envelope).map_err(|error| Fault::Broken(error.to_string()))?;
    let bytes = match send(&body).await {
        Err(Fault::Unavailable(_)) => send(&body).await?,
        outcome => outcome?,
    };
    decode(&bytes)
}

/// Reads what an object was asked.
///
/// # Errors
/// The body is not what [`ask`] sends.
pub fn question<A: DeserializeOwned>(body: &[u8]) -> Result<Envelope<A>, Problem> {
    Ok(serde_json::from_slice(body)?)
}

/// Writes an object's answer.
#[must_use]
pub fn encode(answer: &Answer) -> Vec<u8> {
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
/// [`Fault::Broken`]: [`encode`] writes no such bytes.
pub fn decode(bytes: &[u8]) -> Result<Answer, Fault> {
    let (tag, body) = bytes.split_first().ok_or_else(|| Fault::Broken("empty answer".to_owned()))?;
    match *tag {
        GRANTED => Ok(Answer::Granted { body: body.to_vec(), replayed: false }),
        REPLAYED => Ok(Answer::Granted { body: body.to_vec(), replayed: true }),
        REFUSED => serde_json::from_slice(body).map(Answer::Refused).map_err(|error| Fault::Broken(error.to_string())),
        _ => Err(Fault::Broken("unknown outcome".to_owned())),
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
    use domain::refusal::Refusal;

    use super::*;

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        for answer in [
            Answer::Granted { body: b"{}".to_vec(), replayed: false },
            Answer::Granted { body: br#"{"a":1}"#.to_vec(), replayed: true },
            Answer::Refused(Refusal::SeatTaken { seat_ids: vec!["A-1-1".to_owned()] }),
        ] {
            assert_eq!(decode(&encode(&answer)), Ok(answer));
        }
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
