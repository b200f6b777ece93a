//! Rates: how many requests and tokens a key and a project may take in a time. Off by default; counted by all servers on a
//! database together, where there are several.
//!
//! Each is spread as if things came one by one, each taking its share of the time, and as much may come at once as fits
//! into that time. Requests are counted before they are served, tokens once they are used: who has used too many waits.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use noukai_api::{ErrorCode, Limits};
use noukai_store::Pace;
use parking_lot::Mutex;

use super::{App, AppError, Caller, spend::Payer};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Subjects held at the same time before those that need not wait go.
const SUBJECTS: usize = 10_000;

/// Whom a rate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Key,
    Project,
}

/// So many in a time.
#[derive(Debug, Clone, Copy)]
struct Rate {
    whose: Whose,
    most: u32,
    time: Duration,
    /// Tells its subjects from those of other rates.
    mark: &'static str,
    /// What is counted, for a message.
    what: &'static str,
}

/// The rates in force.
pub(crate) struct Rates {
    requests: Vec<Rate>,
    tokens: Vec<Rate>,
    /// Until when what each subject took lasts, where one server counts alone.
    until: Mutex<HashMap<String, Instant>>,
    /// Tokens that the servers together have yet to hear of.
    owed: Mutex<HashMap<(Whose, String), u64>>,
}

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        let rate = |most: Option<u32>, whose, time, mark, what| {
            most.filter(|most| *most > 0).map(|most| Rate { whose, most, time, mark, what })
        };
        let requests = [
            rate(limits.requests_per_second, Whose::Key, SECOND, "", "requests per second"),
            rate(limits.key_requests_per_minute, Whose::Key, MINUTE, "r/", "requests per minute"),
            rate(limits.project_requests_per_minute, Whose::Project, MINUTE, "r/", "requests per minute"),
        ];
        let tokens = [
            rate(limits.key_tokens_per_minute, Whose::Key, MINUTE, "t/", "tokens per minute"),
            rate(limits.project_tokens_per_minute, Whose::Project, MINUTE, "t/", "tokens per minute"),
        ];
        Self {
            requests: requests.into_iter().flatten().collect(),
            tokens: tokens.into_iter().flatten().collect(),
            until: Mutex::default(),
            owed: Mutex::default(),
        }
    }

    /// As the servers together do; how long to wait.
    fn keep(&self, subject: String, pace: Pace) -> Duration {
        let now = Instant::now();
        let mut all = self.until.lock();
        if all.len() >= SUBJECTS {
            all.retain(|_, until| *until > now);
        }
        let until = all.entry(subject).or_insert(now);
        *until = (*until).max(now) + pace.owed;
        let wait = (*until + pace.takes).saturating_duration_since(now + pace.at_once);
        if wait.is_zero() {
            *until += pace.takes;
        }
        wait
    }
}

impl Rate {
    fn subject(&self, project: uuid::Uuid, key: Option<&str>) -> Option<String> {
        match self.whose {
            Whose::Key => key.map(|key| format!("{}{key}", self.mark)),
            Whose::Project => Some(format!("{}{}", self.mark, project.simple())),
        }
    }

    /// How long so many take.
    fn time_of(&self, count: u64) -> Duration {
        let nanos = u128::from(count) * self.time.as_nanos() / u128::from(self.most);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 8))
    }

    fn pace(&self, owed: u64, takes: u64) -> Pace {
        Pace { owed: self.time_of(owed), takes: self.time_of(takes), at_once: self.time }
    }

    fn refusal(&self, wait: Duration) -> AppError {
        let who = if self.whose == Whose::Key { "key" } else { "project" };
        let does = if self.mark == "t/" { "uses" } else { "makes" };
        let message = format!("the {who} {does} more {} than its limit of {}", self.what, self.most);
        AppError { retry_after: Some(wait), ..AppError::new(ErrorCode::RateLimited, message) }
    }
}

