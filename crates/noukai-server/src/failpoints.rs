//! Failpoints: at a named write of the store the process ends, or the write fails. The chaos harness drives them.
//!
//! Compiled with the feature `failpoints` alone (and for this crate's tests): no released binary has it. Knows which
//! writes there are and what they are called; knows nothing of what they mean.

mod identity;
mod test_cases;

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use noukai_api::CaptureMode;
use noukai_store::{
    Authoring, Begun, BudgetRecord, Budgets, CachedReply, Cancellation, Changed, ChangedKey, CheckpointFilter,
    CheckpointRecord, Claim, ClaimedJob, DraftChange, EventRecord, FlowFilter, FlowId, FlowRecord, Flows, Idempotency,
    IdempotencyKey, JobRecord, Jobs, KeptSince, KeyRecord, Keys, Lease, Ledger, Marked, ModelChange, ModelChanged,
    NewFlow, NewProject, Nodes, ObjectModelRecord, ObjectModels, OperationFilter, OperationRecord, OrganisationRecord,
    ProjectId, ProjectRecord, ProjectSettings, Projects, Promoted, Promotion, PromotionRecord, ProviderKeyRecord,
    ProviderKeys, Pruned, Publication, Published, QueueRecord, Release, Removal, Removed, ReplyCache, Resumed,
    RunChange, RunFilter, RunId, RunRecord, RunWrite, Runs, Sealed, Store, StoreError, StoredReply, Ticket, Upkeep,
    UsageEntry, UsageGroup, UsageQuery, VersionRecord,
};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

/// Every write there is a failpoint at, before and after it.
pub(crate) const WRITES: &[&str] = &[
    "submit",
    "claim",
    "start",
    "create",
    "step",
    "result",
    "events",
    "boundary",
    "pause",
    "resume",
    "finish",
    "heartbeat",
    "release",
    "cancel",
    "idempotency_begin",
    "idempotency_finish",
    "idempotency_abandon",
    "recover",
    "prune_runs",
    "prune_keys",
    "forget_retries",
    "give_back_space",
    "create_flow",
    "draft",
    "cache_reply",
    "prune_replies",
    "add_provider_key",
    "change_provider_key",
    "remove_provider_key",
    "provider_keys_used",
    "reseal",
    "publish",
    "usage",
    "prune_usage",
    "budget",
];

/// Before the write, or after it is stored and before anyone hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// What happens at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The process ends at once, as by `kill -9`.
    Abort,
    /// The write is not done, and fails.
    Fail,
}

/// One place: `WRITE.before:HIT` or `WRITE.after:HIT`; `WRITE.before:HIT:fail` where the write is to fail. HIT counts
/// from 1.
#[derive(Debug)]
pub(crate) struct Failpoint {
    write: &'static str,
    side: Side,
    hit: u32,
    action: Action,
    hits: AtomicU32,
}

impl FromStr for Failpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no failpoint: WRITE.before:HIT[:fail] or WRITE.after:HIT, of {}", WRITES.join(", "))
        };
        let (place, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (hit, action) = rest.split_once(':').map_or((rest, None), |(hit, action)| (hit, Some(action)));
        let (name, side) = place.split_once('.').ok_or_else(wrong)?;
        let (side, action) = match (side, action) {
            ("before", None) => (Side::Before, Action::Abort),
            ("before", Some("fail")) => (Side::Before, Action::Fail),
            ("after", None) => (Side::After, Action::Abort),
            _ => return Err(wrong()),
        };
        Ok(Self {
            write: WRITES.iter().find(|write| **write == name).ok_or_else(wrong)?,
            side,
            hit: hit.parse().map_err(|_| wrong())?,
            action,
            hits: AtomicU32::new(0),
        })
    }
}

