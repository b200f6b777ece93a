//! A streamed reply: events in, text out as it comes, the whole reply at the end.

use std::{collections::BTreeMap, time::Duration};

use noukai_engine::DeltaSink;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    fault::Fault,
    few::{Few, MOST},
    incoming::Incoming,
    reply::{Reply, Text, Usage, check_finish, check_refusal, tool_call},
    sse::Events,
};

/// How long to wait, once all is said, for the end of the body, without which the connection cannot be used again.
const LAST_WAIT: Duration = Duration::from_millis(20);

/// Reads a stream to its end.
pub(super) async fn read(incoming: &mut Incoming, deltas: &dyn DeltaSink) -> Result<Reply, Fault> {
    let mut events = Events::default();
    let mut gathered = Gathered::default();
    while let Some(bytes) = incoming.next().await? {
        events.push(&bytes, |data| gathered.event(data, deltas))?;
        if gathered.done {
            let _ = tokio::time::timeout(LAST_WAIT, incoming.next()).await;
            return gathered.into_reply();
        }
    }
    events.finish(|data| gathered.event(data, deltas))?;
    gathered.into_reply()
}

#[derive(Deserialize)]
struct Chunk<'a> {
    model: Option<String>,
    #[serde(borrow)]
    choices: Option<Few<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    finish_reason: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<Text>,
    refusal: Option<String>,
    tool_calls: Option<Few<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// The reply so far.
#[derive(Default)]
struct Gathered {
    reply: Reply,
    refusal: String,
    calls: BTreeMap<u32, PartialCall>,
    /// The call begun last, for providers that number none.
    last_call: u32,
    /// A reason to stop was given.
    finished: bool,
    /// The stream's own end was seen.
    done: bool,
}

#[derive(Default)]
struct PartialCall {
    id: String,
    name: String,
    arguments: String,
}

impl Gathered {
    fn event(&mut self, data: &[u8], deltas: &dyn DeltaSink) -> Result<(), Fault> {
        let data = data.trim_ascii();
        if self.done || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| Fault::not_json(data, &error))?;
        if let Some(error) = chunk.error {
            return Err(Fault::in_reply(error));
        }
        if let Some(usage) = &chunk.usage {
            self.reply.count(usage);
        }
        self.reply.model = self.reply.model.take().or(chunk.model);
        let first = chunk.choices.into_iter().flat_map(|choices| choices.0).filter(|choice| choice.index == 0);
        first.into_iter().try_for_each(|choice| self.choice(choice, deltas))
    }

    fn choice(&mut self, choice: Choice<'_>, deltas: &dyn DeltaSink) -> Result<(), Fault> {
        if let Some(error) = choice.error {
            return Err(Fault::in_reply(error));
        }
        if let Some(delta) = choice.delta {
            self.delta(delta, deltas)?;
        }
        check_finish(choice.finish_reason.as_deref())?;
        self.finished |= choice.finish_reason.is_some();
        Ok(())
    }

    fn delta(&mut self, delta: Delta, deltas: &dyn DeltaSink) -> Result<(), Fault> {
        if let Some(Text(text)) = delta.content {
            if !text.is_empty() {
                deltas.text(&text);
            }
            self.reply.text.get_or_insert_default().push_str(&text);
        }
        self.refusal.push_str(delta.refusal.as_deref().unwrap_or_default());
        delta.tool_calls.into_iter().flat_map(|calls| calls.0).try_for_each(|call| self.call(call))
    }

    fn call(&mut self, delta: CallDelta) -> Result<(), Fault> {
        self.last_call = delta.index.unwrap_or_else(|| self.unnumbered(delta.id.as_deref()));
        let call = self.calls.entry(self.last_call).or_default();
        if let Some(id) = delta.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        if let Some(function) = delta.function {
            // Some providers repeat the name in every piece; none cuts it.
            if let Some(name) = function.name.filter(|_| call.name.is_empty()) {
                call.name = name;
            }
            call.arguments.push_str(function.arguments.as_deref().unwrap_or_default());
        }
        if self.calls.len() > MOST {
            return Err(Fault::invalid(format!("the provider's reply has more than {MOST} tool calls")));
        }
        Ok(())
    }

    /// A new id begins a new call; anything else goes on with the last one.
    fn unnumbered(&self, id: Option<&str>) -> u32 {
        let goes_on =
            self.calls.get(&self.last_call).is_none_or(|call| id.is_none_or(|id| id.is_empty() || id == call.id));
        if goes_on { self.last_call } else { self.last_call.saturating_add(1) }
    }

    fn into_reply(mut self) -> Result<Reply, Fault> {
        if !self.done && !self.finished {
            return Err(Fault::invalid("the provider's stream ended before the reply did"));
        }
        check_refusal(Some(&self.refusal))?;
        let calls = self.calls.into_values().map(|call| tool_call(call.id, call.name, call.arguments));
        self.reply.tool_calls = calls.collect::<Result<_, _>>()?;
        Ok(self.reply)
    }
}
