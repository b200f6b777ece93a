//! `NAME.tests.yaml`: the test cases of the flow beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use noukai_api::{Cassette, CreateTestCase, Expectation, TestInput};
use noukai_flow::Format;
use serde::Deserialize;

use crate::error::CliError;

/// Endings of flow files, and those of test files instead of them.
const FLOW: [&str; 3] = [".flow.yaml", ".flow.yml", ".flow.json"];
const TESTS: [(&str, Format); 3] =
    [(".tests.yaml", Format::Yaml), (".tests.yml", Format::Yaml), (".tests.json", Format::Json)];

/// A file that was read.
pub struct TestFile {
    /// As the user would write it.
    pub path: PathBuf,
    /// At least one.
    pub cases: Vec<CreateTestCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cases: Vec<Case>,
}

/// As the API takes it, but nothing else: a field that is misspelled would test nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    input: TestInput,
    #[serde(default)]
    expect: Vec<Expectation>,
    #[serde(default)]
    cassette: Option<Cassette>,
}

impl TestFile {
    /// The test file of a flow file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no test file; the message names the place.
    pub fn beside(flow: &Path) -> Result<Option<Self>, CliError> {
        let name = flow.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = FLOW.iter().find_map(|ending| name.strip_suffix(ending)) else { return Ok(None) };
        for (ending, format) in TESTS {
            let path = flow.with_file_name(format!("{stem}{ending}"));
            match fs::read_to_string(&path) {
                Ok(text) => return Self::of(path, &text, format).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(CliError::usage(format!("cannot read {}: {error}", path.display()))),
            }
        }
        Ok(None)
    }

    fn of(path: PathBuf, text: &str, format: Format) -> Result<Self, CliError> {
        let wrong = |why: String| CliError::usage(format!("{}: {why}", path.display()));
        let value = noukai_flow::parse(text, format)
            .map_err(|problems| wrong(problems.first().map(ToString::to_string).unwrap_or_default()))?;
        let written: Written =
            serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string() {
                path if path == "." => wrong(error.inner().to_string()),
                path => wrong(format!("{path}: {}", error.inner())),
            })?;
        if written.cases.is_empty() {
            return Err(wrong("`cases` is empty; write a case, or delete the file".to_owned()));
        }
        let cases = written.cases.into_iter().map(Case::into_request).collect();
        Ok(Self { path, cases })
    }
}

impl Case {
    fn into_request(self) -> CreateTestCase {
        CreateTestCase {
            name: Some(self.name),
            description: self.description,
            input: Some(self.input),
            expect: Some(self.expect),
            cassette: self.cassette,
            ..CreateTestCase::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<usize, String> {
        let file = TestFile::of(PathBuf::from("a.tests.yaml"), text, Format::Yaml);
        file.map(|file| file.cases.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_misspelled_is_named_with_its_place() {
        assert_eq!(read("cases: [{name: a}, {name: b, input: {message: x}}]"), Ok(2));
        for (text, place) in [
            ("cases: []", "`cases` is empty"),
            ("case: []", "case"),
            ("cases: [{input: {}}]", "cases[0]"),
            ("cases: [{name: a, expects: []}]", "cases[0].expects"),
            ("cases: [{name: a, input: {mesage: x}}]", "cases[0].input.mesage"),
            ("cases: [{name: a, expect: [{kind: equal}]}]", "cases[0].expect[0].kind"),
            ("cases: [", "a.tests.yaml: "),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with("a.tests.yaml: ") && said.contains(place), "{text}: {said}");
        }
    }
}
