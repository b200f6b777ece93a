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
    /// The one that answered last is on top: it is the warmest.
    idle: Vec<Process>,
    /// Places taken: idle, in use or being started.
    places: usize,
    shares: Shares<oneshot::Sender<Lease>>,
    sweeper: Option<AbortHandle>,
}

impl Pool {
    pub fn new(settings: Settings) -> Arc<Self> {
        let shares = Shares::new(settings.workers.div_ceil(2), settings.waiting);
        let state = State { idle: Vec::new(), places: 0, shares, sweeper: None };
        Arc::new(Self { settings, state: Mutex::new(state) })
    }

    /// A place for a call of the project, as soon as its turn comes.
    pub async fn lease(self: &Arc<Self>, tenant: Uuid) -> Result<Lease, CodeError> {
        let turn = {
            let mut state = self.state.lock();
            if state.shares.has_room(tenant)
                && let Some(worker) = self.place(&mut state)
            {
                state.shares.started(tenant);
                return Ok(Lease::new(Arc::clone(self), tenant, worker, Instant::now()));
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

    /// A free place: with a worker, or for one to be started.
    fn place(&self, state: &mut State) -> Option<Option<Process>> {
        while let Some(mut worker) = state.idle.pop() {
            if worker.is_alive() {
                return Some(Some(worker));
            }
            state.places -= 1;
        }
        if state.places < self.settings.workers.max(1) {
            state.places += 1;
            return Some(None);
        }
        None
    }

    /// A call is over: its worker rests if it can be used again, and whoever is next gets the place.
    pub fn release(self: &Arc<Self>, tenant: Uuid, worker: Option<Process>, took: Duration) {
        let mut state = self.state.lock();
        state.shares.ended(tenant, took);
        match worker.filter(Process::is_fresh) {
            Some(worker) => state.idle.push(worker),
            None => state.places -= 1,
        }
        self.hand_out(&mut state);
        self.sweep_later(&mut state);
    }

    fn hand_out(self: &Arc<Self>, state: &mut State) {
        while let Some(mut worker) = self.place(state) {
            loop {
                let Some((tenant, sender)) = state.shares.next() else {
                    match worker {
                        Some(worker) => state.idle.push(worker),
                        None => state.places -= 1,
                    }
                    return;
                };
                let lease = Lease::new(Arc::clone(self), tenant, worker.take(), Instant::now());
                let Err(lease) = sender.send(lease) else { break };
                // Who waited has gone. The lease must not release itself here: the state is locked.
                worker = lease.undo();
                state.shares.ended(tenant, Duration::ZERO);
            }
        }
    }

    fn sweep_later(self: &Arc<Self>, state: &mut State) {
        if state.sweeper.is_none() && !state.idle.is_empty() {
            let task = tokio::spawn(sweep(Arc::downgrade(self), self.settings.idle));
            state.sweeper = Some(task.abort_handle());
        }
    }

    /// Ends workers that were long without work; says whether some are left.
    fn sweep(&self) -> bool {
        let mut ended = Vec::new();
        let mut state = self.state.lock();
        let idle = self.settings.idle;
        for worker in std::mem::take(&mut state.idle) {
            if worker.rested.elapsed() >= idle { ended.push(worker) } else { state.idle.push(worker) }
        }
        state.places -= ended.len();
        if state.places == 0 {
            state.sweeper = None;
        }
        state.sweeper.is_some()
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
