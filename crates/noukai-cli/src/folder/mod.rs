//! A folder of flow files that goes with a project of a server: what stands where, and who has changed it since.
//!
//! `noukai.yaml` says which project it is (`manifest`), `.noukai-sync/state.json` what was on the server when both were last
//! equal (`state`). `project` calls the server, `compare` puts the two side by side.

mod compare;
mod manifest;
mod project;
mod state;

use std::path::PathBuf;

use noukai_api::FlowSummary;
use serde_json::Value;

pub use self::{
    compare::{Pair, Standing},
    project::Project,
    state::Known,
};
use self::{manifest::Manifest, state::State};
use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    remote::Remote,
};

/// Which folder, and which server.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// Folder of the flow files, and of `noukai.yaml`
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub remote: Remote,
}

/// The folder and the project side by side.
pub struct Synced {
    pub folder: PathBuf,
    pub project: Project,
    files: Vec<FlowFile>,
    flows: Vec<FlowSummary>,
    state: State,
}

impl Where {
    /// Finds the project, without a look at the folder's flows.
    ///
    /// # Errors
    /// No server, no key, no such project.
    pub async fn project(&self) -> Result<Project, CliError> {
        let manifest = Manifest::read(&self.folder)?;
        let api = self.remote.api(manifest.server.as_deref())?;
        Project::find(api, &manifest).await
    }

    /// Reads the folder and lists the project.
    ///
    /// # Errors
    /// As [`Where::project`]; a file that cannot be read, two with one slug.
    pub async fn open(&self) -> Result<Synced, CliError> {
        let files = read_files(&self.folder)?;
        let project = self.project().await?;
        let flows = project.flows().await?;
        let state = State::load(&self.folder, &project)?;
        Ok(Synced { folder: self.folder.clone(), project, files, flows, state })
    }
}

/// Every flow file of the folder; each is a document with a slug of its own.
fn read_files(folder: &std::path::Path) -> Result<Vec<FlowFile>, CliError> {
    let mut files: Vec<FlowFile> = Vec::new();
    for path in flow_files::find(folder)? {
        let file = FlowFile::read(&path)?;
        let Some(slug) = file.slug().filter(|slug| noukai_flow::is_slug(slug)) else {
            // Why it has none is the first of its problems.
            file.checked()?;
            return Err(CliError::usage(format!("{}: it has no slug", path.display())));
        };
        if let Some(other) = files.iter().find(|other| other.slug() == Some(slug)) {
            return Err(flow_files::same_slug(slug, &other.path, &path));
        }
        files.push(file);
    }
    Ok(files)
}

impl Synced {
    /// The flows that are meant, here and there: those named, or all. In order of their slugs.
    ///
    /// # Errors
    /// A name that is neither here nor there.
    pub async fn pairs(&self, named: &[String]) -> Result<Vec<Pair<'_>>, CliError> {
        let mut slugs: Vec<&str> = self.files.iter().filter_map(FlowFile::slug).collect();
        slugs.extend(self.flows.iter().map(|flow| flow.slug.as_str()));
        slugs.sort_unstable();
        slugs.dedup();
        if let Some(unknown) = named.iter().find(|name| !slugs.contains(&name.as_str())) {
            let hint = if slugs.is_empty() {
                "there are no flows".to_owned()
            } else {
                format!("there is {}", slugs.join(", "))
            };
            return Err(CliError::of(
                crate::error::Exit::NotFound,
                format!(
                    "there is no flow `{unknown}`, neither in {} nor in {}",
                    self.folder.display(),
                    self.project.label
                ),
            )
            .with_hint(hint));
        }
        slugs.retain(|slug| named.is_empty() || named.iter().any(|name| name == slug));
        let mut pairs = Vec::new();
        for slug in slugs {
            pairs.push(self.pair(slug).await?);
        }
        Ok(pairs)
    }

    async fn pair(&self, slug: &str) -> Result<Pair<'_>, CliError> {
        let file = self.files.iter().find(|file| file.slug() == Some(slug));
        let summary = self.flows.iter().find(|flow| flow.slug == slug);
        let known = self.state.known(slug).cloned();
        let remote = match summary {
            Some(flow) => Some(self.project.flow(&flow.flow_id).await?),
            None => None,
        };
        Ok(Pair { slug: slug.to_owned(), file, remote, known })
    }

    /// A flow of the project by its slug.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub fn flow(&self, slug: &str) -> Result<&FlowSummary, CliError> {
        find_flow(&self.flows, slug, &self.project)
    }

    /// Notes that both sides are equal now.
    ///
    /// # Errors
    /// The note cannot be kept.
    pub fn settle(&mut self, slug: &str, flow: &FlowSummary, document: &Value) -> Result<(), CliError> {
        let hash = noukai_flow::document_hash(document);
        let known = Known { flow_id: flow.flow_id.clone(), revision: flow.revision, hash };
        self.state.keep(&self.folder, slug, known)
    }
}

/// A flow of the project by its slug.
///
/// # Errors
/// There is none; says which there are.
pub fn find_flow<'a>(flows: &'a [FlowSummary], slug: &str, project: &Project) -> Result<&'a FlowSummary, CliError> {
    flows.iter().find(|flow| flow.slug == slug).ok_or_else(|| {
        let slugs: Vec<&str> = flows.iter().map(|flow| flow.slug.as_str()).collect();
        let failure = CliError::of(crate::error::Exit::NotFound, format!("{} has no flow `{slug}`", project.label));
        let hint = if slugs.is_empty() {
            "`noukai flow push` puts one there".to_owned()
        } else {
            format!("there is {}", slugs.join(", "))
        };
        failure.with_hint(hint)
    })
}
