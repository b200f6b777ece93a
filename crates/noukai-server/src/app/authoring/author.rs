//! Who changes flows, and what they may reach. Made of whatever signed them in; nothing here looks a credential up.

use std::sync::Arc;

use noukai_api::{ErrorCode, Scope};
use noukai_store::{ProjectRecord, Signature};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::{AppError, Caller, Project};

/// Longest name in a log.
const NAME_CHARS: usize = 100;

/// Who acts on flows and what surrounds them: an API key, a person, or the operator at the machine itself.
#[derive(Debug, Clone)]
pub struct Author {
    /// Key id, user id, or what else names them: stored with all they do.
    pub id: String,
    /// For people, shown in logs.
    pub name: String,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// The organisation that they act in.
    pub org_id: Uuid,
    /// The project that is meant where they name none.
    pub home: Option<Uuid>,
    /// Which projects of the organisation.
    pub reach: Reach,
}

/// Which projects of an organisation are in reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One.
    Project(Uuid),
    /// All.
    Organisation,
}

impl Author {
    /// An author of one project, or of all of its organisation with the admin scope.
    pub fn new(id: String, name: String, scopes: Vec<Scope>, org_id: Uuid, project_id: Uuid) -> Self {
        let reach = if scopes.contains(&Scope::Admin) { Reach::Organisation } else { Reach::Project(project_id) };
        let name = name.chars().take(NAME_CHARS).collect();
        Self { id, name, scopes, org_id, home: Some(project_id), reach }
    }

    /// The operator at the machine itself, who goes by `name`.
    pub fn local(project: &Project, name: &str) -> Self {
        Self::new(name.to_owned(), name.to_owned(), Scope::ALL.to_vec(), project.org_id, project.id)
    }

    /// Whether they have a scope; admins may author.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn require(&self, scope: Scope) -> Result<(), AppError> {
        let has = self.scopes.contains(&scope) || (scope == Scope::Author && self.scopes.contains(&Scope::Admin));
        if has {
            return Ok(());
        }
        let message = format!("this needs the `{}` scope; use a key that has it", scope.as_str());
        Err(AppError::new(ErrorCode::Forbidden, message))
    }

    /// Whether a project of their organisation is in reach.
    pub fn reaches(&self, project_id: Uuid) -> bool {
        match self.reach {
            Reach::Project(own) => own == project_id,
            Reach::Organisation => true,
        }
    }

    /// Them, running flows of a project in their reach.
    pub(crate) fn caller(&self, project: ProjectRecord) -> Caller {
        let named = (self.id.clone(), self.name.clone());
        Caller::new(named, "live".to_owned(), vec![Scope::Execute, Scope::Author], Arc::new(project))
    }

    pub(crate) fn signature(&self, at: OffsetDateTime) -> Signature {
        Signature { author: self.id.clone(), name: self.name.clone(), at }
    }
}

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        let (id, name) = (caller.key_id.clone(), caller.key_name.clone());
        Self::new(id, name, caller.scopes.clone(), caller.org_id, caller.project_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(scopes: &[Scope]) -> Author {
        Author::new("k".to_owned(), "K".to_owned(), scopes.to_vec(), Uuid::from_u128(1), Uuid::from_u128(2))
    }

    #[test]
    fn admins_reach_their_organisation_and_may_author() {
        let admin = author(&[Scope::Admin]);
        assert!(admin.require(Scope::Author).is_ok());
        assert!(admin.reaches(Uuid::from_u128(3)));
    }

    #[test]
    fn others_stay_in_their_project_and_their_scopes() {
        let plain = author(&[Scope::Execute, Scope::Author]);
        assert!(plain.reaches(Uuid::from_u128(2)) && !plain.reaches(Uuid::from_u128(3)));
        assert_eq!(plain.require(Scope::Admin).unwrap_err().code, ErrorCode::Forbidden);
        assert_eq!(author(&[Scope::Execute]).require(Scope::Author).unwrap_err().code, ErrorCode::Forbidden);
    }
}
