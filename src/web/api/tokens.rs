//! `/api/v1/tokens`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::tokens::{self, Caller, NewTokenView, TokenView, WantedToken};
use crate::web::api::answer;
use crate::web::api::input::{List, Parameters, Posted};
use crate::web::api::problem::Problem;
use crate::web::reply;

/// A page of tokens, in the order in which they were made.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPage {
    /// The tokens.
    tokens: Vec<TokenView>,
    /// The parameter `after` of the next page; none if this is the last.
    next: Option<String>,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What you call it, 1 to 100 characters.
    name: String,
    /// `application`, `operator` or `admin`.
    role: String,
    /// The slug of the application whose it is; only of role `application`.
    application: Option<String>,
    /// From when on it is no good; never, if absent.
    expires_at: Option<DateTime<Utc>>,
}

/// Lists tokens
///
/// In the order in which they were made, good or not. Nobody can show a token itself again.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens",
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many at most; 50 if absent."),
    ),
    responses((status = 200, description = "A page", body = TokenPage)))]
pub async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Parameters::read(query.as_deref(), &["after", "limit"])?;
    let page = query.page(List::Tokens)?;
    let tokens = tokens::list(&app, page.after.unwrap_or(0), page.limit).await?;
    let full = u32::try_from(tokens.len()).is_ok_and(|found| found == page.limit);
    let next = tokens.last().filter(|_| full).map(|last| List::Tokens.cursor(last.id));
    Ok(reply::json(StatusCode::OK, &TokenPage { tokens, next }))
}

/// Makes a token
///
/// The answer shows it, this once: only its digest is kept.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = CreateToken,
    responses((status = 201, description = "It is good from now on", body = NewTokenView)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    posted: Posted<CreateToken>,
) -> Result<Response, Problem> {
    let CreateToken { name, role, application, expires_at } = posted.value;
    let wanted = WantedToken { name, role, application, expires_at };
    Ok(answer(tokens::create(&app, Some(&caller), &wanted, posted.once.as_ref()).await?))
}

/// Revokes a token
///
/// For good, on every node at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 204, description = "It is no good any more")))]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    tokens::revoke(&app, Some(&caller), id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
