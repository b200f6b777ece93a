//! Codes and refresh tokens become tokens; tokens become callers, or are given back (RFC 7009).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use noukai_api::Scope;
use noukai_store::{CodeRecord, CodeUse, GrantRecord, Rotation, TokenRecord};
use sha2::{Digest, Sha256};
use time::Duration;

use super::{ACCESS, GrantError, GrantFault, REFRESH, Resources, authorization::within};
use crate::app::{
    App, AppError, Audience, Caller, Member,
    auth::{same, sha256_hex, unauthenticated},
    identity::Minted,
};

/// How long an access token is good for.
const ACCESS_VALID: Duration = Duration::HOUR;
/// How long a refresh token is good for; each use gives a new one.
const REFRESH_VALID: Duration = Duration::days(30);
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// A code that is to become tokens.
#[derive(Default)]
pub(crate) struct CodeExchange {
    pub client_id: String,
    pub code: String,
    pub redirect_uri: Option<String>,
    pub verifier: String,
    pub resources: Vec<String>,
}

/// A refresh token that is to become tokens.
#[derive(Default)]
pub(crate) struct RefreshExchange {
    pub client_id: String,
    pub refresh_token: String,
}

/// What a client got. Shown this once.
pub(crate) struct Tokens {
    pub access: String,
    pub refresh: String,
    pub expires_in: u64,
    pub scopes: Vec<Scope>,
}

/// Two new tokens, and what of them is stored.
struct Pair {
    access: Minted,
    refresh: Minted,
    records: [TokenRecord; 2],
}

impl App {
    /// Exchanges a code. Whatever is wrong with the request, the code is used up by it.
    pub(crate) async fn exchange_code(
        &self,
        request: CodeExchange,
        resources: &Resources,
    ) -> Result<Tokens, GrantError> {
        let invalid = |why: &str| GrantError::new(GrantFault::InvalidGrant, why);
        let code = match self.store().use_code(&sha256_hex(request.code.as_bytes()), self.now()).await? {
            CodeUse::First(code) => code,
            CodeUse::Again => return Err(invalid("the code was used before; what came of it is void")),
            CodeUse::Missing => return Err(invalid("the code is none of ours, or is over; let the person start anew")),
        };
        check_exchange(&code, &request).map_err(invalid)?;
        let audience = resources.audience(&request.resources).map(Audience::as_str);
        if !request.resources.is_empty() && audience != Some(code.grant.audience.as_str()) {
            return Err(GrantError::new(GrantFault::InvalidTarget, "resource is not what the person granted"));
        }
        let pair = self.new_pair();
        let until = self.now() + REFRESH_VALID;
        if !self.store().add_tokens(code.grant.id, &pair.records, until).await? {
            return Err(invalid("the grant is void"));
        }
        Ok(pair.shown(code.grant))
    }

    /// Exchanges a refresh token for new tokens. One that was exchanged before voids everything that came of its grant.
    pub(crate) async fn exchange_refresh(&self, request: RefreshExchange) -> Result<Tokens, GrantError> {
        let pair = self.new_pair();
        let hash = sha256_hex(request.refresh_token.as_bytes());
        let (now, until) = (self.now(), self.now() + REFRESH_VALID);
        match self.store().rotate(&hash, &request.client_id, &pair.records, now, until).await? {
            Rotation::Done(grant) => Ok(pair.shown(*grant)),
            Rotation::Again => {
                let why = "the refresh token was used before; everything granted is void, let the person start anew";
                Err(GrantError::new(GrantFault::InvalidGrant, why))
            }
            Rotation::Missing => {
                let why = "the refresh token is none of the client's, is over or void; let the person start anew";
                Err(GrantError::new(GrantFault::InvalidGrant, why))
            }
        }
    }

    /// Gives a token of either kind back, and with it all of its grant. Unknown ones count as given back.
    pub(crate) async fn revoke_token(&self, client_id: &str, token: &str) -> Result<(), GrantError> {
        self.store().revoke_grant(&sha256_hex(token.as_bytes()), client_id, self.now()).await?;
        Ok(())
    }

    /// Whom an access token stands for: the person, with what was granted of what they still may do.
    pub(crate) async fn caller_of_grant(&self, token: &str, door: Audience) -> Result<Caller, AppError> {
        let found = self.store().access_token(&sha256_hex(token.as_bytes())).await?;
        let (token, grant) = found.ok_or_else(unauthenticated)?;
        let void = token.expires_at <= self.now() || grant.revoked_at.is_some() || grant.audience != door.as_str();
        if void {
            return Err(unauthenticated());
        }
        let project = self.store().project(grant.project_id).await?.ok_or_else(unauthenticated)?;
        let member = self.store().member(project.org_id, grant.user_id).await?.ok_or_else(unauthenticated)?;
        let scopes = within(&grant.scopes, member.role.scopes());
        Ok(Caller::of_member(Member::from(member), scopes, Arc::new(project)))
    }

    fn new_pair(&self) -> Pair {
        let (access, refresh, now) = (Minted::new(ACCESS), Minted::new(REFRESH), self.now());
        let record = |token: &Minted, refresh, valid| TokenRecord {
            token_hash: token.hash.clone(),
            refresh,
            expires_at: now + valid,
        };
        let records = [record(&access, false, ACCESS_VALID), record(&refresh, true, REFRESH_VALID)];
        Pair { access, refresh, records }
    }
}

impl Pair {
    fn shown(self, grant: GrantRecord) -> Tokens {
        Tokens {
            access: self.access.secret,
            refresh: self.refresh.secret,
            expires_in: ACCESS_VALID.whole_seconds().unsigned_abs(),
            scopes: grant.scopes,
        }
    }
}

fn check_exchange(code: &CodeRecord, request: &CodeExchange) -> Result<(), &'static str> {
    if code.grant.client_id != request.client_id {
        return Err("the code is another client's");
    }
    if request.redirect_uri.as_ref().is_some_and(|uri| *uri != code.redirect_uri) {
        return Err("redirect_uri is not the one that the code was sent to");
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let fits = VERIFIER_CHARS.contains(&request.verifier.len()) && request.verifier.bytes().all(unreserved);
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(request.verifier.as_bytes()));
    if !fits || !same(&hash, &code.challenge) {
        return Err("code_verifier does not belong to the code_challenge");
    }
    Ok(())
}
