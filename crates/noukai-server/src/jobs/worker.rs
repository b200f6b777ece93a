//! The claiming loop of one process, and the heartbeat of its leases.

use std::{sync::Arc, time::Duration};

use noukai_store::Claim;
use tokio::{
    sync::Semaphore,
    time::{MissedTickBehavior, interval, timeout},
};
use uuid::Uuid;

use crate::app::App;

/// How long a lease lives without a heartbeat.
const LEASE: time::Duration = time::Duration::seconds(30);
/// How often leases are prolonged.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often the queue is looked at without being woken.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_millis(250);

/// The workers of one process.
pub(crate) struct Workers {
    app: App,
    owner: Uuid,
    slots: Arc<Semaphore>,
    most: u32,
}

impl Workers {
    /// Starts `most` workers as tracked tasks of the app.
    pub fn start(app: &App, most: usize) {
        let workers = Arc::new(Self {
            app: app.clone(),
            owner: app.store().nodes().map_or_else(Uuid::now_v7, |nodes| nodes.id()),
            slots: Arc::new(Semaphore::new(most)),
            most: u32::try_from(most).unwrap_or(u32::MAX),
        });
        drop(app.spawn(workers.clone().claim()));
        drop(app.spawn(workers.keep_leases()));
    }

    /// Claims as many jobs as there are free slots, until the server stops.
    async fn claim(self: Arc<Self>) {
        let mut news = self.app.store().watch_jobs();
        let stopping = self.app.stopping().clone();
        while !stopping.is_cancelled() {
            news.mark_unchanged();
            let claimed = self.claim_once().await;
            if claimed > 0 {
                continue;
            }
            tokio::select! {
                // A closed channel is no reason to spin.
                _ = timeout(POLL, news.changed()) => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    /// Claims and starts; how many.
    async fn claim_once(self: &Arc<Self>) -> usize {
        let slot = tokio::select! {
            slot = self.slots.clone().acquire_owned() => slot,
            () = self.app.stopping().cancelled() => return 0,
        };
        let Ok(first) = slot else { return 0 };
        let mut slots = vec![first];
        while let Ok(slot) = self.slots.clone().try_acquire_owned() {
            slots.push(slot);
        }
        let limit = u32::try_from(slots.len()).unwrap_or(self.most);
        let now = self.app.shared_now();
        let per_project = self.app.limits().concurrent_jobs;
        let claim = Claim { owner: self.owner, limit, per_project, now, lease_until: now + LEASE };
        let jobs = match self.app.store().claim_jobs(claim).await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!(%error, "jobs could not be claimed");
                tokio::time::sleep(PAUSE).await;
                Vec::new()
            }
        };
        let count = jobs.len();
        for (job, slot) in jobs.into_iter().zip(slots) {
            let app = self.app.clone();
            drop(self.app.spawn(async move {
                let (id, lease) = (job.run.id, job.lease.clone());
                if let Err(error) = app.run_job(job).await {
                    tracing::warn!(job = %id, %error, context = error.context.as_deref(), "a job is given back");
                    app.give_back(id, &lease, &error).await;
                }
                drop(slot);
            }));
        }
        count
    }

    /// Resolves once the server stops and no job is worked on any more. Until then others must not take the jobs.
    async fn done(&self) {
        self.app.stopping().cancelled().await;
        let _ = self.slots.acquire_many(self.most).await;
    }

    async fn keep_leases(self: Arc<Self>) {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = self.done();
        let mut done = std::pin::pin!(done);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = &mut done => return,
            }
            match self.app.store().heartbeat(self.owner, self.app.shared_now() + LEASE).await {
                Ok(cancelled) => cancelled.into_iter().for_each(|id| self.app.cancel_live(id)),
                Err(error) => tracing::warn!(%error, "leases could not be prolonged"),
            }
        }
    }
}
