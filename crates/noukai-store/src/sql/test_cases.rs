//! Test cases and test runs.

use super::authoring::page;

pub(crate) const COUNT: &str = "SELECT count(*) FROM test_cases WHERE project_id = $1 AND flow_id = $2";

pub(crate) const ADD: &str = "INSERT INTO test_cases (id, project_id, flow_id, name, definition, cassette, replies, \
    revision, created_at, created_by, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $8, $9)";

macro_rules! select {
    ($cassette:literal, $($tail:tt)+) => {
        concat!(
            "SELECT id, project_id, flow_id, name, definition, ",
            $cassette,
            ", replies, revision, created_at, created_by, updated_at, updated_by FROM test_cases WHERE ",
            $($tail)+
        )
    };
}

pub(crate) const ONE: &str = select!("cassette", "project_id = $1 AND flow_id = $2 AND id = $3");

pub(crate) const ALL: &str = select!("NULL", "project_id = $1 AND flow_id = $2 ORDER BY id LIMIT $3");

pub(crate) const AFTER: &str = select!("NULL", "project_id = $1 AND flow_id = $2 AND id > $3 ORDER BY id LIMIT $4");

pub(crate) const PAGE_OF_CASES: &str =
    select!("NULL", "project_id = $1 AND flow_id IN (SELECT f.id FROM flows f ", page!(), ") ORDER BY flow_id, id");

pub(crate) const CHANGE: &str = "UPDATE test_cases SET name = $1, definition = $2, cassette = $3, replies = $4, \
    revision = revision + 1, updated_at = $5, updated_by = $6 \
    WHERE project_id = $7 AND flow_id = $8 AND id = $9 AND revision = $10";

pub(crate) const REVISION: &str = "SELECT revision FROM test_cases WHERE project_id = $1 AND flow_id = $2 AND id = $3";

pub(crate) const REMOVE: &str = "DELETE FROM test_cases WHERE project_id = $1 AND flow_id = $2 AND id = $3 \
    AND (CAST($4 AS BIGINT) IS NULL OR revision = CAST($4 AS BIGINT))";

pub(crate) const GATE: &str = "SELECT gate, revision FROM test_gates WHERE project_id = $1 AND flow_id = $2";

/// $6: the revision that it must have, 0 where there must be none. Nothing is changed and given back where it is another.
pub(crate) const SET_GATE: &str = "INSERT INTO test_gates (flow_id, project_id, gate, updated_at, updated_by, revision) \
    SELECT $1, $2, $3, $4, $5, 1 WHERE CAST($6 AS BIGINT) IS NULL OR CAST($6 AS BIGINT) = 0 \
    OR EXISTS (SELECT 1 FROM test_gates g WHERE g.flow_id = $1) \
    ON CONFLICT (flow_id) DO UPDATE SET gate = excluded.gate, updated_at = excluded.updated_at, \
    updated_by = excluded.updated_by, revision = test_gates.revision + 1 \
    WHERE test_gates.project_id = excluded.project_id \
    AND (CAST($6 AS BIGINT) IS NULL OR test_gates.revision = CAST($6 AS BIGINT)) RETURNING revision";

pub(crate) const BEGIN: &str = "INSERT INTO test_runs (id, project_id, flow_id, flow_slug, version, hash, status, total, \
    passed, failed, started_at, completed_at, alive_until, created_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

pub(crate) const ADD_RESULT: &str = "INSERT INTO test_results (test_run_id, position, case_id, case_name, status, run_id, \
    detail) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// The newest test run past those that are kept.
pub(crate) const PAST_KEPT: &str =
    "SELECT id FROM test_runs WHERE project_id = $1 AND flow_id = $2 ORDER BY id DESC LIMIT 1 OFFSET $3";

pub(crate) const FORGET_RESULTS: &str = "DELETE FROM test_results WHERE test_run_id IN \
    (SELECT id FROM test_runs WHERE project_id = $1 AND flow_id = $2 AND id <= $3)";

pub(crate) const FORGET_RUNS: &str = "DELETE FROM test_runs WHERE project_id = $1 AND flow_id = $2 AND id <= $3";

pub(crate) const ADVANCE: &str = "UPDATE test_runs SET status = $1, passed = $2, failed = $3, completed_at = $4, \
    alive_until = $5 WHERE project_id = $6 AND id = $7 AND completed_at IS NULL";

pub(crate) const SET_RESULT: &str = "UPDATE test_results SET status = $1, run_id = $2, detail = $3 \
    WHERE test_run_id = $4 AND position = $5";

macro_rules! select_runs {
    ($tail:literal) => {
        concat!(
            "SELECT id, project_id, flow_id, flow_slug, version, hash, status, total, passed, failed, started_at, \
             completed_at, alive_until, created_by FROM test_runs WHERE ",
            $tail
        )
    };
}

pub(crate) const RUN: &str = select_runs!("project_id = $1 AND id = $2");

pub(crate) const RUN_OF: &str = select_runs!("project_id IN (SELECT id FROM projects WHERE org_id = $1) AND id = $2");

pub(crate) const RUNS: &str = select_runs!("project_id = $1 AND flow_id = $2 ORDER BY id DESC LIMIT $3");

pub(crate) const RUNS_BEFORE: &str =
    select_runs!("project_id = $1 AND flow_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4");

pub(crate) const RESULTS: &str = "SELECT r.position, r.case_id, r.case_name, r.status, r.run_id, r.detail \
    FROM test_results r JOIN test_runs t ON t.id = r.test_run_id \
    WHERE t.project_id = $1 AND t.id = $2 AND r.position >= $3 ORDER BY r.position LIMIT $4";
