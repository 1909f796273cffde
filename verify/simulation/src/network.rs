//! How messages travel, and what becomes of them in bad weather.

use domain::payment::Webhook;
use futures_channel::oneshot;
use protocol::{
    Problem,
    ask::{Fault, Object},
};
use serde_json::Value;

use crate::{gateway::No, profile::Misfortune, world::World};

impl World {
    /// How long the next message takes, in milliseconds.
    pub(crate) fn delay_ms(&self) -> u64 {
        let weather = &self.0.weather;
        if self.goes_wrong(weather.straggles) {
            return self.draw(weather.delay_min_ms..=3000);
        }
        self.draw(weather.delay_min_ms..=weather.delay_max_ms)
    }

    /// Sends questions to an object in one message and waits for the answers. Once it is on its way it arrives whatever
    /// happens to who sent it, or it is lost.
    pub(crate) async fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
        let unavailable = || Fault::Unavailable("the network lost it".to_owned());
        let (reply, answered) = oneshot::channel();
        let struck = self.moment();
        if struck == Some(Misfortune::Worse) {
            let (world, to, questions) = (self.clone(), to.clone(), questions.clone());
            self.0.executor.after(self.draw(0..=30_000), move || world.deliver(&to, questions, None));
        }
        if self.goes_wrong(self.0.weather.repeats) {
            self.send_off(to, questions.clone(), None);
        }
        if self.goes_wrong(self.0.weather.loses) || struck == Some(Misfortune::Crash) {
            self.0.executor.sleep(self.delay_ms()).await;
            return Err(unavailable());
        }
        self.send_off(to, questions, Some(reply));
        let outcome = answered.await;
        let lost = self.goes_wrong(self.0.weather.loses) || struck == Some(Misfortune::Silence);
        self.0.executor.sleep(self.delay_ms()).await;
        match outcome {
            Ok(answers) if !lost => Ok(answers),
            Ok(_) => Err(unavailable()),
            Err(_) => Err(Fault::Unavailable("the object was reset".to_owned())),
        }
    }

    fn send_off(&self, to: &Object, questions: Vec<Vec<u8>>, reply: Option<oneshot::Sender<Vec<Vec<u8>>>>) {
        let (world, to) = (self.clone(), to.clone());
        self.0.executor.after(self.delay_ms(), move || world.deliver(&to, questions, reply));
    }

    /// The queue `sale-events` takes envelopes and delivers each at least once.
    pub(crate) async fn publish(&self, envelopes: &[String]) -> Result<(), Problem> {
        if self.goes_wrong(self.0.weather.loses) {
            return Err("the queue could not be reached".into());
        }
        let times = 1 + u32::from(self.goes_wrong(self.0.weather.repeats));
        for _ in 0..times {
            let (world, envelopes) = (self.clone(), envelopes.to_vec());
            self.0.executor.after(self.delay_ms(), move || world.consume(envelopes));
        }
        let lost = self.goes_wrong(self.0.weather.loses);
        self.0.executor.sleep(self.delay_ms()).await;
        if lost { Err("the queue did not say whether it took them".into()) } else { Ok(()) }
    }

    fn consume(&self, envelopes: Vec<String>) {
        use domain::invariants::Invariant;
        for envelope in envelopes {
            let envelope: Value = serde_json::from_str(&envelope).expect("what leaves an outbox is JSON");
            let sequence = envelope["sequence"].as_u64().unwrap_or(0);
            let known = self.0.delivered.borrow().get(&sequence).cloned();
            let same = known.is_none_or(|known| known == envelope);
            self.promise(Invariant::AcknowledgedSurvives, same, || format!("notification {sequence} was sent with two contents"));
            self.0.delivered.borrow_mut().insert(sequence, envelope);
        }
    }

    /// Signs a webhook and sends it to the gateway; the status that it answered.
    pub(crate) async fn report(&self, webhook: &Webhook) -> Result<u16, Problem> {
        let body = serde_json::to_vec(&webhook.body)?;
        let headers = self.0.webhooks.headers(&webhook.id, &body, self.now());
        let [id, timestamp, signature] = headers.map(|(_, value)| value);
        let outcome = self
            .request(0, move |gate| {
                let (id, timestamp, signature, body) = (id.clone(), timestamp.clone(), signature.clone(), body.clone());
                async move { gate.webhook(&id, &timestamp, &signature, &body).await }
            })
            .await;
        match outcome {
            Ok(_) => Ok(200),
            Err(No::Refused(_)) => Ok(404),
            Err(No::Broken(_)) => Ok(500),
            Err(No::Lost) => Err("no answer".into()),
        }
    }
}
