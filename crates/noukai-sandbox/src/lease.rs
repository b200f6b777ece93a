//! A worker in use: however its user ends, the worker goes back or is ended, and its place is free again.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use crate::pool::Pool;
use crate::process::Process;

/// A place among the workers, with a worker once one has been started.
pub struct Lease {
    /// None once the lease has been undone.
    pool: Option<Arc<Pool>>,
    tenant: Uuid,
    worker: Option<Process>,
    since: Instant,
}

impl Lease {
    /// Counted by the pool as running already.
    pub const fn new(pool: Arc<Pool>, tenant: Uuid, worker: Option<Process>, since: Instant) -> Self {
        Self { pool: Some(pool), tenant, worker, since }
    }

    /// The worker, to be given back with [`Lease::give_back`]; else it ends with whoever holds it.
    pub fn take(&mut self) -> Option<Process> {
        self.worker.take()
    }

    /// Ends the lease as if it had not been, without telling the pool.
    pub fn undo(mut self) -> Option<Process> {
        self.pool = None;
        self.worker.take()
    }

    /// The worker has answered and can be asked again.
    pub fn give_back(&mut self, worker: Process) {
        self.worker = Some(worker);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.release(self.tenant, self.worker.take(), self.since.elapsed());
        }
    }
}