impl App {
    /// Whether the key may make another request now.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait. Off by default.
    pub async fn check_rate(&self, caller: &Caller) -> Result<(), AppError> {
        let payer = Payer { project: caller.project_id, flow: "", key: Some(&caller.key_id) };
        for rate in &self.rates().requests {
            self.keep_pace(rate, payer, 1).await?;
        }
        Ok(())
    }

    /// Whether a run may begin or go on, after the tokens that were used.
    pub(crate) async fn check_tokens(&self, payer: Payer<'_>) -> Result<(), AppError> {
        for rate in &self.rates().tokens {
            self.keep_pace(rate, payer, 0).await?;
        }
        Ok(())
    }

    /// Counts tokens once they are used.
    pub(crate) fn tokens_were_used(&self, payer: Payer<'_>, tokens: u64) {
        let rates = self.rates();
        for rate in &rates.tokens {
            let Some(subject) = rate.subject(payer.project, payer.key).filter(|_| tokens > 0) else { continue };
            if self.has_company() {
                *rates.owed.lock().entry((rate.whose, subject)).or_default() += tokens;
            } else {
                rates.keep(subject, rate.pace(tokens, 0));
            }
        }
    }

    async fn keep_pace(&self, rate: &Rate, payer: Payer<'_>, takes: u64) -> Result<(), AppError> {
        let Some(subject) = rate.subject(payer.project, payer.key) else { return Ok(()) };
        let wait = match self.store().nodes().filter(|_| self.has_company()) {
            Some(nodes) => {
                let debt = (rate.whose, subject);
                let owed = self.rates().owed.lock().remove(&debt).unwrap_or_default();
                nodes.keep_pace(&debt.1, rate.pace(owed, takes)).await?
            }
            None => self.rates().keep(subject, rate.pace(0, takes)),
        };
        if wait.is_zero() { Ok(()) } else { Err(rate.refusal(wait)) }
    }

    /// Tells the other servers of tokens that were used.
    pub(crate) async fn settle_tokens(&self) -> Result<(), AppError> {
        let Some(nodes) = self.store().nodes() else { return Ok(()) };
        let owed: Vec<_> = self.rates().owed.lock().drain().collect();
        for ((whose, subject), tokens) in owed {
            if let Some(rate) = self.rates().tokens.iter().find(|rate| rate.whose == whose) {
                nodes.keep_pace(&subject, rate.pace(tokens, 0)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(limits: Limits) -> Rates {
        Rates::new(&limits)
    }

    #[test]
    fn as_many_as_fit_into_the_time_come_at_once() {
        let rates = rates(Limits { key_requests_per_minute: Some(3), ..Limits::default() });
        let rate = rates.requests[0];
        let ask = || rates.keep("k".to_owned(), rate.pace(0, 1));
        assert!((0..3).all(|_| ask().is_zero()));
        let wait = ask();
        assert!(wait > Duration::from_secs(19) && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(rates.keep("other".to_owned(), rate.pace(0, 1)).is_zero());
    }

    #[test]
    fn tokens_are_owed_until_their_time_is_over() {
        let rates = rates(Limits { project_tokens_per_minute: Some(1_000), ..Limits::default() });
        let rate = rates.tokens[0];
        let may = || rates.keep("p".to_owned(), rate.pace(0, 0));
        assert!(may().is_zero());
        rates.keep("p".to_owned(), rate.pace(999, 0));
        assert!(may().is_zero());
        rates.keep("p".to_owned(), rate.pace(2_001, 0));
        let wait = may();
        assert!(wait > Duration::from_secs(119) && wait <= Duration::from_secs(120), "{wait:?}");
    }

    #[test]
    fn none_is_in_force_unless_asked_for() {
        let rates = rates(Limits { requests_per_second: Some(0), ..Limits::default() });
        assert!(rates.requests.is_empty() && rates.tokens.is_empty());
    }
}
