//! Schemas: what a run takes, and what a block must give. Owns both spellings, JSON Schema and the short form.
//!
//! Never fetches anything: a `$ref` that leads out of the schema is a fault of the schema.

mod input;
mod output;
mod parameters;
mod references;
pub(crate) mod short;
mod validator;
mod value;

pub(crate) use short::TYPES;

pub use self::{
    input::{InputError, InputSchema},
    output::OutputSchema,
    parameters::{ParameterError, Parameters},
    validator::SchemaError,
    value::ValueSchema,
};
