//! People: the first start, accounts, signing in, members of an organisation, invitations.
//!
//! What people hold (sign-ins, invitations, setup tokens) is a random secret that the store knows by its hash alone.

mod members;
mod passwords;
mod setup;
mod sign_in;

use noukai_api::{ErrorCode, FieldError, Me, User};
use rand::{Rng, distr::Alphanumeric};

use super::{
    App, AppError, Caller,
    auth::{same, sha256_hex},
    inputs::fault,
};
pub(crate) use passwords::Passwords;
pub use setup::Setup;
pub(crate) use sign_in::{Browser, PREFIX as SIGN_IN};

const NAME_CHARS: usize = 100;
const EMAIL_CHARS: usize = 254;
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 12..=200;
/// About 238 bits.
const SECRET_CHARS: usize = 40;

/// A new secret, and the hash that is stored.
pub(crate) struct Minted {
    pub secret: String,
    pub hash: String,
}

impl Minted {
    /// A secret that says what it is by its beginning.
    pub fn new(prefix: &str) -> Self {
        let random: String = rand::rng().sample_iter(Alphanumeric).take(SECRET_CHARS).map(char::from).collect();
        let secret = format!("{prefix}{random}");
        let hash = sha256_hex(secret.as_bytes());
        Self { secret, hash }
    }
}

impl App {
    /// Whom the server takes the caller for.
    pub fn me(&self, caller: &Caller) -> Me {
        Me {
            user: caller.member.as_ref().map(|member| User {
                id: member.user_id.to_string(),
                email: member.email.clone(),
                name: member.name.clone(),
            }),
            role: caller.member.as_ref().map(|member| member.role),
            organization: caller.org.clone(),
            organization_id: caller.org_id.to_string(),
            project: caller.project.clone(),
            project_id: caller.project_id.to_string(),
            scopes: caller.scopes.clone(),
        }
    }
}

/// An address as it is stored: without blanks around it, in lower case.
fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// What may be wrong with an address. Whether mail arrives there nobody knows; this is only to catch slips.
fn email_fault(email: &str) -> Option<FieldError> {
    let parts = email.split_once('@').filter(|(name, host)| !name.is_empty() && host.contains('.'));
    let plain = email.chars().all(|c| !c.is_control() && !c.is_whitespace());
    let fits = parts.is_some() && plain && email.matches('@').count() == 1 && email.chars().count() <= EMAIL_CHARS;
    (!fits).then(|| fault("email", format!("must be an email address of at most {EMAIL_CHARS} characters")))
}

fn name_fault(name: &str) -> Option<FieldError> {
    let fits = !name.trim().is_empty() && name.chars().count() <= NAME_CHARS && !name.contains(char::is_control);
    (!fits).then(|| fault("name", format!("must have 1 to {NAME_CHARS} characters")))
}

fn password_fault(field: &str, password: &str) -> Option<FieldError> {
    let fits = PASSWORD_CHARS.contains(&password.chars().count());
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    (!fits).then(|| fault(field, format!("must have {least} to {most} characters")))
}

fn refuse(faults: impl IntoIterator<Item = Option<FieldError>>) -> Result<(), AppError> {
    let faults: Vec<FieldError> = faults.into_iter().flatten().collect();
    if faults.is_empty() { Ok(()) } else { Err(AppError::invalid(faults)) }
}

/// What a form that a sign-in's own page holds proves itself by.
pub(crate) fn csrf_token(sign_in: &str) -> String {
    sha256_hex(format!("form {sign_in}").as_bytes())
}

/// Whether a form comes from a sign-in's own page.
pub(crate) fn is_csrf_token(sign_in: &str, sent: &str) -> bool {
    same(&csrf_token(sign_in), sent)
}

fn unauthenticated(message: &str) -> AppError {
    AppError::new(ErrorCode::Unauthenticated, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_addresses_are_caught() {
        for good in ["ann@acme.test", "a.b+c@sub.acme.test", "ü@acme.test"] {
            assert!(email_fault(good).is_none(), "{good}");
        }
        let long = format!("{}@acme.test", "a".repeat(250));
        for bad in ["", "ann", "@acme.test", "ann@acme", "ann@acme.test\n", "a b@acme.test", "a@b@c.test", &long] {
            assert!(email_fault(bad).is_some(), "{bad:?}");
        }
        assert_eq!(normal_email(" Ann@Acme.Test "), "ann@acme.test");
    }

    #[test]
    fn secrets_differ_and_say_what_they_are() {
        let (one, other) = (Minted::new("nks_"), Minted::new("nks_"));
        assert_ne!(one.secret, other.secret);
        assert!(one.secret.starts_with("nks_") && one.secret.len() == 44);
        assert_eq!(one.hash, sha256_hex(one.secret.as_bytes()));
    }
}
