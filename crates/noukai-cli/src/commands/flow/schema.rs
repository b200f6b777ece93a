//! `noukai flow schema`: the JSON Schema of flow documents, for editors.

use std::process::ExitCode;

use crate::{error::CliError, output};

const EXAMPLES: &str = "\
Examples:
  noukai flow schema > flow.schema.json

With this as the first line of a file, editors that speak to yaml-language-server complete and check it:
  # yaml-language-server: $schema=flow.schema.json
A running server has the same schema at /api/v1/schemas/flow.json.";

/// Print the JSON Schema of flow files, for editors
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Prints the schema.
pub fn run() -> Result<ExitCode, CliError> {
    output::json(&noukai_flow::document_schema());
    Ok(ExitCode::SUCCESS)
}
