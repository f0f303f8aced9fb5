//! A session is ended over the API, without a browser.

use serde::Serialize;
use utoipa::ToSchema;

use super::{ApplicationSession, Found, Halt, Refused, Session, SessionView, find, view};
use crate::app::App;
use crate::app::api::logouts::{self, LogoutView};
use crate::app::tokens::Caller;
use crate::app::{logout, worker};
use crate::logout::plan::Browser;
use crate::store::oidc::{self, Subject};
use crate::store::{LogoutId, application_sessions, audit, logouts as stored, sessions};

/// A session that is over, and what ended it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ended {
    /// The session.
    pub session: SessionView,
    /// The logout that ended it; none if time has, and for an application session that ended by
    /// itself. Asked again, it is the same one.
    pub logout: Option<LogoutView>,
}

/// Ends a session by its public name, with all that hangs under it; or an application session alone.
/// What is over stays as it ended.
///
/// No browser is there: identity providers are told over SOAP if they have it, else when that browser
/// next comes by.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`]; with that the session may be alive.
pub async fn end(app: &App, caller: &Caller, id: &str) -> Result<Ended, Refused> {
    let (over, begun) = app
        .answering("ending a session", async {
            let mut conn = app.connection().await?;
            let found = find(&mut conn, caller, id).await?;
            drop(conn);
            match found {
                Found::Session(session) => {
                    let begun = end_session(app, caller, &session).await?;
                    Ok((id.to_owned(), begun))
                }
                Found::Application(own) => {
                    end_own(app, caller, &own).await?;
                    Ok((own.public_id, None))
                }
            }
        })
        .await?;
    if let Some(logout) = begun {
        worker::deliver_now(app, logout).await;
    }
    app.answering("looking at an ended session", async {
        let mut conn = app.connection().await?;
        match find(&mut conn, caller, &over).await? {
            Found::Session(session) => {
                let logout = match stored::of_session(&mut conn, session.id).await? {
                    Some(logout) => logouts::view(app, &mut conn, caller, logout).await?,
                    None => None,
                };
                Ok(Ended { session: view::session(app, &mut conn, caller, session).await?, logout })
            }
            Found::Application(own) => {
                let session = view::application_session(app, &mut conn, caller, own).await?;
                Ok(Ended { session, logout: None })
            }
        }
    })
    .await
}

/// Ends a session; gives the logout if it was this that ended it.
async fn end_session(app: &App, caller: &Caller, found: &Session) -> Result<Option<LogoutId>, Halt> {
    let snapshot = app.renewed().await?;
    let mut tx = app.begin().await?;
    let Some(session) = logout::begin::lock_alive(app, &mut tx, Some(found.clone())).await? else {
        return Ok(None);
    };
    let begun = logouts::begin_one(app, &mut tx, &snapshot, caller, &session, Browser::Absent, None).await?;
    tx.commit().await?;
    app.session_ended();
    tracing::info!(logout.id = begun.id.0, token = caller.token.0, "a session was ended over the API");
    Ok(Some(begun.id))
}

/// Ends an application's own session, and nothing else.
async fn end_own(app: &App, caller: &Caller, own: &ApplicationSession) -> Result<(), Halt> {
    let now = app.now();
    let mut tx = app.begin().await?;
    if let Some(session) = own.session {
        sessions::lock(&mut tx, session).await?;
    }
    if let (Some(issuer), Some(sid)) = (&own.issuer, &own.sid) {
        oidc::lock(&mut tx, issuer, Subject::Sid(sid), now).await?;
    }
    if application_sessions::end(&mut tx, own.id, now, caller.role.trigger().as_str()).await? {
        let entry =
            app.changed_by(Some(caller.token), "/api/v1/sessions/{id}", "ended an application session");
        audit::add(&mut tx, &entry).await?;
    }
    tx.commit().await?;
    app.session_ended();
    Ok(())
}
