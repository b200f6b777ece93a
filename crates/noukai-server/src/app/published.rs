//! Published flows as tools of an assistant, where their project allows it.

use noukai_api::{ExecuteRequest, Scope};
use serde_json::{Map, Value};

use super::{App, AppError, Author, Caller, ExecuteOutcome, FlowAddress, RunOptions, VersionSelector};

/// A flow that can be called as a tool.
#[derive(Debug, Clone)]
pub struct PublishedTool {
    /// The flow's slug.
    pub slug: String,
    /// For people.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it takes, as JSON Schema.
    pub input: Value,
}

impl App {
    /// The flows of the caller's project that may be called as tools: those with a production version, in order of their
    /// slugs. None where the project does not allow it, or the caller may not run flows.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn published_tools(&self, caller: &Caller) -> Result<Vec<PublishedTool>, AppError> {
        let mut tools = Vec::new();
        if !self.flows_are_tools(caller).await? {
            return Ok(tools);
        }
        for record in self.store().flows(caller.scope()).await? {
            let Some((_, hash)) = &record.production else { continue };
            // A version of an older release may no longer be one that runs; it is no tool then.
            let Ok(flow) = self.checked(caller.scope(), hash).await else { continue };
            tools.push(PublishedTool {
                slug: record.slug,
                name: flow.name.clone(),
                description: flow.description.clone(),
                input: flow.input.json().clone(),
            });
        }
        Ok(tools)
    }

    /// Calls a published flow as a tool; `None` where it is none.
    ///
    /// # Errors
    /// As [`App::execute`].
    pub async fn call_published(
        &self,
        caller: &Caller,
        slug: &str,
        inputs: Map<String, Value>,
    ) -> Result<Option<ExecuteOutcome>, AppError> {
        let known = self.flows_are_tools(caller).await?;
        let record = if known { self.store().flow(caller.scope(), slug).await? } else { None };
        if record.is_none_or(|record| record.production.is_none()) {
            return Ok(None);
        }
        let address = FlowAddress { flow: slug.to_owned(), version: VersionSelector::Production };
        let request = ExecuteRequest { parameters: inputs, ..ExecuteRequest::default() };
        self.execute(caller, &address, request, RunOptions::default()).await.map(Some)
    }

    async fn flows_are_tools(&self, caller: &Caller) -> Result<bool, AppError> {
        if caller.require(Scope::Execute).is_err() {
            return Ok(false);
        }
        let project = self.project_in_reach(&Author::from(caller), None).await?;
        Ok(project.settings.flows_as_tools)
    }
}
