//! The commands. Each file has `Args` and `run`; knowing one is knowing all.

mod backup;
mod block;
mod budget;
mod check;
mod completions;
mod config;
mod demo;
mod dev;
mod doctor;
mod events;
mod flow;
mod job;
mod key;
mod login;
mod man;
mod migrate;
mod models;
mod openapi;
mod profile;
mod promote;
mod provider;
mod publish;
mod run;
mod serve;
mod session;
mod setup;
mod steps;
mod trace;
mod usage;
mod worker;

use std::process::ExitCode;

use crate::error::CliError;

/// Who the store says has made what is made at the machine itself.
const AUTHOR: &str = "noukai-cli";

/// What `noukai` can do.
#[derive(clap::Subcommand)]
pub enum Command {
    Demo(demo::Args),
    Dev(dev::Args),
    Run(Box<run::Args>),
    Steps(Box<steps::Args>),
    Events(Box<events::Args>),
    Job(job::Args),
    Trace(trace::Args),
    Session(session::Args),
    Login(login::Args),
    Logout(login::LogoutArgs),
    Profile(profile::Args),
    Check(check::Args),
    Flow(flow::Args),
    Block(block::Args),
    Serve(serve::Args),
    Worker(worker::Args),
    Setup(setup::Args),
    Key(key::Args),
    Usage(Box<usage::Args>),
    Budget(Box<budget::Args>),
    Backup(backup::Args),
    Migrate(migrate::Args),
    Doctor(doctor::Args),
    Publish(publish::Args),
    Promote(promote::Args),
    Models(models::Args),
    Provider(provider::Args),
    Config(config::Args),
    Openapi(openapi::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// Why not, for a person; it also sets the exit code.
    pub async fn run(self) -> Result<ExitCode, CliError> {
        match self {
            Self::Demo(args) => demo::run(args).await,
            Self::Dev(args) => dev::run(args).await,
            Self::Run(args) => run::run(*args).await,
            Self::Steps(args) => steps::run(*args).await,
            Self::Events(args) => events::run(*args).await,
            Self::Job(args) => job::run(args).await,
            Self::Trace(args) => trace::run(args).await,
            Self::Session(args) => session::run(args).await,
            Self::Login(args) => login::run(args).await,
            Self::Logout(args) => login::logout(args).await,
            Self::Profile(args) => profile::run(args).await,
            Self::Check(args) => check::run(args).await,
            Self::Flow(args) => flow::run(args).await,
            Self::Block(args) => block::run(args).await,
            Self::Serve(args) => serve::run(args).await,
            Self::Worker(args) => worker::run(args).await,
            Self::Setup(args) => setup::run(args).await,
            Self::Key(args) => key::run(args).await,
            Self::Usage(args) => usage::run(*args).await,
            Self::Budget(args) => budget::run(*args).await,
            Self::Backup(args) => backup::run(args).await,
            Self::Migrate(args) => migrate::run(args).await,
            Self::Doctor(args) => doctor::run(args).await,
            Self::Publish(args) => publish::run(args).await,
            Self::Promote(args) => promote::run(args).await,
            Self::Models(args) => models::run(args).await,
            Self::Provider(args) => provider::run(args).await,
            Self::Config(args) => config::run(args).await,
            Self::Openapi(args) => openapi::run(args).await,
            Self::Completions(args) => completions::run(args).await,
            Self::Man(args) => man::run(args).await,
        }
    }
}
