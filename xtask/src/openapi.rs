//! Keeps docs/openapi.json and docs/flow.schema.json equal to what the binary says of itself.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{output, process};

/// Files, and what the binary is asked for them.
const DOCUMENTS: [(&str, &[&str]); 2] =
    [("docs/openapi.json", &["openapi"]), ("docs/flow.schema.json", &["flow", "schema"])];

/// What `cargo xtask openapi` takes.
#[derive(Args)]
pub struct Options {
    /// Change nothing; fail if the file is not up to date.
    #[arg(long)]
    pub check: bool,
}

/// Writes the documents, or compares them.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let binary = workspace.build_noukai()?;
    for (file, asked) in DOCUMENTS {
        let printed = process::capture(Command::new(&binary).args(asked).current_dir(&workspace.root))?;
        let wanted = tidy_json(&printed).with_context(|| format!("`noukai {}` printed no JSON", asked.join(" ")))?;
        keep(workspace, options, file, &wanted)?;
    }
    Ok(())
}

fn keep(workspace: &Workspace, options: &Options, file: &str, wanted: &str) -> Result<()> {
    let path = workspace.root.join(file);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == wanted {
        output::line(&format!("{file} is up to date"));
        return Ok(());
    }
    if options.check {
        let hint = "run `cargo xtask openapi` and commit the result";
        bail!("{file} is not what the binary says; {}; {hint}", first_difference(&found, wanted));
    }
    std::fs::write(&path, wanted).with_context(|| format!("cannot write {file}"))?;
    output::line(&format!("wrote {file}"));
    Ok(())
}

/// The same document, indented, with one newline at the end: so that a change shows as few changed lines.
fn tidy_json(text: &str) -> Result<String> {
    let document: Value = serde_json::from_str(text)?;
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Where two texts begin to differ, for a person.
fn first_difference(found: &str, wanted: &str) -> String {
    if found.is_empty() {
        return "the file is missing or empty".to_owned();
    }
    let same = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted).count();
    let line = |text: &str| text.lines().nth(same).map_or("nothing", str::trim).to_owned();
    format!("line {} has `{}`, and should have `{}`", same + 1, line(found), line(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents_and_keeps_the_order_of_keys() {
        assert_eq!(tidy_json(r#"{"b":1,"a":[]}"#).expect("valid"), "{\n  \"b\": 1,\n  \"a\": []\n}\n");
        assert!(tidy_json("usage: noukai").is_err());
    }

    #[test]
    fn names_the_first_difference() {
        assert_eq!(first_difference("", "{}"), "the file is missing or empty");
        assert_eq!(first_difference("a\nb\n", "a\n c\n"), "line 2 has `b`, and should have `c`");
        assert_eq!(first_difference("a\n", "a\nb\n"), "line 2 has `nothing`, and should have `b`");
    }
}
