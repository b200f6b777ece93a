//! What each handler does, in words, and which errors it may answer with. Routes that share a handler share its entry.

mod authoring;
mod test_cases;

use noukai_api::ErrorCode::{self, *};
use serde_json::{Value, json};

use super::spend;
use crate::http::routes::Route;

/// One handler's description.
pub(super) struct Operation {
    /// As in the route table.
    pub name: &'static str,
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// Query and header parameters, by their names below.
    pub parameters: &'static [&'static str],
    /// Schema of the request's body.
    pub body: Option<&'static str>,
    pub body_required: bool,
    pub status: u16,
    pub reply: Content,
    pub reply_text: &'static str,
    /// Besides those that every guarded route, every body and every path below a project may bring.
    pub errors: &'static [ErrorCode],
}

/// What a reply holds.
pub(super) enum Content {
    Json(&'static str),
    /// JSON, or the same as CSV.
    JsonOrCsv(&'static str),
    Either(&'static [&'static str]),
    Anything,
    Events,
    Xml,
}

pub(super) const TAGS: &[(&str, &str)] = &[
    ("run", "Run flows"),
    ("jobs", "Runs that are queued"),
    ("traces", "What runs did"),
    ("authoring", "How flows come to be"),
    ("tests", "Test cases of flows"),
    ("keys", "API keys"),
    ("people", "Accounts, members, invitations"),
    ("provider keys", "Keys for model providers that projects and organisations bring"),
    ("spend", "What model calls took, and what they may take"),
    ("server", "The server itself"),
];

fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(authoring::OPERATIONS).chain(test_cases::OPERATIONS).chain(spend::OPERATIONS)
}

/// The description that belongs to a route.
pub(super) fn of(route: &Route) -> Option<&'static Operation> {
    all().find(|operation| operation.name == route.name)
}

/// Every error a route may answer with.
pub(super) fn errors(route: &Route, operation: &Operation) -> Vec<ErrorCode> {
    let mut codes = operation.errors.to_vec();
    if !route.is_public() {
        codes.extend([BadRequest, Unauthenticated, RateLimited, InternalError, Overloaded]);
    }
    // Another project's address, or a key without the scope.
    if route.path.contains("{project}") || route.path.starts_with("/flow-runs") {
        codes.push(Forbidden);
    }
    if operation.body.is_some() {
        codes.extend([PayloadTooLarge, ValidationError]);
    }
    codes
}

/// Refusals of whatever starts a run.
const START: &[ErrorCode] = &[
    InvalidVersion,
    ParameterNameReserved,
    ModelMimeIncompatible,
    AttachmentInvalid,
    SessionIdInvalid,
    InsufficientCredits,
    CreditsExhausted,
    FlowNotFound,
    VersionNotFound,
    Conflict,
    MissingMessage,
    IdempotencyKeyReused,
    InvalidTree,
    NoSteps,
    ByokKeyRejected,
    BillingUnavailable,
];

