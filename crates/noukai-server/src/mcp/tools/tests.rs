//! Tools for test cases and runs of them.

use std::time::Duration;

use noukai_api::{
    Cassette, CreateTestCase, Expectation, StartTestRun, TestCase, TestCaseList, TestInput, TestRun, UpdateTestCase,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Who, read::OfTestRun};
use crate::app::{AppError, Page};

/// How long a run of test cases is waited for.
const WAIT: Duration = Duration::from_secs(60);

/// A test case to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct NewCase {
    /// The flow.
    flow_id: String,
    /// 1 to 100 characters, unique in the flow. May be left out with `from_run`.
    #[serde(default)]
    name: Option<String>,
    /// For people.
    #[serde(default)]
    description: Option<String>,
    /// What is sent: `{message}` or `{parameters: {...}}`. Not with `from_run`.
    #[serde(default)]
    input: Option<TestInput>,
    /// What must be true of the result, all of it.
    #[serde(default)]
    expect: Option<Vec<Expectation>>,
    /// Takes the input from this completed run of the flow, and its model replies as a cassette.
    #[serde(default)]
    from_run: Option<String>,
    /// Model replies to run it with. Not with `from_run`.
    #[serde(default)]
    cassette: Option<Cassette>,
}

/// A test case's new contents; what is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ChangedCase {
    /// The flow.
    flow_id: String,
    /// The test case.
    test_case_id: String,
    /// The new name.
    #[serde(default)]
    name: Option<String>,
    /// The new description.
    #[serde(default)]
    description: Option<String>,
    /// The new input.
    #[serde(default)]
    input: Option<TestInput>,
    /// The new expectations.
    #[serde(default)]
    expect: Option<Vec<Expectation>>,
}

/// Names a test case.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct OfCase {
    /// The flow.
    flow_id: String,
    /// The test case.
    test_case_id: String,
}

/// Which test cases.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Cases {
    /// The flow.
    flow_id: String,
    /// How many, 1 to 100.
    #[serde(default)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// A test case to be run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct RunCase {
    /// The flow.
    flow_id: String,
    /// The test case.
    test_case_id: String,
    /// `draft` (the default), `production`, or `v1`, `v2`, ...
    #[serde(default)]
    version: Option<String>,
}

/// Test cases to be run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct RunAll {
    /// The flow.
    flow_id: String,
    /// `draft` (the default), `production`, or `v1`, `v2`, ...
    #[serde(default)]
    version: Option<String>,
}

pub(in crate::mcp) async fn create_test_case(who: Who<'_>, new: NewCase) -> Result<TestCase, AppError> {
    let NewCase { flow_id, name, description, input, expect, from_run, cassette } = new;
    let request = CreateTestCase { name, description, input, expect, from_run, cassette, ..CreateTestCase::default() };
    who.app.create_test_case(who.caller, &flow_id, request).await
}

pub(in crate::mcp) async fn update_test_case(who: Who<'_>, new: ChangedCase) -> Result<TestCase, AppError> {
    let ChangedCase { flow_id, test_case_id, name, description, input, expect } = new;
    let request = UpdateTestCase { name, description, input, expect, ..UpdateTestCase::default() };
    who.app.update_test_case(who.caller, &flow_id, &test_case_id, request).await
}

pub(in crate::mcp) async fn delete_test_case(who: Who<'_>, of: OfCase) -> Result<TestCase, AppError> {
    who.app.delete_test_case(who.caller, &of.flow_id, &of.test_case_id, None).await
}

pub(in crate::mcp) async fn list_test_cases(who: Who<'_>, of: Cases) -> Result<TestCaseList, AppError> {
    who.app.test_cases(who.caller, &of.flow_id, &Page { limit: of.limit, cursor: of.cursor }).await
}

pub(in crate::mcp) async fn run_test_case(who: Who<'_>, of: RunCase) -> Result<TestRun, AppError> {
    let request = StartTestRun { version: of.version, cases: Some(vec![of.test_case_id]) };
    who.app.start_test_run(who.caller, &of.flow_id, request, WAIT).await
}

pub(in crate::mcp) async fn run_all_test_cases(who: Who<'_>, of: RunAll) -> Result<TestRun, AppError> {
    let request = StartTestRun { version: of.version, cases: None };
    who.app.start_test_run(who.caller, &of.flow_id, request, WAIT).await
}

pub(in crate::mcp) async fn get_test_run(who: Who<'_>, of: OfTestRun) -> Result<TestRun, AppError> {
    who.app.test_run(who.caller, &of.test_run_id, Duration::ZERO).await
}
