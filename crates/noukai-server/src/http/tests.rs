//! The mapping from codes to statuses, row by row as the contract has it.

use noukai_api::ErrorCode::{self, *};

use super::error::status;

const TABLE: &[(u16, &[ErrorCode])] = &[
    (
        400,
        &[
            BadRequest,
            InvalidVersion,
            ParameterNameReserved,
            ModelMimeIncompatible,
            AttachmentInvalid,
            MessagesRoleInvalid,
            ToolsNotEnabled,
            ToolsInvalid,
            ToolNameInvalid,
            ToolsInNonSequentialStep,
            ToolsRequireSyncExecute,
            PausedStepInvalid,
            ExecutionIdInvalid,
            ToolResultsMismatch,
            InvalidStepIndex,
            InvalidFirstCall,
            SessionIdInvalid,
        ],
    ),
    (401, &[Unauthenticated]),
    (402, &[InsufficientCredits, CreditsExhausted]),
    (403, &[Forbidden]),
    (
        404,
        &[
            FlowNotFound,
            VersionNotFound,
            RunNotFound,
            StepNotFound,
            JobNotFound,
            SessionNotFound,
            KeyNotFound,
            NotFound,
        ],
    ),
    (405, &[MethodNotAllowed]),
    (409, &[StaleTree, ToolIterationLimit, AlreadyResumed, Conflict]),
    (413, &[PayloadTooLarge, MessagesTooLarge]),
    (422, &[ValidationError, MissingMessage, IdempotencyKeyReused]),
    (429, &[RateLimited]),
    (500, &[InternalError, InvalidTree, NoSteps]),
    (502, &[ByokKeyRejected]),
    (503, &[BillingUnavailable, Overloaded]),
];

#[test]
fn codes_have_the_statuses_of_the_contract() {
    for (expected, codes) in TABLE {
        for code in *codes {
            assert_eq!(status(*code).as_u16(), *expected, "{code}");
        }
    }
    let listed = |code: &ErrorCode| TABLE.iter().any(|(_, codes)| codes.contains(code));
    for code in ErrorCode::ALL.iter().filter(|code| !listed(code)) {
        assert_eq!(status(*code).as_u16(), 500, "{code} is why a step fails, and no reply of its own");
    }
}
