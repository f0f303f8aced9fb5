//! A session as the API shows it, cut down to what the caller may know.

use sqlx::PgConnection;

use super::{
    ApplicationSessionView, AuthenticationView, Halt, Kind, MOST_SHOWN, NameIdView, OpenIdAuthenticationView,
    Refused, SessionView,
};
use crate::app::App;
use crate::app::registry::Snapshot;
use crate::app::tokens::Caller;
use crate::saml::names::NameId;
use crate::store::application_sessions::{self, ApplicationSession};
use crate::store::oidc::{self, OidcAuthentication};
use crate::store::sessions::{self, Authentication, Session};
use crate::store::{StoreError, applications, logouts};

/// A session and what rests under it.
pub(super) async fn session(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    session: Session,
) -> Result<SessionView, Halt> {
    let authentications = sessions::authentications(conn, session.id).await?;
    let mut snapshot = app.0.registry.snapshot();
    if authentications.iter().any(|authentication| snapshot.by_id(authentication.idp).is_none()) {
        snapshot = app.0.registry.renew(conn).await?;
    }
    let names = is_told_names(conn, caller).await?;
    let openid = oidc::authentications(conn, session.id).await?;
    let shown = authentications.into_iter().map(|one| authentication(one, &snapshot, names));
    let own =
        application_sessions::of_session(conn, session.id, caller.role.application(), MOST_SHOWN).await?;
    Ok(SessionView {
        kind: Kind::Session,
        active: session.is_alive(app.alive()),
        logout: logouts::of_session(conn, session.id).await?.map(|logout| logout.0),
        id: session.public_id,
        created_at: session.created_at,
        expires_at: session.expires_at,
        last_seen_at: session.last_seen_at,
        ended_at: session.ended_at,
        end_reason: session.end_reason,
        session: None,
        authentications: shown.flatten().collect(),
        openid_authentications: openid.into_iter().map(|one| openid_view(one, names)).collect(),
        application_sessions: own.into_iter().map(own_view).collect(),
    })
}

/// An application's own session: over when it was ended by itself, or with what it hangs under.
pub(super) async fn application_session(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    own: ApplicationSession,
) -> Result<SessionView, Halt> {
    let Some(parent) = own.session_public_id.as_deref() else { return Ok(under_openid(app, own)) };
    let parent = sessions::by_public_id(conn, parent).await?.ok_or(Refused::NotFound)?;
    let parent = session(app, conn, caller, parent).await?;
    Ok(SessionView {
        id: own.public_id.clone(),
        kind: Kind::ApplicationSession,
        active: own.ended_at.is_none() && parent.active,
        created_at: own.created_at,
        ended_at: own.ended_at.or(parent.ended_at),
        end_reason: own.end_reason.clone().or(parent.end_reason),
        session: Some(parent.id),
        application_sessions: vec![own_view(own)],
        ..parent
    })
}

/// One that hangs under a session of an OpenID provider, which has no row here: as long as that is not
/// said to be over, it lives, but no longer than a session of ours.
fn under_openid(app: &App, own: ApplicationSession) -> SessionView {
    let expires_at = own.created_at + app.0.settings.session.max;
    SessionView {
        id: own.public_id.clone(),
        kind: Kind::ApplicationSession,
        active: own.ended_at.is_none() && expires_at > app.now(),
        created_at: own.created_at,
        expires_at,
        last_seen_at: own.created_at,
        ended_at: own.ended_at,
        end_reason: own.end_reason.clone(),
        logout: None,
        session: None,
        authentications: Vec::new(),
        openid_authentications: Vec::new(),
        application_sessions: vec![own_view(own)],
    }
}

fn openid_view(one: OidcAuthentication, names: bool) -> OpenIdAuthenticationView {
    OpenIdAuthenticationView {
        provider: one.provider,
        issuer: one.issuer,
        sid: one.sid,
        auth_time: one.auth_time,
        sub: Some(one.subject).filter(|_| names),
    }
}

fn own_view(own: ApplicationSession) -> ApplicationSessionView {
    ApplicationSessionView {
        id: own.public_id,
        application: own.slug,
        source: own.source,
        issuer: own.issuer,
        sid: own.sid,
        connection: own.connection,
        reference: own.reference,
        created_at: own.created_at,
        ended_at: own.ended_at,
    }
}

fn authentication(one: Authentication, snapshot: &Snapshot, names: bool) -> Option<AuthenticationView> {
    let idp = snapshot.by_id(one.idp)?;
    Some(AuthenticationView {
        identity_provider: idp.slug.clone(),
        entity_id: idp.entity_id.to_string(),
        authn_instant: one.authn_instant,
        name_id: one.name_id.filter(|_| names).map(|name| {
            let NameId { value, format, name_qualifier, sp_name_qualifier, .. } = name;
            NameIdView { value, format, name_qualifier, sp_name_qualifier }
        }),
    })
}

/// Operators are told names, and applications that were registered to be.
async fn is_told_names(conn: &mut PgConnection, caller: &Caller) -> Result<bool, StoreError> {
    let Some(application) = caller.role.application() else { return Ok(true) };
    let row = applications::by_id(conn, application).await?;
    Ok(row.is_some_and(|row| row.subject == "name-id"))
}
