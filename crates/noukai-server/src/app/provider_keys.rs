//! Keys for model providers that projects and organisations bring: added, listed, tried, replaced, removed, and sealed anew
//! when the master key changes. A key that is stored is never shown again, but for its last four characters.

use noukai_api::{
    CreateProviderKey, DeletedProviderKey, ErrorCode, FieldError, ProviderKeyInfo, ProviderKeyList, ProviderKeyOutcome,
    ProviderKeyTest, ReplaceProviderKey, Scope,
};
use noukai_models::{PRESETS, Probe, ProviderConfig, Secret, preset, probe};
use noukai_store::{ChangedKey, ProjectId, ProviderKeyRecord, Sealed};
use uuid::Uuid;

use super::{
    App, AppError, Caller, Project,
    inputs::fault,
    iso,
    own_keys::{about, unreadable},
};
use crate::vault::VaultError;

const NAME_CHARS: usize = 100;
const URL_CHARS: usize = 500;
/// Longest key, in bytes.
const KEY_BYTES: usize = 4_096;
/// Keys of one project, and of an organisation as such.
const MOST: u32 = 50;
/// Keys sealed anew between two looks.
const BATCH: u32 = 100;

/// Whose keys: an organisation's, and which project of it is meant where one is.
#[derive(Debug, Clone, Copy)]
pub struct KeyOwner {
    org: Uuid,
    project: ProjectId,
}

impl From<&Project> for KeyOwner {
    fn from(project: &Project) -> Self {
        Self { org: project.org_id, project: project.record.id }
    }
}

/// How far keys are sealed with the current master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// The id of the current master key.
    pub with: String,
    /// How many were sealed anew.
    pub done: u64,
    /// Keys that no master key at hand opens; they are left as they are.
    pub unreadable: Vec<String>,
}

impl App {
    /// Whose keys a caller may manage: those of its organisation, and of the named project or its own.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope, or for another organisation's project.
    pub async fn key_owner(&self, caller: &Caller, project_id: Option<&str>) -> Result<KeyOwner, AppError> {
        let own = caller.project_id.to_string();
        let project = self.administered(caller, project_id.unwrap_or(&own)).await?;
        Ok(KeyOwner { org: caller.org_id, project: project.id })
    }

    /// The same, of the organisation as a whole.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope.
    pub fn organisation_of(&self, caller: &Caller) -> Result<KeyOwner, AppError> {
        caller.require(Scope::Admin)?;
        Ok(KeyOwner { org: caller.org_id, project: caller.scope() })
    }

    /// Adds a key for a provider.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for an unknown provider, an address that may not be called, a key that no header may hold;
    /// `MASTER_KEY_UNAVAILABLE`; `CONFLICT` where there are as many as may be.
    pub async fn add_provider_key(
        &self,
        owner: KeyOwner,
        request: CreateProviderKey,
        created_by: &str,
    ) -> Result<ProviderKeyInfo, AppError> {
        let CreateProviderKey { provider, api_key, organization, base_url, name, .. } = request;
        let config = self.checked_provider(&provider, base_url, name.as_deref(), &Secret::new(api_key))?;
        let secret = config.keys.first().cloned().unwrap_or_default();
        let now = self.now();
        let mut record = ProviderKeyRecord {
            id: Uuid::now_v7(),
            org_id: owner.org,
            project_id: (!organization).then_some(owner.project),
            provider,
            base_url: config.base_url,
            name: name.unwrap_or_default(),
            last_four: last_four(&secret),
            sealed: Sealed { with: String::new(), bytes: Vec::new() },
            created_at: now,
            created_by: created_by.to_owned(),
            changed_at: now,
            last_used_at: None,
        };
        record.sealed = self.vault().seal(&secret, &about(&record)).map_err(|error| cannot_seal(&error))?;
        if !self.store().add_provider_key(&record, MOST).await? {
            let message = format!("there are {MOST} provider keys already, which is the limit; remove one first");
            return Err(AppError::new(ErrorCode::Conflict, message));
        }
        self.inner.own_keys.clear();
        Ok(self.info(&record))
    }

