//! `.noukai-sync/state.json`: what was on the server when folder and project were last equal, flow by flow. It is this copy's
//! own and is not meant for version control.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::Project;
use crate::error::CliError;

const FOLDER: &str = ".noukai-sync";
const FILE: &str = "state.json";

/// A flow when both sides were last equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub flow_id: String,
    pub revision: u64,
    /// Of the document.
    pub hash: String,
}

/// What is known of one project.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    server: String,
    project_id: String,
    flows: BTreeMap<String, Known>,
}

impl State {
    /// Reads what is known of the project; nothing where it was another, or there is no file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(folder: &Path, project: &Project) -> Result<Self, CliError> {
        let fresh = || Self {
            server: project.api.base().to_owned(),
            project_id: project.project_id.clone(),
            flows: BTreeMap::new(),
        };
        let path = folder.join(FOLDER).join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh()),
            Err(error) => return Err(CliError::failure(format!("{}: {error}", path.display()))),
        };
        // What was damaged is as good as not there: nothing is overwritten without it.
        let state: Self = serde_json::from_str(&text).unwrap_or_default();
        let is_it = state.server == project.api.base() && state.project_id == project.project_id;
        Ok(if is_it { state } else { fresh() })
    }

    /// The flow as it was last equal.
    pub fn known(&self, slug: &str) -> Option<&Known> {
        self.flows.get(slug)
    }

    /// Keeps what is known of a flow, at once: what comes after may fail.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self, folder: &Path, slug: &str, known: Known) -> Result<(), CliError> {
        if self.flows.get(slug) == Some(&known) {
            return Ok(());
        }
        self.flows.insert(slug.to_owned(), known);
        let folder = folder.join(FOLDER);
        self.write(&folder).map_err(|error| CliError::failure(format!("{}: {error}", folder.join(FILE).display())))
    }

    /// All of it or nothing: another command may read it meanwhile.
    fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let ignored = folder.join(".gitignore");
        if !ignored.exists() {
            fs::write(ignored, "*\n")?;
        }
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.persist(folder.join(FILE))?;
        Ok(())
    }
}
