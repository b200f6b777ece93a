//! What the tests are made of: times, projects, writes.

use std::sync::Arc;

use noukai_api::{CaptureMode, RunStatus, Tokens, TriggerType};
use noukai_store::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub type Shared = Arc<dyn Store>;

/// So many seconds after a fixed moment.
pub fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::seconds(seconds)
}

pub async fn project(store: &Shared, slug: &str) -> ProjectId {
    let id = ProjectId(Uuid::now_v7());
    store.ensure_project("acme", slug, Uuid::now_v7(), id, at(0)).await.unwrap().id
}

pub fn run_id() -> RunId {
    RunId(Uuid::now_v7())
}

/// As if made so many seconds after the tests' beginning of time.
pub fn run_id_at(seconds: i64) -> RunId {
    let made = u64::try_from(at(seconds).unix_timestamp()).unwrap();
    RunId(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, made, 0)))
}

pub fn record(project: ProjectId, id: RunId, trigger: TriggerType) -> RunRecord {
    let status = if trigger == TriggerType::Job { RunStatus::Pending } else { RunStatus::Running };
    RunRecord {
        id,
        project_id: project,
        flow_id: FlowId(Uuid::from_u128(7)),
        flow_slug: "triage".into(),
        version: 3,
        hash: "abc".into(),
        trigger,
        status,
        capture: CaptureMode::Full,
        session_id: None,
        step_count: 4,
        started_at: at(10),
        completed_at: None,
        duration_ms: None,
        tokens: Tokens::default(),
        cost_usd: None,
        last_seq: 0,
        pauses: 0,
        error: None,
    }
}

/// A write that does nothing yet.
pub fn write(project: ProjectId, run: RunId) -> RunWrite {
    RunWrite {
        project_id: project,
        run_id: run,
        create: None,
        change: None,
        events: vec![],
        usage: vec![],
        fence: None,
    }
}

