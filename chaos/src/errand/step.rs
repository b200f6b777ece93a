//! Step by step: the caller holds the cursor. After a cut it reads in the trace how far the run is.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Way;
use super::follow::{Cut, Follower};
use crate::client::{Ask, Event, Lost, Opened, PATIENCE, Stream};

/// Where the caller is.
#[derive(Default)]
struct Cursor {
    index: u64,
    outputs: Map<String, Value>,
}

/// How the caller asks.
#[derive(Clone, Copy)]
pub(super) struct Calls {
    /// For all that remains at once.
    pub remaining: bool,
    /// For the model's text as it comes.
    pub deltas: bool,
    /// Each call under a key of its own.
    pub keyed: bool,
}

/// How a call ended.
enum Called {
    /// There is more to do.
    More,
    /// The run has ended.
    Ended,
    /// The connection broke, or there was no room.
    Lost,
    /// The run failed, by a planned fault or because its end could not be stored.
    Failed,
}

impl Way<'_> {
    pub(super) async fn steps(&mut self, calls: Calls) -> Result<()> {
        let mut cursor = Cursor::default();
        let until = Instant::now() + PATIENCE;
        let path = if calls.deltas { self.path("step?deltas=true") } else { self.path("step") };
        let (mut number, mut body) = (0, self.call(&cursor, calls.remaining));
        while Instant::now() < until {
            let mut ask = self.tagged(Ask::post(&path, &body), false);
            if calls.keyed {
                ask = ask.header("idempotency-key", format!("key-{}-{number}", self.told.marker));
            }
            let called = match self.client.open(ask).await? {
                Ok(Opened::Stream(stream)) => self.read(stream, &mut cursor).await,
                // Another call still goes on, or there was no room.
                Ok(Opened::Refused(reply)) if reply.is_refusal_for_now() || reply.code() == "CONFLICT" => Called::Lost,
                Ok(Opened::Refused(reply)) if reply.status >= 500 => Called::Lost,
                Ok(Opened::Refused(reply)) => {
                    self.violation(&format!("a step was refused: {} {}", reply.status, reply.body));
                    return Ok(());
                }
                Err(Lost) => Called::Lost,
            };
            match (called, self.told.execution.clone()) {
                // The same again, until there is an answer.
                (Called::Lost, _) if calls.keyed => {
                    self.moment().await;
                    continue;
                }
                (Called::More, _) => {}
                (Called::Ended, _) | (Called::Lost | Called::Failed, None) => return Ok(()),
                (Called::Lost | Called::Failed, Some(id)) => {
                    if self.look_up(&id, &mut cursor).await? {
                        return Ok(());
                    }
                }
            }
            (number, body) = (number + 1, self.call(&cursor, calls.remaining));
        }
        bail!("the steps of {} do not end", self.told.marker)
    }

    /// Leaves the stream in its middle, and goes on after the last event it has.
    pub(super) async fn cut_step(&mut self, after: usize) -> Result<()> {
        let (path, body) = (self.path("step"), self.call(&Cursor::default(), true));
        let opened = self.client.open(self.tagged(Ask::post(&path, &body), false)).await?;
        let Ok(Opened::Stream(mut stream)) = opened else { bail!("no stream of steps for {}", self.told.marker) };
        let mut events = Vec::new();
        while let Ok(Some(event)) = stream.next().await {
            events.push(event);
            if events.len() == after {
                break;
            }
        }
        drop(stream);
        let first = events.first().map(|event| event.json()["executionId"].clone()).unwrap_or_default();
        let id = first.as_str().context("a stream without events")?;
        self.told.execution = Some(id.to_owned());
        let follower = Follower {
            case: self.case,
            client: &self.client,
            session: &self.told.session,
            path: self.path(&format!("runs/{id}/trace/stream")),
            choices: self.case.choices(&self.told.marker),
            cut: Cut::Percent(0),
        };
        self.told.followed = follower.follow_from(events).await?;
        Ok(())
    }

    fn call(&self, cursor: &Cursor, remaining: bool) -> Value {
        let mut body = self.told.shape.request(&self.told.marker);
        body["stepIndex"] = json!(cursor.index);
        body["accumulatedOutputs"] = Value::Object(cursor.outputs.clone());
        body["runRemaining"] = json!(remaining);
        if let Some(id) = &self.told.execution {
            body["executionId"] = json!(id);
        }
        body
    }

    async fn read(&mut self, mut stream: Stream, cursor: &mut Cursor) -> Called {
        let mut last = String::new();
        loop {
            let event = match stream.next().await {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(Lost) => return Called::Lost,
            };
            let data = event.json();
            if let Some(id) = data["executionId"].as_str().filter(|_| event.id.is_some()) {
                self.told.execution = Some(id.to_owned());
                self.told.acknowledged = true;
            }
            match event.kind.as_str() {
                "step_completed" => {
                    let step = data["stepId"].as_str().unwrap_or_default().to_owned();
                    self.case.facts.note_shown(&self.told.session, &step, None, self.case.mock.count(), "a step");
                    cursor.outputs.insert(step, data["output"].clone());
                }
                "step_paused" => cursor.index = data["nextStepIndex"].as_u64().unwrap_or_default(),
                "flow_completed" => self.told.end = Some(("completed".to_owned(), data["result"].clone())),
                _ => {}
            }
            last.clone_from(&event.kind);
            // What is never stored has no id: text, and the end of a stream whose own end could not be stored.
            if event.id.is_some() && !self.has(&event) {
                self.told.stepped.push(event);
            }
        }
        match last.as_str() {
            "step_paused" => Called::More,
            "flow_completed" => Called::Ended,
            "step_error" => Called::Failed,
            _ => {
                self.violation(&format!("a step stream ended with `{last}`, which is no terminator"));
                Called::Ended
            }
        }
    }

    /// Whether an event came before, in an answer that was cut off and is given again.
    fn has(&self, event: &Event) -> bool {
        self.told.stepped.contains(event)
    }

    /// How far the run is; whether it has ended well.
    async fn look_up(&mut self, id: &str, cursor: &mut Cursor) -> Result<bool> {
        let path = self.path(&format!("runs/{id}/trace"));
        let until = Instant::now() + PATIENCE;
        let trace = loop {
            let reply = self.client.insist(Ask::get(&path)).await?;
            match reply.body["flowRun"]["status"].as_str() {
                Some("running") if Instant::now() < until => self.moment().await,
                Some(_) => break reply.body,
                None => bail!("run {id} of {} is gone: {} {}", self.told.marker, reply.status, reply.body),
            }
        };
        self.note_trace(&trace);
        if trace["flowRun"]["status"] == "completed" {
            return Ok(true);
        }
        let steps = trace["steps"].as_array().context("a trace without steps")?;
        for step in steps.iter().filter(|step| step["status"] == "completed") {
            let name = step["stepId"].as_str().unwrap_or_default();
            cursor.outputs.insert(name.to_owned(), step["outputContext"].clone());
        }
        cursor.index = cursor.outputs.len() as u64;
        Ok(cursor.outputs.len() == self.told.shape.calls().len())
    }
}
