//! What a session cookie stands for.

use chrono::{DateTime, TimeDelta, Utc};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use sqlx::PgConnection;

use crate::app::{App, DATABASE_PATIENCE, SessionToken, oidc};
use crate::saml::names::{EntityId, NameId, SessionIndex};
use crate::store::session_search::{self, FIRST_PAGE, Search};
use crate::store::sessions::{self, Authentication, Session};
use crate::store::{SessionId, StoreError, oidc as stored_oidc};

/// The answer of `GET /session` to a live cookie. As JSON, `authentications` holds both kinds.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session's public name; it opens nothing.
    pub session_id: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends at the latest, without regard to idleness.
    pub expires_at: DateTime<Utc>,
    /// On what it rests: one per identity provider.
    pub authentications: Vec<AuthenticationView>,
    /// And: one per session at an OpenID provider.
    pub oidc: Vec<OidcAuthenticationView>,
}

impl Serialize for SessionView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Either<'a> {
            Saml(&'a AuthenticationView),
            Oidc(&'a OidcAuthenticationView),
        }
        let saml = self.authentications.iter().map(Either::Saml);
        let all: Vec<_> = saml.chain(self.oidc.iter().map(Either::Oidc)).collect();
        let mut fields = serializer.serialize_struct("SessionView", 4)?;
        fields.serialize_field("session_id", &self.session_id)?;
        fields.serialize_field("created_at", &self.created_at)?;
        fields.serialize_field("expires_at", &self.expires_at)?;
        fields.serialize_field("authentications", &all)?;
        fields.end()
    }
}

/// An OpenID provider's part in a session.
#[derive(Debug, Clone, Serialize)]
pub struct OidcAuthenticationView {
    /// The name of the provider in the settings.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// The person there.
    pub sub: String,
    /// The session there, if the provider names it.
    pub sid: Option<String>,
    /// When the person was authenticated there.
    pub auth_time: DateTime<Utc>,
}

impl OidcAuthenticationView {
    /// For people: the host of its issuer.
    #[must_use]
    pub fn host(&self) -> String {
        oidc::host(&self.issuer)
    }
}

/// One identity provider's part in a session.
#[derive(Debug, Clone, Serialize)]
pub struct AuthenticationView {
    /// Its entity ID.
    pub idp: EntityId,
    /// Its slug.
    pub idp_slug: String,
    /// Its display name, for people.
    pub idp_name: String,
    /// The principal, as the assertion named it; none if it named nobody (SSO-22).
    pub name_id: Option<NameIdView>,
    /// Every SessionIndex collected.
    pub session_indexes: Vec<SessionIndex>,
    /// When the person was authenticated there.
    pub authn_instant: DateTime<Utc>,
}

/// A NameID as JSON.
#[derive(Debug, Clone, Serialize)]
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

/// A session in a list for operators.
#[derive(Debug, Clone, Serialize)]
pub struct SessionLine {
    /// The session's public name.
    pub session_id: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// Whether it lives.
    pub alive: bool,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// By what: `person`, `idp`, `oidc`, `admin`, `expired`, `replaced`.
    /// By what: `person`, `idp`, `admin`, `application`, `operator`, `expired`, `replaced`.
    pub end_reason: Option<String>,
    /// The slugs of the identity providers on which it rests.
    pub idps: Vec<String>,
}

/// How fine `last_seen_at` is written: a request more often than this writes nothing.
const LAST_SEEN_STEP: TimeDelta = TimeDelta::minutes(1);

/// What a session cookie stands for; none if the session is over, or never was. Whether it lives is
/// computed here and now, on what every node has committed (SLO-14).
///
/// # Errors
/// [`StoreError`].
pub async fn show(app: &App, token: &SessionToken) -> Result<Option<SessionView>, StoreError> {
    let looking = async {
        let mut conn = app.connection().await?;
        Ok(look(app, &mut conn, token).await?.map(|(_, view)| view))
    };
    tokio::time::timeout(DATABASE_PATIENCE, looking).await.unwrap_or(Err(StoreError::Late))
}

/// As [`show`], with the session's row.
pub(super) async fn look(
    app: &App,
    conn: &mut PgConnection,
    token: &SessionToken,
) -> Result<Option<(SessionId, SessionView)>, StoreError> {
    let alive = app.alive();
    let Some(session) = sessions::by_cookie(conn, token.hash()).await?.filter(|s| s.is_alive(alive)) else {
        return Ok(None);
    };
    if session.last_seen_at <= alive.now - LAST_SEEN_STEP {
        sessions::touch(conn, session.id, alive).await?;
    }
    let authentications = sessions::authentications(conn, session.id).await?;
    let mut snapshot = app.0.registry.snapshot();
    if authentications.iter().any(|authentication| snapshot.by_id(authentication.idp).is_none()) {
        snapshot = app.0.registry.renew(conn).await?;
    }
    let oidc = stored_oidc::authentications(conn, session.id).await?;
    let views = authentications.into_iter().filter_map(|authentication| {
        let idp = snapshot.by_id(authentication.idp)?;
        Some(view(authentication, idp.entity_id.clone(), idp.slug.clone(), idp.name.clone()))
    });
    let view = SessionView {
        session_id: session.public_id,
        created_at: session.created_at,
        expires_at: session.expires_at,
        authentications: views.collect(),
        oidc: oidc.into_iter().map(oidc_view).collect(),
    };
    Ok(Some((session.id, view)))
}

/// The newest sessions, alive and ended, for operators.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, limit: u32) -> Result<Vec<SessionLine>, StoreError> {
    let mut conn = app.connection().await?;
    let alive = app.alive();
    let all = Search { before: FIRST_PAGE, alive_only: false, idp: None };
    let found = session_search::newest(&mut conn, all, alive, i64::from(limit)).await?;
    Ok(found.into_iter().map(|listed| line(listed.session, alive, listed.idps)).collect())
}

fn line(session: Session, alive: sessions::Alive, idps: Vec<String>) -> SessionLine {
    SessionLine {
        alive: session.is_alive(alive),
        session_id: session.public_id,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        expires_at: session.expires_at,
        ended_at: session.ended_at,
        end_reason: session.end_reason,
        idps,
    }
}

fn oidc_view(authentication: stored_oidc::OidcAuthentication) -> OidcAuthenticationView {
    OidcAuthenticationView {
        provider: authentication.provider,
        issuer: authentication.issuer,
        sub: authentication.subject,
        sid: authentication.sid,
        auth_time: authentication.auth_time,
    }
}

fn view(
    authentication: Authentication,
    idp: EntityId,
    idp_slug: String,
    idp_name: String,
) -> AuthenticationView {
    let indexes =
        authentication.session_indexes.into_iter().filter_map(|index| SessionIndex::parse(index).ok());
    AuthenticationView {
        idp,
        idp_slug,
        idp_name,
        name_id: authentication.name_id.map(|name| {
            let NameId { value, format, name_qualifier, sp_name_qualifier, .. } = name;
            NameIdView { value, format, name_qualifier, sp_name_qualifier }
        }),
        session_indexes: indexes.collect(),
        authn_instant: authentication.authn_instant,
    }
}
