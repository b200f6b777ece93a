//! The server as the protocol sees it: who it is, which tools it has, and calls of them.

use std::{collections::HashMap, sync::Arc};

use axum::http::request::Parts;
use noukai_api::{ErrorCode, Scope};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool as Shown, ToolAnnotations,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use super::table::{Call, TABLE, Tool};
use crate::app::{App, AppError, Author, Caller, ExecuteOutcome, PublishedTool};

/// What a published flow's tool is called, before its slug.
const RUN: &str = "run_";

const INSTRUCTIONS: &str = "\
Builds, tests, publishes and runs LLM flows. A flow is a tree of blocks (llm, code, passthrough) in sequences, parallel \
containers, loops and branches. Changes go to the flow's draft; publish_version makes a version of it, and \
set_production_version makes that what callers get.

Usual order: list_flows or create_flow, add_block and the update_block tools, get_flow_structure to look at it, \
create_test_case and run_all_test_cases, publish_version, set_production_version. Prompts name values in double braces: \
{{ initial.message }} is the run's message, {{ step_id.field }} the output of an earlier step. Ids come from the results of \
earlier calls: never make them up. An error says what to do next.";

/// The server, for one call as for many: it keeps nothing between them.
#[derive(Clone)]
pub(super) struct Noukai {
    app: App,
    index: Arc<HashMap<&'static str, &'static Tool>>,
}

impl Noukai {
    pub fn new(app: App) -> Self {
        Self { app, index: Arc::new(TABLE.iter().map(|tool| (tool.name, tool)).collect()) }
    }

    async fn shown(&self, caller: &Caller) -> Result<Vec<Shown>, AppError> {
        let author = Author::from(caller);
        let allowed = TABLE.iter().filter(|tool| author.require(tool.scope).is_ok());
        let mut tools: Vec<Shown> = allowed.map(|tool| tool.shown.clone()).collect();
        tools.extend(self.app.published_tools(caller).await?.into_iter().map(published));
        Ok(tools)
    }

    /// The result of a call, or its refusal, for the assistant to read.
    pub async fn answer(&self, caller: &Caller, request: CallToolRequestParams) -> CallToolResult {
        self.call(caller, request).await.unwrap_or_else(|error| refused(&error))
    }

    async fn call(&self, caller: &Caller, request: CallToolRequestParams) -> Result<CallToolResult, AppError> {
        let arguments = request.arguments.unwrap_or_default();
        let Some(tool) = self.index.get(&*request.name) else {
            return self.call_flow(caller, &request.name, arguments).await;
        };
        let author = Author::from(caller);
        author.require(tool.scope)?;
        tool.check_arguments(&arguments)?;
        let call = Call { app: &self.app, caller, author: &author, tool, arguments };
        Ok(CallToolResult::structured((tool.run)(call).await?))
    }

    /// A published flow, called by its own name.
    async fn call_flow(&self, caller: &Caller, name: &str, inputs: JsonObject) -> Result<CallToolResult, AppError> {
        let outcome = match name.strip_prefix(RUN) {
            Some(slug) => self.app.call_published(caller, slug, inputs).await?,
            None => None,
        };
        match outcome {
            Some(ExecuteOutcome::Done(reply)) => {
                let failed = reply.status != noukai_api::RunStatus::Completed;
                let value = serde_json::to_value(reply).map_err(AppError::internal)?;
                Ok(if failed { failed_run(&value) } else { CallToolResult::structured(value) })
            }
            Some(ExecuteOutcome::Paused(paused)) => {
                let value = serde_json::to_value(paused).map_err(AppError::internal)?;
                Ok(failed_run(
                    &json!({"error": "the flow waits for tools of its caller; call it over HTTP", "run": value}),
                ))
            }
            None => {
                let why = format!("there is no tool `{}`; tools/list names those there are", shorten(name));
                Err(AppError::new(ErrorCode::NotFound, why))
            }
        }
    }
}

