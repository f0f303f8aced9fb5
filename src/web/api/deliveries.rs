//! `/api/v1/deliveries`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::api::deliveries;
use crate::app::deliveries::DeliveryView;
use crate::app::tokens::Caller;
use crate::web::api::answer;
use crate::web::api::input::{List, Parameters, Posted};
use crate::web::api::problem::Problem;
use crate::web::reply;

/// A page of deliveries, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    deliveries: Vec<DeliveryView>,
    /// The parameter `after` of the next page; none if this is the last.
    next: Option<String>,
}

/// A body that has nothing to say, and may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Lists deliveries
///
/// What applications were told, and what became of it; an application sees its own. The oldest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries",
    params(
        ("application" = Option<String>, Query, description = "Only those of the one of that public name."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many at most; 50 if absent."),
    ),
    responses((status = 200, description = "A page", body = DeliveryPage)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Parameters::read(query.as_deref(), &["application", "after", "limit"])?;
    let page = query.page(List::Deliveries)?;
    let application = query.one("application");
    let deliveries =
        deliveries::list(&app, &caller, application, page.after.unwrap_or(0), page.limit).await?;
    let full = u32::try_from(deliveries.len()).is_ok_and(|found| found == page.limit);
    let next = deliveries.last().filter(|_| full).map(|last| List::Deliveries.cursor(last.id.0));
    Ok(reply::json(StatusCode::OK, &DeliveryPage { deliveries, next }))
}

/// Looks at a delivery
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "deliveries",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "What became of it so far", body = DeliveryView)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    Ok(reply::json(StatusCode::OK, &deliveries::show(&app, &caller, id).await?))
}

/// Tells an application again
///
/// At once, and for another day, whatever became of it before.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", tag = "deliveries",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "It is due", body = DeliveryView)))]
pub async fn retry(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let Nothing {} = posted.value;
    Ok(answer(deliveries::retry(&app, &caller, id, posted.once.as_ref()).await?))
}
