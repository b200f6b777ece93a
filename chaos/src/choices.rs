//! Everything that is chosen: a stream of choices that a seed and a name decide, the same in every run of the harness.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Choices of one case, or of one part of it.
pub struct Choices(StdRng);

impl Choices {
    /// The choices of what is called `name` under `seed`.
    pub fn of(seed: u64, name: &str) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name.as_bytes()).finalize();
        Self(StdRng::from_seed(digest.into()))
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// Yes, in so many of a hundred.
    pub fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    /// One of several; the first where there is only one.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let index = self.below(u32::try_from(all.len()).unwrap_or(u32::MAX)) as usize;
        &all[index]
    }

    /// An id.
    pub fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.random()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_name_choose_the_same() {
        let some = |seed, name| {
            let mut choices = Choices::of(seed, name);
            (0..20).map(|_| choices.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(some(1, "kill:3"), some(1, "kill:3"));
        assert_ne!(some(1, "kill:3"), some(2, "kill:3"));
        assert_ne!(some(1, "kill:3"), some(1, "kill:4"));
    }
}
