//! How flows come to be: organisations, projects, drafts, operations, versions, checkpoints, object models. Field names
//! are snake_case here, as published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CaptureMode, Gate, TestCase};

/// An organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Organisation {
    /// The organisation.
    pub organization_id: String,
    /// Its address.
    pub slug: String,
    /// For people.
    pub name: String,
    /// What traces of its flows keep, where a flow does not say.
    pub trace_capture: CaptureMode,
    /// ISO 8601.
    pub created_at: String,
}

/// Reply of `GET /orgs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrganisationList {
    /// Those that the caller belongs to.
    pub organizations: Vec<Organisation>,
}

/// Body of `PATCH /orgs/{org_id}`; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateOrganisation {
    /// For people, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What traces keep, where a flow does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_capture: Option<CaptureMode>,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProjectInfo {
    /// The project.
    pub project_id: String,
    /// Its address in the organisation.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The organisation.
    pub organization_id: String,
    /// The organisation's slug.
    pub organization: String,
    /// Whether assistants may call its published flows as tools.
    pub flows_as_tools: bool,
    /// ISO 8601.
    pub created_at: String,
}

/// Reply of `GET /projects`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProjectList {
    /// By slug.
    pub projects: Vec<ProjectInfo>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Body of `POST /projects`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateProject {
    /// Its address: 2 to 50 lowercase letters, digits and hyphens.
    pub slug: String,
    /// For people, at most 100 characters; absent: the slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether assistants may call its published flows as tools; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows_as_tools: Option<bool>,
}

/// Body of `PATCH /projects/{project_id}`; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateProject {
    /// For people, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people, at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether assistants may call its published flows as tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows_as_tools: Option<bool>,
}

/// A flow without its document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowSummary {
    /// The flow.
    pub flow_id: String,
    /// Its project.
    pub project_id: String,
    /// Its address in the project.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Counts the changes of the draft, from 1. Changes are made on a revision.
    pub revision: u64,
    /// Content hash of the draft as it runs.
    pub draft_hash: String,
    /// Highest published version; 0: none.
    pub latest_version: u32,
    /// The version that callers get who name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_version: Option<u32>,
    /// ISO 8601.
    pub created_at: String,
    /// When the draft was last changed; ISO 8601.
    pub updated_at: String,
}

/// Reply of `GET /flows`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowList {
    /// By slug.
    pub flows: Vec<FlowSummary>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Body of `POST /flows`: a document, or the slug of an empty flow.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateFlow {
    /// The project; absent: the key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Its address: 2 to 50 lowercase letters, digits and hyphens. Absent: the document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// For people; absent: the document's, or the slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people; absent: the document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The first draft; absent: an empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
}

/// Body of `PATCH /flows/{flow_id}`; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateFlow {
    /// Its address. Callers of the old one get `FLOW_NOT_FOUND` from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A flow with its draft.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowDraft {
    /// The flow.
    #[serde(flatten)]
    pub flow: FlowSummary,
    /// The draft as written.
    pub document: Value,
    /// How often the prompt or source of a step has changed, by its id; steps that are not there never were.
    pub content_versions: BTreeMap<String, u64>,
}

/// Something wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DraftProblem {
    /// Where: `steps[2].llm.prompt`; empty: the document as a whole.
    pub path: String,
    /// What kind of fault.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// `error`: it cannot be published; `warning`: it may surprise.
    pub severity: String,
}

/// Reply of `GET /flows/{flow_id}/problems`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DraftProblems {
    /// The flow.
    pub flow_id: String,
    /// The draft that was looked at.
    pub revision: u64,
    /// Whether it can run and be published.
    pub publishable: bool,
    /// All of them; the error ones keep it from being published.
    pub problems: Vec<DraftProblem>,
}

/// Body of `POST /flows/{flow_id}/operations`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplyOperations {
    /// The revision that they are made on; refused where the draft is at another. Absent: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// In order, 1 to 500, each with its name in `op`. All of them are done, or none.
    pub operations: Vec<Value>,
}

