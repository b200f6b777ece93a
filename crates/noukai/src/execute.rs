//! `execute`: one request, one reply; and on again after each pause for tools.

use std::{pin::Pin, sync::Arc};

use noukai_api::ExecuteRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Error, ErrorKind, ExecuteResult, Execution, Flow, PausedResult, Result, RunStatus, ToolCall,
    http::{Call, Request},
    options::{Keys, Options},
    tools::Handler,
};

/// Runs a flow; see [`Flow::execute`]. Every option is a method; await it to send the request.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let flow = client.flow("acme/demo/hello")?;
/// let done = flow.execute().message("I am Ada").version("draft").trace(true).await?.completed()?;
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Execute {
    flow: Flow,
    options: Options,
}

impl Execute {
    pub(crate) fn new(flow: Flow) -> Self {
        Self::of(flow, Options::default())
    }

    pub(crate) const fn of(flow: Flow, options: Options) -> Self {
        Self { flow, options }
    }

    crate::macros::call_options!(asynchronous, "execute()", ".await?");
    crate::macros::tool_options!(asynchronous, "execute()", ".await?");
    crate::macros::handler_option!(asynchronous, "execute()", ".await?");

    async fn send(self) -> Result<Execution> {
        let (mut options, call) = self.options.checked(&self.flow)?;
        if let Some(cassette) = self.flow.client().cassette() {
            return cassette.execute(&self.flow.address().slug, &call).map(Execution::Completed);
        }
        let span = self.flow.span("execute", options.version);
        let call = Call { trace: span.trace(), ..call };
        let flow = self.flow.clone();
        let handler = options.handler.take();
        let rounds = options.max_tool_rounds;
        let context = Resume::new(self.flow, call.clone(), &options);
        let first = context.first(&options);
        drop(options);
        let outcome = context.drive(first, handler, rounds).await;
        match &outcome {
            Ok(execution) => {
                span.left(execution);
                if let (Execution::Completed(done), true) = (execution, span.wants_steps()) {
                    flow.trace_steps(&call, &span, &done.execution_id).await;
                }
            }
            Err(error) => span.failed(error),
        }
        outcome
    }
}

impl IntoFuture for Execute {
    type Output = Result<Execution>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What a run's further requests need.
#[derive(Clone)]
pub(crate) struct Resume {
    flow: Flow,
    call: Call,
    path: String,
    keys: Keys,
    /// The parts of the first request that are repeated.
    repeated: Arc<ExecuteRequest>,
}

impl Resume {
    fn new(flow: Flow, call: Call, options: &Options) -> Self {
        let repeated = ExecuteRequest {
            parameters: options.parameters.clone(),
            attachments: options.attachments.clone(),
            block_overrides: options.block_overrides.clone(),
            tools: options.wire_tools(),
            tool_choice: options.wire_tool_choice(),
            trace: options.trace,
            ..ExecuteRequest::default()
        };
        let path = format!("{}/execute", flow.address().versioned(options.version));
        Self { flow, call, path, keys: options.keys(), repeated: Arc::new(repeated) }
    }

    /// The body of the first request.
    fn first(&self, options: &Options) -> ExecuteRequest {
        ExecuteRequest {
            message: options.message.clone(),
            messages: options.wire_messages(),
            ..self.repeated.as_ref().clone()
        }
    }

    /// Sends the first request, and on for as long as there is somebody to answer pauses.
    async fn drive(mut self, first: ExecuteRequest, mut handler: Option<Handler>, rounds: u32) -> Result<Execution> {
        let mut execution = self.send(&first).await?;
        while let (Execution::Paused(paused), Some(handler)) = (&execution, &mut handler) {
            let answers = self.cancellable(handler.answers(rounds, &paused.pause())).await?;
            execution = paused.context.as_ref().clone().resume(paused, answers).await?;
        }
        Ok(execution)
    }

    pub async fn resume(mut self, paused: &PausedResult, messages: Vec<Value>) -> Result<Execution> {
        let request = ExecuteRequest {
            execution_id: Some(paused.execution_id.clone()),
            paused_at_step: Some(paused.paused_at_step.clone()),
            iterations_used: paused.iterations_used,
            tool_call_messages: Some(messages),
            accumulated_outputs: paused.accumulated_outputs.clone(),
            ..self.repeated.as_ref().clone()
        };
        let outcome = self.send(&request).await;
        outcome.map_err(|error| error.with_execution_id(Some(&paused.execution_id)))
    }

    async fn send(&mut self, request: &ExecuteRequest) -> Result<Execution> {
        let request = Request::post(self.path.clone(), request, self.keys.next())?;
        let reply: Reply = self.flow.client().transport().json(&self.call, &request).await?;
        reply.into_execution(self)
    }

    async fn cancellable<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.flow.client().transport().cancellable(&self.call, work).await
    }
}

/// Either reply of `execute`, read in one go.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    status: String,
    execution_id: String,
    flow_id: String,
    block_count: u32,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    paused_at_step: String,
    #[serde(default)]
    iterations_used: u32,
    #[serde(default)]
    tool_call_messages: Vec<Value>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    #[serde(default)]
    accumulated_outputs: Map<String, Value>,
}

impl Reply {
    fn into_execution(self, context: &Resume) -> Result<Execution> {
        let session_id = context.call.session_id.clone();
        if self.status == "tool_calls_required" {
            return Ok(Execution::Paused(PausedResult {
                execution_id: self.execution_id,
                paused_at_step: self.paused_at_step,
                iterations_used: self.iterations_used,
                tool_calls: self.tool_calls,
                tool_call_messages: self.tool_call_messages,
                accumulated_outputs: self.accumulated_outputs,
                flow_id: self.flow_id,
                block_count: self.block_count,
                session_id,
                context: Box::new(context.clone()),
            }));
        }
        let status = RunStatus::parse(&self.status).ok_or_else(|| {
            let message = format!("the server answered with the run status `{}`, which is unknown here", self.status);
            Error::new(ErrorKind::Decode, message).with_execution_id(Some(&self.execution_id))
        })?;
        Ok(Execution::Completed(ExecuteResult {
            status,
            result: self.result,
            flow_id: self.flow_id,
            block_count: self.block_count,
            execution_id: self.execution_id,
            session_id,
        }))
    }
}
