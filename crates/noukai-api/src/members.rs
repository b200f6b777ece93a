//! People: the first start, signing in, members of an organisation and their roles, invitations.

use serde::{Deserialize, Serialize};

use crate::Scope;

/// What a member may do in an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MemberRole {
    /// Runs and changes flows.
    Member,
    /// Besides, manages keys, projects and settings.
    Admin,
    /// Besides, manages members.
    Owner,
}

impl MemberRole {
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::Member, Self::Admin, Self::Owner];

    /// As spelled on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role that is spelled `text`, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// What its holder may do with flows and keys.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Member => &[Scope::Execute, Scope::Author],
            Self::Admin | Self::Owner => &Scope::ALL,
        }
    }
}

/// Body of `POST /setup`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetUp {
    /// The setup token that the server printed at its first start.
    pub token: String,
    /// Slug of the first organisation.
    pub organization: String,
    /// Slug of its first project.
    pub project: String,
    /// The owner's email address.
    pub email: String,
    /// The owner's name, 1 to 100 characters.
    pub name: String,
    /// 12 to 200 characters.
    pub password: String,
}

/// Body of `POST /sign-in`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignIn {
    /// Email address.
    pub email: String,
    /// Password.
    pub password: String,
    /// The project to work in, as `organization/project`; absent: the first there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// Body of `POST /invitations/accept`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AcceptInvitation {
    /// The invitation's token.
    pub token: String,
    /// For people, 1 to 100 characters; whoever has an account already keeps the name they have.
    pub name: String,
    /// The password of the account that is there already, else that of the new one: 12 to 200 characters.
    pub password: String,
}

/// Body of `PUT /me/password`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangePassword {
    /// The password so far.
    pub current: String,
    /// 12 to 200 characters.
    pub new: String,
}

macro_rules! hide_secrets {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
hide_secrets!(SetUp, SignIn, AcceptInvitation, ChangePassword, SignedIn, CreatedInvitation);

/// A person with an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// The user.
    pub id: String,
    /// Email address, in lower case.
    pub email: String,
    /// For people.
    pub name: String,
}

/// Who has signed in; the only time the token is shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedIn {
    /// Stands for the user, as `Authorization: Bearer nks_...`.
    pub token: String,
    /// ISO 8601; refused from then on.
    pub expires_at: String,
    /// Who and where.
    #[serde(flatten)]
    pub me: Me,
}

/// Whom the server takes the caller for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Me {
    /// The person; absent for an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The person's role in the organisation; absent for an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// Slug of the organisation.
    pub organization: String,
    /// The organisation.
    pub organization_id: String,
    /// Slug of the project.
    pub project: String,
    /// The project.
    pub project_id: String,
    /// What the caller may do.
    pub scopes: Vec<Scope>,
}

/// A member of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Member {
    /// The person.
    pub user: User,
    /// What they may do.
    pub role: MemberRole,
    /// ISO 8601: member since.
    pub since: String,
}

/// Reply of `GET /orgs/{org_id}/members`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberList {
    /// In order of their email addresses.
    pub members: Vec<Member>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Body of `PUT /orgs/{org_id}/members/{user_id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeMember {
    /// The new role.
    pub role: MemberRole,
}

/// Body of `POST /orgs/{org_id}/invitations`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invite {
    /// Whom.
    pub email: String,
    /// As what.
    pub role: MemberRole,
}

/// An invitation without its token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invitation {
    /// The invitation.
    pub id: String,
    /// Whom.
    pub email: String,
    /// As what.
    pub role: MemberRole,
    /// Who invited.
    pub created_by: String,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601; void from then on.
    pub expires_at: String,
}

/// Reply of `POST /orgs/{org_id}/invitations`; the only time the token is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatedInvitation {
    /// To be given to the one who is invited, for `POST /invitations/accept`.
    pub token: String,
    /// The rest, as in lists.
    #[serde(flatten)]
    pub invitation: Invitation,
}

/// Reply of `GET /orgs/{org_id}/invitations`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InvitationList {
    /// Those that can still be accepted, newest first.
    pub invitations: Vec<Invitation>,
}

/// Reply where something was taken away and nothing is left to say.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Done {
    /// Always true.
    pub done: bool,
}