impl Failpoint {
    fn reach(&self, write: &str, side: Side) -> Result<(), StoreError> {
        if write != self.write || side != self.side || self.hits.fetch_add(1, Ordering::Relaxed) + 1 != self.hit {
            return Ok(());
        }
        // Standard error is not buffered; the harness reads that the place was reached.
        tracing::error!("failpoint {self} reached");
        match self.action {
            Action::Abort => std::process::abort(),
            Action::Fail => Err(StoreError::Database(format!("failpoint {self}").into())),
        }
    }
}

impl fmt::Display for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.side == Side::Before { "before" } else { "after" };
        write!(f, "{}.{side}:{}", self.write, self.hit)
    }
}

/// A store with one failpoint in front of it.
pub(crate) struct FailingStore {
    inner: Arc<dyn Store>,
    point: Arc<Failpoint>,
}

impl FailingStore {
    pub fn over(inner: Arc<dyn Store>, point: Failpoint) -> Self {
        Self { inner, point: Arc::new(point) }
    }

    /// Does `work`, the write of that name, with the places before and after it.
    async fn at<T>(
        &self,
        write: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.point.reach(write, Side::Before)?;
        let done = work.await?;
        self.point.reach(write, Side::After)?;
        Ok(done)
    }
}

/// What a step of a run's life is called.
fn name_of(write: &RunWrite) -> &'static str {
    let has = |kinds: &[&str]| write.events.iter().any(|event| kinds.contains(&event.kind.as_ref()));
    match (&write.create, &write.change) {
        (Some(new), _) if new.job.is_some() => "submit",
        (_, Some(RunChange::Finished(_))) => "finish",
        (_, Some(RunChange::Paused { pause: Some(_), .. })) => "pause",
        (_, Some(RunChange::Paused { pause: None, .. })) => "boundary",
        (_, None) if has(&["completed", "leaf_completed", "item_failed", "skipped"]) => "result",
        (Some(_), _) => "create",
        (None, Some(RunChange::Running)) => "start",
        (None, None) if has(&["started"]) => "step",
        (None, None) => "events",
    }
}

#[async_trait]
impl Runs for FailingStore {
    fn append(&self, write: RunWrite) -> Ticket {
        let name = name_of(&write);
        let (answer, ticket) = Ticket::new();
        if let Err(error) = self.point.reach(name, Side::Before) {
            // Nobody listens: the caller did not want to know.
            let _ = answer.send(Err(error));
            return ticket;
        }
        // Queued here and now: writes of one run are stored in the order of the calls.
        let stored = self.inner.append(write).stored();
        let point = self.point.clone();
        // Ends with the write, which the store bounds.
        tokio::spawn(async move {
            let outcome = stored.await.and_then(|()| point.reach(name, Side::After));
            let _ = answer.send(outcome);
        });
        ticket
    }

    async fn run(&self, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.inner.run(project, id).await
    }

    async fn run_inputs(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        self.inner.run_inputs(project, id).await
    }

    async fn pause(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        self.inner.pause(project, id).await
    }

    async fn events(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.inner.events(project, id, after, limit).await
    }

    async fn events_with_state(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.inner.events_with_state(project, id, after, limit).await
    }

    async fn runs(&self, project: ProjectId, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.inner.runs(project, filter).await
    }

    async fn session_runs(&self, session_id: &str, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.inner.session_runs(session_id, limit).await
    }

    async fn resume(
        &self,
        project: ProjectId,
        id: RunId,
        last_seq: u64,
        from_final: bool,
        under: Option<RunId>,
        at: OffsetDateTime,
    ) -> Result<Resumed, StoreError> {
        self.at("resume", self.inner.resume(project, id, last_seq, from_final, under, at)).await
    }

    fn watch(&self, id: RunId) -> watch::Receiver<u64> {
        self.inner.watch(id)
    }
}

#[async_trait]
impl Jobs for FailingStore {
    async fn claim_jobs(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
        self.point.reach("claim", Side::Before)?;
        let claimed = self.inner.claim_jobs(claim).await?;
        if !claimed.is_empty() {
            self.point.reach("claim", Side::After)?;
        }
        Ok(claimed)
    }

