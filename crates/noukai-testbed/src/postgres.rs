//! A private PostgreSQL cluster in a temporary directory. It is stopped and removed when its owner drops it, exits,
//! panics or is killed: a small process waits for the end of its owner and then tidies up.

use std::{
    fs,
    io::{self, Write as _},
    net::TcpListener,
    os::unix::{
        fs::{OpenOptionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::binaries::{self, User};

/// Speed instead of safety: nothing here outlives its test.
const SETTINGS: [&str; 9] = [
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=300",
    "max_wal_size=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum_naptime=5s",
    "log_min_messages=warning",
];
/// As far as its own shell goes, it ends only once its input does: with its owner.
const TIDY_UP: &str = r#"trap '' INT TERM HUP; cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate -w stop >/dev/null 2>&1; rm -rf "$2""#;
/// Free ports tried before giving up.
const TRIES: u32 = 5;
const USER: &str = "noukai";

/// How a cluster is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Connections are ended, then it shuts down in order.
    Fast,
    /// As if it were killed: it recovers at its next start.
    Immediate,
}

/// A running cluster.
pub struct Postgres {
    binaries: PathBuf,
    user: Option<User>,
    directory: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// Dropped first: the end of this pipe is what the other process waits for.
    lifeline: Option<ChildStdin>,
    janitor: Child,
}

impl Postgres {
    /// Makes and starts a cluster: one to two seconds.
    ///
    /// # Errors
    /// PostgreSQL is neither installed nor can be; it does not start.
    pub fn start() -> io::Result<Self> {
        Self::with(&[])
    }

    /// As [`Postgres::start`], with settings of its own, such as `fsync=on`.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn with(settings: &[&str]) -> io::Result<Self> {
        Self::made(settings, &[])
    }

    /// A cluster that offers TLS: its certificate and that one's key, as PEM.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn with_tls(certificate: &str, key: &str) -> io::Result<Self> {
        Self::made(&["ssl=on"], &[("server.crt", certificate), ("server.key", key)])
    }

    fn made(settings: &[&str], files: &[(&str, &str)]) -> io::Result<Self> {
        let (binaries, user) = (binaries::find()?, binaries::user()?);
        let directory = tempfile::Builder::new().prefix("noukai-pg-").tempdir()?.keep();
        if let Some(user) = user {
            chown(&directory, Some(user.uid), Some(user.gid))?;
        }
        let mut janitor = janitor(&binaries, &directory, user)?;
        let lifeline = janitor.stdin.take();
        let databases = AtomicU32::new(0);
        let mut cluster = Self { binaries, user, directory, port: 0, databases, lifeline, janitor };
        cluster.initialise(settings)?;
        files.iter().try_for_each(|(name, text)| cluster.keep(name, text))?;
        cluster.listen()?;
        Ok(cluster)
    }

    /// The cluster that all tests of this process share.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn shared() -> io::Result<&'static Self> {
        static SHARED: OnceLock<io::Result<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    /// Makes an empty database; its URL, by TCP.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn database(&self) -> io::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database, by TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port it listens on, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements; what they print.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn sql(&self, database: &str, statements: &str) -> io::Result<String> {
        let url = self.url(database);
        self.run("psql", &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", statements])
    }

    /// Stops it. [`Postgres::resume`] starts it again, with all that was committed.
    ///
    /// # Errors
    /// It does not stop.
    pub fn stop(&self, how: Stop) -> io::Result<()> {
        let mode = if how == Stop::Fast { "fast" } else { "immediate" };
        self.run("pg_ctl", &["-D", &self.data(), "-m", mode, "-w", "stop"]).map(drop)
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// It does not start.
    pub fn resume(&self) -> io::Result<()> {
        let options = format!("-p {} -k {}", self.port, self.directory.display());
        let log = self.directory.join("log").display().to_string();
        self.run("pg_ctl", &["-D", &self.data(), "-l", &log, "-o", &options, "-w", "start"]).map(drop)
    }

    fn data(&self) -> String {
        self.directory.join("data").display().to_string()
    }

    fn initialise(&self, settings: &[&str]) -> io::Result<()> {
        let arguments = ["-D", &self.data(), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        self.run("initdb", &arguments)?;
        let lines: String = SETTINGS.iter().chain(settings).map(|setting| format!("{setting}\n")).collect();
        let file = self.directory.join("data/postgresql.auto.conf");
        fs::write(file, format!("listen_addresses='127.0.0.1'\n{lines}"))
    }

    /// A file beside its data, which it insists that nobody else may read.
    fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.directory.join("data").join(name);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        self.user.map_or(Ok(()), |user| chown(&path, Some(user.uid), Some(user.gid)))
    }

    /// Another process may take the port between its choice and the start.
    fn listen(&mut self) -> io::Result<()> {
        for _ in 1..TRIES {
            self.port = free_port()?;
            if self.resume().is_ok() {
                return Ok(());
            }
        }
        self.port = free_port()?;
        self.resume()
    }

    fn run(&self, binary: &str, arguments: &[&str]) -> io::Result<String> {
        let mut command = self.command(binary);
        // Files, because the server inherits them, and a pipe would stay open as long as it runs.
        let (mut said, mut told) = (tempfile::tempfile()?, tempfile::tempfile()?);
        command.args(arguments).stdout(said.try_clone()?).stderr(told.try_clone()?);
        let status = command.status()?;
        if status.success() {
            return whole(&mut said);
        }
        Err(io::Error::other(format!("{binary}: {status}: {}{}", whole(&mut said)?.trim(), whole(&mut told)?.trim())))
    }

    fn command(&self, binary: &str) -> Command {
        as_user(Command::new(self.binaries.join(binary)), self.user)
    }
}

fn whole(file: &mut fs::File) -> io::Result<String> {
    use io::{Read, Seek};
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // It ends in any case; how it ended is nobody's concern.
        let _ = self.janitor.wait();
    }
}

fn as_user(mut command: Command, user: Option<User>) -> Command {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command.stdin(Stdio::null()).current_dir("/").env("LC_ALL", "C");
    command
}

/// In a process group of its own, so that what ends the tests by their group leaves it to do its work.
fn janitor(binaries: &Path, directory: &Path, user: Option<User>) -> io::Result<Child> {
    let mut command = as_user(Command::new("sh"), user);
    command.args(["-c", TIDY_UP, "noukai-testbed"]).arg(binaries).arg(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_restarts_and_leaves_nothing() {
        let cluster = Postgres::start().unwrap();
        let url = cluster.database().unwrap();
        let name = url.rsplit('/').next().unwrap().to_owned();
        cluster.sql(&name, "CREATE TABLE t (n bigint); INSERT INTO t VALUES (7)").unwrap();
        for how in [Stop::Fast, Stop::Immediate] {
            cluster.stop(how).unwrap();
            assert!(cluster.sql(&name, "SELECT n FROM t").is_err());
            cluster.resume().unwrap();
            assert_eq!(cluster.sql(&name, "SELECT n FROM t").unwrap().trim(), "7");
        }
        let directory = cluster.directory.clone();
        assert!(directory.exists());
        drop(cluster);
        assert!(!directory.exists());
    }
}
