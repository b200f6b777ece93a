//! The providers that a project's calls may use with keys of its own, or of its organisation's: looked up, opened, and
//! known for a short while. A key goes to the address it was added for, and to nobody else's calls.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use noukai_models::{Closed, OwnProviders, Provider, ProviderConfig, Secret, Served};
use noukai_store::{ProjectId, ProviderKeyRecord};
use parking_lot::Mutex;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{App, AppError};
use crate::vault::VaultError;

/// How long what is known is not looked up again.
const FRESH: Duration = Duration::from_secs(10);
/// How long it is used at the most, where the store does not answer or somebody looks it up just now.
const USABLE: Duration = Duration::from_secs(25);
/// Projects known at the same time; past that it starts anew.
const MOST: usize = 10_000;

/// What is known, by project.
#[derive(Default)]
pub(crate) struct OwnKeys {
    known: Mutex<HashMap<ProjectId, Known>>,
}

struct Known {
    own: Arc<Own>,
    loaded: Instant,
    /// When somebody last began to look it up.
    asked: Instant,
}

/// A project's own providers.
#[derive(Default)]
pub(crate) struct Own {
    pub providers: OwnProviders,
    /// The keys of each provider, in their order.
    keys: Vec<Vec<Uuid>>,
    rows: Vec<Row>,
}

/// What makes a key another one.
type Row = (Uuid, OffsetDateTime, String);

fn row(key: &ProviderKeyRecord) -> Row {
    (key.id, key.changed_at, key.sealed.with.clone())
}

impl OwnKeys {
    /// What is known, however old.
    pub fn known(&self, project: ProjectId) -> Option<Arc<Own>> {
        self.known.lock().get(&project).map(|known| known.own.clone())
    }

    /// What may still be used, unless it is the caller's turn to look it up.
    fn usable(&self, project: ProjectId) -> Option<Arc<Own>> {
        let mut all = self.known.lock();
        let known = all.get_mut(&project)?;
        let (age, now) = (known.loaded.elapsed(), Instant::now());
        if age < FRESH || (age < USABLE && now - known.asked < FRESH / 10) {
            return Some(known.own.clone());
        }
        known.asked = now;
        None
    }

    /// What may be used where it cannot be looked up.
    fn last_resort(&self, project: ProjectId) -> Option<Arc<Own>> {
        let all = self.known.lock();
        all.get(&project).filter(|known| known.loaded.elapsed() < USABLE).map(|known| known.own.clone())
    }

    fn put(&self, project: ProjectId, own: Arc<Own>) {
        let mut all = self.known.lock();
        if all.len() >= MOST {
            all.clear();
        }
        let now = Instant::now();
        all.insert(project, Known { own, loaded: now, asked: now });
    }

    /// Forgets all: a key was added, changed or removed.
    pub fn clear(&self) {
        self.known.lock().clear();
    }

    /// The keys that were sent since this was asked last.
    fn take_used(&self) -> Vec<Uuid> {
        let all: Vec<Arc<Own>> = self.known.lock().values().map(|known| known.own.clone()).collect();
        let mut used: Vec<Uuid> = all.iter().flat_map(|own| own.take_used()).collect();
        used.sort_unstable();
        used.dedup();
        used
    }
}

impl Own {
    fn take_used(&self) -> Vec<Uuid> {
        let used = self.providers.take_used().into_iter();
        used.filter_map(|(provider, key)| self.keys.get(provider)?.get(key).copied()).collect()
    }
}

impl App {
    /// A project's own providers, at most [`USABLE`] old.
    ///
    /// # Errors
    /// A store that does not answer.
    pub(crate) async fn own_providers(&self, project: ProjectId) -> Result<Arc<Own>, AppError> {
        let all = &self.inner.own_keys;
        if let Some(own) = all.usable(project) {
            return Ok(own);
        }
        let rows = match self.store().provider_keys(project).await {
            Ok(rows) => rows,
            Err(error) => return all.last_resort(project).ok_or_else(|| error.into()),
        };
        // The same keys keep their places, their pauses and what is known of their failures.
        let before =
            all.known(project).filter(|own| own.rows.iter().eq(rows.iter().map(row).collect::<Vec<_>>().iter()));
        let own = before.unwrap_or_else(|| Arc::new(self.open_all(&rows)));
        all.put(project, own.clone());
        Ok(own)
    }

    /// What is known of a project's own providers, however old.
    pub(crate) fn own_providers_known(&self, project: ProjectId) -> Option<Arc<Own>> {
        self.inner.own_keys.known(project)
    }