/// Joins two lists at compile time.
const fn join<const N: usize>(first: &[ErrorCode], second: &[ErrorCode]) -> [ErrorCode; N] {
    assert!(first.len() + second.len() == N);
    let mut all = [BadRequest; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

const EXECUTE_ERRORS: &[ErrorCode] = &join::<29>(
    START,
    &[
        MessagesRoleInvalid,
        MessagesTooLarge,
        ToolsNotEnabled,
        ToolsInvalid,
        ToolNameInvalid,
        ToolsInNonSequentialStep,
        PausedStepInvalid,
        ExecutionIdInvalid,
        ToolResultsMismatch,
        ToolIterationLimit,
        AlreadyResumed,
        RunNotFound,
        StaleTree,
    ],
);

const STEP_ERRORS: &[ErrorCode] = &join::<28>(
    START,
    &[
        ToolsNotEnabled,
        ToolsInvalid,
        ToolNameInvalid,
        ToolsInNonSequentialStep,
        PausedStepInvalid,
        ToolResultsMismatch,
        ToolIterationLimit,
        AlreadyResumed,
        InvalidStepIndex,
        InvalidFirstCall,
        RunNotFound,
        StaleTree,
    ],
);

const JOB_ERRORS: &[ErrorCode] = &join::<19>(START, &[MessagesRoleInvalid, MessagesTooLarge, ToolsRequireSyncExecute]);

const RETRY_ERRORS: &[ErrorCode] = &[
    JobNotFound,
    Conflict,
    InsufficientCredits,
    BillingUnavailable,
    ValidationError,
    MissingMessage,
    ModelMimeIncompatible,
    BadRequest,
    SessionIdInvalid,
    IdempotencyKeyReused,
    PayloadTooLarge,
    InvalidTree,
    NoSteps,
    Overloaded,
];

const RUN_HEADERS: &[&str] = &["versionQuery", "SessionIdHeader", "IdempotencyKey", "RequestIdHeader"];
const STEP_HEADERS: &[&str] = &["versionQuery", "deltas", "SessionIdHeader", "IdempotencyKey", "RequestIdHeader"];

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "execute::execute",
        id: "execute",
        tag: "run",
        summary: "Run a flow to its end, or to a pause for tools",
        description: "Without a version in the path the production version runs, or the draft where nothing was ever published. A body with `executionId`, `pausedAtStep` and `toolCallMessages` resumes a paused run. A block that fails while the flow runs is no HTTP error: 200 with `\"status\": \"failed\"`. The run goes on if the client goes away.",
        parameters: RUN_HEADERS,
        body: Some("ExecuteRequest"),
        body_required: false,
        status: 200,
        reply: Content::Either(&["ExecuteReply", "PausedReply"]),
        reply_text: "The run ended, or waits for tool results.",
        errors: EXECUTE_ERRORS,
    },
    Operation {
        name: "step::step",
        id: "step",
        tag: "run",
        summary: "Run one step, or all that remain",
        description: "The client holds the cursor and the outputs. All calls of one `executionId` are one run. Exactly one terminator ends the stream: `step_paused`, `flow_completed`, `step_error` or `step_paused_for_tool_calls`.",
        parameters: STEP_HEADERS,
        body: Some("StepRequest"),
        body_required: false,
        status: 200,
        reply: Content::Events,
        reply_text: "The events of this call, as they happen.",
        errors: STEP_ERRORS,
    },
    Operation {
        name: "jobs::submit",
        id: "submitJob",
        tag: "jobs",
        summary: "Queue a run",
        description: "Once 202 is sent, the job survives a crash. Tools cannot be used: nobody is there to call them.",
        parameters: RUN_HEADERS,
        body: Some("ExecuteRequest"),
        body_required: false,
        status: 202,
        reply: Content::Json("JobAccepted"),
        reply_text: "The job is queued.",
        errors: JOB_ERRORS,
    },
    Operation {
        name: "jobs::poll",
        id: "pollJob",
        tag: "jobs",
        summary: "Ask where a job stands",
        description: "With `wait`, answers as soon as the job ends, or after that many seconds.",
        parameters: &["wait", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("JobStatus"),
        reply_text: "Where the job stands.",
        errors: &[JobNotFound, ValidationError],
    },
    Operation {
        name: "jobs::cancel",
        id: "cancelJob",
        tag: "jobs",
        summary: "Cancel a job",
        description: "No effect once it ended.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("JobStatus"),
        reply_text: "Where the job stands now.",
        errors: &[JobNotFound],
    },
    Operation {
        name: "jobs::retry",
        id: "retryJob",
        tag: "jobs",
        summary: "Try a failed or cancelled job again",
        description: "As a new job with an id of its own; the two name each other. A job is retried once, its retry may be retried in turn: a second call is refused with `CONFLICT`, and `executionId` in the error is the retry. With `from=failed` the results of the steps that are done are taken over, as long as the inputs and the steps up to there are the same in the version that runs.",
        parameters: &["retryFrom", "retryVersion", "SessionIdHeader", "IdempotencyKey", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 202,
        reply: Content::Json("JobAccepted"),
        reply_text: "The new job is queued.",
        errors: RETRY_ERRORS,
    },
    Operation {
        name: "jobs::queue",
        id: "queue",
        tag: "jobs",
        summary: "The queue of the key's project",
        description: "How many jobs wait and run, and how long the first of them waits.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("QueueStatus"),
        reply_text: "The queue.",
        errors: &[Forbidden],
    },
    Operation {
        name: "runs::summary",
        id: "run",
        tag: "traces",
        summary: "A run without its steps",
        description: "",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("FlowRun"),
        reply_text: "The run.",
        errors: &[RunNotFound],
    },
    Operation {
        name: "runs::trace",
        id: "trace",
        tag: "traces",
        summary: "A run with the latest attempt of each step",
        description: "Complete the moment the run's reply is sent.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Trace"),
        reply_text: "The trace.",
        errors: &[RunNotFound],
    },
    Operation {
        name: "runs::step_trace",
        id: "stepTrace",
        tag: "traces",
        summary: "One step of a run",
        description: "The latest attempt, the attempt asked for, or with `attempt=all` every attempt.",
        parameters: &["attempt", "loopIndex", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Either(&["StepTrace", "StepAttempts"]),
        reply_text: "The attempt, or with `attempt=all` all of them.",
        errors: &[RunNotFound, StepNotFound, ValidationError],
    },
    Operation {
        name: "runs::follow",
        id: "traceStream",
        tag: "traces",
        summary: "A run's events: those stored, then those to come",
        description: "Ends after the run's last event; a finished run is sent whole. `Last-Event-ID` resumes with nothing lost and nothing twice. A failed run ends in `step_error`, then `flow_completed` with `summary.failedAtStep`.",
        parameters: &["LastEventId", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Events,
        reply_text: "The events.",
        errors: &[RunNotFound],
    },
    Operation {
        name: "sessions::session",
        id: "session",
        tag: "traces",
        summary: "All runs tagged with one session",
        description: "With the contents of their steps, where those were captured. Values that are absent are `null` here.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Session"),
        reply_text: "The session.",
        errors: &[SessionIdInvalid, SessionNotFound, Forbidden],
    },
    Operation {
        name: "runs::list",
        id: "flowRuns",
        tag: "traces",
        summary: "List runs, newest first",
        description: "",
        parameters: &["flowId", "status", "poison", "limit", "cursor", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("FlowRunList"),
        reply_text: "A page of runs.",
        errors: &[ValidationError],
    },
    Operation {
        name: "keys::create",
        id: "createKey",
        tag: "keys",
        summary: "Make an API key",
        description: "Needs a key with the `admin` scope. The secret is shown this once.",
        parameters: &["RequestIdHeader"],
        body: Some("CreateKey"),
        body_required: true,
        status: 201,
        reply: Content::Json("CreatedKey"),
        reply_text: "The key, with its secret.",
        errors: &[Forbidden],
    },
    Operation {
        name: "keys::list",
        id: "keys",
        tag: "keys",
        summary: "List API keys",
        description: "Needs a key with the `admin` scope. Secrets are not kept and cannot be listed.",
        parameters: &["projectId", "pageLimit", "nextCursor", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("KeyList"),
        reply_text: "A page of keys, newest first.",
        errors: &[Forbidden, ValidationError],
    },
    Operation {
        name: "keys::verify",
        id: "verifyKey",
        tag: "keys",
        summary: "What the caller's own key is good for",
        description: "",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("VerifiedKey"),
        reply_text: "The key's project, organisation, environment and scopes.",
        errors: &[],
    },
    Operation {
        name: "keys::revoke",
        id: "revokeKey",
        tag: "keys",
        summary: "Revoke an API key",
        description: "Needs a key with the `admin` scope. Every node refuses the key within 30 seconds.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("DeletedKey"),
        reply_text: "The key is revoked.",
        errors: &[Forbidden, KeyNotFound],
    },
    Operation {
        name: "members::set_up",
        id: "setUp",
        tag: "people",
        summary: "Make the first account",
        description: "With the setup token that the server printed at its first start: makes an owner, an organisation, a project and an API key of it with every scope. Secrets are shown this once. A token is good for a day and for one setup; `noukai setup` prints another one as long as there is no account.",
        parameters: &["RequestIdHeader"],
        body: Some("SetUp"),
        body_required: true,
        status: 201,
        reply: Content::Json("SetUpDone"),
        reply_text: "The account is made, and its owner signed in.",
        errors: &[Unauthenticated, BadRequest, InternalError, Overloaded, RateLimited],
    },
    Operation {
        name: "members::sign_in",
        id: "signIn",
        tag: "people",
        summary: "Sign in",
        description: "The token stands for the person for 12 hours, in one project. Its scopes follow from the person's role: members run and change flows, admins and owners may do all with them and with keys.",
        parameters: &["RequestIdHeader"],
        body: Some("SignIn"),
        body_required: true,
        status: 200,
        reply: Content::Json("SignedIn"),
        reply_text: "Signed in.",
        errors: &[Unauthenticated, Forbidden, BadRequest, InternalError, Overloaded, RateLimited],
    },
    Operation {
        name: "members::sign_out",
        id: "signOut",
        tag: "people",
        summary: "Sign out",
        description: "",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Done"),
        reply_text: "The token is refused from now on.",
        errors: &[],
    },
    Operation {
        name: "members::me",
        id: "me",
        tag: "people",
        summary: "Whom the server takes the caller for",
        description: "",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Me"),
        reply_text: "The caller.",
        errors: &[],
    },
    Operation {
        name: "members::change_password",
        id: "changePassword",
        tag: "people",
        summary: "Change the own password",
        description: "Ends every sign-in of the person and everything they granted to programs.",
        parameters: &["RequestIdHeader"],
        body: Some("ChangePassword"),
        body_required: true,
        status: 200,
        reply: Content::Json("Done"),
        reply_text: "The new password counts.",
        errors: &[Forbidden],
    },
    Operation {
        name: "members::list",
        id: "listMembers",
        tag: "people",
        summary: "List the members of an organisation",
        description: "Needs the `admin` scope.",
        parameters: &["pageLimit", "cursor", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("MemberList"),
        reply_text: "A page of members, in order of their email addresses.",
        errors: &[OrganizationNotFound, Forbidden, ValidationError],
    },
    Operation {
        name: "members::change",
        id: "changeMember",
        tag: "people",
        summary: "Change a member's role",
        description: "Takes an owner who has signed in. An organisation keeps at least one owner.",
        parameters: &["RequestIdHeader"],
        body: Some("ChangeMember"),
        body_required: true,
        status: 200,
        reply: Content::Json("Member"),
        reply_text: "The member.",
        errors: &[OrganizationNotFound, Forbidden, MemberNotFound, Conflict],
    },
    Operation {
        name: "members::remove",
        id: "removeMember",
        tag: "people",
        summary: "Remove a member",
        description: "Takes an owner who has signed in. Whatever stands for the person in this organisation is refused at once; their account stays.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Done"),
        reply_text: "No longer a member.",
        errors: &[OrganizationNotFound, Forbidden, MemberNotFound, Conflict],
    },
    Operation {
        name: "members::invite",
        id: "invite",
        tag: "people",
        summary: "Invite somebody",
        description: "Takes an owner who has signed in. The token is shown this once: pass it on. It is good for 7 days; an earlier invitation of the same address is void.",
        parameters: &["RequestIdHeader"],
        body: Some("Invite"),
        body_required: true,
        status: 201,
        reply: Content::Json("CreatedInvitation"),
        reply_text: "The invitation.",
        errors: &[OrganizationNotFound, Forbidden],
    },
    Operation {
        name: "members::invitations",
        id: "listInvitations",
        tag: "people",
        summary: "List open invitations",
        description: "Needs the `admin` scope.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("InvitationList"),
        reply_text: "The invitations.",
        errors: &[OrganizationNotFound, Forbidden],
    },
    Operation {
        name: "members::withdraw",
        id: "withdrawInvitation",
        tag: "people",
        summary: "Take an invitation back",
        description: "Takes an owner who has signed in.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Done"),
        reply_text: "It can no longer be accepted.",
        errors: &[OrganizationNotFound, Forbidden, InvitationNotFound],
    },
    Operation {
        name: "members::accept",
        id: "acceptInvitation",
        tag: "people",
        summary: "Accept an invitation",
        description: "Makes an account; or, where the address has one, takes its password.",
        parameters: &["RequestIdHeader"],
        body: Some("AcceptInvitation"),
        body_required: true,
        status: 201,
        reply: Content::Json("SignedIn"),
        reply_text: "A member now, and signed in.",
        errors: &[Unauthenticated, InvitationNotFound, Conflict, BadRequest, InternalError, Overloaded, RateLimited],
    },
    Operation {
        name: "provider_keys::create",
        id: "createProviderKey",
        tag: "provider keys",
        summary: "Add a key for a model provider",
        description: "Needs a key with the `admin` scope. The key is stored encrypted and sent to its one address alone. It is never shown again, but for its last four characters. A project's own keys are used before its organisation's, those before the server's.",
        parameters: &["RequestIdHeader"],
        body: Some("CreateProviderKey"),
        body_required: true,
        status: 201,
        reply: Content::Json("ProviderKeyInfo"),
        reply_text: "The key, without its secret.",
        errors: &[Forbidden, Conflict, MasterKeyUnavailable],
    },
    Operation {
        name: "provider_keys::list",
        id: "providerKeys",
        tag: "provider keys",
        summary: "List keys for model providers",
        description: "Needs a key with the `admin` scope. The project's own, then its organisation's.",
        parameters: &["projectId", "RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("ProviderKeyList"),
        reply_text: "The keys, without their secrets.",
        errors: &[Forbidden],
    },
    Operation {
        name: "provider_keys::replace",
        id: "replaceProviderKey",
        tag: "provider keys",
        summary: "Put a new secret in a key's place",
        description: "Needs a key with the `admin` scope. It goes to the same address.",
        parameters: &["RequestIdHeader"],
        body: Some("ReplaceProviderKey"),
        body_required: true,
        status: 200,
        reply: Content::Json("ProviderKeyInfo"),
        reply_text: "The key, without its secret.",
        errors: &[Forbidden, KeyNotFound, MasterKeyUnavailable],
    },
    Operation {
        name: "provider_keys::test",
        id: "testProviderKey",
        tag: "provider keys",
        summary: "Ask a provider whether it takes a key",
        description: "Needs a key with the `admin` scope. The provider is asked for its models, which costs nothing.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("ProviderKeyTest"),
        reply_text: "What the provider made of it.",
        errors: &[Forbidden, KeyNotFound, MasterKeyUnavailable],
    },
    Operation {
        name: "provider_keys::remove",
        id: "removeProviderKey",
        tag: "provider keys",
        summary: "Remove a key for a model provider",
        description: "Needs a key with the `admin` scope. Every server stops using it within 30 seconds.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("DeletedProviderKey"),
        reply_text: "The key is removed.",
        errors: &[Forbidden, KeyNotFound],
    },
    Operation {
        name: "meta::health",
        id: "health",
        tag: "server",
        summary: "Whether the process is up",
        description: "Also at the root, outside `/api/v1`.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Health"),
        reply_text: "It is.",
        errors: &[],
    },
    Operation {
        name: "meta::ready",
        id: "ready",
        tag: "server",
        summary: "Whether the server can take work",
        description: "The store is reachable and its schema is current. Also at the root, outside `/api/v1`.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Ready"),
        reply_text: "It can.",
        errors: &[Overloaded],
    },
    Operation {
        name: "meta::openapi",
        id: "openapi",
        tag: "server",
        summary: "This document",
        description: "",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Anything,
        reply_text: "OpenAPI 3.1.",
        errors: &[],
    },
    Operation {
        name: "meta::flow_schema",
        id: "flowSchema",
        tag: "server",
        summary: "The JSON Schema of flow documents",
        description: "For editors: `# yaml-language-server: $schema=` with this address as the first line of a file.",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Anything,
        reply_text: "JSON Schema, draft 7.",
        errors: &[],
    },
    Operation {
        name: "meta::limits",
        id: "limits",
        tag: "server",
        summary: "The limits in force",
        description: "",
        parameters: &["RequestIdHeader"],
        body: None,
        body_required: false,
        status: 200,
        reply: Content::Json("Limits"),
        reply_text: "The limits.",
        errors: &[],
    },
];

/// Every parameter by its name in the document.
pub(super) fn parameters() -> Value {
    let mut all = own_parameters();
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), spend::parameters()) {
        all.extend(more);
    }
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), authoring::parameters()) {
        all.extend(more);
    }
    all
}

