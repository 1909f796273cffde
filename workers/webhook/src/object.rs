//! `WebhookObject`: takes envelopes at once, delivers them from its alarm, one at a time.

use std::rc::Rc;

use domain::{
    delivery::{Command, Delivery, Due, Endpoint, Envelope as Notification, endpoint_allowed},
    machine::Answer,
    refusal::Refusal,
};
use js_sys::Uint8Array;
use protocol::{
    Host, Problem,
    ask::{Envelope, granted},
};
use serde_json::{json, value::RawValue};
use shell::{
    ObjectPlatform,
    ask::{answer, broken, only_asked},
    clock,
    limit::within,
    log::{Level, line},
    sql::Sql,
};
use signing::webhook::Key;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{
    AbortController, DurableObject, Env, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response, Result, State,
    durable_object,
};

use crate::{WebhookAsk, store::WebhookStore};

/// Longest time that one try may take, in milliseconds.
const TRY_MAX_MS: u64 = 10_000;
/// After this time, in milliseconds, the alarm is set anew instead of going on: it may run for 15 minutes.
const ROUND_MAX_MS: u64 = 60_000;

/// One endpoint of an organiser. Everything it knows is in its rows; memory is a copy.
///
/// Only the alarm delivers, and the platform runs one alarm at a time: so does the order hold.
#[durable_object(alarm)]
pub struct WebhookObject {
    host: Rc<Host<ObjectPlatform, Delivery, WebhookStore>>,
}

/// A letter and where it goes.
struct Post {
    due: Due,
    endpoint: Endpoint,
    body: String,
}

impl DurableObject for WebhookObject {
    fn new(state: State, env: Env) -> Self {
        let platform = ObjectPlatform::new(state, env, "webhook");
        let store = WebhookStore::new(Sql::new(platform.state()));
        Self { host: Rc::new(Host::new(Rc::new(platform), store)) }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        only_asked()
    }

    async fn alarm(&self) -> Result<Response> {
        self.host.rang();
        let over_at = clock::now().plus_ms(ROUND_MAX_MS);
        while clock::now() < over_at {
            let Some(post) = self.next()? else { break };
            self.deliver(&post).await?;
        }
        self.arm().await.map_err(broken)?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl WebhookObject {
    /// Called by the gateway and by other objects: bytes in, bytes or a promise of them out. See [`shell::ask`].
    ///
    /// # Errors
    /// These are no questions, or the object is none.
    pub fn ask(&self, questions: &[u8]) -> std::result::Result<JsValue, JsValue> {
        let object = Self { host: Rc::clone(&self.host) };
        answer(questions, async move |asked: Envelope<WebhookAsk>| {
            let answer = object.answer(asked.ask)?;
            object.arm().await?;
            Ok(answer)
        })
    }
}

impl WebhookObject {
    fn answer(&self, ask: WebhookAsk) -> std::result::Result<Answer, Problem> {
        match ask {
            WebhookAsk::Enqueue { url, secret, envelopes } => self.enqueue(Endpoint { url, secret }, &envelopes),
            WebhookAsk::DeadLetters { before, limit } => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let page = self.host.read(|delivery, _| Ok(delivery.dead_letters(before, limit)));
                granted(&page?)
            }
            WebhookAsk::Redrive { id } => self.host.execute_now(&Command::Redrive { id }),
            WebhookAsk::Drop => self.host.execute_now(&Command::Drop),
        }
    }

    fn enqueue(&self, endpoint: Endpoint, envelopes: &[Box<RawValue>]) -> std::result::Result<Answer, Problem> {
        let parsed = envelopes.iter().map(|envelope| Notification::parse(envelope.get())).collect::<Option<Vec<_>>>();
        let Some(envelopes) = parsed else {
            let problem = "must each have id, type, event_id and sequence".to_owned();
            return Ok(Answer::Refused(Refusal::Invalid { field: "envelopes".to_owned(), problem }));
        };
        self.host.execute_now(&Command::Enqueue { endpoint, envelopes })
    }

    async fn arm(&self) -> std::result::Result<(), Problem> {
        let due_at = self.host.read(|delivery, _| Ok(delivery.next_due_at()))?;
        self.host.arm(due_at).await
    }

    fn next(&self) -> Result<Option<Post>> {
        let now = clock::now();
        let post = self.host.read(|delivery, store| {
            let (Some(due), Some(endpoint)) = (delivery.due(now), delivery.endpoint().cloned()) else { return Ok(None) };
            let body = store.body(&due).map_err(|error| Problem(error.to_string()))?;
            Ok(Some(Post { due, endpoint, body }))
        });
        post.map_err(broken)
    }

    async fn deliver(&self, post: &Post) -> Result<()> {
        let problem = match self.send(post).await {
            Ok(200..=299) => None,
            Ok(status) => Some(format!("answered {status}")),
            Err(problem) => Some(problem),
        };
        let Due { event_id, sequence, attempt, skipped, .. } = post.due.clone();
        if skipped > 0 {
            note(Level::Warn, &post.due, "webhook sent without its predecessors", &format!("{skipped} have not come"));
        }
        if let Some(problem) = &problem {
            note(Level::Warn, &post.due, "webhook failed", problem);
        }
        self.host.execute_now(&Command::Tried { event_id, sequence, attempt, problem }).map(|_| ()).map_err(broken)
    }

    async fn send(&self, post: &Post) -> std::result::Result<u16, String> {
        let development =
            self.host.platform.env().var("ENVIRONMENT").is_ok_and(|value| value.to_string().trim() == "development");
        endpoint_allowed(&post.endpoint.url, development).map_err(|problem| format!("address {problem}"))?;
        let key = Key::from_secret(&post.endpoint.secret).map_err(|bad| format!("secret {bad}"))?;
        let request = signed(post, &key).map_err(|error| error.to_string())?;
        let controller = AbortController::default();
        let signal = controller.signal();
        match within(TRY_MAX_MS, Fetch::Request(request).send_with_signal(&signal)).await {
            Some(Ok(response)) => Ok(response.status_code()),
            Some(Err(error)) => Err(error.to_string()),
            None => {
                controller.abort();
                Err("took too long".to_owned())
            }
        }
    }
}

/// A redirect is an answer like any other that is not 2xx: following one could lead to an address that is not allowed.
fn signed(post: &Post, key: &Key) -> Result<Request> {
    let headers = Headers::new();
    for (name, value) in key.headers(&post.due.id, post.body.as_bytes(), clock::now()) {
        headers.set(name, &value)?;
    }
    headers.set("content-type", "application/json")?;
    headers.set("user-agent", "traffic-tacos-webhooks/1")?;
    let mut init = RequestInit::new();
    let body = Uint8Array::from(post.body.as_bytes());
    init.with_method(Method::Post).with_headers(headers).with_redirect(RequestRedirect::Manual).with_body(Some(body.into()));
    Request::new_with_init(&post.endpoint.url, &init)
}

fn note(level: Level, due: &Due, msg: &str, problem: &str) {
    let fields = json!({
        "event_id": due.event_id, "envelope_id": due.id, "sequence": due.sequence, "attempt": due.attempt, "problem": problem,
    });
    line(level, "webhook", "", msg, fields);
}
