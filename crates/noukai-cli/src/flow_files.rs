//! Flow files on disk: which files of a folder are flows, and what is wrong with them. Knows no server.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use noukai_flow::{Bounds, Flow, Format, Problem};
use noukai_server::{CodeConfig, CodeRunner, code_runner};
use serde_json::Value;

use crate::{error::CliError, output};

const ENDINGS: [&str; 3] = [".flow.yaml", ".flow.yml", ".flow.json"];
/// Folders of other tools, which may be huge.
const FOREIGN: [&str; 2] = ["node_modules", "target"];

/// A file that was read and checked.
pub struct FlowFile {
    /// As the user would write it.
    pub path: PathBuf,
    /// What was read.
    pub text: String,
    /// What it says; absent where it is no YAML or JSON.
    pub document: Option<Value>,
    /// The checked flow; present if and only if no problem is an error.
    pub flow: Option<Flow>,
    /// Errors and warnings, in the order of the document.
    pub problems: Vec<Problem>,
}

impl FlowFile {
    /// Reads and checks one file.
    ///
    /// # Errors
    /// The file is not there or cannot be read as text. What is wrong inside it is in `problems`.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
        Ok(Self::of(path, text))
    }

    /// Checks a text.
    pub fn of(path: &Path, text: String) -> Self {
        let path = path.to_owned();
        let document = match noukai_flow::parse(&text, format_of(&path)) {
            Ok(document) => document,
            Err(problems) => return Self { path, text, document: None, flow: None, problems },
        };
        let checked = noukai_flow::check(&document, &Bounds::default());
        Self { path, text, document: Some(document), flow: checked.flow, problems: checked.problems }
    }

    /// Checks the sources of code blocks too; a flow with faults in one is not valid.
    ///
    /// # Errors
    /// They cannot be checked on this machine.
    pub async fn check_code(&mut self, code: &CodeRunner) -> Result<(), CliError> {
        let Some(flow) = &self.flow else { return Ok(()) };
        let problems = code.problems(flow).await?;
        if problems.iter().any(Problem::is_error) {
            self.flow = None;
        }
        self.problems.extend(problems);
        Ok(())
    }

    /// Line and column of the file, for a problem inside a text of the document.
    pub fn place(&self, problem: &Problem) -> Option<(u32, Option<u32>)> {
        let position = problem.position?;
        Some(noukai_flow::locate(&self.text, &problem.path)?.at(position.line, position.column))
    }

    /// The checked flow with its document.
    ///
    /// # Errors
    /// One line: the first error, and how many more there are.
    pub fn checked(&self) -> Result<(&Flow, &Value), CliError> {
        match (&self.flow, &self.document) {
            (Some(flow), Some(document)) => Ok((flow, document)),
            _ => Err(self.first_error()),
        }
    }

    /// The slug as written, also where the flow is not valid.
    pub fn slug(&self) -> Option<&str> {
        self.document.as_ref()?.get("slug")?.as_str()
    }

    fn first_error(&self) -> CliError {
        let path = self.path.display();
        let mut errors = self.problems.iter().filter(|problem| problem.is_error());
        let first = errors.next().map_or_else(|| format!("{path}: not a valid flow"), |first| self.placed(first));
        match errors.count() {
            0 => CliError::usage(first),
            more => CliError::usage(format!("{first} (and {more} more; run `noukai check {path}`)")),
        }
    }

    /// `file: path: message`, with line and column of the file where they are known: `file:7:12: ...`.
    fn placed(&self, problem: &Problem) -> String {
        let path = self.path.display();
        let note = if problem.is_error() { "" } else { "warning: " };
        match self.place(problem) {
            Some((line, Some(column))) => format!("{path}:{line}:{column}: {note}{problem}"),
            Some((line, None)) => format!("{path}:{line}: {note}{problem}"),
            None => format!("{path}: {note}{problem}"),
        }
    }

    /// The problems that are asked for, each as `file: path: message [CODE]`.
    pub fn problem_lines(&self, wanted: fn(&Problem) -> bool) -> impl Iterator<Item = String> {
        let problems = self.problems.iter().filter(move |problem| wanted(problem));
        problems.map(|problem| format!("{} [{}]", self.placed(problem), problem.code))
    }

    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error())
    }

    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_error())
    }
}

/// The flow files of a folder and of its direct subfolders, sorted by path.
///
/// # Errors
/// The folder is not there, or is none.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for folder in folders(folder)? {
        files.extend(entries(&folder)?.into_iter().filter(|path| is_flow_file(path)));
    }
    files.sort();
    Ok(files)
}

