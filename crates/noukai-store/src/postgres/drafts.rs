//! What changes a flow, inside a transaction: its draft, its log, its versions. Who changes a flow holds its row; where
//! object models are filled in, the project's row first.

use super::{
    fault::Fault,
    flows::{flow, version},
    rows::{clamp, micros, number},
    transact::{Params, Tx},
};
use crate::sql::{authoring as sql, flows as flow_sql, models as model_sql};
use crate::{
    Changed, Draft, DraftChange, FlowId, FlowRecord, ModelsUsed, NewFlow, NewOperation, ProjectId, Promoted, Promotion,
    Publication, Published, Removal, Removed, Signature, StoreError, StoredDocument, VersionRecord,
};

pub(super) async fn create(tx: &mut Tx, new: NewFlow) -> Result<Option<FlowRecord>, Fault> {
    let NewFlow { project_id: project, id, draft, operation, by } = &new;
    if models_moved(tx, *project, draft.models.as_ref()).await?
        || tx.find(flow_sql::BY_SLUG, &[&project.0, &draft.slug]).await?.is_some()
    {
        return Ok(None);
    }
    let runs = draft.resolved.as_ref().unwrap_or(&draft.source);
    add_documents(tx, *project, draft, by).await?;
    let Draft { slug, name, description, source, .. } = draft;
    let row: Params<'_> = &[&id.0, &project.0, slug, name, description, &runs.hash, &source.hash, &micros(by.at)];
    tx.execute(sql::ADD_FLOW, row).await?;
    note_models(tx, *project, *id, draft.models.as_ref()).await?;
    let made = by_id(tx, *project, *id).await?;
    let made = made.ok_or_else(|| StoreError::Conflict(format!("no flow {id}")))?;
    log(tx, &made, operation, by).await?;
    by_id(tx, *project, *id).await
}

pub(super) async fn change(tx: &mut Tx, change: DraftChange) -> Result<Changed, Fault> {
    let DraftChange { project_id: project, flow_id: id, on_revision, draft, operation, contents, by } = &change;
    let moved = models_moved(tx, *project, draft.models.as_ref()).await?;
    let Some(before) = locked(tx, *project, *id).await? else { return Ok(Changed::Missing) };
    if before.revision != *on_revision {
        return Ok(Changed::Stale(before.revision));
    }
    if moved {
        return Ok(Changed::ModelsMoved);
    }
    let runs = draft.resolved.as_ref().unwrap_or(&draft.source);
    add_documents(tx, *project, draft, by).await?;
    let Draft { slug, name, description, source, .. } = draft;
    let row: Params<'_> = &[slug, name, description, &runs.hash, &source.hash, &micros(by.at), &project.0, &id.0];
    tx.execute(sql::CHANGE_DRAFT, row).await?;
    for hash in [&before.draft_hash, &before.source_hash] {
        if *hash != runs.hash && *hash != source.hash {
            drop_document(tx, *project, hash).await?;
        }
    }
    note_models(tx, *project, *id, draft.models.as_ref()).await?;
    let changed = FlowRecord { revision: before.revision + 1, ..before };
    for step in contents {
        tx.execute(sql::COUNT_CONTENT, &[&id.0, step]).await?;
    }
    log(tx, &changed, operation, by).await?;
    Ok(by_id(tx, *project, *id).await?.map_or(Changed::Missing, |flow| Changed::Done(Box::new(flow))))
}

pub(super) async fn remove(tx: &mut Tx, removal: Removal) -> Result<Removed, Fault> {
    let Removal { project_id: project, flow_id: id, on_revision, operation, by } = &removal;
    let Some(flow) = locked(tx, *project, *id).await? else { return Ok(Removed::Missing) };
    if on_revision.is_some_and(|revision| revision != flow.revision) {
        return Ok(Removed::Stale(flow.revision));
    }
    log(tx, &flow, operation, by).await?;
    tx.execute(model_sql::FORGET_USES, &[&project.0, &id.0]).await?;
    tx.execute(sql::REMOVE, &[&micros(by.at), &project.0, &id.0]).await?;
    Ok(Removed::Done)
}

/// The same content as the latest version's is that version.
pub(super) async fn publish(tx: &mut Tx, publication: Publication) -> Result<Published, Fault> {
    let Publication { project_id: project, flow_id: id, version: new, operation } = &publication;
    let Some(flow) = locked(tx, *project, *id).await? else { return Ok(Published::Missing) };
    if (&flow.draft_hash, &flow.source_hash) != (&new.hash, &new.source_hash) {
        return Ok(Published::Moved);
    }
    let latest = find_version(tx, *project, *id, flow.latest_version).await?;
    if let Some(latest) = latest.filter(|latest| latest.hash == new.hash) {
        return Ok(Published::Same(latest));
    }
    if new.number != flow.latest_version + 1 {
        return Ok(Published::Moved);
    }
    for hash in [&new.hash, &new.source_hash] {
        tx.execute(flow_sql::KEEP_DOCUMENT, &[&project.0, hash]).await?;
    }
    let VersionRecord { hash, source_hash, note, by, .. } = new;
    let (number, at) = (i64::from(new.number), micros(by.at));
    let row: Params<'_> = &[&id.0, &number, &project.0, hash, source_hash, note, &by.author, &by.name, &at];
    tx.execute(sql::ADD_VERSION, row).await?;
    tx.execute(sql::SET_LATEST, &[&number, &project.0, &id.0]).await?;
    log(tx, &flow, operation, by).await?;
    Ok(Published::New(new.clone()))
}

