//! Object models, and what the drafts that name them run.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    SqliteStore, drafts,
    flows::flow_and_text,
    rows::{self, Micros, clamp},
};
use crate::sql::models as sql;
use crate::{
    FlowId, FlowRecord, ModelAction, ModelChange, ModelChanged, ModelUser, ObjectModelRecord, ObjectModels, ProjectId,
    Signature, StoreError,
};

#[async_trait]
impl ObjectModels for SqliteStore {
    async fn object_models(&self, project: ProjectId) -> Result<Vec<ObjectModelRecord>, StoreError> {
        self.list(move |db| {
            Ok(db.prepare_cached(sql::ALL)?.query_map([project.0], model)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn object_model_page(
        &self,
        project: ProjectId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ObjectModelRecord>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.list(move |db| {
            let row = params![project.0, after, limit];
            Ok(db.prepare_cached(sql::PAGE)?.query_map(row, model)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn object_model_of(&self, org: Uuid, id: Uuid) -> Result<Option<ObjectModelRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::OF_ORGANISATION)?.query_row([org, id], model).optional()?))
    }

    async fn flows_with_model(&self, project: ProjectId, name: &str) -> Result<Vec<(FlowRecord, String)>, StoreError> {
        let name = name.to_owned();
        self.list(move |db| {
            let row = params![project.0, name];
            Ok(db.prepare_cached(sql::USERS)?.query_map(row, flow_and_text)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn change_model(&self, change: ModelChange) -> Result<ModelChanged, StoreError> {
        self.write(move |db, _| apply(db, &change)).await
    }
}

fn apply(db: &Connection, change: &ModelChange) -> Result<ModelChanged, StoreError> {
    let project = change.project_id;
    if drafts::models_revision(db, project)? != Some(change.on_revision) {
        return Ok(ModelChanged::Moved);
    }
    let users = users(db, project, &change.name)?;
    if !change.covers(&users) {
        return Ok(ModelChanged::Moved);
    }
    match act(db, project, &change.what)? {
        ModelChanged::Done => {}
        refused => return Ok(refused),
    }
    let by = change.by();
    for draft in &change.drafts {
        drafts::add_document(db, project, &draft.resolved, by)?;
        let row = params![draft.resolved.hash, project.0, draft.flow_id.0];
        db.prepare_cached(sql::SET_RESOLVED)?.execute(row)?;
        if let Some(before) = users.iter().find(|user| user.is(draft) && user.leaves_one(draft)) {
            drafts::drop_document(db, project, &before.draft_hash)?;
        }
    }
    db.prepare_cached(sql::COUNT_UP)?.execute([project.0])?;
    Ok(ModelChanged::Done)
}

fn act(db: &Connection, project: ProjectId, what: &ModelAction) -> Result<ModelChanged, StoreError> {
    let done = match what {
        ModelAction::Create(new) => {
            let named = db.prepare_cached(sql::BY_NAME)?.query_row(params![project.0, new.name], model).optional()?;
            if named.is_some() {
                return Ok(ModelChanged::NameTaken);
            }
            let (revision, by) = (clamp(new.revision), &new.by);
            let (made, at) = (Micros(new.created_at), Micros(by.at));
            let ObjectModelRecord { id, name, description, schema, .. } = new;
            let row = params![id, project.0, name, description, schema, revision, made, by.author, by.name, at];
            db.prepare_cached(sql::ADD)?.execute(row)?
        }
        ModelAction::Update(new) => {
            let (revision, by) = (clamp(new.revision.saturating_sub(1)), &new.by);
            let at = Micros(by.at);
            let row = params![new.description, new.schema, by.author, by.name, at, project.0, new.id, revision];
            db.prepare_cached(sql::UPDATE)?.execute(row)?
        }
        ModelAction::Delete { id, on_revision, .. } => {
            db.prepare_cached(sql::REMOVE)?.execute(params![project.0, id, on_revision.map(clamp)])?
        }
    };
    Ok(if done == 0 { ModelChanged::Missing } else { ModelChanged::Done })
}

fn users(db: &Connection, project: ProjectId, name: &str) -> Result<Vec<ModelUser>, StoreError> {
    let user = |row: &Row<'_>| {
        let (flow, revision) = (FlowId(row.get(0)?), rows::count(row, 1)?);
        Ok(ModelUser { flow, revision, draft_hash: row.get(2)?, source_hash: row.get(3)? })
    };
    Ok(db.prepare_cached(sql::USING)?.query_map(params![project.0, name], user)?.collect::<Result<_, _>>()?)
}

fn model(row: &Row<'_>) -> rusqlite::Result<ObjectModelRecord> {
    Ok(ObjectModelRecord {
        id: row.get(0)?,
        project_id: ProjectId(row.get(1)?),
        name: row.get(2)?,
        description: row.get(3)?,
        schema: row.get(4)?,
        revision: rows::count(row, 5)?,
        created_at: rows::time(row, 6)?,
        by: Signature { author: row.get(7)?, name: row.get(8)?, at: rows::time(row, 9)? },
    })
}
