//! The served folder: which file has which flow, and what changed since the last look.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use noukai_flow::Flow;
use noukai_server::{App, Project};
use serde_json::Value;

use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    output::{self, Style},
};

/// A folder whose flows are drafts of a project.
pub struct Folder<'a> {
    app: &'a App,
    project: &'a Project,
    path: &'a Path,
    files: BTreeMap<PathBuf, Known>,
}

/// What is known of a file.
struct Known {
    /// As last read, so that only changes are looked at.
    text: String,
    /// The flow that is served for it; absent where it was never valid.
    served: Option<Served>,
}

struct Served {
    slug: String,
    input: Value,
}

impl<'a> Folder<'a> {
    /// Makes drafts of the flows, and takes away drafts of earlier folders.
    ///
    /// # Errors
    /// The store does not take one.
    pub async fn serve(
        app: &'a App,
        project: &'a Project,
        path: &'a Path,
        files: Vec<FlowFile>,
    ) -> Result<Self, CliError> {
        let mut folder = Self { app, project, path, files: BTreeMap::new() };
        for file in files {
            let (flow, document) = file.checked()?;
            let served = folder.put(flow, document).await?;
            folder.files.insert(file.path, Known { text: file.text, served: Some(served) });
        }
        for flow in app.flows(project).await? {
            if !folder.has(&flow.slug) {
                app.remove_flow(project, &flow.slug).await?;
            }
        }
        Ok(folder)
    }

    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// Slugs of what is served, sorted by file.
    pub fn slugs(&self) -> Vec<&str> {
        self.served().map(|served| served.slug.as_str()).collect()
    }

    /// The first flow, with the JSON Schema of its inputs.
    pub fn first(&self) -> Option<(&str, &Value)> {
        self.served().next().map(|served| (served.slug.as_str(), &served.input))
    }

    fn served(&self) -> impl Iterator<Item = &Served> {
        self.files.values().filter_map(|known| known.served.as_ref())
    }

    fn has(&self, slug: &str) -> bool {
        self.served().any(|served| served.slug == slug)
    }

    /// Looks at the folder again and serves what it has now. Says on stderr what changed.
    pub async fn look_again(&mut self) {
        let paths = match flow_files::find(self.path) {
            Ok(paths) => paths,
            Err(error) => return report("unreadable", &error.to_string()),
        };
        for path in &paths {
            // A file that cannot be read is on its way out, or not written yet: the next event tells.
            if let Ok(text) = fs::read_to_string(path)
                && self.files.get(path).is_none_or(|known| known.text != text)
            {
                self.changed(self.checked(FlowFile::of(path, text)).await, &paths).await;
            }
        }
        let gone: Vec<PathBuf> = self.files.keys().filter(|path| !paths.contains(path)).cloned().collect();
        for path in gone {
            if let Some(Known { served: Some(served), .. }) = self.files.remove(&path) {
                self.drop_slug(&served.slug, &path).await;
            }
        }
    }

    /// The file with its code blocks checked; that they cannot be is said when the flow is run.
    async fn checked(&self, mut file: FlowFile) -> FlowFile {
        if let Err(error) = file.check_code(self.app.code()).await {
            output::warning(&format!("{}: {error}", file.path.display()));
        }
        file
    }

    /// Takes over a new text; what cannot be served leaves the last good flow in place.
    async fn changed(&mut self, file: FlowFile, present: &[PathBuf]) {
        let before = self.files.remove(&file.path).and_then(|known| known.served);
        let is_new = before.is_none();
        file.problem_lines(|problem| !problem.is_error()).for_each(|line| output::note(&line));
        let served = match self.take(&file, present).await {
            Ok(served) => {
                report(
                    if is_new { "added" } else { "reloaded" },
                    &format!("{} ({})", served.slug, file.path.display()),
                );
                Some(served)
            }
            Err(lines) => {
                lines.iter().for_each(|line| report("invalid", line));
                if let Some(before) = &before {
                    output::note(&format!("  the last good version of {} is still served", before.slug));
                }
                None
            }
        };
        let renamed = before.as_ref().zip(served.as_ref()).filter(|(before, served)| before.slug != served.slug);
        let old = renamed.map(|(before, _)| before.slug.clone());
        self.files.insert(file.path.clone(), Known { text: file.text, served: served.or(before) });
        if let Some(old) = old {
            self.drop_slug(&old, &file.path).await;
        }
    }

    async fn take(&self, file: &FlowFile, present: &[PathBuf]) -> Result<Served, Vec<String>> {
        let Ok((flow, document)) = file.checked() else {
            return Err(file.problem_lines(noukai_flow::Problem::is_error).collect());
        };
        let holds = |known: &Known| known.served.as_ref().is_some_and(|served| served.slug == flow.slug);
        if let Some((other, _)) = self.files.iter().find(|(path, known)| present.contains(path) && holds(known)) {
            return Err(vec![flow_files::same_slug(&flow.slug, other, &file.path).to_string()]);
        }
        self.put(flow, document).await.map_err(|error| vec![format!("{}: {error}", file.path.display())])
    }

    async fn put(&self, flow: &Flow, document: &Value) -> Result<Served, CliError> {
        self.app.put_flow(self.project, document).await?;
        Ok(Served { slug: flow.slug.clone(), input: flow.input.json().clone() })
    }

    /// Ends the service of a flow, unless another file has it now.
    async fn drop_slug(&self, slug: &str, path: &Path) {
        if self.has(slug) {
            return;
        }
        match self.app.remove_flow(self.project, slug).await {
            Ok(_) => report("removed", &format!("{slug} ({})", path.display())),
            Err(error) => output::warning(&format!("cannot remove {slug}: {error}")),
        }
    }
}

fn report(what: &str, about: &str) {
    let style = Style::stderr();
    let word = match what {
        "invalid" | "unreadable" => style.red(what),
        "removed" => style.yellow(what),
        _ => style.green(what),
    };
    output::note(&format!("{word} {about}"));
}
