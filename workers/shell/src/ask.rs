//! How objects and the gateway ask an object of this platform, by binding and name. What travels is in [`protocol::ask`].

use domain::machine::Answer;
use js_sys::{Reflect, Uint8Array};
use protocol::{
    Problem,
    ask::{self, Envelope, Fault},
};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;
use worker::{Env, Error, Method, Request, RequestInit, Response};

/// Asks the object `name` of `binding`. Asks a second time, with a new stub, where the platform says that it may help.
///
/// # Errors
/// There is no answer.
pub async fn ask<A: Serialize>(env: &Env, binding: &str, name: &str, trace: &str, question: &A) -> Result<Answer, Fault> {
    ask::ask_through(async |body: &[u8]| send(env, binding, name, body).await, trace, question).await
}

/// Sends `body` to an object, once.
///
/// # Errors
/// There is no answer.
pub(crate) async fn send(env: &Env, binding: &str, name: &str, body: &[u8]) -> Result<Vec<u8>, Fault> {
    let sent = async {
        let stub = env.durable_object(binding)?.get_by_name(name)?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(Uint8Array::from(body).into()));
        let mut response = stub.fetch_with_request(Request::new_with_init("http://object/", &init)?).await?;
        Ok::<_, Error>((response.status_code(), response.bytes().await?))
    };
    let (status, bytes) = sent.await.map_err(fault)?;
    if status == 200 { Ok(bytes) } else { Err(Fault::Broken(format!("{binding} answered {status}"))) }
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

/// Reads what an object was asked.
///
/// # Errors
/// The body is not what [`ask()`] sends.
pub async fn question<A: DeserializeOwned>(request: &mut Request) -> worker::Result<Envelope<A>> {
    ask::question(&request.bytes().await?).map_err(broken)
}

/// Writes an object's answer.
///
/// # Errors
/// The response cannot be made.
pub fn respond(answer: &Answer) -> worker::Result<Response> {
    Response::from_bytes(ask::encode(answer))
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
