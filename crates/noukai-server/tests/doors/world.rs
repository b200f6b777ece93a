//! A server with its workers, one caller, and the doors it knocks at.

use std::time::Duration;

use futures::StreamExt;
use noukai_api::{ExecuteReply, ExecuteRequest, JobStatus, RunStatus, Scope, StepRequest, StreamEvent};
use noukai_server::{
    Caller, Config, ExecuteOutcome, FlowAddress, KeyRequest, Overrides, Project, RunOptions, SeqEvent, Server,
    VersionSelector,
};
use serde_json::{Map, Value};

/// Longer than any run here takes; a poll comes back as soon as the job ends.
const WAIT: Duration = Duration::from_secs(60);

pub struct World {
    server: Server,
    project: Project,
    caller: Caller,
    _data: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::on(None).await
    }

    /// On PostgreSQL, where a URL is given.
    pub async fn on(url: Option<String>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            data: Some(data.path().to_owned()),
            ..Overrides::default()
        };
        let mut config = Config::load(None, overrides).unwrap();
        config.provider.api_key = None;
        config.provider.default_model = None;
        config.code.program = Some(env!("CARGO_BIN_EXE_noukai-server-worker").into());
        config.database.url = url.map(Into::into);
        let server = Server::start(config).await.unwrap();
        let project = server.app().ensure_project("acme", "demo").await.unwrap();
        let request = KeyRequest {
            name: "doors".to_owned(),
            environment: "test".to_owned(),
            scopes: vec![Scope::Execute],
            expires_at: None,
            created_by: "doors".to_owned(),
        };
        let key = server.app().issue_key(&project, request).await.unwrap().key;
        let caller = server.app().authenticate(Some(&format!("Bearer {key}"))).await.unwrap();
        Self { server, project, caller, _data: data }
    }

    pub async fn stop(self) {
        self.server.shutdown().await;
    }

    /// Puts a flow under a slug; gives the slug.
    pub async fn put(&self, slug: &str, mut document: Value) -> String {
        document["slug"] = slug.into();
        let put = self.server.app().put_flow(&self.project, &document).await.unwrap();
        assert!(put.problems.iter().all(|problem| !problem.is_error()), "{:#?}", put.problems);
        put.slug
    }

    pub async fn execute(&self, flow: &str, inputs: &Map<String, Value>, session: &str) -> ExecuteReply {
        let request = ExecuteRequest { parameters: inputs.clone(), trace: true, ..ExecuteRequest::default() };
        let options = RunOptions { session_id: Some(session.to_owned()), ..RunOptions::default() };
        let outcome = self.server.app().execute(&self.caller, &address(flow), request, options).await.unwrap();
        match outcome {
            ExecuteOutcome::Done(reply) => reply,
            ExecuteOutcome::Paused(paused) => panic!("{paused:#?}"),
        }
    }

    pub async fn run_job(&self, flow: &str, inputs: &Map<String, Value>) -> JobStatus {
        let app = self.server.app();
        let request = ExecuteRequest { parameters: inputs.clone(), ..ExecuteRequest::default() };
        let accepted = app.enqueue(&self.caller, &address(flow), request, RunOptions::default()).await.unwrap();
        let first = app.job(&self.caller, flow, &accepted.execution_id, Duration::ZERO).await.unwrap();
        assert!(matches!(first.status, RunStatus::Pending | RunStatus::Running | RunStatus::Completed), "{first:#?}");
        app.job(&self.caller, flow, &accepted.execution_id, WAIT).await.unwrap()
    }

    /// One step call from where a client stands.
    pub async fn step(&self, flow: &str, inputs: &Map<String, Value>, at: &Station, run_remaining: bool) -> Stream {
        let request = StepRequest {
            execution_id: at.execution_id.clone(),
            step_index: at.cursor,
            accumulated_outputs: at.outputs.clone(),
            parameters: inputs.clone(),
            run_remaining,
            trace: true,
            ..StepRequest::default()
        };
        let events =
            self.server.app().step(&self.caller, &address(flow), request, RunOptions::default()).await.unwrap();
        Stream(events.collect().await)
    }

    /// All events of a run, as they are stored.
    pub async fn follow(&self, run: &str) -> Stream {
        Stream(self.server.app().follow(&self.caller, None, run, 0).await.unwrap().collect().await)
    }

    /// What a replaying client takes for the result of a session's only run.
    pub async fn last_snapshot(&self, session: &str) -> Value {
        let session = self.server.app().session(&self.caller, session).await.unwrap();
        assert_eq!(session.executions.len(), 1);
        let last = session.executions[0].steps.last().unwrap();
        last.output_snapshot.clone().unwrap()
    }
}

/// Where a client stands: its run, its cursor, the outputs it holds.
#[derive(Debug, Clone, Default)]
pub struct Station {
    pub execution_id: Option<String>,
    pub cursor: u32,
    pub outputs: Map<String, Value>,
}

fn address(flow: &str) -> FlowAddress {
    FlowAddress { flow: flow.to_owned(), version: VersionSelector::Draft }
}

/// Events in the order they came.
#[derive(Debug)]
pub struct Stream(Vec<SeqEvent>);

impl Stream {
    pub fn execution_id(&self) -> &str {
        &self.0.first().unwrap().execution_id
    }

    /// The last event; no other event ends a stream.
    pub fn terminator(&self) -> &StreamEvent {
        let ends = |event: &StreamEvent| {
            matches!(
                event,
                StreamEvent::StepPaused { .. }
                    | StreamEvent::FlowCompleted { .. }
                    | StreamEvent::StepError { .. }
                    | StreamEvent::StepPausedForToolCalls { .. }
            )
        };
        let (last, others) = self.0.split_last().unwrap();
        assert!(ends(&last.event) && !others.iter().any(|other| ends(&other.event)), "{self:#?}");
        &last.event
    }

    /// The result that the stream ends with.
    pub fn result(&self) -> Value {
        match self.terminator() {
            StreamEvent::FlowCompleted { result, .. } => result.clone(),
            _ => panic!("{self:#?}"),
        }
    }

    pub fn seqs(&self) -> Vec<u64> {
        self.0.iter().filter_map(|event| event.seq).collect()
    }

    /// Each event's number and content.
    pub fn shapes(&self) -> Vec<(Option<u64>, &StreamEvent)> {
        self.0.iter().map(|event| (event.seq, &event.event)).collect()
    }
}

/// What a client learns of the steps that are done: `{stepId: output}`, in order.
pub fn outputs(stream: &Stream) -> Map<String, Value> {
    let done = |event: &SeqEvent| match &event.event {
        StreamEvent::StepCompleted { step_id, output, .. } => Some((step_id.clone(), output.clone())),
        _ => None,
    };
    stream.0.iter().filter_map(done).collect()
}
