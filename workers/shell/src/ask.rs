//! How objects and the gateway ask an object of this platform, by binding and name. What travels is in [`actors::ask`].

use std::{cell::RefCell, collections::BTreeMap};

use actors::{
    Problem,
    ask::{self, Envelope, Fault, Object},
};
use domain::{event::Event, machine::Answer};
use futures_util::future::join_all;
use js_sys::{Promise, Reflect, Uint8Array};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, Error, ObjectNamespace};

use crate::promise::{at_once_or_promised, settled_of};

/// Asks the object `name` of `binding`. Asks a second time, with a new stub, where the platform says that it may help.
///
/// # Errors
/// There is no answer.
pub async fn ask<A: Serialize>(
    env: &Env,
    binding: &'static str,
    name: &str,
    trace: &str,
    event: Option<&Event>,
    question: &A,
) -> Result<Answer, Fault> {
    ask::ask_through(async |body: &[u8]| send(env, binding, name, body).await, trace, event, question).await
}

/// Sends a question to an object, once.
///
/// # Errors
/// There is no answer.
pub(crate) async fn send(env: &Env, binding: &'static str, name: &str, question: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut answers = send_together(env, binding, name, &[question]).await?;
    Ok(answers.remove(0))
}

/// Sends questions to an object, once and in one call; the answers in their order.
///
/// # Errors
/// There is no answer.
pub async fn send_together<Q: AsRef<[u8]>>(
    env: &Env,
    binding: &'static str,
    name: &str,
    questions: &[Q],
) -> Result<Vec<Vec<u8>>, Fault> {
    let body = ask::questions_together(questions);
    let sent = async {
        let stub = stub(env, binding, name)?;
        let answer = settled_of(stub.ask(&Uint8Array::from(body.as_slice()))?).await?;
        Ok::<_, Error>(answer.unchecked_into::<Uint8Array>().to_vec())
    };
    ask::answers(&sent.await.map_err(fault)?, questions.len())
}

// A remote call carries bytes and nothing else: a request and a response would each be made, with headers, at both ends.
#[wasm_bindgen]
extern "C" {
    type Stub;
    #[wasm_bindgen(method, catch)]
    fn ask(this: &Stub, questions: &Uint8Array) -> Result<Promise, JsValue>;
}

/// How an object is reached. The gateway is asked like one.
fn stub(env: &Env, binding: &'static str, name: &str) -> worker::Result<Stub> {
    if binding == Object::Gateway.binding() {
        return Ok(env.service(binding)?.into_rpc());
    }
    Ok(namespace(env, binding)?.get_by_name(name)?.into_rpc())
}

thread_local! {
    /// Bindings as they were first looked up; an isolate's never change.
    static NAMESPACES: RefCell<BTreeMap<&'static str, ObjectNamespace>> = const { RefCell::new(BTreeMap::new()) };
}

fn namespace(env: &Env, binding: &'static str) -> worker::Result<ObjectNamespace> {
    if let Some(known) = NAMESPACES.with_borrow(|known| known.get(binding).cloned()) {
        return Ok(known);
    }
    let found = env.durable_object(binding)?;
    NAMESPACES.with_borrow_mut(|known| known.insert(binding, found.clone()));
    Ok(found)
}

/// The bytes of an array buffer that is promised.
///
/// # Errors
/// What the promise was rejected with.
pub async fn bytes(buffer: Promise) -> Result<Vec<u8>, JsValue> {
    settled_of(buffer).await.map(|buffer| Uint8Array::new(&buffer).to_vec())
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

/// What an object answers to the bytes of questions, all of which it takes up before the first is answered: bytes, or a
/// promise of them.
///
/// # Errors
/// These are not what [`send_together`] sends.
pub fn answer<A: DeserializeOwned + 'static>(
    questions: &[u8],
    answer: impl AsyncFn(Envelope<A>) -> Result<Answer, Problem> + 'static,
) -> Result<JsValue, JsValue> {
    let asked = ask::questions(questions).map_err(broken)?;
    at_once_or_promised(async move {
        let outcomes = join_all(asked.into_iter().map(|asked| answer(asked))).await;
        let answers: Vec<Vec<u8>> = outcomes.iter().map(ask::encode).collect();
        Ok(Uint8Array::from(ask::answers_together(&answers).as_slice()).into())
    })
}

/// What an object answers that is sent an HTTP request.
///
/// # Errors
/// Always.
pub fn only_asked() -> worker::Result<worker::Response> {
    Err(Error::from("it is asked, not fetched"))
}

/// An answer that changes nothing and carries `body` as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn granted<T: Serialize>(body: &T) -> worker::Result<Answer> {
    ask::granted(body).map_err(broken)
}

/// What broke, as the platform is told.
#[must_use]
pub fn broken(problem: Problem) -> Error {
    Error::from(problem.0)
}
