//! What changes a flow, inside a transaction: its draft, its log, its versions.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    flows::{by_id, by_slug, find_version},
    rows::{Micros, clamp},
};
use crate::sql::{authoring as sql, flows as flow_sql, models as model_sql};
use crate::{
    Changed, Draft, DraftChange, FlowId, FlowRecord, ModelsUsed, NewFlow, NewOperation, ProjectId, Promoted, Promotion,
    Publication, Published, Removal, Removed, Signature, StoreError, StoredDocument,
};

pub(super) fn create(db: &Connection, new: &NewFlow) -> Result<Option<FlowRecord>, StoreError> {
    let NewFlow { project_id: project, id, draft, operation, by } = new;
    if by_slug(db, *project, &draft.slug)?.is_some() || models_moved(db, *project, draft.models.as_ref())? {
        return Ok(None);
    }
    let runs = draft.resolved.as_ref().unwrap_or(&draft.source);
    add_documents(db, *project, draft, by)?;
    db.prepare_cached(sql::ADD_FLOW)?.execute(params![
        id.0,
        project.0,
        draft.slug,
        draft.name,
        draft.description,
        runs.hash,
        draft.source.hash,
        Micros(by.at)
    ])?;
    note_models(db, *project, *id, draft.models.as_ref())?;
    let flow = by_id(db, *project, *id)?.ok_or_else(|| StoreError::Conflict(format!("no flow {id}")))?;
    log(db, &flow, operation, by)?;
    by_id(db, *project, *id)
}

pub(super) fn change(db: &Connection, change: &DraftChange) -> Result<Changed, StoreError> {
    let DraftChange { project_id: project, flow_id: id, on_revision, draft, operation, contents, by } = change;
    let Some(before) = by_id(db, *project, *id)? else { return Ok(Changed::Missing) };
    if before.revision != *on_revision {
        return Ok(Changed::Stale(before.revision));
    }
    if models_moved(db, *project, draft.models.as_ref())? {
        return Ok(Changed::ModelsMoved);
    }
    let runs = draft.resolved.as_ref().unwrap_or(&draft.source);
    add_documents(db, *project, draft, by)?;
    db.prepare_cached(sql::CHANGE_DRAFT)?.execute(params![
        draft.slug,
        draft.name,
        draft.description,
        runs.hash,
        draft.source.hash,
        Micros(by.at),
        project.0,
        id.0
    ])?;
    for hash in [&before.draft_hash, &before.source_hash] {
        if *hash != runs.hash && *hash != draft.source.hash {
            drop_document(db, *project, hash)?;
        }
    }
    note_models(db, *project, *id, draft.models.as_ref())?;
    let changed = FlowRecord { revision: before.revision + 1, ..before };
    for step in contents {
        db.prepare_cached(sql::COUNT_CONTENT)?.execute(params![id.0, step])?;
    }
    log(db, &changed, operation, by)?;
    Ok(by_id(db, *project, *id)?.map_or(Changed::Missing, |flow| Changed::Done(Box::new(flow))))
}

pub(super) fn remove(db: &Connection, removal: &Removal) -> Result<Removed, StoreError> {
    let Removal { project_id: project, flow_id: id, on_revision, operation, by } = removal;
    let Some(flow) = by_id(db, *project, *id)? else { return Ok(Removed::Missing) };
    if on_revision.is_some_and(|revision| revision != flow.revision) {
        return Ok(Removed::Stale(flow.revision));
    }
    log(db, &flow, operation, by)?;
    db.prepare_cached(model_sql::FORGET_USES)?.execute([project.0, id.0])?;
    db.prepare_cached(sql::REMOVE)?.execute(params![Micros(by.at), project.0, id.0])?;
    Ok(Removed::Done)
}

/// The same content as the latest version's is that version.
pub(super) fn publish(db: &Connection, publication: &Publication) -> Result<Published, StoreError> {
    let Publication { project_id: project, flow_id: id, version, operation } = publication;
    let Some(flow) = by_id(db, *project, *id)? else { return Ok(Published::Missing) };
    if (&flow.draft_hash, &flow.source_hash) != (&version.hash, &version.source_hash) {
        return Ok(Published::Moved);
    }
    let latest = find_version(db, *project, *id, flow.latest_version)?;
    if let Some(latest) = latest.filter(|latest| latest.hash == version.hash) {
        return Ok(Published::Same(latest));
    }
    if version.number != flow.latest_version + 1 {
        return Ok(Published::Moved);
    }
    for hash in [&version.hash, &version.source_hash] {
        db.prepare_cached(flow_sql::KEEP_DOCUMENT)?.execute(params![project.0, hash])?;
    }
    db.prepare_cached(sql::ADD_VERSION)?.execute(params![
        id.0,
        version.number,
        project.0,
        version.hash,
        version.source_hash,
        version.note,
        version.by.author,
        version.by.name,
        Micros(version.by.at)
    ])?;
    db.prepare_cached(sql::SET_LATEST)?.execute(params![version.number, project.0, id.0])?;
    log(db, &flow, operation, &version.by)?;
    Ok(Published::New(version.clone()))
}

