//! Entries that could not be stored with the write they were of: kept until they are. While the ledger takes none, nothing
//! is run that would not be accounted for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use noukai_store::UsageEntry;
use parking_lot::Mutex;

use super::credit::NoCredit;
use crate::app::App;

/// How often a ledger that takes nothing is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// Entries stored at once.
const BATCH: usize = 500;

/// What is still to be stored. No more comes of it than of what was under way when the ledger failed.
#[derive(Default)]
pub(super) struct Lost {
    entries: Mutex<Vec<Arc<UsageEntry>>>,
    /// Whether somebody is at it; locked with the entries.
    at_work: AtomicBool,
    /// Whether the ledger took nothing when it was tried last.
    down: AtomicBool,
}

impl App {
    /// Stores entries by themselves, as the write they were of failed. What is there already stays as it is.
    pub(crate) fn usage_was_not_stored(&self, entries: Vec<Arc<UsageEntry>>) {
        let lost = &self.spend().lost;
        let mut waiting = lost.entries.lock();
        waiting.extend(entries);
        if !lost.at_work.swap(true, Ordering::Relaxed) {
            drop(self.spawn(self.clone().store_lost()));
        }
    }

    async fn store_lost(self) {
        let lost = &self.spend().lost;
        loop {
            let some: Vec<_> = {
                let waiting = lost.entries.lock();
                if waiting.is_empty() {
                    lost.at_work.store(false, Ordering::Relaxed);
                    lost.down.store(false, Ordering::Relaxed);
                    return;
                }
                waiting.iter().take(BATCH).cloned().collect()
            };
            match self.store().add_usage(some.clone()).await {
                Ok(()) => drop(lost.entries.lock().drain(..some.len())),
                Err(error) => {
                    lost.down.store(true, Ordering::Relaxed);
                    tracing::error!(%error, calls = some.len(), "usage cannot be recorded; nothing new is run until it can");
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        () = self.cutting().cancelled() => return self.give_up(),
                    }
                }
            }
        }
    }

    /// The server ends: what is still not stored is said here at least.
    fn give_up(&self) {
        for entry in self.spend().lost.entries.lock().drain(..) {
            let UsageEntry { spender, model, tokens, cost, .. } = entry.as_ref();
            tracing::error!(run = %spender.run_id, model, ?tokens, cost, "the use of a model call is lost");
        }
    }

    /// As if the ledger took nothing, or took entries again.
    #[cfg(test)]
    pub(crate) fn set_ledger_down(&self, down: bool) {
        self.spend().lost.down.store(down, Ordering::Relaxed);
    }

    pub(super) fn check_ledger(&self) -> Result<(), NoCredit> {
        if self.spend().lost.down.load(Ordering::Relaxed) {
            return Err(NoCredit::Unknown("the ledger takes no entries".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use noukai_api::{ErrorCode, ExecuteRequest, Limits};
    use noukai_engine::SystemClock;
    use noukai_store::{SqliteOptions, SqliteStore};
    use serde_json::json;

    use super::*;
    use crate::{
        Config, Overrides,
        app::{
            CodeRunner, FlowAddress, Parts, Project, Retention, RunOptions, UsageRequest, VersionSelector, spend::Payer,
        },
        failpoints::FailingStore,
        vault::Vault,
    };

    /// On a store that fails at a place.
    async fn app(point: &str) -> (App, Project) {
        let store = Arc::new(SqliteStore::open(SqliteOptions::default()).unwrap());
        let overrides = Overrides { data: Some(PathBuf::from("nowhere")), ..Overrides::default() };
        let config = Config::load(None, overrides).unwrap();
        let (model, egress) = crate::models::models(&config).unwrap();
        let app = App::new(Parts {
            store: Arc::new(FailingStore::over(store, point.parse().unwrap())),
            model,
            egress,
            vault: Vault::open(&config.master_key, &config.data).await,
            code: CodeRunner::new(None),
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            retention: Retention::all(1),
            capture: None,
            data: PathBuf::new(),
            public_url: None,
        });
        let project = app.ensure_project("acme", "demo").await.unwrap();
        let flow = json!({"schema": 1, "slug": "echo", "input": {"message": "string"},
            "steps": [{"id": "a", "llm": {"prompt": "x"}}, {"id": "b", "llm": {"prompt": "y"}}]});
        app.put_flow(&project, &flow).await.unwrap();
        (app, project)
    }

    async fn run(app: &App, project: &Project) -> Result<(), ErrorCode> {
        let address = FlowAddress { flow: "echo".to_owned(), version: VersionSelector::Draft };
        let request: ExecuteRequest = serde_json::from_value(json!({"message": "x"})).unwrap();
        let ran = app.execute(&app.local_caller(project), &address, request, RunOptions::default()).await;
        ran.map(drop).map_err(|error| error.code)
    }

    async fn calls(app: &App, project: &Project) -> u64 {
        app.usage_of(project, &UsageRequest::default()).await.unwrap().total.calls
    }

    #[tokio::test]
    async fn what_a_failed_write_took_along_is_stored_by_itself() {
        for (point, made) in [("result.before:1:fail", 1), ("finish.before:1:fail", 2)] {
            let (app, project) = app(point).await;
            assert_eq!(run(&app, &project).await, Err(ErrorCode::InternalError), "{point}");
            while calls(&app, &project).await < made {
                tokio::task::yield_now().await;
            }
            run(&app, &project).await.unwrap();
            assert_eq!(calls(&app, &project).await, made + 2, "{point}");
            app.close().await;
        }
    }

    #[tokio::test]
    async fn nothing_is_run_while_the_ledger_takes_nothing() {
        let (app, project) = app("usage.before:1:fail").await;
        let payer = Payer { project: project.id, flow: "echo", key: None };
        run(&app, &project).await.unwrap();
        let entry = app.store().usage_entries(
            noukai_store::ProjectId(project.id),
            (time::OffsetDateTime::UNIX_EPOCH, app.now() + time::Duration::hours(1)),
            None,
            1,
        );
        let entry = entry.await.unwrap().remove(0);
        app.usage_was_not_stored(vec![Arc::new(entry)]);
        while app.check_ledger().is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(run(&app, &project).await, Err(ErrorCode::BillingUnavailable));
        assert!(matches!(app.hold_for_call(payer).await, Err(NoCredit::Unknown(_))));
        while app.check_ledger().is_err() {
            tokio::task::yield_now().await;
        }
        run(&app, &project).await.unwrap();
        assert_eq!(calls(&app, &project).await, 4, "what was there is not counted again");
        app.close().await;
    }
}
