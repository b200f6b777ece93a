//! Who calls. The only place that turns a credential into a tenant.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use noukai_api::{ErrorCode, MemberRole, Scope};
use noukai_store::{KeyRecord, MemberRecord, ProjectId, ProjectRecord};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{App, AppError, Project, grants, identity};

/// How long a key may go on working after it was revoked elsewhere.
const CACHE_TIME: Duration = Duration::from_secs(10);
/// Keys held at the same time; past that the cache starts anew.
const CACHE_SIZE: usize = 10_000;

/// An authenticated caller: one key of one project, or a person at work in one. Cheap to clone, as each request does a
/// few times.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Identity>);

/// A door of the server that something may be granted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The HTTP API.
    Api,
    /// The MCP server.
    Mcp,
}

impl Audience {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Mcp => "mcp",
        }
    }
}

/// Who a caller is.
#[derive(Debug)]
pub struct Identity {
    /// The key; for a person, what stands for one.
    pub key_id: String,
    /// What people call it.
    pub key_name: String,
    /// The person; `None` for an API key.
    pub member: Option<Member>,
    /// The project.
    pub project_id: Uuid,
    /// The project's slug.
    pub project: String,
    /// The organisation.
    pub org_id: Uuid,
    /// The organisation's slug.
    pub org: String,
    /// `live` or `test`.
    pub environment: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    pub(crate) record: Arc<ProjectRecord>,
}

/// A person at work in a project of an organisation that they are a member of.
#[derive(Debug, Clone)]
pub struct Member {
    /// The person.
    pub user_id: Uuid,
    /// Their email address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they may do in the organisation.
    pub role: MemberRole,
    /// The hash of the sign-in that stands for them; `None` where a program acts for them.
    pub(crate) sign_in: Option<String>,
}

impl From<MemberRecord> for Member {
    fn from(record: MemberRecord) -> Self {
        let MemberRecord { user_id, email, name, role, .. } = record;
        Self { user_id, email, name, role, sign_in: None }
    }
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Caller {
    pub(crate) fn new(
        named: (String, String),
        environment: String,
        scopes: Vec<Scope>,
        project: Arc<ProjectRecord>,
    ) -> Self {
        Self::of(named, environment, scopes, None, project)
    }

    /// A person, or a program that acts for one.
    pub(crate) fn of_member(member: Member, scopes: Vec<Scope>, project: Arc<ProjectRecord>) -> Self {
        let named = (format!("user-{}", member.user_id.simple()), member.name.clone());
        Self::of(named, "live".to_owned(), scopes, Some(member), project)
    }

    fn of(
        (key_id, key_name): (String, String),
        environment: String,
        scopes: Vec<Scope>,
        member: Option<Member>,
        project: Arc<ProjectRecord>,
    ) -> Self {
        Self(Arc::new(Identity {
            key_id,
            key_name,
            member,
            project_id: project.id.0,
            project: project.slug.clone(),
            org_id: project.org_id,
            org: project.org_slug.clone(),
            environment,
            scopes,
            record: project,
        }))
    }

    /// Whether an address is the caller's own, decided from the key and the address alone.
    ///
    /// # Errors
    /// `FORBIDDEN`, the same whether the address exists or not.
    pub fn check_address(&self, org: &str, project: &str) -> Result<(), AppError> {
        if self.org == org && self.project == project {
            return Ok(());
        }
        Err(AppError::new(ErrorCode::Forbidden, "this API key is for another organisation or project"))
    }

    /// Whether the key has a scope.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn require(&self, scope: Scope) -> Result<(), AppError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(AppError::new(ErrorCode::Forbidden, format!("this needs an API key with the `{}` scope", scope.as_str())))
    }

    /// Who acts, for people: a person's email address, else the key.
    pub fn name(&self) -> &str {
        self.member.as_ref().map_or(&self.key_id, |member| &member.email)
    }

    /// The person who signed in here.
    ///
    /// # Errors
    /// `FORBIDDEN` for an API key, and for a program that acts for a person.
    pub fn signed_in(&self) -> Result<&Member, AppError> {
        let member = self.member.as_ref().filter(|member| member.sign_in.is_some());
        member.ok_or_else(|| AppError::new(ErrorCode::Forbidden, "this takes a person who has signed in"))
    }

    /// Whether an owner of the organisation has signed in.
    ///
    /// # Errors
    /// `FORBIDDEN` otherwise.
    pub fn require_owner(&self) -> Result<(), AppError> {
        if self.signed_in().is_ok_and(|member| member.role == MemberRole::Owner) {
            return Ok(());
        }
        Err(AppError::new(ErrorCode::Forbidden, "this takes an owner of the organisation who has signed in"))
    }

    /// Whether an organisation is the caller's own.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`, the same whether it exists or not.
    pub fn check_organisation(&self, id: &str) -> Result<(), AppError> {
        if Uuid::parse_str(id).is_ok_and(|id| id == self.org_id) {
            return Ok(());
        }
        let message = "there is no such organisation in reach; `GET /me` says which is yours";
        Err(AppError::new(ErrorCode::OrganizationNotFound, message))
    }

    pub(crate) fn scope(&self) -> ProjectId {
        ProjectId(self.project_id)
    }
}

