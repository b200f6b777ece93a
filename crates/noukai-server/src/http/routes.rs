//! The route table, and which of its rows need no key. The router is built from it and the OpenAPI document is checked
//! against it. Holds no logic.

use axum::{
    Router,
    routing::{MethodRouter, delete, get, patch, post, put},
};

use super::handlers::{
    budgets, checkpoints, execute, flows, jobs, keys, members, meta, models, orgs, provider_keys, runs, sessions, step,
    test_cases, usage, versions,
};
use crate::app::App;

/// One row of the table.
pub(crate) struct Route {
    /// In upper case.
    pub method: &'static str,
    /// Below [`super::PREFIX`].
    pub path: &'static str,
    /// The handler's name; rows that share a handler share its description in the OpenAPI document.
    pub name: &'static str,
    handler: fn() -> MethodRouter<App>,
}

/// The only routes that answer without an API key. Everything else is authenticated by default.
pub(crate) const PUBLIC: &[&str] =
    &["/health", "/ready", "/openapi.json", "/schemas/flow.json", "/setup", "/sign-in", "/invitations/accept"];

/// Those that answer outside [`super::PREFIX`], too.
const AT_ROOT: &[&str] = &["/health", "/ready", "/openapi.json"];

/// What a server without an API answers.
const HEALTH: &[&str] = &["/health", "/ready"];

macro_rules! routes {
    ($($method:ident $path:literal $module:ident::$handler:ident,)+) => {
        /// Every route.
        pub(crate) const ROUTES: &[Route] = &[$(Route {
            method: method_name(stringify!($method).as_bytes()),
            path: $path,
            name: concat!(stringify!($module), "::", stringify!($handler)),
            handler: || $method($module::$handler),
        }),+];
    };
}

