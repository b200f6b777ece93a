//! How a client is put together, and what of it comes from the environment.

use std::time::Duration;

use reqwest::Url;

use crate::{
    CancelToken, Error, LogEvent, Noukai, Result,
    client::Project,
    http::{Settings, Transport},
    key::ApiKey,
    log::Logger,
    options::checked_session_id,
    span::Tracing,
};

const LOCAL: &str = "http://localhost:8080/api/v1";
const TIMEOUT: Duration = Duration::from_secs(300);
const RETRIES: u32 = 1;
/// The server's own bound of all that a run may give.
const REPLY_BYTES: usize = 256 * 1024 * 1024;

/// Puts a [`Noukai`] client together. What is not set comes from the environment, else it has its default.
#[derive(Debug, Clone)]
#[must_use]
pub struct NoukaiBuilder {
    api_key: Option<Secret>,
    base_url: Option<String>,
    env: Option<String>,
    org: Option<String>,
    project: Option<String>,
    timeout: Duration,
    max_retries: u32,
    max_reply_bytes: usize,
    session_id: Option<String>,
    logger: Option<Logger>,
    log_payloads: bool,
    cancel: CancelToken,
    tracing: Tracing,
}

/// A key that is not yet checked.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Default for NoukaiBuilder {
    fn default() -> Self {
        Self {
            api_key: None,
            base_url: None,
            env: None,
            org: None,
            project: None,
            timeout: TIMEOUT,
            max_retries: RETRIES,
            max_reply_bytes: REPLY_BYTES,
            session_id: None,
            logger: None,
            log_payloads: false,
            cancel: CancelToken::new(),
            tracing: Tracing::default(),
        }
    }
}

