//! The consent page: `GET /oauth/authorize`, and the forms it leads to.
//!
//! Forms are taken only from this server's own pages: by their `Origin`, which browsers always send with a form, and the
//! decision besides by a secret of the sign-in's own. What the client asked for goes through the forms and is checked
//! anew each time.

use axum::{
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use noukai_api::ErrorCode;

use super::{
    Base, PREFIX,
    form::Form,
    page::{self, Consent},
    reply,
};
use crate::app::{
    App, AppError, Asked, Authorization, Browser, GrantError, GrantFault, Refusal, csrf_token, is_csrf_token,
    scope_text,
};

const COOKIE_NAME: &str = "noukai_sign_in";

/// A page instead of what was asked for.
pub(super) struct Shown(Response);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        self.0
    }
}

impl From<GrantError> for Shown {
    fn from(error: GrantError) -> Self {
        reply::log(&error);
        Self(page::reply(reply::status(error.fault), page::refusal(&error.description), None))
    }
}

impl From<AppError> for Shown {
    fn from(error: AppError) -> Self {
        GrantError::from(error).into()
    }
}

/// `GET /oauth/authorize`: the sign-in, or the question.
pub(super) async fn authorize(
    State(app): State<App>,
    base: Base,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Shown> {
    let query = uri.query().unwrap_or_default();
    let authorization = check(&app, &base, query).await?;
    match signed_in(&app, &headers).await? {
        Some((browser, token)) => ask(&app, &browser, &token, &authorization, query).await,
        None => {
            let html = page::sign_in(&authorization.client.name, query, None);
            Ok(page::reply(StatusCode::OK, html, Some(&authorization.redirect_uri)))
        }
    }
}

/// `POST /oauth/sign-in`: sets the cookie and goes back to the question.
pub(super) async fn sign_in(
    State(app): State<App>,
    base: Base,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Shown> {
    check_origin(&base, &headers)?;
    let query = form.one("query").unwrap_or_default();
    let authorization = check(&app, &base, &query).await?;
    let (email, password) = (form.one("email").unwrap_or_default(), form.one("password").unwrap_or_default());
    match app.sign_in_browser(&email, &password).await {
        Ok(token) => Ok(to_question(&base, &query, &token)),
        Err(error) if matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::RateLimited) => {
            let html = page::sign_in(&authorization.client.name, &query, Some(&error.message));
            let status = match error.code {
                ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::FORBIDDEN,
            };
            Ok(page::reply(status, html, Some(&authorization.redirect_uri)))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /oauth/consent`: the person's decision, and back to the client.
pub(super) async fn decide(
    State(app): State<App>,
    base: Base,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Shown> {
    check_origin(&base, &headers)?;
    let query = form.one("query").unwrap_or_default();
    let authorization = check(&app, &base, &query).await?;
    let Some((browser, token)) = signed_in(&app, &headers).await? else {
        return Ok(to_question(&base, &query, ""));
    };
    if !is_csrf_token(&token, form.one("csrf").as_deref().unwrap_or_default()) {
        return Err(GrantError::new(GrantFault::AccessDenied, "the form is not from your own page; start anew").into());
    }
    let decided = match form.one("decision").as_deref() {
        Some("allow") => app.grant(&browser, &authorization, &form.one("project").unwrap_or_default()).await,
        _ => Err(GrantError::new(GrantFault::AccessDenied, "the person said no")),
    };
    Ok(match decided {
        Ok(code) => back(&base, &authorization.redirect_uri, authorization.state.as_deref(), &[("code", &code)]),
        Err(error) => back_with(&base, &authorization.redirect_uri, authorization.state.as_deref(), &error),
    })
}

/// What a client asks for; or, where the client can be told so, the way back to it.
async fn check(app: &App, base: &Base, query: &str) -> Result<Authorization, Shown> {
    let form = Form::parse(query.as_bytes());
    let asked = Asked {
        response_type: form.one("response_type"),
        client_id: form.one("client_id"),
        redirect_uri: form.one("redirect_uri"),
        scope: form.one("scope"),
        state: form.one("state"),
        code_challenge: form.one("code_challenge"),
        code_challenge_method: form.one("code_challenge_method"),
        resources: form.all("resource"),
    };
    match app.check_authorization(asked, &base.resources()).await {
        Ok(authorization) => Ok(authorization),
        Err(Refusal::Here(error)) => Err(error.into()),
        Err(Refusal::There { redirect_uri, state, error }) => {
            Err(Shown(back_with(base, &redirect_uri, state.as_deref(), &error)))
        }
    }
}

async fn ask(
    app: &App,
    browser: &Browser,
    token: &str,
    authorization: &Authorization,
    query: &str,
) -> Result<Response, Shown> {
    let choices = app.choices(browser, authorization).await?;
    if choices.is_empty() {
        let none = "you are in no project where the program could get what it asks for";
        return Err(GrantError::new(GrantFault::AccessDenied, none).into());
    }
    let choices: Vec<_> =
        choices.into_iter().map(|(id, address, scopes)| (id.to_string(), address, scope_text(&scopes))).collect();
    let html = page::consent(&Consent {
        client: &authorization.client.name,
        redirect_uri: &authorization.redirect_uri,
        email: &browser.user.email,
        query,
        csrf: &csrf_token(token),
        choices: &choices,
    });
    Ok(page::reply(StatusCode::OK, html, Some(&authorization.redirect_uri)))
}

fn back(base: &Base, redirect_uri: &str, state: Option<&str>, what: &[(&str, &str)]) -> Response {
    let nowhere = || page::reply(StatusCode::BAD_REQUEST, page::refusal("the program's address is none"), None);
    reply::back(base, redirect_uri, state, what).unwrap_or_else(nowhere)
}

fn back_with(base: &Base, redirect_uri: &str, state: Option<&str>, error: &GrantError) -> Response {
    reply::log(error);
    let what = [("error", error.fault.as_str()), ("error_description", error.description.as_str())];
    back(base, redirect_uri, state, &what)
}

/// Back to the question, signed in.
fn to_question(base: &Base, query: &str, token: &str) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::from_str(&format!("{}?{query}", base.api("/oauth/authorize"))) {
        headers.insert(LOCATION, location);
    }
    let secure = if base.is_tls() { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={token}; Path={PREFIX}/oauth; HttpOnly; SameSite=Lax; Max-Age=3600{secure}");
    if let (false, Ok(cookie)) = (token.is_empty(), HeaderValue::from_str(&cookie)) {
        headers.insert(SET_COOKIE, cookie);
    }
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Who is there, with the cookie's token.
async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<(Browser, String)>, Shown> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let Some((_, token)) = pairs.find(|(name, _)| *name == COOKIE_NAME) else { return Ok(None) };
    let browser = app.browser(token).await?;
    Ok(browser.map(|browser| (browser, token.to_owned())))
}

/// A form of another site's is none of ours.
fn check_origin(base: &Base, headers: &HeaderMap) -> Result<(), GrantError> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin == Some(base.as_str()) {
        return Ok(());
    }
    Err(GrantError::new(GrantFault::AccessDenied, "the form is not from this server's own page; start anew"))
}
