//! `/api/v1/identity-providers`.

use std::collections::BTreeMap;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::api::identity_providers::{
    self, Configuration, IdentityProviderView, ImportedView, MetadataDocument, Removed, SwitchValue,
};
use crate::app::tokens::Caller;
use crate::web::api::answer;
use crate::web::api::input::{METADATA_LIMIT, Parameters, Posted};
use crate::web::api::problem::Problem;
use crate::web::reply;

/// All identity providers.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityProviders {
    /// By slug.
    identity_providers: Vec<IdentityProviderView>,
}

/// Metadata to be imported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportMetadata {
    /// The document, with one or several identity providers. The whole body may have 1 MiB; larger
    /// aggregates are imported with the command.
    metadata: String,
    /// The name in addresses; only for a document with one identity provider.
    slug: Option<String>,
    /// Take Responses that answer no request. It is switched on, never off, by an import.
    allow_unsolicited: Option<bool>,
}

/// What to change of an identity provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeIdentityProvider {
    /// Whether it may sign people in. Its LogoutRequests are obeyed either way.
    enabled: Option<bool>,
    /// Switches by name.
    switches: Option<BTreeMap<String, SwitchValue>>,
}

/// Lists identity providers
#[utoipa::path(get, path = "/api/v1/identity-providers", tag = "identity providers",
    responses((status = 200, description = "All of them, by slug", body = IdentityProviders)))]
pub async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Parameters::read(query.as_deref(), &[])?;
    let identity_providers = identity_providers::list(&app).await?;
    Ok(reply::json(StatusCode::OK, &IdentityProviders { identity_providers }))
}

/// Looks at an identity provider
#[utoipa::path(get, path = "/api/v1/identity-providers/{name}", tag = "identity providers",
    params(("name" = String, Path, description = "Its slug, or its entity ID percent-encoded.")),
    responses((status = 200, description = "As it is now", body = IdentityProviderView)))]
pub async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let view: IdentityProviderView = identity_providers::show(&app, &name).await?;
    Ok(reply::json(StatusCode::OK, &view))
}

/// Imports metadata
///
/// Each identity provider in the document as its next version, all or none. What was switched on, off
/// or disabled stays so.
#[utoipa::path(post, path = "/api/v1/identity-providers", tag = "identity providers",
    request_body = ImportMetadata,
    responses((status = 201, description = "Effective on every node", body = ImportedView)))]
pub async fn import(
    State(app): State<App>,
    caller: Caller,
    posted: Posted<ImportMetadata, METADATA_LIMIT>,
) -> Result<Response, Problem> {
    let ImportMetadata { metadata, slug, allow_unsolicited } = posted.value;
    let document =
        MetadataDocument { xml: metadata, slug, allow_unsolicited: allow_unsolicited.unwrap_or(false) };
    Ok(answer(identity_providers::import(&app, &caller, &document, posted.once.as_ref()).await?))
}

/// Changes an identity provider
///
/// All that is named, or nothing.
#[utoipa::path(patch, path = "/api/v1/identity-providers/{name}", tag = "identity providers",
    params(("name" = String, Path, description = "Its slug, or its entity ID percent-encoded.")),
    request_body = ChangeIdentityProvider,
    responses((status = 200, description = "As it is now", body = IdentityProviderView)))]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    posted: Posted<ChangeIdentityProvider>,
) -> Result<Response, Problem> {
    let ChangeIdentityProvider { enabled, switches } = posted.value;
    let wanted = Configuration { enabled, switches: switches.unwrap_or_default() };
    let view: IdentityProviderView = identity_providers::change(&app, &caller, &name, &wanted).await?;
    Ok(reply::json(StatusCode::OK, &view))
}

/// Removes an identity provider
///
/// It is known to nobody any more, and every session that rests on it ends whole. It is not told, because
/// what it says does not count any more; applications and the other identity providers of those sessions
/// are. Metadata of it can be imported again.
#[utoipa::path(delete, path = "/api/v1/identity-providers/{name}", tag = "identity providers",
    params(("name" = String, Path, description = "Its slug, or its entity ID percent-encoded.")),
    responses((status = 200, description = "It is gone", body = Removed)))]
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let removed: Removed = identity_providers::remove(&app, &caller, &name).await?;
    Ok(reply::json(StatusCode::OK, &removed))
}