impl NoukaiBuilder {
    /// The API key; `NOUKAI_API_KEY` where it is not set. It shows in no error, log or `Debug` output.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_test_abcdefgh_0123").build()?;
    /// assert!(!format!("{client:?}").contains("0123"));
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Secret(key.into()));
        self
    }

    /// Where the server is, its `/api/v1` included; `NOUKAI_BASE_URL` where it is not set. Wins over `env`.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").base_url("https://flows.example.com/api/v1").build()?;
    /// assert_eq!(client.base_url(), "https://flows.example.com/api/v1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// `dev` or `development`: the server on this machine, `http://localhost:8080/api/v1`, which is also the default.
    /// `NOUKAI_ENV` where neither this nor a base URL is set.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").env("dev").build()?;
    /// assert_eq!(client.base_url(), "http://localhost:8080/api/v1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn env(mut self, env: impl Into<String>) -> Self {
        self.env = Some(env.into());
        self
    }

    /// The organisation of flows that are named by their slug alone. Together with [`project`](Self::project).
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").org("acme").project("demo").build()?;
    /// assert_eq!(client.flow("hello")?.to_string(), "acme/demo/hello");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.org = Some(org.into());
        self
    }

    /// The project of flows that are named by their slug alone. Together with [`org`](Self::org).
    ///
    /// ```
    /// let error = noukai::Noukai::builder().api_key("nk_x").project("demo").build().unwrap_err();
    /// assert!(error.to_string().contains("`org` and `project`"));
    /// ```
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// The longest a request may take until the end of its reply (300 s); of a stream: until it opens, and then between
    /// two signs of life. A retry has the time again.
    ///
    /// ```
    /// let builder = noukai::Noukai::builder().api_key("nk_x").timeout(std::time::Duration::from_secs(10));
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is sent again (1) after 408, 429, 500, 502, 503, 504 or a broken connection. No run is run
    /// twice: each `POST` carries an idempotency key.
    ///
    /// ```
    /// assert!(noukai::Noukai::builder().api_key("nk_x").max_retries(3).build().is_ok());
    /// ```
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// The largest reply, and the largest single event of a stream, that is read (256 MiB). What is larger is an error.
    ///
    /// ```
    /// assert!(noukai::Noukai::builder().api_key("nk_x").max_reply_bytes(1_000_000).build().is_ok());
    /// ```
    pub fn max_reply_bytes(mut self, bytes: usize) -> Self {
        self.max_reply_bytes = bytes;
        self
    }

    /// The session of all runs that name no other.
    ///
    /// ```
    /// assert!(noukai::Noukai::builder().api_key("nk_x").session_id("nightly-7").build().is_ok());
    /// ```
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// Called for each request, reply, failure, retry and reconnect, on the task that makes the call; so it must be
    /// quick. Told neither keys nor contents.
    ///
    /// ```
    /// let builder = noukai::Noukai::builder().api_key("nk_x").on_log(|event| eprintln!("{event:?}"));
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn on_log(mut self, log: impl Fn(&LogEvent<'_>) + Send + Sync + 'static) -> Self {
        self.logger = Some(Logger::new(log));
        self
    }

    /// Whether `on_log` is also told what is sent and what comes (off). Users' data then stands in your logs.
    ///
    /// ```
    /// let builder = noukai::Noukai::builder().api_key("nk_x").on_log(|_| {}).log_payloads(true);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn log_payloads(mut self, on: bool) -> Self {
        self.log_payloads = on;
        self
    }

    /// A token that ends every request of the client.
    ///
    /// ```
    /// let token = noukai::CancelToken::new();
    /// assert!(noukai::Noukai::builder().api_key("nk_x").cancel(&token).build().is_ok());
    /// ```
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Who records the spans of calls, in place of OpenTelemetry's global provider.
    ///
    /// ```
    /// let tracer = opentelemetry::global::tracer("my-service");
    /// assert!(noukai::Noukai::builder().api_key("nk_x").otel_tracer(tracer).build().is_ok());
    /// ```
    #[cfg(feature = "otel")]
    pub fn otel_tracer(mut self, tracer: opentelemetry::global::BoxedTracer) -> Self {
        self.tracing.tracer = Some(std::sync::Arc::new(tracer));
        self
    }

    /// Whether each recorded call reads its run's trace once it has ended, for a span per step with model, tokens and cost
    /// (off: one more request per call). Streams have spans per step without it, but these do not name the model.
    ///
    /// ```
    /// assert!(noukai::Noukai::builder().api_key("nk_x").otel_steps(true).build().is_ok());
    /// ```
    #[cfg(feature = "otel")]
    pub fn otel_steps(mut self, on: bool) -> Self {
        self.tracing.steps = on;
        self
    }

    /// The client. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) for an option that is not valid, and for a missing
    /// key.
    ///
    /// ```
    /// let error = noukai::Noukai::builder().api_key("secret").build().unwrap_err();
    /// assert!(error.to_string().contains("`nk_`"));
    /// ```
    pub fn build(self) -> Result<Noukai> {
        self.build_with(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// With an environment of the caller's.
    fn build_with(self, env: &dyn Fn(&str) -> Option<String>) -> Result<Noukai> {
        let missing = || Error::invalid("there is no API key; set NOUKAI_API_KEY or call `api_key`");
        let key = self.api_key.map(|key| key.0).or_else(|| env("NOUKAI_API_KEY")).ok_or_else(missing)?;
        let base = base_url(self.base_url, self.env, env)?;
        let project = default_project(self.org, self.project)?;
        if self.timeout.is_zero() {
            return Err(Error::invalid("`timeout` must be longer than 0"));
        }
        if self.max_reply_bytes == 0 {
            return Err(Error::invalid("`max_reply_bytes` must be at least 1"));
        }
        let session_id = self.session_id.map(checked_session_id).transpose()?;
        let settings = Settings {
            base,
            key: ApiKey::new(key)?,
            timeout: self.timeout,
            max_retries: self.max_retries,
            max_reply_bytes: self.max_reply_bytes,
            logger: self.logger,
            log_payloads: self.log_payloads,
            cancel: self.cancel,
            tracing: self.tracing,
        };
        Ok(Noukai::assembled(Transport::new(settings)?, project, session_id, env("NOUKAI_REPLAY_ENABLED")))
    }
}

/// Builder before environment, URL before name.
fn base_url(url: Option<String>, name: Option<String>, env: &dyn Fn(&str) -> Option<String>) -> Result<Url> {
    let named = name.map(|name| named_server(&name)).transpose()?;
    let text = match (url, named) {
        (Some(url), _) => url,
        (None, Some(url)) => url.to_owned(),
        (None, None) => match (env("NOUKAI_BASE_URL"), env("NOUKAI_ENV")) {
            (Some(url), _) => url,
            (None, Some(name)) => named_server(&name)?.to_owned(),
            (None, None) => LOCAL.to_owned(),
        },
    };
    checked_base_url(&text)
}

fn named_server(name: &str) -> Result<&'static str> {
    match name {
        "dev" | "development" => Ok(LOCAL),
        other => Err(Error::invalid(format!(
            "`{other}` is no environment; valid are `dev` and `development`, or set a base URL"
        ))),
    }
}

