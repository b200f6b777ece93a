//! Every write of the store in turn: the process ends before it or after it, or the write fails.
//!
//! Three scripts reach the writes: runs of every kind one after the other, a start that finds runs cut off, a stop that
//! finds runs under way. Each case is one place of one script; one that is never reached is a fault of the harness.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::Planned;
use crate::case::{Case, Errands};
use crate::check::Allowed;
use crate::errand::{Cut, Errand, Wish};
use crate::mock::Fault;
use crate::shape::Shape;

/// Most milliseconds that the model takes.
const LATENCY: u32 = 1;

/// What a process says at its failpoint.
const REACHED_LINE: &str = "reached";

/// What leads to the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Runs of every kind, one after the other.
    Runs,
    /// A start after a kill that cut runs off.
    Start,
    /// A stop that waits for nothing, while runs are under way.
    Stop,
}

/// How often each script comes to each write, at least.
const REACHED: &[(Script, &str, u32)] = &[
    (Script::Runs, "submit", 3),
    (Script::Runs, "claim", 3),
    (Script::Runs, "start", 2),
    // A quick run is created by the write of its first result.
    (Script::Runs, "create", 2),
    (Script::Runs, "result", 8),
    (Script::Runs, "boundary", 2),
    (Script::Runs, "pause", 2),
    (Script::Runs, "resume", 4),
    (Script::Runs, "finish", 6),
    (Script::Runs, "cancel", 1),
    (Script::Runs, "idempotency_begin", 3),
    (Script::Runs, "idempotency_finish", 2),
    (Script::Runs, "idempotency_abandon", 1),
    (Script::Start, "heartbeat", 1),
    (Script::Start, "prune_runs", 1),
    (Script::Start, "prune_keys", 1),
    (Script::Start, "give_back_space", 1),
    (Script::Start, "create_flow", 3),
    (Script::Start, "recover", 1),
    (Script::Start, "events", 1),
    (Script::Start, "claim", 1),
    (Script::Start, "finish", 2),
    (Script::Start, "result", 1),
    (Script::Stop, "release", 1),
    (Script::Stop, "finish", 2),
];

/// A case for each place and each thing that can happen there.
pub fn cases() -> Vec<Planned> {
    let mut cases = Vec::new();
    for (script, write, hits) in REACHED {
        for hit in 1..=*hits {
            for side in ["before", "after"] {
                cases.push(case(*script, format!("{write}.{side}:{hit}"), false));
                if *script == Script::Runs && side == "before" {
                    cases.push(case(*script, format!("{write}.{side}:{hit}"), true));
                }
            }
        }
    }
    cases
}

fn case(script: Script, place: String, fails: bool) -> Planned {
    let (name, allowed, point) = if fails {
        (format!("write-fails:{place}"), Allowed { failures: false, ..Allowed::FAULTS }, format!("{place}:fail"))
    } else {
        (format!("failpoint:{script:?}:{place}").to_lowercase(), Allowed::KILLS, place)
    };
    Planned::new(name, allowed, LATENCY, move |case| async move {
        let _ = case.site.set_failpoint(Some(point));
        match script {
            Script::Runs if fails => runs_on(&case).await?,
            Script::Runs => runs(&case).await?,
            Script::Start => start(&case).await?,
            Script::Stop => stop(&case).await?,
        }
        if case.site.log().contains(REACHED_LINE) { Ok(()) } else { bail!("the place was never reached") }
    })
}

fn script() -> Vec<Errand> {
    let job = |keyed| Wish::Job { keyed, cut: Cut::Percent(0) };
    let all = [
        (Shape::Chain, job(true)),
        (Shape::Chain, Wish::Execute { keyed: true }),
        (Shape::Each(2), job(false)),
        (Shape::Tools, Wish::Tools),
        (Shape::Chain, Wish::Step { keyed: true }),
        (Shape::Fan, Wish::Execute { keyed: false }),
        (Shape::Chain, Wish::Refused),
        (Shape::Chain, Wish::Cancelled { after: 0 }),
        (Shape::Chain, Wish::Remaining { deltas: false }),
    ];
    let errand = |(index, (shape, wish))| Errand { marker: format!("n{index}"), shape, wish };
    all.into_iter().enumerate().map(errand).collect()
}

/// Until the process ends; then it starts again, and the client at work finishes.
async fn runs(case: &Arc<Case>) -> Result<()> {
    if case.site.start().await.is_err() {
        return rise(case).await;
    }
    for errand in script() {
        let mut errands = Errands::new();
        case.send(&mut errands, errand);
        tokio::select! {
            () = case.done(&mut errands) => {}
            ended = case.site.ended() => {
                ended?;
                rise(case).await?;
                case.done(&mut errands).await;
                return Ok(());
            }
        }
    }
    // The last write of all may be what ends it: it has said so by now, even where it is not gone yet.
    if !case.site.log().contains(REACHED_LINE) {
        return Ok(());
    }
    case.site.ended().await?;
    rise(case).await
}

/// All of them, as the process goes on.
async fn runs_on(case: &Arc<Case>) -> Result<()> {
    case.site.start().await?;
    for errand in script() {
        let mut errands = Errands::new();
        case.send(&mut errands, errand);
        case.done(&mut errands).await;
    }
    Ok(())
}

/// The process has died: it starts again, to live.
async fn rise(case: &Case) -> Result<()> {
    case.died()?;
    case.site.rise().await
}

/// Runs that hang in their second step, of every door.
async fn hanging(case: &Arc<Case>) -> Result<Errands> {
    let mut errands = Errands::new();
    let job = Wish::Job { keyed: false, cut: Cut::Percent(0) };
    let wishes = [Wish::Execute { keyed: false }, job, Wish::Remaining { deltas: false }];
    let before = case.mock.count();
    for (index, wish) in wishes.into_iter().enumerate() {
        let marker = format!("h{index}");
        case.mock.plan(&marker, "b", [Fault::Hang]);
        case.send(&mut errands, Errand { marker, shape: Shape::Chain, wish });
    }
    case.mock.reached(before + 2 * wishes.len() as u64).await;
    Ok(errands)
}

async fn start(case: &Arc<Case>) -> Result<()> {
    let point = case.site.set_failpoint(None);
    case.site.start().await?;
    let mut errands = hanging(case).await?;
    case.kill()?;
    let _ = case.site.set_failpoint(point);
    // It may die before it is up, or soon after.
    if case.site.start().await.is_ok() {
        case.site.ended().await?;
    }
    rise(case).await?;
    case.done(&mut errands).await;
    Ok(())
}

async fn stop(case: &Arc<Case>) -> Result<()> {
    case.site.start().await?;
    let mut errands = hanging(case).await?;
    case.site.terminate()?;
    case.site.all_ended().await?;
    rise(case).await?;
    case.done(&mut errands).await;
    Ok(())
}