routes! {
    get    "/health"                                                                   meta::health,
    get    "/ready"                                                                    meta::ready,
    get    "/openapi.json"                                                             meta::openapi,
    get    "/schemas/flow.json"                                                        meta::flow_schema,
    get    "/limits"                                                                   meta::limits,

    post   "/seq/{org}/{project}/{flow}/execute"                                       execute::execute,
    post   "/seq/{org}/{project}/{flow}/{version}/execute"                             execute::execute,
    post   "/seq/{org}/{project}/{flow}/step"                                          step::step,
    post   "/seq/{org}/{project}/{flow}/{version}/step"                                step::step,
    post   "/seq/{org}/{project}/{flow}/jobs"                                          jobs::submit,
    post   "/seq/{org}/{project}/{flow}/{version}/jobs"                                jobs::submit,
    get    "/seq/{org}/{project}/{flow}/jobs/{execution_id}"                           jobs::poll,
    delete "/seq/{org}/{project}/{flow}/jobs/{execution_id}"                           jobs::cancel,
    post   "/seq/{org}/{project}/{flow}/jobs/{execution_id}/retry"                     jobs::retry,
    get    "/queue"                                                                    jobs::queue,

    get    "/seq/{org}/{project}/{flow}/runs/{execution_id}"                           runs::summary,
    get    "/seq/{org}/{project}/{flow}/runs/{execution_id}/trace"                     runs::trace,
    get    "/seq/{org}/{project}/{flow}/runs/{execution_id}/steps/{step_id}/trace"     runs::step_trace,
    get    "/seq/{org}/{project}/{flow}/runs/{execution_id}/trace/stream"              runs::follow,
    get    "/seq/sessions/{session_id}"                                                sessions::session,

    get    "/flow-runs"                                                                runs::list,
    get    "/flow-runs/{execution_id}/trace"                                           runs::trace,
    get    "/flow-runs/{execution_id}/steps/{step_id}/trace"                           runs::step_trace,
    get    "/flow-runs/{execution_id}/trace/stream"                                    runs::follow,

    get    "/orgs"                                                                     orgs::list,
    get    "/orgs/{org_id}"                                                            orgs::get,
    patch  "/orgs/{org_id}"                                                            orgs::update,
    get    "/projects"                                                                 orgs::projects,
    post   "/projects"                                                                 orgs::create_project,
    get    "/projects/{project_id}"                                                    orgs::project,
    patch  "/projects/{project_id}"                                                    orgs::update_project,
    get    "/projects/{project_id}/hydrate"                                            orgs::hydrate,

    get    "/flows"                                                                    flows::list,
    post   "/flows"                                                                    flows::create,
    get    "/flows/{flow_id}"                                                          flows::get,
    patch  "/flows/{flow_id}"                                                          flows::update,
    delete "/flows/{flow_id}"                                                          flows::delete,
    get    "/flows/{flow_id}/document"                                                 flows::document,
    put    "/flows/{flow_id}/document"                                                 flows::put_document,
    get    "/flows/{flow_id}/problems"                                                 flows::problems,
    get    "/flows/{flow_id}/operations"                                               flows::log,
    post   "/flows/{flow_id}/operations"                                               flows::apply,
    post   "/flows/{flow_id}/operations/{seq}/undo"                                    flows::undo,
    get    "/flows/{flow_id}/versions"                                                 versions::list,
    post   "/flows/{flow_id}/versions"                                                 versions::publish,
    get    "/flows/{flow_id}/versions/{number}"                                        versions::get,
    patch  "/flows/{flow_id}/versions/{number}"                                        versions::deprecate,
    get    "/flows/{flow_id}/versions/{number}/diff/{other}"                           versions::diff,
    get    "/flows/{flow_id}/production"                                               versions::production,
    put    "/flows/{flow_id}/production"                                               versions::set_production,
    get    "/flows/{flow_id}/checkpoints"                                              checkpoints::list,
    post   "/flows/{flow_id}/checkpoints"                                              checkpoints::create,
    get    "/flows/{flow_id}/checkpoints/{checkpoint_id}"                              checkpoints::get,
    delete "/flows/{flow_id}/checkpoints/{checkpoint_id}"                              checkpoints::delete,
    post   "/flows/{flow_id}/checkpoints/{checkpoint_id}/restore"                      checkpoints::restore,
    get    "/object-models"                                                            models::list,
    post   "/object-models"                                                            models::create,
    get    "/object-models/{model_id}"                                                 models::get,
    patch  "/object-models/{model_id}"                                                 models::update,
    delete "/object-models/{model_id}"                                                 models::delete,

    get    "/flows/{flow_id}/test-cases"                                               test_cases::list,
    post   "/flows/{flow_id}/test-cases"                                               test_cases::create,
    get    "/flows/{flow_id}/test-cases/{case}"                                        test_cases::get,
    patch  "/flows/{flow_id}/test-cases/{case}"                                        test_cases::update,
    delete "/flows/{flow_id}/test-cases/{case}"                                        test_cases::remove,
    post   "/flows/{flow_id}/test-cases/{case}/runs"                                   test_cases::run_one,
    get    "/flows/{flow_id}/test-runs"                                                test_cases::list_runs,
    post   "/flows/{flow_id}/test-runs"                                                test_cases::run,
    get    "/flows/{flow_id}/publish-gate"                                             test_cases::gate,
    put    "/flows/{flow_id}/publish-gate"                                             test_cases::set_gate,
    get    "/test-runs/{test_run_id}"                                                  test_cases::get_run,
    get    "/test-runs/{test_run_id}/trace"                                            test_cases::trace,
    get    "/test-runs/{test_run_id}/junit"                                            test_cases::report,

    post   "/keys"                                                                     keys::create,
    get    "/keys"                                                                     keys::list,
    get    "/keys/verify"                                                              keys::verify,
    delete "/keys/{key_id}"                                                            keys::revoke,

    post   "/setup"                                                                    members::set_up,
    post   "/sign-in"                                                                  members::sign_in,
    delete "/me/sign-in"                                                               members::sign_out,
    get    "/me"                                                                       members::me,
    put    "/me/password"                                                              members::change_password,
    get    "/orgs/{org_id}/members"                                                    members::list,
    put    "/orgs/{org_id}/members/{user_id}"                                          members::change,
    delete "/orgs/{org_id}/members/{user_id}"                                          members::remove,
    post   "/orgs/{org_id}/invitations"                                                members::invite,
    get    "/orgs/{org_id}/invitations"                                                members::invitations,
    delete "/orgs/{org_id}/invitations/{invitation_id}"                                members::withdraw,
    post   "/invitations/accept"                                                       members::accept,

    post   "/provider-keys"                                                            provider_keys::create,
    get    "/provider-keys"                                                            provider_keys::list,
    post   "/provider-keys/{provider_key_id}/replace"                                  provider_keys::replace,
    post   "/provider-keys/{provider_key_id}/test"                                     provider_keys::test,
    delete "/provider-keys/{provider_key_id}"                                          provider_keys::remove,

    get    "/usage"                                                                    usage::report,
    get    "/usage/calls"                                                              usage::calls,
    post   "/budgets"                                                                  budgets::set,
    get    "/budgets"                                                                  budgets::list,
    delete "/budgets/{budget_id}"                                                      budgets::remove,
}

/// Routes that need no key.
pub(super) fn public() -> Router<App> {
    table(|route| route.is_public())
}

/// Routes that answer at the root.
pub(super) fn at_root() -> Router<App> {
    table(|route| AT_ROOT.contains(&route.path))
}

/// How the server is, and nothing else.
pub(super) fn health() -> Router<App> {
    table(|route| HEALTH.contains(&route.path))
}

/// Routes that need one.
pub(super) fn guarded() -> Router<App> {
    table(|route| !route.is_public())
}

fn table(wanted: fn(&Route) -> bool) -> Router<App> {
    let rows = ROUTES.iter().filter(|route| wanted(route));
    rows.fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
}

impl Route {
    /// Whether it answers without an API key.
    pub fn is_public(&self) -> bool {
        PUBLIC.contains(&self.path)
    }
}

const fn method_name(function: &[u8]) -> &'static str {
    match function {
        b"get" => "GET",
        b"patch" => "PATCH",
        b"post" => "POST",
        b"put" => "PUT",
        _ => "DELETE",
    }
}
