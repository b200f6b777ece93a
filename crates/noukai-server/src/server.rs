//! A running server: wiring, listeners, start and end. The only place that names concrete backends.

use std::{
    fmt,
    fs::{File, TryLockError},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use noukai_engine::{Code, SystemClock};
pub use noukai_sandbox::{Metered, is_worker, worker_main};
use noukai_sandbox::{Sandbox, Settings};
use noukai_store::{Durability, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, CodeRunner, Parts},
    config::{CodeConfig, Config},
    http,
    jobs::Workers,
    mcp,
    vault::Vault,
};

/// The database's file in the data directory.
const DATABASE: &str = "noukai.db";
/// Held by the one server that owns the data directory.
const LOCK: &str = "noukai.lock";
/// Writes that may wait for a commit.
const WRITE_QUEUE: usize = 20_000;
/// How long connections have to pass on the last events of runs that were cut off.
const LAST_WORDS: Duration = Duration::from_secs(6);
/// Free ports tried before giving up on one for all addresses.
const PORT_TRIES: u32 = 20;

/// Why a server could not start, in one line that says what to do.
#[derive(Debug, Clone)]
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Code blocks as configured; no process is started before the first is checked or run.
pub fn code_runner(config: &CodeConfig) -> CodeRunner {
    CodeRunner::new(cage(config).map(|cage| Arc::new(cage) as Arc<dyn Code>))
}

/// The cage; `None` where code blocks are switched off.
fn cage(config: &CodeConfig) -> Option<Sandbox> {
    let defaults = Settings::default();
    let settings = Settings {
        workers: config.workers.unwrap_or(defaults.workers),
        wall: config.timeout,
        memory: config.memory_bytes,
        program: config.program.clone().unwrap_or(defaults.program),
        ..Settings::default()
    };
    config.enabled.then(|| Sandbox::new(settings))
}

impl App {
    /// Opens the use cases on a data directory, without listening and without workers. May stand beside a running
    /// server on the same directory.
    ///
    /// # Errors
    /// A damaged or newer database; a provider that cannot be used as configured.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        Self::open_with(config, code_runner(&config.code), false).await
    }

    /// `alone`: as of the store's option of that name.
    async fn open_with(config: &Config, code: CodeRunner, alone: bool) -> Result<Self, StartError> {
        let store = open_store(config, alone).await?;
        #[cfg(feature = "failpoints")]
        let store = with_failpoint(store, config)?;
        let (model, egress) = crate::models::models(config)?;
        let vault = Vault::open(&config.master_key, &config.data).await;
        let app = Self::new(Parts {
            store,
            model,
            egress,
            vault,
            code,
            clock: Arc::new(SystemClock),
            limits: config.limits.clone(),
            retention: config.retention.clone(),
            capture: config.capture,
            data: config.data.clone(),
            public_url: config.public_url.clone(),
        });
        let opened = async {
            app.ready().await?;
            app.load_budgets().await
        };
        opened.await.map_err(|error| StartError(error.context.unwrap_or(error.message)))?;
        Ok(app)
    }
}

/// Where the database is, where it is a file.
pub(crate) fn database_file(config: &Config) -> PathBuf {
    config.data.join(DATABASE)
}

/// How the shared database is reached, where there is one.
pub(crate) fn postgres(config: &Config) -> Option<PostgresOptions> {
    let url = config.database.url.as_ref()?;
    let connections = config.database.connections;
    Some(PostgresOptions { connections, queue: WRITE_QUEUE, ..PostgresOptions::at(url.expose()) })
}

/// `alone`: as of the store's option of that name; of no use to a shared one.
pub(crate) async fn open_store(config: &Config, alone: bool) -> Result<Arc<dyn Store>, StartError> {
    let opened = match postgres(config) {
        Some(options) => PostgresStore::open(options).await.map(|store| Arc::new(store) as Arc<dyn Store>),
        None => {
            let durability = if config.database.survive_power_loss { Durability::Full } else { Durability::Normal };
            let options = SqliteOptions { path: Some(database_file(config)), durability, queue: WRITE_QUEUE, alone };
            SqliteStore::open(options).map(|store| Arc::new(store) as Arc<dyn Store>)
        }
    };
    opened.map_err(|error| StartError(error.to_string()))
}

#[cfg(feature = "failpoints")]
fn with_failpoint(store: Arc<dyn Store>, config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let Some(text) = &config.failpoint else { return Ok(store) };
    let point = text.parse().map_err(StartError)?;
    Ok(Arc::new(crate::failpoints::FailingStore::over(store, point)))
}

/// What a server is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The API, and workers if there are any.
    Serve,
    /// Workers; what it listens on, if anything, only answers how it is.
    Work,
}

/// A running server.
pub struct Server {
    app: App,
    address: Option<SocketAddr>,
    drain: Duration,
    grace: Duration,
    accepting: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
    /// Dropped last. `None` where the database is not in the data directory.
    _lock: Option<File>,
}

