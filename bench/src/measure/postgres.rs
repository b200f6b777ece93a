//! SQLite beside PostgreSQL with one node and with two, all in one run: calls, jobs, and how soon a job starts.
//!
//! PostgreSQL runs as its packagers deliver it, on the same machine: it takes its part of the same cores.

use anyhow::{Context, Result};
use noukai_testbed::{Child, Postgres};

use super::{
    Effort, Pair,
    jobs::{self, Api},
    throughput::{self, Subject},
};
use crate::load::{Target, Wanted};
use crate::noukai::{self, Installation};
use crate::report::Report;

/// What durability costs is part of what is measured.
const SETTINGS: [&str; 3] = ["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];
const NODE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--workers", "32"];

/// Servers over one database, and how to ask them.
struct Nodes {
    name: &'static str,
    processes: Vec<Child>,
    key: String,
}

pub async fn measure(installation: &Installation, pair: &Pair, effort: &Effort, report: &mut Report) -> Result<()> {
    let cluster = Postgres::with(&SETTINGS).context("no PostgreSQL")?;
    let provider = pair.provider()?;
    let subjects = [
        Nodes::start("SQLite", installation, 1, None, &provider)?,
        Nodes::start("PostgreSQL, one node", installation, 1, Some(&cluster.database()?), &provider)?,
        Nodes::start("PostgreSQL, two nodes", installation, 2, Some(&cluster.database()?), &provider)?,
    ];
    let floor = || {
        Ok::<_, anyhow::Error>(Subject { name: "floor", pids: vec![pair.floor.pid()], target: pair.target("/floor")? })
    };
    let mut calls = vec![floor()?];
    for nodes in &subjects {
        calls.push(Subject {
            name: nodes.name,
            pids: nodes.pids(),
            target: nodes.target("two-block/execute", Wanted::Completed)?,
        });
    }
    throughput::measure("Calls: two model calls", &calls, effort, report).await?;

    let mut apis = Vec::new();
    for nodes in &subjects {
        apis.push(Api { name: nodes.name, jobs: nodes.target("two-block/jobs", Wanted::Accepted)? });
    }
    jobs::throughput(&apis, &floor()?.target, effort, report).await?;
    jobs::starts(&apis, effort, report).await?;
    drop(subjects);

    let database = cluster.database()?;
    jobs::backlog(installation, &database, &provider, effort, report).await
}

impl Nodes {
    fn start(
        name: &'static str,
        installation: &Installation,
        count: usize,
        database: Option<&str>,
        provider: &str,
    ) -> Result<Self> {
        let data =
            installation.fresh_data(&format!("nodes-{}-{count}", if database.is_some() { "pg" } else { "lite" }))?;
        let processes: Result<Vec<Child>> =
            (0..count).map(|_| installation.node(&NODE, &data, database, provider)).collect();
        Ok(Self { name, processes: processes?, key: installation.key(&data, database)? })
    }

    fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::pid).collect()
    }

    fn target(&self, path: &str, wanted: Wanted) -> Result<Target> {
        let addresses: Result<Vec<_>> =
            self.processes.iter().map(|process| noukai::address(process.said("url")?)).collect();
        let path = format!("/api/v1/seq/local/dev/{path}");
        Ok(Target { addresses: addresses?, path, key: Some(self.key.clone()), wanted })
    }
}
