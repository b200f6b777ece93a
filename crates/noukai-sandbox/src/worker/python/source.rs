//! From the body that its author wrote to the module that runs, with its lines where they were but for one.

use ruff_python_ast::{ModModule, token::TokenKind};
use ruff_python_parser::Parsed;
use ruff_text_size::{Ranged, TextRange};

use crate::wire::Source;

/// The name of a block's source in tracebacks.
pub const FILE: &str = "block";

/// Lines before the body.
pub const LINES_BEFORE: u32 = 1;

/// A body and how it parses.
pub struct Body {
    /// The text with one kind of line end.
    pub text: String,
    /// As a module of its own, in which `return` may stand anywhere.
    pub parsed: Parsed<ModModule>,
}

/// The module that defines the function and calls it with the values that stand under its parameters' names.
pub fn module(source: &Source<'_>, body: &Body) -> String {
    let parameters = std::iter::once("initial").chain(source.parameters.iter().copied()).collect::<Vec<_>>().join(", ");
    let mut module = format!("def _block({parameters}):\n");
    let strings = strings(&body.parsed);
    let mut start = 0;
    for line in body.text.split_inclusive('\n') {
        if !within(&strings, start) {
            module.push_str("    ");
        }
        module.push_str(line);
        start += line.len();
    }
    module.push_str("\n    return None\n");
    module.push_str(&format!("_block({parameters})\n"));
    module
}

/// Where string literals stand: their lines must not be moved to the right.
fn strings(parsed: &Parsed<ModModule>) -> Vec<TextRange> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for token in parsed.tokens() {
        match token.kind() {
            TokenKind::String => found.push(token.range()),
            TokenKind::FStringStart | TokenKind::TStringStart => open.push(token.start()),
            TokenKind::FStringEnd | TokenKind::TStringEnd => {
                if let Some(start) = open.pop()
                    && open.is_empty()
                {
                    found.push(TextRange::new(start, token.end()));
                }
            }
            _ => {}
        }
    }
    found
}

fn within(strings: &[TextRange], position: usize) -> bool {
    let after = strings.partition_point(|range| range.end().to_usize() <= position);
    strings.get(after).is_some_and(|range| range.start().to_usize() < position)
}