pub fn create(record: RunRecord) -> RunWrite {
    let job = (record.trigger == TriggerType::Job).then_some(NewJob { bounds: QueueBounds::NONE, retry_of: None });
    let empty = write(record.project_id, record.id);
    RunWrite {
        create: Some(Box::new(NewRun { record, inputs: Some(r#"{"v":1}"#.into()), job, charges: vec![] })),
        ..empty
    }
}

pub fn event(seq: u64) -> NewEvent {
    NewEvent { seq, kind: "step_completed".into(), payload: format!(r#"{{"n":{seq}}}"#), state: Some("{}".into()) }
}

pub fn finish(status: RunStatus) -> RunFinish {
    RunFinish {
        status,
        at: at(20),
        duration_ms: 10_000,
        tokens: Tokens::new(5, 7),
        cost_usd: Some("0.0123".into()),
        error: None,
        result: None,
        keep_inputs: false,
        clear_states: true,
        keep_for_retry: false,
        poison: false,
    }
}

pub fn pause_with(pause: Option<&str>) -> RunChange {
    RunChange::Paused { tokens: Tokens::new(1, 2), cost_usd: None, at: at(15), pause: pause.map(Into::into) }
}

/// Reads better than struct update syntax where a write has two things.
pub trait With {
    fn change(self, change: RunChange) -> Self;
    fn ends(self, status: RunStatus) -> Self;
    fn events(self, seqs: std::ops::RangeInclusive<u64>) -> Self;
    fn fenced(self, lease: &Lease) -> Self;
}

impl With for RunWrite {
    fn change(self, change: RunChange) -> Self {
        Self { change: Some(change), ..self }
    }

    fn ends(self, status: RunStatus) -> Self {
        self.change(RunChange::Finished(Box::new(finish(status))))
    }

    fn events(self, seqs: std::ops::RangeInclusive<u64>) -> Self {
        Self { events: seqs.map(event).collect(), ..self }
    }

    fn fenced(self, lease: &Lease) -> Self {
        Self { fence: Some(lease.clone()), ..self }
    }
}

/// A new run of the project's, stored.
pub async fn started(store: &Shared, project: ProjectId, trigger: TriggerType) -> RunId {
    let id = run_id();
    store.append(create(record(project, id, trigger))).stored().await.unwrap();
    id
}

/// A claim of up to `limit` jobs, by a worker of its own, at `now` until `until`.
pub fn claim_of(limit: u32, now: i64, until: i64) -> Claim {
    Claim { owner: Uuid::now_v7(), limit, per_project: u32::MAX, now: at(now), lease_until: at(until) }
}

pub fn cancellation(when: i64) -> Cancellation {
    Cancellation {
        error: r#"{"code":"CANCELLED"}"#.into(),
        event_kind: "run_cancelled",
        event_payload: r#"{"v":1}"#.into(),
        at: at(when),
        keep_for_retry: true,
        cut_off: None,
    }
}

pub async fn status(store: &Shared, project: ProjectId, id: RunId) -> RunStatus {
    store.run(project, id).await.unwrap().unwrap().status
}

pub async fn all_events(store: &Shared, project: ProjectId, id: RunId) -> Vec<EventRecord> {
    store.events_with_state(project, id, 0, 10_000).await.unwrap()
}

/// Runs `task` so many times at once; what each gave.
pub async fn at_once<T, F>(times: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..times).map(|number| tokio::spawn(task(number))).collect();
    let mut outcomes = Vec::with_capacity(times);
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

pub fn is_conflict<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict(_)))
}

pub const HOSTILE: [&str; 5] =
    ["'; DROP TABLE runs; --", "\" OR 1=1 --", "x' OR 'a'='a", "%", "$1; DELETE FROM api_keys"];

/// Who does things here, so many seconds after the tests' beginning of time.
pub fn by(seconds: i64) -> Signature {
    Signature { author: "ann".into(), name: "Ann".into(), at: at(seconds) }
}

/// A line for a log.
pub fn operation(op: &str, steps: &[&str]) -> NewOperation {
    let touched: Vec<String> = steps.iter().map(|step| format!("\"step:{step}\"")).collect();
    NewOperation {
        op: op.into(),
        operations: format!(r#"[{{"op":"{op}"}}]"#),
        inverse: Some("[]".into()),
        touched: format!("[{}]", touched.join(",")),
        summary: format!("did {op}"),
        undoes: None,
    }
}

/// The document of that hash.
pub fn document(hash: &str) -> StoredDocument {
    StoredDocument { hash: hash.into(), json: format!(r#"{{"hash":"{hash}"}}"#) }
}

/// A draft that says no more than its hash.
pub fn draft_of(slug: &str, hash: &str) -> Draft {
    let (name, description) = ("A flow".into(), "What for".into());
    Draft { slug: slug.into(), name, description, source: document(hash), resolved: None, models: None }
}

pub fn new_flow(project: ProjectId, draft: Draft) -> NewFlow {
    let (id, operation) = (FlowId(Uuid::now_v7()), operation("create_flow", &[]));
    NewFlow { project_id: project, id, draft, operation, by: by(1) }
}

/// A change of the flow's draft, made on the flow as it was read.
pub fn change_to(flow: &FlowRecord, draft: Draft, steps: &[&str]) -> DraftChange {
    DraftChange {
        project_id: flow.project_id,
        flow_id: flow.id,
        on_revision: flow.revision,
        draft,
        operation: operation("update_block", steps),
        contents: steps.iter().map(|step| (*step).to_owned()).collect(),
        by: by(2),
    }
}

/// A flow whose draft has that hash, made or changed.
pub async fn draft(store: &Shared, project: ProjectId, slug: &str, hash: &str) -> FlowRecord {
    let Some(flow) = store.flow(project, slug).await.unwrap() else {
        return store.create_flow(new_flow(project, draft_of(slug, hash))).await.unwrap().unwrap();
    };
    match store.change_draft(change_to(&flow, draft_of(slug, hash), &[])).await.unwrap() {
        Changed::Done(changed) => *changed,
        other => panic!("{other:?}"),
    }
}

/// The draft as the next version.
pub fn publication(flow: &FlowRecord) -> Publication {
    let version = VersionRecord {
        number: flow.latest_version + 1,
        hash: flow.draft_hash.clone(),
        source_hash: flow.source_hash.clone(),
        note: "note".into(),
        by: by(2),
        deprecated: None,
        revision: 1,
    };
    let (project_id, flow_id, operation) = (flow.project_id, flow.id, operation("publish_version", &[]));
    Publication { project_id, flow_id, version, operation }
}

/// Publishes the flow's draft as it is now.
pub async fn publish(store: &Shared, project: ProjectId, slug: &str) -> Published {
    let flow = store.flow(project, slug).await.unwrap().unwrap();
    store.publish(publication(&flow)).await.unwrap()
}

/// Makes a version the production version.
pub async fn promote(store: &Shared, project: ProjectId, flow: FlowId, number: u32) -> bool {
    promote_instead_of(store, project, flow, number, None).await == Promoted::Done
}

/// The same, only where that is the production version.
pub async fn promote_instead_of(
    store: &Shared,
    project: ProjectId,
    flow: FlowId,
    number: u32,
    instead_of: Option<u32>,
) -> Promoted {
    let operation = operation("set_production_version", &[]);
    let promotion = Promotion { project_id: project, flow_id: flow, number, instead_of, operation, by: by(4) };
    store.set_production(promotion).await.unwrap()
}

/// Takes a flow out of sight.
pub async fn remove(store: &Shared, project: ProjectId, flow: FlowId, on_revision: Option<u64>) -> Removed {
    let operation = operation("delete_flow", &[]);
    let removal = Removal { project_id: project, flow_id: flow, on_revision, operation, by: by(5) };
    store.remove_flow(removal).await.unwrap()
}