    /// The keys that the project's calls may use, its own first.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn provider_keys(&self, owner: KeyOwner) -> Result<ProviderKeyList, AppError> {
        let keys = self.store().provider_keys(owner.project).await?;
        Ok(ProviderKeyList { provider_keys: keys.iter().map(|key| self.info(key)).collect() })
    }

    /// Puts a new secret in the place of a key's old one. It goes to the same address.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`; `VALIDATION_ERROR`; `MASTER_KEY_UNAVAILABLE`.
    pub async fn replace_provider_key(
        &self,
        owner: KeyOwner,
        id: &str,
        request: ReplaceProviderKey,
    ) -> Result<ProviderKeyInfo, AppError> {
        let record = self.provider_key(owner, id).await?;
        let secret = checked_key(&Secret::new(request.api_key)).map_err(|fault| AppError::invalid(vec![fault]))?;
        let sealed = self.vault().seal(&secret, &about(&record)).map_err(|error| cannot_seal(&error))?;
        let to = ChangedKey { sealed, last_four: last_four(&secret), changed_at: self.now() };
        if !self.store().change_provider_key(owner.org, record.id, &to).await? {
            return Err(not_found());
        }
        self.inner.own_keys.clear();
        let ChangedKey { sealed, last_four, changed_at } = to;
        Ok(self.info(&ProviderKeyRecord { sealed, last_four, changed_at, ..record }))
    }

    /// Deletes a key. Every server stops using it within 30 seconds.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`, the same for another organisation's keys as for missing ones.
    pub async fn remove_provider_key(&self, owner: KeyOwner, id: &str) -> Result<DeletedProviderKey, AppError> {
        let record = self.provider_key(owner, id).await?;
        let removed = self.store().remove_provider_key(owner.org, record.id).await?;
        self.inner.own_keys.clear();
        if removed { Ok(DeletedProviderKey { id: record.id.to_string() }) } else { Err(not_found()) }
    }

    /// Asks a key's provider whether it takes it, without a call that costs.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`; `MASTER_KEY_UNAVAILABLE` where the key cannot be read.
    pub async fn test_provider_key(&self, owner: KeyOwner, id: &str) -> Result<ProviderKeyTest, AppError> {
        let record = self.provider_key(owner, id).await?;
        let secret = self
            .open_key(&record)
            .map_err(|error| AppError::new(ErrorCode::MasterKeyUnavailable, unreadable(&record, &error)))?;
        let config = self.own_provider(&record.provider, &record.base_url, vec![secret]);
        let config = config.ok_or_else(|| AppError::internal("a stored provider cannot be called"))?;
        Ok(self.ask_provider(Some(record.id.to_string()), &config).await)
    }

    /// Asks each of the server's own providers whether it takes its first key.
    pub async fn test_server_providers(&self) -> Vec<ProviderKeyTest> {
        let mut tests = Vec::new();
        for config in self.model().providers() {
            tests.push(self.ask_provider(None, config).await);
        }
        tests
    }

    async fn ask_provider(&self, id: Option<String>, config: &ProviderConfig) -> ProviderKeyTest {
        use ProviderKeyOutcome::{Accepted, Refused, Unclear, Unreachable};
        let (outcome, message) = match probe(self.egress(), config).await {
            Probe::Ok { .. } => (Accepted, "the provider takes the key".to_owned()),
            Probe::Refused => (Refused, "the provider refuses the key".to_owned()),
            Probe::Other(status) => (Unclear, format!("the provider answers {status} when asked for its models")),
            Probe::Unreachable(why) => (Unreachable, format!("the provider cannot be reached: {why}")),
        };
        ProviderKeyTest { id, provider: config.name.clone(), base_url: config.base_url.clone(), outcome, message }
    }

    /// Seals every key with the current master key that is not yet. What is done stays done if this is cut off, and it may
    /// be done again, beside servers at work.
    ///
    /// # Errors
    /// `MASTER_KEY_UNAVAILABLE`; failures of the store.
    pub async fn rotate_master_key(&self) -> Result<Resealed, AppError> {
        let no_key = || cannot_seal(&VaultError::NoKey(String::new()));
        let with = self.vault().ids().next().ok_or_else(no_key)?.to_owned();
        let mut resealed = Resealed { with: with.clone(), done: 0, unreadable: Vec::new() };
        let mut after = Uuid::nil();
        loop {
            let keys = self.store().sealed_otherwise(&with, after, BATCH).await?;
            let Some(last) = keys.last() else { return Ok(resealed) };
            after = last.id;
            for key in &keys {
                match self.open_key(key).and_then(|secret| self.vault().seal(&secret, &about(key))) {
                    // One that was replaced meanwhile is sealed with the current key already, or found by the next rotation.
                    Ok(sealed) => resealed.done += u64::from(self.store().reseal(key.id, &key.sealed, &sealed).await?),
                    Err(error) => resealed.unreadable.push(format!("{} ({}): {error}", key.id, key.provider)),
                }
            }
        }
    }

    async fn provider_key(&self, owner: KeyOwner, id: &str) -> Result<ProviderKeyRecord, AppError> {
        let id = Uuid::parse_str(id).map_err(|_| not_found())?;
        self.store().provider_key(owner.org, id).await?.ok_or_else(not_found)
    }

    /// The provider as it will be called with the key.
    fn checked_provider(
        &self,
        provider: &str,
        base_url: Option<String>,
        name: Option<&str>,
        key: &Secret,
    ) -> Result<ProviderConfig, AppError> {
        let mut faults = Vec::new();
        if name.is_some_and(|name| name.chars().count() > NAME_CHARS) {
            faults.push(fault("name", format!("must have at most {NAME_CHARS} characters")));
        }
        let url = self.address(provider, base_url).map_err(|fault| faults.push(fault)).ok();
        let key = checked_key(key).map_err(|fault| faults.push(fault)).ok();
        let (Some(url), Some(key), true) = (url, key, faults.is_empty()) else { return Err(AppError::invalid(faults)) };
        let config = self.own_provider(provider, &url, vec![key]);
        let config = config.ok_or_else(|| AppError::invalid(vec![fault("provider", "is no provider")]))?;
        // Says what is wrong with the address; calls nothing.
        self.provider(config.clone())?;
        Ok(config)
    }

    /// Where a provider is called: as is said, else as the operator configured it, else at its vendor's.
    fn address(&self, provider: &str, base_url: Option<String>) -> Result<String, FieldError> {
        if !noukai_flow::is_slug(provider) || provider == "noukai" {
            return Err(fault("provider", format!("must be one of {}, or a name of your own", names())));
        }
        let given = base_url.map(|url| url.trim().to_owned());
        if let Some(url) = &given
            && (!url.starts_with("https://") || url.len() > URL_CHARS)
            && self.model().configured(provider).is_none_or(|config| config.base_url != *url)
        {
            return Err(fault("base_url", format!("must begin with https:// and have at most {URL_CHARS} characters")));
        }
        let configured = || self.model().configured(provider).map(|config| config.base_url.clone());
        let vendors = || preset(provider).filter(|preset| !preset.keyless)?.base_url.map(str::to_owned);
        given.or_else(configured).or_else(vendors).ok_or_else(|| {
            let why = format!("`{provider}` has no address of its own, so say where it is; known are {}", names());
            fault("base_url", why)
        })
    }

    fn info(&self, key: &ProviderKeyRecord) -> ProviderKeyInfo {
        ProviderKeyInfo {
            id: key.id.to_string(),
            provider: key.provider.clone(),
            base_url: key.base_url.clone(),
            name: key.name.clone(),
            last_four: key.last_four.clone(),
            project_id: key.project_id.map(|project| project.to_string()),
            organization_id: key.org_id.to_string(),
            readable: self.vault().has(&key.sealed.with),
            created_at: iso(key.created_at),
            created_by: key.created_by.clone(),
            changed_at: iso(key.changed_at),
            last_used_at: key.last_used_at.map(iso),
        }
    }
}

/// Vendors with an address of their own.
fn names() -> String {
    let names = PRESETS.iter().filter(|preset| preset.base_url.is_some() && !preset.keyless).map(|preset| preset.name);
    names.collect::<Vec<_>>().join(", ")
}

fn checked_key(key: &Secret) -> Result<Secret, FieldError> {
    let key = Secret::new(key.expose().trim());
    if key.is_empty() || key.expose().len() > KEY_BYTES || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = format!("must have 1 to {KEY_BYTES} letters, digits and signs, without spaces");
        return Err(fault("api_key", why));
    }
    Ok(key)
}

/// Of a short key nothing is shown.
fn last_four(key: &Secret) -> String {
    let key = key.expose();
    if key.len() < 12 { String::new() } else { key[key.len() - 4..].to_owned() }
}

fn cannot_seal(error: &VaultError) -> AppError {
    let message = format!(
        "provider keys cannot be stored: {error}; the operator makes a master key with `noukai provider make-master-key`, \
         or names one under `[vault]`"
    );
    AppError::new(ErrorCode::MasterKeyUnavailable, message)
}

fn not_found() -> AppError {
    AppError::new(ErrorCode::KeyNotFound, "there is no such provider key in your organisation")
}
