//! Whether a long queue costs anything: `cargo run --release -p noukai-store --example queue_bench [JOBS] [PROJECTS]`.
//!
//! Queues so many jobs (100,000 of one project by default), then claims and ends them one at a time, as an idle worker
//! does. Each tenth of the way: how long a submit, a claim and a look at a place took, and the memory of the process.
//! The first project has half of the jobs, the others share the rest; the last line says when each other project was
//! through.

use std::{
    collections::HashMap,
    error::Error,
    io::Write as _,
    time::{Duration, Instant},
};

use noukai_api::{CaptureMode, RunStatus, Tokens, TriggerType};
use noukai_store::*;
use time::OffsetDateTime;
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let jobs = numbers.next().transpose()?.unwrap_or(100_000);
    let projects = numbers.next().transpose()?.unwrap_or(1).max(1);
    let store = SqliteStore::open(SqliteOptions::default())?;
    let now = OffsetDateTime::now_utc();
    let mut ids = Vec::new();
    for number in 0..projects {
        let slug = format!("p{number}");
        ids.push(store.ensure_project("acme", &slug, Uuid::now_v7(), ProjectId(Uuid::now_v7()), now).await?.id);
    }
    let owners = owners(jobs, &ids);
    say(&format!("{jobs} jobs of {projects} projects; memory {} MB", memory()))?;
    let last = submit_all(&store, &owners).await?;
    claim_all(&store, jobs, ids[0], last).await
}

/// The project of each job, in the order they are queued: the first has half of them, before all others.
fn owners(jobs: usize, ids: &[ProjectId]) -> Vec<ProjectId> {
    let first = if ids.len() == 1 { jobs } else { jobs / 2 };
    (0..jobs).map(|job| if job < first { ids[0] } else { ids[1 + (job - first) % (ids.len() - 1)] }).collect()
}

/// The first project's last job.
async fn submit_all(store: &SqliteStore, owners: &[ProjectId]) -> Outcome<RunId> {
    let mut last = RunId(Uuid::nil());
    for (tenth, part) in owners.chunks(owners.len().div_ceil(10)).enumerate() {
        let mut waits = Vec::with_capacity(part.len());
        for project in part {
            let write = job(*project);
            if *project == owners[0] {
                last = write.run_id;
            }
            let start = Instant::now();
            store.append(write).stored().await?;
            waits.push(start.elapsed());
        }
        say(&format!("submit {:>3} %: {}; memory {} MB", (tenth + 1) * 10, spread(&mut waits), memory()))?;
    }
    Ok(last)
}

async fn claim_all(store: &SqliteStore, jobs: usize, first: ProjectId, last: RunId) -> Outcome<()> {
    let mut through: HashMap<ProjectId, usize> = HashMap::new();
    for tenth in 0..10 {
        let (mut claims, mut places) = (Vec::new(), Vec::new());
        for number in 0..jobs / 10 {
            let start = Instant::now();
            let claimed = store.claim_jobs(claim()).await?.pop().ok_or("the queue is empty")?;
            claims.push(start.elapsed());
            let start = Instant::now();
            store.job(first, last).await?;
            places.push(start.elapsed());
            through.insert(claimed.run.project_id, tenth * jobs / 10 + number);
            store.append(end(&claimed)).stored().await?;
        }
        say(&format!(
            "claim {:>3} %: {}; place {}; memory {} MB",
            (tenth + 1) * 10,
            spread(&mut claims),
            spread(&mut places),
            memory()
        ))?;
    }
    through.remove(&first);
    let latest = through.values().max().map_or(0, |at| at * 100 / jobs);
    say(&format!("every other project was through after {latest} % of all claims"))
}

fn claim() -> Claim {
    let now = OffsetDateTime::now_utc();
    Claim { owner: Uuid::now_v7(), limit: 1, per_project: 1_000, now, lease_until: now + Duration::from_secs(30) }
}

fn spread(waits: &mut [Duration]) -> String {
    waits.sort_unstable();
    let at = |share: usize| waits.get(waits.len() * share / 1_000).copied().unwrap_or_default().as_micros();
    format!("{} µs (p50), {} µs (p99)", at(500), at(990))
}

/// Of the process, its own, without the pages of the file that are mapped into it; only Linux says.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

fn say(line: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn job(project_id: ProjectId) -> RunWrite {
    let record = RunRecord {
        id: RunId(Uuid::now_v7()),
        project_id,
        flow_id: FlowId(Uuid::from_u128(7)),
        flow_slug: "triage".into(),
        version: 1,
        hash: "0".repeat(64),
        trigger: TriggerType::Job,
        status: RunStatus::Pending,
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
    };
    let inputs = format!(r#"{{"v":1,"message":"{}"}}"#, "m".repeat(200));
    let bounds = QueueBounds { project: 1_000_000, server: 10_000_000 };
    let queued = Some(NewJob { bounds, retry_of: None });
    RunWrite {
        project_id,
        run_id: record.id,
        create: Some(Box::new(NewRun { record, inputs: Some(inputs), job: queued, charges: Vec::new() })),
        change: None,
        events: Vec::new(),
        usage: Vec::new(),
        fence: None,
    }
}

fn end(job: &ClaimedJob) -> RunWrite {
    let finish = RunFinish {
        status: RunStatus::Completed,
        at: OffsetDateTime::now_utc(),
        duration_ms: 1,
        tokens: Tokens::default(),
        cost_usd: None,
        error: None,
        result: Some("{}".into()),
        keep_inputs: false,
        clear_states: true,
        keep_for_retry: false,
        poison: false,
    };
    RunWrite {
        project_id: job.run.project_id,
        run_id: job.run.id,
        create: None,
        change: Some(RunChange::Finished(Box::new(finish))),
        events: Vec::new(),
        usage: Vec::new(),
        fence: Some(job.lease.clone()),
    }
}
