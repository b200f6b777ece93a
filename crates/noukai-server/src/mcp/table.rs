//! The table of tools: name, words, effect, arguments, result, function. Listing, calls and tests are made from it.

use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use noukai_api::{FlowChange, Scope};
use noukai_flow as flow;
use rmcp::model::{JsonObject, Tool as Shown, ToolAnnotations};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{describe, server::AUTHOR, tools};
use crate::app::{App, AppError, Author, Caller};

/// What a call may lead to, for whoever decides on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Looks.
    Read,
    /// Adds; a second call adds again.
    Add,
    /// Sets; a second call changes nothing.
    Set,
    /// Takes something away; a second call finds it gone.
    Remove,
    /// Runs flows, which call models.
    Run,
}

impl Effect {
    fn hints(self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(self == Self::Read)
            .destructive(self == Self::Remove)
            .idempotent(matches!(self, Self::Read | Self::Set))
            .open_world(self == Self::Run)
    }
}

/// A tool.
pub(super) struct Tool {
    pub name: &'static str,
    pub scope: Scope,
    pub shown: Shown,
    pub run: for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Value, AppError>>,
}

/// A call of a tool.
pub(super) struct Call<'a> {
    pub app: &'a App,
    pub caller: &'a Caller,
    pub author: &'a Author,
    pub tool: &'static Tool,
    pub arguments: JsonObject,
}

impl Tool {
    /// Arguments that the tool does not have are refused: who sends one means something by it.
    pub fn check_arguments(&self, arguments: &JsonObject) -> Result<(), AppError> {
        let known = self.shown.input_schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        match arguments.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => {
                let other: String = other.chars().take(80).collect();
                let why = format!("is no argument of {}; there are {}", self.name, known.join(", "));
                Err(AppError::invalid_field(&["arguments", &other], why))
            }
        }
    }
}

/// Arguments as their type.
pub(super) fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, AppError> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        AppError::invalid_field(&["arguments", &path], error.inner().to_string())
    })
}

fn told<T: Serialize>(reply: &T) -> Result<Value, AppError> {
    serde_json::to_value(reply).map_err(AppError::internal)
}

/// The names of all tools, in the order they are listed in.
pub fn tool_names() -> Vec<&'static str> {
    TABLE.iter().map(|tool| tool.name).collect()
}

fn tool(
    (name, title, text): (&'static str, &'static str, &'static str),
    effect: Effect,
    (input, output): (JsonObject, JsonObject),
    run: for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Value, AppError>>,
) -> Tool {
    let shown = Shown::new(name, text, Arc::new(input))
        .with_title(title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(effect.hints());
    Tool { name, scope: AUTHOR, shown, run }
}

/// Tools with a function of their own.
macro_rules! calls {
    ($all:ident; $($effect:ident $name:literal $title:literal $function:path: $arguments:ty => $reply:ty, $text:literal;)+) => {
        $($all.push(tool(
            ($name, $title, $text),
            Effect::$effect,
            (describe::input::<$arguments>(), describe::output::<$reply>()),
            |call| Box::pin(async move {
                let Call { app, caller, author, arguments, .. } = call;
                let arguments: $arguments = read(arguments)?;
                let who = tools::Who { app, caller, author };
                let reply: $reply = $function(who, arguments).await?;
                told(&reply)
            }),
        ));)+
    };
}

/// Tools that are an operation on a flow's draft; in brackets the arguments that they show besides the flow.
macro_rules! operations {
    ($all:ident; $($effect:ident $name:literal $title:literal $arguments:ty [$($argument:literal),+ $(,)?], $text:literal;)+) => {
        $($all.push(tool(
            ($name, $title, $text),
            Effect::$effect,
            (describe::operation::<$arguments>(&[$($argument),+]), describe::output::<FlowChange>()),
            |call| Box::pin(async move { told(&tools::change(call).await?) }),
        ));)+
    };
}

/// Every tool. The names and arguments that other servers of this kind have published are kept exactly.
pub(super) static TABLE: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let mut all = Vec::new();
    read_tools(&mut all);
    structural_tools(&mut all);
    lifecycle_tools(&mut all);
    content_tools(&mut all);
    version_tools(&mut all);
    test_tools(&mut all);
    all
});

