//! Versions: published, listed, compared, no longer to be used.

use std::sync::Arc;

use noukai_api::{
    DeprecateVersion, Deprecation, ErrorCode, Gate, PublishVersion, Scope, VersionDiff, VersionDocument, VersionInfo,
    VersionList,
};
use noukai_store::{FlowRecord, Marked, Publication, Published, VersionRecord};
use serde_json::{Value, json};

use super::{
    Author, TEXT_CHARS, TRIES, bounded, flow_not_found, has_more, log, number_cursor, page_size, stale, too_busy,
};
use crate::app::{
    App, AppError, Project,
    flows::{as_field_errors, version_not_found},
    iso,
    test_cases::Tested,
};

impl App {
    /// Publishes a flow's draft as the next version. A draft that equals the latest version gives that version again.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `FLOW_NOT_FOUND`; `VALIDATION_ERROR` where the draft has problems;
    /// `TESTS_FAILED` where test cases do not pass that must; `CONFLICT` with the current revision.
    pub async fn publish_version(
        &self,
        author: &Author,
        flow: &str,
        request: PublishVersion,
    ) -> Result<VersionInfo, AppError> {
        author.require(Scope::Author)?;
        bounded("note", &request.note, TEXT_CHARS)?;
        for _ in 0..TRIES {
            let (record, document) = self.current(author, flow).await?;
            if request.revision.is_some_and(|revision| revision != record.revision) {
                return Err(stale(record.revision));
            }
            self.publishable(&record, &document).await?;
            if self
                .pass_tests(author, &record, request.tests.as_ref())
                .await?
                .is_some_and(|hash| hash != record.draft_hash)
            {
                // Another draft than this one passed.
                continue;
            }
            let number = record.latest_version + 1;
            let summary = match request.note.as_str() {
                "" => format!("published version {number}"),
                note => format!("published version {number}: {note}"),
            };
            let operation = json!({"op": "publish_version", "version": number, "note": request.note});
            let version = VersionRecord {
                number,
                hash: record.draft_hash.clone(),
                source_hash: record.source_hash.clone(),
                note: request.note.clone(),
                by: author.signature(self.now()),
                deprecated: None,
                revision: 1,
            };
            let operation = log::event(&operation, summary);
            let publication = Publication { project_id: record.project_id, flow_id: record.id, version, operation };
            match self.store().publish(publication).await? {
                Published::New(version) => {
                    self.forget_record(record.project_id, &record.slug);
                    return Ok(info(&record, &version));
                }
                Published::Same(version) => return Ok(info(&record, &version)),
                Published::Moved => {}
                Published::Missing => return Err(flow_not_found()),
            }
        }
        Err(too_busy())
    }

    /// The hash of the draft that passed the test cases that must pass; `None` where none must.
    async fn pass_tests(
        &self,
        author: &Author,
        record: &FlowRecord,
        asked: Option<&Gate>,
    ) -> Result<Option<String>, AppError> {
        let project = self.store().project(record.project_id).await?.ok_or_else(flow_not_found)?;
        let tested = Tested { caller: author.caller(project), flow: Arc::new(record.clone()) };
        self.pass_gate(&tested, asked).await
    }

    /// Refuses a draft that could not run.
    async fn publishable(&self, record: &FlowRecord, document: &Value) -> Result<(), AppError> {
        // What runs already is known to be good.
        if self.checked(record.project_id, &record.draft_hash).await.is_ok() {
            return Ok(());
        }
        let problems = self.problems(record.project_id, document).await?;
        let errors = as_field_errors(&problems);
        if errors.is_empty() {
            // It has changed meanwhile, or its code cannot be checked at this moment: the check itself says so.
            return self.checked(record.project_id, &record.draft_hash).await.map(drop);
        }
        let message = "the draft has problems and cannot be published; mend what `errors` lists";
        Err(AppError { errors, ..AppError::new(ErrorCode::ValidationError, message) })
    }

