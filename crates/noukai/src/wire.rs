//! What callers send, in the server's own shapes.

pub use noukai_api::{Attachment, ChatMessage as Message};
