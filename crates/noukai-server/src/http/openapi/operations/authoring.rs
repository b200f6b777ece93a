//! Organisations, projects, flows and what belongs to them, in words.

use noukai_api::ErrorCode::{self, *};

use serde_json::{Value, json};

use super::{Content, Operation, header, path, query};

/// What is only read.
const fn read(
    name: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: &'static [&'static str],
    reply: &'static str,
    errors: &'static [ErrorCode],
) -> Operation {
    let (tag, reply, reply_text) = ("authoring", Content::Json(reply), "What was asked for.");
    let (body, body_required, status) = (None, false, 200);
    Operation {
        name,
        id,
        tag,
        summary,
        description,
        parameters,
        body,
        body_required,
        status,
        reply,
        reply_text,
        errors,
    }
}

/// What changes something.
const fn change(of: Operation, body: Option<&'static str>, status: u16) -> Operation {
    Operation { body, body_required: body.is_some(), status, reply_text: "How it stands now.", ..of }
}

const PAGE: &[&str] = &["pageLimit", "nextCursor", "RequestIdHeader"];
const ID: &[&str] = &["RequestIdHeader"];
const ONCE: &[&str] = &["IdempotencyKey", "RequestIdHeader"];
const ON_REVISION: &[&str] = &["IfMatch", "RequestIdHeader"];
const ONCE_ON_REVISION: &[&str] = &["IfMatch", "IdempotencyKey", "RequestIdHeader"];

const OF_FLOW: &[ErrorCode] = &[Forbidden, FlowNotFound, ValidationError, Conflict];
const CHANGES_FLOW: &[ErrorCode] = &[
    Forbidden,
    FlowNotFound,
    Conflict,
    ValidationError,
    OperationRefused,
    OperationNotFound,
    PayloadTooLarge,
    IdempotencyKeyReused,
];