pub(super) fn promote(db: &Connection, promotion: &Promotion) -> Result<Promoted, StoreError> {
    let Promotion { project_id: project, flow_id: id, number, operation, by, .. } = promotion;
    let Some(flow) = by_id(db, *project, *id)? else { return Ok(Promoted::Missing) };
    if find_version(db, *project, *id, *number)?.is_none() {
        return Ok(Promoted::Missing);
    }
    if let Some(now) = promotion.hindered_by(flow.production.as_ref().map(|(number, _)| *number)) {
        return Ok(Promoted::Stale(now));
    }
    db.prepare_cached(sql::SET_PRODUCTION)?.execute(params![number, project.0, id.0])?;
    let row = params![project.0, id.0, number, by.author, by.name, Micros(by.at)];
    db.prepare_cached(sql::LOG_PRODUCTION)?.execute(row)?;
    log(db, &flow, operation, by)?;
    Ok(Promoted::Done)
}

/// Adds a line behind the flow's last; it carries the flow's revision.
fn log(db: &Connection, flow: &FlowRecord, operation: &NewOperation, by: &Signature) -> Result<(), StoreError> {
    let (project, id, seq) = (flow.project_id.0, flow.id.0, clamp(flow.last_seq + 1));
    let undoes = operation.undoes.map(clamp);
    db.prepare_cached(sql::ADD_OPERATION)?.execute(params![
        id,
        seq,
        project,
        clamp(flow.revision),
        operation.op,
        operation.operations,
        operation.inverse,
        operation.touched,
        operation.summary,
        undoes,
        by.author,
        by.name,
        Micros(by.at)
    ])?;
    if let Some(undone) = undoes {
        db.prepare_cached(sql::COUNT_AGAIN)?.execute(params![project, id, undone])?;
        db.prepare_cached(sql::MARK_UNDONE)?.execute(params![seq, project, id, undone])?;
    }
    db.prepare_cached(sql::SET_LAST_SEQ)?.execute(params![seq, project, id])?;
    Ok(())
}

fn add_documents(db: &Connection, project: ProjectId, draft: &Draft, by: &Signature) -> Result<(), StoreError> {
    add_document(db, project, &draft.source, by)?;
    draft.resolved.as_ref().map_or(Ok(()), |resolved| add_document(db, project, resolved, by))
}

pub(super) fn add_document(
    db: &Connection,
    project: ProjectId,
    document: &StoredDocument,
    by: &Signature,
) -> Result<(), StoreError> {
    let row = params![project.0, document.hash, document.json, Micros(by.at)];
    db.prepare_cached(sql::ADD_DOCUMENT)?.execute(row)?;
    Ok(())
}

/// Nothing where a run or a version has it.
pub(super) fn drop_document(db: &Connection, project: ProjectId, hash: &str) -> Result<(), StoreError> {
    db.prepare_cached(sql::DROP_DOCUMENT)?.execute(params![project.0, hash])?;
    Ok(())
}

/// Whether object models were filled in as they no longer are.
fn models_moved(db: &Connection, project: ProjectId, models: Option<&ModelsUsed>) -> Result<bool, StoreError> {
    let Some(models) = models else { return Ok(false) };
    Ok(models_revision(db, project)? != Some(models.revision))
}

/// How often the project's object models have changed; `None`: there is no such project.
pub(super) fn models_revision(db: &Connection, project: ProjectId) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> =
        db.prepare_cached(model_sql::REVISION)?.query_row([project.0], |row| row.get(0)).optional()?;
    Ok(found.and_then(|count| u64::try_from(count).ok()))
}

fn note_models(db: &Connection, project: ProjectId, id: FlowId, models: Option<&ModelsUsed>) -> Result<(), StoreError> {
    db.prepare_cached(model_sql::FORGET_USES)?.execute([project.0, id.0])?;
    for name in models.into_iter().flat_map(|models| &models.names) {
        db.prepare_cached(model_sql::ADD_USE)?.execute(params![project.0, name, id.0])?;
    }
    Ok(())
}
