//! Admission: whether one more run may begin now, and whether one more job may wait. One place for every door.

use std::{collections::HashMap, sync::Arc, time::Duration};

use noukai_api::{ErrorCode, Limits};
use noukai_store::{Charge, ProjectId, QueueBounds, QueueScope, StoreError};
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    App, AppError, Caller,
    spend::{Hold, Payer},
    stopping,
};

/// When a run that found no place may try again.
const RUN_ENDS: Duration = Duration::from_secs(1);
/// When a job that found a full queue may try again.
const QUEUE_DRAINS: Duration = Duration::from_secs(5);

pub(crate) struct Admission {
    running: Arc<Mutex<Running>>,
    most: u32,
    most_of_all: u32,
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

/// One run's place, and what it takes from budgets as a run. Dropping it frees the place.
pub(crate) struct Permit {
    credit: Vec<Hold>,
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
        Self {
            running: Arc::default(),
            most: limits.concurrent_runs,
            most_of_all: limits.server_concurrent_runs,
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
        Ok(Permit { credit: Vec::new(), running, spare, slack: self.slack(), project })
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

impl Permit {
    /// The run begins: what that takes from budgets is spent.
    pub fn spend(&mut self) -> Vec<Charge> {
        let credit = std::mem::take(&mut self.credit);
        let charges = credit.iter().map(|hold| hold.charge(1)).collect();
        credit.into_iter().for_each(|hold| hold.settle(1));
        charges
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
    /// A place for one more run of a flow of the caller's, and leave to spend; `begins` where it is a new one.
    ///
    /// # Errors
    /// `RATE_LIMITED`, `OVERLOADED`; `INSUFFICIENT_CREDITS` where a budget is spent, `BILLING_UNAVAILABLE` where that
    /// cannot be told.
    pub(crate) async fn admit(&self, caller: &Caller, flow: &str, begins: bool) -> Result<Permit, AppError> {
        if self.stopping().is_cancelled() {
            return Err(stopping());
        }
        let mut permit = self.free_place(caller.project_id).await?;
        permit.credit = self.credit(caller, flow, begins).await?;
        Ok(permit)
    }

    /// Leave for a run that is only queued, with what it takes from budgets as a run.
    ///
    /// # Errors
    /// As [`App::admit`], but for places.
    pub(crate) async fn admit_queued(&self, caller: &Caller, flow: &str) -> Result<Vec<Hold>, AppError> {
        self.credit(caller, flow, true).await
    }

    async fn credit(&self, caller: &Caller, flow: &str, begins: bool) -> Result<Vec<Hold>, AppError> {
        let payer = Payer { project: caller.project_id, flow, key: Some(&caller.key_id) };
        self.check_tokens(payer).await?;
        self.check_credit(payer, begins).await
    }

    async fn free_place(&self, project: Uuid) -> Result<Permit, AppError> {
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
}
