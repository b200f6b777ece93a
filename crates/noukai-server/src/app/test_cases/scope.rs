//! Whose flow is meant, and who asks.

use std::sync::Arc;

use noukai_api::{ErrorCode, Scope};
use noukai_store::{FlowRecord, ProjectId};

use super::super::{App, AppError, Author, Caller};

/// A flow whose test cases are worked on, and who works on them.
#[derive(Clone)]
pub(crate) struct Tested {
    pub caller: Caller,
    pub flow: Arc<FlowRecord>,
}

impl Tested {
    pub fn project(&self) -> ProjectId {
        self.caller.scope()
    }

    /// As records name who made them.
    pub fn who(&self) -> String {
        self.caller.key_id.clone()
    }
}

impl App {
    /// The flow of that id.
    pub(super) async fn tested(&self, caller: &Caller, flow: &str) -> Result<Tested, AppError> {
        caller.require(Scope::Author)?;
        let found = self.flow_in_reach(&Author::from(caller), flow).await?;
        let own = Some(found).filter(|found| found.project_id == caller.scope());
        let flow = own.ok_or_else(|| AppError::new(ErrorCode::FlowNotFound, "the project has no such flow"))?;
        Ok(Tested { caller: caller.clone(), flow: Arc::new(flow) })
    }
}
