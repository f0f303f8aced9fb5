//! The only module that knows axum: one table of routes, and around it what holds for every
//! request.
//!
//! A handler takes apart the request, calls one function of [`crate::app`] and hands what comes
//! back to [`reply`] or [`error`]; it decides nothing else.

mod acs;
pub mod api;
mod assets;
mod body;
mod cookies;
mod cors;
mod error;
mod events;
mod fields;
mod forward_auth;
mod headers;
mod health;
mod home;
mod login;
mod logout;
mod metadata;
mod navigation;
mod oidc;
mod original_url;
mod pages;
mod panic;
mod reply;

mod routes;
mod serve;
mod session;
mod slo;
mod sse;
mod telemetry;
mod visitor;
mod well_known;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use openssl::sha::sha256;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::{App, TurnedAway, Visitor};
use crate::web::pages::{Link, Notice};

pub use serve::serve;

/// The whole service over HTTP. Whoever serves it other than with [`serve()`] leaves the peer's
/// address as `ConnectInfo<SocketAddr>` in the request's extensions, else it counts as unknown.
pub fn router(app: App) -> Router {
    let routes = executing(&app).merge(showing()).nest(api::BASE, api::router(&app)).merge(for_pages(&app));
    guarded(app, routes)
}

/// Routes, and around them what holds for every request: the headers of every answer, pages for what
/// is not there, and an answer for a handler that panics (VAL-22).
pub fn guarded(app: App, routes: Router<App>) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panic::Caught(app.clone())))
        .layer(from_fn(panic::told))
        .layer(from_fn_with_state(app.clone(), headers::apply))
        .layer(from_fn(telemetry::traced))
        .with_state(app)
}

/// What executes a message or starts something: never on HEAD, OPTIONS or a prefetch (BIND-24).
fn executing(app: &App) -> Router<App> {
    let mut router = Router::new()
        .route(routes::LOGIN, get(login::begin))
        .route(routes::ACS, post(acs::receive))
        .route(routes::SLO, get(slo::redirect).post(slo::post))
        .route(routes::OIDC_LOGIN, get(oidc::begin))
        .route(routes::OIDC_CALLBACK, get(oidc::receive))
        .route(routes::OIDC_LOGGED_OUT, get(oidc::come_back))
        .route(routes::OIDC_BACKCHANNEL, post(oidc::backchannel))
        .route(routes::LOGOUT, get(logout::ask).post(logout::start))
        .route(routes::LOGOUT_RESULT, get(logout::show));
    if app.settings().saml.soap {
        router = router.route(routes::SLO_SOAP, post(slo::soap));
    }
    router.layer(from_fn_with_state(app.clone(), navigation::meant))
}

/// What only shows.
fn showing() -> Router<App> {
    Router::new()
        .route(routes::HOME, get(home::show))
        .route(routes::METADATA, get(metadata::ours))
        .route(routes::FORWARD_AUTH, get(forward_auth::check))
        .route(routes::DISCOVERY, get(well_known::discovery))
        .route(routes::KEY_SET, get(well_known::key_set))
        .route(routes::HEALTH, get(health::alive))
        .route(routes::READY, get(health::ready))
        .route(assets::stylesheet_path(), get(assets::stylesheet))
        .route(assets::icon_path(), get(assets::icon))
}

/// What pages of applications may ask with the browser's cookie.
fn for_pages(app: &App) -> Router<App> {
    Router::new()
        .route(routes::SESSION, get(session::show).options(cors::preflight))
        .route(routes::SESSION_EVENTS, get(events::ended).options(cors::preflight))
        .layer(from_fn_with_state(app.clone(), cors::apply))
}

async fn not_found() -> Response {
    let notice = Notice {
        heading: String::from("There is nothing here"),
        paragraphs: vec![String::from("The address may be mistyped, or the page is gone.")],
        links: vec![Link::home()],
        ..Notice::default()
    };
    reply::page(StatusCode::NOT_FOUND, &notice)
}

async fn wrong_method(State(app): State<App>, visitor: Visitor, method: Method, uri: Uri) -> Response {
    let turned = TurnedAway {
        endpoint: routes::named(uri.path()),
        source: visitor.address,
        rule: "BIND-22",
        digest: sha256(uri.query().unwrap_or_default().as_bytes()),
        why: &format_args!("the method {method} is not taken here"),
    };
    let text = "This address takes messages from other places, or only visits; it cannot be opened that way.";
    let allowed = [(header::ALLOW, routes::methods(uri.path()))];
    (allowed, error::turned_away(&app, 405, text, &turned)).into_response()
}
