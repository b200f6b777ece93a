//! How flows come to be: drafts, their log, versions, checkpoints.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore, drafts,
    fault::Fault,
    flows::{flow, flow_and_text, version},
    rows::{self, clamp, get, micros, number, number_if, time},
    transact::Params,
};
use crate::sql::{
    authoring::{self as sql, anywhere},
    flows::{BY_ID, VERSION_COLUMNS},
};
use crate::{
    Authoring, Changed, CheckpointFilter, CheckpointRecord, DraftChange, FlowFilter, FlowId, FlowRecord, Marked,
    NewFlow, NewOperation, OperationFilter, OperationRecord, ProjectId, Promoted, Promotion, PromotionRecord,
    Publication, Published, Removal, Removed, Signature, StoreError, VersionRecord,
};

#[async_trait]
impl Authoring for PostgresStore {
    async fn create_flow(&self, new: NewFlow) -> Result<Option<FlowRecord>, StoreError> {
        self.transact(move |tx| Box::pin(drafts::create(tx, new.clone()))).await
    }

    async fn flow_of(&self, org: Uuid, id: FlowId) -> Result<Option<FlowRecord>, StoreError> {
        rows::one(self.find(sql::OF_ORGANISATION, &[&org, &id.0]).await?, flow)
    }

    async fn flow_page(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<FlowRecord>, StoreError> {
        self.flow_rows(project, filter, sql::PAGE, flow).await
    }

    async fn draft_page(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowRecord, String)>, StoreError> {
        self.flow_rows(project, filter, sql::PAGE_OF_DRAFTS, flow_and_text).await
    }

    async fn change_draft(&self, change: DraftChange) -> Result<Changed, StoreError> {
        self.transact(move |tx| Box::pin(drafts::change(tx, change.clone()))).await
    }

    async fn remove_flow(&self, removal: Removal) -> Result<Removed, StoreError> {
        self.transact(move |tx| Box::pin(drafts::remove(tx, removal.clone()))).await
    }

    async fn operations(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: OperationFilter,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        let (before, touched) = (clamp(filter.before.unwrap_or(u64::MAX)), anywhere(filter.touched.as_deref()));
        let (op, limit, offset) = (filter.op.unwrap_or_default(), i64::from(filter.limit), i64::from(filter.offset));
        let row: Params<'_> = &[&project.0, &flow.0, &before, &touched, &op, &limit, &offset];
        rows::all(&self.query(sql::OPERATIONS, row).await?, operation)
    }

    async fn operations_from(
        &self,
        project: ProjectId,
        flow: FlowId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        let row: Params<'_> = &[&project.0, &flow.0, &clamp(from), &i64::from(limit)];
        rows::all(&self.query(sql::OPERATIONS_FROM, row).await?, operation)
    }

    async fn content_versions(&self, project: ProjectId, flow: FlowId) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self.query(sql::CONTENTS, &[&project.0, &flow.0]).await?;
        rows::all(&rows, |row| Ok((get(row, 0)?, number(row, 1)?)))
    }

