//! Logouts are started over the API.
//!
//! A session ends in one transaction; those of a principal or of an identity provider by a sweep
//! ([`sweep`]), each as a logout of its own. The answer says what has ended by then, and whether that is
//! all: what is not ends behind the back of who asked.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{Halt, Refused, many};
use crate::app::api::once::{self, Kept, Once};
use crate::app::api::sessions::{self, Found};
use crate::app::logout::begin::{Begun, Telling, begin, lock_alive};
use crate::app::registry::Snapshot;
use crate::app::tokens::{Caller, Role};
use crate::app::{App, ContinueToken, Fault, ReturnTarget, worker};
use crate::logout::plan::Browser;
use crate::logout::step::ANSWER_WITHIN;
use crate::saml::names::NameId;
use crate::store::LogoutId;
use crate::store::logouts::{self, NewLogout};
use crate::store::sessions::Session;

/// Logouts to be started.
#[derive(Debug, Clone)]
pub struct Start {
    /// Whose sessions.
    pub whom: Whom,
    /// Whether a browser will be sent to the `continue_url`; only by session.
    pub browser: bool,
    /// Where that browser goes in the end.
    pub return_to: Option<String>,
}

/// Whose sessions end.
#[derive(Debug, Clone)]
pub enum Whom {
    /// That one, by its public name.
    Session(String),
    /// Those of a principal.
    Principal {
        /// The slug or entity ID of its identity provider.
        identity_provider: String,
        /// The NameID.
        name_id: NameId,
    },
    /// All that rest on an identity provider, by slug or entity ID.
    IdentityProvider(String),
}

/// What was started.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Started {
    /// The logouts, one for each session that ended; the first 1,000. Where the session was over before:
    /// the one that had ended it, if one had.
    pub logouts: Vec<StartedLogout>,
    /// How many sessions this has ended.
    pub sessions_ended: u64,
    /// Whether no session of those asked for is alive. If not, there were too many to be waited for, and
    /// the rest is being ended: asked again, with another idempotency key, `complete` says whether it is.
    pub complete: bool,
    /// Where to send the browser of that session, once and within five minutes; it needs no cookie and
    /// asks nothing. Only where a browser was announced.
    pub continue_url: Option<String>,
}

/// A logout that was started.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StartedLogout {
    /// Its number.
    pub id: i64,
    /// The session that ended.
    pub session: String,
}

/// Starts logouts. The sessions are over when this returns.
///
/// # Errors
/// [`Refused`]: an application starts them by session only, of sessions in which it takes part.
pub async fn start(app: &App, caller: &Caller, wanted: &Start, once: Option<&Once>) -> Result<Kept, Refused> {
    let by_session = matches!(wanted.whom, Whom::Session(_));
    if matches!(caller.role, Role::Application(_)) && !by_session {
        return Err(Refused::Forbidden("an application starts logouts by session only"));
    }
    if wanted.browser && !by_session {
        return Err(Refused::unprocessable("browser", "only the logout of one session has one"));
    }
    if wanted.return_to.is_some() && !wanted.browser {
        return Err(Refused::unprocessable("return_to", "only a browser can go there"));
    }
    match &wanted.whom {
        Whom::Session(id) => start_one(app, caller, wanted, id, once).await,
        Whom::Principal { identity_provider, name_id } => {
            many::start(app, caller, identity_provider, Some(name_id), once).await
        }
        Whom::IdentityProvider(name) => many::start(app, caller, name, None, once).await,
    }
}

