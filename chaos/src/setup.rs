//! What all cases share: the binary, the store to use, and a data directory to begin with, with the flows and a key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use noukai_testbed::{Child, without_settings};
use serde_json::Value;

/// The organisation and project that the flows are in, as the server names them by default.
pub const PROJECT: &str = "local/dev";

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
}

impl Setup {
    /// Makes the data directory that every case begins with a copy of.
    pub fn prepare(binary: PathBuf, flows: PathBuf, scratch: PathBuf, seed: u64) -> Result<Self> {
        if scratch.exists() {
            fs::remove_dir_all(&scratch).with_context(|| format!("cannot clear {}", scratch.display()))?;
        }
        fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        let mut setup = Self { binary, flows, scratch, seed, key: String::new() };
        let template = setup.template();
        let mut serve = setup.command();
        serve.args(["serve", "--json", "--listen", "127.0.0.1:0"]).arg("--flows").arg(&setup.flows);
        Child::spawn(serve.arg("--data").arg(&template))?.stop()?;
        setup.key = setup.create_key(&template)?;
        Ok(setup)
    }

    /// A fresh data directory of that name.
    pub fn fresh_data(&self, name: &str) -> Result<PathBuf> {
        let data = self.scratch.join(name.replace(':', "-"));
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        for entry in fs::read_dir(self.template())? {
            let entry = entry?;
            fs::copy(entry.path(), data.join(entry.file_name())).context("cannot copy the first data")?;
        }
        Ok(data)
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

    fn create_key(&self, data: &Path) -> Result<String> {
        let mut command = self.command();
        command.args(["key", "create", "--name", "chaos", "--json", "--project", PROJECT, "--data"]).arg(data);
        let output = command.output().context("cannot run the binary")?;
        if !output.status.success() {
            bail!("no key could be made: {}", String::from_utf8_lossy(&output.stderr));
        }
        let created: Value = serde_json::from_slice(&output.stdout).context("no JSON from `key create`")?;
        Ok(created["key"].as_str().context("no `key` from `key create`")?.to_owned())
    }
}
