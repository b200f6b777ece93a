//! Whose flow is meant, and who asks.

use std::sync::Arc;

use noukai_api::Scope;
use noukai_store::{FlowRecord, ProjectId};

use super::super::{App, AppError, Author, Caller, authoring::flow_not_found};

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
    /// The flow of that id, in the caller's reach.
    pub(super) async fn tested(&self, caller: &Caller, flow: &str) -> Result<Tested, AppError> {
        let author = Author::from(caller);
        author.require(Scope::Author)?;
        let flow = self.flow_in_reach(&author, flow).await?;
        let project = self.store().project(flow.project_id).await?.ok_or_else(flow_not_found)?;
        Ok(Tested { caller: author.caller(project), flow: Arc::new(flow) })
    }
}