async fn start_one(
    app: &App,
    caller: &Caller,
    wanted: &Start,
    id: &str,
    once: Option<&Once>,
) -> Result<Kept, Refused> {
    let (answer, begun) = app
        .answering("starting a logout", async {
            let snapshot = app.renewed().await?;
            let mut tx = app.begin().await?;
            if let Some(kept) = once::claim(app, &mut tx, once).await? {
                return Ok((kept, None));
            }
            let started = one(app, &mut tx, &snapshot, caller, wanted, id).await?;
            let begun = started.view.logouts.first().filter(|_| started.status == 201);
            let begun = begun.map(|logout| LogoutId(logout.id));
            let answer = Kept::new(started.status, started.location(), &started.view)?;
            let answer = once::keep(app, &mut tx, once, answer).await?;
            tx.commit().await?;
            app.session_ended();
            tracing::info!(
                logout.id = begun.map(|logout| logout.0),
                token = caller.token.0,
                "a logout was started over the API"
            );
            Ok((answer, begun))
        })
        .await?;
    if let Some(logout) = begun {
        worker::deliver_now(app, logout).await;
    }
    Ok(answer)
}

/// An answer that is not written yet.
pub(super) struct Begin {
    pub(super) status: u16,
    pub(super) view: Started,
}

impl Begin {
    /// Where the logout is, if there is exactly one that is new.
    pub(super) fn location(&self) -> Option<String> {
        match self.view.logouts.as_slice() {
            [logout] if self.status == 201 => Some(format!("/api/v1/logouts/{}", logout.id)),
            _ => None,
        }
    }
}

async fn one(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    caller: &Caller,
    wanted: &Start,
    id: &str,
) -> Result<Begin, Halt> {
    let Found::Session(found) = sessions::find(conn, caller, id).await? else {
        return Err(Refused::NotFound.into());
    };
    let target = match &wanted.return_to {
        Some(text) => {
            Some(app.return_target_for(conn, caller.role.application(), text).await?.ok_or_else(|| {
                Refused::unprocessable(
                    "return_to",
                    "expected an address at an origin that may be returned to",
                )
            })?)
        }
        None => None,
    };
    let Some(session) = lock_alive(app, conn, Some(found.clone())).await? else {
        let before = logouts::of_session(conn, found.id).await?;
        let logout = before.map(|logout| StartedLogout { id: logout.0, session: found.public_id });
        let logouts = logout.into_iter().collect();
        let view = Started { logouts, sessions_ended: 0, complete: true, continue_url: None };
        return Ok(Begin { status: 200, view });
    };
    let browser = if wanted.browser { Browser::Expected } else { Browser::Absent };
    let begun = begin_one(app, conn, snapshot, caller, &session, browser, target.as_ref()).await?;
    let continue_url = match browser {
        Browser::Expected => Some(let_continue(app, conn, &begun).await?),
        Browser::Absent | Browser::Present => None,
    };
    let logout = StartedLogout { id: begun.id.0, session: session.public_id };
    let view = Started { logouts: vec![logout], sessions_ended: 1, complete: true, continue_url };
    Ok(Begin { status: 201, view })
}

/// Ends a locked session and begins its logout, in the name of the caller.
pub(in crate::app) async fn begin_one(
    app: &App,
    conn: &mut PgConnection,
    snapshot: &Snapshot,
    caller: &Caller,
    session: &Session,
    browser: Browser,
    return_to: Option<&ReturnTarget>,
) -> Result<Begun, Fault> {
    let handle = app.0.entropy.handle_128()?;
    let new = NewLogout {
        handle: &handle,
        trigger: caller.role.trigger(),
        return_to: return_to.map(ReturnTarget::as_str),
    };
    begin(app, conn, snapshot, session, new, Telling::Through(browser), Some(caller.token)).await
}

/// The address at which a browser goes on with a logout, once.
async fn let_continue(app: &App, conn: &mut PgConnection, begun: &Begun) -> Result<String, Fault> {
    let token = app.0.entropy.token_256()?;
    let hash = ContinueToken::parse(&token).ok_or(Fault::Identifier)?.hash();
    logouts::let_continue(conn, begun.id, hash, app.now() + ANSWER_WITHIN).await?;
    let path = format!("/logout/{}?continue={token}", begun.handle);
    Ok(app.0.settings.public_url(&path))
}
