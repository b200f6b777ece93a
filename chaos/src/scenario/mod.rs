//! The scenarios, a file each: what is done to the server, and which cases that makes.

pub mod failpoint;
pub mod kill;
pub mod model;
pub mod postgres;
pub mod recovery;
pub mod store;
pub mod stream;

use std::sync::Arc;

use anyhow::Result;
use futures::future::BoxFuture;

use crate::case::{Case, Errands, Verdict};
use crate::check::{self, Allowed};
use crate::choices::Choices;
use crate::errand::{Cut, Errand, Wish};
use crate::setup::{Setup, Store};
use crate::shape::Shape;

/// Jobs come to their end all the same; a run whose caller waits may fail.
const PASSING: Allowed = Allowed { failures: false, ..Allowed::FAULTS };
/// Clients that set out at a time.
const ERRANDS: u32 = 8;

/// Every case of every scenario.
pub fn all(kills: u32, store: Store) -> Vec<Planned> {
    let faults = match store {
        Store::Sqlite => store::cases(),
        Store::Postgres => postgres::cases(),
    };
    let all = [kill::cases(kills), failpoint::cases(), stream::cases(), faults, model::cases(), recovery::cases()];
    all.into_iter().flatten().collect()
}

/// Some clients set out.
fn set_out(case: &Arc<Case>, errands: &mut Errands, part: &str) {
    let mut choices = case.choices(part);
    for number in 0..ERRANDS {
        let errand = any_errand(&mut choices, format!("{part}{number}"));
        case.send(errands, errand);
    }
}

/// One case, ready to be run.
pub struct Planned {
    /// Its name: the scenario, a colon, and which one of it.
    pub name: String,
    /// Whether nothing else may run meanwhile.
    pub alone: bool,
    /// Runs it.
    pub run: Box<dyn FnOnce(Arc<Setup>) -> BoxFuture<'static, Verdict> + Send>,
}

impl Planned {
    /// A case that `work` runs; the model takes up to `latency` milliseconds.
    pub fn new<F, W>(name: String, allowed: Allowed, latency: u32, work: W) -> Self
    where
        F: Future<Output = Result<()>> + Send,
        W: FnOnce(Arc<Case>) -> F + Send + 'static,
        F: 'static,
    {
        let title = name.clone();
        Self { name, alone: false, run: Box::new(move |setup| Box::pin(run(setup, title, (allowed, latency), work))) }
    }
}

impl Planned {
    /// A case during which nothing else may run.
    pub fn alone<F, W>(name: String, allowed: Allowed, latency: u32, work: W) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
        W: FnOnce(Arc<Case>) -> F + Send + 'static,
    {
        Self { alone: true, ..Self::new(name, allowed, latency, work) }
    }
}

/// Runs a case and checks what came of it. What keeps it from being checked is a violation too.
async fn run<F, W>(setup: Arc<Setup>, name: String, (allowed, latency): (Allowed, u32), work: W) -> Verdict
where
    F: Future<Output = Result<()>> + Send,
    W: FnOnce(Arc<Case>) -> F + Send,
{
    let case = match Case::new(&setup, &name, latency).await {
        Ok(case) => case,
        Err(error) => return Verdict::impossible(name, &error),
    };
    let worked = work(case.clone()).await;
    let checked = match worked {
        Ok(()) => check::check(&case, allowed).await,
        Err(error) => Err(error),
    };
    if let Err(error) = checked {
        case.violation(format!("{error:#}"));
    }
    if let Err(error) = case.site.kill() {
        case.violation(format!("{error:#}"));
    }
    case.verdict()
}

/// An errand of any kind.
fn any_errand(choices: &mut Choices, marker: String) -> Errand {
    let plain = [Shape::Chain, Shape::Fan, Shape::Each(3)];
    let shape = *choices.one_of(&plain);
    let (shape, wish) = match choices.below(100) {
        0..15 => (shape, Wish::Execute { keyed: false }),
        15..25 => (shape, Wish::Execute { keyed: true }),
        25..50 => (shape, Wish::Job { keyed: false, cut: Cut::Percent(15) }),
        50..60 => (shape, Wish::Job { keyed: true, cut: Cut::Percent(15) }),
        60..67 => (shape, Wish::Cancelled { after: choices.below(30) }),
        67..79 => (Shape::Chain, Wish::Step { keyed: choices.percent(50) }),
        79..87 => (Shape::Chain, Wish::Remaining { deltas: choices.percent(30) }),
        _ => (Shape::Tools, Wish::Tools),
    };
    Errand { marker, shape, wish }
}
