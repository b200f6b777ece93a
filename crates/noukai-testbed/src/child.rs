//! Child processes that say with a line of JSON when they are ready, and never outlive their owner.

use std::io::{BufRead, BufReader};
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

/// A running child. Ended when dropped, on every way out.
pub struct Child {
    process: Process,
    /// What it said when it was ready.
    pub ready: Value,
    /// From the spawn to that line.
    pub took: Duration,
}

impl Child {
    /// This executable in another role.
    pub fn of_role(arguments: &[&str]) -> Result<Self> {
        let executable = std::env::current_exe().context("cannot find this executable")?;
        Self::spawn(Command::new(executable).args(arguments))
    }

    /// Spawns and waits for the ready line, the first on stdout.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let start = Instant::now();
        // stdin stays open, unused, in `process`: its end tells the child that its parent is gone.
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = process.stdout.take();
        let mut child = Self { process, ready: Value::Null, took: Duration::ZERO };
        let line = first_line(stdout.context("no stdout")?).with_context(|| format!("{name} did not get ready"))?;
        child.took = start.elapsed();
        child.ready = serde_json::from_str(&line).with_context(|| format!("{name} said {line:?}, not JSON"))?;
        Ok(child)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A text from the ready line.
    pub fn said(&self, key: &str) -> Result<&str> {
        self.ready[key].as_str().ok_or_else(|| anyhow!("the ready line has no `{key}`: {}", self.ready))
    }

    /// Asks it to end, as an operator would, without waiting.
    pub fn terminate(&self) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("not a process id")?;
        kill_process(pid, Signal::TERM).context("cannot signal the child")
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()?;
        let deadline = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < deadline {
            if self.ended()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("the child did not stop within {STOPPED_WITHIN:?} of a SIGTERM")
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill().context("cannot kill the child")?;
        self.process.wait().context("cannot wait for the child")?;
        Ok(())
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait().context("cannot look at the child")
    }
}

/// Takes away what the environment says to noukai, so that a run here is the same everywhere.
pub fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NOUKAI_")) {
        command.env_remove(name);
    }
    command
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first line; a thread goes on reading so that the child never blocks on a full pipe.
fn first_line(stdout: ChildStdout) -> Result<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        if let Some(Ok(line)) = lines.next() {
            let _ = sender.send(line);
        }
        lines.take_while(Result::is_ok).for_each(drop);
    });
    receiver.recv_timeout(READY_WITHIN).context("it ended, or said nothing in time")
}
