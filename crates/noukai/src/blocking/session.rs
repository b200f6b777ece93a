//! Sessions and replays.

use super::{Flow, Noukai};
use crate::{IntoFlowRef, Result};

/// Calls that are recorded together; see [`noukai::Session`](crate::Session).
///
/// ```
/// # noukai_mock::blocking_example(|url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
/// let session = client.session();
/// session.flow("acme/demo/hello")?.execute().message("hi").send()?;
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    client: Noukai,
    inner: crate::Session,
}

impl Session {
    pub(super) fn of(client: &Noukai, inner: crate::Session) -> Self {
        Self { client: client.with(inner.client().clone()), inner }
    }

    /// The id, a UUID.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build_blocking()?;
    /// assert_eq!(client.session().id().len(), 36);
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn id(&self) -> &str {
        self.inner.id()
    }

    /// The client inside the scope.
    ///
    /// ```
    /// let session = noukai::Noukai::builder().api_key("nk_x").build_blocking()?.session();
    /// assert!(session.client().flow("acme/demo/hello").is_ok());
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn client(&self) -> &Noukai {
        &self.client
    }

    /// A flow inside the scope.
    ///
    /// # Errors
    /// As [`Noukai::flow`].
    ///
    /// ```
    /// let session = noukai::Noukai::builder().api_key("nk_x").build_blocking()?.session();
    /// assert!(session.flow("acme/demo/hello").is_ok());
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn flow(&self, flow: impl IntoFlowRef) -> Result<Flow> {
        self.client.flow(flow)
    }
}

/// Serves the recorded runs of a session from memory; see [`noukai::Replay`](crate::Replay).
#[derive(Debug)]
pub struct Replay {
    client: Noukai,
    inner: crate::Replay,
}

impl Replay {
    pub(super) fn of(client: &Noukai, inner: crate::Replay) -> Self {
        Self { client: client.with(inner.client().clone()), inner }
    }

    /// The client inside the replay.
    ///
    /// ```no_run
    /// # fn test(replay: noukai::blocking::Replay) -> noukai::Result<()> { // needs NOUKAI_REPLAY_ENABLED=true
    /// let done = replay.client().flow("acme/demo/hello")?.execute().message("hi").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Noukai {
        &self.client
    }

    /// A flow inside the replay.
    ///
    /// # Errors
    /// As [`Noukai::flow`].
    ///
    /// ```no_run
    /// # fn test(replay: noukai::blocking::Replay) -> noukai::Result<()> {
    /// let done = replay.flow("acme/demo/hello")?.execute().message("hi").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn flow(&self, flow: impl IntoFlowRef) -> Result<Flow> {
        self.client.flow(flow)
    }

    /// Ends the replay.
    ///
    /// # Errors
    /// As [`noukai::Replay::finish`](crate::Replay::finish).
    ///
    /// ```no_run
    /// # fn test(replay: noukai::blocking::Replay) -> noukai::Result<()> {
    /// replay.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(self) -> Result<()> {
        self.inner.finish()
    }
}
