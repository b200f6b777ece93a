//! Flows as runs find them: from an address to a pinned, checked tree. How they come to be is in `authoring`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use noukai_api::{CaptureMode, ErrorCode, FieldError};
use noukai_flow::{Bounds, Flow, Problem, ProblemCode};
use noukai_store::{FlowId, FlowRecord, ProjectId, ProjectRecord};
use quick_cache::sync::Cache;
use serde_json::Value;
use uuid::Uuid;

use super::{App, AppError, Caller};

/// Checked documents held at the same time.
const CACHED_FLOWS: usize = 1_000;
/// How long a flow's row is taken as it was read: long enough to spare the store under load, shorter than a command
/// that changes it from another process takes to end. Changes by this process count at once.
const RECORD_TIME: Duration = Duration::from_millis(2);

/// Tries to run a draft that others change at the same time.
const PIN_TRIES: usize = 32;

/// A project with its organisation.
#[derive(Debug, Clone)]
pub struct Project {
    /// The project.
    pub id: Uuid,
    /// Its slug.
    pub slug: String,
    /// The organisation.
    pub org_id: Uuid,
    /// The organisation's slug.
    pub org: String,
    pub(crate) record: ProjectRecord,
}

impl From<ProjectRecord> for Project {
    fn from(record: ProjectRecord) -> Self {
        Self { id: record.id.0, slug: record.slug.clone(), org_id: record.org_id, org: record.org_slug.clone(), record }
    }
}

/// What became of a document that was put.
#[derive(Debug, Clone)]
pub struct PutFlow {
    /// The flow's slug.
    pub slug: String,
    /// The flow.
    pub flow_id: String,
    /// Whether the draft's content changed.
    pub changed: bool,
    /// What is wrong with it; a draft may be saved with problems, it just cannot run.
    pub problems: Vec<Problem>,
}

/// A flow in a list.
#[derive(Debug, Clone)]
pub struct FlowInfo {
    /// Its slug.
    pub slug: String,
    /// For people.
    pub name: String,
    /// The flow.
    pub flow_id: String,
    /// Highest published version; 0: none.
    pub latest_version: u32,
    /// The production version.
    pub production: Option<u32>,
}

/// Which version of a flow is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSelector {
    /// The production version, or the draft where nothing was ever published.
    Production,
    /// The draft.
    Draft,
    /// A published version, from 1.
    Number(u32),
}

impl VersionSelector {
    /// Reads a path segment: `v0` is the draft, `vN` version N.
    ///
    /// # Errors
    /// `INVALID_VERSION` for anything else.
    pub fn parse(segment: &str) -> Result<Self, AppError> {
        segment.strip_prefix('v').map_or_else(|| Err(invalid_version(segment)), Self::parse_number)
    }

    /// Reads a bare number: 0 is the draft.
    ///
    /// # Errors
    /// `INVALID_VERSION` for anything else.
    pub fn parse_number(text: &str) -> Result<Self, AppError> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| text.parse::<u32>().ok()).flatten().ok_or_else(|| invalid_version(text))?;
        Ok(if number == 0 { Self::Draft } else { Self::Number(number) })
    }
}

fn invalid_version(text: &str) -> AppError {
    let shown: String = text.chars().take(40).collect();
    let message = format!("`{shown}` is no version; use `v0` for the draft or `v1`, `v2` ... for a published version");
    AppError::new(ErrorCode::InvalidVersion, message)
}

/// A flow's address inside the caller's project.
#[derive(Debug, Clone)]
pub struct FlowAddress {
    /// Its slug.
    pub flow: String,
    /// Which version.
    pub version: VersionSelector,
}

/// A flow as a run pins it.
#[derive(Debug, Clone)]
pub(crate) struct Pinned {
    pub flow_id: FlowId,
    pub slug: String,
    pub version: u32,
    pub hash: String,
    pub flow: Arc<Flow>,
}

pub(crate) struct FlowCache {
    /// By content hash: never stale.
    checked: Cache<(ProjectId, String), Arc<Flow>>,
    /// By slug, for a moment: another process may publish or promote.
    records: Cache<(ProjectId, String), (Instant, Arc<FlowRecord>)>,
    /// Hashes of drafts that runs had: their documents are kept.
    kept: Cache<(ProjectId, String), ()>,
}