    async fn heartbeat(&self, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
        self.at("heartbeat", self.inner.heartbeat(owner, lease_until)).await
    }

    async fn release_job(&self, id: RunId, lease: &Lease, how: Release) -> Result<(), StoreError> {
        self.at("release", self.inner.release_job(id, lease, how)).await
    }

    async fn job(&self, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError> {
        self.inner.job(project, id).await
    }

    async fn cancel_job(
        &self,
        project: ProjectId,
        id: RunId,
        cancellation: Cancellation,
    ) -> Result<Option<JobRecord>, StoreError> {
        self.at("cancel", self.inner.cancel_job(project, id, cancellation)).await
    }

    async fn queue(&self, project: ProjectId) -> Result<QueueRecord, StoreError> {
        self.inner.queue(project).await
    }

    fn watch_jobs(&self) -> watch::Receiver<u64> {
        self.inner.watch_jobs()
    }
}

#[async_trait]
impl Idempotency for FailingStore {
    async fn begin(
        &self,
        key: &IdempotencyKey,
        body_hash: &str,
        run: RunId,
        at: OffsetDateTime,
        expired_before: OffsetDateTime,
    ) -> Result<Begun, StoreError> {
        self.at("idempotency_begin", self.inner.begin(key, body_hash, run, at, expired_before)).await
    }

    async fn finish(&self, key: &IdempotencyKey, reply: &StoredReply) -> Result<(), StoreError> {
        self.at("idempotency_finish", self.inner.finish(key, reply)).await
    }

    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        self.at("idempotency_abandon", self.inner.abandon(key)).await
    }
}

#[async_trait]
impl ReplyCache for FailingStore {
    async fn cached_reply(
        &self,
        project: ProjectId,
        key: &str,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Option<String>, StoreError> {
        self.inner.cached_reply(project, key, since, now).await
    }

    async fn cache_reply(&self, reply: CachedReply, most_bytes: u64) -> Result<(), StoreError> {
        self.at("cache_reply", self.inner.cache_reply(reply, most_bytes)).await
    }

    async fn prune_replies(&self, now: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.at("prune_replies", self.inner.prune_replies(now, limit)).await
    }
}

#[async_trait]
impl ProviderKeys for FailingStore {
    async fn add_provider_key(&self, key: &ProviderKeyRecord, most: u32) -> Result<bool, StoreError> {
        self.at("add_provider_key", self.inner.add_provider_key(key, most)).await
    }

    async fn provider_key(&self, org: Uuid, id: Uuid) -> Result<Option<ProviderKeyRecord>, StoreError> {
        self.inner.provider_key(org, id).await
    }

    async fn provider_keys(&self, project: ProjectId) -> Result<Vec<ProviderKeyRecord>, StoreError> {
        self.inner.provider_keys(project).await
    }

    async fn change_provider_key(&self, org: Uuid, id: Uuid, to: &ChangedKey) -> Result<bool, StoreError> {
        self.at("change_provider_key", self.inner.change_provider_key(org, id, to)).await
    }

    async fn remove_provider_key(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.at("remove_provider_key", self.inner.remove_provider_key(org, id)).await
    }

    async fn provider_keys_used(&self, ids: &[Uuid], at: OffsetDateTime) -> Result<(), StoreError> {
        self.at("provider_keys_used", self.inner.provider_keys_used(ids, at)).await
    }

    async fn sealed_otherwise(
        &self,
        than: &str,
        after: Uuid,
        limit: u32,
    ) -> Result<Vec<ProviderKeyRecord>, StoreError> {
        self.inner.sealed_otherwise(than, after, limit).await
    }

    async fn reseal(&self, id: Uuid, from: &Sealed, to: &Sealed) -> Result<bool, StoreError> {
        self.at("reseal", self.inner.reseal(id, from, to)).await
    }

