//! The model: the chat completions of an OpenAI-compatible API, in the harness's own process, so that what it counts
//! survives every kill.
//!
//! Owns the list of calls and the faults that are planned. Which run and step calls is read off markers in the prompt.

mod answer;
mod prompt;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::choices::Choices;
pub use answer::Fault;

/// One call of the model, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// From 1, over all calls of the case.
    pub number: u64,
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// The iteration of a loop, or how many tool results the caller had sent; empty elsewhere.
    pub item: String,
    /// The process that asked.
    pub process: u32,
    /// Whether that process was gone by then: it asked with its last breath.
    pub stale: bool,
    /// Whether it was answered badly, as planned.
    pub faulted: bool,
}

/// The processes that ask: each has a number, and the model an address for each.
pub struct Processes {
    base: String,
    begun: AtomicU32,
    gone: Mutex<BTreeSet<u32>>,
}

impl Processes {
    /// The number of a new process, and what it takes as its provider.
    pub fn begin(&self) -> (u32, String) {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        (number, format!("{}/{number}/v1", self.base))
    }

    /// It is gone.
    pub fn end(&self, number: u32) {
        self.gone.lock().insert(number);
    }
}

/// The model of one case. Ends when dropped.
pub struct Mock {
    /// Who asks it.
    pub processes: Arc<Processes>,
    state: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    seed: u64,
    /// Most milliseconds that an answer takes.
    latency: u32,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<HashMap<(String, String), VecDeque<Fault>>>,
    processes: Arc<Processes>,
    arrived: watch::Sender<u64>,
}

impl Mock {
    /// A model whose answers take up to `latency` milliseconds, each as `seed` says.
    pub async fn start(seed: u64, latency: u32) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind a port for the model")?;
        let base = format!("http://{}", listener.local_addr()?);
        let processes = Arc::new(Processes { base, begun: AtomicU32::new(0), gone: Mutex::default() });
        let state = Arc::new(Inner {
            seed,
            latency,
            calls: Mutex::default(),
            faults: Mutex::default(),
            processes: processes.clone(),
            arrived: watch::Sender::new(0),
        });
        let router = Router::new().route("/{process}/v1/chat/completions", post(complete)).with_state(state.clone());
        let task = tokio::spawn(async move {
            // Ends with the task only.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { processes, state, task })
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().clone()
    }

    /// How many calls there were so far.
    pub fn count(&self) -> u64 {
        *self.state.arrived.borrow()
    }

    /// Waits for the call of that number.
    pub async fn reached(&self, number: u64) {
        // Never ends early: the sender is ours.
        let _ = self.state.arrived.subscribe().wait_for(|count| *count >= number).await;
    }

    /// The next calls of that run and step go wrong.
    pub fn plan(&self, run: &str, step: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut planned = self.state.faults.lock();
        planned.entry((run.to_owned(), step.to_owned())).or_default().extend(faults);
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn complete(State(inner): State<Arc<Inner>>, Path(process): Path<u32>, body: Bytes) -> Response {
    let Some(asked) = prompt::Asked::read(&body) else { return answer::refusal("no markers in the prompt") };
    let fault = inner.take_fault(&asked);
    inner.note(&asked, process, fault.is_some());
    let name = format!("latency {} {} {}", asked.run, asked.step, asked.item);
    let wait = Choices::of(inner.seed, &name).below(inner.latency + 1);
    tokio::time::sleep(Duration::from_millis(u64::from(wait))).await;
    match fault {
        Some(fault) => fault.answer(&asked).await,
        None => answer::good(&asked),
    }
}

impl Inner {
    fn take_fault(&self, asked: &prompt::Asked) -> Option<Fault> {
        let mut faults = self.faults.lock();
        faults.get_mut(&(asked.run.clone(), asked.step.clone()))?.pop_front()
    }

    fn note(&self, asked: &prompt::Asked, process: u32, faulted: bool) {
        let mut calls = self.calls.lock();
        let number = calls.len() as u64 + 1;
        calls.push(Call {
            number,
            run: asked.run.clone(),
            step: asked.step.clone(),
            item: asked.item.clone(),
            process,
            stale: self.processes.gone.lock().contains(&process),
            faulted,
        });
        self.arrived.send_replace(number);
    }
}
