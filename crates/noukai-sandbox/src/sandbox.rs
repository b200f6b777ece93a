//! The code port over the pool of workers.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use noukai_engine::{Code, CodeCall, CodeError, CodeErrorKind, CodeProblem, CodeReply, CodeSource};
use uuid::Uuid;

use crate::pool::{Pool, unavailable};
use crate::process::{Answer, Lost, Process};
use crate::reply;
use crate::report::CageReport;
use crate::settings::Settings;
use crate::wire::{self, Bounds, Reply, Request, Source};

/// What a worker may take longer than a call to say that the call's time is up.
const GRACE: Duration = Duration::from_millis(250);

/// Most bytes of printed text that an answer has room for.
const PRINTED: u64 = 256 << 10;

/// How long finding the faults of a source may take.
const CHECK: Duration = Duration::from_secs(10);

/// Code blocks in caged workers. Cheap to clone; the workers end with the last clone.
#[derive(Clone)]
pub struct Sandbox {
    pool: Arc<Pool>,
    report: Arc<OnceLock<CageReport>>,
}

impl Sandbox {
    /// Starts nothing yet: the first worker comes with the first block that is checked or run.
    pub fn new(settings: Settings) -> Self {
        Self { pool: Pool::new(settings), report: Arc::default() }
    }

    /// What of the cage is in force on this machine. Starts a worker if none has been started yet.
    ///
    /// # Errors
    ///
    /// [`CodeErrorKind::Unavailable`] where no worker can be started.
    pub async fn report(&self) -> Result<CageReport, CodeError> {
        if let Some(report) = self.report.get() {
            return Ok(report.clone());
        }
        let mut lease = self.pool.lease(Uuid::nil()).await?;
        let worker = self.worker(lease.take()).await?;
        let report = CageReport::new(&worker.rights);
        lease.give_back(worker);
        Ok(report)
    }

    /// The worker at hand, or a new one.
    async fn worker(&self, at_hand: Option<Process>) -> Result<Process, CodeError> {
        if let Some(worker) = at_hand {
            return Ok(worker);
        }
        let worker = Process::start(&self.pool.settings).await.map_err(unavailable)?;
        self.report.get_or_init(|| {
            let report = CageReport::new(&worker.rights);
            if report.is_whole() {
                tracing::info!(cage = %report, "code blocks are caged");
            } else {
                tracing::warn!(cage = %report, "the cage of code blocks is not whole on this machine");
            }
            report
        });
        Ok(worker)
    }

    /// One request to one worker; what the answer may hold is bounded, its truth is not known. Without a project, the
    /// worker is used for this request alone.
    async fn ask(
        &self,
        tenant: Option<Uuid>,
        request: &mut [u8],
        body: u64,
        wall: Duration,
    ) -> Result<Asked, CodeError> {
        let payer = tenant.unwrap_or_default();
        let mut lease = self.pool.lease(payer).await?;
        let mut worker = self.worker(lease.take()).await?;
        let start = Instant::now();
        let answer = worker.ask(request, body, wall, || self.pool.others(payer)).await;
        let took = start.elapsed();
        if answer.is_ok() && tenant.is_some() {
            lease.give_back(worker);
        }
        Ok(Asked { answer, took })
    }

    fn bounds(&self, timeout: Duration) -> Bounds {
        let settings = &self.pool.settings;
        Bounds {
            wall: timeout.min(settings.wall),
            memory: settings.memory,
            output: settings.output,
            depth: settings.depth,
            values: settings.values,
            printed: settings.printed.min(PRINTED),
        }
    }

    fn fits(&self, source: &CodeSource) -> Result<(), String> {
        let most = self.pool.settings.source;
        if source.body.len() > most {
            return Err(format!("the source has {} bytes; at most {most} are allowed", source.body.len()));
        }
        Ok(())
    }
}

struct Asked {
    answer: Result<Answer, Lost>,
    took: Duration,
}

#[async_trait]
impl Code for Sandbox {
    async fn check(&self, source: &CodeSource) -> Result<Vec<CodeProblem>, CodeError> {
        if let Err(message) = self.fits(source) {
            return Ok(vec![CodeProblem { line: 1, column: 1, message }]);
        }
        let mut request = frame(&Request::Check(wire_source(source)), |_| Ok(()))?;
        let asked = self.ask(None, &mut request, 0, CHECK).await?;
        match asked.answer {
            Ok((Reply::Problems(problems), _)) => Ok(reply::problems(problems, lines(source))),
            Ok(_) => Err(reply::lost(&Lost::Garbage, CHECK, 0)),
            Err(Lost::Gone(_)) => Ok(vec![unparsable()]),
            Err(lost) => Err(reply::lost(&lost, CHECK, 0)),
        }
    }

    async fn call(&self, call: &CodeCall) -> Result<CodeReply, CodeError> {
        self.fits(&call.source).map_err(|message| CodeError::new(CodeErrorKind::Error, message))?;
        let settings = &self.pool.settings;
        let bounds = self.bounds(call.timeout);
        let values: Vec<_> = std::iter::once(&call.initial).chain(&call.arguments).map(|value| &**value).collect();
        let request = Request::Call(wire_source(&call.source), bounds);
        let mut request = frame(&request, |bytes| serde_json::to_writer(bytes, &values))?;
        let asked = self.ask(Some(call.tenant), &mut request, bounds.output, bounds.wall + GRACE).await?;
        match asked.answer {
            Ok((Reply::Output(printed), json)) => {
                let (printed, printed_truncated) = reply::printed(printed, settings);
                let output = reply::output(&json, settings).map_err(|error| CodeError {
                    printed: printed.clone(),
                    printed_truncated,
                    ..error
                })?;
                Ok(CodeReply { output, printed, printed_truncated, duration: asked.took })
            }
            Ok((Reply::Failed(failure), _)) => Err(reply::failure(failure, lines(&call.source), settings)),
            Ok(_) => Err(reply::lost(&Lost::Garbage, bounds.wall, bounds.memory)),
            Err(lost) => Err(reply::lost(&lost, bounds.wall, bounds.memory)),
        }
    }
}

fn wire_source(source: &CodeSource) -> Source<'_> {
    Source {
        tongue: source.language.into(),
        parameters: source.parameters.iter().map(String::as_str).collect(),
        body: &source.body,
    }
}

fn frame(
    request: &Request<'_>,
    body: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> Result<Vec<u8>, CodeError> {
    wire::frame(request, body)
        .map_err(|error| CodeError::new(CodeErrorKind::Error, format!("the arguments: {}", error.0)))
}

fn lines(source: &CodeSource) -> u32 {
    u32::try_from(source.body.lines().count()).unwrap_or(u32::MAX).max(1)
}

/// The fault of a source that takes a worker's stack or memory to parse.
fn unparsable() -> CodeProblem {
    let message = "the source cannot be parsed: it is nested too deeply, or needs too much memory".to_owned();
    CodeProblem { line: 1, column: 1, message }
}
