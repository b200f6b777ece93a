//! When a request is sent again, and how long to wait before.

use std::time::Duration;

use crate::{Error, random::random};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait before the next attempt; `None` where there is none. The server's `Retry-After` counts, unless it is
/// longer than the caller would wait for a reply.
pub fn wait(error: &Error, attempt: u32, max_retries: u32, timeout: Duration) -> Option<Duration> {
    if attempt >= max_retries || !error.is_passing() {
        return None;
    }
    match error.retry_after() {
        Some(asked) if asked > timeout => None,
        Some(asked) => Some(asked + jitter(asked / 10)),
        None => Some(backoff(attempt)),
    }
}

/// Twice as long from attempt to attempt, up to a bound; the latter half of it by chance, so that many clients that
/// failed together do not come back together.
pub fn backoff(attempt: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
    whole / 2 + jitter(whole / 2)
}

/// By chance between nothing and `most`.
fn jitter(most: Duration) -> Duration {
    let share = random().to_le_bytes()[0];
    most * u32::from(share) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn of_status(status: u16) -> Error {
        Error::new(ErrorKind::of_status(status), "x").with_status(status)
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(wait(&of_status(status), 0, 1, TIMEOUT).is_some(), "{status}");
        }
        for status in [400, 401, 402, 403, 404, 409, 413, 422, 501] {
            assert!(wait(&of_status(status), 0, 1, TIMEOUT).is_none(), "{status}");
        }
        assert!(wait(&Error::new(ErrorKind::Connection, "x"), 0, 1, TIMEOUT).is_some());
        for kind in [ErrorKind::Timeout, ErrorKind::Cancelled, ErrorKind::Decode, ErrorKind::InvalidValue] {
            assert!(wait(&Error::new(kind, "x"), 0, 1, TIMEOUT).is_none(), "{kind}");
        }
    }

    #[test]
    fn retries_are_counted() {
        assert!(wait(&of_status(503), 1, 1, TIMEOUT).is_none());
        assert!(wait(&of_status(503), 0, 0, TIMEOUT).is_none());
        assert!(wait(&of_status(503), 4, 5, TIMEOUT).is_some());
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let asked = |seconds| of_status(429).with_retry_after(Some(Duration::from_secs(seconds)));
        let waited = wait(&asked(3), 0, 1, TIMEOUT).expect("a wait");
        assert!(waited >= Duration::from_secs(3) && waited <= Duration::from_millis(3_300), "{waited:?}");
        assert!(wait(&asked(11), 0, 1, TIMEOUT).is_none());
    }

    #[test]
    fn waits_grow_with_jitter_and_are_bounded() {
        for attempt in 0..40 {
            let whole = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
            let waited = backoff(attempt);
            assert!(waited >= whole / 2 && waited <= whole, "{attempt}: {waited:?}");
        }
        let several: std::collections::HashSet<_> = (0..50).map(|_| backoff(3)).collect();
        assert!(several.len() > 1);
    }
}
