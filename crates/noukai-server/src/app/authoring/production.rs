//! The production version: set at once, logged, and how one rolls back.

use noukai_api::{ErrorCode, Production, ProductionChange, Scope, SetProduction};
use noukai_store::{FlowRecord, Promoted, Promotion, PromotionRecord};
use serde_json::json;

use super::{Author, log};
use crate::app::{App, AppError, Project, flows::version_not_found, iso};

/// Changes that are shown.
const HISTORY: u32 = 100;

impl App {
    /// The production version, and which it was before.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`.
    pub async fn production(&self, author: &Author, flow: &str) -> Result<Production, AppError> {
        author.require(Scope::Author)?;
        let record = self.flow_in_reach(author, flow).await?;
        let history = self.store().promotions(record.project_id, record.id, HISTORY).await?;
        Ok(Production {
            flow_id: record.id.to_string(),
            version: record.production.map(|(number, _)| number),
            history: history.into_iter().map(change).collect(),
        })
    }

    /// Makes a version the production version; with `instead_of` only where that one is it, 0 standing for none.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `FLOW_NOT_FOUND`; `VERSION_NOT_FOUND`, also for another flow's version;
    /// `VALIDATION_ERROR` where not exactly one is named; `CONFLICT` with the production version there is.
    pub async fn set_production(
        &self,
        author: &Author,
        flow: &str,
        instead_of: Option<u32>,
        request: SetProduction,
    ) -> Result<Production, AppError> {
        author.require(Scope::Author)?;
        let record = self.flow_in_reach(author, flow).await?;
        let number = named(&record, &request)?;
        let (summary, before) = match &record.production {
            Some((before, _)) => (format!("version {number} is production, after version {before}"), Some(*before)),
            None => (format!("version {number} is production"), None),
        };
        let operation = json!({"op": "set_production_version", "version": number, "before": before});
        let promotion = Promotion {
            project_id: record.project_id,
            flow_id: record.id,
            number,
            instead_of,
            operation: log::event(&operation, summary),
            by: author.signature(self.now()),
        };
        let promoted = self.store().set_production(promotion).await?;
        self.forget_record(record.project_id, &record.slug);
        match promoted {
            Promoted::Done => self.production(author, flow).await,
            Promoted::Stale(now) => Err(other_production(now)),
            Promoted::Missing => Err(version_not_found(&record, number)),
        }
    }

    /// Makes a version the production version, for the operator: by the flow's slug.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`, `VERSION_NOT_FOUND`.
    pub async fn promote(&self, project: &Project, flow: &str, version: u32, author: &str) -> Result<(), AppError> {
        let record = self.flow_record(project.record.id, flow).await?;
        let request = SetProduction { version: Some(version), version_id: None };
        self.set_production(&Author::local(project, author), &record.id.to_string(), None, request).await.map(drop)
    }
}

/// Somebody else was faster.
fn other_production(now: u32) -> AppError {
    let is =
        if now == 0 { "there is no production version".to_owned() } else { format!("version {now} is production") };
    let message = format!("{is} by now; see whether the change is still wanted, and send it again with that `ETag`");
    AppError::new(ErrorCode::Conflict, message).at_revision(now.into())
}

/// The version that is meant, by number or by id.
fn named(record: &FlowRecord, request: &SetProduction) -> Result<u32, AppError> {
    match (request.version, &request.version_id) {
        (Some(number), None) => Ok(number),
        (None, Some(id)) => {
            let number = id.strip_prefix(&format!("{}.v", record.id)).and_then(|number| number.parse().ok());
            let message = format!(
                "that is no version of the flow `{}`; `GET /flows/{{flow_id}}/versions` lists them",
                record.slug
            );
            number.ok_or_else(|| AppError::new(ErrorCode::VersionNotFound, message))
        }
        _ => Err(AppError::invalid_field(&["body", "version"], "name one version, in `version` or in `version_id`")),
    }
}

fn change(record: PromotionRecord) -> ProductionChange {
    ProductionChange {
        version: record.number,
        author: record.by.author,
        author_name: record.by.name,
        at: iso(record.by.at),
    }
}
