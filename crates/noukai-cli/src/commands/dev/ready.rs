//! What `noukai dev` says once it serves: where, with which key, and lines to paste.

use std::path::Path;

use noukai_server::Project;
use serde_json::json;

use super::folder::Folder;
use crate::{
    local,
    output::{self, Style},
    sample::Inputs,
    snippets::Call,
    units,
};

/// The one port that the published clients call.
const CLIENTS_PORT: &str = ":8080";

/// Everything there is to say.
pub struct Ready<'a> {
    pub url: &'a str,
    pub project: &'a Project,
    pub key: &'a str,
    pub data: &'a Path,
    pub folder: &'a Folder<'a>,
}

impl Ready<'_> {
    /// One line for a program.
    pub fn print_json(&self) {
        output::json_line(&json!({
            "url": self.url,
            "org": self.project.org,
            "project": self.project.slug,
            "project_id": self.project.id.to_string(),
            "api_key": self.key,
            "flows": self.folder.slugs(),
            "pid": std::process::id(),
        }));
    }

    /// A page for a person.
    pub fn print_text(&self) {
        let lines = [self.place(), self.flows(), self.calls(), self.end()];
        output::line(&lines.concat().join("\n"));
    }

    fn place(&self) -> Vec<String> {
        let style = Style::stdout();
        let count = units::count(self.folder.slugs().len(), "flow");
        vec![
            format!("{} serves {count} from {}", style.bold("Noukai"), self.folder.path().display()),
            String::new(),
            format!("  URL      {}", style.cyan(self.url)),
            format!("  Project  {}", local::address(self.project)),
            format!("  API key  {}", self.key),
            format!("  Data     {}, with full traces", self.data.display()),
        ]
    }

    fn flows(&self) -> Vec<String> {
        let slugs = self.folder.slugs();
        let width = slugs.iter().map(|slug| slug.len()).max().unwrap_or(0);
        let address = local::address(self.project);
        let line = |slug: &&str| format!("  {slug:<width$}  POST /api/v1/seq/{address}/{slug}/execute");
        heading("Flows").into_iter().chain(slugs.iter().map(line)).collect()
    }

    fn calls(&self) -> Vec<String> {
        let Some((slug, schema)) = self.folder.first() else { return Vec::new() };
        let address = format!("{}/{slug}", local::address(self.project));
        let inputs = Inputs::of(schema);
        let call = Call { url: self.url, address: &address, key: self.key, inputs: &inputs };
        [
            heading("curl"),
            call.curl(),
            heading("For the clients"),
            self.environment(),
            heading("Python (pip install noukai-sdk)"),
            call.python(),
            heading("Node (npm install @noukai/sdk)"),
            call.node(),
        ]
        .concat()
    }

    fn environment(&self) -> Vec<String> {
        let export = format!("export NOUKAI_ENV=dev NOUKAI_API_KEY={}", self.key);
        if self.url.ends_with(CLIENTS_PORT) {
            return vec![export];
        }
        let style = Style::stdout();
        vec![export, style.yellow("# The published clients always call localhost:8080; use --port 8080 with them.")]
    }

    fn end(&self) -> Vec<String> {
        let style = Style::stdout();
        vec![String::new(), style.dim("Save a flow file and it is reloaded. Ctrl-C stops the server.")]
    }
}

fn heading(text: &str) -> Vec<String> {
    vec![String::new(), Style::stdout().bold(text)]
}