    async fn page_content_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, String, u64)>, StoreError> {
        let content = |row: &Row| Ok((FlowId(get(row, 0)?), get(row, 1)?, number(row, 2)?));
        self.flow_rows(project, filter, sql::PAGE_OF_CONTENTS, content).await
    }

    async fn publish(&self, publication: Publication) -> Result<Published, StoreError> {
        self.transact(move |tx| Box::pin(drafts::publish(tx, publication.clone()))).await
    }

    async fn versions(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<VersionRecord>, StoreError> {
        let before = i64::from(before.unwrap_or(u32::MAX));
        let row: Params<'_> = &[&project.0, &flow.0, &before, &i64::from(limit)];
        rows::all(&self.query(sql::VERSIONS, row).await?, version)
    }

    async fn page_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, VersionRecord)>, StoreError> {
        let of_flow = |row: &Row| Ok((FlowId(get(row, VERSION_COLUMNS)?), version(row)?));
        self.flow_rows(project, filter, sql::PAGE_OF_VERSIONS, of_flow).await
    }

    async fn deprecate(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
        on_revision: Option<u64>,
        deprecated: Option<(OffsetDateTime, String)>,
    ) -> Result<Marked, StoreError> {
        self.transact(move |tx| {
            let (at, note) = deprecated.clone().map_or((None, String::new()), |(at, note)| (Some(micros(at)), note));
            Box::pin(async move {
                let on_revision = on_revision.map(clamp);
                let row: Params<'_> = &[&at, &note, &project.0, &flow.0, &i64::from(number), &on_revision];
                let done = tx.execute(sql::DEPRECATE, row).await? > 0;
                Ok(Marked::of(done, drafts::find_version(tx, project, flow, number).await?))
            })
        })
        .await
    }

    async fn set_production(&self, promotion: Promotion) -> Result<Promoted, StoreError> {
        self.transact(move |tx| Box::pin(drafts::promote(tx, promotion.clone()))).await
    }

    async fn promotions(
        &self,
        project: ProjectId,
        flow: FlowId,
        limit: u32,
    ) -> Result<Vec<PromotionRecord>, StoreError> {
        let row: Params<'_> = &[&project.0, &flow.0, &i64::from(limit)];
        rows::all(&self.query(sql::PROMOTIONS, row).await?, promotion)
    }

    async fn add_checkpoint(&self, project: ProjectId, checkpoint: CheckpointRecord) -> Result<bool, StoreError> {
        self.transact(move |tx| {
            let checkpoint = checkpoint.clone();
            Box::pin(async move {
                let CheckpointRecord { id, flow_id, step_id, note, revision, content, by } = &checkpoint;
                if tx.find(BY_ID, &[&project.0, &flow_id.0]).await?.is_none() {
                    return Ok(false);
                }
                let (revision, at) = (clamp(*revision), micros(by.at));
                let row: Params<'_> =
                    &[id, &project.0, &flow_id.0, step_id, note, &revision, content, &by.author, &by.name, &at];
                tx.execute(sql::ADD_CHECKPOINT, row).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn checkpoints(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: CheckpointFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        let (step, before) = (filter.step_id.unwrap_or_default(), filter.before.unwrap_or(Uuid::max()));
        let row: Params<'_> = &[&project.0, &flow.0, &step, &before, &i64::from(filter.limit)];
        rows::all(&self.query(sql::CHECKPOINTS, row).await?, checkpoint)
    }

    async fn page_checkpoints(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.flow_rows(project, filter, sql::PAGE_OF_CHECKPOINTS, checkpoint).await
    }

    async fn checkpoint(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: Uuid,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        rows::one(self.find(sql::CHECKPOINT, &[&project.0, &flow.0, &id]).await?, checkpoint)
    }

    async fn remove_checkpoint(&self, project: ProjectId, flow: FlowId, id: Uuid) -> Result<bool, StoreError> {
        self.transact(move |tx| {
            Box::pin(async move { Ok(tx.execute(sql::REMOVE_CHECKPOINT, &[&project.0, &flow.0, &id]).await? > 0) })
        })
        .await
    }
}

impl PostgresStore {
    /// What a page of flows has, by a statement that takes project, slug, pattern and limit.
    /// What belongs to the flows of a page.
    pub(super) async fn flow_rows<T>(
        &self,
        project: ProjectId,
        filter: FlowFilter,
        sql: &'static str,
        read: fn(&Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, StoreError> {
        let text = anywhere(filter.text.map(|text| text.to_lowercase()).as_deref());
        let row: Params<'_> = &[&project.0, &filter.after.unwrap_or_default(), &text, &i64::from(filter.limit)];
        rows::all(&self.query(sql, row).await?, read)
    }
}

fn operation(row: &Row) -> Result<OperationRecord, Fault> {
    Ok(OperationRecord {
        seq: number(row, 0)?,
        revision: number(row, 1)?,
        operation: NewOperation {
            op: get(row, 2)?,
            operations: get(row, 3)?,
            inverse: get(row, 4)?,
            touched: get(row, 5)?,
            summary: get(row, 6)?,
            undoes: number_if(row, 7)?,
        },
        undone_by: number_if(row, 8)?,
        by: Signature { author: get(row, 9)?, name: get(row, 10)?, at: time(row, 11)? },
    })
}

fn promotion(row: &Row) -> Result<PromotionRecord, Fault> {
    let by = Signature { author: get(row, 1)?, name: get(row, 2)?, at: time(row, 3)? };
    Ok(PromotionRecord { number: number(row, 0)?, by })
}

fn checkpoint(row: &Row) -> Result<CheckpointRecord, Fault> {
    Ok(CheckpointRecord {
        id: get(row, 0)?,
        flow_id: FlowId(get(row, 1)?),
        step_id: get(row, 2)?,
        note: get(row, 3)?,
        revision: number(row, 4)?,
        content: get(row, 5)?,
        by: Signature { author: get(row, 6)?, name: get(row, 7)?, at: time(row, 8)? },
    })
}
