//! How one part of the platform asks another: JSON in, one outcome byte and JSON out.

use domain::{machine::Answer, refusal::Refusal};
use js_sys::{Reflect, Uint8Array};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;
use worker::{Env, Error, Method, Request, RequestInit, Response};

const GRANTED: u8 = b'G';
const REPLAYED: u8 = b'P';
const REFUSED: u8 = b'R';

/// What travels to an object.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<A> {
    /// The caller's `traceparent`.
    pub trace: String,
    /// What is asked.
    pub ask: A,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The platform sheds load; asking again now makes it worse.
    Overloaded,
    /// The object could not be reached, twice.
    Unavailable(String),
    /// The object is broken.
    Broken(String),
}

/// Asks the object `name` of `binding`. Asks a second time, with a new stub, where the platform says that it may help:
/// every command has one effect however often it arrives.
///
/// # Errors
/// There is no answer.
pub async fn ask<A: Serialize>(env: &Env, binding: &str, name: &str, trace: &str, ask: &A) -> Result<Answer, Fault> {
    let envelope = Envelope { trace: trace.to_owned(), ask };
    let body = serde_json::to_vec(&envelope).map_err(|e| Fault::Broken(e.to_string()))?;
    match send(env, binding, name, &body).await {
        Err(Fault::Unavailable(_)) => send(env, binding, name, &body).await,
        outcome => outcome,
    }
}

async fn send(env: &Env, binding: &str, name: &str, body: &[u8]) -> Result<Answer, Fault> {
    let sent = async {
        let stub = env.durable_object(binding)?.get_by_name(name)?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(Uint8Array::from(body).into()));
        let mut response = stub.fetch_with_request(Request::new_with_init("http://object/", &init)?).await?;
        Ok::<_, Error>((response.status_code(), response.bytes().await?))
    };
    let (status, bytes) = sent.await.map_err(fault)?;
    if status != 200 {
        return Err(Fault::Broken(format!("{binding} answered {status}")));
    }
    decode(&bytes)
}

fn fault(error: Error) -> Fault {
    let flag = |value: &JsValue, name: &str| Reflect::get(value, &name.into()).is_ok_and(|flag| flag.is_truthy());
    match &error {
        Error::UnknownJsError { original, .. } if flag(original, "overloaded") => Fault::Overloaded,
        Error::UnknownJsError { original, .. } if flag(original, "retryable") || flag(original, "durableObjectReset") => {
            Fault::Unavailable(error.to_string())
        }
        _ => Fault::Broken(error.to_string()),
    }
}

fn decode(bytes: &[u8]) -> Result<Answer, Fault> {
    let (tag, body) = bytes.split_first().ok_or_else(|| Fault::Broken("empty answer".into()))?;
    match *tag {
        GRANTED => Ok(Answer::Granted { body: body.to_vec(), replayed: false }),
        REPLAYED => Ok(Answer::Granted { body: body.to_vec(), replayed: true }),
        REFUSED => serde_json::from_slice::<Refusal>(body).map(Answer::Refused).map_err(|e| Fault::Broken(e.to_string())),
        _ => Err(Fault::Broken("unknown outcome".into())),
    }
}

/// Reads what an object was asked.
///
/// # Errors
/// The body is not what [`ask`] sends.
pub async fn question<A: DeserializeOwned>(request: &mut Request) -> worker::Result<Envelope<A>> {
    Ok(serde_json::from_slice(&request.bytes().await?)?)
}

/// Writes an object's answer.
///
/// # Errors
/// The response cannot be made.
pub fn respond(answer: &Answer) -> worker::Result<Response> {
    let mut bytes = Vec::new();
    match answer {
        Answer::Granted { body, replayed } => {
            bytes.push(if *replayed { REPLAYED } else { GRANTED });
            bytes.extend_from_slice(body);
        }
        Answer::Refused(refusal) => {
            bytes.push(REFUSED);
            serde_json::to_writer(&mut bytes, refusal)?;
        }
    }
    Response::from_bytes(bytes)
}

/// An answer that changes nothing and carries `body` as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn granted<T: Serialize>(body: &T) -> worker::Result<Answer> {
    Ok(Answer::Granted { body: serde_json::to_vec(body)?, replayed: false })
}