pub(super) async fn promote(tx: &mut Tx, promotion: Promotion) -> Result<Promoted, Fault> {
    let Promotion { project_id: project, flow_id: id, number, operation, by, .. } = &promotion;
    let Some(flow) = locked(tx, *project, *id).await? else { return Ok(Promoted::Missing) };
    if find_version(tx, *project, *id, *number).await?.is_none() {
        return Ok(Promoted::Missing);
    }
    if let Some(now) = promotion.hindered_by(flow.production.as_ref().map(|(number, _)| *number)) {
        return Ok(Promoted::Stale(now));
    }
    let (number, at) = (i64::from(*number), micros(by.at));
    tx.execute(sql::SET_PRODUCTION, &[&number, &project.0, &id.0]).await?;
    tx.execute(sql::LOG_PRODUCTION, &[&project.0, &id.0, &number, &by.author, &by.name, &at]).await?;
    log(tx, &flow, operation, by).await?;
    Ok(Promoted::Done)
}

pub(super) async fn find_version(
    tx: &Tx,
    project: ProjectId,
    flow: FlowId,
    number: u32,
) -> Result<Option<VersionRecord>, Fault> {
    let found = tx.find(flow_sql::VERSION, &[&project.0, &flow.0, &i64::from(number)]).await?;
    found.as_ref().map(version).transpose()
}

async fn by_id(tx: &Tx, project: ProjectId, id: FlowId) -> Result<Option<FlowRecord>, Fault> {
    tx.find(flow_sql::BY_ID, &[&project.0, &id.0]).await?.as_ref().map(flow).transpose()
}

/// The flow, which nobody else changes until the transaction ends.
async fn locked(tx: &Tx, project: ProjectId, id: FlowId) -> Result<Option<FlowRecord>, Fault> {
    tx.find(sql::LOCK_FLOW_POSTGRES, &[&project.0, &id.0]).await?;
    by_id(tx, project, id).await
}

/// Adds a line behind the flow's last; it carries the flow's revision.
async fn log(tx: &Tx, flow: &FlowRecord, operation: &NewOperation, by: &Signature) -> Result<(), Fault> {
    let (project, id, seq) = (flow.project_id.0, flow.id.0, clamp(flow.last_seq + 1));
    let (revision, at) = (clamp(flow.revision), micros(by.at));
    let NewOperation { op, operations, inverse, touched, summary, undoes } = operation;
    let undoes = undoes.map(clamp);
    let row: Params<'_> = &[
        &id, &seq, &project, &revision, op, operations, inverse, touched, summary, &undoes, &by.author, &by.name, &at,
    ];
    tx.execute(sql::ADD_OPERATION, row).await?;
    if let Some(undone) = undoes {
        tx.execute(sql::COUNT_AGAIN, &[&project, &id, &undone]).await?;
        tx.execute(sql::MARK_UNDONE, &[&seq, &project, &id, &undone]).await?;
    }
    tx.execute(sql::SET_LAST_SEQ, &[&seq, &project, &id]).await?;
    Ok(())
}

async fn add_documents(tx: &Tx, project: ProjectId, draft: &Draft, by: &Signature) -> Result<(), Fault> {
    add_document(tx, project, &draft.source, by).await?;
    match &draft.resolved {
        Some(resolved) => add_document(tx, project, resolved, by).await,
        None => Ok(()),
    }
}

pub(super) async fn add_document(
    tx: &Tx,
    project: ProjectId,
    document: &StoredDocument,
    by: &Signature,
) -> Result<(), Fault> {
    tx.execute(sql::ADD_DOCUMENT, &[&project.0, &document.hash, &document.json, &micros(by.at)]).await.map(drop)
}

/// Nothing where a run or a version has it.
pub(super) async fn drop_document(tx: &Tx, project: ProjectId, hash: &str) -> Result<(), Fault> {
    tx.execute(sql::DROP_DOCUMENT, &[&project.0, &hash]).await.map(drop)
}

/// Whether object models were filled in as they no longer are. Where some are, none changes until the transaction ends.
async fn models_moved(tx: &Tx, project: ProjectId, models: Option<&ModelsUsed>) -> Result<bool, Fault> {
    let Some(models) = models else { return Ok(false) };
    Ok(models_revision(tx, project, model_sql::REVISION_SHARED_POSTGRES).await? != Some(models.revision))
}

/// How often the project's object models have changed; `None`: there is no such project.
pub(super) async fn models_revision(tx: &Tx, project: ProjectId, sql: &str) -> Result<Option<u64>, Fault> {
    tx.find(sql, &[&project.0]).await?.as_ref().map(|row| number(row, 0)).transpose()
}

async fn note_models(tx: &Tx, project: ProjectId, id: FlowId, models: Option<&ModelsUsed>) -> Result<(), Fault> {
    tx.execute(model_sql::FORGET_USES, &[&project.0, &id.0]).await?;
    for name in models.into_iter().flat_map(|models| &models.names) {
        tx.execute(model_sql::ADD_USE, &[&project.0, name, &id.0]).await?;
    }
    Ok(())
}