fn read_tools(all: &mut Vec<Tool>) {
    calls! { all;
        Read "list_flows" "List flows" tools::read::list_flows: tools::read::OfProject => noukai_api::FlowList,
            "Lists all flows of a project with their versions.";
        Read "get_flow" "Get a flow" tools::read::get_flow: tools::read::OfFlow => noukai_api::FlowDraft,
            "Gives a flow with its whole draft as a document.";
        Read "get_flow_structure" "Get a flow's structure" tools::read::get_flow_structure: tools::read::OfFlow => tools::read::Structure,
            "Gives the tree of a flow's draft: blocks and containers with their ids and names, without contents. Call it before you move or wrap anything.";
        Read "get_block" "Get a block" tools::read::get_block: tools::read::OfStep => tools::read::Block,
            "Gives one block of a flow's draft: prompt or source, model, schemas, settings.";
        Read "get_operation_history" "Get a flow's history" tools::read::get_operation_history: tools::read::History => noukai_api::OperationLog,
            "Lists what was done to a flow's draft, newest first.";
        Read "hydrate_project" "Get a whole project" tools::read::hydrate_project: tools::read::OfProject => tools::read::Hydrated,
            "Gives all flows of a project with their blocks, checkpoints, versions and test cases, and its object models. Large; for a single flow get_flow does.";
        Read "get_test_run_trace" "Get a test run's traces" tools::read::get_test_run_trace: tools::read::OfTestRun => noukai_api::TestRunTrace,
            "Gives what each step did in the runs of a test run, to find out why a case failed.";
        Read "list_flow_runs" "List runs" tools::read::list_flow_runs: tools::read::Runs => noukai_api::FlowRunList,
            "Lists runs of the project, newest first, of one flow or in one status if asked for.";
        Read "get_flow_run_trace" "Get a run's trace" tools::read::get_flow_run_trace: tools::read::OfRun => noukai_api::Trace,
            "Gives what each step of a run did: inputs, outputs, errors, times, tokens.";
    }
}

fn structural_tools(all: &mut Vec<Tool>) {
    operations! { all;
        Add "add_block" "Add a block" flow::AddBlock ["name", "processor_type", "prompt", "target_id", "direction"],
            "Adds a block to a flow's draft: an llm block with a prompt, a code block with its source, or a passthrough. left and right of the target come before and after it, above and below run at the same time, in a parallel container that is made if need be. Without a target it comes at the end.";
        Remove "remove_block" "Remove a step" flow::OfStep ["step_id"],
            "Removes a block or a container with all that is in it. It can be seen in the history and undone.";
        Set "move_block" "Move a step" flow::MoveBlock ["step_id", "target_id", "direction"],
            "Moves a block or a container, with all that is in it, beside another step.";
        Add "duplicate_block" "Copy a step" flow::DuplicateBlock ["step_id", "name", "target_id", "direction"],
            "Copies a block or a container, with all that is in it, under new ids.";
        Set "convert_block" "Convert a block" flow::ConvertBlock ["step_id", "processor_type"],
            "Makes a block do something else. Its name, notes and output schema stay; its prompt or source goes.";
        Add "wrap_in_container" "Wrap in a container" flow::WrapInContainer ["node_ids", "container_type"],
            "Puts steps that stand side by side into a container: h runs them in order, v at the same time.";
        Add "wrap_in_loop" "Wrap in a loop" flow::WrapInLoop ["node_ids", "array_field"],
            "Puts steps that stand side by side into a loop over a field that holds an array. Inside, {{ item }} is the item.";
        Add "wrap_in_branch" "Wrap in a branch" flow::WrapInBranch ["node_ids", "on", "case"],
            "Puts steps that stand side by side into a case of a new branch; `on` is the template that chooses the case.";
        Remove "unwrap_node" "Unwrap a container" flow::OfStep ["step_id"],
            "Puts the children of a container, loop or branch in its place.";
        Set "update_container" "Change a container" flow::UpdateContainer ["step_id", "container_type", "name"],
            "Changes whether a container runs its children in order (h) or at the same time (v), or its name.";
        Set "update_loop" "Change a loop" flow::UpdateLoop ["step_id", "array_field", "concurrency", "on_item_error", "name"],
            "Changes what a loop walks over, how many items run at once, or what is done about an item that fails.";
    }
}

fn lifecycle_tools(all: &mut Vec<Tool>) {
    calls! { all;
        Add "create_flow" "Create a flow" tools::lifecycle::create_flow: tools::lifecycle::NewFlow => noukai_api::FlowDraft,
            "Creates an empty flow. The slug is its address: 2 to 50 lowercase letters, digits and hyphens.";
        Remove "delete_flow" "Delete a flow" tools::lifecycle::delete_flow: tools::read::OfFlow => noukai_api::Deleted,
            "Takes a flow out of sight, with its versions: callers no longer find it. Its runs stay. Ask the person first.";
        Add "create_project" "Create a project" tools::lifecycle::create_project: tools::lifecycle::NewProject => noukai_api::ProjectInfo,
            "Creates a project in the organisation. Needs the admin scope.";
    }
}