/// Body of `POST /flows/{flow_id}/operations/{seq}/undo`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UndoOperation {
    /// The revision that the caller saw; refused where the draft is at another. Absent: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// What a change of a draft did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowChange {
    /// The flow as it stands now.
    #[serde(flatten)]
    pub flow: FlowSummary,
    /// What was done, as the log has it; absent: there was nothing to do, and the revision is as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<LoggedOperation>,
    /// Ids of steps that were made, in order.
    pub created: Vec<String>,
}

/// A line of a flow's log: one operation, or several that were done together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoggedOperation {
    /// From 1, without gaps, per flow.
    pub seq: u64,
    /// The draft's revision after it.
    pub revision: u64,
    /// The name of the operation; `change` where there are different ones.
    pub op: String,
    /// In order, each with its name in `op`.
    pub operations: Vec<Value>,
    /// What it did, for people.
    pub summary: String,
    /// Ids of the steps that it changed.
    pub touched: Vec<String>,
    /// Key id, user id, or the name of what acted at the machine itself.
    pub author: String,
    /// Who that is, for people.
    pub author_name: String,
    /// ISO 8601.
    pub created_at: String,
    /// Whether it is of a kind that can be undone.
    pub undoable: bool,
    /// The earlier one that it took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    /// The later one that took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<u64>,
}

/// Reply of `GET /flows/{flow_id}/operations`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OperationLog {
    /// Newest first.
    pub operations: Vec<LoggedOperation>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Body of `POST /flows/{flow_id}/versions`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishVersion {
    /// What is new, for people; at most 2,000 characters.
    #[serde(default)]
    pub note: String,
    /// The revision to publish; refused where the draft is at another. Absent: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Test cases that must pass, besides those that the flow's own gate names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<Gate>,
}

/// A published version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionInfo {
    /// Names the version among those of all flows.
    pub version_id: String,
    /// The flow.
    pub flow_id: String,
    /// From 1.
    pub version: u32,
    /// Content hash of its document as it runs.
    pub hash: String,
    /// What is new, for people.
    pub note: String,
    /// Who published it.
    pub author: String,
    /// Who that is, for people.
    pub author_name: String,
    /// ISO 8601.
    pub created_at: String,
    /// Whether it is the one that callers get who name none.
    pub production: bool,
    /// Not to be used any more; it still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// From 1; one more each time that is said or taken back.
    pub revision: u64,
}

/// Since when, and why, a version is not to be used any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deprecation {
    /// ISO 8601.
    pub at: String,
    /// Why, for people.
    pub note: String,
}

/// Reply of `GET /flows/{flow_id}/versions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionList {
    /// Newest first.
    pub versions: Vec<VersionInfo>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A version with its document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionDocument {
    /// The version.
    #[serde(flatten)]
    pub version: VersionInfo,
    /// As it was written.
    pub document: Value,
    /// As it runs: with its object models as they were when it was published. Absent: as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Value>,
}

/// What differs between two versions of a flow.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionDiff {
    /// The flow.
    pub flow_id: String,
    /// The version it was; 0: the draft.
    pub from: u32,
    /// The version it is; 0: the draft.
    pub to: u32,
    /// Each with what happened in `change`: `added`, `removed`, `moved` or `changed`.
    pub changes: Vec<Value>,
    /// The same for people, as indented lines; empty: no difference.
    pub text: String,
}

/// Body of `PATCH /flows/{flow_id}/versions/{number}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeprecateVersion {
    /// Whether it is not to be used any more.
    pub deprecated: bool,
    /// Why, for people; at most 2,000 characters.
    #[serde(default)]
    pub note: String,
}

/// Body of `PUT /flows/{flow_id}/production`: a version by its number or its id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetProduction {
    /// By its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// By its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// Which version callers get who name none, and which it was before.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Production {
    /// The flow.
    pub flow_id: String,
    /// The version; absent: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Every time one was set, newest first, at most 100.
    pub history: Vec<ProductionChange>,
}