    /// Says in the log which provider keys cannot be read, if any.
    pub(crate) async fn say_what_cannot_be_read(&self) {
        if let Some(fault) = self.vault().fault() {
            tracing::error!(reason = fault, "there is no master key: stored provider keys cannot be used");
        }
        match self.store().sealed_with().await {
            Ok(sealed) => {
                for (master, keys) in sealed.iter().filter(|(master, _)| !self.vault().has(master)) {
                    tracing::error!(master, keys, "provider keys cannot be read: their master key is not there");
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look whether provider keys can be read"),
        }
    }

    /// Notes in the store which keys were sent.
    pub(crate) async fn note_used_keys(&self) -> Result<(), AppError> {
        let used = self.inner.own_keys.take_used();
        if used.is_empty() {
            return Ok(());
        }
        Ok(self.store().provider_keys_used(&used, self.shared_now()).await?)
    }

    /// The project's own providers as one group, its organisation's as the next.
    fn open_all(&self, rows: &[ProviderKeyRecord]) -> Own {
        let mut own = Own { rows: rows.iter().map(row).collect(), ..Own::default() };
        let mut groups = Vec::new();
        for of_project in [true, false] {
            let of_group = rows.iter().filter(|key| key.project_id.is_some() == of_project);
            let mut group = Vec::new();
            for keys in by_address(of_group) {
                let (served, ids) = self.open_provider(&keys);
                group.push(served);
                own.keys.push(ids);
            }
            groups.push(group);
        }
        own.providers = OwnProviders::new(groups);
        own
    }

    /// One provider with all keys for it that can be read; closed where there is none.
    fn open_provider(&self, keys: &[&ProviderKeyRecord]) -> (Served, Vec<Uuid>) {
        let mut opened = Vec::new();
        let mut why = String::new();
        for key in keys {
            match self.open_key(key) {
                Ok(secret) => opened.push((key.id, secret)),
                Err(error) => {
                    tracing::warn!(key = %key.id, provider = key.provider, %error, "a provider key cannot be read");
                    why = unreadable(key, &error);
                }
            }
        }
        let (ids, secrets): (Vec<Uuid>, Vec<Secret>) = opened.into_iter().unzip();
        let config = keys.first().and_then(|key| self.own_provider(&key.provider, &key.base_url, secrets));
        let (name, models) =
            config.as_ref().map(|config| (config.name.clone(), config.models.clone())).unwrap_or_default();
        let closed = |why| (Served::Closed(Closed { name: name.clone(), models: models.clone(), why }), Vec::new());
        match config {
            Some(config) if !ids.is_empty() => match self.provider(config) {
                Ok(provider) => (Served::Ready(Box::new(provider)), ids),
                Err(error) => closed(error.to_string()),
            },
            _ => closed(why),
        }
    }

    pub(super) fn open_key(&self, key: &ProviderKeyRecord) -> Result<Secret, VaultError> {
        self.vault().unseal(&key.sealed, &about(key))
    }

    pub(super) fn provider(&self, config: ProviderConfig) -> Result<Provider, AppError> {
        let provider = Provider::new(config, self.egress().clone(), self.model().catalogue().clone());
        provider.map_err(|error| AppError::invalid_field(&["body", "base_url"], error.to_string()))
    }

    /// How a provider is called with keys of a tenant's: as the operator configured it where it is at that address, else
    /// as the vendor's, at a public address only.
    pub(super) fn own_provider(&self, name: &str, base_url: &str, keys: Vec<Secret>) -> Option<ProviderConfig> {
        let configured = self.model().configured(name).cloned();
        let same = configured.as_ref().is_some_and(|config| config.base_url == base_url);
        let config = configured.or_else(|| ProviderConfig::named(name, Some(base_url.to_owned()), Vec::new()))?;
        let block_time = Duration::from_secs(self.limits().block_seconds);
        Some(ProviderConfig {
            base_url: base_url.to_owned(),
            own_url: same && config.own_url,
            keys,
            timeout: config.timeout.min(block_time),
            ..config
        })
    }
}

/// What a key is sealed with: whose it is, for whom, and where it goes.
pub(super) fn about(key: &ProviderKeyRecord) -> String {
    let project = key.project_id.map_or_else(|| "all".to_owned(), |project| project.to_string());
    format!(
        "provider key {}\norganisation {}\nproject {project}\nprovider {}\nat {}",
        key.id, key.org_id, key.provider, key.base_url
    )
}

/// What a call is told that needs the key.
pub(super) fn unreadable(key: &ProviderKeyRecord, error: &VaultError) -> String {
    let whose = if key.project_id.is_some() { "project" } else { "organisation" };
    format!(
        "the {whose}'s key for `{}` (ending in {}) cannot be read: {error}; the server's operator finds more in \
         `noukai doctor`",
        key.provider, key.last_four
    )
}

/// Keys of one provider at one address together, in the order of the first of each.
fn by_address<'a>(keys: impl Iterator<Item = &'a ProviderKeyRecord>) -> Vec<Vec<&'a ProviderKeyRecord>> {
    let mut groups: Vec<Vec<&ProviderKeyRecord>> = Vec::new();
    for key in keys {
        let same = |group: &&mut Vec<&ProviderKeyRecord>| {
            group.first().is_some_and(|first| first.provider == key.provider && first.base_url == key.base_url)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(key),
            None => groups.push(vec![key]),
        }
    }
    groups
}
