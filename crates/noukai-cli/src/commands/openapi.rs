//! `noukai openapi`: the HTTP API as a document.

use std::process::ExitCode;

use crate::{error::CliError, output};

const EXAMPLES: &str = "\
Examples:
  noukai openapi > openapi.json

A running server has the same document at /api/v1/openapi.json.";

/// Print the HTTP API as an OpenAPI document
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Prints the document.
pub async fn run(_: Args) -> Result<ExitCode, CliError> {
    output::json(&noukai_server::openapi_document());
    Ok(ExitCode::SUCCESS)
}
