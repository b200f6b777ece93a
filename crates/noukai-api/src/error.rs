//! Error codes and the one error shape: `{"detail": {"code", "message", "errors"?, "executionId"?}}`.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// Every code a reply, an event or a stored failure may carry. Each has a page in `docs/errors`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode { $($(#[$doc])* $variant),+ }

        impl ErrorCode {
            /// All codes, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands on the wire, in upper case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The code that is spelled `text`, if there is one.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

error_codes! {
    /// The request makes no sense in a way no other code names.
    BadRequest = "BAD_REQUEST",
    /// The version segment is neither `v0` nor `vN`.
    InvalidVersion = "INVALID_VERSION",
    /// `parameters` holds a name that is taken, such as `attachments`.
    ParameterNameReserved = "PARAMETER_NAME_RESERVED",
    /// A block that would receive an attachment runs on a model that cannot see its type.
    ModelMimeIncompatible = "MODEL_MIME_INCOMPATIBLE",
    /// An attachment breaks a rule: scheme, length, file name, type, number.
    AttachmentInvalid = "ATTACHMENT_INVALID",
    /// A message's role is not `user`, `assistant` or `tool`.
    MessagesRoleInvalid = "MESSAGES_ROLE_INVALID",
    /// Tools were sent to a flow with no block that takes them.
    ToolsNotEnabled = "TOOLS_NOT_ENABLED",
    /// The tools, or the tool choice, are malformed, too many or not unique.
    ToolsInvalid = "TOOLS_INVALID",
    /// A tool's name is not `[A-Za-z0-9_-]{1,64}`.
    ToolNameInvalid = "TOOL_NAME_INVALID",
    /// A block that takes tools stands in a loop or a parallel container.
    ToolsInNonSequentialStep = "TOOLS_IN_NON_SEQUENTIAL_STEP",
    /// Tools were sent with a job; a job cannot pause.
    ToolsRequireSyncExecute = "TOOLS_REQUIRE_SYNC_EXECUTE",
    /// `pausedAtStep` is not the step the run is paused at.
    PausedStepInvalid = "PAUSED_STEP_INVALID",
    /// `executionId` is not a paused run of this flow.
    ExecutionIdInvalid = "EXECUTION_ID_INVALID",
    /// The tool results do not answer exactly the calls that were made.
    ToolResultsMismatch = "TOOL_RESULTS_MISMATCH",
    /// The cursor stands where no step call may start, or outputs before it are missing.
    InvalidStepIndex = "INVALID_STEP_INDEX",
    /// A first step call that does not start at 0.
    InvalidFirstCall = "INVALID_FIRST_CALL",
    /// The session id is malformed.
    SessionIdInvalid = "SESSION_ID_INVALID",
    /// No valid API key.
    Unauthenticated = "UNAUTHENTICATED",
    /// A valid key, but not for this.
    Forbidden = "FORBIDDEN",
    /// The budget was at zero before the run began.
    InsufficientCredits = "INSUFFICIENT_CREDITS",
    /// The budget ran out during the run.
    CreditsExhausted = "CREDITS_EXHAUSTED",
    /// No such route.
    NotFound = "NOT_FOUND",
    /// The route has no such method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED",
    /// No such flow in the project.
    FlowNotFound = "FLOW_NOT_FOUND",
    /// The flow has no such version.
    VersionNotFound = "VERSION_NOT_FOUND",
    /// No such run in the project.
    RunNotFound = "RUN_NOT_FOUND",
    /// No such step, or attempt of it, in the run.
    StepNotFound = "STEP_NOT_FOUND",
    /// No such job in the project.
    JobNotFound = "JOB_NOT_FOUND",
    /// No such session.
    SessionNotFound = "SESSION_NOT_FOUND",
    /// No such API key in the project.
    KeyNotFound = "KEY_NOT_FOUND",
    /// The flow has no such test case.
    TestCaseNotFound = "TEST_CASE_NOT_FOUND",
    /// No such test run in the project.
    TestRunNotFound = "TEST_RUN_NOT_FOUND",
    /// No such organisation in reach.
    OrganizationNotFound = "ORGANIZATION_NOT_FOUND",
    /// No such member in the organisation.
    MemberNotFound = "MEMBER_NOT_FOUND",
    /// No such invitation, or none that can still be accepted.
    InvitationNotFound = "INVITATION_NOT_FOUND",
    /// No such project in reach.
    ProjectNotFound = "PROJECT_NOT_FOUND",
    /// The flow's log has no such operation.
    OperationNotFound = "OPERATION_NOT_FOUND",
    /// No such checkpoint of the flow.
    CheckpointNotFound = "CHECKPOINT_NOT_FOUND",
    /// No such object model in reach.
    ObjectModelNotFound = "OBJECT_MODEL_NOT_FOUND",
    /// The operation cannot be applied to the draft as it is.
    OperationRefused = "OPERATION_REFUSED",
    /// No such budget in the organisation.
    BudgetNotFound = "BUDGET_NOT_FOUND",
    /// The step call names another version than its run was started with.
    StaleTree = "STALE_TREE",
    /// The block's `max_tool_iterations` is used up.
    ToolIterationLimit = "TOOL_ITERATION_LIMIT",
    /// The pause has been resumed before.
    AlreadyResumed = "ALREADY_RESUMED",
    /// Another request is changing the same thing.
    Conflict = "CONFLICT",
    /// Test cases that must pass before a version is published do not.
    TestsFailed = "TESTS_FAILED",
    /// Too little is kept of the run to make a test case of it.
    RunNotRecorded = "RUN_NOT_RECORDED",
    /// The body is over its limit.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE",
    /// `messages` is over its limit.
    MessagesTooLarge = "MESSAGES_TOO_LARGE",
    /// Wrong types, missing fields, or inputs that do not fit the flow's input schema.
    ValidationError = "VALIDATION_ERROR",
    /// Neither a message nor all required inputs.
    MissingMessage = "MISSING_MESSAGE",
    /// The idempotency key was used with another body.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED",
    /// Too many requests, runs or keys; see `Retry-After`.
    RateLimited = "RATE_LIMITED",
    /// A fault of the server.
    InternalError = "INTERNAL_ERROR",
    /// The flow has problems that keep it from running.
    InvalidTree = "INVALID_TREE",
    /// The flow has no blocks.
    NoSteps = "NO_STEPS",
    /// The provider refused the configured key.
    ByokKeyRejected = "BYOK_KEY_REJECTED",
    /// The key that provider keys are sealed with is missing, or is another one.
    MasterKeyUnavailable = "MASTER_KEY_UNAVAILABLE",
    /// Usage could not be recorded.
    BillingUnavailable = "BILLING_UNAVAILABLE",
    /// The server has no room for more work; see `Retry-After`.
    Overloaded = "OVERLOADED",
    /// No configured provider serves the model.
    ModelNotAvailable = "MODEL_NOT_AVAILABLE",
    /// The provider answered with an error, after all retries.
    ModelError = "MODEL_ERROR",
    /// The provider could not be reached, after all retries.
    ModelUnreachable = "MODEL_UNREACHABLE",
    /// The provider limits the rate, after all retries.
    ModelRateLimited = "MODEL_RATE_LIMITED",
    /// The provider's reply could not be understood.
    ModelReplyInvalid = "MODEL_REPLY_INVALID",
    /// The model declined to answer.
    ModelRefusal = "MODEL_REFUSAL",
    /// A content filter of the provider stopped the prompt or the reply.
    ModelContentFiltered = "MODEL_CONTENT_FILTERED",
    /// The model's reply does not fit the output schema, after one repair round.
    OutputSchemaMismatch = "OUTPUT_SCHEMA_MISMATCH",
    /// A template names something that is not in scope, or fails otherwise.
    TemplateError = "TEMPLATE_ERROR",
    /// A loop's field is missing or is no array.
    LoopInputInvalid = "LOOP_INPUT_INVALID",
    /// A parameter of a code block has no value in scope, or one that does not fit.
    CodeInputInvalid = "CODE_INPUT_INVALID",
    /// The function of a code block failed.
    CodeError = "CODE_ERROR",
    /// The function of a code block took longer than it may.
    CodeTimeout = "CODE_TIMEOUT",
    /// The function of a code block took more memory than it may.
    CodeMemory = "CODE_MEMORY",
    /// The process that ran a code block ended.
    CodeCrashed = "CODE_CRASHED",
    /// The function of a code block returned no object, or one that is not what it must be.
    CodeOutputInvalid = "CODE_OUTPUT_INVALID",
    /// The server had no process free to run a code block in.
    CodeUnavailable = "CODE_UNAVAILABLE",
    /// A bound of the run was reached; the message names it.
    LimitExceeded = "LIMIT_EXCEEDED",
    /// A block took longer than it may.
    StepTimeout = "STEP_TIMEOUT",
    /// The run took longer than it may.
    RunTimeout = "RUN_TIMEOUT",
    /// The run was cancelled.
    Cancelled = "CANCELLED",
    /// The server stopped while the run was going on.
    Interrupted = "INTERRUPTED",
    /// A paused run was not continued in time.
    Expired = "EXPIRED",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown error code {text}")))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
        schemars::json_schema!({"type": "string", "enum": codes})
    }
}

/// The body of every error reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// What went wrong.
    pub detail: ErrorDetail,
}

/// What went wrong, for a program (`code`) and for a person (`message`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorDetail {
    /// The code to branch on.
    pub code: ErrorCode,
    /// One sentence that says what to do.
    pub message: String,
    /// The single faults, where there may be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The run the error belongs to, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// The present revision, where the request was made on an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// One fault in the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldError {
    /// Where: `["body", "parameters", "tone"]`.
    pub loc: Vec<String>,
    /// What is wrong there.
    pub msg: String,
}