fn content_tools(all: &mut Vec<Tool>) {
    operations! { all;
        Set "update_block_draft" "Set a prompt or source" flow::UpdateBlockDraft ["step_id", "content"],
            "Sets the prompt of an llm block or the source of a code block, whole.";
        Set "update_block_input_schema" "Set what a block takes" flow::UpdateBlockSchema ["step_id", "content"],
            "Sets what a code block takes: an ordered list of fields {name, type, description}, or a JSON Schema.";
        Set "update_block_output_schema" "Set what a block gives" flow::UpdateBlockSchema ["step_id", "content"],
            "Sets what a block gives: a JSON Schema object, the short form {label: string}, a list of fields, or {model: NAME} for an object model. Later steps then name its fields.";
        Set "update_block_config" "Set a block's settings" flow::UpdateBlockConfig ["step_id", "config", "processor_config"],
            "Changes settings of a block: config goes to the model's provider (temperature, max_tokens), processor_config says how it runs (tools_enabled, system, retry, timeout_ms, language). Keys that are not named stay; null takes one away.";
        Set "update_block_model" "Set a block's model" flow::UpdateBlockModel ["step_id", "model", "fallback_models"],
            "Sets the model of an llm block, as vendor/model; null is the server's default.";
        Set "update_block_name" "Rename a step" flow::UpdateBlockName ["step_id", "name"],
            "Sets the name of a block or a container. Names are variables in templates.";
        Set "update_block_notes" "Set a step's notes" flow::UpdateBlockNotes ["step_id", "notes"],
            "Sets the notes of a block or a container, for people who read the flow.";
        Set "update_flow_input_schema" "Set what a flow takes" flow::UpdateFlowInputSchema ["content"],
            "Sets what a run of the flow takes: the short form {topic: string}, a list of fields, or a JSON Schema; null: a message, and whatever else is sent.";
        Set "update_block" "Change a block" flow::UpdateBlock ["step_id", "name", "content", "model", "fallback_models", "input_schema", "output_schema", "config", "processor_config", "notes"],
            "Changes several fields of one block at once, all or nothing.";
    }
}

fn version_tools(all: &mut Vec<Tool>) {
    calls! { all;
        Add "create_checkpoint" "Save a block" tools::lifecycle::create_checkpoint: tools::lifecycle::NewCheckpoint => noukai_api::Checkpoint,
            "Saves the contents of one block as they are now, to come back to. Do so before you rewrite a prompt that works.";
        Remove "delete_checkpoint" "Delete a checkpoint" tools::lifecycle::delete_checkpoint: tools::lifecycle::OfCheckpoint => noukai_api::Deleted,
            "Deletes saved contents of a block.";
        Add "publish_version" "Publish a version" tools::lifecycle::publish_version: tools::lifecycle::Publication => noukai_api::VersionInfo,
            "Publishes the draft as the next version, which never changes. Callers get it only after set_production_version. An invalid draft is refused with all that is wrong.";
        Set "set_production_version" "Set the production version" tools::lifecycle::set_production_version: tools::lifecycle::Promotion => noukai_api::Production,
            "Makes a published version what callers get, at once; also the way back to an older one.";
        Add "create_object_model" "Create an object model" tools::lifecycle::create_object_model: tools::lifecycle::NewModel => noukai_api::ObjectModelUse,
            "Creates a named schema of the project that outputs of blocks can refer to as {model: NAME}.";
        Set "update_object_model" "Change an object model" tools::lifecycle::update_object_model: tools::lifecycle::ChangedModel => noukai_api::ObjectModelUse,
            "Replaces the fields of an object model; drafts that name it follow, published versions do not.";
        Remove "delete_object_model" "Delete an object model" tools::lifecycle::delete_object_model: tools::lifecycle::OfModel => noukai_api::Deleted,
            "Deletes an object model. Refused while drafts name it, unless forced.";
    }
}

fn test_tools(all: &mut Vec<Tool>) {
    calls! { all;
        Add "create_test_case" "Create a test case" tools::tests::create_test_case: tools::tests::NewCase => noukai_api::TestCase,
            "Creates a test case of a flow: what is sent, and what must be true of the result (equals, subset, contains, schema, rubric). With from_run it is made of a recorded run, with the model's replies.";
        Set "update_test_case" "Change a test case" tools::tests::update_test_case: tools::tests::ChangedCase => noukai_api::TestCase,
            "Changes a test case; what is left out stays.";
        Remove "delete_test_case" "Delete a test case" tools::tests::delete_test_case: tools::tests::OfCase => noukai_api::TestCase,
            "Deletes a test case. The runs of it stay.";
        Read "list_test_cases" "List test cases" tools::tests::list_test_cases: tools::tests::Cases => noukai_api::TestCaseList,
            "Lists the test cases of a flow.";
        Run "run_test_case" "Run a test case" tools::tests::run_test_case: tools::tests::RunCase => noukai_api::TestRun,
            "Runs one test case against the draft (or a version) and waits for the result for up to a minute.";
        Run "run_all_test_cases" "Run all test cases" tools::tests::run_all_test_cases: tools::tests::RunAll => noukai_api::TestRun,
            "Runs all test cases of a flow against the draft (or a version) and waits for up to a minute; get_test_run tells the rest.";
        Read "get_test_run" "Get a test run" tools::tests::get_test_run: tools::read::OfTestRun => noukai_api::TestRun,
            "Gives how a test run went, case by case, with what was expected and what came.";
    }
}
