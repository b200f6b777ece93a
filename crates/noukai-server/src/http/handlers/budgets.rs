//! Budgets. Who may set them, the app decides.

use axum::{extract::State, response::Response};
use noukai_api::SetBudget;
use serde::Deserialize;

use crate::{
    app::App,
    http::{
        body::Json,
        error::ApiError,
        extract::{Authed, PathOf},
        reply,
    },
};

/// A budget.
#[derive(Deserialize)]
pub(in crate::http) struct BudgetPath {
    budget_id: String,
}

/// `POST /budgets`: the same again changes nothing.
pub(in crate::http) async fn set(
    State(app): State<App>,
    Authed(caller): Authed,
    Json(body): Json<SetBudget>,
) -> Result<Response, ApiError> {
    reply::ok(&app.set_budget(&caller, body).await?)
}

/// `GET /budgets`.
pub(in crate::http) async fn list(State(app): State<App>, Authed(caller): Authed) -> Result<Response, ApiError> {
    reply::ok(&app.budgets(&caller).await?)
}

/// `DELETE /budgets/{budget_id}`.
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(BudgetPath { budget_id }): PathOf<BudgetPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.remove_budget(&caller, &budget_id).await?)
}
