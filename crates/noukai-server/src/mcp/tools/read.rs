//! Tools that look.

use noukai_api::{
    ErrorCode, FlowDraft, FlowList, FlowRunList, HydratedFlow, ObjectModel, OperationLog, ProjectInfo, TestRunTrace,
    Trace,
};
use noukai_flow::published::{PublishedBlock, PublishedNode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Who;
use crate::app::{AppError, FlowQuery, LogQuery, Page, RunQuery};

/// Flows per page, while all are gathered.
const PAGE: u32 = 100;
/// Most pages that are gathered.
const PAGES: usize = 20;

/// Names a project.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfProject {
    /// The project.
    project_id: String,
}

/// Names a flow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfFlow {
    /// The flow.
    pub(super) flow_id: String,
}

/// Names a step of a flow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfStep {
    /// The flow.
    flow_id: String,
    /// The block.
    step_id: String,
}

/// Names a part of a flow's history.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct History {
    /// The flow.
    flow_id: String,
    /// How many, 1 to 100.
    #[serde(default = "usual_limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
    /// How many to leave out first.
    #[serde(default)]
    offset: u32,
}

const fn usual_limit() -> u32 {
    20
}

/// Names a test run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfTestRun {
    /// The test run.
    pub(super) test_run_id: String,
}

/// Which runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Runs {
    /// Of one flow.
    #[serde(default)]
    flow_id: Option<String>,
    /// `pending`, `running`, `paused`, `completed`, `failed` or `cancelled`.
    #[serde(default)]
    status: Option<String>,
    /// How many, 1 to 100.
    #[serde(default)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// Names a run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfRun {
    /// The run.
    execution_id: String,
}

/// The tree of a draft.
#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Structure {
    /// The flow.
    flow_id: String,
    /// The draft's revision.
    revision: u64,
    /// The root sequence.
    nodes: Vec<PublishedNode>,
}

/// One block.
#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Block {
    /// The flow.
    flow_id: String,
    /// The draft's revision.
    revision: u64,
    /// How often the prompt or source has changed.
    content_version: u64,
    /// The block.
    block: PublishedBlock,
}

/// A whole project.
#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Hydrated {
    /// The project.
    project: ProjectInfo,
    /// All flows, by slug.
    flows: Vec<HydratedFlow>,
    /// All object models, by name.
    object_models: Vec<ObjectModel>,
}

pub(in crate::mcp) async fn list_flows(who: Who<'_>, of: OfProject) -> Result<FlowList, AppError> {
    let mut all = FlowList { flows: Vec::new(), next_cursor: None };
    for _ in 0..PAGES {
        let query = FlowQuery {
            project_id: Some(of.project_id.clone()),
            limit: Some(PAGE),
            cursor: all.next_cursor.take(),
            ..FlowQuery::default()
        };
        let page = who.app.list_flows(who.author, query).await?;
        all.flows.extend(page.flows);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

pub(in crate::mcp) async fn get_flow(who: Who<'_>, of: OfFlow) -> Result<FlowDraft, AppError> {
    who.app.flow_draft(who.author, &of.flow_id).await
}

pub(in crate::mcp) async fn get_flow_structure(who: Who<'_>, of: OfFlow) -> Result<Structure, AppError> {
    let draft = who.app.flow_draft(who.author, &of.flow_id).await?;
    let nodes = noukai_flow::published::structure(&draft.document);
    Ok(Structure { flow_id: draft.flow.flow_id, revision: draft.flow.revision, nodes })
}

pub(in crate::mcp) async fn get_block(who: Who<'_>, of: OfStep) -> Result<Block, AppError> {
    let draft = who.app.flow_draft(who.author, &of.flow_id).await?;
    let block = noukai_flow::published::block(&draft.document, &of.step_id);
    let block = block.map_err(|refusal| AppError::new(ErrorCode::StepNotFound, refusal.message))?;
    let content_version = draft.content_versions.get(&of.step_id).copied().unwrap_or_default();
    Ok(Block { flow_id: draft.flow.flow_id, revision: draft.flow.revision, content_version, block })
}

pub(in crate::mcp) async fn get_operation_history(who: Who<'_>, of: History) -> Result<OperationLog, AppError> {
    let query = LogQuery { limit: Some(of.limit), offset: of.offset, ..LogQuery::default() };
    who.app.operation_log(who.author, &of.flow_id, &query).await
}

pub(in crate::mcp) async fn hydrate_project(who: Who<'_>, of: OfProject) -> Result<Hydrated, AppError> {
    let mut page = who.app.hydrate_project(who.author, &of.project_id, None, None).await?;
    let (mut flows, mut cursor) = (page.flows, page.next_cursor.take());
    while let Some(next) = cursor.take() {
        let more = who.app.hydrate_project(who.author, &of.project_id, None, Some(&next)).await?;
        flows.extend(more.flows);
        cursor = more.next_cursor.filter(|_| flows.len() < PAGES * PAGE as usize);
    }
    Ok(Hydrated { project: page.project, flows, object_models: page.object_models })
}

pub(in crate::mcp) async fn get_test_run_trace(who: Who<'_>, of: OfTestRun) -> Result<TestRunTrace, AppError> {
    who.app.test_run_trace(who.caller, &of.test_run_id, &Page { limit: Some(PAGE), cursor: None }).await
}

pub(in crate::mcp) async fn list_flow_runs(who: Who<'_>, of: Runs) -> Result<FlowRunList, AppError> {
    // A flow that is not in reach is as good as none, as with every other tool.
    if let Some(flow) = &of.flow_id {
        who.app.flow_draft(who.author, flow).await?;
    }
    let query =
        RunQuery { flow_id: of.flow_id, status: of.status, limit: of.limit, cursor: of.cursor, ..RunQuery::default() };
    who.app.flow_runs(who.caller, query).await
}

pub(in crate::mcp) async fn get_flow_run_trace(who: Who<'_>, of: OfRun) -> Result<Trace, AppError> {
    who.app.trace(who.caller, None, &of.execution_id).await
}
