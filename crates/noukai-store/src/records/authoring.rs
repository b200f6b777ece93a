//! What changing flows stores: drafts, the log of operations, versions, checkpoints, object models.

use noukai_api::CaptureMode;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{FlowId, FlowRecord, ProjectId, VersionRecord};

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationRecord {
    /// The organisation.
    pub id: Uuid,
    /// Unique.
    pub slug: String,
    /// For people; empty: none was given.
    pub name: String,
    /// The default for its flows.
    pub trace_capture: CaptureMode,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A project to be made in an organisation that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// The project.
    pub id: ProjectId,
    /// Its organisation.
    pub org_id: Uuid,
    /// Unique in the organisation.
    pub slug: String,
    /// What people see.
    pub settings: ProjectSettings,
    /// When.
    pub at: OffsetDateTime,
}

/// What can be changed about a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectSettings {
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Whether assistants may call its published flows as tools.
    pub flows_as_tools: bool,
}

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Key id, user id, or the name of what acts at the machine itself.
    pub author: String,
    /// For people.
    pub name: String,
    /// When.
    pub at: OffsetDateTime,
}

/// A document with its content hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its hash.
    pub hash: String,
    /// JSON.
    pub json: String,
}

/// A draft as it is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The flow's address, as the document says it.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// As written.
    pub source: StoredDocument,
    /// As it runs, with its object models filled in; `None`: as written.
    pub resolved: Option<StoredDocument>,
    /// The object models that it names; `None`: none.
    pub models: Option<ModelsUsed>,
}

/// The object models that a document names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelsUsed {
    /// Each once.
    pub names: Vec<String>,
    /// The project's count of changes of its object models when they were filled in.
    pub revision: u64,
}

/// A line of a flow's log to be written: one operation, or several that were done together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOperation {
    /// What kind.
    pub op: String,
    /// A JSON array of the operations.
    pub operations: String,
    /// A JSON array of the operations that take it back; `None`: it cannot be taken back.
    pub inverse: Option<String>,
    /// A JSON array of texts that say what it changes.
    pub touched: String,
    /// What it did, for people.
    pub summary: String,
    /// The earlier line that it takes back.
    pub undoes: Option<u64>,
}

/// A line of a flow's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// From 1, without gaps, per flow.
    pub seq: u64,
    /// The draft's revision after it.
    pub revision: u64,
    /// What was written.
    pub operation: NewOperation,
    /// The later one that took it back, if one did.
    pub undone_by: Option<u64>,
    /// Who and when.
    pub by: Signature,
}

/// What a log is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// Older than this line (exclusive).
    pub before: Option<u64>,
    /// Those that change this: one of the texts, as a JSON string.
    pub touched: Option<String>,
    /// Of one kind.
    pub op: Option<String>,
    /// Leave so many out first.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

/// A flow to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFlow {
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub id: FlowId,
    /// Its first draft, revision 1.
    pub draft: Draft,
    /// The first line of its log.
    pub operation: NewOperation,
    /// Who and when.
    pub by: Signature,
}

/// A change of a draft: all of it is stored in one transaction, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftChange {
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// The revision that it was made on.
    pub on_revision: u64,
    /// What the draft is then.
    pub draft: Draft,
    /// The line for the log.
    pub operation: NewOperation,
    /// Steps whose prompt or source is another then; each counts its versions.
    pub contents: Vec<String>,
    /// Who and when.
    pub by: Signature,
}

/// What became of a change of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Stored.
    Done(Box<FlowRecord>),
    /// The draft is at another revision by now; nothing was stored.
    Stale(u64),
    /// The project's object models have changed since they were filled in; nothing was stored.
    ModelsMoved,
    /// The project has no such flow.
    Missing,
}

/// A draft to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// The version; its number is one more than the latest one's, its hashes are the draft's.
    pub version: VersionRecord,
    /// The line for the log.
    pub operation: NewOperation,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// A new version.
    New(VersionRecord),
    /// The latest version has the very content already.
    Same(VersionRecord),
    /// The draft, or the latest version, is another one by now; nothing was stored.
    Moved,
    /// The project has no such flow.
    Missing,
}

/// A change of what is the production version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// The version.
    pub number: u32,
    /// Only where this is the production version, 0 standing for none; `None`: whatever is.
    pub instead_of: Option<u32>,
    /// The line for the log.
    pub operation: NewOperation,
    /// Who and when.
    pub by: Signature,
}

impl Promotion {
    /// The production version that keeps it from being done.
    pub(crate) fn hindered_by(&self, production: Option<u32>) -> Option<u32> {
        let now = production.unwrap_or_default();
        self.instead_of.filter(|wanted| *wanted != now).map(|_| now)
    }
}

