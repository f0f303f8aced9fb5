//! Sessions over the API: listed, looked at, registered under, ended.

mod end;
mod register;
mod view;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{Halt, Refused};
use crate::app::App;
use crate::app::tokens::{Caller, Role};
use crate::store::application_sessions::{self, ApplicationSession};
use crate::store::session_search::{self, Search};
use crate::store::sessions::{self, Session};
use crate::store::{StoreError, participations};

pub use end::{Ended, end};
pub use register::{Registration, Under, register};

/// The most application sessions that are shown with a session.
const MOST_SHOWN: i64 = 100;

/// A session, or an application's own session under one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionView {
    /// Its public name; it opens nothing.
    pub id: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// Whether it lives.
    pub active: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends at the latest, without regard to idleness.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it was ended. None while it lives, and if only time has ended it so far.
    pub ended_at: Option<DateTime<Utc>>,
    /// By what: `person`, `idp`, `admin`, `application`, `operator`, `expired`, `replaced`.
    pub end_reason: Option<String>,
    /// The logout that ended it.
    pub logout: Option<i64>,
    /// The session under which it hangs; only of an application session.
    pub session: Option<String>,
    /// On what it rests: one per identity provider.
    pub authentications: Vec<AuthenticationView>,
    /// And: one per session at an OpenID provider.
    pub openid_authentications: Vec<OpenIdAuthenticationView>,
    /// The applications' own sessions under it, at most 100; an application sees its own.
    pub application_sessions: Vec<ApplicationSessionView>,
}

/// What kind of session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's session in a browser.
    Session,
    /// An application's own, under one.
    ApplicationSession,
}

/// One identity provider's part in a session.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuthenticationView {
    /// The slug of the identity provider.
    pub identity_provider: String,
    /// Its entity ID.
    pub entity_id: String,
    /// When the person was authenticated there.
    pub authn_instant: DateTime<Utc>,
    /// The principal, as the assertion named it. None if it named nobody, and for an application that
    /// is told no NameID.
    pub name_id: Option<NameIdView>,
}

/// A session at an OpenID provider on which a session rests.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OpenIdAuthenticationView {
    /// The name of the provider in the settings.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// The session there, if the provider names it.
    pub sid: Option<String>,
    /// When the person was authenticated there.
    pub auth_time: DateTime<Utc>,
    /// The person there. None for an application that is told no NameID.
    pub sub: Option<String>,
}

/// A NameID.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NameIdView {
    /// The content.
    pub value: String,
    /// `Format`, if it was there.
    pub format: Option<String>,
    /// `NameQualifier`, if it was there.
    pub name_qualifier: Option<String>,
    /// `SPNameQualifier`, if it was there.
    pub sp_name_qualifier: Option<String>,
}

/// An application's own session.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApplicationSessionView {
    /// Its public name.
    pub id: String,
    /// The slug of the application.
    pub application: String,
    /// `api` or `forward-auth`: how it came to be known.
    pub source: String,
    /// The issuer of the OpenID provider under whose session it hangs, if it does.
    pub issuer: Option<String>,
    /// The `sid` of that session.
    pub sid: Option<String>,
    /// That provider's connection to the identity provider behind it, for which it is the service
    /// provider, if it was registered.
    pub connection: Option<String>,
    /// The application's own name for it.
    pub reference: Option<String>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was ended by itself.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A session in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionSummary {
    /// Its public name.
    pub id: String,
    /// Whether it lives.
    pub active: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// By what.
    pub end_reason: Option<String>,
    /// The slugs of the identity providers on which it rests.
    pub identity_providers: Vec<String>,
}

/// Which sessions to list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Only from before this one.
    pub before: i64,
    /// At most so many.
    pub limit: u32,
    /// Only those that live.
    pub active: bool,
    /// Only those that rest on the identity provider of that slug.
    pub identity_provider: Option<String>,
}

/// The newest sessions, and where the next page begins; none if this is the last.
///
/// # Errors
/// [`Refused::Unprocessable`], [`Refused::Failed`].
pub async fn list(app: &App, wanted: &Listing) -> Result<(Vec<SessionSummary>, Option<i64>), Refused> {
    app.answering("listing sessions", async {
        let snapshot = app.renewed().await?;
        let unknown = || Refused::unprocessable("identity_provider", "there is none of that name");
        let idp = match &wanted.identity_provider {
            Some(slug) => Some(snapshot.named(slug).ok_or_else(unknown)?.id),
            None => None,
        };
        let mut conn = app.connection().await?;
        let alive = app.alive();
        let search = Search { before: wanted.before, alive_only: wanted.active, idp };
        let found = session_search::newest(&mut conn, search, alive, i64::from(wanted.limit)).await?;
        let full = u32::try_from(found.len()).is_ok_and(|found| found == wanted.limit);
        let next = found.last().filter(|_| full).map(|last| last.session.id.0);
        let lines = found.into_iter().map(|listed| SessionSummary {
            active: listed.session.is_alive(alive),
            id: listed.session.public_id,
            created_at: listed.session.created_at,
            last_seen_at: listed.session.last_seen_at,
            expires_at: listed.session.expires_at,
            ended_at: listed.session.ended_at,
            end_reason: listed.session.end_reason,
            identity_providers: listed.idps,
        });
        Ok((lines.collect(), next))
    })
    .await
}

/// One session, or one application session, by its public name.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn show(app: &App, caller: &Caller, id: &str) -> Result<SessionView, Refused> {
    app.answering("looking at a session", async {
        let mut conn = app.connection().await?;
        match find(&mut conn, caller, id).await? {
            Found::Session(session) => view::session(app, &mut conn, caller, session).await,
            Found::Application(own) => view::application_session(app, &mut conn, caller, own).await,
        }
    })
    .await
}

/// What a public name stands for, as far as the caller may know.
pub(in crate::app) enum Found {
    Session(Session),
    Application(ApplicationSession),
}

/// Looks a public name up. A session in which the caller's application takes no part is not found,
/// and neither is another application's own.
pub(in crate::app) async fn find(conn: &mut PgConnection, caller: &Caller, id: &str) -> Result<Found, Halt> {
    if let Some(session) = sessions::by_public_id(conn, id).await? {
        if may_see(conn, caller, &session).await? {
            return Ok(Found::Session(session));
        }
        return Err(Refused::NotFound.into());
    }
    let own = application_sessions::by_public_id(conn, id).await?;
    let mine = |own: &ApplicationSession| match caller.role {
        Role::Application(application) => own.application == application,
        Role::Operator | Role::Admin => true,
    };
    Ok(Found::Application(own.filter(mine).ok_or(Refused::NotFound)?))
}

async fn may_see(conn: &mut PgConnection, caller: &Caller, session: &Session) -> Result<bool, StoreError> {
    match caller.role {
        Role::Application(application) => participations::takes_part(conn, session.id, application).await,
        Role::Operator | Role::Admin => Ok(true),
    }
}
