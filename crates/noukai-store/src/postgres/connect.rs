//! How the database is reached: the URL, TLS, the pool, what each connection is set to.
//!
//! The URL may hold a password: it is never shown, only its host, port and database are.

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, PoolConfig, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{
    AsyncMessage, Client, Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    fault::Fault,
    tls::{self, Trust},
};
use crate::StoreError;

/// How long making a connection may take, and waiting for a free one.
const CONNECT: Duration = Duration::from_secs(5);
/// Silence after which a connection is probed.
const IDLE: Duration = Duration::from_secs(30);
/// How long sent bytes may stay unacknowledged.
const UNANSWERED: Duration = Duration::from_secs(15);

/// Every statement here has an index to go by, so a plan made while a table was small must not read it whole when it
/// has grown. A node that freezes holds its locks no longer than a moment.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET jit = off; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '15s'; \
    SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'";

/// Where the database is, and how it is to be trusted.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    /// Reads a URL such as `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (plain, trust) = split(url)?;
        let mut config: Config = plain.parse().map_err(|error| wrong(&format!("{error}")))?;
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        config.ssl_mode(trust.mode);
        if config.get_application_name().is_none() {
            config.application_name("noukai");
        }
        config.connect_timeout(CONNECT).keepalives_idle(IDLE).tcp_user_timeout(UNANSWERED);
        Ok(Self { config, tls: MakeRustlsConnect::new(tls::config(&trust)?) })
    }

    /// Host, port and database, for messages.
    pub(super) fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.config.get_dbname().unwrap_or_default())
    }

    pub(super) fn pool(&self, connections: usize) -> Result<Pool, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let set_up = Hook::async_fn(|client, _| {
            Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
        });
        let timeouts = Timeouts { wait: Some(CONNECT), create: Some(CONNECT), recycle: Some(CONNECT) };
        let sizes = PoolConfig { timeouts, ..PoolConfig::new(connections) };
        let builder = Pool::builder(manager).config(sizes).runtime(Runtime::Tokio1).post_create(set_up);
        builder.build().map_err(|error| StoreError::Unusable(error.to_string()))
    }

    /// A connection apart from the pool. `heard` is told of what the server says unasked.
    pub(super) async fn listen<F>(&self, heard: F) -> Result<(Client, impl Future<Output = ()> + Send + 'static), Fault>
    where
        F: Fn(AsyncMessage) + Send + 'static,
    {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        let ends = async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                heard(message);
            }
        };
        Ok((client, ends))
    }
}

/// The parameters that are ours are taken out of the URL, as the client knows fewer modes than there are.
fn split(url: &str) -> Result<(String, Trust), StoreError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("it must begin with postgres://"));
    }
    let mut trust = Trust::default();
    let Some((address, query)) = url.split_once('?') else { return Ok((url.to_owned(), trust)) };
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => trust.set_mode(mode).map_err(|why| wrong(&why))?,
            Some(("sslrootcert", path)) => trust.root = Some(path.replace("%2F", "/").replace("%2f", "/").into()),
            _ => rest.push(pair),
        }
    }
    let plain = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    Ok((plain, trust))
}

fn wrong(why: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the database's URL cannot be used ({why}): it is of the form \
         postgres://user:password@host:5432/database?sslmode=verify-full"
    ))
}

impl Default for Trust {
    fn default() -> Self {
        Self { mode: SslMode::Prefer, chain: false, name: false, root: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::parse("postgres://ann:canary@db.example:6000/flows?sslmode=verify-full").unwrap();
        assert_eq!(target.shown(), "db.example:6000/flows");
        for bad in ["mysql://ann:canary@h/d", "postgres://ann:canary@h/d?sslmode=maybe", "postgres://a:canary@h/d?x=1"]
        {
            let Err(StoreError::Unusable(why)) = Target::parse(bad) else { panic!("{bad} was taken") };
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn modes_are_as_elsewhere() {
        for (url, mode, chain, name) in [
            ("postgres://h/d", SslMode::Prefer, false, false),
            ("postgres://h/d?sslmode=disable", SslMode::Disable, false, false),
            ("postgres://h/d?sslmode=require", SslMode::Require, false, false),
            ("postgres://h/d?sslmode=verify-ca", SslMode::Require, true, false),
            ("postgres://h/d?a=b&sslmode=verify-full", SslMode::Require, true, true),
        ] {
            let (_, trust) = split(url).unwrap();
            assert_eq!((trust.mode, trust.chain, trust.name), (mode, chain, name), "{url}");
        }
    }
}
