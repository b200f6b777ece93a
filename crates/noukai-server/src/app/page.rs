//! Pages of lists: a limit, and where to go on.

use uuid::Uuid;

use super::AppError;

const DEFAULT: u32 = 20;
const MOST: u32 = 100;

/// Which part of a list is wanted, as sent.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// 1 to 100, default 20.
    pub limit: Option<u32>,
    /// As the page before gave it.
    pub cursor: Option<String>,
}

impl Page {
    pub(super) fn limit(&self) -> Result<u32, AppError> {
        let limit = self.limit.unwrap_or(DEFAULT);
        let fits = (1..=MOST).contains(&limit);
        fits.then_some(limit).ok_or_else(|| AppError::invalid_field(&["query", "limit"], "must be between 1 and 100"))
    }

    pub(super) fn cursor(&self) -> Result<Option<Uuid>, AppError> {
        let id = self.cursor.as_deref().map(Uuid::parse_str).transpose();
        id.map_err(|_| no_cursor())
    }

    /// A cursor that counts.
    pub(super) fn from(&self) -> Result<u32, AppError> {
        let from = self.cursor.as_deref().map(str::parse).transpose();
        from.map(Option::unwrap_or_default).map_err(|_| no_cursor())
    }
}

pub(super) fn no_cursor() -> AppError {
    AppError::invalid_field(&["query", "cursor"], "is none; send the next cursor of the page before as it is")
}

/// The page of a list that was read with one more than `limit`, and where the next begins: what `cursor` makes of the
/// page's last, if there is more.
pub(super) fn cut<T>(mut found: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(cursor);
    (found, next)
}