/// A version became the production version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductionChange {
    /// The version.
    pub version: u32,
    /// Who set it.
    pub author: String,
    /// Who that is, for people.
    pub author_name: String,
    /// ISO 8601.
    pub at: String,
}

/// Body of `POST /flows/{flow_id}/checkpoints`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateCheckpoint {
    /// The step whose contents are saved, with all that is in it.
    pub step_id: String,
    /// Why, for people; at most 2,000 characters.
    #[serde(default)]
    pub note: String,
}

/// Saved contents of one step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checkpoint {
    /// The checkpoint.
    pub checkpoint_id: String,
    /// The flow.
    pub flow_id: String,
    /// The step.
    pub step_id: String,
    /// Why it was saved.
    pub note: String,
    /// The draft's revision it was taken of.
    pub revision: u64,
    /// The step as it stood in the document.
    pub content: Value,
    /// Who saved it.
    pub author: String,
    /// Who that is, for people.
    pub author_name: String,
    /// ISO 8601.
    pub created_at: String,
}

/// Reply of `GET /flows/{flow_id}/checkpoints`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckpointList {
    /// Newest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Body of `POST /object-models`: fields, or a JSON Schema.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateObjectModel {
    /// The project; absent: the key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// What outputs name it by: `output: {model: Invoice}`. 1 to 64 letters, digits, `_` and `-`, unique in the
    /// project, and none of the names of types.
    pub name: String,
    /// For people; at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its fields, in order: `{name, type, description}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Value>>,
    /// In place of fields: a JSON Schema of type `object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// Body of `PATCH /object-models/{model_id}`; what is absent stays. A name is for good.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateObjectModel {
    /// For people; at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its fields, in order: `{name, type, description}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Value>>,
    /// In place of fields: a JSON Schema of type `object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// A named schema that outputs of blocks may refer to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectModel {
    /// The object model.
    pub object_model_id: String,
    /// Its project.
    pub project_id: String,
    /// What outputs name it by.
    pub name: String,
    /// For people.
    pub description: String,
    /// Its fields, in order: `{name, type, description}`.
    pub fields: Vec<Value>,
    /// JSON Schema.
    pub schema: Value,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// Who changed it last.
    pub author: String,
    /// Who that is, for people.
    pub author_name: String,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
}

/// An object model and the flows whose drafts name it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectModelUse {
    /// The object model as it stands now.
    #[serde(flatten)]
    pub model: ObjectModel,
    /// The flows whose drafts name it, and follow it. Published versions keep what they were published with.
    pub used_by: Vec<FlowUse>,
}

/// A flow whose draft names an object model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowUse {
    /// The flow.
    pub flow_id: String,
    /// Its slug.
    pub slug: String,
    /// For people.
    pub name: String,
    /// Ids of the steps whose output it is.
    pub step_ids: Vec<String>,
}

/// Reply of `GET /object-models`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectModelList {
    /// By name.
    pub object_models: Vec<ObjectModel>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `DELETE`: what is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deleted {
    /// Its id.
    pub id: String,
    /// Always true.
    pub deleted: bool,
}

/// A project with all that an author needs of it, a page of flows at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HydratedProject {
    /// The project.
    pub project: ProjectInfo,
    /// By slug.
    pub flows: Vec<HydratedFlow>,
    /// All of the project's, by name.
    pub object_models: Vec<ObjectModel>,
    /// Where the next page of flows begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A flow with all that belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HydratedFlow {
    /// The flow.
    #[serde(flatten)]
    pub flow: FlowSummary,
    /// The draft as written.
    pub document: Value,
    /// Its blocks in tree order, in the published spelling.
    pub blocks: Vec<Value>,
    /// How often the prompt or source of a step has changed, by its id; steps that are not there never were.
    pub content_versions: BTreeMap<String, u64>,
    /// Newest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Newest first.
    pub versions: Vec<VersionInfo>,
    /// In the order they were made in, without their cassettes.
    pub test_cases: Vec<TestCase>,
}
