//! What all cases share: the binary, the store to use, and data to begin with: the flows and a key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use noukai_testbed::{Child, Postgres, without_settings};
use serde_json::Value;

/// The organisation and project that the flows are in, as the server names them by default.
pub const PROJECT: &str = "local/dev";

/// The database that cases begin with a copy of, on PostgreSQL.
const TEMPLATE: &str = "template";

/// The store under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// One server on a file.
    Sqlite,
    /// Three on one PostgreSQL, private to the harness.
    Postgres,
}

/// Where a case has its data.
#[derive(Debug, Clone)]
pub enum Data {
    /// A data directory.
    Directory(PathBuf),
    /// A database of that name at that URL.
    Database { name: String, url: String },
}

/// What all cases share.
pub struct Setup {
    /// The binary, with failpoints.
    pub binary: PathBuf,
    /// The harness's flows.
    pub flows: PathBuf,
    /// Where cases keep their data and logs.
    pub scratch: PathBuf,
    /// Decides every choice.
    pub seed: u64,
    /// A key of the project.
    pub key: String,
    /// The cluster, where that is the store.
    pub postgres: Option<Postgres>,
}

impl Setup {
    /// Makes the data that every case begins with a copy of.
    pub fn prepare(binary: PathBuf, flows: PathBuf, scratch: PathBuf, seed: u64, store: Store) -> Result<Self> {
        if scratch.exists() {
            fs::remove_dir_all(&scratch).with_context(|| format!("cannot clear {}", scratch.display()))?;
        }
        fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        let postgres = match store {
            Store::Sqlite => None,
            Store::Postgres => Some(Postgres::start().context("cannot start PostgreSQL")?),
        };
        let mut setup = Self { binary, flows, scratch, seed, key: String::new(), postgres };
        let template = match &setup.postgres {
            None => Data::Directory(setup.template()),
            Some(postgres) => {
                postgres.sql("postgres", &format!("CREATE DATABASE {TEMPLATE}"))?;
                Data::Database { name: TEMPLATE.to_owned(), url: postgres.url(TEMPLATE) }
            }
        };
        let mut serve = setup.command();
        serve.args(["serve", "--json", "--listen", "127.0.0.1:0"]).arg("--flows").arg(&setup.flows);
        Child::spawn(setup.on(&mut serve, &template))?.stop()?;
        setup.key = setup.create_key(&template)?;
        Ok(setup)
    }

    /// Fresh data for the case of that name, whose files are in `folder`.
    pub fn fresh_data(&self, name: &str, folder: &Path) -> Result<Data> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let Some(postgres) = &self.postgres else {
            for entry in fs::read_dir(self.template())? {
                let entry = entry?;
                fs::copy(entry.path(), folder.join(entry.file_name())).context("cannot copy the first data")?;
            }
            return Ok(Data::Directory(folder.to_owned()));
        };
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        postgres.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))?;
        let url = postgres.url(&name);
        Ok(Data::Database { name, url })
    }

    /// What a case leaves behind where nothing was wrong.
    pub fn drop_data(&self, data: &Data) {
        // What is left goes with the cluster, or with the folder at the next start.
        match (data, &self.postgres) {
            (Data::Database { name, .. }, Some(postgres)) => {
                let _ = postgres.sql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            }
            (Data::Directory(folder), _) => {
                let _ = fs::remove_dir_all(folder);
            }
            _ => {}
        }
    }

    /// Tells a command which data to use.
    pub fn on<'a>(&self, command: &'a mut Command, data: &Data) -> &'a mut Command {
        match data {
            Data::Directory(folder) => command.arg("--data").arg(folder),
            Data::Database { url, .. } => command.env("NOUKAI_DATABASE", url).env("NOUKAI_DATA", &self.scratch),
        }
    }

    /// The binary, without what the environment would tell it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        without_settings(&mut command);
        command
    }

    fn template(&self) -> PathBuf {
        self.scratch.join("template")
    }

    fn create_key(&self, data: &Data) -> Result<String> {
        let mut command = self.command();
        command.args(["key", "create", "--name", "chaos", "--json", "--project", PROJECT]);
        let output = self.on(&mut command, data).output().context("cannot run the binary")?;
        if !output.status.success() {
            bail!("no key could be made: {}", String::from_utf8_lossy(&output.stderr));
        }
        let created: Value = serde_json::from_slice(&output.stdout).context("no JSON from `key create`")?;
        Ok(created["key"].as_str().context("no `key` from `key create`")?.to_owned())
    }
}