/// A key on the wire: `nk_{live|test}_{8-char id}_{32-char secret}`.
struct Presented<'a> {
    environment: &'a str,
    id: &'a str,
    secret: &'a str,
}

impl<'a> Presented<'a> {
    fn parse(authorization: &'a str) -> Option<Self> {
        let mut parts = bearer(authorization)?.strip_prefix("nk_")?.splitn(3, '_');
        let (environment, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let fits = matches!(environment, "live" | "test") && id.len() == 8 && secret.len() == 32;
        (fits && plain(id) && plain(secret)).then_some(Self { environment, id, secret })
    }
}

/// The credential of an `Authorization` header.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, credential) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

/// SHA-256 in hex. Secrets are random and long, so a fast hash is enough.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Compares without telling by its time where two texts differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

#[derive(Default)]
pub(crate) struct KeyCache {
    entries: Mutex<HashMap<String, (Instant, Arc<Known>)>>,
}

/// A key with whom it is for.
struct Known {
    key: KeyRecord,
    caller: Caller,
}

impl KeyCache {
    fn get(&self, key_id: &str) -> Option<Arc<Known>> {
        let entries = self.entries.lock();
        let (since, known) = entries.get(key_id)?;
        (since.elapsed() < CACHE_TIME).then(|| known.clone())
    }

    fn put(&self, known: Arc<Known>) {
        let mut entries = self.entries.lock();
        if entries.len() >= CACHE_SIZE {
            entries.clear();
        }
        entries.insert(known.key.key_id.clone(), (Instant::now(), known));
    }

    pub fn clear(&self) {
        self.entries.lock().clear();
    }

    pub fn forget(&self, key_id: &str) {
        self.entries.lock().remove(key_id);
    }
}

impl App {
    /// Turns an `Authorization` header into a caller.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a missing, malformed, unknown, revoked or expired key, with the same words for each.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Caller, AppError> {
        self.authenticate_for(Audience::Api, authorization).await
    }

    /// As [`App::authenticate`], at one of the doors: what a program was granted for one is good for no other.
    ///
    /// # Errors
    /// As there.
    pub async fn authenticate_for(&self, door: Audience, authorization: Option<&str>) -> Result<Caller, AppError> {
        match authorization.and_then(bearer) {
            Some(token) if token.starts_with(identity::SIGN_IN) => self.caller_of_sign_in(token).await,
            Some(token) if token.starts_with(grants::ACCESS) => self.caller_of_grant(token, door).await,
            _ => self.caller_of_key(authorization).await,
        }
    }

    async fn caller_of_key(&self, authorization: Option<&str>) -> Result<Caller, AppError> {
        let presented = authorization.and_then(Presented::parse).ok_or_else(unauthenticated)?;
        let known = self.known_key(presented.id).await?.ok_or_else(unauthenticated)?;
        let key = &known.key;
        let genuine = same(&sha256_hex(presented.secret.as_bytes()), &key.secret_hash);
        let expired = key.expires_at.is_some_and(|at| at <= self.now());
        if !genuine || presented.environment != key.environment || key.revoked_at.is_some() || expired {
            return Err(unauthenticated());
        }
        Ok(known.caller.clone())
    }

    async fn known_key(&self, key_id: &str) -> Result<Option<Arc<Known>>, AppError> {
        if let Some(known) = self.inner.keys.get(key_id) {
            return Ok(Some(known));
        }
        let Some(key) = self.store().key(key_id).await? else { return Ok(None) };
        let Some(project) = self.store().project(key.project_id).await? else { return Ok(None) };
        let (environment, scopes) = (key.environment.clone(), key.scopes.clone());
        let caller = Caller::new((key.key_id.clone(), key.name.clone()), environment, scopes, Arc::new(project));
        let known = Arc::new(Known { key, caller });
        self.inner.keys.put(known.clone());
        Ok(Some(known))
    }

    pub(crate) fn forget_key(&self, key_id: &str) {
        self.inner.keys.forget(key_id);
    }

    /// The operator at the machine itself, for commands that run flows without a server.
    pub fn local_caller(&self, project: &Project) -> Caller {
        let record = Arc::new(project.record.clone());
        Caller::new(("local".to_owned(), "local".to_owned()), "live".to_owned(), Scope::ALL.to_vec(), record)
    }
}

pub(crate) fn unauthenticated() -> AppError {
    AppError::new(ErrorCode::Unauthenticated, "send a valid API key as `Authorization: Bearer nk_...`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_plain_hex() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_whole_keys_are_looked_up() {
        let good = format!("Bearer nk_live_abcd1234_{}", "s".repeat(32));
        assert!(Presented::parse(&good).is_some());
        assert!(Presented::parse(&good.replace("Bearer", "bearer")).is_some());
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer nk_",
            "Bearer nk_live_abcd1234_",
            "Bearer null",
            &good.replace("live", "prod"),
            &good.replace("Bearer", "Basic"),
            &good.replace("abcd1234", "abcd123'"),
            &format!("{good}x"),
            &good.replace("nk_live", "nk_live_"),
        ] {
            assert!(Presented::parse(bad).is_none(), "{bad}");
        }
    }
}