/// What became of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promoted {
    /// It is the production version now.
    Done,
    /// Another one is production by now than was expected, 0 standing for none; nothing was done.
    Stale(u32),
    /// The project has no such flow or version.
    Missing,
}

/// When which version became the production version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionRecord {
    /// The version.
    pub number: u32,
    /// Who and when.
    pub by: Signature,
}

/// A flow to be taken out of sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// The revision that the caller saw; `None`: whatever it is.
    pub on_revision: Option<u64>,
    /// The line for the log.
    pub operation: NewOperation,
    /// Who and when.
    pub by: Signature,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Out of sight.
    Done,
    /// The draft is at another revision by now; nothing was done.
    Stale(u64),
    /// The project has no such flow.
    Missing,
}

/// What a list of flows is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// Part of the slug or the name, in whatever case.
    pub text: Option<String>,
    /// Slugs behind this one (exclusive).
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Saved contents of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// The checkpoint; time-ordered.
    pub id: Uuid,
    /// The flow.
    pub flow_id: FlowId,
    /// The step.
    pub step_id: String,
    /// Why it was saved.
    pub note: String,
    /// The draft's revision it was taken of.
    pub revision: u64,
    /// The step as JSON.
    pub content: String,
    /// Who and when.
    pub by: Signature,
}

/// What became of marking a version as no longer to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// Stored; the version as it is then.
    Done(VersionRecord),
    /// The version has this revision by now; nothing was stored.
    Stale(u64),
    /// The flow has no such version.
    Missing,
}

impl Marked {
    /// Of the version as it is found afterwards.
    pub(crate) fn of(done: bool, found: Option<VersionRecord>) -> Self {
        match found {
            Some(version) if done => Self::Done(version),
            Some(version) => Self::Stale(version.revision),
            None => Self::Missing,
        }
    }
}

/// What a list of checkpoints is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointFilter {
    /// Of one step.
    pub step_id: Option<String>,
    /// Older than this one (exclusive).
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// A named schema that outputs of blocks may refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectModelRecord {
    /// The object model.
    pub id: Uuid,
    /// The tenant.
    pub project_id: ProjectId,
    /// Unique in the project.
    pub name: String,
    /// For people.
    pub description: String,
    /// JSON Schema.
    pub schema: String,
    /// From 1, counts its changes.
    pub revision: u64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Who changed it last, and when.
    pub by: Signature,
}

/// A change of one object model, with what it changes in the drafts that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChange {
    /// The tenant.
    pub project_id: ProjectId,
    /// The project's count of changes that the drafts were looked at with.
    pub on_revision: u64,
    /// What to do.
    pub what: ModelAction,
    /// What it is called, which never changes.
    pub name: String,
    /// Every draft that names it.
    pub drafts: Vec<ModelDraft>,
}

/// What to do with an object model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAction {
    /// Make it.
    Create(ObjectModelRecord),
    /// Replace it, which has the revision before.
    Update(ObjectModelRecord),
    /// Delete it.
    Delete {
        /// Which.
        id: Uuid,
        /// Only where it has this revision.
        on_revision: Option<u64>,
        /// Who and when.
        by: Signature,
    },
}

impl ModelChange {
    /// Who changes it, and when.
    pub(crate) const fn by(&self) -> &Signature {
        match &self.what {
            ModelAction::Create(record) | ModelAction::Update(record) => &record.by,
            ModelAction::Delete { by, .. } => by,
        }
    }
}

/// A draft that names an object model, as a change of that one finds it.
#[derive(Debug)]
pub(crate) struct ModelUser {
    pub flow: FlowId,
    pub revision: u64,
    pub draft_hash: String,
    pub source_hash: String,
}

impl ModelUser {
    pub fn is(&self, draft: &ModelDraft) -> bool {
        (self.flow, self.revision) == (draft.flow_id, draft.revision)
    }

    /// Whether what it ran so far is left over then.
    pub fn leaves_one(&self, draft: &ModelDraft) -> bool {
        self.draft_hash != draft.resolved.hash && self.draft_hash != self.source_hash
    }
}

impl ModelChange {
    /// Whether its drafts are those that name the object model.
    pub(crate) fn covers(&self, users: &[ModelUser]) -> bool {
        users.len() == self.drafts.len() && users.iter().all(|user| self.drafts.iter().any(|draft| user.is(draft)))
    }
}

/// A draft whose object models are filled in anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDraft {
    /// The flow.
    pub flow_id: FlowId,
    /// The draft's revision.
    pub revision: u64,
    /// As it runs from now on.
    pub resolved: StoredDocument,
}

/// What became of a change of an object model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelChanged {
    /// Stored.
    Done,
    /// Another change came first; nothing was stored.
    Moved,
    /// The project has no such object model.
    Missing,
    /// The project has one of that name.
    NameTaken,
}
