//! Object models, and what the drafts that name them run.

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore, drafts,
    fault::Fault,
    flows::flow_and_text,
    rows::{self, clamp, get, micros, number, time},
    transact::{Params, Tx},
};
use crate::sql::models as sql;
use crate::{
    FlowId, FlowRecord, ModelAction, ModelChange, ModelChanged, ModelUser, ObjectModelRecord, ObjectModels, ProjectId,
    Signature, StoreError,
};

#[async_trait]
impl ObjectModels for PostgresStore {
    async fn object_models(&self, project: ProjectId) -> Result<Vec<ObjectModelRecord>, StoreError> {
        rows::all(&self.query(sql::ALL, &[&project.0]).await?, model)
    }

    async fn object_model_page(
        &self,
        project: ProjectId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ObjectModelRecord>, StoreError> {
        let row: Params<'_> = &[&project.0, &after.unwrap_or_default(), &i64::from(limit)];
        rows::all(&self.query(sql::PAGE, row).await?, model)
    }

    async fn object_model_of(&self, org: Uuid, id: Uuid) -> Result<Option<ObjectModelRecord>, StoreError> {
        rows::one(self.find(sql::OF_ORGANISATION, &[&org, &id]).await?, model)
    }

    async fn flows_with_model(&self, project: ProjectId, name: &str) -> Result<Vec<(FlowRecord, String)>, StoreError> {
        rows::all(&self.query(sql::USERS, &[&project.0, &name]).await?, flow_and_text)
    }

    async fn change_model(&self, change: ModelChange) -> Result<ModelChanged, StoreError> {
        self.transact(move |tx| Box::pin(apply(tx, change.clone()))).await
    }
}

/// The project's row is held, so that no draft that names object models changes meanwhile.
async fn apply(tx: &mut Tx, change: ModelChange) -> Result<ModelChanged, Fault> {
    let project = change.project_id;
    let revision = drafts::models_revision(tx, project, sql::REVISION_LOCKED_POSTGRES).await?;
    let users = tx.query(sql::USING, &[&project.0, &change.name]).await?;
    let users = users.iter().map(user).collect::<Result<Vec<_>, _>>()?;
    if revision != Some(change.on_revision) || !change.covers(&users) {
        return Ok(ModelChanged::Moved);
    }
    match act(tx, project, &change.what).await? {
        ModelChanged::Done => {}
        refused => return Ok(refused),
    }
    for draft in &change.drafts {
        drafts::add_document(tx, project, &draft.resolved, change.by()).await?;
        tx.execute(sql::SET_RESOLVED, &[&draft.resolved.hash, &project.0, &draft.flow_id.0]).await?;
        if let Some(before) = users.iter().find(|user| user.is(draft) && user.leaves_one(draft)) {
            drafts::drop_document(tx, project, &before.draft_hash).await?;
        }
    }
    tx.execute(sql::COUNT_UP, &[&project.0]).await?;
    Ok(ModelChanged::Done)
}

async fn act(tx: &Tx, project: ProjectId, what: &ModelAction) -> Result<ModelChanged, Fault> {
    let done = match what {
        ModelAction::Create(new) => {
            if tx.find(sql::BY_NAME, &[&project.0, &new.name]).await?.is_some() {
                return Ok(ModelChanged::NameTaken);
            }
            let (revision, by) = (clamp(new.revision), &new.by);
            let (made, at) = (micros(new.created_at), micros(by.at));
            let ObjectModelRecord { id, name, description, schema, .. } = new;
            let row: Params<'_> =
                &[id, &project.0, name, description, schema, &revision, &made, &by.author, &by.name, &at];
            tx.execute(sql::ADD, row).await?
        }
        ModelAction::Update(new) => {
            let (revision, by) = (clamp(new.revision.saturating_sub(1)), &new.by);
            let ObjectModelRecord { id, description, schema, .. } = new;
            let at = micros(by.at);
            let row: Params<'_> = &[description, schema, &by.author, &by.name, &at, &project.0, id, &revision];
            tx.execute(sql::UPDATE, row).await?
        }
        ModelAction::Delete { id, on_revision, .. } => {
            tx.execute(sql::REMOVE, &[&project.0, id, &on_revision.map(clamp)]).await?
        }
    };
    Ok(if done == 0 { ModelChanged::Missing } else { ModelChanged::Done })
}

fn user(row: &Row) -> Result<ModelUser, Fault> {
    Ok(ModelUser {
        flow: FlowId(get(row, 0)?),
        revision: number(row, 1)?,
        draft_hash: get(row, 2)?,
        source_hash: get(row, 3)?,
    })
}

fn model(row: &Row) -> Result<ObjectModelRecord, Fault> {
    Ok(ObjectModelRecord {
        id: get(row, 0)?,
        project_id: ProjectId(get(row, 1)?),
        name: get(row, 2)?,
        description: get(row, 3)?,
        schema: get(row, 4)?,
        revision: number(row, 5)?,
        created_at: time(row, 6)?,
        by: Signature { author: get(row, 7)?, name: get(row, 8)?, at: time(row, 9)? },
    })
}
