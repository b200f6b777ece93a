//! A flow as a checked value: document, tree, templates, schemas.
//!
//! Pure: no IO, no async, no clock. A document comes in as text ([`parse`]), is looked at as a whole ([`check`]), and
//! leaves as a [`Flow`] that needs no further checks. Checking never evaluates anything.

mod check;
mod diff;
mod document;
mod editor;
mod expectation;
mod hash;
mod locate;
mod models;
mod nearest;
mod operation;
mod overrides;
mod problem;
pub mod published;
mod schema;
mod scope;
mod template;
mod tree;
mod write;

pub use check::{Bounds, Checked, check, is_slug};
pub use diff::{Diff, DiffChange, diff};
pub use document::{Document, Format, parse};
pub use editor::{SCHEMA_PATH, document_schema};
pub use expectation::{Verdict, evaluate, part_of};
pub use hash::document_hash;
pub use locate::{TextPlace, locate};
pub use models::{find_step, is_model_name, model_references, resolve_models};
pub use operation::*;
pub use problem::{Position, Problem, ProblemCode, Severity};
pub use schema::{InputError, InputSchema, OutputSchema, ParameterError, Parameters, SchemaError, ValueSchema};
pub use scope::{Found, LoopItem, Scope, StepOutput};
pub use template::{Template, TemplateError};
pub use tree::*;
pub use write::to_yaml;
