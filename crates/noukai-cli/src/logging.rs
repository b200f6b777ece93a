//! Logs on stderr, as `NOUKAI_LOG` says.

use tracing_subscriber::EnvFilter;

use crate::{error::CliError, output::Style};

const VARIABLE: &str = "NOUKAI_LOG";

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging.
///
/// # Errors
/// `NOUKAI_LOG` makes no sense.
pub fn start(default: &str, format: LogFormat) -> Result<(), CliError> {
    let directives = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let filter = EnvFilter::try_new(directives.as_deref().unwrap_or(default)).map_err(|error| {
        CliError::usage(format!("{VARIABLE}: {error}")).with_hint("for example `info`, or `warn,noukai_server=debug`")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start would be a fault of ours, and is harmless.
    let _ = match format {
        LogFormat::Text => subscriber.with_ansi(Style::stderr().is_coloured()).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    Ok(())
}
