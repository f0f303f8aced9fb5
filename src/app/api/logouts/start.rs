//! Logouts are started over the API.
//!
//! By session or by a person at an OpenID provider all that is asked for ends in one transaction; the
//! sessions of a principal or of an identity provider, of which there may be many, by a sweep ([`many`]).
//! Each is a logout of its own. The answer says what has ended by then, and whether that is all: what is
//! not ends behind the back of who asked.

mod there;

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use there::There;

use super::{Halt, Refused, many};
use crate::app::api::once::{self, Kept, Once};
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
    /// Those of a person at an OpenID provider, and, where it can be asked to end them, all that the
    /// person has there.
    OpenIdPerson {
        /// The name or issuer of the provider.
        provider: String,
        /// The person's `sub` there.
        subject: String,
    },
}

/// What was started.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Started {
    /// The logouts, one for each session that ended; the first 1,000. Where the session was over before:
    /// the one that had ended it, if one had.
    pub logouts: Vec<StartedLogout>,
    /// How many sessions of ours this has ended.
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
    /// The session that ended, or the application session whose OpenID provider's session is to end; none
    /// where all of a person's are to end at an OpenID provider.
    pub session: Option<String>,
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
        Whom::Session(_) | Whom::OpenIdPerson { .. } => start_few(app, caller, wanted, once).await,
        Whom::Principal { identity_provider, name_id } => {
            many::start(app, caller, identity_provider, Some(name_id), once).await
        }
        Whom::IdentityProvider(name) => many::start(app, caller, name, None, once).await,
    }
}

async fn start_few(app: &App, caller: &Caller, wanted: &Start, once: Option<&Once>) -> Result<Kept, Refused> {
    let (answer, begun) = app
        .answering("starting logouts", async {
            let snapshot = app.renewed().await?;
            // Nothing is asked of anybody while something is locked.
            let there = there::look(app, caller, &wanted.whom).await?;
            let mut tx = app.begin().await?;
            if let Some(kept) = once::claim(app, &mut tx, once).await? {
                return Ok((kept, Vec::new()));
            }
            let starting = Starting { app, snapshot: &snapshot, caller, wanted };
            let beginning = match (&wanted.whom, &there) {
                (Whom::Session(_), There::Ours(found)) => starting.one(&mut tx, found).await?,
                (Whom::Session(_), There::Sid { way, own, sid }) => {
                    starting.of_sid(&mut tx, way, own, sid).await?
                }
                (Whom::OpenIdPerson { subject, .. }, There::Person(way)) => {
                    starting.of_person(&mut tx, way, subject).await?
                }
                _ => return Err(Refused::NotFound.into()),
            };
            let begun: Vec<_> = if beginning.status == 201 {
                beginning.view.logouts.iter().map(|logout| LogoutId(logout.id)).collect()
            } else {
                Vec::new()
            };
            let answer = Kept::new(beginning.status, beginning.location(), &beginning.view)?;
            let answer = once::keep(app, &mut tx, once, answer).await?;
            tx.commit().await?;
            app.session_ended();
            tracing::info!(
                logouts = begun.len(),
                token = caller.token.0,
                "logouts were started over the API"
            );
            Ok((answer, begun))
        })
        .await?;
    match begun.as_slice() {
        [] => {}
        [logout] => worker::deliver_now(app, *logout).await,
        // Too many to be waited for.
        _ => {
            app.0.outbox_bell.notify_one();
            app.0.notify_bell.notify_one();
        }
    }
    Ok(answer)
}

/// An answer that is not written yet.
pub(super) struct Begin {
    pub(super) status: u16,
    pub(super) view: Started,
}

/// What all starts by session have in common.
struct Starting<'a> {
    app: &'a App,
    snapshot: &'a Snapshot,
    caller: &'a Caller,
    wanted: &'a Start,
}

impl Begin {
    /// What was asked for was over before; by `logout`, if by one.
    fn nothing(logout: Option<LogoutId>, session: String) -> Self {
        let logout = logout.map(|logout| StartedLogout { id: logout.0, session: Some(session) });
        let logouts = logout.into_iter().collect();
        let view = Started { logouts, sessions_ended: 0, complete: true, continue_url: None };
        Self { status: 200, view }
    }

    /// Where the logout is, if there is exactly one that is new.
    pub(super) fn location(&self) -> Option<String> {
        match self.view.logouts.as_slice() {
            [logout] if self.status == 201 => Some(format!("/api/v1/logouts/{}", logout.id)),
            _ => None,
        }
    }
}

impl Starting<'_> {
    async fn one(&self, conn: &mut PgConnection, found: &Session) -> Result<Begin, Halt> {
        let Self { app, snapshot, caller, .. } = *self;
        let target = self.target(conn).await?;
        let Some(session) = lock_alive(app, conn, Some(found.clone())).await? else {
            let before = logouts::of_session(conn, found.id).await?;
            return Ok(Begin::nothing(before, found.public_id.clone()));
        };
        let browser = self.browser();
        let begun = begin_one(app, conn, snapshot, caller, &session, browser, target.as_ref()).await?;
        let continue_url = self.let_continue(conn, &begun).await?;
        let logout = StartedLogout { id: begun.id.0, session: Some(session.public_id) };
        let view = Started { logouts: vec![logout], sessions_ended: 1, complete: true, continue_url };
        Ok(Begin { status: 201, view })
    }

    /// Where the browser wants to go in the end, if it may.
    async fn target(&self, conn: &mut PgConnection) -> Result<Option<ReturnTarget>, Halt> {
        let Some(text) = &self.wanted.return_to else { return Ok(None) };
        let target = self.app.target_for_caller(conn, self.caller.role.application(), text).await?;
        let refused = || {
            let expected = "expected an address that is in the list of logout URLs, or at an origin that may be \
                            returned to";
            Refused::unprocessable("return_to", expected)
        };
        Ok(Some(target.ok_or_else(refused)?))
    }

    const fn browser(&self) -> Browser {
        if self.wanted.browser { Browser::Expected } else { Browser::Absent }
    }

    /// The address at which a browser goes on with a logout, once; none if no browser was announced.
    async fn let_continue(&self, conn: &mut PgConnection, begun: &Begun) -> Result<Option<String>, Fault> {
        if !self.wanted.browser {
            return Ok(None);
        }
        let app = self.app;
        let token = app.0.entropy.token_256()?;
        let hash = ContinueToken::parse(&token).ok_or(Fault::Identifier)?.hash();
        logouts::let_continue(conn, begun.id, hash, app.now() + ANSWER_WITHIN).await?;
        let path = format!("/logout/{}?continue={token}", begun.handle);
        Ok(Some(app.0.settings.public_url(&path)))
    }
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
