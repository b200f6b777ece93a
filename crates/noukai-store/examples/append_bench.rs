//! How many writes a second the store takes: `cargo run --release -p noukai-store --example append_bench`.
//!
//! Each run is three appends of two events, every one awaited, as the engine does it. Arguments: `full` waits for the
//! disk with every commit; a path names the file, which must not exist yet.

use std::{
    error::Error,
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use noukai_api::{CaptureMode, RunStatus, Tokens, TriggerType};
use noukai_store::*;
use time::OffsetDateTime;
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const LASTING: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut options = SqliteOptions::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "full" => options.durability = Durability::Full,
            path => options.path = Some(PathBuf::from(path)),
        }
    }
    let store = SqliteStore::open(options)?;
    let now = OffsetDateTime::now_utc();
    let project = store.ensure_project("acme", "demo", Uuid::now_v7(), ProjectId(Uuid::now_v7()), now).await?.id;
    for concurrent in [1, 16, 64, 512] {
        let line = measure(&store, project, concurrent).await?;
        writeln!(std::io::stdout(), "{line}")?;
    }
    let closing = Instant::now();
    store.close().await;
    writeln!(std::io::stdout(), "closed in {:?}", closing.elapsed())?;
    Ok(())
}

async fn measure(store: &SqliteStore, project: ProjectId, concurrent: usize) -> Outcome<String> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let tasks: Vec<_> =
        (0..concurrent).map(|_| tokio::spawn(worker(store.clone(), project, start + LASTING))).collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    waits.sort_unstable();
    let at = |share: usize| waits.get(waits.len() * share / 1_000).copied().unwrap_or_default();
    let runs = waits.len() as f64 / 3.0;
    Ok(format!(
        "{concurrent:>4} runs at a time: {:>6.0} runs/s, {:>4.0} µs of CPU each; an append waits {:?} (p50), {:?} (p99), \
         {:?} (p99.9), {:?} (most)",
        runs / seconds,
        cpu * 1e6 / runs,
        at(500),
        at(990),
        at(999),
        waits.last().copied().unwrap_or_default()
    ))
}

/// What this process has used so far, all threads together; only Linux says.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths of a second.
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Runs until `end`; how long each append took.
async fn worker(store: SqliteStore, project: ProjectId, end: Instant) -> Outcome<Vec<Duration>> {
    let mut waits = Vec::new();
    while Instant::now() < end {
        for write in run(project) {
            let start = Instant::now();
            store.append(write).stored().await?;
            waits.push(start.elapsed());
        }
    }
    Ok(waits)
}

fn run(project: ProjectId) -> [RunWrite; 3] {
    let record = record(project, RunId(Uuid::now_v7()));
    let inputs = format!(r#"{{"v":1,"message":"{}"}}"#, "m".repeat(200));
    let write = |first, create, change| RunWrite {
        project_id: project,
        run_id: record.id,
        create,
        change,
        events: vec![event(first), event(first + 1)],
        usage: Vec::new(),
        fence: None,
    };
    [
        write(
            1,
            Some(Box::new(NewRun { record: record.clone(), inputs: Some(inputs), job: None, charges: Vec::new() })),
            None,
        ),
        write(3, None, None),
        write(5, None, Some(RunChange::Finished(Box::new(finish())))),
    ]
}

fn event(seq: u64) -> NewEvent {
    let payload = format!(r#"{{"v":1,"text":"{}"}}"#, "p".repeat(300));
    NewEvent {
        seq,
        kind: "step_completed".into(),
        payload,
        state: seq.is_multiple_of(2).then(|| r#"{"v":1}"#.to_owned()),
    }
}

fn finish() -> RunFinish {
    RunFinish {
        status: RunStatus::Completed,
        at: OffsetDateTime::now_utc(),
        duration_ms: 1,
        tokens: Tokens::new(10, 20),
        cost_usd: Some("0.0001".into()),
        error: None,
        result: None,
        keep_inputs: false,
        clear_states: true,
        keep_for_retry: false,
        poison: false,
    }
}

fn record(project_id: ProjectId, id: RunId) -> RunRecord {
    RunRecord {
        id,
        project_id,
        flow_id: FlowId(Uuid::from_u128(7)),
        flow_slug: "triage".into(),
        version: 1,
        hash: "0".repeat(64),
        trigger: TriggerType::Execute,
        status: RunStatus::Running,
        capture: CaptureMode::MetadataOnly,
        session_id: None,
        step_count: 2,
        started_at: OffsetDateTime::now_utc(),
        completed_at: None,
        duration_ms: None,
        tokens: Tokens::default(),
        cost_usd: None,
        last_seq: 0,
        pauses: 0,
        error: None,
    }
}