    /// A page of a flow's versions, newest first.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`, `VALIDATION_ERROR`.
    pub async fn list_versions(
        &self,
        author: &Author,
        flow: &str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<VersionList, AppError> {
        author.require(Scope::Author)?;
        let (size, before) = (page_size(limit)?, number_cursor(cursor)?);
        let record = self.flow_in_reach(author, flow).await?;
        let mut versions = self.store().versions(record.project_id, record.id, before, size + 1).await?;
        let more = has_more(&mut versions, size);
        let next_cursor = versions.last().filter(|_| more).map(|version| version.number.to_string());
        Ok(VersionList { versions: versions.iter().map(|version| info(&record, version)).collect(), next_cursor })
    }

    /// A version with its document.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`, `VERSION_NOT_FOUND`.
    pub async fn version(&self, author: &Author, flow: &str, number: u32) -> Result<VersionDocument, AppError> {
        author.require(Scope::Author)?;
        let record = self.flow_in_reach(author, flow).await?;
        let version = self.store().version(record.project_id, record.id, number).await?;
        let version = version.ok_or_else(|| version_not_found(&record, number))?;
        let document = self.kept(&record, &version.source_hash).await?;
        let resolved = match version.hash == version.source_hash {
            true => None,
            false => Some(self.kept(&record, &version.hash).await?),
        };
        Ok(VersionDocument { version: info(&record, &version), document, resolved })
    }

    /// A document that a version has.
    async fn kept(&self, record: &FlowRecord, hash: &str) -> Result<Value, AppError> {
        let text = self.store().document(record.project_id, hash).await?;
        let text = text.ok_or_else(|| AppError::internal(format!("no document {hash}")))?;
        serde_json::from_str(&text).map_err(AppError::internal)
    }

    /// What differs between two versions of a flow; 0 is the draft.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`, `VERSION_NOT_FOUND`.
    pub async fn diff_versions(
        &self,
        author: &Author,
        flow: &str,
        from: u32,
        to: u32,
    ) -> Result<VersionDiff, AppError> {
        author.require(Scope::Author)?;
        let record = self.flow_in_reach(author, flow).await?;
        let (before, after) = (self.document_of(author, flow, from).await?, self.document_of(author, flow, to).await?);
        let diff = noukai_flow::diff(&before, &after);
        let changes = diff.changes.iter().map(serde_json::to_value).collect::<Result<_, _>>();
        let changes = changes.map_err(AppError::internal)?;
        Ok(VersionDiff { flow_id: record.id.to_string(), from, to, changes, text: diff.to_string() })
    }

    async fn document_of(&self, author: &Author, flow: &str, number: u32) -> Result<Value, AppError> {
        match number {
            0 => Ok(self.current(author, flow).await?.1),
            number => Ok(self.version(author, flow, number).await?.document),
        }
    }

    /// Marks a version as not to be used any more, or takes that back. It still runs.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `FLOW_NOT_FOUND`; `VERSION_NOT_FOUND`; `VALIDATION_ERROR`; `CONFLICT` with the
    /// version's current revision.
    pub async fn deprecate_version(
        &self,
        author: &Author,
        flow: &str,
        number: u32,
        on_revision: Option<u64>,
        request: DeprecateVersion,
    ) -> Result<VersionInfo, AppError> {
        author.require(Scope::Author)?;
        bounded("note", &request.note, TEXT_CHARS)?;
        let record = self.flow_in_reach(author, flow).await?;
        let deprecated = request.deprecated.then(|| (self.now(), request.note));
        match self.store().deprecate(record.project_id, record.id, number, on_revision, deprecated).await? {
            Marked::Done(version) => Ok(info(&record, &version)),
            Marked::Stale(now) => Err(AppError::meanwhile(format_args!("version {number} was marked"), now)),
            Marked::Missing => Err(version_not_found(&record, number)),
        }
    }

    /// Publishes a flow's draft, for the operator: by its slug. The version's number.
    ///
    /// # Errors
    /// As [`App::publish_version`].
    pub async fn publish(&self, project: &Project, flow: &str, note: &str, author: &str) -> Result<u32, AppError> {
        let record = self.flow_record(project.record.id, flow).await?;
        let request = PublishVersion { note: note.to_owned(), ..PublishVersion::default() };
        let author = Author::local(project, author);
        Ok(self.publish_version(&author, &record.id.to_string(), request).await?.version)
    }
}

/// A version on the wire.
pub(super) fn info(flow: &FlowRecord, version: &VersionRecord) -> VersionInfo {
    let deprecated = version.deprecated.as_ref();
    VersionInfo {
        version_id: format!("{}.v{}", flow.id, version.number),
        flow_id: flow.id.to_string(),
        version: version.number,
        hash: version.hash.clone(),
        note: version.note.clone(),
        author: version.by.author.clone(),
        author_name: version.by.name.clone(),
        created_at: iso(version.by.at),
        production: flow.production.as_ref().is_some_and(|(number, _)| *number == version.number),
        deprecated: deprecated.map(|(at, note)| Deprecation { at: iso(*at), note: note.clone() }),
        revision: version.revision,
    }
}
