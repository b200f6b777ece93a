//! The workers: started when needed, at most so many, handed out by fair shares, ended when long without work.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use noukai_engine::{CodeError, CodeErrorKind};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time;
use uuid::Uuid;

use crate::lease::Lease;
use crate::process::Process;
use crate::settings::Settings;
use crate::shares::Shares;

/// All workers of a server.
pub struct Pool {
    pub settings: Settings,
    state: Mutex<State>,
}

struct State {
    /// The one that answered last is the last: it is the warmest.
    idle: Vec<Rest>,
    /// Leases that are out.
    running: usize,
    shares: Shares<oneshot::Sender<Lease>>,
    sweeper: Option<AbortHandle>,
}

/// A worker between two calls.
struct Rest {
    tenant: Uuid,
    worker: Process,
}

impl Pool {
    pub fn new(settings: Settings) -> Arc<Self> {
        let shares = Shares::new(settings.workers.div_ceil(2), settings.waiting);
        let state = State { idle: Vec::new(), running: 0, shares, sweeper: None };
        Arc::new(Self { settings, state: Mutex::new(state) })
    }

    /// A place for a call of the project, as soon as its turn comes.
    pub async fn lease(self: &Arc<Self>, tenant: Uuid) -> Result<Lease, CodeError> {
        let turn = {
            let mut state = self.state.lock();
            if state.shares.has_room(tenant) && state.running < self.settings.workers.max(1) {
                state.shares.started(tenant);
                return Ok(self.start(&mut state, tenant));
            }
            let (sender, turn) = oneshot::channel();
            if state.shares.wait(tenant, sender).is_err() {
                return Err(unavailable("too many code blocks of this project wait for a worker; try again later"));
            }
            turn
        };
        match time::timeout(self.settings.wait, turn).await {
            Ok(Ok(lease)) => Ok(lease),
            _ => Err(unavailable("no worker became free in time; try again later")),
        }
    }

    /// A lease with the project's own worker if one rests. A worker serves one project in its whole life: should an
    /// interpreter ever be taken over, there is nothing of others to be found in it.
    fn start(self: &Arc<Self>, state: &mut State, tenant: Uuid) -> Lease {
        state.running += 1;
        let mut worker = None;
        while let Some(position) = state.idle.iter().rposition(|rest| rest.tenant == tenant) {
            let mut rest = state.idle.remove(position);
            // The system may have ended it while it rested.
            if rest.worker.is_alive() {
                worker = Some(rest.worker);
                break;
            }
        }
        if worker.is_none() && state.running + state.idle.len() > self.settings.kept.max(self.settings.workers) {
            state.idle.remove(0);
        }
        Lease::new(Arc::clone(self), tenant, worker, Instant::now())
    }

    /// A call is over: its worker rests if it can be used again, and whoever is next gets the place.
    pub fn release(self: &Arc<Self>, tenant: Uuid, worker: Option<Process>, took: Duration) {
        let worker = worker.filter(Process::is_fresh);
        let mut state = self.state.lock();
        state.shares.ended(tenant, took, worker.is_some());
        state.running -= 1;
        if let Some(worker) = worker {
            state.idle.push(Rest { tenant, worker });
        }
        self.hand_out(&mut state);
        self.sweep_later(&mut state);
    }

    /// See [`Shares::others`].
    pub fn others(&self, tenant: Uuid) -> Duration {
        self.state.lock().shares.others(tenant)
    }

    fn hand_out(self: &Arc<Self>, state: &mut State) {
        while state.running < self.settings.workers.max(1) {
            let Some((tenant, sender)) = state.shares.next() else { return };
            let lease = self.start(state, tenant);
            if let Err(lease) = sender.send(lease) {
                // Who waited has gone. The lease must not release itself here: the state is locked.
                state.running -= 1;
                state.idle.extend(lease.undo().map(|worker| Rest { tenant, worker }));
                state.shares.ended(tenant, Duration::ZERO, false);
            }
        }
    }

    fn sweep_later(self: &Arc<Self>, state: &mut State) {
        if state.sweeper.is_none() && !state.idle.is_empty() {
            let task = tokio::spawn(sweep(Arc::downgrade(self), self.settings.idle));
            state.sweeper = Some(task.abort_handle());
        }
    }

    /// Ends workers that were long without work; says whether to go on looking.
    fn sweep(&self) -> bool {
        let mut state = self.state.lock();
        let idle = self.settings.idle;
        let ended: Vec<_> = state.idle.extract_if(.., |rest| rest.worker.rested.elapsed() >= idle).collect();
        if state.idle.is_empty() {
            state.sweeper = None;
        }
        let goes_on = state.sweeper.is_some();
        drop(state);
        // Ended only now: that asks the system for something.
        drop(ended);
        goes_on
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(sweeper) = self.state.get_mut().sweeper.take() {
            sweeper.abort();
        }
    }
}

async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        time::sleep(idle / 2 + Duration::from_millis(1)).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            return;
        }
    }
}

pub fn unavailable(message: impl Into<String>) -> CodeError {
    CodeError::new(CodeErrorKind::Unavailable, message)
}
