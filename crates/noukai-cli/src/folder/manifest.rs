//! `noukai.yaml`: which project of which server a folder goes with.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::error::CliError;

/// The file's name.
const FILE: &str = "noukai.yaml";

/// What it says; all of it may be left out.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Such as `https://flows.example.com`.
    pub server: Option<String>,
    /// The organisation's slug; absent: the key's.
    pub org: Option<String>,
    /// The project's slug; absent: the key's.
    pub project: Option<String>,
}

impl Manifest {
    /// Reads the folder's; nothing is said where there is none.
    ///
    /// # Errors
    /// It is no YAML, has another key, or a slug that is none.
    pub fn read(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::of(&text).map_err(|fault| CliError::usage(format!("{}: {fault}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(CliError::usage(format!("{}: {error}", path.display()))),
        }
    }

    fn of(text: &str) -> Result<Self, String> {
        let value = noukai_flow::parse(text, noukai_flow::Format::Yaml)
            .map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
        if value.is_null() {
            return Ok(Self::default());
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        for (key, slug) in [("org", &manifest.org), ("project", &manifest.project)] {
            if let Some(slug) = slug.as_deref().filter(|slug| !noukai_flow::is_slug(slug)) {
                return Err(format!("{key}: `{slug}` is no slug"));
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_key() {
        assert_eq!(Manifest::of("").unwrap(), Manifest::default());
        assert_eq!(Manifest::of("# nothing yet\n").unwrap(), Manifest::default());
        let all = Manifest::of("server: https://a.example\norg: acme\nproject: demo\n").unwrap();
        assert_eq!((all.org.as_deref(), all.project.as_deref()), (Some("acme"), Some("demo")));
        for (text, word) in [("orgg: acme", "orgg"), ("org: Acme", "no slug"), ("org: [", "line"), ("- a", "struct")] {
            assert!(Manifest::of(text).unwrap_err().contains(word), "{text}: {}", Manifest::of(text).unwrap_err());
        }
    }
}
