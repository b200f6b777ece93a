//! The token that ends requests from elsewhere.

use tokio_util::sync::CancellationToken;

/// Ends every request it was given to, from anywhere. Clones are the same token.
///
/// ```
/// let token = noukai::CancelToken::new();
/// let elsewhere = token.clone();
/// elsewhere.cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(CancellationToken);

impl CancelToken {
    /// A token that nobody has cancelled.
    ///
    /// ```
    /// assert!(!noukai::CancelToken::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends what it was given to, with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). For good.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # use noukai::{ErrorKind, Noukai};
    /// # let client = Noukai::builder().base_url(url).api_key(key).build()?;
    /// let token = noukai::CancelToken::new();
    /// token.cancel();
    /// let error = client.flow("acme/demo/hello")?.execute().cancel(&token).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// # Ok(())
    /// # });
    /// ```
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether somebody has.
    ///
    /// ```
    /// let token = noukai::CancelToken::new();
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until somebody does.
    ///
    /// ```
    /// # noukai_mock::example(async |_, _| {
    /// let token = noukai::CancelToken::new();
    /// token.cancel();
    /// token.cancelled().await;
    /// # Ok(())
    /// # });
    /// ```
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// A token that ends with this one, and can be ended by itself.
    ///
    /// ```
    /// let all = noukai::CancelToken::new();
    /// let one = all.child();
    /// all.cancel();
    /// assert!(one.is_cancelled());
    /// ```
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Does the work, unless cancelled before it is done.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.run_until_cancelled(work).await
    }
}