    async fn sealed_with(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.inner.sealed_with().await
    }
}

#[async_trait]
impl Ledger for FailingStore {
    async fn add_usage(&self, entries: Vec<Arc<UsageEntry>>) -> Result<(), StoreError> {
        self.at("usage", self.inner.add_usage(entries)).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageGroup>, StoreError> {
        self.inner.usage(query).await
    }

    async fn usage_entries(
        &self,
        project: ProjectId,
        time: (OffsetDateTime, OffsetDateTime),
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<UsageEntry>, StoreError> {
        self.inner.usage_entries(project, time, after, limit).await
    }

    async fn prune_usage(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.at("prune_usage", self.inner.prune_usage(before, limit)).await
    }
}

#[async_trait]
impl Budgets for FailingStore {
    async fn put_budget(&self, budget: &BudgetRecord, period: i64, since: i64) -> Result<BudgetRecord, StoreError> {
        self.at("budget", self.inner.put_budget(budget, period, since)).await
    }

    async fn budgets(&self) -> Result<Vec<BudgetRecord>, StoreError> {
        self.inner.budgets().await
    }

    async fn remove_budget(&self, org_id: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.at("budget", self.inner.remove_budget(org_id, id)).await
    }

    async fn spent(&self, of: &[(Uuid, i64)]) -> Result<Vec<i64>, StoreError> {
        self.inner.spent(of).await
    }
}

#[async_trait]
impl Upkeep for FailingStore {
    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }

    async fn recover(&self, at: OffsetDateTime) -> Result<Vec<RunRecord>, StoreError> {
        self.at("recover", self.inner.recover(at)).await
    }

    async fn paused_since(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.inner.paused_since(before, limit).await
    }

    async fn prune_runs(&self, kept: KeptSince, after: Option<RunId>, limit: u32) -> Result<Pruned, StoreError> {
        self.at("prune_runs", self.inner.prune_runs(kept, after, limit)).await
    }

    async fn prune_keys(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.at("prune_keys", self.inner.prune_keys(before, limit)).await
    }

    async fn forget_retries(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.at("forget_retries", self.inner.forget_retries(before, limit)).await
    }

    async fn give_back_space(&self) -> Result<(), StoreError> {
        self.at("give_back_space", self.inner.give_back_space()).await
    }

    fn nodes(&self) -> Option<&dyn Nodes> {
        self.inner.nodes()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Projects for FailingStore {
    async fn ensure_project(
        &self,
        org_slug: &str,
        slug: &str,
        org_id: Uuid,
        id: ProjectId,
        at: OffsetDateTime,
    ) -> Result<ProjectRecord, StoreError> {
        self.inner.ensure_project(org_slug, slug, org_id, id, at).await
    }

    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError> {
        self.inner.project(id).await
    }

    async fn project_at(&self, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
        self.inner.project_at(org_slug, slug).await
    }

    async fn projects(&self) -> Result<Vec<ProjectRecord>, StoreError> {
        self.inner.projects().await
    }

    async fn set_trace_capture(&self, org_id: Uuid, mode: CaptureMode) -> Result<(), StoreError> {
        self.inner.set_trace_capture(org_id, mode).await
    }

    async fn organisation(&self, org_id: Uuid) -> Result<Option<OrganisationRecord>, StoreError> {
        self.inner.organisation(org_id).await
    }

    async fn rename_organisation(&self, org_id: Uuid, name: &str) -> Result<bool, StoreError> {
        self.inner.rename_organisation(org_id, name).await
    }

    async fn projects_of(
        &self,
        org_id: Uuid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ProjectRecord>, StoreError> {
        self.inner.projects_of(org_id, after, limit).await
    }

    async fn create_project(&self, project: NewProject) -> Result<bool, StoreError> {
        self.inner.create_project(project).await
    }

    async fn update_project(
        &self,
        org_id: Uuid,
        id: ProjectId,
        settings: &ProjectSettings,
    ) -> Result<bool, StoreError> {
        self.inner.update_project(org_id, id, settings).await
    }
}

#[async_trait]
impl Flows for FailingStore {
    async fn flow(&self, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
        self.inner.flow(project, slug).await
    }

    async fn flows(&self, project: ProjectId) -> Result<Vec<FlowRecord>, StoreError> {
        self.inner.flows(project).await
    }

    async fn document(&self, project: ProjectId, hash: &str) -> Result<Option<String>, StoreError> {
        self.inner.document(project, hash).await
    }

    async fn keep_document(&self, project: ProjectId, hash: &str) -> Result<bool, StoreError> {
        self.inner.keep_document(project, hash).await
    }

    async fn version(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
    ) -> Result<Option<VersionRecord>, StoreError> {
        self.inner.version(project, flow, number).await
    }
}

#[async_trait]
impl Authoring for FailingStore {
    async fn create_flow(&self, new: NewFlow) -> Result<Option<FlowRecord>, StoreError> {
        self.at("create_flow", self.inner.create_flow(new)).await
    }

    async fn flow_of(&self, org: Uuid, id: FlowId) -> Result<Option<FlowRecord>, StoreError> {
        self.inner.flow_of(org, id).await
    }

    async fn flow_page(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<FlowRecord>, StoreError> {
        self.inner.flow_page(project, filter).await
    }

    async fn draft_page(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowRecord, String)>, StoreError> {
        self.inner.draft_page(project, filter).await
    }

    async fn change_draft(&self, change: DraftChange) -> Result<Changed, StoreError> {
        self.at("draft", self.inner.change_draft(change)).await
    }

    async fn remove_flow(&self, removal: Removal) -> Result<Removed, StoreError> {
        self.inner.remove_flow(removal).await
    }

    async fn operations(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: OperationFilter,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        self.inner.operations(project, flow, filter).await
    }

    async fn operations_from(
        &self,
        project: ProjectId,
        flow: FlowId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        self.inner.operations_from(project, flow, from, limit).await
    }

    async fn content_versions(&self, project: ProjectId, flow: FlowId) -> Result<Vec<(String, u64)>, StoreError> {
        self.inner.content_versions(project, flow).await
    }

    async fn page_content_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, String, u64)>, StoreError> {
        self.inner.page_content_versions(project, filter).await
    }

    async fn publish(&self, publication: Publication) -> Result<Published, StoreError> {
        self.at("publish", self.inner.publish(publication)).await
    }

    async fn versions(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<VersionRecord>, StoreError> {
        self.inner.versions(project, flow, before, limit).await
    }

    async fn page_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, VersionRecord)>, StoreError> {
        self.inner.page_versions(project, filter).await
    }

    async fn deprecate(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
        on_revision: Option<u64>,
        deprecated: Option<(OffsetDateTime, String)>,
    ) -> Result<Marked, StoreError> {
        self.inner.deprecate(project, flow, number, on_revision, deprecated).await
    }

    async fn set_production(&self, promotion: Promotion) -> Result<Promoted, StoreError> {
        self.inner.set_production(promotion).await
    }

    async fn promotions(
        &self,
        project: ProjectId,
        flow: FlowId,
        limit: u32,
    ) -> Result<Vec<PromotionRecord>, StoreError> {
        self.inner.promotions(project, flow, limit).await
    }

    async fn add_checkpoint(&self, project: ProjectId, checkpoint: CheckpointRecord) -> Result<bool, StoreError> {
        self.inner.add_checkpoint(project, checkpoint).await
    }

    async fn checkpoints(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: CheckpointFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.inner.checkpoints(project, flow, filter).await
    }

    async fn page_checkpoints(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.inner.page_checkpoints(project, filter).await
    }

    async fn checkpoint(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: Uuid,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        self.inner.checkpoint(project, flow, id).await
    }

    async fn remove_checkpoint(&self, project: ProjectId, flow: FlowId, id: Uuid) -> Result<bool, StoreError> {
        self.inner.remove_checkpoint(project, flow, id).await
    }
}

#[async_trait]
impl ObjectModels for FailingStore {
    async fn object_models(&self, project: ProjectId) -> Result<Vec<ObjectModelRecord>, StoreError> {
        self.inner.object_models(project).await
    }

    async fn object_model_page(
        &self,
        project: ProjectId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ObjectModelRecord>, StoreError> {
        self.inner.object_model_page(project, after, limit).await
    }

    async fn object_model_of(&self, org: Uuid, id: Uuid) -> Result<Option<ObjectModelRecord>, StoreError> {
        self.inner.object_model_of(org, id).await
    }

    async fn flows_with_model(&self, project: ProjectId, name: &str) -> Result<Vec<(FlowRecord, String)>, StoreError> {
        self.inner.flows_with_model(project, name).await
    }

    async fn change_model(&self, change: ModelChange) -> Result<ModelChanged, StoreError> {
        self.inner.change_model(change).await
    }
}

#[async_trait]
impl Keys for FailingStore {
    async fn add_key(&self, key: &KeyRecord, max_active: u32, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.inner.add_key(key, max_active, now).await
    }

    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.key(key_id).await
    }

    async fn keys(
        &self,
        project: ProjectId,
        before: Option<(OffsetDateTime, String)>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        self.inner.keys(project, before, limit).await
    }

    async fn revoke_key(
        &self,
        project: ProjectId,
        key_id: &str,
        at: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        self.inner.revoke_key(project, key_id, at).await
    }
}

#[cfg(test)]
mod tests {
    use noukai_store::{Draft, NewOperation, Signature, StoredDocument};

    use super::*;

    fn new_flow(project_id: ProjectId, at: OffsetDateTime) -> NewFlow {
        let [slug, name, description] = ["a", "A", ""].map(str::to_owned);
        let source = StoredDocument { hash: "h".to_owned(), json: "{}".to_owned() };
        let [op, operations, touched, summary] = ["create_flow", "[]", "[]", "made"].map(str::to_owned);
        let [author, by] = ["ann", "Ann"].map(str::to_owned);
        NewFlow {
            project_id,
            id: FlowId(Uuid::now_v7()),
            draft: Draft { slug, name, description, source, resolved: None, models: None },
            operation: NewOperation { op, operations, inverse: None, touched, summary, undoes: None },
            by: Signature { author, name: by, at },
        }
    }

    #[test]
    fn failpoints_are_read() {
        let point: Failpoint = "finish.after:2".parse().unwrap();
        assert_eq!((point.to_string().as_str(), point.action), ("finish.after:2", Action::Abort));
        let wrong =
            ["", "finish", "finish.after", "finish.after:x", "finish.during:1", "nothing.after:1", "step.before:1:x"];
        for bad in wrong.into_iter().chain(["finish.after:1:fail"]) {
            assert!(bad.parse::<Failpoint>().unwrap_err().contains("submit"), "{bad}");
        }
    }

    #[test]
    fn only_the_named_hit_on_the_named_side_counts() {
        let point: Failpoint = "step.before:2:fail".parse().unwrap();
        let reached = |write, side| point.reach(write, side).is_err();
        assert!(!reached("step", Side::Before));
        assert!(!reached("step", Side::After));
        assert!(!reached("finish", Side::Before));
        assert!(reached("step", Side::Before));
        assert!(!reached("step", Side::Before));
    }

    #[tokio::test]
    async fn a_write_that_fails_is_not_stored() {
        use noukai_store::{SqliteOptions, SqliteStore};
        let inner: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::default()).unwrap());
        let store = FailingStore::over(inner, "create_flow.before:1:fail".parse().unwrap());
        let now = OffsetDateTime::now_utc();
        let id = ProjectId(Uuid::now_v7());
        let project = store.ensure_project("acme", "demo", Uuid::now_v7(), id, now).await.unwrap();
        let create = async || store.create_flow(new_flow(project.id, now)).await;
        assert!(matches!(create().await, Err(StoreError::Database(_))));
        assert!(store.flow(project.id, "a").await.unwrap().is_none());
        create().await.unwrap();
        assert!(store.flow(project.id, "a").await.unwrap().is_some());
    }
}
