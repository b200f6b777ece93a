//! Admission: whether one more run may begin now, and whether one more job may wait. One place for every door.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use noukai_api::{ErrorCode, Limits};
use noukai_store::{ProjectId, QueueBounds, QueueScope, StoreError};
use parking_lot::Mutex;
use tokio::sync::Notify;
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
    per_second: Option<NonZeroU32>,
    rate: Option<DefaultKeyedRateLimiter<String>>,
    /// One asks the other servers at a time.
    asking: tokio::sync::Mutex<()>,
    /// Fires where places are held that others may want.
    spare: Arc<Notify>,
}

#[derive(Default)]
struct Running {
    all: u32,
    by_project: HashMap<Uuid, Places>,
}

/// A project's runs here. Where servers share a database, each holds some of the project's places, so that it need not
/// ask the others for every run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Places {
    used: u32,
    held: u32,
}

/// One run's place. Dropping it frees the place.
pub(crate) struct Permit {
    running: Arc<Mutex<Running>>,
    spare: Arc<Notify>,
    slack: u32,
    project: Uuid,
}

/// Whose bound was met.
enum Full {
    Project,
    Server,
}

impl Admission {
    pub fn new(limits: &Limits) -> Self {
        let per_second = limits.requests_per_second.and_then(NonZeroU32::new);
        Self {
            running: Arc::default(),
            most: limits.concurrent_runs,
            most_of_all: limits.server_concurrent_runs,
            per_second,
            rate: per_second.map(Quota::per_second).map(RateLimiter::keyed),
            asking: tokio::sync::Mutex::default(),
            spare: Arc::default(),
        }
    }

    /// Places that are held beyond those in use: none where the limit is small, so that it is kept to the run.
    const fn slack(&self) -> u32 {
        self.most / 32
    }

    fn admit(&self, project: Uuid, shared: bool) -> Result<Permit, Full> {
        let mut running = self.running.lock();
        let places = running.by_project.get(&project).copied().unwrap_or_default();
        let most = if shared { places.held.min(self.most) } else { self.most };
        if places.used >= most {
            return Err(Full::Project);
        }
        if running.all >= self.most_of_all {
            return Err(Full::Server);
        }
        running.all += 1;
        running.by_project.insert(project, Places { used: places.used + 1, ..places });
        drop(running);
        let (running, spare) = (self.running.clone(), self.spare.clone());
        Ok(Permit { running, spare, slack: self.slack(), project })
    }

    fn used(&self, project: Uuid) -> u32 {
        self.running.lock().by_project.get(&project).map_or(0, |places| places.used)
    }

    fn set_held(&self, project: Uuid, held: u32) {
        let mut running = self.running.lock();
        let places = running.by_project.entry(project).or_default();
        places.held = held;
        if *places == Places::default() {
            running.by_project.remove(&project);
        }
    }

    /// Projects of which other than the wanted places are held, and how many are wanted.
    fn unsettled(&self) -> Vec<(Uuid, u32)> {
        let running = self.running.lock();
        let wanted = |places: &Places| if places.used == 0 { 0 } else { places.used + self.slack() };
        let all = running.by_project.iter().map(|(project, places)| (*project, wanted(places), places.held));
        all.filter(|(_, wanted, held)| wanted != held).map(|(project, wanted, _)| (project, wanted)).collect()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        running.all -= 1;
        if let Some(places) = running.by_project.get_mut(&self.project) {
            places.used -= 1;
            if places.held > places.used + 2 * self.slack {
                self.spare.notify_one();
            }
            if *places == Places::default() {
                running.by_project.remove(&self.project);
            }
        }
    }
}

impl App {
    /// A place for one more run of the project.
    pub(crate) async fn admit(&self, project: Uuid) -> Result<Permit, AppError> {
        if self.stopping().is_cancelled() {
            return Err(stopping());
        }
        let admission = &self.inner.admission;
        let admitted = match admission.admit(project, self.has_company()) {
            Err(Full::Project) if self.has_company() => {
                self.ask_for_place(project).await?;
                admission.admit(project, true)
            }
            admitted => admitted,
        };
        admitted.map_err(|full| match full {
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

    async fn ask_for_place(&self, project: Uuid) -> Result<(), AppError> {
        let admission = &self.inner.admission;
        let _turn = admission.asking.lock().await;
        let wanted = admission.used(project).saturating_add(1 + admission.slack());
        self.hold(project, wanted).await
    }

    async fn hold(&self, project: Uuid, wanted: u32) -> Result<(), AppError> {
        let Some(nodes) = self.store().nodes() else { return Ok(()) };
        let admission = &self.inner.admission;
        let held = nodes.hold_places(ProjectId(project), wanted, admission.most).await?;
        admission.set_held(project, held);
        Ok(())
    }

    /// Gives back places that are not wanted any more, and holds those in use.
    pub(crate) async fn settle_places(&self) -> Result<(), AppError> {
        if !self.has_company() {
            return Ok(());
        }
        let _turn = self.inner.admission.asking.lock().await;
        for (project, wanted) in self.inner.admission.unsettled() {
            self.hold(project, wanted).await?;
        }
        Ok(())
    }

    /// Resolves once places are held that others may want.
    pub(crate) async fn spare_places(&self) {
        self.inner.admission.spare.notified().await;
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
    pub async fn check_rate(&self, caller: &Caller) -> Result<(), AppError> {
        let admission = &self.inner.admission;
        let (Some(per_second), Some(rate)) = (admission.per_second, &admission.rate) else { return Ok(()) };
        let within = match self.store().nodes().filter(|_| self.has_company()) {
            Some(nodes) => nodes.take_request(&caller.key_id, per_second.get()).await?,
            None => rate.check_key(&caller.key_id).is_ok(),
        };
        if within {
            return Ok(());
        }
        let error = AppError::new(ErrorCode::RateLimited, "the key makes more requests per second than its limit");
        Err(AppError { retry_after: Some(Duration::from_secs(1)), ..error })
    }
}
