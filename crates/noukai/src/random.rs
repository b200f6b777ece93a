//! Numbers by chance, for trace ids and waits: unpredictable enough to be told apart, and no system call each.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number by chance. Not for secrets.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ() {
        let numbers: std::collections::HashSet<u64> = (0..10_000).map(|_| random()).collect();
        assert_eq!(numbers.len(), 10_000);
    }
}