impl ServerHandler for Noukai {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("noukai", env!("CARGO_PKG_VERSION")).with_title("Noukai"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let tools = self.shown(&caller).await;
        tools.map(ListToolsResult::with_all_items).map_err(|error| ErrorData::internal_error(error.message, None))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        Ok(self.answer(&caller, request).await.into())
    }
}

/// Whom the guard let through.
fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<Caller>()).cloned();
    caller.ok_or_else(|| ErrorData::internal_error("the request has no caller", None))
}

fn published(tool: PublishedTool) -> Shown {
    let description = tool.description.unwrap_or_else(|| format!("Runs the flow {}.", tool.name));
    let input = match tool.input {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    };
    // It calls models, and whatever they lead to.
    let hints = ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(true);
    Shown::new(format!("{RUN}{}", tool.slug), description, Arc::new(input))
        .with_title(tool.name)
        .with_annotations(hints)
}

fn failed_run(value: &Value) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(value.to_string())])
}

/// A refusal as a result, so that the assistant reads it. Faults of ours are logged, once.
fn refused(error: &AppError) -> CallToolResult {
    if matches!(error.code, ErrorCode::InternalError) {
        tracing::error!(code = error.code.as_str(), context = error.context.as_deref(), "a tool failed");
    }
    let mut told = json!({"code": error.code.as_str(), "message": error.message});
    if !error.errors.is_empty() {
        told["errors"] = json!(error.errors);
    }
    if let Some(id) = &error.execution_id {
        told["execution_id"] = json!(id);
    }
    if let Some(wait) = error.retry_after {
        told["retry_after_seconds"] = json!(wait.as_secs().max(1));
    }
    if let Some(next) = next_step(error) {
        told["next"] = json!(next);
    }
    CallToolResult::error(vec![ContentBlock::text(told.to_string())])
}

/// What an assistant does about it.
fn next_step(error: &AppError) -> Option<&'static str> {
    let of_draft = error.errors.iter().any(|fault| fault.loc.first().is_some_and(|part| part == "document"));
    match error.code {
        ErrorCode::ValidationError if of_draft => Some("mend the draft where errors say, then repeat the call"),
        code => next(code),
    }
}

/// The same by the code alone, with the names of tools.
const fn next(code: ErrorCode) -> Option<&'static str> {
    use ErrorCode as E;
    Some(match code {
        E::FlowNotFound => "call list_flows and use a flow_id from its result",
        E::StepNotFound => "call get_flow_structure and use a step_id from its result",
        E::VersionNotFound => "call hydrate_project, or publish_version, and use a version_id from its result",
        E::RunNotFound => "call list_flow_runs and use an execution_id from its result",
        E::ProjectNotFound => "use the project_id of an earlier result; list_flows without one is your own project's",
        E::TestCaseNotFound => "call list_test_cases and use an id from its result",
        E::TestRunNotFound => "call run_test_case or run_all_test_cases and use the id of its result",
        E::CheckpointNotFound | E::ObjectModelNotFound => "call hydrate_project and use an id from its result",
        E::Conflict => "read the flow again with get_flow, see whether the change is still wanted, and repeat it",
        E::ValidationError | E::BadRequest => "mend the arguments that are named and call the tool again",
        E::OperationRefused => "do as the message says, or call get_flow_structure to see the draft as it is",
        E::InvalidTree | E::NoSteps => "mend the draft as the message says, then repeat the call",
        E::TestsFailed => "mend the draft or the test cases that are named, call run_all_test_cases, and publish again",
        E::RunNotRecorded => "run the flow with trace: true, or give input and expect in place of from_run",
        E::Forbidden => "ask the person for a key, or a sign-in, that has the scope",
        E::RateLimited | E::Overloaded => "wait a moment and call the tool again",
        _ => return None,
    })
}

fn shorten(name: &str) -> String {
    name.chars().take(80).collect()
}

/// The scope that most tools take.
pub(super) const AUTHOR: Scope = Scope::Author;
