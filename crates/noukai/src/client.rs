//! The client: one pooled HTTP client, and the ways from it to flows, sessions and replays.

use std::{fmt, sync::Arc};

use crate::{
    Flow, IntoFlowRef, NoukaiBuilder, RecordedSession, Replay, Result, Run, Session, VerifiedKey,
    flow::encoded,
    http::{Call, Request, Transport},
    replay::Cassette,
};

/// Organisation and project of flows that are named by their slug alone.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub org: String,
    pub project: String,
}

/// A client of one server with one key. Clones share one connection pool; nothing is sent until a call is made.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let reply = client.flow("acme/demo/hello")?.execute().message("I am Ada").await?.completed()?;
/// assert_eq!(reply.result, "Hello: I am Ada");
/// # Ok(())
/// # });
/// ```
#[derive(Clone)]
pub struct Noukai {
    transport: Arc<Transport>,
    project: Option<Project>,
    session_id: Option<String>,
    cassette: Option<Arc<Cassette>>,
    replay_enabled: Option<String>,
}

impl Noukai {
    /// A client as the environment says: `NOUKAI_API_KEY`, and `NOUKAI_BASE_URL` or `NOUKAI_ENV`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) where the key is missing or a value is not valid.
    ///
    /// ```
    /// match noukai::Noukai::new() {
    ///     Ok(client) => println!("calls {}", client.base_url()),
    ///     Err(error) => println!("{error}"), // there is no API key; set NOUKAI_API_KEY or call `api_key`
    /// }
    /// ```
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// A client with options.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_test_abcdefgh_0123").org("acme").project("demo").build()?;
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn builder() -> NoukaiBuilder {
        NoukaiBuilder::default()
    }

    pub(crate) fn assembled(
        transport: Transport,
        project: Option<Project>,
        session_id: Option<String>,
        replay_enabled: Option<String>,
    ) -> Self {
        Self { transport: Arc::new(transport), project, session_id, cassette: None, replay_enabled }
    }

    /// Where the server is, without a slash at the end.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").base_url("http://127.0.0.1:9000/api/v1/").build()?;
    /// assert_eq!(client.base_url(), "http://127.0.0.1:9000/api/v1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn base_url(&self) -> &str {
        self.transport.base_url()
    }

    /// A flow: `"slug"` (with the client's `org` and `project`), `"org/project/slug"` or `("org", "project", "slug")`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) for two or four segments, or empty ones.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").org("acme").project("demo").build()?;
    /// assert_eq!(client.flow("hello")?.to_string(), "acme/demo/hello");
    /// assert_eq!(client.flow("other/team/hello")?.to_string(), "other/team/hello");
    /// assert_eq!(client.flow(("other", "team", "hello"))?.to_string(), "other/team/hello");
    /// assert!(client.flow("demo/hello").is_err());
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn flow(&self, flow: impl IntoFlowRef) -> Result<Flow> {
        let address = flow.into_flow_ref()?.with_default(self.project.as_ref())?;
        Ok(Flow::new(self.clone(), address))
    }

    /// A run of any flow of the key's project, by its id alone.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// let trace = client.run(&done.execution_id).trace().await?;
    /// assert_eq!(trace.flow_run.id, done.execution_id);
    /// # Ok(())
    /// # });
    /// ```
    pub fn run(&self, execution_id: impl Into<String>) -> Run {
        Run::new(self.clone(), "/flow-runs".to_owned(), execution_id.into())
    }

    /// A scope whose calls share one fresh session, so that they can be read and replayed together.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let session = client.session();
    /// let done = session.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// assert_eq!(done.session_id.as_deref(), Some(session.id()));
    /// # Ok(())
    /// # });
    /// ```
    pub fn session(&self) -> Session {
        Session::fresh(self)
    }

    /// All runs of a session, as the server kept them.
    ///
    /// # Errors
    /// [`ErrorKind::FlowNotFound`](crate::ErrorKind::FlowNotFound) for an unknown session, and what every request may
    /// give.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let session = client.session();
    /// session.flow("acme/demo/hello")?.execute().message("hi").await?;
    /// assert_eq!(client.recorded_session(session.id()).await?.executions.len(), 1);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn recorded_session(&self, session_id: &str) -> Result<RecordedSession> {
        crate::flow::check_segment("session_id", session_id)?;
        let path = format!("/seq/sessions/{}", encoded(session_id));
        self.transport.json(&self.call(), &Request::get(path)).await
    }

    /// Serves the recorded runs of a session from memory, without calling a model. Meant for tests and debugging; off
    /// unless `NOUKAI_REPLAY_ENABLED` is `true`. See [`Replay`].
    ///
    /// # Errors
    /// [`ErrorKind::ReplayDisabled`](crate::ErrorKind::ReplayDisabled), and
    /// [`ErrorKind::ReplayUnavailable`](crate::ErrorKind::ReplayUnavailable) where a run has no snapshots.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let error = client.replay("0b5a7c1e-1111-4222-8333-444455556666").await.unwrap_err();
    /// assert_eq!(error.kind(), noukai::ErrorKind::ReplayDisabled); // in this environment
    /// # Ok(())
    /// # });
    /// ```
    pub async fn replay(&self, session_id: &str) -> Result<Replay> {
        Replay::open(self, session_id).await
    }

    /// What the client's own key is good for.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) for a key that is not valid.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let key = client.verify_key().await?;
    /// println!("{}/{}, {}", key.organization, key.project, key.environment);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn verify_key(&self) -> Result<VerifiedKey> {
        self.transport.json(&self.call(), &Request::get("/keys/verify".to_owned())).await
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The settings of a call that names none of its own.
    pub(crate) fn call(&self) -> Call {
        self.transport.call()
    }

    pub(crate) fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    pub(crate) fn with_session_id(&self, id: String) -> Self {
        Self { session_id: Some(id), ..self.clone() }
    }

    pub(crate) fn with_cassette(&self, cassette: Arc<Cassette>) -> Self {
        Self { cassette: Some(cassette), ..self.clone() }
    }

    pub(crate) fn cassette(&self) -> Option<&Arc<Cassette>> {
        self.cassette.as_ref()
    }

    pub(crate) fn replay_enabled(&self) -> bool {
        self.replay_enabled.as_deref() == Some("true")
    }
}

impl fmt::Debug for Noukai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noukai")
            .field("base_url", &self.base_url())
            .field("project", &self.project)
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}
