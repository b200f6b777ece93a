//! `[code]`: how code blocks are run.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ConfigError, number};

const TIMEOUT_MS: u64 = 10_000;
const MEMORY_MIB: u64 = 128;

/// How code blocks are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeConfig {
    /// Whether they are. Flows with one are refused otherwise.
    pub enabled: bool,
    /// Processes at the same time; `None`: two per processor core.
    pub workers: Option<usize>,
    /// The longest that one call may run.
    pub timeout: Duration,
    /// Bytes that one call may hold.
    pub memory_bytes: u64,
    /// The binary that becomes a worker; `None`: this one.
    pub program: Option<PathBuf>,
}

impl Default for CodeConfig {
    fn default() -> Self {
        let timeout = Duration::from_millis(TIMEOUT_MS);
        Self { enabled: true, workers: None, timeout, memory_bytes: MEMORY_MIB << 20, program: None }
    }
}

/// The file's shape.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileCode {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<u64>,
}

impl FileCode {
    /// The effective values, as the file has them.
    pub(super) fn of(code: &CodeConfig) -> Self {
        Self {
            enabled: Some(code.enabled),
            workers: code.workers,
            timeout_ms: u64::try_from(code.timeout.as_millis()).ok(),
            memory_mib: Some(code.memory_bytes >> 20),
        }
    }

    /// With the environment over it, checked.
    pub(super) fn merge(self, env: &dyn Fn(&str) -> Option<String>) -> Result<CodeConfig, ConfigError> {
        let defaults = CodeConfig::default();
        let timeout = number(env, "NOUKAI_CODE_TIMEOUT_MS")?.or(self.timeout_ms).map(Duration::from_millis);
        let memory = number::<u64>(env, "NOUKAI_CODE_MEMORY_MIB")?.or(self.memory_mib);
        let enabled = match env("NOUKAI_CODE_ENABLED").as_deref() {
            None => self.enabled.unwrap_or(defaults.enabled),
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                return Err(ConfigError(format!("NOUKAI_CODE_ENABLED: `{other}` is neither true nor false")));
            }
        };
        let code = CodeConfig {
            enabled,
            workers: number(env, "NOUKAI_CODE_WORKERS")?.or(self.workers),
            timeout: timeout.unwrap_or(defaults.timeout),
            memory_bytes: memory.map_or(defaults.memory_bytes, |mib| mib.saturating_mul(1 << 20)),
            program: None,
        };
        if code.workers == Some(0) || code.timeout.is_zero() || code.memory_bytes == 0 {
            return Err(ConfigError("`code`: workers, timeout_ms and memory_mib must be at least 1".to_owned()));
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(file: &str, env: &[(&str, &str)]) -> Result<CodeConfig, String> {
        let file: FileCode = toml::from_str(file).map_err(|error| error.to_string())?;
        let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        file.merge(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_wins_over_the_file_over_defaults() {
        assert_eq!(merge("", &[]), Ok(CodeConfig::default()));
        let env = [("NOUKAI_CODE_ENABLED", "false"), ("NOUKAI_CODE_MEMORY_MIB", "16")];
        let code = merge("enabled = true\nworkers = 3\ntimeout_ms = 50\nmemory_mib = 1", &env).unwrap();
        assert_eq!((code.enabled, code.workers, code.memory_bytes), (false, Some(3), 16 << 20));
        assert_eq!(code.timeout, Duration::from_millis(50));
        let again: FileCode = toml::from_str(&toml::to_string(&FileCode::of(&code)).unwrap()).unwrap();
        assert_eq!(again.merge(&|_| None).unwrap(), code);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (file, env) in [
            ("workers = 0", None),
            ("timeout_ms = 0", None),
            ("memory_mib = 0", None),
            ("memory = 1", None),
            ("", Some(("NOUKAI_CODE_ENABLED", "perhaps"))),
            ("", Some(("NOUKAI_CODE_WORKERS", "many"))),
        ] {
            assert!(merge(file, &env.into_iter().collect::<Vec<_>>()).is_err(), "{file} {env:?}");
        }
    }
}
