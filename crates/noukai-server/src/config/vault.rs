//! `[vault]`: where the master key is from that provider keys are sealed with.

use std::path::PathBuf;

use noukai_models::Secret;
use serde::{Deserialize, Serialize};

use super::{ConfigError, FileSecret};

/// Where the master key is from.
#[derive(Debug, Clone, Default)]
pub enum MasterKeySource {
    /// A file of the data directory, if it is there.
    #[default]
    Data,
    /// The key itself, with earlier ones behind it.
    Given(Secret),
    /// A file.
    File(PathBuf),
    /// What a command of the shell prints.
    Command(String),
}

/// The file's shape.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileVault {
    #[serde(skip_serializing_if = "Option::is_none")]
    master_key: Option<FileSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    master_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    master_key_command: Option<String>,
}

impl FileVault {
    /// The environment's, else the file's.
    pub(super) fn merge(self, env: &dyn Fn(&str) -> Option<String>) -> Result<MasterKeySource, ConfigError> {
        if self.master_key.is_some() {
            let why = "`vault.master_key`: a key does not belong in the configuration; name a `master_key_file` or a \
                       `master_key_command`, or set NOUKAI_MASTER_KEY";
            return Err(ConfigError(why.to_owned()));
        }
        let given = env("NOUKAI_MASTER_KEY").map(|key| MasterKeySource::Given(Secret::new(key)));
        let file = env("NOUKAI_MASTER_KEY_FILE").map(|path| MasterKeySource::File(path.into()));
        let command = env("NOUKAI_MASTER_KEY_COMMAND").map(MasterKeySource::Command);
        one([given, file, command])?
            .map_or_else(
                || {
                    let file = self.master_key_file.map(MasterKeySource::File);
                    one([None, file, self.master_key_command.map(MasterKeySource::Command)])
                },
                |found| Ok(Some(found)),
            )
            .map(Option::unwrap_or_default)
    }

    /// As it stands, for people.
    pub(super) fn of(source: &MasterKeySource) -> Self {
        let nothing = Self::default();
        match source {
            MasterKeySource::Data => nothing,
            MasterKeySource::Given(_) => Self { master_key: Some(FileSecret(String::new())), ..nothing },
            MasterKeySource::File(path) => Self { master_key_file: Some(path.clone()), ..nothing },
            MasterKeySource::Command(command) => Self { master_key_command: Some(command.clone()), ..nothing },
        }
    }
}

fn one(sources: [Option<MasterKeySource>; 3]) -> Result<Option<MasterKeySource>, ConfigError> {
    let mut found = sources.into_iter().flatten();
    let first = found.next();
    if found.next().is_some() {
        let why = "`vault`: name one source of the master key, not several: the key itself, a file, or a command";
        return Err(ConfigError(why.to_owned()));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(file: &str, vars: &[(&str, &str)]) -> Result<MasterKeySource, ConfigError> {
        let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        toml::from_str::<FileVault>(file).unwrap().merge(&env)
    }

    #[test]
    fn the_environment_wins_and_two_of_a_kind_are_refused() {
        assert!(matches!(merged("", &[]), Ok(MasterKeySource::Data)));
        assert!(matches!(merged("master_key_file = 'a'", &[]), Ok(MasterKeySource::File(path)) if path.ends_with("a")));
        let given = merged("master_key_file = 'a'", &[("NOUKAI_MASTER_KEY", "k")]);
        assert!(matches!(given, Ok(MasterKeySource::Given(_))));
        assert!(merged("master_key_file = 'a'\nmaster_key_command = 'b'", &[]).is_err());
        assert!(merged("", &[("NOUKAI_MASTER_KEY", "k"), ("NOUKAI_MASTER_KEY_COMMAND", "b")]).is_err());
        assert!(merged("master_key = 'k'", &[]).is_err());
        let shown = toml::to_string(&FileVault::of(&given.unwrap())).unwrap();
        assert_eq!(shown, "master_key = \"[secret]\"\n");
    }
}
