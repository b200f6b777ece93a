//! Jobs.

use std::{sync::Arc, time::Duration};

use super::runtime::Runtime;
use crate::{JobStatus, Result};

/// A queued run; see [`noukai::Job`](crate::Job).
///
/// ```
/// # noukai_mock::blocking_example(|url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
/// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?;
/// assert_eq!(job.wait().send()?.output::<String>()?, "Hello: hi");
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Job {
    pub(super) inner: crate::Job,
    pub(super) runtime: Arc<Runtime>,
}

impl Job {
    /// The run.
    ///
    /// ```
    /// let flow = noukai::Noukai::builder().api_key("nk_x").build_blocking()?.flow("acme/demo/hello")?;
    /// assert_eq!(flow.job("r-1").execution_id(), "r-1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn execution_id(&self) -> &str {
        self.inner.execution_id()
    }

    /// The flow's id; of a job that was queued elsewhere, nothing.
    ///
    /// ```
    /// let flow = noukai::Noukai::builder().api_key("nk_x").build_blocking()?.flow("acme/demo/hello")?;
    /// assert_eq!(flow.job("r-1").flow_id(), None);
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn flow_id(&self) -> Option<&str> {
        self.inner.flow_id()
    }

    /// Where it stands now.
    ///
    /// # Errors
    /// As [`noukai::Job::poll`](crate::Job::poll).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?;
    /// println!("{:?}", job.poll()?.status);
    /// # Ok(())
    /// # });
    /// ```
    pub fn poll(&self) -> Result<JobStatus> {
        self.runtime.wait(self.inner.poll())
    }

    /// Waits until it has ended.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?.wait().send()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn wait(&self) -> JobWait {
        JobWait { inner: self.inner.wait(), runtime: self.runtime.clone() }
    }

    /// Cancels it. Without effect once it has ended.
    ///
    /// # Errors
    /// As [`noukai::Job::cancel`](crate::Job::cancel).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/slow")?.execute_async().message("hi").send()?;
    /// assert_eq!(job.cancel()?.status, noukai::RunStatus::Cancelled);
    /// # Ok(())
    /// # });
    /// ```
    pub fn cancel(&self) -> Result<JobStatus> {
        self.runtime.wait(self.inner.cancel())
    }
}

/// Waits for a job; see [`Job::wait`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent yet"]
pub struct JobWait {
    inner: crate::JobWait,
    runtime: Arc<Runtime>,
}

impl JobWait {
    /// The first pause between two polls (2 s), where the server does not wait itself.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?;
    /// job.wait().interval(std::time::Duration::from_millis(100)).send()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.inner = self.inner.interval(interval);
        self
    }

    /// How long to wait in all (300 s).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/slow")?.execute_async().message("hi").send()?;
    /// assert!(job.wait().timeout(std::time::Duration::from_millis(20)).send().is_err());
    /// # Ok(())
    /// # });
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// Waits.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and what every request may give.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?;
    /// assert_eq!(job.wait().send()?.status, noukai::RunStatus::Completed);
    /// # Ok(())
    /// # });
    /// ```
    pub fn send(self) -> Result<JobStatus> {
        self.runtime.wait(self.inner.into_future())
    }
}
