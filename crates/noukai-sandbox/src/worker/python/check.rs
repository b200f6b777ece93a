//! What a Python body may say: the names it may use, and what is refused before it runs.
//!
//! This serves the author, who learns early and in which line. The cage does not rest on it.

use std::collections::HashSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, ExprContext, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::source::Body;
use crate::wire::{Problem, Source};

/// Faults told of at once.
const MOST: usize = 20;

/// Modules that a body may import.
const MODULES: [&str; 4] = ["datetime", "json", "math", "re"];

/// Builtins that a body may use.
const BUILTINS: &[&str] = &[
    "abs",
    "all",
    "any",
    "bool",
    "chr",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "frozenset",
    "int",
    "isinstance",
    "len",
    "list",
    "map",
    "max",
    "min",
    "ord",
    "pow",
    "print",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "sorted",
    "str",
    "sum",
    "tuple",
    "zip",
];

/// Exceptions that a body may raise and catch.
const EXCEPTIONS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "Exception",
    "IndexError",
    "KeyError",
    "LookupError",
    "NotImplementedError",
    "OverflowError",
    "RecursionError",
    "RuntimeError",
    "StopIteration",
    "TypeError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "ValueError",
    "ZeroDivisionError",
];

/// Builtins whose use is refused by name.
const REFUSED: &[&str] = &[
    "breakpoint",
    "callable",
    "classmethod",
    "compile",
    "delattr",
    "dir",
    "eval",
    "exec",
    "exit",
    "getattr",
    "globals",
    "hasattr",
    "help",
    "id",
    "input",
    "issubclass",
    "locals",
    "memoryview",
    "next",
    "object",
    "open",
    "property",
    "quit",
    "setattr",
    "staticmethod",
    "super",
    "type",
    "vars",
];

/// Words that Python keeps for itself: no parameter can have such a name.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// The body as it parses, or its faults in the order of their places.
pub fn check(source: &Source<'_>) -> Result<Body, Vec<Problem>> {
    if let Some(name) = source.parameters.iter().find(|name| KEYWORDS.contains(name)) {
        let message = format!("the field `{name}` has the name of a Python keyword; give the field another name");
        return Err(vec![Problem { line: 1, column: 1, message }]);
    }
    let text = source.body.replace("\r\n", "\n").replace('\r', "\n");
    let parsed = ruff_python_parser::parse_module(&text)
        .map_err(|error| vec![problem(&text, error.location.start(), format!("syntax error: {}", error.error))])?;
    let mut rules = Rules::new(&text, source);
    Names(&mut rules.bound).visit_body(parsed.suite());
    rules.visit_body(parsed.suite());
    let mut problems = rules.problems;
    if parsed.suite().is_empty() {
        problems.push(problem(&text, TextSize::new(0), "the body is empty; it must return a dict".to_owned()));
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.truncate(MOST);
    if problems.is_empty() { Ok(Body { text, parsed }) } else { Err(problems) }
}

fn problem(text: &str, position: TextSize, message: String) -> Problem {
    let before = &text[..text.floor_char_boundary(position.to_usize())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Problem { line: number(line), column: number(column), message }
}

/// Collects every name that the body binds, wherever it does.
struct Names<'n, 'a>(&'n mut HashSet<&'a str>);

impl<'a> Visitor<'a> for Names<'_, 'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => drop(self.0.insert(&function.name)),
            Stmt::ClassDef(class) => drop(self.0.insert(&class.name)),
            Stmt::Import(import) => self.0.extend(import.names.iter().map(bound_by)),
            Stmt::ImportFrom(import) => self.0.extend(import.names.iter().map(bound_by)),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Name(name) = expr
            && name.ctx != ExprContext::Load
        {
            self.0.insert(&name.id);
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(inner) = handler;
        self.0.extend(inner.name.iter().map(ast::Identifier::as_str));
        visitor::walk_except_handler(self, handler);
    }

    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.0.insert(&parameter.name);
        visitor::walk_parameter(self, parameter);
    }
}

fn bound_by(alias: &ast::Alias) -> &str {
    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
    name.split('.').next().unwrap_or(name)
}

/// Collects what the body may not say.
struct Rules<'a> {
    text: &'a str,
    source: &'a Source<'a>,
    bound: HashSet<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Rules<'a> {
    fn new(text: &'a str, source: &'a Source<'a>) -> Self {
        Self { text, source, bound: HashSet::new(), problems: Vec::new() }
    }

    fn refuse(&mut self, place: &impl Ranged, message: impl Into<String>) {
        if self.problems.len() < MOST * 4 {
            self.problems.push(problem(self.text, place.start(), message.into()));
        }
    }

    fn name(&mut self, name: &ast::ExprName) {
        let id = name.id.as_str();
        if is_dunder(id) {
            return self
                .refuse(name, format!("`{id}` is not available: names with two underscores are the interpreter's"));
        }
        let known = id == "initial" || self.source.parameters.contains(&id) || self.bound.contains(id);
        if known || BUILTINS.contains(&id) || EXCEPTIONS.contains(&id) {
            return;
        }
        self.refuse(name, self.unknown(id));
    }

    fn unknown(&self, id: &str) -> String {
        if REFUSED.contains(&id) {
            return format!("`{id}` is not available in a code block");
        }
        if MODULES.contains(&id) {
            return format!("`{id}` is not imported; write `import {id}` first");
        }
        let parameters = std::iter::once("initial").chain(self.source.parameters.iter().copied());
        let parameters = parameters.take(20).collect::<Vec<_>>().join(", ");
        format!("`{id}` is not defined: the block is called with {parameters}")
    }

    fn import(&mut self, place: &impl Ranged, module: &str) {
        if !MODULES.contains(&module) {
            let modules = MODULES.join(", ");
            self.refuse(place, format!("`{module}` cannot be imported; a code block may import {modules}"));
        }
    }
}

fn is_dunder(name: &str) -> bool {
    name.starts_with("__")
}

impl<'a> Visitor<'a> for Rules<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.import(alias, &alias.name);
                }
            }
            Stmt::ImportFrom(import) => {
                self.import(import, import.module.as_ref().map_or(".", |module| module.as_str()));
                if import.names.iter().any(|alias| &alias.name == "*") {
                    self.refuse(import, "`import *` is not available; name what is imported");
                }
            }
            Stmt::ClassDef(class) => self.refuse(class, "classes are not available in a code block; use dicts"),
            Stmt::FunctionDef(function) if function.is_async => {
                self.refuse(function, "`async` is not available: a code block waits for nothing");
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Load => self.name(name),
            Expr::Attribute(attribute) if is_dunder(&attribute.attr) => {
                let message = format!(
                    "`.{}` is not available: attributes with two underscores are the interpreter's",
                    attribute.attr
                );
                self.refuse(&attribute.attr, message);
            }
            Expr::Await(await_) => self.refuse(await_, "`await` is not available: a code block waits for nothing"),
            Expr::Yield(yield_) => self.refuse(yield_, "`yield` is not available; collect the values in a list"),
            Expr::YieldFrom(yield_) => self.refuse(yield_, "`yield` is not available; collect the values in a list"),
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}
