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
    /// How long all short calls took.
    short: Duration,
}

#[derive(Debug)]
struct Tenant<T> {
    running: usize,
    clock: Duration,
    waiting: VecDeque<T>,
    /// How long its short calls took.
    short: Duration,
}

impl<T> Shares<T> {
    /// For workers of which one project may hold `share`, and have `waiting` calls wait.
    pub fn new(share: usize, waiting: usize) -> Self {
        Self { tenants: HashMap::new(), now: Duration::ZERO, share: share.max(1), waiting, short: Duration::ZERO }
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

    /// A call of the project is over and took so long. A short one counts for [`Shares::others`].
    pub fn ended(&mut self, tenant: Uuid, took: Duration, short: bool) {
        let now = self.now;
        let entry = self.tenant(tenant);
        entry.running = entry.running.saturating_sub(1);
        entry.clock += took;
        if short {
            entry.short += took;
            self.short += took;
        }
        if self.tenants.len() > REMEMBERED {
            self.tenants.retain(|_, tenant| tenant.running > 0 || !tenant.waiting.is_empty() || tenant.clock > now);
        }
    }

    /// How long the short calls of other projects took, in parts of what one project may run at once. It only grows while
    /// the project has a call under way.
    pub fn others(&self, tenant: Uuid) -> Duration {
        let own = self.tenants.get(&tenant).map_or(Duration::ZERO, |tenant| tenant.short);
        self.short.saturating_sub(own) / u32::try_from(self.share).unwrap_or(u32::MAX)
    }

    fn tenant(&mut self, id: Uuid) -> &mut Tenant<T> {
        let now = self.now;
        let new = || Tenant { running: 0, clock: now, waiting: VecDeque::new(), short: Duration::ZERO };
        let tenant = self.tenants.entry(id).or_insert_with(new);
        if tenant.running == 0 && tenant.waiting.is_empty() {
            tenant.clock = tenant.clock.max(now);
        }
        tenant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_has_used_least_goes_next() {
        let mut shares = Shares::new(1, 10);
        for one in 0..3 {
            shares.wait(A, one).unwrap();
            shares.wait(B, 10 + one).unwrap();
        }
        let mut order = Vec::new();
        while let Some((tenant, one)) = shares.next() {
            order.push(one);
            shares.ended(tenant, if tenant == A { SECOND * 5 } else { SECOND }, true);
        }
        assert_eq!(order, [0, 10, 11, 12, 1, 2]);
    }

    #[test]
    fn a_project_has_its_share_at_once_and_no_more() {
        let mut shares = Shares::new(2, 10);
        for one in 0..4 {
            shares.wait(A, one).unwrap();
        }
        shares.wait(B, 10).unwrap();
        let started: Vec<_> = std::iter::from_fn(|| shares.next()).map(|(_, one)| one).collect();
        assert_eq!(started, [0, 1, 10]);
        shares.ended(A, SECOND, true);
        assert_eq!(shares.next(), Some((A, 2)));
    }

    #[test]
    fn idling_earns_nothing() {
        let mut shares = Shares::new(1, 10);
        for _ in 0..10 {
            shares.wait(A, 0).unwrap();
            assert!(shares.next().is_some());
            shares.ended(A, SECOND, true);
        }
        // A newcomer begins at the time of who was served last, not ten seconds behind.
        for one in 1..4 {
            shares.wait(B, one).unwrap();
            shares.wait(A, 0).unwrap();
        }
        let mut order = Vec::new();
        while let Some((tenant, one)) = shares.next() {
            order.push(one);
            shares.ended(tenant, SECOND, true);
        }
        assert_eq!(order.iter().take(4).filter(|one| **one == 0).count(), 2, "{order:?}");
    }

    #[test]
    fn short_calls_of_others_are_counted() {
        let mut shares = Shares::<()>::new(2, 10);
        for (tenant, took, short) in [(A, 4, true), (B, 2, true), (B, 100, false)] {
            shares.started(tenant);
            shares.ended(tenant, SECOND * took, short);
        }
        assert_eq!((shares.others(A), shares.others(B)), (SECOND, SECOND * 2));
        assert_eq!(shares.others(Uuid::from_u128(3)), SECOND * 3);
    }

    #[test]
    fn a_queue_has_an_end() {
        let mut shares = Shares::new(1, 1);
        assert_eq!((shares.wait(A, 1), shares.wait(A, 2), shares.wait(B, 3)), (Ok(()), Err(2), Ok(())));
    }
}