fn own_parameters() -> Value {
    json!({
        "org": path("org", "Slug of the organisation."),
        "project": path("project", "Slug of the project."),
        "flow": path("flow", "Slug of the flow."),
        "version": {
            "name": "version", "in": "path", "required": true,
            "description": "`v0` for the draft, `vN` for published version N.",
            "schema": {"type": "string", "pattern": "^v[0-9]+$"},
        },
        "execution_id": path("execution_id", "The run."),
        "step_id": path("step_id", "The leaf block."),
        "session_id": {
            "name": "session_id", "in": "path", "required": true,
            "schema": {"type": "string", "format": "uuid"},
        },
        "flow_id": path("flow_id", "The flow, by its id."),
        "case": path("case", "The test case, by its id or its name."),
        "test_run_id": path("test_run_id", "The test run."),
        "key_id": path("key_id", "The key's id."),
        "provider_key_id": path("provider_key_id", "The provider key."),
        "org_id": path("org_id", "The organisation."),
        "user_id": path("user_id", "The member."),
        "invitation_id": path("invitation_id", "The invitation."),
        "versionQuery": query("version", "On the base path the same as `/vN`.", json!({"type": "integer", "minimum": 0})),
        "deltas": query("deltas", "Whether to send model tokens as they come, as `step_delta`.", json!({"type": "boolean", "default": false})),
        "wait": query("wait", "Seconds to wait for the job's end; more than 60 count as 60.", json!({"type": "number", "minimum": 0, "default": 0})),
        "attempt": query("attempt", "`latest`, `all`, or a number from 1.", json!({"type": "string", "default": "latest"})),
        "loopIndex": query("loop_index", "The iteration, from 0, for a step in a loop.", json!({"type": "integer", "minimum": 0})),
        "retryFrom": query("from", "Where the retry begins.", json!({"type": "string", "enum": ["failed", "start"], "default": "failed"})),
        "retryVersion": query("version", "What the retry runs: what the job ran, or what a new call on the flow's bare address would.", json!({"type": "string", "enum": ["same", "current"], "default": "same"})),
        "flowId": query("flow_id", "Only runs of this flow.", json!({"type": "string"})),
        "status": query("status", "Only runs that stand so.", json!({"$ref": "#/components/schemas/RunStatus"})),
        "poison": query("poison", "Only jobs that were given up because they never came to an end.", json!({"type": "boolean", "default": false})),
        "limit": query("limit", "Runs per page.", json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20})),
        "pageLimit": query("limit", "Entries per page.", json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20})),
        "cursor": query("cursor", "`nextCursor` of the page before.", json!({"type": "string"})),
        "projectId": query("projectId", "Only keys of this project.", json!({"type": "string"})),
        "SessionIdHeader": header("X-Session-Id", "Tags the run with a session.", json!({"type": "string", "maxLength": 200})),
        "IdempotencyKey": header(
            "Idempotency-Key",
            "Per project and route, kept 24 hours: the same key and body gives the first reply again.",
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
        ),
        "LastEventId": header("Last-Event-ID", "`id` of the last event seen.", json!({"type": "integer", "minimum": 0})),
        "RequestIdHeader": header(
            "X-Request-ID",
            "Names the request in the reply and in the server's log.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}),
        ),
    })
}

pub(super) fn path(name: &str, text: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": text, "schema": {"type": "string"}})
}

pub(super) fn query(name: &str, text: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": text, "schema": schema})
}

fn header(name: &str, text: &str, schema: Value) -> Value {
    json!({"name": name, "in": "header", "description": text, "schema": schema})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::ROUTES;

    #[test]
    fn every_description_belongs_to_a_route() {
        for operation in all() {
            assert!(ROUTES.iter().any(|route| route.name == operation.name), "{}", operation.name);
        }
    }
}