/// The flow of that slug in a folder, or of that file.
///
/// # Errors
/// There is none, or it cannot be read; what is wrong inside it is in its `problems`.
pub fn find_flow(flow: &str, folder: &Path) -> Result<FlowFile, CliError> {
    let path = Path::new(flow);
    if path.is_file() || has_flow_ending(path) {
        return FlowFile::read(path);
    }
    let mut slugs = Vec::new();
    for path in find(folder)? {
        let file = FlowFile::read(&path)?;
        match file.slug() {
            Some(slug) if slug == flow => return Ok(file),
            slug => slugs.extend(slug.map(ToOwned::to_owned)),
        }
    }
    let message = format!("no flow {flow} in {}", folder.display());
    Err(CliError::usage(message).with_hint(match slugs.as_slice() {
        [] => "name the folder with --folder, or give the file itself".to_owned(),
        slugs => format!("there is {}", slugs.join(", ")),
    }))
}

/// Reads every flow of a folder, before anything is started.
///
/// # Errors
/// No folder, no flows, an invalid flow, or two with one slug.
pub fn load(folder: &Path) -> Result<Vec<FlowFile>, CliError> {
    let paths = find(folder)?;
    if paths.is_empty() {
        return Err(none_found(folder));
    }
    let mut files: Vec<FlowFile> = Vec::new();
    for path in &paths {
        let file = FlowFile::read(path)?;
        let slug = &file.checked()?.0.slug;
        if let Some(other) = files.iter().find(|other| other.flow.as_ref().is_some_and(|flow| flow.slug == *slug)) {
            return Err(same_slug(slug, &other.path, path));
        }
        files.push(file);
    }
    Ok(files)
}

/// Checks the code blocks of flows that are valid otherwise, in processes that end with this.
///
/// # Errors
/// A source with faults, or no process to check it in.
pub async fn check_code(files: &mut [FlowFile], config: &CodeConfig) -> Result<(), CliError> {
    let code = code_runner(config);
    for file in files {
        file.check_code(&code).await?;
        file.checked()?;
    }
    Ok(())
}

/// Says on stderr what may surprise.
pub fn warn(files: &[FlowFile]) {
    let lines = files.iter().flat_map(|file| file.problem_lines(|problem| !problem.is_error()));
    lines.for_each(|line| output::note(&line));
}

/// Two files with one slug, in one line.
pub fn same_slug(slug: &str, one: &Path, other: &Path) -> CliError {
    let message = format!("{} and {} both have the slug `{slug}`", one.display(), other.display());
    CliError::usage(message).with_hint("a slug is a flow's address, so each needs its own")
}

/// The folder itself and those of its direct subfolders where flows are looked for.
///
/// # Errors
/// The folder is not there, or is none.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let inside = entries(folder)?.into_iter().filter(|path| path.is_dir() && !is_hidden(path) && !is_foreign(path));
    Ok(std::iter::once(folder.to_owned()).chain(inside).collect())
}

/// No flow files, in one line.
pub fn none_found(folder: &Path) -> CliError {
    let message = format!("no flow files (*.flow.yaml, *.flow.yml, *.flow.json) in {}", folder.display());
    CliError::usage(message).with_hint("give the folder that holds them, as in `noukai dev examples`")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let read = fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))?;
    // `./a.flow.yaml` is how nobody writes a file of the current folder.
    let shown = |path: PathBuf| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
    Ok(read.filter_map(|entry| Some(shown(entry.ok()?.path()))).collect())
}

fn cannot_read(path: &Path, error: &io::Error) -> CliError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => CliError::usage(format!("{path} does not exist")),
        io::ErrorKind::NotADirectory => CliError::usage(format!("{path} is not a folder")),
        io::ErrorKind::InvalidData => CliError::usage(format!("{path} is not a text file")),
        _ => CliError::usage(format!("cannot read {path}: {error}")),
    }
}

fn is_flow_file(path: &Path) -> bool {
    has_flow_ending(path) && !is_hidden(path) && path.is_file()
}

/// Whether the name is that of a flow file.
pub fn has_flow_ending(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_foreign(path: &Path) -> bool {
    path.file_name().is_some_and(|name| FOREIGN.iter().any(|foreign| name == *foreign))
}

fn format_of(path: &Path) -> Format {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => Format::Json,
        _ => Format::Yaml,
    }
}
