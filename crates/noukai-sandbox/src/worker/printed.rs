//! Printed text, kept up to a limit; what goes beyond is dropped, not an error.

use crate::wire::Printed;

/// Collects what a function prints.
#[derive(Debug, Default)]
pub struct Sink {
    printed: Printed,
    limit: usize,
}

impl Sink {
    /// Keeps up to `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { printed: Printed::default(), limit: usize::try_from(limit).unwrap_or(usize::MAX) }
    }

    /// Takes some more text.
    pub fn write(&mut self, text: &str) {
        if self.printed.truncated {
            return;
        }
        let room = self.limit - self.printed.text.len();
        let kept = text.floor_char_boundary(room);
        self.printed.text.push_str(&text[..kept]);
        self.printed.truncated = kept < text.len();
    }

    /// What was kept.
    pub fn finish(self) -> Printed {
        self.printed
    }
}
