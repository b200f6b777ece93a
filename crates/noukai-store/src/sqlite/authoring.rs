//! How flows come to be: drafts, their log, versions, checkpoints.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore, drafts,
    flows::{find_version, flow, flow_and_text, version},
    rows::{self, Micros, clamp},
};
use crate::sql::{
    authoring::{self as sql, anywhere},
    flows::VERSION_COLUMNS,
};
use crate::{
    Authoring, Changed, CheckpointFilter, CheckpointRecord, DraftChange, FlowFilter, FlowId, FlowRecord, Marked,
    NewFlow, NewOperation, OperationFilter, OperationRecord, ProjectId, Promoted, Promotion, PromotionRecord,
    Publication, Published, Removal, Removed, Signature, StoreError, VersionRecord,
};

#[async_trait]
impl Authoring for SqliteStore {
    async fn create_flow(&self, new: NewFlow) -> Result<Option<FlowRecord>, StoreError> {
        self.write(move |db, _| drafts::create(db, &new)).await
    }

    async fn flow_of(&self, org: Uuid, id: FlowId) -> Result<Option<FlowRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::OF_ORGANISATION)?.query_row([org, id.0], flow).optional()?))
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
        self.write(move |db, _| drafts::change(db, &change)).await
    }

    async fn remove_flow(&self, removal: Removal) -> Result<Removed, StoreError> {
        self.write(move |db, _| drafts::remove(db, &removal)).await
    }

    async fn operations(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: OperationFilter,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        self.list(move |db| {
            let row = params![
                project.0,
                flow.0,
                clamp(filter.before.unwrap_or(u64::MAX)),
                anywhere(filter.touched.as_deref()),
                filter.op.unwrap_or_default(),
                filter.limit,
                filter.offset
            ];
            Ok(db.prepare_cached(sql::OPERATIONS)?.query_map(row, operation)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn operations_from(
        &self,
        project: ProjectId,
        flow: FlowId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        self.list(move |db| {
            let row = params![project.0, flow.0, clamp(from), limit];
            Ok(db.prepare_cached(sql::OPERATIONS_FROM)?.query_map(row, operation)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn content_versions(&self, project: ProjectId, flow: FlowId) -> Result<Vec<(String, u64)>, StoreError> {
        self.list(move |db| {
            let content = |row: &Row<'_>| Ok((row.get(0)?, rows::count(row, 1)?));
            let row = [project.0, flow.0];
            Ok(db.prepare_cached(sql::CONTENTS)?.query_map(row, content)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn page_content_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, String, u64)>, StoreError> {
        let content = |row: &Row<'_>| Ok((FlowId(row.get(0)?), row.get(1)?, rows::count(row, 2)?));
        self.flow_rows(project, filter, sql::PAGE_OF_CONTENTS, content).await
    }

    async fn publish(&self, publication: Publication) -> Result<Published, StoreError> {
        self.write(move |db, _| drafts::publish(db, &publication)).await
    }

    async fn versions(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<VersionRecord>, StoreError> {
        self.list(move |db| {
            let row = params![project.0, flow.0, before.unwrap_or(u32::MAX), limit];
            Ok(db.prepare_cached(sql::VERSIONS)?.query_map(row, version)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn page_versions(
        &self,
        project: ProjectId,
        filter: FlowFilter,
    ) -> Result<Vec<(FlowId, VersionRecord)>, StoreError> {
        let of_flow = |row: &Row<'_>| Ok((FlowId(row.get(VERSION_COLUMNS)?), version(row)?));
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
        self.write(move |db, _| {
            let (at, note) = deprecated.clone().map_or((None, String::new()), |(at, note)| (Some(at), note));
            let row = params![at.map(Micros), note, project.0, flow.0, number, on_revision.map(clamp)];
            let done = db.prepare_cached(sql::DEPRECATE)?.execute(row)? > 0;
            Ok(Marked::of(done, find_version(db, project, flow, number)?))
        })
        .await
    }

    async fn set_production(&self, promotion: Promotion) -> Result<Promoted, StoreError> {
        self.write(move |db, _| drafts::promote(db, &promotion)).await
    }

    async fn promotions(
        &self,
        project: ProjectId,
        flow: FlowId,
        limit: u32,
    ) -> Result<Vec<PromotionRecord>, StoreError> {
        self.list(move |db| {
            let row = params![project.0, flow.0, limit];
            Ok(db.prepare_cached(sql::PROMOTIONS)?.query_map(row, promotion)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn add_checkpoint(&self, project: ProjectId, checkpoint: CheckpointRecord) -> Result<bool, StoreError> {
        self.write(move |db, _| {
            let CheckpointRecord { id, flow_id, step_id, note, revision, content, by } = &checkpoint;
            if super::flows::by_id(db, project, *flow_id)?.is_none() {
                return Ok(false);
            }
            let (revision, at) = (clamp(*revision), Micros(by.at));
            let row = params![id, project.0, flow_id.0, step_id, note, revision, content, by.author, by.name, at];
            db.prepare_cached(sql::ADD_CHECKPOINT)?.execute(row)?;
            Ok(true)
        })
        .await
    }

    async fn checkpoints(
        &self,
        project: ProjectId,
        flow: FlowId,
        filter: CheckpointFilter,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        self.list(move |db| {
            let (step, before) = (filter.step_id.unwrap_or_default(), filter.before.unwrap_or(Uuid::max()));
            let row = params![project.0, flow.0, step, before, filter.limit];
            Ok(db.prepare_cached(sql::CHECKPOINTS)?.query_map(row, checkpoint)?.collect::<Result<_, _>>()?)
        })
        .await
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
        self.point(|db| {
            Ok(db.prepare_cached(sql::CHECKPOINT)?.query_row([project.0, flow.0, id], checkpoint).optional()?)
        })
    }

    async fn remove_checkpoint(&self, project: ProjectId, flow: FlowId, id: Uuid) -> Result<bool, StoreError> {
        self.write(move |db, _| Ok(db.prepare_cached(sql::REMOVE_CHECKPOINT)?.execute([project.0, flow.0, id])? > 0))
            .await
    }
}

impl SqliteStore {
    /// What a page of flows has, by a statement that takes project, slug, pattern and limit.
    /// What belongs to the flows of a page.
    pub(super) async fn flow_rows<T: Send + 'static>(
        &self,
        project: ProjectId,
        filter: FlowFilter,
        sql: &'static str,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.list(move |db| {
            let text = filter.text.map(|text| text.to_lowercase());
            let row = params![project.0, filter.after.unwrap_or_default(), anywhere(text.as_deref()), filter.limit];
            Ok(db.prepare_cached(sql)?.query_map(row, read)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn operation(row: &Row<'_>) -> rusqlite::Result<OperationRecord> {
    let number_if = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs));
    Ok(OperationRecord {
        seq: rows::count(row, 0)?,
        revision: rows::count(row, 1)?,
        operation: NewOperation {
            op: row.get(2)?,
            operations: row.get(3)?,
            inverse: row.get(4)?,
            touched: row.get(5)?,
            summary: row.get(6)?,
            undoes: number_if(7)?,
        },
        undone_by: number_if(8)?,
        by: Signature { author: row.get(9)?, name: row.get(10)?, at: rows::time(row, 11)? },
    })
}

fn promotion(row: &Row<'_>) -> rusqlite::Result<PromotionRecord> {
    let by = Signature { author: row.get(1)?, name: row.get(2)?, at: rows::time(row, 3)? };
    Ok(PromotionRecord { number: row.get(0)?, by })
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<CheckpointRecord> {
    Ok(CheckpointRecord {
        id: row.get(0)?,
        flow_id: FlowId(row.get(1)?),
        step_id: row.get(2)?,
        note: row.get(3)?,
        revision: rows::count(row, 4)?,
        content: row.get(5)?,
        by: Signature { author: row.get(6)?, name: row.get(7)?, at: rows::time(row, 8)? },
    })
}
