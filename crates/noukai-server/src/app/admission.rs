//! Admission: whether one more run may begin now, and whether one more job may wait. One place for every door.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use noukai_api::{ErrorCode, Limits};
use noukai_store::{QueueBounds, QueueScope, StoreError};
use parking_lot::Mutex;
use uuid::Uuid;

use super::{App, AppError, Caller, stopping};

/// When a run that found no place may try again.
const RUN_ENDS: Duration = Duration::from_secs(1);
/// When a job that found a full queue may try again.
const QUEUE_DRAINS: Duration = Duration::from_secs(5);

pub(crate) struct Admission {
    running: Arc<Mutex<Running>>,
    most: u32,
    most_of_all: u32,
    rate: Option<DefaultKeyedRateLimiter<String>>,
}

#[derive(Default)]
struct Running {
    all: u32,
    by_project: HashMap<Uuid, u32>,
}

/// One run's place. Dropping it frees the place.
pub(crate) struct Permit {
    running: Arc<Mutex<Running>>,
    project: Uuid,
}

/// Whose bound was met.
enum Full {
    Project,
    Server,
}

impl Admission {
    pub fn new(limits: &Limits) -> Self {
        let quota = limits.requests_per_second.and_then(NonZeroU32::new).map(Quota::per_second);
        Self {
            running: Arc::default(),
            most: limits.concurrent_runs,
            most_of_all: limits.server_concurrent_runs,
            rate: quota.map(RateLimiter::keyed),
        }
    }

    fn admit(&self, project: Uuid) -> Result<Permit, Full> {
        let mut running = self.running.lock();
        let of_project = running.by_project.get(&project).copied().unwrap_or(0);
        if of_project >= self.most {
            return Err(Full::Project);
        }
        if running.all >= self.most_of_all {
            return Err(Full::Server);
        }
        running.all += 1;
        running.by_project.insert(project, of_project + 1);
        drop(running);
        Ok(Permit { running: self.running.clone(), project })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        running.all -= 1;
        if let Some(count) = running.by_project.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                running.by_project.remove(&self.project);
            }
        }
    }
}

impl App {
    /// A place for one more run of the project.
    pub(crate) fn admit(&self, project: Uuid) -> Result<Permit, AppError> {
        if self.stopping().is_cancelled() {
            return Err(stopping());
        }
        self.inner.admission.admit(project).map_err(|full| match full {
            Full::Project => {
                let most = self.limits().concurrent_runs;
                let message = format!("the project has {most} runs at the same time, its limit of concurrent runs");
                AppError { retry_after: Some(RUN_ENDS), ..AppError::new(ErrorCode::RateLimited, message) }
            }
            Full::Server => {
                let most = self.limits().server_concurrent_runs;
                AppError::overloaded(format!("the server has {most} runs at the same time, its limit; try again soon"))
            }
        })
    }

    /// Most jobs that may wait.
    pub(crate) fn queue_bounds(&self) -> QueueBounds {
        QueueBounds { project: self.limits().queued_jobs, server: self.limits().server_queued_jobs }
    }

    /// Why a job could not be queued.
    pub(crate) fn queue_refusal(&self, error: StoreError) -> AppError {
        let refused = match error {
            StoreError::QueueFull(QueueScope::Project) => {
                let most = self.limits().queued_jobs;
                let message = format!("{most} jobs of the project wait already, its limit of queued jobs");
                AppError::new(ErrorCode::RateLimited, message)
            }
            StoreError::QueueFull(QueueScope::Server) => {
                let most = self.limits().server_queued_jobs;
                AppError::overloaded(format!("{most} jobs wait already, the server's limit of queued jobs"))
            }
            other => return other.into(),
        };
        AppError { retry_after: Some(QUEUE_DRAINS), ..refused }
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
