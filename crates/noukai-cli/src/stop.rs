//! Ctrl-C and SIGTERM: the first asks the command to come to an end, the second ends the process at once.

use std::io;

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    error::{CliError, Exit},
    output,
};

/// Watches for signals until it is dropped.
pub struct Stop {
    token: CancellationToken,
    _watch: AbortOnDropHandle<()>,
}

impl Stop {
    /// Takes over both signals from the system's own handling, at once.
    pub fn on_signals() -> Result<Self, CliError> {
        let mut signals =
            Signals::open().map_err(|error| CliError::failure(format!("cannot watch for signals: {error}")))?;
        let token = CancellationToken::new();
        let stop = token.clone();
        let watch = tokio::spawn(async move {
            signals.next().await;
            stop.cancel();
            signals.next().await;
            output::note("stopped at once");
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(Self { token, _watch: AbortOnDropHandle::new(watch) })
    }

    /// Resolves at the first signal.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn open() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    fn open() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
