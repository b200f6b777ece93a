//! Drives a run: one `step` call after the other, the cursor carried between them, pauses for tools answered, breaks
//! mended.

use noukai_api::StepRequest;
use serde_json::Value;

use super::{
    cursor::{Answers, Shared},
    follow::{Breaks, Follower, Seen, cut},
    source::{Source, Told},
};
use crate::{
    Error, Flow, Result, StreamEvent, ToolCallsRequired,
    http::{Call, Request},
    options::{Keys, Options},
    span::CallSpan,
    sse::EventId,
    tools::{Handler, Pause},
};

/// A run and its caller's side of it.
pub(super) struct Driver {
    flow: Flow,
    call: Call,
    options: Options,
    handler: Option<Handler>,
    keys: Keys,
    span: CallSpan,
    cursor: Shared,
    current: Option<Current>,
    seen: Seen,
    breaks: Breaks,
    is_ended: bool,
}

/// The call that is going on.
struct Current {
    /// To be sent again with the same key where its stream breaks.
    request: Request,
    source: From,
    /// An event of this call was seen, so the server has it.
    is_known: bool,
    /// The stream is told a second time: nothing without an id is new until something with one is.
    is_repeated: bool,
}

/// Where the events of a call come from.
enum From {
    /// Nowhere yet, or not any more.
    Nowhere,
    /// The call's own reply.
    Reply(Box<Source>),
    /// The run's trace, after a break.
    Trace(Box<Follower>),
}

impl Driver {
    pub fn new(flow: Flow, call: Call, mut options: Options, operation: &'static str, cursor: Shared) -> Self {
        let span = flow.span(operation, options.version);
        let call = Call { trace: span.trace(), ..call };
        let (handler, keys) = (options.handler.take(), options.keys());
        let (seen, breaks) = (Seen::default(), Breaks::default());
        Self { flow, call, options, handler, keys, span, cursor, current: None, seen, breaks, is_ended: false }
    }

