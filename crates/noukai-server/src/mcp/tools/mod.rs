//! What each tool does: arguments as they come, one call into `app`, its reply as it is.

pub(super) mod lifecycle;
pub(super) mod read;
pub(super) mod tests;

use noukai_api::FlowChange;
use serde_json::{Value, json};

use super::table::Call;
use crate::app::{App, AppError, Author, Caller};

/// Who calls what.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub app: &'a App,
    pub caller: &'a Caller,
    pub author: &'a Author,
}

/// An operation on a flow's draft, which the tool is named for.
pub(super) async fn change(call: Call<'_>) -> Result<FlowChange, AppError> {
    let mut operation = call.arguments;
    let flow = match operation.remove("flow_id") {
        Some(Value::String(flow)) => flow,
        _ => return Err(AppError::invalid_field(&["arguments", "flow_id"], "must be the id of a flow")),
    };
    operation.insert("op".to_owned(), json!(call.tool.name));
    let operations = App::read_operations(vec![operation.into()])?;
    call.app.apply_operations(call.author, &flow, None, &operations).await
}
