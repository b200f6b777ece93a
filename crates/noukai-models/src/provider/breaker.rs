//! Leaving a provider alone that fails again and again, so that nobody waits for it in vain.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::BreakerConfig;

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Breaker {
    config: BreakerConfig,
    began: Instant,
    failures: AtomicU32,
    /// Milliseconds since `began` until which nothing is sent.
    until: AtomicU64,
}

impl Breaker {
    pub(super) fn new(config: BreakerConfig) -> Self {
        Self { config, began: Instant::now(), failures: AtomicU32::new(0), until: AtomicU64::new(0) }
    }

    /// Whether a call may go out; else how long none may. After a pause a single call may, and the next pause begins.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        if self.config.failures == 0 || self.failures.load(Ordering::Relaxed) < self.config.failures {
            return Ok(());
        }
        let now = self.now();
        let until = self.until.load(Ordering::Relaxed);
        let wait = until.saturating_sub(now);
        let trial = wait == 0
            && self.until.compare_exchange(until, now + self.pause(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if trial { Ok(()) } else { Err(Duration::from_millis(wait.max(1))) }
    }

    /// It answered, whatever it said.
    pub(super) fn well(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// It failed.
    pub(super) fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= self.config.failures {
            self.until.store(self.now() + self.pause(), Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn pause(&self) -> u64 {
        u64::try_from(self.config.pause.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_failures_in_a_row_it_pauses_and_then_lets_one_call_try() {
        let breaker = Breaker::new(BreakerConfig { failures: 2, pause: Duration::from_secs(5) });
        breaker.failed();
        breaker.well();
        breaker.failed();
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed();
        assert_eq!(breaker.admit(), Err(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.admit(), Err(Duration::from_secs(5)));
        breaker.well();
        assert_eq!((breaker.admit(), breaker.admit()), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn none_may_be_wanted() {
        let breaker = Breaker::new(BreakerConfig { failures: 0, pause: Duration::from_secs(5) });
        (0..100).for_each(|_| breaker.failed());
        assert_eq!(breaker.admit(), Ok(()));
    }
}