    /// The next event for the caller; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<StreamEvent>> {
        while !self.is_ended {
            match self.advance().await {
                Ok(None) => {}
                Ok(Some(event)) => {
                    if self.is_ended {
                        self.trace_steps().await;
                    }
                    return Some(Ok(event));
                }
                Err(error) => {
                    self.span.failed(&error);
                    // A pause that nobody answered yet can still be answered; anything else is the end.
                    self.is_ended = self.cursor.lock().unanswered.is_none();
                    let id = self.cursor.lock().execution_id.clone();
                    return Some(Err(error.with_execution_id(id)));
                }
            }
        }
        None
    }

    /// The run has ended: adds its steps to the call's span, where that is wanted.
    async fn trace_steps(&mut self) {
        let id = self.cursor.lock().execution_id.clone();
        if let (Some(id), true) = (id, self.span.wants_steps()) {
            self.flow.trace_steps(&self.call, &self.span, &id).await;
        }
    }

    async fn advance(&mut self) -> Result<Option<StreamEvent>> {
        if self.current.is_none() {
            self.current = Some(self.begin()?);
        }
        let event = self.read().await?;
        self.handle(event).await
    }

    /// The next call, from where the cursor stands.
    fn begin(&mut self) -> Result<Current> {
        let mut cursor = self.cursor.lock();
        if cursor.unanswered.is_some() {
            return Err(Error::invalid(
                "the run waits for tool results; call `resume` on the event that asked for them",
            ));
        }
        let is_first = cursor.execution_id.is_none();
        let answers = cursor.answers.take();
        let options = &self.options;
        let body = StepRequest {
            execution_id: cursor.execution_id.clone(),
            step_index: cursor.step_index,
            accumulated_outputs: cursor.outputs.clone(),
            message: options.message.clone().filter(|_| is_first),
            messages: options.wire_messages().filter(|_| is_first),
            parameters: if is_first { options.parameters.clone() } else { Default::default() },
            attachments: if is_first { options.attachments.clone() } else { Vec::new() },
            input_overrides: cursor.input_overrides.clone(),
            block_overrides: options.block_overrides.clone(),
            run_remaining: cursor.run_remaining,
            tools: options.wire_tools(),
            tool_choice: options.wire_tool_choice(),
            iterations_used: answers.as_ref().map_or(0, |(_, used)| *used),
            tool_call_messages: answers.map(|(messages, _)| messages),
            trace: options.trace,
        };
        cursor.is_between = false;
        let query = if options.deltas { "?deltas=true" } else { "" };
        let path = format!("{}/step{query}", self.flow.address().versioned(options.version));
        let request = Request::post(path, &body, self.keys.next())?;
        Ok(Current { request, source: From::Nowhere, is_known: false, is_repeated: false })
    }

    /// The next new event of the call, over all breaks.
    async fn read(&mut self) -> Result<StreamEvent> {
        loop {
            let Told { id, event } = match self.raw().await {
                Ok(told) => told,
                Err(error) => {
                    self.mend(error).await?;
                    continue;
                }
            };
            if !self.is_new(id.as_ref()) {
                continue;
            }
            if self.lacks_contents(&event) {
                // The trace keeps no contents. The call's own reply has them: it is asked for again, by its key.
                self.repeat();
                continue;
            }
            self.accept(id);
            return Ok(event);
        }
    }

    async fn raw(&mut self) -> Result<Told> {
        let (transport, call) = (self.flow.client().transport(), &self.call);
        let Some(current) = &mut self.current else { return Err(cut()) };
        if let From::Nowhere = current.source {
            let response = transport.open(call, &current.request).await?;
            current.source = From::Reply(Box::new(Source::new(response, transport.max_reply_bytes())));
        }
        match &mut current.source {
            From::Trace(follower) => follower.next().await,
            From::Reply(source) => source.next(transport, call).await?.ok_or_else(cut),
            From::Nowhere => Err(cut()),
        }
    }

    /// Takes a broken stream up again: by the run's trace where the run is known to have got the call, else by the call
    /// itself, which its key keeps from running twice.
    async fn mend(&mut self, error: Error) -> Result<()> {
        let Some(current) = &mut self.current else { return Err(error) };
        // What the opening of a stream ended in, retries included, is final; so is what the trace gave up on.
        if !matches!(current.source, From::Reply(_)) {
            return Err(error);
        }
        self.breaks.wait(self.flow.client(), &self.call, &current.request, error).await?;
        let run = self.cursor.lock().execution_id.clone();
        match run.filter(|_| current.is_known && !current.is_repeated && self.seen.last().is_some()) {
            Some(id) => {
                let path = self.flow.run(id).path("/trace/stream")?;
                let follower = Follower::new(self.flow.client().clone(), self.call.clone(), path, self.seen.clone());
                current.source = From::Trace(Box::new(follower));
            }
            None => self.repeat(),
        }
        Ok(())
    }

    fn repeat(&mut self) {
        if let Some(current) = &mut self.current {
            current.source = From::Nowhere;
            current.is_repeated = current.is_known;
        }
    }

    /// Whether the event was not seen before the stream broke.
    fn is_new(&self, id: Option<&EventId>) -> bool {
        let is_repeated = self.current.as_ref().is_some_and(|current| current.is_repeated);
        (id.is_some() || !is_repeated) && self.seen.is_new(id)
    }

    /// Whether an event from the trace came without what the call's own reply would have had.
    fn lacks_contents(&self, event: &StreamEvent) -> bool {
        let from_trace = self.current.as_ref().is_some_and(|current| matches!(current.source, From::Trace(_)));
        from_trace
            && match event {
                StreamEvent::StepOutput(step) => step.output_data.is_none(),
                StreamEvent::StepCompleted(step) => step.output.is_null() && !step.skipped,
                StreamEvent::FlowCompleted(flow) => flow.result.is_null(),
                _ => false,
            }
    }

    fn accept(&mut self, id: Option<EventId>) {
        if let Some(current) = &mut self.current {
            current.is_known = true;
            current.is_repeated &= id.is_none();
        }
        self.seen.take(id);
        self.breaks.heal();
    }

    /// Moves the cursor; gives the event where the caller is to see it.
    async fn handle(&mut self, event: StreamEvent) -> Result<Option<StreamEvent>> {
        self.span.event(&event);
        match &event {
            StreamEvent::RunStarted(run) => self.cursor.lock().execution_id = Some(run.execution_id.clone()),
            StreamEvent::StepCompleted(step) => {
                let mut cursor = self.cursor.lock();
                cursor.outputs.insert(step.step_id.clone(), step.output.clone());
                cursor.step_index = step.step_index + 1;
            }
            StreamEvent::StepPaused(pause) => {
                self.current = None;
                let mut cursor = self.cursor.lock();
                cursor.step_index = pause.next_step_index;
                cursor.is_between = true;
            }
            StreamEvent::StepFailed(_) | StreamEvent::FlowCompleted(_) => self.is_ended = true,
            _ => {}
        }
        match event {
            StreamEvent::ToolCallsRequired(pause) => self.paused(pause).await,
            event => Ok(Some(event)),
        }
    }

    /// Answers a pause, or leaves that to the caller.
    async fn paused(&mut self, mut pause: ToolCallsRequired) -> Result<Option<StreamEvent>> {
        self.current = None;
        {
            let mut cursor = self.cursor.lock();
            cursor.execution_id = Some(pause.execution_id.clone());
            cursor.step_index = pause.step_index;
            cursor.outputs.extend(pause.accumulated_outputs.clone());
        }
        let Some(handler) = &mut self.handler else {
            self.cursor.lock().unanswered = Some((pause.step_id.clone(), pause.iterations_used));
            pause.answers = Answers::to(&self.cursor);
            return Ok(Some(StreamEvent::ToolCallsRequired(pause)));
        };
        let told =
            Pause { execution_id: &pause.execution_id, calls: &pause.tool_calls, messages: &pause.tool_call_messages };
        let answering = handler.answers(self.options.max_tool_rounds, &told);
        let answers: Vec<Value> = self.flow.client().transport().cancellable(&self.call, answering).await?;
        self.cursor.lock().answers = Some((answers, pause.iterations_used));
        Ok(None)
    }
}
