//! How messages travel, and what becomes of them in bad weather.

use actors::{
    Problem,
    ask::{Fault, Object},
};
use domain::delivery::Envelope;
use futures_channel::oneshot;
use futures_util::future::join_all;

use crate::{
    executor::IMMORTAL,
    gateway::{Door, No},
    profile::Misfortune,
    world::World,
};

/// Of the calls that are lost, how many hang, in millionths, and for how long, in milliseconds: longer than anybody waits for an answer.
const HANGS: u32 = 10_000;
const HANG_MS: u64 = 60_000;
/// How often the queue `sale-events` gives a batch to its reader at most.
const DELIVERIES_MAX: u32 = 5;

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
        if *to == Object::Gateway {
            return self.ask_gateway(questions).await;
        }
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
            if self.goes_wrong(HANGS) {
                self.fault_until(self.0.executor.now() + HANG_MS);
                self.0.executor.sleep(HANG_MS).await;
            }
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

    /// The queue `sale-events` takes envelopes and delivers them to its reader: mostly once, now and then twice or never.
    pub(crate) async fn publish(&self, envelopes: &[String]) -> Result<(), Problem> {
        if self.goes_wrong(self.0.weather.loses) {
            return Err("the queue could not be reached".into());
        }
        let envelope = |text: &String| Envelope::parse(text).expect("the log is of envelopes");
        let batch: Vec<Envelope> = envelopes.iter().map(envelope).collect();
        self.note_last_word(&batch);
        let lost = self.goes_wrong(self.0.weather.loses);
        let times = u32::from(!lost) + u32::from(self.goes_wrong(self.0.weather.repeats));
        for _ in 0..times {
            let (world, batch) = (self.clone(), batch.clone());
            self.0.executor.spawn(IMMORTAL, async move {
                world.0.executor.sleep(world.delay_ms()).await;
                // Who fails to deal with it is given it again, some times.
                for _ in 0..DELIVERIES_MAX {
                    let batch = batch.clone();
                    if world.request(0, move |gate| consume(gate, batch.clone())).await.is_ok() {
                        return;
                    }
                }
            });
        }
        let unheard = self.goes_wrong(self.0.weather.loses);
        self.0.executor.sleep(self.delay_ms()).await;
        if unheard { Err("the queue did not say whether it took them".into()) } else { Ok(()) }
    }

    /// Keeps the newest envelope that was published.
    fn note_last_word(&self, batch: &[Envelope]) {
        let mut last_word = self.0.last_word.borrow_mut();
        let newest = batch.iter().chain(last_word.as_ref()).max_by_key(|envelope| envelope.sequence).cloned();
        *last_word = newest;
    }

    /// Asks the gateway what its other isolates are asked by browsers.
    async fn ask_gateway(&self, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
        let answered = self.request(0, move |gate| {
            let questions = questions.clone();
            async move { Ok(join_all(questions.iter().map(|question| gate.hear(question))).await) }
        });
        answered.await.map_err(|no| Fault::Unavailable(format!("{no:?}")))
    }
}

async fn consume(gate: Door, batch: Vec<Envelope>) -> Result<(), No> {
    gate.consume(batch).await
}
