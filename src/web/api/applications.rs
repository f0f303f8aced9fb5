//! `/api/v1/applications`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::api::applications;
use crate::app::applications::{ApplicationView, ChangedApplication, Created, NewApplication};
use crate::app::tokens::Caller;
use crate::web::api::answer;
use crate::web::api::input::{Parameters, Posted};
use crate::web::api::problem::Problem;
use crate::web::reply;

/// All applications.
#[derive(Debug, Serialize, ToSchema)]
pub struct Applications {
    /// By public name.
    applications: Vec<ApplicationView>,
}

/// Lists applications
#[utoipa::path(get, path = "/api/v1/applications", tag = "applications",
    responses((status = 200, description = "All of them, by public name", body = Applications)))]
pub async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Parameters::read(query.as_deref(), &[])?;
    let applications = applications::list(&app).await?;
    Ok(reply::json(StatusCode::OK, &Applications { applications }))
}

/// Looks at an application
#[utoipa::path(get, path = "/api/v1/applications/{id}", tag = "applications",
    params(("id" = String, Path, description = "Its public name.")),
    responses((status = 200, description = "As it is now", body = ApplicationView)))]
pub async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(reply::json(StatusCode::OK, &applications::show(&app, &id).await?))
}

/// Registers an application
///
/// The secret that signs its webhooks is in the answer, this once.
#[utoipa::path(post, path = "/api/v1/applications", tag = "applications", request_body = NewApplication,
    responses((status = 201, description = "It is told from now on", body = Created)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    posted: Posted<NewApplication>,
) -> Result<Response, Problem> {
    Ok(answer(applications::create(&app, &caller, &posted.value, posted.once.as_ref()).await?))
}

/// Changes an application
///
/// All that is named, or nothing. The form is for good: another form is another application.
#[utoipa::path(patch, path = "/api/v1/applications/{id}", tag = "applications",
    params(("id" = String, Path, description = "Its public name.")),
    request_body = ChangedApplication,
    responses((status = 200, description = "As it is now", body = ApplicationView)))]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    posted: Posted<ChangedApplication>,
) -> Result<Response, Problem> {
    Ok(reply::json(StatusCode::OK, &applications::change(&app, &caller, &id, &posted.value).await?))
}

/// Deletes an application
///
/// With its tokens and its parts in sessions. What it was still to be told is given up.
#[utoipa::path(delete, path = "/api/v1/applications/{id}", tag = "applications",
    params(("id" = String, Path, description = "Its public name.")),
    responses((status = 204, description = "It is gone")))]
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    applications::remove(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
