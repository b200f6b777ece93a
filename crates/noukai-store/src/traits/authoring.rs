//! How flows come to be. Each write stores what it changes and the line of the log that says so in one transaction.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Changed, CheckpointFilter, CheckpointRecord, DraftChange, FlowFilter, FlowId, FlowRecord, Marked, ModelChange,
    ModelChanged, NewFlow, ObjectModelRecord, OperationFilter, OperationRecord, ProjectId, Promoted, Promotion,
    PromotionRecord, Publication, Published, Removal, Removed, StoreError, VersionRecord,
};

/// Drafts, their log, versions.
#[async_trait]
pub trait Authoring: Send + Sync {
    /// Makes a flow; `None` where the project has another one of that slug, or its object models have changed since they
    /// were filled in.
    async fn create_flow(&self, new: NewFlow) -> Result<Option<FlowRecord>, StoreError>;

    /// A flow of any project of the organisation; the caller's reach may be less than that.
    async fn flow_of(&self, org: Uuid, id: FlowId) -> Result<Option<FlowRecord>, StoreError>;

    /// A page of the project's, in order of their slugs.
    async fn flow_page(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<FlowRecord>, StoreError>;

    /// As [`Authoring::flow_page`], each with its draft as written.
    async fn draft_page(&self, project: ProjectId, filter: FlowFilter)
    -> Result<Vec<(FlowRecord, String)>, StoreError>;

    /// Replaces the draft and adds to the log. What the draft was before is forgotten unless a run or a version has it.
    /// [`StoreError::Conflict`] where the project has another flow of the new slug.
    async fn change_draft(&self, change: DraftChange) -> Result<Changed, StoreError>;

    /// Takes a flow out of sight; its runs, versions and log stay.
    async fn remove_flow(&self, removal: Removal) -> Result<Removed, StoreError>;

    /// Lines of the log, newest first.
    async fn operations(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: OperationFilter,
    ) -> Result<Vec<OperationRecord>, StoreError>;

    /// The line `from` and those after it, in order, at most `limit`.
    async fn operations_from(
        &self,
        project: ProjectId,
        flow: FlowId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<OperationRecord>, StoreError>;

    /// How often the prompt or source of a flow's steps has changed; steps that are not there never were.
    async fn content_versions(&self, project: ProjectId, flow: FlowId) -> Result<Vec<(String, u64)>, StoreError>;

    /// The same of all flows on a page.
    async fn page_content_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, String, u64)>, StoreError>;

    /// Publishes the draft. Publishing the very content of the latest version gives that version again.
    async fn publish(&self, publication: Publication) -> Result<Published, StoreError>;

    /// Versions below `before`, newest first.
    async fn versions(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<VersionRecord>, StoreError>;

    /// Versions of all flows on a page, newest first in each.
    async fn page_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, VersionRecord)>, StoreError>;

    /// Marks a version as no longer to be used, with a note, or takes that back; with `on_revision` only where the version
    /// has that.
    async fn deprecate(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
        on_revision: Option<u64>,
        deprecated: Option<(OffsetDateTime, String)>,
    ) -> Result<Marked, StoreError>;

    /// Makes a version the production version.
    async fn set_production(&self, promotion: Promotion) -> Result<Promoted, StoreError>;

    /// Which versions were the production version, newest first.
    async fn promotions(
        &self,
        project: ProjectId,
        flow: FlowId,
        limit: u32,
    ) -> Result<Vec<PromotionRecord>, StoreError>;

    /// Saves contents of a block; false where the project has no such flow.
    async fn add_checkpoint(&self, project: ProjectId, checkpoint: CheckpointRecord) -> Result<bool, StoreError>;

    /// Newest first.
    async fn checkpoints(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: CheckpointFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError>;

    /// Checkpoints of all flows on a page, newest first in each.
    async fn page_checkpoints(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError>;

    /// One of them.
    async fn checkpoint(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: Uuid,
    ) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Deletes it; false where there is none.
    async fn remove_checkpoint(&self, project: ProjectId, flow: FlowId, id: Uuid) -> Result<bool, StoreError>;
}

/// Named schemas.
#[async_trait]
pub trait ObjectModels: Send + Sync {
    /// All of the project's, by name.
    async fn object_models(&self, project: ProjectId) -> Result<Vec<ObjectModelRecord>, StoreError>;

    /// Those of the project behind the name `after`, by name, at most `limit`.
    async fn object_model_page(
        &self,
        project: ProjectId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ObjectModelRecord>, StoreError>;

    /// One of any project of the organisation; the caller's reach may be less than that.
    async fn object_model_of(&self, org: Uuid, id: Uuid) -> Result<Option<ObjectModelRecord>, StoreError>;

    /// The flows whose drafts name it, each with its draft as written, by slug.
    async fn flows_with_model(&self, project: ProjectId, name: &str) -> Result<Vec<(FlowRecord, String)>, StoreError>;

    /// Makes, replaces or deletes one, and with it what the drafts that name it run.
    async fn change_model(&self, change: ModelChange) -> Result<ModelChanged, StoreError>;
}
