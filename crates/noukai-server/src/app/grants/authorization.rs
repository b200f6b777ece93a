//! A client asks a person for something (RFC 6749 4.1, RFC 8707); the person grants it for one project, or does not.

use noukai_api::Scope;
use noukai_store::{CodeRecord, GrantRecord, ProjectId};
use time::Duration;
use uuid::Uuid;

use super::{CODE, Client, GrantError, GrantFault, USUAL};
use crate::app::{App, Audience, Browser, identity::Minted};

/// How long a code can be exchanged.
const CODE_VALID: Duration = Duration::minutes(1);
/// Base64url of 32 bytes.
const CHALLENGE_CHARS: usize = 43;
const STATE_CHARS: usize = 4_000;

/// What a client asks for, as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub response_type: Option<String>,
    pub client_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub scope: Option<String>,
    pub state: Option<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub resources: Vec<String>,
}

/// The addresses of what can be granted.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    pub api: String,
    pub mcp: String,
}

impl Resources {
    /// The door that a client means; the MCP server where it does not say.
    pub fn audience(&self, asked: &[String]) -> Option<Audience> {
        let same = |address: &str, asked: &str| asked.strip_suffix('/').unwrap_or(asked) == address;
        match asked {
            [] => Some(Audience::Mcp),
            [one] if same(&self.mcp, one) => Some(Audience::Mcp),
            [one] if same(&self.api, one) => Some(Audience::Api),
            _ => None,
        }
    }
}

/// What a client asks for, checked.
#[derive(Debug, Clone)]
pub(crate) struct Authorization {
    pub client: Client,
    pub redirect_uri: String,
    pub scopes: Vec<Scope>,
    pub state: Option<String>,
    challenge: String,
    audience: Audience,
}

/// Why a person is not even asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody knows where to send the browser back to: this is for the person's eyes.
    Here(GrantError),
    /// For the client, at its own address.
    There { redirect_uri: String, state: Option<String>, error: GrantError },
}

impl From<GrantError> for Refusal {
    fn from(error: GrantError) -> Self {
        Self::Here(error)
    }
}

impl App {
    /// Checks what a client asks for.
    pub(crate) async fn check_authorization(
        &self,
        asked: Asked,
        resources: &Resources,
    ) -> Result<Authorization, Refusal> {
        let unknown = || GrantError::new(GrantFault::InvalidClient, "the program is not known here; let it start anew");
        let id = asked.client_id.as_deref().ok_or_else(unknown)?;
        let client = self.oauth_client(id).await?.ok_or_else(unknown)?;
        let redirect_uri = redirect_of(&client, asked.redirect_uri.clone())?;
        let state = asked.state.clone();
        let there = |error| Refusal::There { redirect_uri: redirect_uri.clone(), state: state.clone(), error };
        let (scopes, challenge, audience) = check(&asked, resources).map_err(there)?;
        Ok(Authorization { client, redirect_uri, scopes, state: asked.state, challenge, audience })
    }

    /// The projects that a person may choose from, by their addresses, with what the client would get in each.
    pub(crate) async fn choices(
        &self,
        browser: &Browser,
        authorization: &Authorization,
    ) -> Result<Vec<(Uuid, String, Vec<Scope>)>, GrantError> {
        let own = self.projects_of(&browser.user).await?;
        let choices = own.into_iter().map(|(project, membership)| {
            let scopes = within(&authorization.scopes, membership.role.scopes());
            (project.id.0, format!("{}/{}", project.org_slug, project.slug), scopes)
        });
        Ok(choices.filter(|(_, _, scopes)| !scopes.is_empty()).collect())
    }

    /// The person grants it for one of their projects; the code for the client.
    pub(crate) async fn grant(
        &self,
        browser: &Browser,
        authorization: &Authorization,
        project: &str,
    ) -> Result<String, GrantError> {
        let denied = || GrantError::new(GrantFault::AccessDenied, "that project is none that could be chosen");
        let wanted = Uuid::parse_str(project).map_err(|_| denied())?;
        let choices = self.choices(browser, authorization).await?;
        let (project, _, scopes) = choices.into_iter().find(|(id, _, _)| *id == wanted).ok_or_else(denied)?;
        let (code, now) = (Minted::new(CODE), self.now());
        let grant = GrantRecord {
            id: Uuid::now_v7(),
            client_id: authorization.client.id.clone(),
            user_id: browser.user.id,
            project_id: ProjectId(project),
            scopes,
            audience: authorization.audience.as_str().to_owned(),
            created_at: now,
            revoked_at: None,
        };
        let record = CodeRecord {
            code_hash: code.hash,
            grant,
            redirect_uri: authorization.redirect_uri.clone(),
            challenge: authorization.challenge.clone(),
            expires_at: now + CODE_VALID,
        };
        self.store().add_code(&record).await?;
        Ok(code.secret)
    }
}

/// Those of the first that are among the others.
pub(super) fn within(scopes: &[Scope], bound: &[Scope]) -> Vec<Scope> {
    scopes.iter().copied().filter(|scope| bound.contains(scope)).collect()
}

