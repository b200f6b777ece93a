//! One worker process as its pool sees it: started with nothing, asked one thing at a time, never believed.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time;

use crate::manners;
use crate::settings::Settings;
use crate::wire::{self, PREFIX, REPLY_HEAD_MAX, Reply, Right};

/// How long a worker may take to give its rights up.
const START: Duration = Duration::from_secs(20);

/// How long a worker whose pipe is closed may take to be gone.
const END: Duration = Duration::from_millis(100);

/// Bytes that are read at once where the length of an answer is not known yet.
const READ: usize = 4 << 10;

/// Most bytes that are read at once.
const READ_MOST: usize = 64 << 10;

/// Requests that one worker answers.
const REQUESTS: u32 = 20_000;

/// A worker that waits for a request.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    requests: u32,
    /// It has had a long call, and is nicer to others than one that has not.
    demoted: bool,
    received: Vec<u8>,
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
        let received = Vec::new();
        let mut process = Self { child, input, output, requests: 0, demoted: false, received, rested, rights, numbers };
        match time::timeout(START, process.receive(0, 0)).await {
            Ok(Ok((Reply::Ready(rights), _))) => Ok(Self { rights, ..process }),
            other => Err(format!("a worker did not get ready: {other:?}")),
        }
    }

    /// Sends a request and waits for its answer, whose body has at most `body` bytes, for at most `wall`. A long call
    /// gives way to what `others` do: see [`manners::give_way`].
    pub async fn ask(
        &mut self,
        request: &mut [u8],
        body: u64,
        wall: Duration,
        others: impl Fn() -> Duration,
    ) -> Result<Answer, Lost> {
        self.requests += 1;
        let answer = self.ask_within(request, body, wall, others).await;
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

    async fn ask_within(
        &mut self,
        request: &mut [u8],
        body: u64,
        wall: Duration,
        others: impl Fn() -> Duration,
    ) -> Result<Answer, Lost> {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let (answer, long) = {
            let exchange = time::timeout(wall, self.exchange(request, body));
            tokio::pin!(exchange);
            tokio::select! {
                biased;
                answer = &mut exchange => (answer, false),
                () = manners::until_long(pid) => tokio::select! {
                    biased;
                    answer = exchange => (answer, true),
                    never = manners::give_way(pid, others) => match never {},
                },
            }
        };
        self.demoted |= long;
        answer.unwrap_or(Err(Lost::Late))
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

    /// One frame, and nothing after it. What is short comes with one read.
    async fn receive(&mut self, number: u64, most: u64) -> Result<Answer, Lost> {
        self.received.clear();
        while self.received.len() < PREFIX {
            self.receive_more(READ).await?;
        }
        let prefix = self.received.first_chunk().copied().unwrap_or_default();
        let wire::Prefix { head, body, number: answered } = wire::Prefix::read(prefix);
        if head > REPLY_HEAD_MAX || body as u64 > most || answered != number {
            return Err(Lost::Garbage);
        }
        let length = PREFIX + head + body;
        while self.received.len() < length {
            self.receive_more(length - self.received.len()).await?;
        }
        if self.received.len() > length {
            return Err(Lost::Garbage);
        }
        let reply = self.received.get(PREFIX..PREFIX + head).and_then(|head| postcard::from_bytes(head).ok());
        let body = self.received.split_off(PREFIX + head);
        self.received.shrink_to(READ);
        Ok((reply.ok_or(Lost::Garbage)?, body))
    }

    /// Some bytes, at most so many.
    async fn receive_more(&mut self, most: usize) -> Result<(), Lost> {
        self.received.reserve(most.min(READ_MOST));
        let read = (&mut self.output).take(most as u64).read_buf(&mut self.received).await.map_err(gone)?;
        if read == 0 { Err(Lost::Gone(None)) } else { Ok(()) }
    }
}

fn gone(_: io::Error) -> Lost {
    Lost::Gone(None)
}
