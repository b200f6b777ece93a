//! Starts the released binary as a user would: `noukai dev` over the flows of the benchmark, with full traces on SQLite.

use std::fs::{self, File};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use noukai_testbed::{Child, without_settings};

use crate::load::{Target, Wanted};

/// Where the binary, its flows and its data are.
#[derive(Clone)]
pub struct Installation {
    /// The binary.
    pub binary: PathBuf,
    /// The folder of flows.
    pub flows: PathBuf,
    /// The folder for data and logs.
    pub scratch: PathBuf,
}

/// The limits that the load would meet, raised: those of a project are made for many projects on one server.
const ENVIRONMENT: &[(&str, &str)] = &[("NOUKAI_LIMITS_CONCURRENT_RUNS", "10000")];

impl Installation {
    /// A folder of that name for data, empty.
    pub fn fresh_data(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Starts the server on `data`, with `provider` as its only provider. Its log goes to a file beside the data.
    pub fn start(&self, data: &Path, provider: &str) -> Result<Child> {
        let log = File::create(data.with_extension("log")).context("cannot make the log file")?;
        let mut command = Command::new(&self.binary);
        without_settings(&mut command)
            .arg("dev")
            .arg(&self.flows)
            .args(["--json", "--port", "0", "--data"])
            .arg(data)
            .env("NOUKAI_PROVIDER_BASE_URL", provider)
            .env("NOUKAI_PROVIDER_API_KEY", "bench")
            .envs(ENVIRONMENT.iter().copied())
            .stderr(log);
        Child::spawn(&mut command).with_context(|| format!("see {}", data.with_extension("log").display()))
    }

    /// A command on a database: `PostgreSQL`'s by its URL, else the one in `data`.
    fn on(&self, data: &Path, database: Option<&str>) -> Command {
        let mut command = Command::new(&self.binary);
        without_settings(&mut command)
            .env("NOUKAI_DATA", data)
            .envs(ENVIRONMENT.iter().copied())
            .env("NOUKAI_LIMITS_QUEUED_JOBS", "1000000");
        if let Some(url) = database {
            command.env("NOUKAI_DATABASE", url);
        }
        command
    }

    /// Starts `noukai serve` with full traces, or `noukai worker`. Its log goes to a file beside the data.
    pub fn node(&self, role: &[&str], data: &Path, database: Option<&str>, provider: &str) -> Result<Child> {
        let file = data.with_extension("toml");
        fs::write(&file, "trace_capture = \"full\"\n").context("cannot write the configuration")?;
        let log = File::options().create(true).append(true).open(data.with_extension("log"));
        let mut command = self.on(data, database);
        command
            .args(role)
            .args(["--json", "--config"])
            .arg(file)
            .env("NOUKAI_FLOWS", &self.flows)
            .env("NOUKAI_PROVIDER_BASE_URL", provider)
            .env("NOUKAI_PROVIDER_API_KEY", "bench")
            .stderr(log.context("cannot make the log file")?);
        Child::spawn(&mut command).with_context(|| format!("see {}", data.with_extension("log").display()))
    }

    /// Makes a key of the project that `noukai serve` loads its flows into.
    pub fn key(&self, data: &Path, database: Option<&str>) -> Result<String> {
        let output = self.on(data, database).args(["key", "create", "--name", "bench"]).output()?;
        let key = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        anyhow::ensure!(output.status.success(), "no key: {}", String::from_utf8_lossy(&output.stderr));
        Ok(key)
    }

    /// What the binary says of its version.
    pub fn version(&self) -> String {
        let output = Command::new(&self.binary).arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }
}

/// The address of `flow` on a running server.
pub fn target(server: &Child, flow: &str) -> Result<Target> {
    let (org, project) = (server.said("org")?, server.said("project")?);
    Ok(Target {
        addresses: vec![address(server.said("url")?)?],
        wanted: Wanted::Completed,
        path: format!("/api/v1/seq/{org}/{project}/{flow}/execute"),
        key: Some(server.said("api_key")?.to_owned()),
    })
}

/// The socket behind `http://host:port`.
pub fn address(url: &str) -> Result<SocketAddr> {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let mut addresses = authority.to_socket_addrs().with_context(|| format!("cannot resolve {url}"))?;
    addresses.find(SocketAddr::is_ipv4).with_context(|| format!("no IPv4 address in {url}"))
}

/// The bytes of all files in a folder.
pub fn size_on_disk(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { size_on_disk(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}
