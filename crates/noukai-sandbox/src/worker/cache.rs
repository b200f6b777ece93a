//! What a worker has compiled, by content: the source itself is the key, so two blocks of the same text share it.

use std::collections::HashMap;

use crate::wire::{Failure, Source, Tongue};

/// Programs kept; beyond it the cache starts anew.
const CAPACITY: usize = 128;

/// Compiled programs.
pub struct Cache<P>(HashMap<Key, P>);

type Key = (Tongue, Vec<Box<str>>, Box<str>);

impl<P> Default for Cache<P> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<P> Cache<P> {
    /// The program of `source`, compiled if need be.
    pub fn get_or_insert(
        &mut self,
        source: &Source<'_>,
        compile: impl FnOnce() -> Result<P, Failure>,
    ) -> Result<&P, Failure> {
        let parameters = source.parameters.iter().map(|&name| name.into()).collect();
        let key = (source.tongue, parameters, source.body.into());
        if self.0.len() >= CAPACITY && !self.0.contains_key(&key) {
            self.0.clear();
        }
        match self.0.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => Ok(entry.insert(compile()?)),
        }
    }
}
