//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows.
//!
//! Each check is a function from the [`Tree`] to the problems it finds, in a file of its own. All of them run, and
//! all problems are reported at once.

mod arrows;
mod banned;
mod error_pages;
mod headers;
mod machine;
mod named_files;
mod named_tests;
mod rooms;
mod text;

use std::fmt;

use anyhow::{Result, bail};
use noukai_api::ErrorCode;

use crate::output;
use crate::workspace::{Edge, Workspace};

/// A check: its name, and what it finds.
type Check = (&'static str, fn(&Tree) -> Vec<Problem>);

const CHECKS: &[Check] = &[
    ("arrows", arrows::check),
    ("rooms", rooms::check),
    ("headers", headers::check),
    ("banned", banned::check),
    ("error-pages", error_pages::check),
    ("named-files", named_files::check),
    ("named-tests", named_tests::check),
    ("machine", machine::check),
];

/// Everything the checks look at.
#[derive(Default)]
struct Tree {
    members: Vec<String>,
    edges: Vec<Edge>,
    codes: Vec<String>,
    files: Vec<File>,
}

/// A text file of the repository.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// One thing to mend.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    what: String,
}

/// Runs all checks.
pub fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::load(workspace)?;
    let problems: Vec<(&str, Problem)> =
        CHECKS.iter().flat_map(|(name, check)| check(&tree).into_iter().map(move |problem| (*name, problem))).collect();
    for (name, problem) in &problems {
        output::note(&format!("{problem} [{name}]"));
    }
    match problems.len() {
        0 => output::line(&format!("tidy: {} checks over {} files, no problems", CHECKS.len(), tree.files.len())),
        count => bail!("tidy found {count} problem{}", if count == 1 { "" } else { "s" }),
    }
    Ok(())
}

impl Tree {
    fn load(workspace: &Workspace) -> Result<Self> {
        let read = |path: String| {
            // A file that is gone, is no text, or is a link to a folder has nothing to check.
            let text = std::fs::read_to_string(workspace.root.join(&path)).ok()?;
            Some(File { path, text })
        };
        Ok(Self {
            members: workspace.members.clone(),
            edges: workspace.edges.clone(),
            codes: ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()).collect(),
            files: workspace.files()?.into_iter().filter_map(read).collect(),
        })
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust sources of our crates.
    fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_source())
    }
}

impl File {
    fn is_source(&self) -> bool {
        let ours = ["crates/", "xtask/", "bench/"].iter().any(|folder| self.path.starts_with(folder));
        ours && self.path.ends_with(".rs")
    }

    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn problem(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

#[cfg(test)]
impl Tree {
    /// A tree of these files and nothing else.
    fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect(), ..Self::default() }
    }
}

/// What a check finds, one line per problem.
#[cfg(test)]
fn found(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_like_a_compilers() {
        let tree = Tree::of(&[("a.rs", "")]);
        assert_eq!(tree.files[0].problem(3, "no").to_string(), "a.rs:3: no");
        assert_eq!(tree.files[0].problem(0, "no").to_string(), "a.rs: no");
    }
}
