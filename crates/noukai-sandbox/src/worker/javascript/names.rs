//! Which names a body may use: those it defines, its parameters, and what the engine has.
//!
//! This serves the author, who learns early and in which line. The cage does not rest on it: what is refused here is not
//! there, or does nothing, when the function runs.

use std::collections::HashSet;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::UnaryOperator;
use oxc_parser::Parser;
use oxc_semantic::{NodeId, Semantic, SemanticBuilder};
use oxc_span::{GetSpan as _, SourceType, Span};

use super::source;
use crate::wire::{Problem, Source};

/// Faults told of at once.
const MOST: usize = 20;

/// What an author may know from elsewhere, and why it is not here.
const REFUSED: &[(&str, &str)] = &[
    ("eval", "text cannot be run as code"),
    ("Function", "text cannot be run as code"),
    ("require", "a code block imports nothing"),
    ("process", "a code block has no system around it"),
    ("fetch", "a code block has no network"),
    ("setTimeout", "a code block waits for nothing"),
    ("setInterval", "a code block waits for nothing"),
    ("Proxy", "return plain data"),
];

/// The faults of a source that compiles. `globals`: every name the engine has.
pub fn check(source: &Source<'_>, globals: &HashSet<String>) -> Vec<Problem> {
    let text = source::module(source);
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &text, SourceType::mjs()).parse();
    // The engine takes it, so it is no fault of the author's.
    if !parsed.diagnostics.is_empty() {
        return Vec::new();
    }
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    let mut problems = unknown(&semantic, source, &text, globals);
    problems.extend(imports(&semantic, &text));
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.truncate(MOST);
    problems
}

fn unknown(semantic: &Semantic<'_>, source: &Source<'_>, text: &str, globals: &HashSet<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, references) in semantic.scoping().root_unresolved_references() {
        let name = name.as_str();
        let refused = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why);
        if refused.is_none() && globals.contains(name) {
            continue;
        }
        for reference in references {
            let reference = semantic.scoping().get_reference(*reference);
            if !asks_for_type(semantic, reference.node_id()) {
                problems.push(problem(text, semantic.reference_span(reference), message(source, name, refused)));
            }
        }
    }
    problems
}

/// `typeof name` is how one asks whether there is such a name.
fn asks_for_type(semantic: &Semantic<'_>, node: NodeId) -> bool {
    matches!(semantic.nodes().parent_kind(node), AstKind::UnaryExpression(unary) if unary.operator == UnaryOperator::Typeof)
}

fn message(source: &Source<'_>, name: &str, refused: Option<&str>) -> String {
    if let Some(why) = refused {
        return format!("`{name}` is not available in a code block: {why}");
    }
    let parameters = std::iter::once("initial").chain(source.parameters.iter().copied());
    let parameters = parameters.take(20).collect::<Vec<_>>().join(", ");
    format!("`{name}` is not defined: the block is called with {parameters}")
}

fn imports(semantic: &Semantic<'_>, text: &str) -> Vec<Problem> {
    let imported = |kind: AstKind<'_>| matches!(kind, AstKind::ImportExpression(_) | AstKind::ImportMeta(_));
    let imports = semantic.nodes().iter().map(|node| node.kind()).filter(|kind| imported(*kind));
    let message = "`import` is not available: a code block imports nothing";
    imports.map(|kind| problem(text, kind.span(), message.to_owned())).collect()
}

fn problem(text: &str, span: Span, message: String) -> Problem {
    let before = &text[..text.floor_char_boundary(span.start as usize)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Problem { line: number(line).saturating_sub(source::LINES_BEFORE).max(1), column: number(column), message }
}
