//! A scope whose calls share one session.

use uuid::Uuid;

use crate::{Flow, IntoFlowRef, Noukai, Result};

/// Calls that are recorded together. See [`Noukai::session`].
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let session = client.session();
/// let flow = session.flow("acme/demo/hello")?;
/// flow.execute().message("one").await?;
/// flow.execute().message("two").await?;
/// assert_eq!(client.recorded_session(session.id()).await?.executions.len(), 2);
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    client: Noukai,
    id: String,
}

impl Session {
    pub(crate) fn fresh(client: &Noukai) -> Self {
        let id = Uuid::new_v4().to_string();
        Self { client: client.with_session_id(id.clone()), id }
    }

    /// The id, a UUID, to read or replay the session by.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build()?;
    /// assert_ne!(client.session().id(), client.session().id());
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The client inside the scope: hand it to code that knows nothing of sessions.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// async fn answer(client: &noukai::Noukai) -> noukai::Result<String> {
    ///     client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?.output()
    /// }
    /// let session = client.session();
    /// answer(session.client()).await?;
    /// # assert_eq!(client.recorded_session(session.id()).await?.executions.len(), 1);
    /// # Ok(())
    /// # });
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
    /// let session = noukai::Noukai::builder().api_key("nk_x").build()?.session();
    /// assert_eq!(session.flow("acme/demo/hello")?.to_string(), "acme/demo/hello");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn flow(&self, flow: impl IntoFlowRef) -> Result<Flow> {
        self.client.flow(flow)
    }
}
