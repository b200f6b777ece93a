//! The server under test: its processes, started, killed and started again, and where they answer at the moment.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use noukai_testbed::{Child, without_settings};
use parking_lot::Mutex;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::mock::Processes;
use crate::setup::Setup;

/// How long a process may take to die of a failpoint that a request has reached.
const DEATH_WITHIN: Duration = Duration::from_secs(20);

/// Where the processes of a data directory say what they do.
pub fn log_of(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

/// One process.
struct Node {
    number: u32,
    child: Child,
}

/// The processes of one case.
pub struct Site {
    setup: Arc<Setup>,
    /// Its data directory.
    pub data: PathBuf,
    processes: Arc<Processes>,
    nodes: Mutex<Vec<Node>>,
    urls: watch::Sender<Vec<String>>,
    failpoint: Mutex<Option<String>>,
}

impl Site {
    /// A site with data of its own, not started.
    pub fn new(setup: Arc<Setup>, name: &str, processes: Arc<Processes>) -> Result<Self> {
        let data = setup.fresh_data(name)?;
        Ok(Self {
            setup,
            data,
            processes,
            nodes: Mutex::default(),
            urls: watch::Sender::new(Vec::new()),
            failpoint: Mutex::default(),
        })
    }

    /// The processes that start from now on have this failpoint; the one before is given back.
    pub fn set_failpoint(&self, failpoint: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.failpoint.lock(), failpoint)
    }

    /// Where it answers; empty while it is down.
    pub fn urls(&self) -> watch::Receiver<Vec<String>> {
        self.urls.subscribe()
    }

    /// Starts it and waits until it answers.
    pub async fn start(&self) -> Result<()> {
        let (number, mut command) = self.command()?;
        let child = tokio::task::spawn_blocking(move || Child::spawn(&mut command)).await?;
        let child = child.inspect_err(|_| self.processes.end(number))?;
        let url = child.said("url")?.to_owned();
        self.nodes.lock().push(Node { number, child });
        self.urls.send_replace(vec![url]);
        Ok(())
    }

    /// Starts it and kills it after `life`, whether it answers by then or not.
    pub async fn start_and_kill(&self, life: Duration) -> Result<()> {
        let (number, mut command) = self.command()?;
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        tokio::time::sleep(life).await;
        process.kill().context("cannot kill the server")?;
        process.wait().context("cannot wait for the server")?;
        self.processes.end(number);
        Ok(())
    }

    /// Kills all of it as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        self.urls.send_replace(Vec::new());
        let nodes = std::mem::take(&mut *self.nodes.lock());
        for node in nodes {
            node.child.kill()?;
            self.processes.end(node.number);
        }
        Ok(())
    }

    /// Asks it to end, without waiting.
    pub fn terminate(&self) -> Result<()> {
        self.nodes.lock().iter().try_for_each(|node| node.child.terminate())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> Result<bool> {
        let mut nodes = self.nodes.lock();
        for node in nodes.iter_mut() {
            if node.child.ended()?.is_some() {
                return Ok(true);
            }
        }
        Ok(nodes.is_empty())
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&self) -> Result<()> {
        let until = Instant::now() + DEATH_WITHIN;
        while Instant::now() < until {
            if self.has_ended()? {
                self.urls.send_replace(Vec::new());
                self.nodes.lock().drain(..).for_each(|node| self.processes.end(node.number));
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("the server did not end within {DEATH_WITHIN:?}")
    }

    /// Bounds the size of the files it writes, as a full disk would; `None` lifts the bound.
    pub fn bound_files(&self, bytes: Option<u64>) -> Result<()> {
        for node in self.nodes.lock().iter() {
            let pid = i32::try_from(node.child.pid()).ok().and_then(Pid::from_raw).context("not a process id")?;
            let limit = Rlimit { current: bytes, maximum: None };
            prlimit(Some(pid), Resource::Fsize, limit).context("cannot bound the server's files")?;
        }
        Ok(())
    }

    /// What the processes have said on stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        log_of(&self.data)
    }

    /// Through a shell that ignores the signal of a file that is too large, so that the server sees an error in its
    /// place, as from a full disk.
    fn command(&self) -> Result<(u32, Command)> {
        let log = File::options().create(true).append(true).open(self.log_file()).context("cannot make the log")?;
        let mut command = Command::new("sh");
        without_settings(&mut command);
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.setup.binary);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&self.data);
        let (number, provider) = self.processes.begin();
        command.env("NOUKAI_PROVIDER_BASE_URL", provider).env("NOUKAI_PROVIDER_API_KEY", "chaos");
        if let Some(failpoint) = &*self.failpoint.lock() {
            command.env("NOUKAI_FAILPOINT", failpoint).env("NOUKAI_SHUTDOWN_SECONDS", "0");
            if failpoint.starts_with("draft.") {
                command.arg("--flows").arg(&self.setup.flows);
            }
        }
        command.stderr(log);
        Ok((number, command))
    }
}
