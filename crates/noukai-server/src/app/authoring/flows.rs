//! Flows as an author sees them: lists, drafts.

use noukai_api::{FlowDraft, FlowList, FlowSummary, Scope};
use noukai_store::{FlowFilter, FlowRecord};

use super::{Author, has_more, page_size};
use crate::app::{App, AppError, iso};

/// What a list of flows is narrowed to, as sent.
#[derive(Debug, Clone, Default)]
pub struct FlowQuery {
    /// The project; the author's home where none is named.
    pub project_id: Option<String>,
    /// The one of this slug.
    pub slug: Option<String>,
    /// Part of the slug or the name.
    pub text: Option<String>,
    /// 1 to 100, default 20.
    pub limit: Option<u32>,
    /// As the page before gave it.
    pub cursor: Option<String>,
}

impl App {
    /// A page of a project's flows, by slug.
    ///
    /// # Errors
    /// `FORBIDDEN`, `PROJECT_NOT_FOUND`, `VALIDATION_ERROR`.
    pub async fn list_flows(&self, author: &Author, query: FlowQuery) -> Result<FlowList, AppError> {
        author.require(Scope::Author)?;
        let size = page_size(query.limit)?;
        let project = self.project_in_reach(author, query.project_id.as_deref()).await?.id;
        if let Some(slug) = query.slug {
            let found = self.store().flow(project, &slug).await?;
            return Ok(FlowList { flows: found.iter().map(summary).collect(), next_cursor: None });
        }
        let filter = FlowFilter { text: query.text, after: query.cursor, limit: size + 1 };
        let mut flows = self.store().flow_page(project, filter).await?;
        let more = has_more(&mut flows, size);
        let next_cursor = flows.last().filter(|_| more).map(|flow| flow.slug.clone());
        Ok(FlowList { flows: flows.iter().map(summary).collect(), next_cursor })
    }

    /// A flow with its draft as written.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`.
    pub async fn flow_draft(&self, author: &Author, flow: &str) -> Result<FlowDraft, AppError> {
        author.require(Scope::Author)?;
        let (record, document) = self.current(author, flow).await?;
        let contents = self.store().content_versions(record.project_id, record.id).await?;
        Ok(FlowDraft { flow: summary(&record), document, content_versions: contents.into_iter().collect() })
    }
}

/// A flow on the wire.
pub(super) fn summary(flow: &FlowRecord) -> FlowSummary {
    FlowSummary {
        flow_id: flow.id.to_string(),
        project_id: flow.project_id.to_string(),
        slug: flow.slug.clone(),
        name: flow.name.clone(),
        description: flow.description.clone(),
        revision: flow.revision,
        draft_hash: flow.draft_hash.clone(),
        latest_version: flow.latest_version,
        production_version: flow.production.as_ref().map(|(number, _)| *number),
        created_at: iso(flow.created_at),
        updated_at: iso(flow.updated_at),
    }
}
