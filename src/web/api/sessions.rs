//! `/api/v1/sessions`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::api::sessions::{self, Ended, Listing, Registration, SessionSummary, SessionView, Under};
use crate::app::tokens::Caller;
use crate::saml::names::NameId;
use crate::web::api::answer;
use crate::web::api::input::{List, Parameters, Posted};
use crate::web::api::problem::Problem;
use crate::web::reply;

/// A page of sessions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionPage {
    /// The sessions.
    sessions: Vec<SessionSummary>,
    /// The parameter `after` of the next page; none if this is the last.
    next: Option<String>,
}

/// An application's own session, to be registered: under a session of ours, or under one of an OpenID
/// provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterSession {
    /// The public name of the session, as forward-auth and `GET /session` give it out.
    session: Option<String>,
    /// The issuer of the OpenID provider.
    issuer: Option<String>,
    /// Its `sid`.
    sid: Option<String>,
    /// The application's own name for it, 1 to 256 characters.
    reference: Option<String>,
    /// The person's `sub` there; only with `issuer`.
    subject: Option<String>,
    /// The OpenID provider's connection to the identity provider through which the person signed in
    /// there, where that provider and not we are the service provider; only with `issuer`. This, or
    /// one of the next two, makes our logout ask Auth0 to sign the person out there as well.
    connection: Option<String>,
    /// Whom the assertion named that the OpenID provider got; only with `issuer`.
    name_id: Option<NameIdInput>,
    /// The SessionIndex values of that assertion; only with `issuer`.
    session_indexes: Option<Vec<String>>,
}

/// A NameID, exactly as an assertion had it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameIdInput {
    /// The content.
    value: String,
    /// `Format`, if it was there.
    format: Option<String>,
    /// `NameQualifier`, if it was there.
    name_qualifier: Option<String>,
    /// `SPNameQualifier`, if it was there.
    sp_name_qualifier: Option<String>,
}

impl From<NameIdInput> for NameId {
    fn from(input: NameIdInput) -> Self {
        Self {
            value: input.value,
            format: input.format,
            name_qualifier: input.name_qualifier,
            sp_name_qualifier: input.sp_name_qualifier,
            sp_provided_id: None,
        }
    }
}

/// Lists sessions
///
/// The newest first, alive and ended. Names no person.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions",
    params(
        ("active" = Option<bool>, Query, description = "Only those that live."),
        ("identity_provider" = Option<String>, Query, description = "Only those that rest on the one of that slug."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many at most; 50 if absent."),
    ),
    responses((status = 200, description = "A page", body = SessionPage)))]
pub async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Parameters::read(query.as_deref(), &["active", "identity_provider", "after", "limit"])?;
    let page = query.page(List::Sessions)?;
    let wanted = Listing {
        before: page.after.unwrap_or(i64::MAX),
        limit: page.limit,
        active: query.switch("active")?,
        identity_provider: query.one("identity_provider").map(str::to_owned),
    };
    let (sessions, next) = sessions::list(&app, &wanted).await?;
    let next = next.map(|position| List::Sessions.cursor(position));
    Ok(reply::json(StatusCode::OK, &SessionPage { sessions, next }))
}

/// Registers an application's own session
///
/// From then on the application is told when the session ends under which it hangs. Only a token of
/// role application registers, and only under a session whose public name it presents.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = RegisterSession,
    responses((status = 201, description = "It is registered", body = SessionView)))]
pub async fn register(
    State(app): State<App>,
    caller: Caller,
    posted: Posted<RegisterSession>,
) -> Result<Response, Problem> {
    let wanted = registration(posted.value)?;
    Ok(answer(sessions::register(&app, &caller, &wanted, posted.once.as_ref()).await?))
}

/// Looks at a session
///
/// By the public name of a session, or of an application's own. An application sees those in which it
/// takes part.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The public name of the session.")),
    responses((status = 200, description = "Alive or ended", body = SessionView)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let view: SessionView = sessions::show(&app, &caller, &id).await?;
    Ok(reply::json(StatusCode::OK, &view))
}

/// Ends a session
///
/// A session, with all that hangs under it; or an application's own alone. No browser is needed:
/// identity providers are told over SOAP if they have it, else when that browser next comes by.
/// Repeated, it is answered with the same logout.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The public name of the session.")),
    responses((status = 200, description = "It is over", body = Ended)))]
pub async fn end(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let ended: Ended = sessions::end(&app, &caller, &id).await?;
    Ok((reply::json(StatusCode::OK, &ended)).into_response())
}

fn registration(body: RegisterSession) -> Result<Registration, Problem> {
    let under = match (body.session, body.issuer, body.sid) {
        (Some(session), None, None) => Under::Session(session),
        (None, Some(issuer), Some(sid)) => Under::Oidc { issuer, sid },
        _ => return Err(Problem::unprocessable("session", "expected either session, or issuer and sid")),
    };
    Ok(Registration {
        under,
        reference: body.reference,
        name_id: body.name_id.map(NameId::from),
        session_indexes: body.session_indexes.unwrap_or_default(),
        subject: body.subject,
        connection: body.connection,
    })
}
