//! Why storage failed.

/// Why storage failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The job's lease is another worker's.
    #[error("the lease on the job is no longer this worker's")]
    Fenced,
    /// What was to be changed has changed meanwhile.
    #[error("changed meanwhile: {0}")]
    Conflict(String),
    /// The write queue is full.
    #[error("the write queue is full")]
    Overloaded,
    /// As many jobs wait as may, of the project or of all together.
    #[error("the queue of jobs is full")]
    QueueFull(QueueScope),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The database does not answer at this moment; the call may be repeated.
    #[error("the database does not answer: {0}")]
    Unreachable(String),
    /// The file is no database of ours, or damaged. The message says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The database was written by a newer release. The message says what to do.
    #[error("{0}")]
    Newer(String),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whose queue is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueScope {
    /// The project's.
    Project,
    /// That of all projects together.
    Server,
}
