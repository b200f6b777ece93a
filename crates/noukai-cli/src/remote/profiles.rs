//! Profiles: servers with their keys, in one file that only its owner can read.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// Readable by its owner alone.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// A server and a key for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// With its `/api/v1`.
    pub server: String,
    pub api_key: String,
    /// Where flows without organisation are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// Where flows without project are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profiles {
    /// The profile in use where none is named.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// What is stored; nothing where there is no file.
    ///
    /// # Errors
    /// A file that others can read, or that is no list of profiles.
    pub fn load() -> Result<Self, CliError> {
        Self::load_from(&path()?)
    }

    fn load_from(path: &Path) -> Result<Self, CliError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(CliError::failure(format!("{}: {error}", path.display()))),
        };
        check_rights(path)?;
        // The parser's own words would quote the line, and with it a key.
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            CliError::usage(format!("{}, line {line}: {}", path.display(), error.message()))
        })
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub fn named(&self, name: &str) -> Result<&Profile, CliError> {
        self.profiles.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            let hint = if names.is_empty() {
                "`noukai login` makes one".to_owned()
            } else {
                format!("there is {}", names.join(", "))
            };
            CliError::usage(format!("no profile `{name}`")).with_hint(hint)
        })
    }

    /// The profile to use where none is named: the chosen one, or the only one.
    ///
    /// # Errors
    /// The chosen one is gone; several, and none chosen.
    pub fn in_use(&self) -> Result<Option<&Profile>, CliError> {
        if let Some(name) = &self.current {
            return self.named(name).map(Some);
        }
        match self.profiles.len() {
            0 | 1 => Ok(self.profiles.values().next()),
            _ => Err(CliError::usage("there are several profiles and none is in use")
                .with_hint("`noukai profile use NAME`, or --profile NAME")),
        }
    }

    /// A profile for that very server.
    pub fn for_server(&self, server: &str) -> Option<&Profile> {
        let chosen = self.current.as_ref().and_then(|name| self.profiles.get(name));
        chosen.into_iter().chain(self.profiles.values()).find(|profile| profile.server == server)
    }

    /// All of them: name, profile, and whether it is the one in use.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Profile, bool)> {
        let only = self.profiles.len() == 1;
        self.profiles.iter().map(move |(name, profile)| {
            let is_used = self.current.as_ref().map_or(only, |current| current == name);
            (name.as_str(), profile, is_used)
        })
    }

    /// Adds or replaces a profile and uses it from now on.
    pub fn put(&mut self, name: &str, profile: Profile) {
        self.profiles.insert(name.to_owned(), profile);
        self.current = Some(name.to_owned());
    }

    /// Uses a profile from now on.
    ///
    /// # Errors
    /// As [`Profiles::named`].
    pub fn choose(&mut self, name: &str) -> Result<(), CliError> {
        self.named(name)?;
        self.current = Some(name.to_owned());
        Ok(())
    }

    /// Forgets a profile, by name or the one in use; its name.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(&mut self, name: Option<&str>) -> Result<String, CliError> {
        let in_use = self.all().find(|(_, _, is_used)| *is_used).map(|(name, ..)| name.to_owned());
        let Some(name) = name.map(ToOwned::to_owned).or(in_use) else {
            return Err(CliError::usage("there is no profile in use").with_hint("`noukai profile list` shows them"));
        };
        self.named(&name)?;
        self.profiles.remove(&name);
        self.current = self.current.take().filter(|current| *current != name);
        Ok(name)
    }

    /// Writes the file, as a whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self) -> Result<PathBuf, CliError> {
        let path = path()?;
        self.save_to(&path).map_err(|error| CliError::failure(format!("{}: {error}", path.display())))?;
        Ok(path)
    }

    fn save_to(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        make_private_folder(folder)?;
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        // Made with rights for the owner alone.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// Where the file is.
///
/// # Errors
/// Nobody says where the user's files are.
pub fn path() -> Result<PathBuf, CliError> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let config = config.or_else(|| folder("APPDATA"));
    config
        .map(|config| config.join("noukai").join("config.toml"))
        .ok_or_else(|| CliError::usage("there is no home directory; set HOME or XDG_CONFIG_HOME"))
}

#[cfg(unix)]
fn check_rights(path: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_or(0, |data| data.permissions().mode());
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(CliError::usage(format!("{path} holds keys, and others can read it"))
        .with_hint(format!("chmod 600 {path}, and consider the keys in it known")))
}

#[cfg(not(unix))]
fn check_rights(_: &Path) -> Result<(), CliError> {
    Ok(())
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(server: &str) -> Profile {
        Profile { server: server.to_owned(), api_key: "nk_test_a".to_owned(), org: None, project: None }
    }

    #[test]
    fn what_is_saved_is_loaded_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("config.toml");
        assert!(Profiles::load_from(&path).unwrap().all().next().is_none());
        let mut profiles = Profiles::default();
        profiles.put("one", profile("http://a/api/v1"));
        profiles.put("two", profile("http://b/api/v1"));
        profiles.save_to(&path).unwrap();
        let loaded = Profiles::load_from(&path).unwrap();
        assert_eq!(loaded.in_use().unwrap(), Some(&profile("http://b/api/v1")));
        assert_eq!(loaded.for_server("http://a/api/v1"), Some(&profile("http://a/api/v1")));
        assert_eq!(loaded.for_server("http://c/api/v1"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let mut profiles = Profiles::default();
        profiles.put("one", profile("http://a/api/v1"));
        profiles.save_to(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Profiles::load_from(&path).expect_err("others can read it");
        assert!(error.to_string().contains("others can read it"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_without_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let mut file = tempfile::NamedTempFile::new_in(&folder).unwrap();
        file.write_all(b"[profiles.a]\nserver = \"x\"\napi_key = nk_test_canary\n").unwrap();
        file.persist(&path).unwrap();
        let error = Profiles::load_from(&path).expect_err("a text without quotes");
        let said = format!("{error} {error:?}");
        assert!(said.contains("line 3") && !said.contains("canary"), "{said}");
    }

    #[test]
    fn one_profile_is_in_use_by_itself_and_several_must_be_chosen_from() {
        let mut profiles = Profiles::default();
        assert_eq!(profiles.in_use().unwrap(), None);
        profiles.put("a", profile("http://a/api/v1"));
        profiles.put("b", profile("http://b/api/v1"));
        assert_eq!(profiles.remove(None).unwrap(), "b");
        assert_eq!(profiles.in_use().unwrap(), Some(&profile("http://a/api/v1")));
        profiles.put("c", profile("http://c/api/v1"));
        profiles.put("d", profile("http://d/api/v1"));
        profiles.remove(Some("d")).unwrap();
        assert!(profiles.in_use().is_err());
        profiles.choose("c").unwrap();
        assert_eq!(profiles.in_use().unwrap(), Some(&profile("http://c/api/v1")));
        assert!(profiles.choose("nope").unwrap_err().hint().unwrap().contains("a, c"));
    }
}
