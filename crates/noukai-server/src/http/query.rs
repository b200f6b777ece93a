//! Query parameters in our error shape. Names that nobody asks for are ignored.

use std::{str::FromStr, time::Duration};

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use noukai_api::ErrorCode;

use super::error::ApiError;
use crate::app::{AppError, AttemptSelector, Page};

/// Longest that a poll waits.
const MAX_WAIT: f64 = 60.0;

/// The query of a request.
pub(super) struct Args(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Args {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.extract::<Query<Vec<(String, String)>>>().await;
        let Query(pairs) = query.map_err(|error| AppError::new(ErrorCode::BadRequest, error.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Args {
    /// The value of `name`; the first, where it stands there twice.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, AppError> {
        let number = |text: &str| text.parse().map_err(|_| invalid(name, "must be a whole number in range"));
        self.text(name).map(number).transpose()
    }

    /// `true`, `1` or the bare name; `false`, `0` or nothing.
    pub fn flag(&self, name: &str) -> Result<bool, AppError> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(_) => Err(invalid(name, "must be `true` or `false`")),
        }
    }

    /// `wait`: seconds, also in fractions; more than 60 count as 60.
    pub fn wait(&self) -> Result<Duration, AppError> {
        let Some(text) = self.text("wait") else { return Ok(Duration::ZERO) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0);
        let seconds = seconds.ok_or_else(|| invalid("wait", "must be a number of seconds, 0 to 60"))?;
        Ok(Duration::from_secs_f64(seconds.min(MAX_WAIT)))
    }

    /// `attempt`: `latest` (the default), `all` or a number from 1.
    pub fn attempt(&self) -> Result<AttemptSelector, AppError> {
        match self.text("attempt") {
            None | Some("latest") => Ok(AttemptSelector::Latest),
            Some("all") => Ok(AttemptSelector::All),
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Ok(AttemptSelector::Number(number)),
                _ => Err(invalid("attempt", "must be `latest`, `all` or a number from 1")),
            },
        }
    }

    /// One of a few words; the first where there is none.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, AppError> {
        let words = || choices.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        let found = match self.text(name) {
            None => choices.first(),
            Some(text) => choices.iter().find(|(word, _)| *word == text),
        };
        found.map(|(_, choice)| *choice).ok_or_else(|| invalid(name, &format!("must be {}", words())))
    }

    /// `limit`: a whole number. How large it may be, the use case says.
    pub fn limit(&self) -> Result<Option<u32>, AppError> {
        self.number("limit")
    }

    /// `limit` and `cursor`: which page of a list.
    pub fn page(&self) -> Result<Page, AppError> {
        let cursor = self.text("cursor").filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Page { limit: self.limit()?, cursor })
    }
}

fn invalid(name: &str, msg: &str) -> AppError {
    AppError::invalid_field(&["query", name], msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(query: &[(&str, &str)]) -> Args {
        Args(query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn waits_are_bounded_numbers() {
        let wait = |text| args(&[("wait", text)]).wait().ok();
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait("1.5"), Some(Duration::from_millis(1_500)));
        for long in ["61", "1e300", "inf"] {
            assert_eq!(wait(long), Some(Duration::from_secs(60)), "{long}");
        }
        for bad in ["", "-1", "NaN", "soon"] {
            assert_eq!(wait(bad), None, "{bad}");
        }
        assert_eq!(args(&[]).wait().ok(), Some(Duration::ZERO));
    }

    #[test]
    fn attempts_and_limits_are_checked() {
        let attempt = |text| args(&[("attempt", text)]).attempt();
        assert!(matches!(attempt("all"), Ok(AttemptSelector::All)));
        assert!(matches!(attempt("latest"), Ok(AttemptSelector::Latest)));
        assert!(matches!(attempt("2"), Ok(AttemptSelector::Number(2))));
        for bad in ["0", "-1", "", "first", "4294967296"] {
            assert_eq!(attempt(bad).err().map(|error| error.code), Some(ErrorCode::ValidationError), "{bad}");
        }
        let limit = |text| args(&[("limit", text)]).limit().ok();
        assert_eq!(limit("100"), Some(Some(100)));
        for bad in ["-1", "4294967296", "x", ""] {
            assert_eq!(limit(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bare_flag_is_set() {
        let flag = |text| args(&[("deltas", text)]).flag("deltas").ok();
        assert_eq!((flag("true"), flag("1"), flag("")), (Some(true), Some(true), Some(true)));
        assert_eq!((flag("false"), flag("0"), flag("maybe")), (Some(false), Some(false), None));
    }
}