impl Server {
    /// Binds, opens, recovers, and accepts.
    ///
    /// # Errors
    /// A port that is taken; everything of [`App::open`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_as(Role::Serve, config).await
    }

    /// As [`Server::start`], in a role.
    ///
    /// # Errors
    /// As there; a worker without a database to share.
    pub async fn start_as(role: Role, config: Config) -> Result<Self, StartError> {
        if role == Role::Work && config.database.url.is_none() {
            let why =
                "a worker needs the database of the servers whose jobs it runs: name it with --database postgres://...";
            return Err(StartError(why.to_owned()));
        }
        let listeners = bind(&config.listen).await?;
        let address = listeners.first().and_then(|listener| listener.local_addr().ok());
        if address.is_none() && role == Role::Serve {
            return Err(StartError("no address to listen on".to_owned()));
        }
        let lock = if config.database.url.is_none() { Some(lock(&config.data)?) } else { None };
        let cage = cage(&config.code);
        let code = CodeRunner::new(cage.clone().map(|cage| Arc::new(cage) as Arc<dyn Code>));
        let app = App::open_with(&config, code, lock.is_some()).await?;
        let node = app.as_node(&config.node, role, config.node_lease);
        app.start(node).await.map_err(|error| StartError(error.context.unwrap_or(error.message)))?;
        app.say_what_cannot_be_read().await;
        if config.workers > 0 {
            Workers::start(&app, config.workers);
        }
        drop(app.spawn(app.clone().keep_up()));
        drop(app.spawn(app.clone().keep_budgets()));
        if let Some(cage) = cage {
            drop(app.spawn(report(cage)));
        }
        let accepting = CancellationToken::new();
        let router = match role {
            Role::Serve => http::router(app.clone(), mcp::routes(&app)),
            Role::Work => http::health_router(app.clone()),
        };
        let serve = |listener| tokio::spawn(http::serve(listener, router.clone(), accepting.clone()));
        let listeners = listeners.into_iter().map(serve).collect();
        Ok(Self { app, address, drain: config.drain, grace: config.grace, accepting, listeners, _lock: lock })
    }

    /// Where it listens, such as `http://127.0.0.1:8080`; empty for a worker that does not.
    pub fn url(&self) -> String {
        self.address.map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Its use cases.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Is no longer ready, takes on nothing new, lets what is under way come to its end within the grace period, then
    /// lets connections pass on their last words, and closes the store. Until runs are done it goes on listening, so that
    /// who asks whether it is ready, or sends a run, is told instead of being cut off.
    pub async fn shutdown(self) {
        self.app.drain();
        tokio::time::sleep(self.drain).await;
        self.app.finish_by(Instant::now() + self.grace).await;
        self.accepting.cancel();
        let drained = futures::future::join_all(self.listeners);
        // Past it, who does not read what it is sent is cut off.
        let _ = tokio::time::timeout(LAST_WORDS, drained).await;
        self.app.close_store().await;
    }
}

/// Starts the first worker, so that the log says at the start what of the cage is in force.
async fn report(cage: Sandbox) {
    if let Err(error) = cage.report().await {
        tracing::error!(reason = error.message, "code blocks cannot run");
    }
}

/// Two servers on one data directory would end each other's runs at their start.
pub(crate) fn lock(data: &Path) -> Result<File, StartError> {
    let cannot =
        |error: &dyn fmt::Display| StartError(format!("cannot use the data directory {}: {error}", data.display()));
    std::fs::create_dir_all(data).map_err(|error| cannot(&error))?;
    let file = File::options().create(true).truncate(false).write(true).open(data.join(LOCK));
    let file = file.map_err(|error| cannot(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(cannot(&"another noukai server uses it; stop that or choose another")),
        Err(TryLockError::Error(error)) => Err(cannot(&error)),
    }
}

/// Whether a server owns the data directory.
pub(crate) fn is_locked(data: &Path) -> bool {
    let file = File::options().write(true).open(data.join(LOCK));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Binds all addresses. With port 0 all get the same free port; an address family this machine lacks is left out as
/// long as another is there.
async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    for _ in 0..PORT_TRIES {
        match bind_once(addresses).await {
            Err(error) if error.1 => {}
            done => return done.map_err(|error| StartError(error.0)),
        }
    }
    Err(StartError("found no port that is free on all addresses; name one".to_owned()))
}

/// The error says whether another free port may help.
async fn bind_once(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (String, bool)> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        let chosen = listeners.first().and_then(|first| first.local_addr().ok());
        let follows = address.port() == 0 && chosen.is_some();
        if let (true, Some(chosen)) = (follows, chosen) {
            address.set_port(chosen.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable && !listeners.is_empty() => {
                tracing::info!(%address, "this machine lacks the address; going on without it");
            }
            Err(error) => return Err((cannot_listen(address, &error), follows)),
        }
    }
    Ok(listeners)
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("port {} is taken on {}; stop what uses it or choose another port", address.port(), address.ip())
        }
        _ => format!("cannot listen on {address}: {error}"),
    }
}
