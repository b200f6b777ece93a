//! What cargo and git know about the repository: root, target folder, dependencies, files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The repository, as cargo describes it.
pub struct Workspace {
    /// The folder with the root manifest.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// The names of our own crates.
    pub members: Vec<String>,
    /// Every dependency that a manifest of ours names.
    pub edges: Vec<Edge>,
}

/// One line under `[dependencies]` and its kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The crate whose manifest it is.
    pub from: String,
    /// The crate it names.
    pub to: String,
    /// Whether it stands under `[dev-dependencies]`.
    pub dev: bool,
}

impl Workspace {
    /// Asks cargo, from the current folder.
    pub fn load() -> Result<Self> {
        let mut command = process::cargo(Path::new("."));
        let text = process::capture(command.args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Self::parse(&text).context("cannot read what `cargo metadata` printed")
    }

    fn parse(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata)?;
        let path = |key: &str| metadata[key].as_str().map(PathBuf::from).with_context(|| format!("no `{key}`"));
        let packages = metadata["packages"].as_array().context("no `packages`")?;
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            members: packages.iter().map(|package| text_of(&package["name"])).collect(),
            edges: packages.iter().flat_map(edges_of).collect(),
        })
    }

    /// The binary `name` of the profile `profile` (`debug`, `release`).
    pub fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Builds `noukai` in the debug profile and says where it is.
    pub fn build_noukai(&self) -> Result<PathBuf> {
        let mut command = process::cargo(&self.root);
        process::run(command.args(["build", "--quiet", "--package", "noukai-cli", "--bin", "noukai"]))?;
        Ok(self.binary("debug", "noukai"))
    }

    /// The paths of all files that are tracked, or would be with `git add --all`, relative to the root.
    pub fn files(&self) -> Result<Vec<String>> {
        let mut command = Command::new("git");
        command.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut paths: Vec<String> =
            process::capture(&mut command)?.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }
}

fn edges_of(package: &Value) -> Vec<Edge> {
    let from = text_of(&package["name"]);
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    dependencies
        .iter()
        .map(|it| Edge { from: from.clone(), to: text_of(&it["name"]), dev: it["kind"] == "dev" })
        .collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_and_edges() {
        let metadata = r#"{"workspace_root": "/r", "target_directory": "/r/target", "packages": [
            {"name": "a", "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}]},
            {"name": "b", "dependencies": []}]}"#;
        let workspace = Workspace::parse(metadata).expect("valid");
        assert_eq!(workspace.members, ["a", "b"]);
        let edge = |to: &str, dev| Edge { from: "a".into(), to: to.into(), dev };
        assert_eq!(workspace.edges, [edge("b", false), edge("c", true)]);
    }

    #[test]
    fn says_what_is_missing() {
        let error = Workspace::parse("{}").err().expect("invalid");
        assert_eq!(error.to_string(), "no `packages`");
    }
}
