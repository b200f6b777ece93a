//! One worker process as its pool sees it: started with nothing, asked one thing at a time, never believed.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time;

use crate::settings::Settings;
use crate::wire::{self, PREFIX, REPLY_HEAD_MAX, Reply, Right};

/// How long a worker may take to give its rights up.
const START: Duration = Duration::from_secs(20);

/// A call that has the processor for longer loses its claim on it to everyone else.
const SHORT: Duration = Duration::from_millis(20);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long a worker whose pipe is closed may take to be gone.
const END: Duration = Duration::from_millis(100);

/// How nice a worker with a long call is to others.
const NICE: i32 = 19;

/// Requests that one worker answers.
const REQUESTS: u32 = 20_000;

/// A worker that waits for a request.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    requests: u32,
    demoted: bool,
    /// When it answered last.
    pub rested: Instant,
    /// What it said of its cage.
    pub rights: Vec<Right>,
    /// Numbers for its requests, which it cannot foresee.
    numbers: RandomState,
}

/// An answer: the head, and the body that belongs to it.
pub type Answer = (Reply, Vec<u8>);

/// Why a worker did not answer. It is of no more use.
#[derive(Debug)]
pub enum Lost {
    /// It did not answer in time.
    Late,
    /// It is gone.
    Gone(Option<ExitStatus>),
    /// It sent something that is no answer.
    Garbage,
}

impl Process {
    /// Starts one and waits until it is caged.
    ///
    /// # Errors
    ///
    /// When the program does not start or is no worker. A program that was itself started as one but is none starts
    /// nothing: it would go on starting itself.
    pub async fn start(settings: &Settings) -> Result<Self, String> {
        if crate::is_worker() {
            return Err("this program was started as a worker and is none".to_owned());
        }
        let mut child = Command::new(&settings.program)
            .args(&settings.arguments)
            .arg(settings.memory.to_string())
            .env_clear()
            // The allocator would claim a gigabyte ahead, which a limit on memory cannot tell from memory in use.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("a worker cannot be started: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a worker has no pipes".to_owned());
        };
        let (rights, rested) = (Vec::new(), Instant::now());
        let numbers = RandomState::new();
        let mut process = Self { child, input, output, requests: 0, demoted: false, rested, rights, numbers };
        match time::timeout(START, process.receive(0, 0)).await {
            Ok(Ok((Reply::Ready(rights), _))) => Ok(Self { rights, ..process }),
            other => Err(format!("a worker did not get ready: {other:?}")),
        }
    }

    /// Sends a request and waits for its answer, whose body has at most `body` bytes, for at most `wall`.
    pub async fn ask(&mut self, request: &mut [u8], body: u64, wall: Duration) -> Result<Answer, Lost> {
        self.requests += 1;
        let answer = self.ask_within(request, body, wall).await;
        self.rested = Instant::now();
        match answer {
            // That is what a new worker says, and no answer to anything.
            Ok((Reply::Ready(_), _)) => Err(Lost::Garbage),
            Err(Lost::Gone(None)) => {
                Err(Lost::Gone(time::timeout(END, self.child.wait()).await.ok().and_then(Result::ok)))
            }
            other => other,
        }
    }

    async fn ask_within(&mut self, request: &mut [u8], body: u64, wall: Duration) -> Result<Answer, Lost> {
        let pid = self.child.id();
        let mut demoted = false;
        let end = Instant::now() + wall;
        let answer = {
            let exchange = self.exchange(request, body);
            tokio::pin!(exchange);
            let mut before = None;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                let step = if demoted { left } else { left.min(LOOK) };
                match time::timeout(step, &mut exchange).await {
                    Ok(answer) => break answer,
                    Err(_) if step == left => break Err(Lost::Late),
                    Err(_) => {}
                }
                // Only time on the processor counts: on a busy machine a short call may wait for it long.
                let now = pid.and_then(processor_time);
                let before = *before.get_or_insert(now);
                if now.zip(before).is_none_or(|(now, before)| now.saturating_sub(before) >= SHORT) {
                    demote(pid);
                    demoted = true;
                }
            }
        };
        self.demoted |= demoted;
        answer
    }

    /// Whether it may be asked again.
    pub const fn is_fresh(&self) -> bool {
        !self.demoted && self.requests < REQUESTS
    }

    /// Whether it still runs: the system may have ended it while it rested.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    async fn exchange(&mut self, request: &mut [u8], body: u64) -> Result<Answer, Lost> {
        let number = self.numbers.hash_one(self.requests);
        wire::number(request, number);
        self.input.write_all(request).await.map_err(|_| Lost::Gone(None))?;
        self.receive(number, body).await
    }

    async fn receive(&mut self, number: u64, most: u64) -> Result<Answer, Lost> {
        let mut prefix = [0; PREFIX];
        self.output.read_exact(&mut prefix).await.map_err(gone)?;
        let wire::Prefix { head, body, number: answered } = wire::Prefix::read(prefix);
        if head > REPLY_HEAD_MAX || body as u64 > most || answered != number {
            return Err(Lost::Garbage);
        }
        let mut bytes = Vec::new();
        (&mut self.output).take((head + body) as u64).read_to_end(&mut bytes).await.map_err(gone)?;
        if bytes.len() < head + body {
            return Err(Lost::Gone(None));
        }
        let body = bytes.split_off(head);
        let reply = postcard::from_bytes(&bytes).map_err(|_| Lost::Garbage)?;
        Ok((reply, body))
    }
}

fn gone(_: io::Error) -> Lost {
    Lost::Gone(None)
}

/// How long a process has had the processor.
fn processor_time(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Lets everyone else on the processor first. Failing that, the limit of time still holds.
fn demote(pid: Option<u32>) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = rustix::process::setpriority_process(Some(pid), NICE)
    {
        tracing::debug!(%error, "a worker with a long call keeps its priority");
    }
}
