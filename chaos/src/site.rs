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

use crate::choices::Choices;
use crate::mock::Processes;
use crate::setup::{Data, Setup};

/// How long a process may take to die of a failpoint that a request has reached.
const DEATH_WITHIN: Duration = Duration::from_secs(90);
/// Lines of the log that are shown where something is wrong.
const LAST_WORDS: usize = 20;
/// How long the others take a dead one to live: as short as it may be.
pub const LEASE: Duration = Duration::from_secs(3);

/// Where the processes of a case say what they do.
pub fn log_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers and runs jobs.
    Serve,
    /// Answers only.
    Answer,
    /// Runs jobs only.
    Work,
}

/// One process.
struct Node {
    number: u32,
    role: Role,
    url: Option<String>,
    child: Child,
}

/// The processes of one case.
pub struct Site {
    setup: Arc<Setup>,
    /// Its data.
    pub data: Data,
    /// Its folder.
    pub folder: PathBuf,
    processes: Arc<Processes>,
    nodes: Mutex<Vec<Node>>,
    urls: watch::Sender<Vec<String>>,
    failpoint: Mutex<Option<String>>,
}

impl Site {
    /// A site with data of its own, not started.
    pub fn new(setup: Arc<Setup>, name: &str, processes: Arc<Processes>) -> Result<Self> {
        let folder = setup.scratch.join(name.replace(':', "-"));
        let data = setup.fresh_data(name, &folder)?;
        Ok(Self {
            setup,
            data,
            folder,
            processes,
            nodes: Mutex::default(),
            urls: watch::Sender::new(Vec::new()),
            failpoint: Mutex::default(),
        })
    }

    /// Whether several processes share the work.
    pub fn is_shared(&self) -> bool {
        matches!(self.data, Data::Database { .. })
    }

