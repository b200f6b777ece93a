//! `noukai check`: what is wrong with flow files, all of it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use noukai_flow::{Problem, Severity};
use noukai_server::{CodeConfig, code_runner};
use serde_json::{Value, json};

use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    output::{self, Style},
    units,
};

const EXAMPLES: &str = "\
Examples:
  noukai check flows/               every flow file in a folder
  noukai check a.flow.yaml b.flow.yaml
  noukai check --json flows/        for a program

Each problem is one line on stdout, `file: path: message [CODE]`, with line and column behind the file for faults in
the source of a code block. Such sources are parsed, not run. The exit code is 1 where there is an error;
warnings alone do not count.";

/// Say what is wrong with flow files
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Flow files, or folders that hold them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// As if given that folder.
    pub fn of_folder(folder: PathBuf, json: bool) -> Self {
        Self { files: vec![folder], json }
    }
}

/// Checks every file.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut files = Vec::new();
    for path in &args.files {
        files.extend(read(path)?);
    }
    let code = code_runner(&CodeConfig::default());
    for file in &mut files {
        file.check_code(&code).await?;
    }
    if args.json {
        print_json(&files);
    } else {
        print_lines(&files);
    }
    let valid = files.iter().all(|file| file.errors().next().is_none());
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<Vec<FlowFile>, CliError> {
    if !path.is_dir() {
        return Ok(vec![FlowFile::read(path)?]);
    }
    match flow_files::find(path)? {
        paths if paths.is_empty() => Err(flow_files::none_found(path)),
        paths => paths.iter().map(|path| FlowFile::read(path)).collect(),
    }
}

fn print_lines(files: &[FlowFile]) {
    let (mut errors, mut warnings) = (0, 0);
    for file in files {
        file.problem_lines(|_| true).for_each(|line| output::line(&line));
        errors += file.errors().count();
        warnings += file.warnings().count();
    }
    output::note(&summary(files.len(), errors, warnings));
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    let style = Style::stderr();
    let verdict = if errors == 0 { style.green("ok") } else { style.red(&units::count(errors, "error")) };
    let warnings = if warnings == 0 { String::new() } else { format!(", {}", units::count(warnings, "warning")) };
    format!("{}: {verdict}{warnings}", units::count(files, "file"))
}

fn print_json(files: &[FlowFile]) {
    let count = |of: fn(&FlowFile) -> usize| files.iter().map(of).sum::<usize>();
    output::json(&json!({
        "files": files.iter().map(file_json).collect::<Vec<_>>(),
        "errors": count(|file| file.errors().count()),
        "warnings": count(|file| file.warnings().count()),
    }));
}

fn file_json(file: &FlowFile) -> Value {
    let problems: Vec<Value> = file.problems.iter().map(|problem| problem_json(file, problem)).collect();
    json!({
        "file": file.path.display().to_string(),
        "slug": file.flow.as_ref().map(|flow| &flow.slug),
        "valid": file.flow.is_some(),
        "problems": problems,
    })
}

fn problem_json(file: &FlowFile, problem: &Problem) -> Value {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut fields =
        json!({"path": problem.path, "code": problem.code.as_str(), "message": problem.message, "severity": severity});
    if let Some((line, column)) = file.place(problem) {
        fields["line"] = line.into();
        fields["column"] = column.into();
    }
    fields
}
