//! People: the first start, signing in, members, invitations. Who may do what, the app decides.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::{AcceptInvitation, ChangeMember, ChangePassword, Invite, SetUp, SignIn};
use serde::Deserialize;
use serde_json::json;

use crate::{
    app::App,
    http::{
        body::Json,
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

/// A member of the organisation.
#[derive(Deserialize)]
pub(in crate::http) struct MemberPath {
    org_id: String,
    user_id: String,
}

/// An invitation to the organisation.
#[derive(Deserialize)]
pub(in crate::http) struct InvitationPath {
    org_id: String,
    invitation_id: String,
}

/// `POST /setup`: the first account, with the token that the server printed.
pub(in crate::http) async fn set_up(State(app): State<App>, Json(body): Json<SetUp>) -> Result<Response, ApiError> {
    let setup = app.set_up(body).await?;
    reply::with_status(StatusCode::CREATED, &json!({"signIn": setup.signed_in, "key": setup.key}))
}

/// `POST /sign-in`.
pub(in crate::http) async fn sign_in(State(app): State<App>, Json(body): Json<SignIn>) -> Result<Response, ApiError> {
    reply::ok(&app.sign_in(body).await?)
}

/// `DELETE /me/sign-in`.
pub(in crate::http) async fn sign_out(State(app): State<App>, Authed(caller): Authed) -> Result<Response, ApiError> {
    reply::ok(&app.sign_out(&caller).await?)
}

/// `GET /me`: whom the server takes the caller for.
pub(in crate::http) async fn me(State(app): State<App>, Authed(caller): Authed) -> Result<Response, ApiError> {
    reply::ok(&app.me(&caller))
}

/// `PUT /me/password`.
pub(in crate::http) async fn change_password(
    State(app): State<App>,
    Authed(caller): Authed,
    Json(body): Json<ChangePassword>,
) -> Result<Response, ApiError> {
    reply::ok(&app.change_password(&caller, body).await?)
}

/// `GET /orgs/{org_id}/members`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(OrgPath { org_id }): PathOf<OrgPath>,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.members(&caller, &org_id, &args.page()?).await?)
}

/// `PUT /orgs/{org_id}/members/{user_id}`.
pub(in crate::http) async fn change(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(MemberPath { org_id, user_id }): PathOf<MemberPath>,
    Json(body): Json<ChangeMember>,
) -> Result<Response, ApiError> {
    reply::ok(&app.change_member(&caller, &org_id, &user_id, body.role).await?)
}

/// `DELETE /orgs/{org_id}/members/{user_id}`.
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(MemberPath { org_id, user_id }): PathOf<MemberPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.remove_member(&caller, &org_id, &user_id).await?)
}

/// `POST /orgs/{org_id}/invitations`: the only reply that shows the token.
pub(in crate::http) async fn invite(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(OrgPath { org_id }): PathOf<OrgPath>,
    Json(body): Json<Invite>,
) -> Result<Response, ApiError> {
    reply::with_status(StatusCode::CREATED, &app.invite(&caller, &org_id, body).await?)
}

/// `GET /orgs/{org_id}/invitations`.
pub(in crate::http) async fn invitations(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(OrgPath { org_id }): PathOf<OrgPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.invitations(&caller, &org_id).await?)
}

/// `DELETE /orgs/{org_id}/invitations/{invitation_id}`.
pub(in crate::http) async fn withdraw(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(InvitationPath { org_id, invitation_id }): PathOf<InvitationPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.withdraw_invitation(&caller, &org_id, &invitation_id).await?)
}

/// `POST /invitations/accept`.
pub(in crate::http) async fn accept(
    State(app): State<App>,
    Json(body): Json<AcceptInvitation>,
) -> Result<Response, ApiError> {
    reply::with_status(StatusCode::CREATED, &app.accept_invitation(body).await?)
}
