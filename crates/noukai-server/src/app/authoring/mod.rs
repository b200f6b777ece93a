//! How flows come to be: the one room behind every door that changes them.
//!
//! Every change of a draft is a list of operations, checked, applied and logged in one transaction (`change`). What
//! surrounds a draft, its versions, checkpoints and object models, has a file each. Knows no HTTP and no SQL; the
//! operations themselves are `noukai_flow`'s.

mod author;
mod change;
mod checkpoints;
mod create;
mod drafts;
mod flows;
mod hydrate;
mod log;
mod models;
mod production;
mod projects;
mod undo;
mod versions;

use noukai_api::ErrorCode;
use noukai_store::{FlowId, FlowRecord, ProjectId, ProjectRecord};
use uuid::Uuid;

pub use author::{Author, Reach};
pub use flows::FlowQuery;
pub use log::LogQuery;

use super::{App, AppError};

/// Longest notes and descriptions.
const TEXT_CHARS: usize = 2_000;
/// Longest names.
const NAME_CHARS: usize = 100;
/// Tries before somebody who names no revision is told that too many change the same thing.
const TRIES: usize = 32;
const PAGE: std::ops::RangeInclusive<u32> = 1..=100;
const DEFAULT_PAGE: u32 = 20;

impl App {
    /// A flow in the author's reach, by its id.
    pub(crate) async fn flow_in_reach(&self, author: &Author, flow: &str) -> Result<FlowRecord, AppError> {
        let id = Uuid::parse_str(flow).map_err(|_| flow_not_found())?;
        let found = self.store().flow_of(author.org_id, FlowId(id)).await?;
        found.filter(|flow| author.reaches(flow.project_id.0)).ok_or_else(flow_not_found)
    }

    /// A project in the author's reach, by its id; their home where none is named.
    pub(crate) async fn project_in_reach(
        &self,
        author: &Author,
        project: Option<&str>,
    ) -> Result<ProjectRecord, AppError> {
        let id = match project {
            Some(text) => Uuid::parse_str(text).ok(),
            None => author.home,
        };
        let missing = "there is no such project in reach; name one of `GET /projects` in `project_id`";
        let not_found = || AppError::new(ErrorCode::ProjectNotFound, missing);
        let id = id.filter(|id| author.reaches(*id)).ok_or_else(not_found)?;
        let found = self.store().project(ProjectId(id)).await?;
        found.filter(|project| project.org_id == author.org_id).ok_or_else(not_found)
    }
}

/// The same for foreign flows as for missing ones.
pub(super) fn flow_not_found() -> AppError {
    AppError::new(ErrorCode::FlowNotFound, "there is no such flow in reach; `GET /flows` lists those there are")
}

/// The draft is not as the caller saw it.
fn stale(revision: u64) -> AppError {
    let message = format!(
        "the draft has changed and is at revision {revision} now; read it, see whether the change is still wanted, and \
         send it again on that revision"
    );
    AppError::new(ErrorCode::Conflict, message).at_revision(revision)
}

fn too_busy() -> AppError {
    AppError::new(ErrorCode::Conflict, "others change the same thing all the time; try again in a moment")
}

/// A page's size as asked for.
fn page_size(limit: Option<u32>) -> Result<u32, AppError> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if PAGE.contains(&limit) {
        return Ok(limit);
    }
    Err(AppError::invalid_field(&["query", "limit"], format!("must be {} to {}", PAGE.start(), PAGE.end())))
}

/// Takes the one row too many that shows that there is another page.
fn has_more<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = size as usize;
    let more = rows.len() > size;
    rows.truncate(size);
    more
}

/// A cursor that is a number.
fn number_cursor<T: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<T>, AppError> {
    cursor.map(|text| text.parse().map_err(|_| bad_cursor())).transpose()
}

fn bad_cursor() -> AppError {
    AppError::invalid_field(&["query", "cursor"], "must be `next_cursor` of the page before")
}

/// A text for people, within its bound.
fn bounded(field: &str, text: &str, most: usize) -> Result<(), AppError> {
    if text.chars().count() <= most && !text.contains('\0') {
        return Ok(());
    }
    Err(AppError::invalid_field(&["body", field], format!("must have at most {most} characters, none of them NUL")))
}
