//! How objects and the gateway ask an object of this platform, by binding and name. What travels is in [`protocol::ask`].

use std::{cell::RefCell, collections::BTreeMap};

use domain::machine::Answer;
use js_sys::{JsString, Object, Promise, Reflect, Uint8Array, futures::JsFuture};
use protocol::{
    Problem,
    ask::{self, Envelope, Fault},
};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, Error, ObjectNamespace, Request, ResponseBuilder};

/// Asks the object `name` of `binding`. Asks a second time, with a new stub, where the platform says that it may help.
///
/// # Errors
/// There is no answer.
pub async fn ask<A: Serialize>(env: &Env, binding: &'static str, name: &str, trace: &str, question: &A) -> Result<Answer, Fault> {
    ask::ask_through(async |body: &[u8]| send(env, binding, name, body).await, trace, question).await
}

/// Sends `body` to an object, once.
///
/// # Errors
/// There is no answer.
pub(crate) async fn send(env: &Env, binding: &'static str, name: &str, body: &[u8]) -> Result<Vec<u8>, Fault> {
    let sent = async {
        let stub = namespace(env, binding)?.get_by_name(name)?.into_rpc::<Stub>();
        let init = RequestInit::new();
        POST.with(|post| init.set_method(post));
        init.set_body(&Uint8Array::from(body));
        let response = JsFuture::from(URL.with(|url| stub.fetch(url, &init))?).await?.unchecked_into::<Response>();
        Ok::<_, Error>((response.status(), bytes(response.array_buffer()?).await?))
    };
    let (status, bytes) = sent.await.map_err(fault)?;
    if status == 200 { Ok(bytes) } else { Err(Fault::Broken(format!("{binding} answered {status}"))) }
}

// The `worker` crate reads a response as a stream, chunk by chunk, and makes a `Request` with headers of its own for
// each call; looking a binding up compares the names of JavaScript classes. None of it is needed between our own objects.
#[wasm_bindgen]
extern "C" {
    type Stub;
    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Stub, url: &JsString, init: &RequestInit) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = Object)]
    type RequestInit;
    #[wasm_bindgen(method, setter)]
    fn set_method(this: &RequestInit, method: &JsString);
    #[wasm_bindgen(method, setter)]
    fn set_body(this: &RequestInit, body: &Uint8Array);

    type Response;
    #[wasm_bindgen(method, getter)]
    fn status(this: &Response) -> u16;
    #[wasm_bindgen(method, catch, js_name = arrayBuffer)]
    fn array_buffer(this: &Response) -> Result<Promise, JsValue>;
}

impl RequestInit {
    fn new() -> Self {
        Object::new().unchecked_into()
    }
}

thread_local! {
    static URL: JsString = "http://object/".into();
    static POST: JsString = "POST".into();
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
    JsFuture::from(buffer).await.map(|buffer| Uint8Array::new(&buffer).to_vec())
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
pub fn respond(answer: &Answer) -> worker::Result<worker::Response> {
    Ok(ResponseBuilder::new().fixed(ask::encode(answer)))
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
