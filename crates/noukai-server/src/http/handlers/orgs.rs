//! Organisations and projects.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::{CreateProject, UpdateOrganisation, UpdateProject};
use serde::Deserialize;

use crate::{
    app::{App, Author},
    http::{
        edit::Edit,
        error::ApiError,
        extract::{Authed, PathOf},
        query::Args,
        reply,
    },
};

/// An organisation.
#[derive(Deserialize)]
pub(in crate::http) struct OrgPath {
    org_id: String,
}

/// A project.
#[derive(Deserialize)]
pub(in crate::http) struct ProjectPath {
    project_id: String,
}

/// `GET /orgs`.
pub(in crate::http) async fn list(State(app): State<App>, Authed(caller): Authed) -> Result<Response, ApiError> {
    reply::ok(&app.organisations(&Author::from(&caller)).await?)
}

/// `GET /orgs/{org_id}`.
pub(in crate::http) async fn get(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(OrgPath { org_id }): PathOf<OrgPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.organisation(&Author::from(&caller), &org_id).await?)
}

/// `PATCH /orgs/{org_id}`.
pub(in crate::http) async fn update(
    State(app): State<App>,
    PathOf(OrgPath { org_id }): PathOf<OrgPath>,
    edit: Edit<UpdateOrganisation>,
) -> Result<Response, ApiError> {
    reply::ok(&app.update_organisation(&edit.author, &org_id, edit.body).await?)
}

/// `GET /projects`.
pub(in crate::http) async fn projects(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.list_projects(&Author::from(&caller), args.limit()?, args.text("cursor")).await?)
}

/// `POST /projects`.
pub(in crate::http) async fn create_project(
    State(app): State<App>,
    edit: Edit<CreateProject>,
) -> Result<Response, ApiError> {
    edit.answer(&app, |app, author, body| async move {
        reply::json(StatusCode::CREATED, &app.create_project(&author, body).await?)
    })
    .await
}

/// `GET /projects/{project_id}`.
pub(in crate::http) async fn project(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ProjectPath { project_id }): PathOf<ProjectPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.project_info(&Author::from(&caller), &project_id).await?)
}

/// `PATCH /projects/{project_id}`.
pub(in crate::http) async fn update_project(
    State(app): State<App>,
    PathOf(ProjectPath { project_id }): PathOf<ProjectPath>,
    edit: Edit<UpdateProject>,
) -> Result<Response, ApiError> {
    reply::ok(&app.update_project(&edit.author, &project_id, edit.body).await?)
}

/// `GET /projects/{project_id}/hydrate`.
pub(in crate::http) async fn hydrate(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ProjectPath { project_id }): PathOf<ProjectPath>,
    args: Args,
) -> Result<Response, ApiError> {
    let author = Author::from(&caller);
    reply::ok(&app.hydrate_project(&author, &project_id, args.limit()?, args.text("cursor")).await?)
}
