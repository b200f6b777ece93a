//! `cargo xtask test`: all stages, one after the other, with their times and a summary.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;
use crate::{chaos, openapi, output, process, tidy};

/// What `cargo xtask test` takes.
#[derive(Args)]
pub struct Options {
    /// Run this stage alone (may be given more than once).
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Leave this stage out (may be given more than once).
    #[arg(long, value_name = "STAGE")]
    skip: Vec<Stage>,
}

/// The stages, in the order in which they run: what fails fastest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Formatting: cargo fmt --all --check.
    Fmt,
    /// The rules of the house: cargo xtask tidy.
    Tidy,
    /// Lints: cargo clippy over all targets, warnings denied.
    Clippy,
    /// Unit and integration tests: cargo test --workspace.
    Test,
    /// Rustdoc of all crates, and of the client with all its features, warnings denied.
    Doc,
    /// docs/openapi.json and docs/flow.schema.json against the binary.
    Openapi,
    /// The published Python and Node clients against the binary, and compared with the Rust client.
    Conformance,
    /// The short chaos run on SQLite: 60 kills, every failpoint, faults of store and model: cargo xtask chaos.
    Chaos,
    /// Advisories, licences and sources of dependencies: cargo deny check.
    Deny,
}

/// How a stage ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    Skipped(&'static str),
    Failed(String),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// Runs the chosen stages, all of them even if one fails.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let stages = chosen(&options.only, &options.skip);
    let mut results = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        output::note(&format!("\n=== {}/{} {stage}", index + 1, stages.len()));
        let start = Instant::now();
        let outcome = run_stage(workspace, *stage);
        let result = (*stage, outcome, start.elapsed());
        output::note(&result_line(&result));
        results.push(result);
    }
    sum_up(&results)
}

fn chosen(only: &[Stage], skip: &[Stage]) -> Vec<Stage> {
    let wanted = |stage: &Stage| (only.is_empty() || only.contains(stage)) && !skip.contains(stage);
    Stage::value_variants().iter().copied().filter(wanted).collect()
}

fn run_stage(workspace: &Workspace, stage: Stage) -> Outcome {
    let result = match stage {
        Stage::Fmt => cargo(workspace, &["fmt", "--all", "--check"]),
        Stage::Tidy => tidy::run(workspace),
        Stage::Clippy => {
            cargo(workspace, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
        }
        Stage::Test => cargo(workspace, &["test", "--workspace", "--quiet"]),
        Stage::Doc => doc(workspace),
        Stage::Openapi => openapi::run(workspace, &openapi::Options { check: true }),
        Stage::Conformance => conformance(workspace),
        Stage::Chaos => chaos::run(workspace, &chaos::Options::short("sqlite", 2)),
        Stage::Deny => return deny(workspace),
    };
    result.into()
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    process::run(process::cargo(&workspace.root).args(arguments))
}

fn doc(workspace: &Workspace) -> Result<()> {
    for what in [&["--workspace"][..], &["--package", "noukai", "--all-features"]] {
        let arguments = [&["doc", "--quiet", "--no-deps"], what].concat();
        process::run(process::cargo(&workspace.root).args(arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

fn conformance(workspace: &Workspace) -> Result<()> {
    let binary = workspace.build_noukai()?;
    cargo(workspace, &["build", "--quiet", "--package", "noukai-parity"])?;
    let parity = workspace.binary("debug", "noukai-parity");
    let mut suites = Command::new("conformance/run.sh");
    process::run(suites.current_dir(&workspace.root).env("NOUKAI_BIN", binary).env("NOUKAI_PARITY_BIN", parity))
}

fn deny(workspace: &Workspace) -> Outcome {
    let installed = process::cargo(&workspace.root)
        .args(["deny", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !installed {
        return Outcome::Skipped("cargo-deny is not installed (cargo install cargo-deny)");
    }
    cargo(workspace, &["deny", "--workspace", "check"]).into()
}

fn sum_up(results: &[(Stage, Outcome, Duration)]) -> Result<()> {
    let total = results.iter().map(|(_, _, took)| took).sum::<Duration>();
    output::line(&format!("\n=== summary, {:.1} s", total.as_secs_f64()));
    for result in results {
        output::line(&result_line(result));
    }
    let failed = results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count();
    if failed > 0 {
        bail!("{failed} of {} stages failed", results.len());
    }
    Ok(())
}

fn result_line((stage, outcome, took): &(Stage, Outcome, Duration)) -> String {
    let said = match outcome {
        Outcome::Passed => "ok".to_owned(),
        Outcome::Skipped(why) => format!("skipped: {why}"),
        Outcome::Failed(why) => format!("FAILED: {why}"),
    };
    format!("{:<12} {:>7.1} s  {said}", stage.to_string(), took.as_secs_f64())
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(error) => Self::Failed(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stages_run_by_default() {
        assert_eq!(chosen(&[], &[]), Stage::value_variants());
    }

    #[test]
    fn only_and_skip_narrow_the_stages_and_keep_their_order() {
        assert_eq!(chosen(&[Stage::Test, Stage::Fmt], &[]), [Stage::Fmt, Stage::Test]);
        assert_eq!(chosen(&[Stage::Test, Stage::Fmt], &[Stage::Test]), [Stage::Fmt]);
        assert!(!chosen(&[], &[Stage::Deny]).contains(&Stage::Deny));
    }

    #[test]
    fn one_failure_fails_the_whole_and_a_skip_does_not() {
        let of = |outcome| (Stage::Deny, outcome, Duration::ZERO);
        assert!(sum_up(&[of(Outcome::Passed), of(Outcome::Skipped("not installed"))]).is_ok());
        let error = sum_up(&[of(Outcome::Failed("x".to_owned())), of(Outcome::Passed)]).expect_err("one failed");
        assert_eq!(error.to_string(), "1 of 2 stages failed");
    }

    #[test]
    fn a_result_says_stage_time_and_reason() {
        let line = result_line(&(Stage::Clippy, Outcome::Failed("lint".to_owned()), Duration::from_millis(1500)));
        assert_eq!(line, "clippy           1.5 s  FAILED: lint");
    }
}
