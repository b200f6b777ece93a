//! Admission: whether one more run of a project may begin now. One function for every door.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use noukai_api::{ErrorCode, Limits};
use parking_lot::Mutex;
use uuid::Uuid;

use super::{App, AppError, Caller};

pub(crate) struct Admission {
    running: Arc<Mutex<HashMap<Uuid, u32>>>,
    most: u32,
    rate: Option<DefaultKeyedRateLimiter<String>>,
}

/// One run's place. Dropping it frees the place.
pub(crate) struct Permit {
    running: Arc<Mutex<HashMap<Uuid, u32>>>,
    project: Uuid,
}

impl Admission {
    pub fn new(limits: &Limits) -> Self {
        let quota = limits.requests_per_second.and_then(NonZeroU32::new).map(Quota::per_second);
        Self { running: Arc::default(), most: limits.concurrent_runs, rate: quota.map(RateLimiter::keyed) }
    }

    fn admit(&self, project: Uuid) -> Option<Permit> {
        let mut running = self.running.lock();
        let count = running.entry(project).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(running);
        Some(Permit { running: self.running.clone(), project })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.project);
            }
        }
    }
}

impl App {
    /// A place for one more run of the project.
    pub(crate) fn admit(&self, project: Uuid) -> Result<Permit, AppError> {
        self.inner.admission.admit(project).ok_or_else(|| {
            let most = self.limits().concurrent_runs;
            let message = format!("the project has {most} runs at the same time, its limit of concurrent runs");
            AppError { retry_after: Some(Duration::from_secs(1)), ..AppError::new(ErrorCode::RateLimited, message) }
        })
    }

    /// Whether the key may make another request now.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait. Off by default.
    pub fn check_rate(&self, caller: &Caller) -> Result<(), AppError> {
        let Some(rate) = &self.inner.admission.rate else { return Ok(()) };
        rate.check_key(&caller.key_id).map_err(|_| AppError {
            retry_after: Some(Duration::from_secs(1)),
            ..AppError::new(ErrorCode::RateLimited, "the key makes more requests per second than its limit")
        })
    }
}
