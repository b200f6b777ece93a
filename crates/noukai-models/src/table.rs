//! Providers and which of them serves a model. Sends nothing itself.

use std::fmt;

use crate::Provider;

/// A provider, or what stands in its place.
#[derive(Debug)]
pub enum Served {
    /// It can be called.
    Ready(Box<Provider>),
    /// It is there, but cannot be called.
    Closed(Closed),
}

/// A provider that cannot be called at this time. Nothing else stands in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its name.
    pub name: String,
    /// What it serves, as a provider's configuration says it.
    pub models: Vec<String>,
    /// Why not, for a person.
    pub why: String,
}

impl Served {
    fn name(&self) -> &str {
        match self {
            Self::Ready(provider) => provider.name(),
            Self::Closed(closed) => &closed.name,
        }
    }

    fn models(&self) -> &[String] {
        match self {
            Self::Ready(provider) => &provider.config().models,
            Self::Closed(closed) => &closed.models,
        }
    }
}

/// A provider and what it serves, for a message.
impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.models().join(" "))
    }
}

/// Providers with the routes to them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Served>,
    /// Longest first.
    routes: Vec<Route>,
}

impl Table {
    /// Of two that serve the same, the first one counts.
    pub(crate) fn new(entries: Vec<Served>) -> Self {
        let mut routes: Vec<Route> = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            routes.extend(entry.models().iter().map(|models| Route::new(models, position)));
        }
        // Stable, so that the first of equals stays first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.name.len()));
        Self { entries, routes }
    }

    pub(crate) fn get(&self, model: &str) -> Option<&Served> {
        let route = self.routes.iter().find(|route| route.serves(model))?;
        self.entries.get(route.entry)
    }
}

/// A name, or what names begin with, and the position of the provider that serves it.
#[derive(Debug)]
struct Route {
    name: String,
    is_prefix: bool,
    entry: usize,
}

impl Route {
    /// `vendor/model`, `vendor/`, `vendor/family*`, or `*`.
    fn new(models: &str, entry: usize) -> Self {
        let name = models.trim_end_matches('*');
        Self { name: name.to_owned(), is_prefix: name.len() < models.len() || name.ends_with('/'), entry }
    }

    fn serves(&self, model: &str) -> bool {
        model == self.name || (self.is_prefix && model.starts_with(&self.name))
    }
}

/// Providers with keys of a tenant's own: asked before the server's, the nearest group first.
#[derive(Debug, Default)]
pub struct OwnProviders {
    pub(crate) groups: Vec<Table>,
}

impl OwnProviders {
    /// None at all.
    pub const fn none() -> Self {
        Self { groups: Vec::new() }
    }

    /// The groups, the nearest first.
    pub fn new(groups: Vec<Vec<Served>>) -> Self {
        Self { groups: groups.into_iter().map(Table::new).collect() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.entries.is_empty())
    }

    /// The keys that were sent since this was asked last: the position of their provider, counted over all groups, and
    /// their own in its configuration.
    pub fn take_used(&self) -> Vec<(usize, usize)> {
        let entries = self.groups.iter().flat_map(|group| &group.entries).enumerate();
        let used = entries.flat_map(|(position, entry)| {
            let keys = match entry {
                Served::Ready(provider) => provider.take_used(),
                Served::Closed(_) => Vec::new(),
            };
            keys.into_iter().map(move |key| (position, key))
        });
        used.collect()
    }
}