pub(super) const OPERATIONS: &[Operation] = &[
    read(
        "orgs::list",
        "organizations",
        "List organisations",
        "Those that the key belongs to: one.",
        ID,
        "OrganisationList",
        &[],
    ),
    read("orgs::get", "organization", "An organisation", "", ID, "Organisation", &[OrganizationNotFound]),
    change(
        read(
            "orgs::update",
            "updateOrganization",
            "Change an organisation's settings",
            "Needs the `admin` scope. What is absent stays.",
            ID,
            "Organisation",
            &[Forbidden, OrganizationNotFound],
        ),
        Some("UpdateOrganisation"),
        200,
    ),
    read(
        "orgs::projects",
        "projects",
        "List projects",
        "With the `admin` scope all of the organisation, else the key's own.",
        PAGE,
        "ProjectList",
        &[ValidationError, ProjectNotFound],
    ),
    change(
        read(
            "orgs::create_project",
            "createProject",
            "Make a project",
            "Needs the `admin` scope. The project has no key yet: `POST /keys` makes one.",
            ONCE,
            "ProjectInfo",
            &[Forbidden, Conflict, IdempotencyKeyReused, ProjectNotFound],
        ),
        Some("CreateProject"),
        201,
    ),
    read("orgs::project", "project", "A project", "", ID, "ProjectInfo", &[ProjectNotFound]),
    change(
        read(
            "orgs::update_project",
            "updateProject",
            "Change a project's settings",
            "Needs the `admin` scope. What is absent stays.",
            ID,
            "ProjectInfo",
            &[Forbidden, ProjectNotFound],
        ),
        Some("UpdateProject"),
        200,
    ),
    read(
        "orgs::hydrate",
        "hydrateProject",
        "A project with all that is in it",
        "Flows with their drafts, blocks, versions, checkpoints and test cases, 500 on a page; and all object models.",
        &["hydrateLimit", "nextCursor", "RequestIdHeader"],
        "HydratedProject",
        &[Forbidden, ProjectNotFound, ValidationError],
    ),
    read(
        "flows::list",
        "flows",
        "List a project's flows",
        "By slug.",
        &["flowsProjectId", "slug", "text", "pageLimit", "nextCursor", "RequestIdHeader"],
        "FlowList",
        &[Forbidden, ProjectNotFound, ValidationError],
    ),
    change(
        read(
            "flows::create",
            "createFlow",
            "Make a flow",
            "From a document, or empty. The draft may have problems; it just cannot be published.",
            ONCE,
            "FlowDraft",
            &[Forbidden, ProjectNotFound, Conflict, IdempotencyKeyReused],
        ),
        Some("CreateFlow"),
        201,
    ),
    read("flows::get", "flow", "A flow with its draft", "`ETag` is the draft's revision.", ID, "FlowDraft", OF_FLOW),
    change(
        read(
            "flows::update",
            "updateFlow",
            "Change a flow's address, name or description",
            "What is absent stays. Logged as the operations that do it.",
            ON_REVISION,
            "FlowChange",
            CHANGES_FLOW,
        ),
        Some("UpdateFlow"),
        200,
    ),
    read(
        "flows::delete",
        "deleteFlow",
        "Delete a flow",
        "It is out of sight; its runs, versions and log stay. With `If-Match` only where the draft is at that revision.",
        ON_REVISION,
        "Deleted",
        &[Forbidden, FlowNotFound, Conflict, ValidationError, PayloadTooLarge],
    ),
    Operation {
        name: "flows::document",
        id: "document",
        tag: "authoring",
        summary: "A draft's document alone",
        description: "As a file would have it. `ETag` is the draft's revision.",
        parameters: ID,
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Anything,
        reply_text: "The document as written.",
        errors: OF_FLOW,
    },
    change(
        read(
            "flows::put_document",
            "putDocument",
            "Replace a draft's document",
            "Turned into the operations that lead there, which are logged; a document that is the same changes nothing.",
            ON_REVISION,
            "FlowChange",
            CHANGES_FLOW,
        ),
        Some("FlowDocument"),
        200,
    ),
    read(
        "flows::problems",
        "draftProblems",
        "What is wrong with a draft",
        "All problems at once, each with its place and what to do.",
        ID,
        "DraftProblems",
        OF_FLOW,
    ),
    read(
        "flows::log",
        "operations",
        "A flow's log, newest first",
        "Who changed what, publications and changes of the production version included.",
        &["logStep", "op", "offset", "pageLimit", "nextCursor", "RequestIdHeader"],
        "OperationLog",
        OF_FLOW,
    ),
    change(
        read(
            "flows::apply",
            "applyOperations",
            "Change a draft by operations",
            "All of them are done and logged as one line, or none. Made on a `revision` (or `If-Match`), they are refused with `CONFLICT` and the present revision where the draft has moved on.",
            ONCE_ON_REVISION,
            "FlowChange",
            CHANGES_FLOW,
        ),
        Some("ApplyOperations"),
        200,
    ),
    change(
        read(
            "flows::undo",
            "undoOperation",
            "Take an operation back",
            "As long as nothing later changes the same step. Undoing an undo does the operation again.",
            ONCE_ON_REVISION,
            "FlowChange",
            CHANGES_FLOW,
        ),
        Some("UndoOperation"),
        200,
    ),
    read("versions::list", "versions", "List a flow's versions, newest first", "", PAGE, "VersionList", OF_FLOW),
    change(
        read(
            "versions::publish",
            "publishVersion",
            "Publish the draft",
            "As the next version, which never changes. A draft that equals the latest version gives that version again. A draft with problems is refused with all of them; so is one whose test cases do not pass that must.",
            ONCE_ON_REVISION,
            "VersionInfo",
            PUBLISHES,
        ),
        Some("PublishVersion"),
        201,
    ),
    read(
        "versions::get",
        "getVersion",
        "A version with its document",
        "`ETag` counts how often it was marked as not to be used any more, or that was taken back.",
        ID,
        "VersionDocument",
        &[Forbidden, FlowNotFound, VersionNotFound],
    ),
    change(
        read(
            "versions::deprecate",
            "deprecateVersion",
            "Mark a version as not to be used any more",
            "Or take that back. It still runs; versions are never deleted. With `If-Match` only where the version is at that revision.",
            ON_REVISION,
            "VersionInfo",
            &[Forbidden, FlowNotFound, VersionNotFound, Conflict],
        ),
        Some("DeprecateVersion"),
        200,
    ),
    read(
        "versions::diff",
        "diffVersions",
        "What differs between two versions",
        "From the first to the second; 0 is the draft.",
        ID,
        "VersionDiff",
        &[Forbidden, FlowNotFound, VersionNotFound, Conflict],
    ),
    read(
        "versions::production",
        "production",
        "The production version, and which it was",
        "`ETag` is its number, `\"0\"` where there is none.",
        ID,
        "Production",
        OF_FLOW,
    ),
    change(
        read(
            "versions::set_production",
            "setProduction",
            "Set the production version",
            "It counts at once; also the way back to an older one. A version of another flow is refused. With `If-Match` only where the production version is that one; `\"0\"` stands for none.",
            ON_REVISION,
            "Production",
            &[Forbidden, FlowNotFound, VersionNotFound, Conflict],
        ),
        Some("SetProduction"),
        200,
    ),
    read(
        "checkpoints::list",
        "checkpoints",
        "List a flow's checkpoints, newest first",
        "",
        &["checkpointStep", "pageLimit", "nextCursor", "RequestIdHeader"],
        "CheckpointList",
        OF_FLOW,
    ),
    change(
        read(
            "checkpoints::create",
            "createCheckpoint",
            "Save what a step is now",
            "With all that is in it, to go back to. With `If-Match` only where the draft is at that revision.",
            ONCE_ON_REVISION,
            "Checkpoint",
            &[Forbidden, FlowNotFound, StepNotFound, Conflict, IdempotencyKeyReused],
        ),
        Some("CreateCheckpoint"),
        201,
    ),
    read(
        "checkpoints::get",
        "checkpoint",
        "A checkpoint",
        "`ETag` is the revision of the draft that it was saved at.",
        ID,
        "Checkpoint",
        &[Forbidden, FlowNotFound, CheckpointNotFound],
    ),
    read(
        "checkpoints::delete",
        "deleteCheckpoint",
        "Delete a checkpoint",
        "With `If-Match` only where it was saved at that revision of the draft.",
        ON_REVISION,
        "Deleted",
        &[Forbidden, FlowNotFound, CheckpointNotFound, Conflict],
    ),
    change(
        read(
            "checkpoints::restore",
            "restoreCheckpoint",
            "Put saved contents back in their step's place",
            "An operation like any other: logged, and undone like one.",
            ONCE_ON_REVISION,
            "FlowChange",
            RESTORES,
        ),
        Some("UndoOperation"),
        200,
    ),
    read(
        "models::list",
        "objectModels",
        "List a project's object models",
        "By name.",
        &["flowsProjectId", "pageLimit", "nextCursor", "RequestIdHeader"],
        "ObjectModelList",
        &[Forbidden, ProjectNotFound, ValidationError],
    ),
    change(
        read(
            "models::create",
            "createObjectModel",
            "Make an object model",
            "A named schema that a block's output may be: `output: {model: Invoice}`.",
            ONCE,
            "ObjectModelUse",
            &[Forbidden, ProjectNotFound, Conflict, IdempotencyKeyReused],
        ),
        Some("CreateObjectModel"),
        201,
    ),
    read(
        "models::get",
        "objectModel",
        "An object model and the flows that use it",
        "",
        ID,
        "ObjectModelUse",
        &[Forbidden, ObjectModelNotFound],
    ),
    change(
        read(
            "models::update",
            "updateObjectModel",
            "Change an object model",
            "Drafts that name it follow at once and are listed; published versions keep what they were published with.",
            ON_REVISION,
            "ObjectModelUse",
            &[Forbidden, ObjectModelNotFound, Conflict],
        ),
        Some("UpdateObjectModel"),
        200,
    ),
    read(
        "models::delete",
        "deleteObjectModel",
        "Delete an object model",
        "Refused while drafts name it, unless `force` is said; they have a problem then. With `If-Match` only where it is at that revision.",
        &["force", "IfMatch", "RequestIdHeader"],
        "Deleted",
        &[Forbidden, ObjectModelNotFound, Conflict, ValidationError],
    ),
];

