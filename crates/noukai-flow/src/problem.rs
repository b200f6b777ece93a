//! What the check finds: where, what, and what to do about it. Knows nothing of how it was found.

use std::fmt;

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// What kind of fault a [`Problem`] is, for a program to branch on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemCode { $($(#[$doc])* $variant),+ }

        impl ProblemCode {
            /// All codes, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands in replies, in upper case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

problem_codes! {
    /// The text is no YAML or JSON, or it breaks a bound of the parser.
    SyntaxError = "SYNTAX_ERROR",
    /// The text or the tree is over a bound.
    TooLarge = "TOO_LARGE",
    /// A key that does not exist there.
    UnknownKey = "UNKNOWN_KEY",
    /// A key that has to be there is not.
    MissingKey = "MISSING_KEY",
    /// A value of the wrong type.
    WrongType = "WRONG_TYPE",
    /// A value of the right type that is not allowed.
    InvalidValue = "INVALID_VALUE",
    /// The document was written for a newer release.
    SchemaTooNew = "SCHEMA_TOO_NEW",
    /// Two steps with the same id.
    DuplicateId = "DUPLICATE_ID",
    /// A step that says not, or more than once, what it does.
    NodeKind = "NODE_KIND",
    /// A flow without a block.
    NoSteps = "NO_STEPS",
    /// A template that does not parse.
    TemplateSyntax = "TEMPLATE_SYNTAX",
    /// A template names something that is certainly not in scope.
    UnknownName = "UNKNOWN_NAME",
    /// A schema that does not compile.
    SchemaInvalid = "SCHEMA_INVALID",
    /// A block that takes tools stands in a loop or a parallel container.
    ToolsInNonSequentialStep = "TOOLS_IN_NON_SEQUENTIAL_STEP",
    /// A code block whose body does not parse, or uses what is not there.
    CodeInvalid = "CODE_INVALID",
    /// A code block, which this server is configured not to run.
    CodeNotRunnable = "CODE_NOT_RUNNABLE",
    /// Two children of a parallel container give the same field; the later one wins.
    FieldCollision = "FIELD_COLLISION",
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a problem keeps the flow from being published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not; it may still surprise.
    Warning,
}

/// One fault of a document. Prints as `path: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `steps[2].llm.prompt`; empty for the document as a whole.
    pub path: String,
    /// What kind of fault.
    pub code: ProblemCode,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
    /// Whether it keeps the flow from being published.
    pub severity: Severity,
    /// Where in the text at `path`, where that is a text of several lines; the message says it too.
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl Problem {
    /// A problem that keeps the flow from being published.
    pub fn error(path: impl Into<String>, code: ProblemCode, message: impl Into<String>) -> Self {
        Self { path: path.into(), code, message: message.into(), severity: Severity::Error, position: None }
    }

    /// A problem that does not.
    pub fn warning(path: impl Into<String>, code: ProblemCode, message: impl Into<String>) -> Self {
        Self { path: path.into(), code, message: message.into(), severity: Severity::Warning, position: None }
    }

    /// Whether it keeps the flow from being published.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}