impl FlowCache {
    pub fn new() -> Self {
        let (checked, records, kept) = (Cache::new(CACHED_FLOWS), Cache::new(CACHED_FLOWS), Cache::new(CACHED_FLOWS));
        Self { checked, records, kept }
    }

    fn record(&self, key: &(ProjectId, String)) -> Option<Arc<FlowRecord>> {
        let (since, record) = self.records.get(key)?;
        (since.elapsed() < RECORD_TIME).then_some(record)
    }

    /// A flow has changed.
    pub fn forget(&self, project: ProjectId, slug: &str) {
        self.records.remove(&(project, slug.to_owned()));
    }
}

impl App {
    /// Whether the caller's project has the flow.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`.
    pub async fn flow_exists(&self, caller: &Caller, address: &FlowAddress) -> Result<(), AppError> {
        self.flow_record(caller.scope(), &address.flow).await.map(|_| ())
    }

    pub(crate) async fn flow_record(&self, project: ProjectId, slug: &str) -> Result<Arc<FlowRecord>, AppError> {
        let key = (project, slug.to_owned());
        if let Some(record) = self.inner.flows.record(&key) {
            return Ok(record);
        }
        let record = self.store().flow(project, slug).await?.ok_or_else(|| {
            let shown: String = slug.chars().take(60).collect();
            AppError::new(ErrorCode::FlowNotFound, format!("the project has no flow `{shown}`"))
        })?;
        let record = Arc::new(record);
        self.inner.flows.records.insert(key, (Instant::now(), record.clone()));
        Ok(record)
    }

    /// The version an address means, checked and ready to run.
    pub(crate) async fn pin(&self, caller: &Caller, address: &FlowAddress) -> Result<Pinned, AppError> {
        let scope = caller.scope();
        for _ in 0..PIN_TRIES {
            let record = self.flow_record(scope, &address.flow).await?;
            let (version, hash) = self.select(scope, &record, address.version).await?;
            if version == 0 && !self.keep(scope, &hash).await? {
                // The draft has changed since its row was read.
                self.forget_record(scope, &address.flow);
                continue;
            }
            let flow = self.checked(scope, &hash).await?;
            return Ok(Pinned { flow_id: record.id, slug: record.slug.clone(), version, hash, flow });
        }
        Err(AppError::new(ErrorCode::Conflict, "the draft changes all the time; run a published version, or try again"))
    }

    /// Keeps a draft's document, as a run will have it; false where it is gone.
    async fn keep(&self, project: ProjectId, hash: &str) -> Result<bool, AppError> {
        let key = (project, hash.to_owned());
        if self.inner.flows.kept.get(&key).is_some() {
            return Ok(true);
        }
        let kept = self.store().keep_document(project, hash).await?;
        if kept {
            self.inner.flows.kept.insert(key, ());
        }
        Ok(kept)
    }

    async fn select(
        &self,
        project: ProjectId,
        record: &FlowRecord,
        version: VersionSelector,
    ) -> Result<(u32, String), AppError> {
        match (version, &record.production) {
            (VersionSelector::Production, Some((number, hash))) => Ok((*number, hash.clone())),
            (VersionSelector::Production | VersionSelector::Draft, _) => Ok((0, record.draft_hash.clone())),
            (VersionSelector::Number(number), _) => {
                let found = self.store().version(project, record.id, number).await?;
                let hash = found.ok_or_else(|| version_not_found(record, number))?.hash;
                Ok((number, hash))
            }
        }
    }

    /// A document of the project as a tree that may run.
    pub(crate) async fn checked(&self, project: ProjectId, hash: &str) -> Result<Arc<Flow>, AppError> {
        let key = (project, hash.to_owned());
        if let Some(flow) = self.inner.flows.checked.get(&key) {
            return Ok(flow);
        }
        let document = self.store().document(project, hash).await?;
        let document = document.ok_or_else(|| AppError::internal(format!("no document {hash}")))?;
        let document: Value = serde_json::from_str(&document).map_err(AppError::internal)?;
        let checked = noukai_flow::check(&document, &self.flow_bounds());
        let flow = Arc::new(checked.flow.ok_or_else(|| not_runnable(&checked.problems))?);
        let problems = self.code().problems(&flow).await?;
        if !problems.is_empty() {
            return Err(not_runnable(&problems));
        }
        self.inner.flows.checked.insert(key, flow.clone());
        Ok(flow)
    }

