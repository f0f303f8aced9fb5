//! `/api/v1/logouts`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::api::logouts::{self, LogoutSummary, LogoutView, Start, Started, Whom};
use crate::app::tokens::Caller;
use crate::web::api::answer;
use crate::web::api::input::{List, Parameters, Posted};
use crate::web::api::problem::Problem;
use crate::web::api::sessions::NameIdInput;
use crate::web::reply;

/// A page of logouts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogoutPage {
    /// The logouts.
    logouts: Vec<LogoutSummary>,
    /// The parameter `after` of the next page; none if this is the last.
    next: Option<String>,
}

/// Logouts to be started: by exactly one of `session`, `principal`, `identity_provider` and
/// `openid_subject`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartLogout {
    /// The public name of a session; or of an application session: then the session under which it hangs,
    /// be it ours or an OpenID provider's.
    session: Option<String>,
    /// A person, as an identity provider names them: all their sessions.
    principal: Option<PrincipalInput>,
    /// The slug of an identity provider: all sessions that rest on it.
    identity_provider: Option<String>,
    /// A person at an OpenID provider: all their sessions here, and, where the provider can be asked to
    /// end them, there.
    openid_subject: Option<OpenIdSubjectInput>,
    /// Whether a browser will be sent to the `continue_url`; by session `true` if absent. Without one,
    /// identity providers are told over SOAP if they have it, else when that browser next comes by.
    browser: Option<bool>,
    /// Where that browser goes in the end: a path of ours, an address in the logout URLs of the
    /// application whose token this is, or an address at an origin that it or the settings list. With an
    /// operator's or admin's token: those of the service and of any application.
    return_to: Option<String>,
}

/// A person, as an identity provider names them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrincipalInput {
    /// The slug of the identity provider.
    identity_provider: String,
    /// The NameID.
    name_id: NameIdInput,
}

/// A person, as an OpenID provider names them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenIdSubjectInput {
    /// The name of the provider in the settings, or its issuer.
    provider: String,
    /// The `sub`.
    #[schema(min_length = 1, max_length = 255)]
    sub: String,
}

/// Lists logouts
///
/// The newest first, whoever started them.
#[utoipa::path(get, path = "/api/v1/logouts", tag = "logouts",
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many at most; 50 if absent."),
    ),
    responses((status = 200, description = "A page", body = LogoutPage)))]
pub async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Parameters::read(query.as_deref(), &["after", "limit"])?;
    let page = query.page(List::Logouts)?;
    let (logouts, next) = logouts::list(&app, page.after.unwrap_or(i64::MAX), page.limit).await?;
    let next = next.map(|position| List::Logouts.cursor(position));
    Ok(reply::json(StatusCode::OK, &LogoutPage { logouts, next }))
}

/// Starts logouts
///
/// By session, principal, identity provider or person at an OpenID provider; an application by session
/// only, of those in which it takes part. What is listed in the answer is over. By principal and identity
/// provider all sessions end that there are; where that takes longer than 20 s, the answer is not
/// `complete`, and the rest ends without anybody's doing.
#[utoipa::path(post, path = "/api/v1/logouts", tag = "logouts", request_body = StartLogout,
    responses(
        (status = 200, description = "Nothing was alive", body = Started),
        (status = 201, description = "The sessions are over", body = Started)))]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    posted: Posted<StartLogout>,
) -> Result<Response, Problem> {
    let wanted = wanted(posted.value)?;
    Ok(answer(logouts::start(&app, &caller, &wanted, posted.once.as_ref()).await?))
}

/// Looks at a logout
///
/// What became of every identity provider and application that has to hear of it. An application sees
/// those of sessions in which it took part, and of the applications itself.
#[utoipa::path(get, path = "/api/v1/logouts/{id}", tag = "logouts",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "Going on or finished", body = LogoutView)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let view: LogoutView = logouts::show(&app, &caller, id).await?;
    Ok(reply::json(StatusCode::OK, &view))
}

fn wanted(body: StartLogout) -> Result<Start, Problem> {
    let whom = match (body.session, body.principal, body.identity_provider, body.openid_subject) {
        (Some(session), None, None, None) => Whom::Session(session),
        (None, Some(PrincipalInput { identity_provider, name_id }), None, None) => {
            Whom::Principal { identity_provider, name_id: name_id.into() }
        }
        (None, None, Some(name), None) => Whom::IdentityProvider(name),
        (None, None, None, Some(OpenIdSubjectInput { provider, sub })) => {
            if sub.is_empty() || sub.len() > 255 {
                return Err(Problem::unprocessable("openid_subject", "expected a sub of 1 to 255 bytes"));
            }
            Whom::OpenIdPerson { provider, subject: sub }
        }
        _ => {
            let reason = "expected exactly one of session, principal, identity_provider and openid_subject";
            return Err(Problem::unprocessable("session", reason));
        }
    };
    let browser = body.browser.unwrap_or(matches!(whom, Whom::Session(_)));
    Ok(Start { whom, browser, return_to: body.return_to })
}
