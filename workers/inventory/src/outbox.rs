//! The outbox leaves for the queue `sale-events`: in order, one batch in flight, deleted when taken.

use std::{cell::Cell, rc::Rc};

use domain::{
    inventory::{Command, Inventory},
    time::Millis,
};
use serde_json::Value;
use shell::{
    Host, clock,
    log::{Level, line},
};
use worker::{Env, Error, QueueContentType, RawMessageBuilder, Result, SendMessage, State, js_sys::JSON, wasm_bindgen::JsValue};

use crate::store::InventoryStore;

/// Binding of the queue `sale-events`.
const SALE_EVENTS: &str = "SALE_EVENTS";
/// Messages of one batch. The platform takes 100 messages or 256 KB; a message is 2 KB at most.
const BATCH_MAX: u32 = 100;
/// How long after a failure, or after a crash in the middle, the alarm tries again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// See the module.
#[derive(Clone)]
pub(crate) struct Outbox {
    env: Env,
    host: Rc<Host<Inventory, InventoryStore>>,
    sending: Rc<Cell<bool>>,
}

impl Outbox {
    pub(crate) fn new(env: Env, host: Rc<Host<Inventory, InventoryStore>>) -> Self {
        Self { env, host, sending: Rc::new(Cell::new(false)) }
    }

    /// When the alarm should look again: none while nothing waits.
    pub(crate) fn next_try_at(&self) -> Result<Option<Millis>> {
        let (sent, sequence) = self.host.read(|inventory, _| Ok(inventory.outbox()))?;
        Ok((sent < sequence).then(|| clock::now().plus_ms(RETRY_MS)))
    }

    /// Starts to send what waits, unless that is under way. Returns at once.
    pub(crate) fn drain(&self, state: &State) {
        if self.sending.replace(true) {
            return;
        }
        let outbox = self.clone();
        state.wait_until(async move {
            let outcome = outbox.send_all().await;
            outbox.sending.set(false);
            if let Err(error) = outcome {
                line(Level::Warn, "inventory", "", "outbox stays", serde_json::json!({ "problem": error.to_string() }));
            }
        });
    }

    async fn send_all(&self) -> Result<()> {
        loop {
            let waiting = self.host.read(|_, store| store.outbox(BATCH_MAX))?;
            let Some((through, _)) = waiting.last() else { return Ok(()) };
            let through = *through;
            let messages = waiting.iter().map(|(_, message)| json_message(message)).collect::<Result<Vec<_>>>()?;
            self.env.queue(SALE_EVENTS)?.send_raw_batch(messages).await?;
            self.host.execute(&Command::Sent { through })?;
        }
    }
}

/// A message as a plain object: the `worker` crate would hand a JSON map over as a JavaScript `Map`, which the platform
/// writes as `{}`.
fn json_message(message: &Value) -> Result<SendMessage<JsValue>> {
    let object = JSON::parse(&message.to_string()).map_err(Error::from)?;
    Ok(RawMessageBuilder::new(object).build_with_content_type(QueueContentType::Json))
}
