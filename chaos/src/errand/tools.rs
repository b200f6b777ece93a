//! Execute with tools: the run pauses, the caller answers. A pause that was told of can be answered whatever happens to
//! the server meanwhile, and once.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Way;
use crate::client::{Ask, Lost, PATIENCE, Reply};
use crate::shape::seen;

impl Way<'_> {
    pub(super) async fn tools(&mut self) -> Result<()> {
        let path = self.path("execute");
        let first = self.told.shape.request(&self.told.marker);
        let mut body = first.clone();
        let mut asked_again = false;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.client.once(self.tagged(Ask::post(&path, &body), false)).await? {
                Ok(reply) if reply.status == 200 && reply.body["status"] == "tool_calls_required" => {
                    self.told.execution = reply.body["executionId"].as_str().map(str::to_owned);
                    self.told.acknowledged = true;
                    body = answer(&first, &reply.body);
                    asked_again = false;
                }
                Ok(reply) if reply.status == 200 => {
                    self.note_end(&reply.body);
                    return Ok(());
                }
                Ok(reply) if reply.is_refusal_for_now() => self.moment().await,
                // The answer before was taken, and its own answer was lost.
                Ok(reply) if asked_again && is_taken(&reply) => return Ok(()),
                Ok(reply) if reply.status >= 500 => return Ok(()),
                Ok(reply) => {
                    self.violation(&format!("a pause was answered {} {}", reply.status, reply.body));
                    return Ok(());
                }
                Err(Lost) if self.told.execution.is_some() => asked_again = true,
                Err(Lost) => return Ok(()),
            }
        }
        bail!("the pauses of {} do not end", self.told.marker)
    }
}

fn is_taken(reply: &Reply) -> bool {
    reply.code() == "ALREADY_RESUMED"
}

/// The request that answers a pause: what it said, and a result for each call.
fn answer(first: &Value, pause: &Value) -> Value {
    let calls = pause["toolCalls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let result = |call: &Value| {
        let id = call["id"].as_str().unwrap_or_default();
        json!({"role": "tool", "toolCallId": id, "content": seen(id)})
    };
    let said = pause["toolCallMessages"].as_array().cloned().unwrap_or_default();
    let messages: Vec<Value> = said.into_iter().chain(calls.iter().map(result)).collect();
    let mut body = first.clone();
    for name in ["executionId", "pausedAtStep", "iterationsUsed", "accumulatedOutputs"] {
        body[name] = pause[name].clone();
    }
    body["toolCallMessages"] = Value::Array(messages);
    body
}