fn checked_base_url(text: &str) -> Result<Url> {
    let wrong = |what: &str| Error::invalid(format!("the base URL {what}; it looks like `{LOCAL}`"));
    let url = Url::parse(text.trim_end_matches('/')).map_err(|_| wrong("is no absolute URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with `http://` or `https://`"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user name or password; the key goes to `api_key`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not hold `?` or `#`"));
    }
    Ok(url)
}

fn default_project(org: Option<String>, project: Option<String>) -> Result<Option<Project>> {
    match (org, project) {
        (None, None) => Ok(None),
        (Some(org), Some(project)) => {
            for (name, value) in [("org", &org), ("project", &project)] {
                crate::flow::check_segment(name, value)?;
            }
            Ok(Some(Project { org, project }))
        }
        _ => Err(Error::invalid("set both `org` and `project`, or neither")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn built(builder: NoukaiBuilder, env: &[(&str, &str)]) -> Result<Noukai> {
        let env: Vec<(String, String)> = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        builder.build_with(&|name| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    }

    const KEY: (&str, &str) = ("NOUKAI_API_KEY", "nk_test_abcdefgh_secret");

    #[test]
    fn the_environment_gives_key_and_server() {
        let url = |env: &[(&str, &str)]| built(NoukaiBuilder::default(), env).map(|c| c.base_url().to_owned()).ok();
        assert_eq!(url(&[KEY]).as_deref(), Some(LOCAL));
        assert_eq!(url(&[KEY, ("NOUKAI_ENV", "dev")]).as_deref(), Some(LOCAL));
        assert_eq!(url(&[KEY, ("NOUKAI_ENV", "development")]).as_deref(), Some(LOCAL));
        let other = ("NOUKAI_BASE_URL", "https://a.example/api/v1/");
        assert_eq!(url(&[KEY, other, ("NOUKAI_ENV", "dev")]).as_deref(), Some("https://a.example/api/v1"));
        assert_eq!(url(&[KEY, ("NOUKAI_ENV", "staging")]), None);
        assert_eq!(url(&[]), None);
    }

    #[test]
    fn what_the_builder_says_wins_over_the_environment() {
        let env = [KEY, ("NOUKAI_BASE_URL", "https://a.example/api/v1")];
        let client = built(Noukai::builder().base_url("http://b.example"), &env).expect("a client");
        assert_eq!(client.base_url(), "http://b.example");
        let client = built(Noukai::builder().env("dev"), &env).expect("a client");
        assert_eq!(client.base_url(), LOCAL);
        let error = built(Noukai::builder().api_key("wrong"), &env).expect_err("the builder's key counts");
        assert!(error.to_string().contains("nk_"), "{error}");
    }

    #[test]
    fn every_invalid_option_is_named_with_the_valid_ones() {
        let cases: [(NoukaiBuilder, &str); 12] = [
            (Noukai::builder().env("production"), "`dev` and `development`"),
            (Noukai::builder().base_url("localhost:8080"), "http://"),
            (Noukai::builder().base_url("ftp://a"), "`https://`"),
            (Noukai::builder().base_url("not a url"), "absolute URL"),
            (Noukai::builder().base_url("http://user:nk_live_pw@a"), "`api_key`"),
            (Noukai::builder().base_url("http://a/api/v1?key=nk_live_x"), "`?`"),
            (Noukai::builder().org("acme"), "`org` and `project`"),
            (Noukai::builder().project("demo"), "`org` and `project`"),
            (Noukai::builder().org("").project("demo"), "`org`"),
            (Noukai::builder().timeout(Duration::ZERO), "`timeout`"),
            (Noukai::builder().session_id("s".repeat(201)), "200"),
            (Noukai::builder().max_reply_bytes(0), "`max_reply_bytes`"),
        ];
        for (builder, named) in cases {
            let shown = format!("{builder:?}");
            let error = built(builder, &[KEY]).expect_err(&shown);
            assert_eq!(error.kind(), ErrorKind::InvalidValue, "{shown}");
            assert!(error.to_string().contains(named), "{error}");
            assert!(!error.to_string().contains("nk_live_"), "{error}");
        }
    }

    #[test]
    fn a_builder_shows_no_key() {
        let shown = format!("{:?}", Noukai::builder().api_key("nk_live_abcdefgh_secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
