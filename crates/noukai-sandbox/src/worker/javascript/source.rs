//! From the body that its author wrote to the module that is compiled, with its lines where they were but for one.

use std::hash::{BuildHasher as _, RandomState};

use crate::wire::{Problem, Source};

/// The name of a block's source in stacks.
pub const FILE: &str = "block";

/// The function's name.
pub const FUNCTION: &str = "block";

/// Lines before the body.
pub const LINES_BEFORE: u32 = 1;

/// Words that no parameter can have as its name, in strict code.
const RESERVED: &[&str] = &[
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// A module that exports the function.
///
/// The body stands in a block with a label that nobody can guess, and at its end leaves that block: a body that closes
/// the function to open another one leaves a label that is not there, which is a syntax error.
pub fn module(source: &Source<'_>) -> String {
    let parameters = std::iter::once("initial").chain(source.parameters.iter().copied()).collect::<Vec<_>>().join(",");
    let label = format!("end_of_the_body_{:016x}", RandomState::new().hash_one(source));
    let body = source.body;
    format!("export function {FUNCTION}({parameters}){{{label}:{{\n{body}\nbreak {label};}}}}\n")
}

/// Names that the source may not have.
pub fn refused_names(source: &Source<'_>) -> Vec<Problem> {
    let reserved = source.parameters.iter().filter(|name| RESERVED.contains(name));
    let problem = |name| Problem {
        line: 1,
        column: 1,
        message: format!("the field `{name}` has the name of a JavaScript keyword; give the field another name"),
    };
    reserved.map(problem).collect()
}