fn redirect_of(client: &Client, asked: Option<String>) -> Result<String, GrantError> {
    let wrong = || {
        let why = "the program asks to be called back at an address that it did not register";
        GrantError::new(GrantFault::InvalidRequest, why)
    };
    match (asked, client.redirect_uris.as_slice()) {
        (Some(asked), _) if client.allows(&asked) => Ok(asked),
        (None, [only]) => Ok(only.clone()),
        _ => Err(wrong()),
    }
}

fn check(asked: &Asked, resources: &Resources) -> Result<(Vec<Scope>, String, Audience), GrantError> {
    use GrantFault::{InvalidRequest, InvalidScope, InvalidTarget, UnsupportedResponseType};
    if asked.response_type.as_deref() != Some("code") {
        return Err(GrantError::new(UnsupportedResponseType, "response_type must be code"));
    }
    if asked.code_challenge_method.as_deref() != Some("S256") {
        return Err(GrantError::new(InvalidRequest, "code_challenge_method must be S256"));
    }
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let challenge = asked.code_challenge.as_deref();
    let challenge = challenge.filter(|text| text.len() == CHALLENGE_CHARS && text.bytes().all(base64url));
    let challenge = challenge.ok_or_else(|| GrantError::new(InvalidRequest, "code_challenge must be a SHA-256"))?;
    if asked.state.as_ref().is_some_and(|state| state.len() > STATE_CHARS) {
        return Err(GrantError::new(InvalidRequest, format!("state must have at most {STATE_CHARS} bytes")));
    }
    let audience = resources.audience(&asked.resources);
    let why = || format!("resource must be {} or {}", resources.mcp, resources.api);
    let audience = audience.ok_or_else(|| GrantError::new(InvalidTarget, why()))?;
    let scopes = scopes(asked.scope.as_deref());
    if scopes.is_empty() {
        return Err(GrantError::new(InvalidScope, "scope must name at least one of execute, author, admin"));
    }
    Ok((scopes, challenge.to_owned(), audience))
}

/// Scopes that are none of ours are passed over, as the protocol allows: the reply says what was granted.
fn scopes(asked: Option<&str>) -> Vec<Scope> {
    let Some(asked) = asked.filter(|text| !text.trim().is_empty()) else { return USUAL.to_vec() };
    Scope::ALL.into_iter().filter(|scope| asked.split(' ').any(|word| word == scope.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            response_type: Some("code".to_owned()),
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
            code_challenge_method: Some("S256".to_owned()),
            ..Asked::default()
        }
    }

    fn outcome(change: impl FnOnce(&mut Asked)) -> Result<(Vec<Scope>, String, Audience), GrantFault> {
        let resources =
            Resources { api: "https://n.test/api/v1".to_owned(), mcp: "https://n.test/api/v1/mcp".to_owned() };
        let mut asked = asked();
        change(&mut asked);
        check(&asked, &resources).map_err(|error| error.fault)
    }

    #[test]
    fn only_codes_with_a_hashed_challenge_are_given() {
        assert!(outcome(|_| {}).is_ok());
        let wrong: [fn(&mut Asked); 6] = [
            |asked| asked.code_challenge = None,
            |asked| asked.code_challenge = Some("short".to_owned()),
            |asked| asked.code_challenge = Some("x".repeat(42) + "="),
            |asked| asked.code_challenge_method = Some("plain".to_owned()),
            |asked| asked.code_challenge_method = None,
            |asked| asked.state = Some("x".repeat(STATE_CHARS + 1)),
        ];
        for change in wrong {
            assert_eq!(outcome(change).err(), Some(GrantFault::InvalidRequest));
        }
        assert_eq!(
            outcome(|asked| asked.response_type = Some("token".to_owned())).err(),
            Some(GrantFault::UnsupportedResponseType)
        );
    }

    #[test]
    fn a_resource_is_one_of_ours() {
        let of = |resources: &[&str]| {
            let resources = resources.iter().map(|text| (*text).to_owned()).collect();
            outcome(|asked| asked.resources = resources).map(|(_, _, audience)| audience)
        };
        assert_eq!(of(&[]), Ok(Audience::Mcp));
        assert_eq!(of(&["https://n.test/api/v1/mcp"]), Ok(Audience::Mcp));
        assert_eq!(of(&["https://n.test/api/v1/mcp/"]), Ok(Audience::Mcp));
        assert_eq!(of(&["https://n.test/api/v1"]), Ok(Audience::Api));
        for bad in [&["https://evil.test/api/v1/mcp"][..], &["https://n.test"], &["https://n.test/api/v1", "x"]] {
            assert_eq!(of(bad), Err(GrantFault::InvalidTarget), "{bad:?}");
        }
    }

    #[test]
    fn unknown_scopes_are_passed_over() {
        let of = |scope: &str| {
            outcome(|asked| asked.scope = Some(scope.to_owned()))
                .map(|(scopes, _, _)| super::super::scope_text(&scopes))
        };
        assert_eq!(of(""), Ok("execute author".to_owned()));
        assert_eq!(of("admin openid author"), Ok("author admin".to_owned()));
        assert_eq!(of("openid"), Err(GrantFault::InvalidScope));
    }
}
