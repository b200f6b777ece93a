//! Why an operation was refused, and what to do instead.

use crate::nearest::{did_you_mean, list};

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// What kind of refusal a [`Refusal`] is, for a program to branch on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RefusalCode { $($(#[$doc])* $variant),+ }

        impl RefusalCode {
            /// All codes, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands in replies, in upper case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

refusal_codes! {
    /// No step has that id.
    StepNotFound = "STEP_NOT_FOUND",
    /// Several steps of the draft have that id.
    AmbiguousId = "AMBIGUOUS_ID",
    /// A step of the draft has that id already.
    DuplicateId = "DUPLICATE_ID",
    /// The operation is for another kind of step.
    WrongKind = "WRONG_KIND",
    /// An argument that is not allowed.
    InvalidValue = "INVALID_VALUE",
    /// A step cannot be moved into itself or beside what is in it.
    IntoItself = "INTO_ITSELF",
    /// The steps do not stand side by side.
    NotSideBySide = "NOT_SIDE_BY_SIDE",
    /// Nothing before the step gives that field.
    UnknownField = "UNKNOWN_FIELD",
    /// There are steps in it, which would be lost.
    NotEmpty = "NOT_EMPTY",
    /// The result would be over a bound.
    TooLarge = "TOO_LARGE",
    /// That part of the draft is not what a document has there.
    Unreadable = "UNREADABLE",
}

/// Why an operation was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal.
    pub code: RefusalCode,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
    /// The step that is meant, as it was named.
    pub step_id: Option<String>,
    /// Which argument of the operation is wrong.
    pub argument: Option<&'static str>,
    /// In a list of operations, which one, from 0.
    pub operation: usize,
}

impl Refusal {
    /// A refusal about one argument.
    pub(crate) fn new(code: RefusalCode, argument: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), step_id: None, argument: Some(argument), operation: 0 }
    }

    /// With the step that is meant.
    #[must_use]
    pub(crate) fn of_step(mut self, step_id: &str) -> Self {
        self.step_id = Some(step_id.to_owned());
        self
    }

    /// No step has that id.
    pub(crate) fn not_found(step_id: &str, ids: &[&str]) -> Self {
        let shown: String = step_id.chars().take(80).collect();
        let there = match ids {
            [] => "the flow has no steps yet; add one with `add_block`".to_owned(),
            ids => format!("there are {}{}", list(ids), did_you_mean(&shown, ids.iter().copied())),
        };
        let message = format!("there is no step `{shown}`; {there}");
        Self::new(RefusalCode::StepNotFound, "step_id", message).of_step(&shown)
    }

    /// Part of the draft is not what a document has there.
    pub(crate) fn unreadable(step_id: Option<&str>, message: impl Into<String>) -> Self {
        let refusal = Self::new(RefusalCode::Unreadable, "step_id", message);
        match step_id {
            Some(step_id) => refusal.of_step(step_id),
            None => refusal,
        }
    }
}
