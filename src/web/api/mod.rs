//! The API under `/api/v1`: one table of routes with who may use each, and the document that
//! describes it.
//!
//! A request is admitted by its bearer token alone; cookies are not looked at, so no other site can
//! use a browser's. What a token may not see looks like what does not exist.

mod applications;
mod caller;
mod deliveries;
mod docs;
mod document;
mod identity_providers;
mod input;
mod logouts;
pub(in crate::web) mod problem;
mod revocations;
mod sessions;
mod tokens;

use axum::Router;
use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use percent_encoding::percent_decode_str;

use crate::app::App;
use crate::app::api::once::Kept;
use crate::app::tokens::{Caller, Role};
use problem::Problem;

/// Under which all of it is.
pub const BASE: &str = "/api";

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Every good token; the story decides about what.
    Any,
    /// Operators and admins.
    Operator,
    /// Admins.
    Admin,
}

/// One line of the table.
struct Route {
    method: Method,
    path: &'static str,
    who: Who,
    handler: MethodRouter<App>,
}

impl Who {
    fn admits(self, role: Role) -> bool {
        match (self, role) {
            (Self::Any, _) | (_, Role::Admin) | (Self::Operator, Role::Operator) => true,
            (Self::Admin | Self::Operator, Role::Application(_)) | (Self::Admin, Role::Operator) => false,
        }
    }
}

/// The table: every route of the API, and who may use it.
fn table() -> Vec<Route> {
    let route = |method, path, who, handler| Route { method, path, who, handler };
    vec![
        route(Method::GET, "/v1/sessions", Who::Operator, get(sessions::list)),
        route(Method::POST, "/v1/sessions", Who::Any, post(sessions::register)),
        route(Method::GET, "/v1/sessions/{id}", Who::Any, get(sessions::show)),
        route(Method::DELETE, "/v1/sessions/{id}", Who::Any, delete(sessions::end)),
        route(Method::GET, "/v1/logouts", Who::Operator, get(logouts::list)),
        route(Method::POST, "/v1/logouts", Who::Any, post(logouts::start)),
        route(Method::GET, "/v1/logouts/{id}", Who::Any, get(logouts::show)),
        route(Method::GET, "/v1/identity-providers", Who::Operator, get(identity_providers::list)),
        route(Method::POST, "/v1/identity-providers", Who::Admin, post(identity_providers::import)),
        route(Method::GET, "/v1/identity-providers/{name}", Who::Operator, get(identity_providers::show)),
        route(Method::PATCH, "/v1/identity-providers/{name}", Who::Admin, patch(identity_providers::change)),
        route(
            Method::DELETE,
            "/v1/identity-providers/{name}",
            Who::Admin,
            delete(identity_providers::remove),
        ),
        route(Method::GET, "/v1/applications", Who::Operator, get(applications::list)),
        route(Method::POST, "/v1/applications", Who::Admin, post(applications::create)),
        route(Method::GET, "/v1/applications/{id}", Who::Operator, get(applications::show)),
        route(Method::PATCH, "/v1/applications/{id}", Who::Admin, patch(applications::change)),
        route(Method::DELETE, "/v1/applications/{id}", Who::Admin, delete(applications::remove)),
        route(Method::GET, "/v1/deliveries", Who::Any, get(deliveries::list)),
        route(Method::GET, "/v1/deliveries/{id}", Who::Any, get(deliveries::show)),
        route(Method::POST, "/v1/deliveries/{id}/retry", Who::Operator, post(deliveries::retry)),
        route(Method::GET, "/v1/revocations", Who::Any, get(revocations::read)),
        route(Method::GET, "/v1/tokens", Who::Admin, get(tokens::list)),
        route(Method::POST, "/v1/tokens", Who::Admin, post(tokens::create)),
        route(Method::DELETE, "/v1/tokens/{id}", Who::Admin, delete(tokens::revoke)),
    ]
}

/// The API, to be nested under [`BASE`].
pub fn router(app: &App) -> Router<App> {
    let table = table();
    let shown: Vec<(&'static str, Who)> = table
        .iter()
        .filter(|route| route.method == Method::GET)
        .map(|route| (route.path, route.who))
        .collect();
    let mut router = Router::new();
    for route in table {
        let gate = Gate {
            app: app.clone(),
            who: route.who,
            // What can be looked at can be forbidden; the rest is not there.
            visible: shown.iter().find(|(path, _)| *path == route.path).map(|(_, who)| *who),
            reads: route.method == Method::GET,
        };
        router = router.route(route.path, route.handler.route_layer(from_fn_with_state(gate, admit)));
    }
    router
        .route("/openapi.json", get(document::show))
        .route("/docs", get(docs::show))
        .route_layer(from_fn(no_head))
        .method_not_allowed_fallback(wrong_method)
        .fallback(async || Problem::not_found())
}

/// An answer that may have been given before.
fn answer(kept: Kept) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], kept.body).into_response();
    if let Some(location) = kept.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What stands before a route.
#[derive(Clone)]
struct Gate {
    app: App,
    who: Who,
    /// Who may look at the same path.
    visible: Option<Who>,
    /// Whether this is to look at it.
    reads: bool,
}

/// Lets a request through whose token may use the route.
async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match Caller::from_request_parts(&mut parts, &gate.app).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if !gate.who.admits(caller.role) {
        let seen = !gate.reads && gate.visible.is_some_and(|who| who.admits(caller.role));
        return if seen {
            Problem::forbidden("This needs a token of role admin.").into_response()
        } else {
            Problem::not_found().into_response()
        };
    }
    // Nothing has such a name, and PostgreSQL would not even look for it.
    let path = percent_decode_str(parts.uri.path()).decode_utf8();
    if path.is_err() || path.is_ok_and(|path| path.contains('\0')) {
        return Problem::not_found().into_response();
    }
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, body)).await
}

/// HEAD executes nothing and shows nothing, here as elsewhere (BIND-24).
async fn no_head(request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD {
        return Problem::method_not_allowed(&allowed(&request)).into_response();
    }
    next.run(request).await
}

async fn wrong_method(request: Request) -> Problem {
    Problem::method_not_allowed(&allowed(&request))
}

/// The methods that the path of a request takes, for `Allow`.
fn allowed(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    let path = matched.and_then(|path| path.as_str().strip_prefix(BASE)).unwrap_or_default();
    let methods: Vec<String> =
        table().iter().filter(|route| route.path == path).map(|route| route.method.to_string()).collect();
    if methods.is_empty() { String::from("GET") } else { methods.join(", ") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_describes_the_routes_that_there_are_and_no_others() {
        let document = serde_json::to_value(document::document()).unwrap();
        let mut described = BTreeSet::new();
        for (path, operations) in document.get("paths").unwrap().as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                described.insert((method.to_uppercase(), path.clone()));
                let who = operation.get("x-who").and_then(|who| who.as_str());
                assert!(who.is_some(), "{method} {path} says who may use it");
            }
        }
        let there: BTreeSet<_> =
            table().iter().map(|route| (route.method.to_string(), format!("{BASE}{}", route.path))).collect();
        assert_eq!(described, there);
    }

    #[test]
    fn an_admin_may_what_an_operator_may_and_an_application_only_what_all_may() {
        let application = Role::Application(crate::app::tokens::ApplicationId(1));
        for (who, admitted) in [
            (Who::Any, [true, true, true]),
            (Who::Operator, [false, true, true]),
            (Who::Admin, [false, false, true]),
        ] {
            assert_eq!([application, Role::Operator, Role::Admin].map(|role| who.admits(role)), admitted);
        }
    }
}