    /// The first process that starts from now on has this failpoint; the one before is given back.
    pub fn set_failpoint(&self, failpoint: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.failpoint.lock(), failpoint)
    }

    /// Where it answers; empty while it is down.
    pub fn urls(&self) -> watch::Receiver<Vec<String>> {
        self.urls.subscribe()
    }

    /// Starts it and waits until it answers. Where a failpoint is set, the one process that has it does all the work, so
    /// that it gets there; the others look on, and take over once it is dead.
    pub async fn start(&self) -> Result<()> {
        let roles: &[Role] = match (self.is_shared(), self.failpoint.lock().is_some()) {
            (false, _) => &[Role::Serve],
            (true, true) => &[Role::Serve, Role::Answer],
            (true, false) => &[Role::Serve, Role::Serve, Role::Work],
        };
        for role in roles {
            self.start_as(*role).await?;
        }
        Ok(())
    }

    /// Starts one process.
    pub async fn start_as(&self, role: Role) -> Result<()> {
        let (number, mut command) = self.command(role)?;
        let child = tokio::task::spawn_blocking(move || Child::spawn(&mut command)).await?;
        let child = child.inspect_err(|_| self.processes.end(number))?;
        let url = if role == Role::Work { None } else { Some(child.said("url")?.to_owned()) };
        self.nodes.lock().push(Node { number, role, url, child });
        self.tell_urls();
        Ok(())
    }

    /// Starts what is to go on after a process has died of its failpoint.
    pub async fn rise(&self) -> Result<()> {
        let _ = self.set_failpoint(None);
        let answers = self.nodes.lock().iter().any(|node| node.role != Role::Work);
        self.start_as(if answers { Role::Work } else { Role::Serve }).await
    }

    /// Starts a process and kills it after `life`, whether it answers by then or not.
    pub async fn start_and_kill(&self, life: Duration) -> Result<()> {
        let (number, mut command) = self.command(Role::Serve)?;
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        tokio::time::sleep(life).await;
        process.kill().context("cannot kill the server")?;
        process.wait().context("cannot wait for the server")?;
        self.processes.end(number);
        Ok(())
    }

    /// Kills one of several processes, now and then all; what they did.
    pub fn strike(&self, choices: &mut Choices) -> Result<Vec<Role>> {
        let count = self.nodes.lock().len();
        if count <= 1 || choices.percent(15) {
            let roles = self.nodes.lock().iter().map(|node| node.role).collect();
            self.kill()?;
            return Ok(roles);
        }
        let index = choices.below(u32::try_from(count).unwrap_or(u32::MAX)) as usize;
        let node = self.nodes.lock().remove(index);
        self.tell_urls();
        node.child.kill()?;
        self.processes.end(node.number);
        Ok(vec![node.role])
    }

    /// Kills all of it as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        let nodes = std::mem::take(&mut *self.nodes.lock());
        self.tell_urls();
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

    /// Waits until a process has ended by itself.
    pub async fn ended(&self) -> Result<()> {
        let until = Instant::now() + DEATH_WITHIN;
        while Instant::now() < until {
            if self.bury()? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("the server did not end within {DEATH_WITHIN:?}")
    }

    /// Waits until all processes have ended by themselves.
    pub async fn all_ended(&self) -> Result<()> {
        while !self.nodes.lock().is_empty() {
            self.ended().await?;
        }
        Ok(())
    }

    /// Takes away the processes that have ended by themselves; whether there were any.
    fn bury(&self) -> Result<bool> {
        let mut ended = Vec::new();
        let mut nodes = self.nodes.lock();
        for (index, node) in nodes.iter_mut().enumerate() {
            if node.child.ended()?.is_some() {
                ended.push(index);
            }
        }
        for index in ended.iter().rev() {
            self.processes.end(nodes.remove(*index).number);
        }
        drop(nodes);
        self.tell_urls();
        Ok(!ended.is_empty())
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
        std::fs::read_to_string(log_of(&self.folder)).unwrap_or_default()
    }

    /// The last of it.
    pub fn last_words(&self) -> Vec<String> {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Where a failpoint is set, the process that has it is the only one that clients know while it lives.
    fn tell_urls(&self) {
        let nodes = self.nodes.lock();
        let mut urls: Vec<String> = nodes.iter().filter_map(|node| node.url.clone()).collect();
        if self.failpoint.lock().is_some() {
            urls.truncate(1);
        }
        self.urls.send_if_modified(|before| std::mem::replace(before, urls.clone()) != urls);
    }

    /// Through a shell that ignores the signal of a file that is too large, so that the server sees an error in its
    /// place, as from a full disk.
    fn command(&self, role: Role) -> Result<(u32, Command)> {
        let log =
            File::options().create(true).append(true).open(log_of(&self.folder)).context("cannot make the log")?;
        let (number, provider) = self.processes.begin();
        let mut command = Command::new("sh");
        without_settings(&mut command);
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.setup.binary);
        match role {
            Role::Serve => command.args(["serve", "--json", "--listen", "127.0.0.1:0"]),
            Role::Answer => command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--workers", "0"]),
            Role::Work => command.args(["worker", "--json"]),
        };
        self.setup.on(&mut command, &self.data);
        command.env("NOUKAI_PROVIDER_BASE_URL", provider).env("NOUKAI_PROVIDER_API_KEY", "chaos");
        command.env("NOUKAI_NODE_LEASE_SECONDS", LEASE.as_secs().to_string()).stderr(log);
        if let Some(failpoint) = self.failpoint.lock().as_ref().filter(|_| role == Role::Serve) {
            command.env("NOUKAI_FAILPOINT", failpoint).env("NOUKAI_SHUTDOWN_SECONDS", "0");
            if failpoint.starts_with("create_flow.") {
                // A project without flows: those that are there already are not made again.
                command.env("NOUKAI_PROJECT", "fresh").arg("--flows").arg(&self.setup.flows);
            }
        }
        Ok((number, command))
    }
}
