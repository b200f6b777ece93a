//! The first start: a token on the operator's console, and the account, organisation and project it is good for.

use noukai_api::{Scope, SetUp, SignedIn};
use noukai_store::{NewInstallation, ProjectId, UserRecord};
use time::Duration;
use uuid::Uuid;

use super::{Minted, email_fault, name_fault, normal_email, password_fault, refuse, unauthenticated};
use crate::app::{App, AppError, KeyRequest, Project, auth::sha256_hex, inputs::fault};

const PREFIX: &str = "nku_";
/// How long a setup token is good for.
const VALID: Duration = Duration::hours(24);

/// What the first start made. Secrets are shown this once.
#[derive(Clone)]
pub struct Setup {
    /// The owner, signed in.
    pub signed_in: SignedIn,
    /// A first API key of the project, with every scope.
    pub key: String,
}

impl App {
    /// A setup token for the console of a server that nobody has used yet; `None` where there is an account or a key.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn first_setup_token(&self) -> Result<Option<String>, AppError> {
        if self.store().is_untouched().await? { self.setup_token().await } else { Ok(None) }
    }

    /// A setup token for the operator; `None` where there is an account already. Good for a day, and for one setup.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn setup_token(&self) -> Result<Option<String>, AppError> {
        let token = Minted::new(PREFIX);
        let added = self.store().add_setup_token(&token.hash, self.now()).await?;
        Ok(added.then_some(token.secret))
    }

    /// Makes the first account, organisation and project, and a key of the project.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`; `UNAUTHENTICATED` for a token that is none, is too old or was used.
    pub async fn set_up(&self, request: SetUp) -> Result<Setup, AppError> {
        let slug_fault = |field: &str, slug: &str| {
            let rule = crate::app::SLUG_RULE;
            (!noukai_flow::is_slug(slug)).then(|| fault(field, format!("must be a slug: {rule}")))
        };
        let email = normal_email(&request.email);
        refuse([
            slug_fault("organization", &request.organization),
            slug_fault("project", &request.project),
            email_fault(&email),
            name_fault(&request.name),
            password_fault("password", &request.password),
        ])?;
        let new = NewInstallation {
            token_hash: sha256_hex(request.token.as_bytes()),
            owner: self.new_user(email, request.name, &request.password).await?,
            org_id: Uuid::now_v7(),
            org_slug: request.organization,
            project_id: ProjectId(Uuid::now_v7()),
            project_slug: request.project,
        };
        let valid_since = self.now() - VALID;
        let refused = "the setup token is none, is older than a day, or was used; `noukai setup` prints a new one";
        let project = self.store().set_up(&new, self.now(), valid_since).await?;
        let project = Project::from(project.ok_or_else(|| unauthenticated(refused))?);
        let signed_in = self.sign_in_as(&new.owner, &project).await?;
        let key = KeyRequest {
            name: "first".to_owned(),
            environment: "live".to_owned(),
            scopes: Scope::ALL.to_vec(),
            expires_at: None,
            created_by: new.owner.email,
        };
        Ok(Setup { signed_in, key: self.issue_key(&project, key).await?.key })
    }

    /// An account that is not stored yet.
    pub(super) async fn new_user(&self, email: String, name: String, password: &str) -> Result<UserRecord, AppError> {
        let password_hash = self.inner.passwords.hash(password).await?;
        Ok(UserRecord {
            id: Uuid::now_v7(),
            email,
            name: name.trim().to_owned(),
            password_hash,
            created_at: self.now(),
        })
    }
}