const PUBLISHES: &[ErrorCode] =
    &[Forbidden, FlowNotFound, Conflict, IdempotencyKeyReused, TestsFailed, TestCaseNotFound, InvalidTree, NoSteps];

const RESTORES: &[ErrorCode] =
    &[Forbidden, FlowNotFound, CheckpointNotFound, Conflict, OperationRefused, PayloadTooLarge, IdempotencyKeyReused];

/// Parameters of these alone.
pub(super) fn parameters() -> Value {
    json!({
        "project_id": path("project_id", "The project, by its id."),
        "seq": path("seq", "The operation's number in the flow's log."),
        "number": path("number", "The version's number; 0, where two are compared: the draft."),
        "other": path("other", "The other version's number; 0: the draft."),
        "checkpoint_id": path("checkpoint_id", "The checkpoint."),
        "model_id": path("model_id", "The object model, by its id."),
        "flowsProjectId": query("project_id", "The project, by its id; absent: the key's.", json!({"type": "string"})),
        "slug": query("slug", "The one of this slug.", json!({"type": "string"})),
        "text": query("q", "Part of the slug or the name.", json!({"type": "string"})),
        "logStep": query("step_id", "Only operations that change this step.", json!({"type": "string"})),
        "checkpointStep": query("step_id", "Only those of this step.", json!({"type": "string"})),
        "op": query("op", "Only operations of this kind.", json!({"type": "string"})),
        "offset": query("offset", "Leave so many out first.", json!({"type": "integer", "minimum": 0, "default": 0})),
        "force": query("force", "Also where drafts name it.", json!({"type": "boolean", "default": false})),
        "hydrateLimit": query("limit", "Flows per page.", json!({"type": "integer", "minimum": 1, "maximum": 500, "default": 500})),
        "nextCursor": query("cursor", "`next_cursor` of the page before.", json!({"type": "string"})),
        "IfMatch": header("If-Match", "`ETag` of what the change is made on: the revision, in quotes. At another one: `CONFLICT`.", json!({"type": "string"})),
    })
}
