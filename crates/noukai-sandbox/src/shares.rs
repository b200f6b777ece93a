//! Who gets the next worker: the project that waits and has used the least, and never more than its share at once.
//!
//! Start-time fair queueing: each project has a clock that runs with the time its calls take; the one that is furthest
//! behind goes next. A project that comes back starts at the time of the one served last, so idling earns nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use uuid::Uuid;

/// Projects that are remembered although they neither run nor wait.
const REMEMBERED: usize = 4_096;

/// The queues of all projects; `T` stands for one who waits.
#[derive(Debug)]
pub struct Shares<T> {
    tenants: HashMap<Uuid, Tenant<T>>,
    /// The clock of the project that was served last.
    now: Duration,
    /// Calls that one project may run at once.
    share: usize,
    /// Calls of one project that may wait.
    waiting: usize,
}

#[derive(Debug)]
struct Tenant<T> {
    running: usize,
    clock: Duration,
    waiting: VecDeque<T>,
}

impl<T> Shares<T> {
    /// For workers of which one project may hold `share`, and have `waiting` calls wait.
    pub fn new(share: usize, waiting: usize) -> Self {
        Self { tenants: HashMap::new(), now: Duration::ZERO, share: share.max(1), waiting }
    }

    /// Whether the project may start a call now, if a worker is there: it has room and nobody of it waits.
    pub fn has_room(&self, tenant: Uuid) -> bool {
        self.tenants.get(&tenant).is_none_or(|tenant| tenant.running < self.share && tenant.waiting.is_empty())
    }

    /// Puts one into its project's queue; gives it back if that is full.
    pub fn wait(&mut self, tenant: Uuid, one: T) -> Result<(), T> {
        let most = self.waiting;
        let queue = &mut self.tenant(tenant).waiting;
        if queue.len() >= most {
            return Err(one);
        }
        queue.push_back(one);
        Ok(())
    }

    /// The next that may start, already counted as running.
    pub fn next(&mut self) -> Option<(Uuid, T)> {
        let ready = |tenant: &Tenant<T>| tenant.running < self.share && !tenant.waiting.is_empty();
        let (&id, _) =
            self.tenants.iter().filter(|(_, tenant)| ready(tenant)).min_by_key(|(id, tenant)| (tenant.clock, **id))?;
        let one = self.tenants.get_mut(&id)?.waiting.pop_front()?;
        self.started(id);
        Some((id, one))
    }

    /// A call of the project starts.
    pub fn started(&mut self, tenant: Uuid) {
        let entry = self.tenant(tenant);
        entry.running += 1;
        let clock = entry.clock;
        self.now = self.now.max(clock);
    }

    /// A call of the project is over and took so long.
    pub fn ended(&mut self, tenant: Uuid, took: Duration) {
        let now = self.now;
        let entry = self.tenant(tenant);
        entry.running = entry.running.saturating_sub(1);
        entry.clock += took;
        if self.tenants.len() > REMEMBERED {
            self.tenants.retain(|_, tenant| tenant.running > 0 || !tenant.waiting.is_empty() || tenant.clock > now);
        }
    }

    fn tenant(&mut self, id: Uuid) -> &mut Tenant<T> {
        let now = self.now;
        let tenant =
            self.tenants.entry(id).or_insert_with(|| Tenant { running: 0, clock: now, waiting: VecDeque::new() });
        if tenant.running == 0 && tenant.waiting.is_empty() {
            tenant.clock = tenant.clock.max(now);
        }
        tenant
    }
}
