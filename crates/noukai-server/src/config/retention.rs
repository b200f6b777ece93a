//! `[retention]`: how many days what is kept.

use serde::{Deserialize, Serialize};

use super::{ConfigError, number};
use crate::app::Retention;

/// Days that a failed job can be retried, where nobody says otherwise.
const RETRY_DAYS: u32 = 7;
/// Days that single model calls stay in the ledger, where nobody says otherwise: a year, and the month after it.
const USAGE_DAYS: u32 = 400;

/// The section's shape.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileRetention {
    #[serde(skip_serializing_if = "Option::is_none")]
    full_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_only_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_days: Option<u32>,
}

impl FileRetention {
    /// Each from the environment, else from the file, else as long as traces are kept.
    pub fn merge(self, env: &dyn Fn(&str) -> Option<String>, traces: u32) -> Result<Retention, ConfigError> {
        let days = |name: &str, file: Option<u32>| -> Result<Option<u32>, ConfigError> {
            Ok(number(env, &format!("NOUKAI_RETENTION_{name}"))?.or(file))
        };
        Ok(Retention {
            full_days: days("FULL_DAYS", self.full_days)?.unwrap_or(traces),
            redacted_days: days("REDACTED_DAYS", self.redacted_days)?.unwrap_or(traces),
            metadata_only_days: days("METADATA_ONLY_DAYS", self.metadata_only_days)?.unwrap_or(traces),
            off_days: days("OFF_DAYS", self.off_days)?.unwrap_or(traces),
            session_days: days("SESSION_DAYS", self.session_days)?,
            retry_days: days("RETRY_DAYS", self.retry_days)?.unwrap_or(RETRY_DAYS),
            usage_days: days("USAGE_DAYS", self.usage_days)?.unwrap_or(USAGE_DAYS),
        })
    }

    /// As it stands, for people.
    pub fn of(retention: &Retention) -> Self {
        Self {
            full_days: Some(retention.full_days),
            redacted_days: Some(retention.redacted_days),
            metadata_only_days: Some(retention.metadata_only_days),
            off_days: Some(retention.off_days),
            session_days: retention.session_days,
            retry_days: Some(retention.retry_days),
            usage_days: Some(retention.usage_days),
        }
    }
}
