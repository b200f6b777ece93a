//! What a test case sends and expects, as stored, and what may be wrong with it.

use noukai_api::{Cassette, Expectation, FieldError, TestInput, UpdateTestCase};
use noukai_flow::ValueSchema;
use serde::{Deserialize, Serialize};

use super::{super::AppError, cassette, json};

const VERSION: u32 = 1;
const NAME_CHARS: usize = 100;
const DESCRIPTION_CHARS: usize = 2_000;
const RUBRIC_CHARS: usize = 4_000;
const EXPECTATIONS: usize = 50;

/// A case but for its name and its cassette.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub input: TestInput,
    pub expect: Vec<Expectation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_run: Option<String>,
}

impl Definition {
    pub fn new(
        description: Option<String>,
        input: TestInput,
        expect: Vec<Expectation>,
        from_run: Option<String>,
    ) -> Self {
        let description = description.filter(|text| !text.is_empty());
        Self { v: VERSION, description, input, expect, from_run }
    }

    pub fn read(text: &str) -> Result<Self, AppError> {
        serde_json::from_str(text).map_err(AppError::internal)
    }

    /// With what a request changes.
    pub fn changed(self, request: &UpdateTestCase) -> Self {
        let description = request.description.clone().or(self.description);
        let input = request.input.clone().unwrap_or(self.input);
        let expect = request.expect.clone().unwrap_or(self.expect);
        Self::new(description, input, expect, self.from_run)
    }
}

/// The definition as it is stored, and how many replies the cassette has.
///
/// # Errors
/// `VALIDATION_ERROR` with all faults.
pub(super) fn checked(
    name: &str,
    definition: &Definition,
    cassette: Option<&Cassette>,
) -> Result<(String, u32), AppError> {
    let mut faults = Vec::new();
    let mut wrong = |loc: &[&str], msg: String| {
        let loc = std::iter::once("body").chain(loc.iter().copied()).map(str::to_owned).collect();
        faults.push(FieldError { loc, msg });
    };
    if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        wrong(&["name"], format!("must have 1 to {NAME_CHARS} characters, on one line"));
    }
    if definition.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS) {
        wrong(&["description"], format!("must have at most {DESCRIPTION_CHARS} characters"));
    }
    if definition.expect.len() > EXPECTATIONS {
        wrong(&["expect"], format!("must have at most {EXPECTATIONS} entries"));
    }
    for (index, expectation) in definition.expect.iter().enumerate() {
        if let Some((field, msg)) = fault(expectation) {
            wrong(&["expect", &index.to_string(), field], msg);
        }
    }
    faults.extend(cassette.map(cassette::faults).unwrap_or_default());
    if !faults.is_empty() {
        return Err(AppError::invalid(faults));
    }
    let replies = cassette.map_or(0, |cassette| u32::try_from(cassette.replies.len()).unwrap_or(u32::MAX));
    Ok((json(definition)?, replies))
}

/// The field of an expectation that is wrong, and how.
fn fault(expectation: &Expectation) -> Option<(&'static str, String)> {
    match expectation {
        Expectation::Contains { text, .. } if text.is_empty() => {
            Some(("text", "must not be empty: every text contains the empty one".to_owned()))
        }
        Expectation::Schema { schema, .. } => {
            ValueSchema::compile(schema).err().map(|error| ("schema", error.to_string()))
        }
        Expectation::Rubric { rubric, .. } if rubric.trim().is_empty() || rubric.chars().count() > RUBRIC_CHARS => {
            Some(("rubric", format!("must have 1 to {RUBRIC_CHARS} characters")))
        }
        _ => None,
    }
}
