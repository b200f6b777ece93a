//! The wire: what clients send and what they get back, under `/api/v1`.
//!
//! Owns the JSON shapes and the error codes. Knows no HTTP, no storage, no engine: a status code, a route or a
//! query belongs elsewhere. Field names are camelCase; requests take the snake_case spelling too. Optional
//! response fields are left out when empty, never `null`, unless a field says otherwise.

mod authoring;
mod error;
mod events;
mod jobs;
mod keys;
mod limits;
mod members;
mod provider_keys;
mod requests;
mod sessions;
mod test_cases;
mod trace;
mod usage;

pub use authoring::*;
pub use error::{ErrorBody, ErrorCode, ErrorDetail, FieldError};
pub use events::{RunSummary, StepError, StreamEvent, TokenDetails, Tokens};
pub use jobs::{JobAccepted, JobAttempt, JobStatus, QueuePlace, QueueStatus};
pub use keys::{CreateKey, CreatedKey, DeletedKey, KeyInfo, KeyList, Scope, VerifiedKey};
pub use limits::Limits;
pub use members::{
    AcceptInvitation, ChangeMember, ChangePassword, CreatedInvitation, Done, Invitation, InvitationList, Invite, Me,
    Member, MemberList, MemberRole, SetUp, SignIn, SignedIn, User,
};
pub use provider_keys::{
    CreateProviderKey, DeletedProviderKey, ProviderKeyInfo, ProviderKeyList, ProviderKeyOutcome, ProviderKeyTest,
    ReplaceProviderKey,
};
pub use requests::{
    Attachment, ChatMessage, ExecuteReply, ExecuteRequest, PausedReply, StepRequest, Tool, ToolCall, ToolCallFunction,
    ToolChoice, ToolChoiceFunction, ToolChoiceMode, ToolFunction,
};
pub use sessions::{Session, SessionExecution, SessionStep};
pub use test_cases::{
    CASSETTE_VERSION, Cassette, CreateTestCase, Difference, Expectation, Gate, RecordedError, RecordedReply,
    StartTestRun, TestCase, TestCaseList, TestCheck, TestInput, TestResult, TestRun, TestRunList, TestRunTrace,
    TestStatus, TestTrace, UpdateTestCase,
};
pub use trace::{
    CaptureMode, FlowRun, FlowRunList, RunStatus, StepAttempts, StepStatus, StepTrace, Trace, TriggerType,
};
pub use usage::{
    Budget, BudgetList, BudgetPeriod, BudgetScope, BudgetState, BudgetUnit, RemovedBudget, SetBudget, UsageBy,
    UsageCall, UsageCallList, UsageReport, UsageRow, UsageSums,
};
