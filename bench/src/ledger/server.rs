//! The server under test: the real binary with two providers, both of them the model, and a budget that is never spent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use noukai_testbed::{Child, Postgres, without_settings};
use serde_json::json;
use tokio::sync::watch;

use super::load::{Client, Load};
use super::{Options, Store};
use crate::output;

const FLOW: &str = include_str!("work.flow.yaml");
/// Looks at how far the load has come.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// A server's address; `None` while there is none.
pub type Address = Option<String>;

/// One server after the other on the same data.
pub struct Servers {
    binary: PathBuf,
    data: PathBuf,
    database: Option<String>,
    /// Dropped last.
    _cluster: Option<Postgres>,
    key: String,
    current: Mutex<Option<Child>>,
    address: watch::Sender<Address>,
}

impl Servers {
    /// Makes the data, a key and a budget, and starts the first.
    pub async fn start(options: &Options, model: &str) -> Result<Self> {
        let data = prepare(&options.scratch, model)?;
        let cluster = (options.store == Store::Postgres).then(Postgres::start).transpose().context("no PostgreSQL")?;
        let database = cluster.as_ref().map(Postgres::database).transpose().context("no database")?;
        let mut servers = Self {
            binary: options.noukai.clone(),
            data,
            database,
            _cluster: cluster,
            key: String::new(),
            current: Mutex::default(),
            address: watch::Sender::new(None),
        };
        servers.begin()?;
        let made = servers
            .command()
            .args(["key", "create", "--name", "ledger", "--scope", "execute,author,admin"])
            .output()?;
        ensure!(made.status.success(), "no key: {}", String::from_utf8_lossy(&made.stderr));
        servers.key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let limit = i64::MAX.to_string();
        let budget = json!({"scope": "organization", "period": "total", "unit": "tokens", "limit": limit});
        Client::new(servers.watch(), servers.key.clone()).post("/budgets", &budget).await.context("no budget")?;
        Ok(servers)
    }

    /// Where the server is at any moment.
    pub fn watch(&self) -> watch::Receiver<Address> {
        self.address.subscribe()
    }

    /// A key with every scope.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Kills the server so often, evenly over the runs, and starts it again each time.
    pub async fn kill_at(&self, load: &Load, kills: u32, runs: u32) -> Result<()> {
        for kill in 1..=kills {
            let at = u64::from(runs) * u64::from(kill) / u64::from(kills + 1);
            while u64::from(load.ended()) < at && !load.is_over() {
                tokio::time::sleep(LOOK).await;
            }
            output::note(&format!("kill {kill} of {kills}"));
            // From here on no reply counts as one of a run that was left alone.
            self.address.send_replace(None);
            let child = self.current.lock().ok().and_then(|mut current| current.take());
            tokio::task::block_in_place(|| child.map_or(Ok(()), Child::kill).and_then(|()| self.begin()))?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.data.with_extension("log"));
        let mut command = self.command();
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--workers", "16", "--config"]);
        command.arg(self.data.with_extension("toml")).stderr(log?);
        let child =
            Child::spawn(&mut command).with_context(|| format!("see {}", self.data.with_extension("log").display()))?;
        let url = child.said("url")?.to_owned();
        if let Ok(mut current) = self.current.lock() {
            *current = Some(child);
        }
        self.address.send_replace(Some(url));
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        without_settings(&mut command)
            .env("NOUKAI_DATA", &self.data)
            .env("NOUKAI_FLOWS", self.data.with_extension("flows"))
            .env("NOUKAI_NODE_LEASE_SECONDS", "3");
        if let Some(url) = &self.database {
            command.env("NOUKAI_DATABASE", url);
        }
        command
    }
}

/// An empty folder for data, and beside it the flow and the configuration.
fn prepare(scratch: &Path, model: &str) -> Result<PathBuf> {
    if scratch.exists() {
        fs::remove_dir_all(scratch).with_context(|| format!("cannot clear {}", scratch.display()))?;
    }
    let data = scratch.join("data");
    let flows = data.with_extension("flows");
    for folder in [&data, &flows] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(flows.join("work.flow.yaml"), FLOW)?;
    let provider = |name: &str, path: &str| {
        format!("[providers.{name}]\nbase_url = \"{model}/{path}/v1\"\napi_key = \"k\"\nbreaker_failures = 0\n")
    };
    let limits = "[limits]\nconcurrent_runs = 10000\nqueued_jobs = 1000000\n";
    let code = "[code]\nenabled = false\n";
    let text =
        [&provider("openai", "listed"), &provider("backup", "other"), limits, code].map(AsRef::<str>::as_ref).concat();
    fs::write(data.with_extension("toml"), text)?;
    Ok(data)
}