    /// Bounds that documents are checked against.
    pub fn flow_bounds(&self) -> Bounds {
        let limits = self.limits();
        Bounds {
            blocks: limits.blocks_per_flow as usize,
            nesting: limits.nesting as usize,
            parallel_width: limits.parallel_width as usize,
            ..Bounds::default()
        }
    }

    /// What a run of the flow captures.
    pub(crate) fn capture_mode(&self, caller: &Caller, flow: &Flow, trace: bool) -> CaptureMode {
        if trace {
            return CaptureMode::Full;
        }
        let default = self.inner.parts.capture.unwrap_or(caller.record.trace_capture);
        flow.trace_capture.unwrap_or(default)
    }

    /// The project of that address, made if missing.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for slugs that break the rule; failures of the store.
    pub async fn ensure_project(&self, org: &str, project: &str) -> Result<Project, AppError> {
        for (field, slug) in [("org", org), ("project", project)] {
            if !noukai_flow::is_slug(slug) {
                return Err(AppError::invalid_field(&[field], format!("`{slug}` is no slug: {}", SLUG_RULE)));
            }
        }
        let (org_id, id) = (Uuid::now_v7(), ProjectId(Uuid::now_v7()));
        Ok(self.store().ensure_project(org, project, org_id, id, self.now()).await?.into())
    }

    /// All projects, for the operator.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn projects(&self) -> Result<Vec<Project>, AppError> {
        Ok(self.store().projects().await?.into_iter().map(Project::from).collect())
    }

    /// The project's flows, by slug.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn flows(&self, project: &Project) -> Result<Vec<FlowInfo>, AppError> {
        let info = |record: FlowRecord| FlowInfo {
            slug: record.slug,
            name: record.name,
            flow_id: record.id.to_string(),
            latest_version: record.latest_version,
            production: record.production.map(|(number, _)| number),
        };
        Ok(self.store().flows(project.record.id).await?.into_iter().map(info).collect())
    }
}

/// The rule for slugs, in words.
pub(crate) const SLUG_RULE: &str = "2 to 50 lowercase letters, digits and hyphens, with no hyphen at either end";

pub(crate) fn version_not_found(record: &FlowRecord, number: u32) -> AppError {
    let has = match record.latest_version {
        0 => "it has no published version yet".to_owned(),
        latest => format!("its latest is {latest}"),
    };
    AppError::new(ErrorCode::VersionNotFound, format!("the flow `{}` has no version {number}; {has}", record.slug))
}

/// Problems of a stored draft, as the error of a run that cannot start.
fn not_runnable(problems: &[Problem]) -> AppError {
    let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.is_error()).collect();
    if errors.iter().all(|problem| problem.code == ProblemCode::NoSteps) {
        return AppError::new(ErrorCode::NoSteps, "the flow has no blocks; add one before you run it");
    }
    let mut error =
        AppError::new(ErrorCode::InvalidTree, "the flow has problems that keep it from running; see `errors`");
    error.errors = as_field_errors(problems);
    error
}

pub(crate) fn as_field_errors(problems: &[Problem]) -> Vec<FieldError> {
    let fault = |problem: &Problem| FieldError {
        loc: vec!["document".to_owned(), problem.path.clone()],
        msg: problem.message.clone(),
    };
    problems.iter().filter(|problem| problem.is_error()).map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_v_and_a_plain_number() {
        assert_eq!(VersionSelector::parse("v0").unwrap(), VersionSelector::Draft);
        assert_eq!(VersionSelector::parse("v12").unwrap(), VersionSelector::Number(12));
        for bad in ["v", "3", "v-1", "v+1", "vdraft", "v1.0", "v99999999999", "V1", "v 1", "v٣"] {
            assert_eq!(VersionSelector::parse(bad).unwrap_err().code, ErrorCode::InvalidVersion, "{bad}");
        }
    }
}
