//! A project with all that an author needs of it, in one call.

use std::collections::{BTreeMap, HashMap};

use noukai_api::{Checkpoint, HydratedFlow, HydratedProject, Scope, TestCase, VersionInfo};
use noukai_flow::published;
use noukai_store::{FlowFilter, FlowId, FlowRecord};

use super::{Author, checkpoints, flows::summary, has_more, projects, versions};
use crate::app::{App, AppError, test_cases};

/// Flows on a page, where nothing is said, and at most.
const FLOWS: u32 = 500;

/// What belongs to the flows of a page, by flow.
#[derive(Default)]
struct Belongings {
    versions: HashMap<FlowId, Vec<VersionInfo>>,
    checkpoints: HashMap<String, Vec<Checkpoint>>,
    contents: HashMap<FlowId, BTreeMap<String, u64>>,
    test_cases: HashMap<FlowId, Vec<TestCase>>,
}

impl App {
    /// A project with its flows, their drafts, versions, checkpoints and test cases, and its object models.
    ///
    /// # Errors
    /// `FORBIDDEN`, `PROJECT_NOT_FOUND`, `VALIDATION_ERROR`.
    pub async fn hydrate_project(
        &self,
        author: &Author,
        project: &str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<HydratedProject, AppError> {
        author.require(Scope::Author)?;
        let size = limit.unwrap_or(FLOWS);
        if !(1..=FLOWS).contains(&size) {
            return Err(AppError::invalid_field(&["query", "limit"], format!("must be 1 to {FLOWS}")));
        }
        let record = self.project_in_reach(author, Some(project)).await?;
        let filter = |limit| FlowFilter { text: None, after: cursor.map(str::to_owned), limit };
        let mut drafts = self.store().draft_page(record.id, filter(size + 1)).await?;
        let more = has_more(&mut drafts, size);
        let next_cursor = drafts.last().filter(|_| more).map(|(flow, _)| flow.slug.clone());
        let mut belongings = self.belongings(&drafts, filter(size)).await?;
        let flows =
            drafts.into_iter().map(|(flow, text)| belongings.hydrated(&flow, &text)).collect::<Result<_, _>>()?;
        let object_models = self.shown_models(record.id).await?;
        Ok(HydratedProject { project: projects::project(&record), flows, object_models, next_cursor })
    }

    async fn belongings(&self, drafts: &[(FlowRecord, String)], filter: FlowFilter) -> Result<Belongings, AppError> {
        let Some((first, _)) = drafts.first() else { return Ok(Belongings::default()) };
        let project = first.project_id;
        let flows: HashMap<FlowId, &FlowRecord> = drafts.iter().map(|(flow, _)| (flow.id, flow)).collect();
        let mut all = Belongings::default();
        for (id, version) in self.store().page_versions(project, filter.clone()).await? {
            let info = flows.get(&id).map(|flow| versions::info(flow, &version));
            all.versions.entry(id).or_default().extend(info);
        }
        for checkpoint in self.store().page_checkpoints(project, filter.clone()).await? {
            let shown = checkpoints::shown(checkpoint)?;
            all.checkpoints.entry(shown.flow_id.clone()).or_default().push(shown);
        }
        for case in self.store().page_test_cases(project, filter.clone()).await? {
            all.test_cases.entry(case.flow_id).or_default().push(test_cases::shown(case)?);
        }
        for (id, step, version) in self.store().page_content_versions(project, filter).await? {
            all.contents.entry(id).or_default().insert(step, version);
        }
        Ok(all)
    }
}

impl Belongings {
    fn hydrated(&mut self, flow: &FlowRecord, text: &str) -> Result<HydratedFlow, AppError> {
        let document = serde_json::from_str(text).map_err(AppError::internal)?;
        let blocks = published::blocks(&document).iter().map(serde_json::to_value).collect::<Result<_, _>>();
        Ok(HydratedFlow {
            flow: summary(flow),
            blocks: blocks.map_err(AppError::internal)?,
            document,
            content_versions: self.contents.remove(&flow.id).unwrap_or_default(),
            checkpoints: self.checkpoints.remove(&flow.id.to_string()).unwrap_or_default(),
            versions: self.versions.remove(&flow.id).unwrap_or_default(),
            test_cases: self.test_cases.remove(&flow.id).unwrap_or_default(),
        })
    }
}
