//! One case: a fresh server, its model, its clients, what they were told, and what was found wrong.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::choices::Choices;
use crate::client::{Client, PATIENCE};
use crate::errand::{Errand, Told};
use crate::facts::Facts;
use crate::mock::Mock;
use crate::setup::{Data, Setup};
use crate::site::{self, Site};
use crate::stored;
use crate::tally::Tally;

/// One case. Everything in it is its own, so that it can be repeated alone.
pub struct Case {
    /// Such as `kill:17`; with the seed it decides every choice.
    pub name: String,
    /// What all cases share.
    pub setup: Arc<Setup>,
    /// The model.
    pub mock: Mock,
    /// The server.
    pub site: Site,
    /// A client.
    pub client: Client,
    /// What is known to be stored.
    pub facts: Facts,
    /// What was done.
    pub tally: Tally,
    told: Mutex<Vec<Told>>,
    violations: Mutex<Vec<String>>,
}

/// What came of a case.
pub struct Verdict {
    /// The case.
    pub name: String,
    /// What was done.
    pub tally: Tally,
    /// What was found wrong.
    pub violations: Vec<String>,
    /// The last lines of its servers' log, where something is wrong.
    pub last_words: Vec<String>,
}

impl Verdict {
    /// Of a case that could not even begin.
    pub fn impossible(name: String, error: &anyhow::Error) -> Self {
        Self { name, tally: Tally::default(), violations: vec![format!("{error:#}")], last_words: Vec::new() }
    }
}

/// Clients at work.
pub type Errands = JoinSet<Result<()>>;

impl Case {
    /// A case with its server not started yet. The model takes up to `latency` milliseconds.
    pub async fn new(setup: &Arc<Setup>, name: &str, latency: u32) -> Result<Arc<Self>> {
        let mock = Mock::start(setup.seed, latency).await?;
        let site = Site::new(setup.clone(), name, mock.processes.clone())?;
        let client = Client::new(&setup.key, site.urls(), Choices::of(setup.seed, &format!("{name} client")))?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            setup: setup.clone(),
            mock,
            site,
            client,
            facts: Facts::default(),
            tally: Tally::default(),
            told: Mutex::default(),
            violations: Mutex::default(),
        }))
    }

    /// The choices of a part of this case.
    pub fn choices(&self, part: &str) -> Choices {
        Choices::of(self.setup.seed, &format!("{} {part}", self.name))
    }

    /// Something that must not be.
    pub fn violation(&self, what: impl Into<String>) {
        self.violations.lock().push(what.into());
    }

    /// What a client was told, for the checks at the end.
    pub fn tell(&self, told: Told) {
        self.told.lock().push(told);
    }

    /// What all clients were told.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().clone()
    }

    /// Sends a client on its errand.
    pub fn send(self: &Arc<Self>, errands: &mut Errands, errand: Errand) {
        self.tally.count(|counts| counts.requests += 1);
        let case = self.clone();
        errands.spawn(async move { errand.run(&case).await });
    }

    /// Waits until all clients are done. One that never is has found a run that hangs.
    pub async fn done(&self, errands: &mut Errands) {
        let all = async {
            while let Some(done) = errands.join_next().await {
                match done {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => self.violation(format!("a client gave up: {error:#}")),
                    Err(error) => self.violation(format!("a client failed: {error}")),
                }
            }
        };
        if tokio::time::timeout(PATIENCE * 2, all).await.is_err() {
            self.violation("a client waits for ever");
        }
    }

    /// Kills the server, all of it, and notes what was stored by then.
    pub fn kill(&self) -> Result<()> {
        self.site.kill()?;
        self.died()
    }

    /// Kills the server, or one of several; what is dead then starts again.
    pub async fn strike(&self, choices: &mut Choices) -> Result<()> {
        let struck = self.site.strike(choices)?;
        self.died()?;
        for role in struck {
            self.site.start_as(role).await?;
        }
        Ok(())
    }

    /// The server is dead: notes what was stored by then.
    pub fn died(&self) -> Result<()> {
        self.tally.count(|counts| counts.kills += 1);
        self.note_stored()
    }

    /// Kills the server in its first moments, where it may just be recovering.
    pub async fn kill_at_start(&self, life: Duration) -> Result<()> {
        self.site.start_and_kill(life).await?;
        self.died()
    }

    /// Notes what is stored.
    pub fn note_stored(&self) -> Result<()> {
        let stored = stored::read(&self.setup, &self.site.data)?;
        self.tally.count(|counts| counts.facts += stored.results.len() as u64);
        self.facts.note_stored(stored, self.mock.count());
        Ok(())
    }

    /// Runs statements on the case's database, where that is PostgreSQL's.
    pub fn sql(&self, statements: &str) -> Result<()> {
        if let (Data::Database { name, .. }, Some(postgres)) = (&self.site.data, &self.setup.postgres) {
            postgres.sql(name, statements).context("cannot reach the database")?;
        }
        Ok(())
    }

    /// What came of it. Data and log stay where something is wrong.
    pub fn verdict(&self) -> Verdict {
        let violations = self.violations.lock().clone();
        let mut last_words = Vec::new();
        if violations.is_empty() {
            self.setup.drop_data(&self.site.data);
            let _ = std::fs::remove_dir_all(&self.site.folder);
            let _ = std::fs::remove_file(site::log_of(&self.site.folder));
        } else {
            last_words = self.site.last_words();
        }
        Verdict { name: self.name.clone(), tally: self.tally.clone(), violations, last_words }
    }
}
