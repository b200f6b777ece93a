//! Model replies that are given again.

use time::OffsetDateTime;

use crate::ProjectId;

/// What a row takes beside its reply, about: so many counts each reply beside its bytes.
const ROW_BYTES: u64 = 512;

/// A reply to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedReply {
    /// The tenant.
    pub project_id: ProjectId,
    /// Stands for the request.
    pub key: String,
    /// Versioned JSON, the caller's own.
    pub reply: String,
    /// When it was given.
    pub kept_at: OffsetDateTime,
    /// Not given again from then on.
    pub expires_at: OffsetDateTime,
}

impl CachedReply {
    /// What it counts for.
    pub fn bytes(&self) -> u64 {
        self.reply.len() as u64 + ROW_BYTES
    }
}
