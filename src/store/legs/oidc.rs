//! Legs that end what is at an OpenID provider.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::state_name;
use crate::logout::step::{LegId, LegState};
use crate::store::oidc::{OidcAuthentication, Subject};
use crate::store::{LogoutId, SessionId, StoreError};

/// What a leg is to end at an OpenID provider: a session there, or all of a person's.
#[derive(Clone)]
pub struct OidcLeg {
    /// The name of the provider in the settings.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// The person there, if we know.
    pub subject: Option<String>,
    /// The session there.
    pub sid: Option<String>,
    /// The last ID token of it, if there was one.
    pub id_token: Option<String>,
    /// Where a browser signs out there, if that is offered.
    pub end_session: Option<String>,
    /// When the provider accepted to end it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The connection to the identity provider behind it, if there is one for which the provider is the
    /// service provider; empty if its name is not known.
    pub connection: Option<String>,
    /// Whether a browser was sent there.
    pub led: bool,
    /// Whether it ends without a browser, if that is not back in time.
    pub falls_back: bool,
}

impl std::fmt::Debug for OidcLeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The ID token is not for logs.
        f.debug_struct("OidcLeg").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// A leg for what is at an OpenID provider.
#[derive(Clone, Copy)]
pub struct NewOidcLeg<'a> {
    /// The session that ended, if one did.
    pub session: Option<SessionId>,
    /// The name of the provider in the settings.
    pub provider: &'a str,
    /// Its issuer.
    pub issuer: &'a str,
    /// The person there.
    pub subject: Option<&'a str>,
    /// The session there; none for all of the person's, or where the provider does not name them.
    pub sid: Option<&'a str>,
    /// The last ID token of it.
    pub id_token: Option<&'a str>,
    /// Where a browser signs out there.
    pub end_session: Option<&'a str>,
    /// Whoever was authenticated there later than this is not meant.
    pub authn_instant: DateTime<Utc>,
}

impl<'a> NewOidcLeg<'a> {
    /// The leg for a session at a provider on which the ended session rested.
    #[must_use]
    pub fn of(session: SessionId, authentication: &'a OidcAuthentication) -> Self {
        Self {
            session: Some(session),
            provider: &authentication.provider,
            issuer: &authentication.issuer,
            subject: Some(&authentication.subject),
            sid: authentication.sid.as_deref(),
            id_token: Some(&authentication.id_token),
            end_session: authentication.end_session_endpoint.as_deref(),
            authn_instant: authentication.auth_time,
        }
    }
}

/// Adds a leg for what is at an OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn add_oidc(
    conn: &mut PgConnection,
    logout: LogoutId,
    new: NewOidcLeg<'_>,
    state: LegState,
    resume_until: DateTime<Utc>,
) -> Result<LegId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into logout_leg (logout_id, session_id, session_indexes, authn_instant, oidc_provider, oidc_issuer,
                                 oidc_subject, oidc_sid, oidc_id_token, oidc_end_session, state, resume_until)
         values ($1, $2, '{}', $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id",
        logout.0,
        new.session.map(|session| session.0),
        new.authn_instant,
        new.provider,
        new.issuer,
        new.subject,
        new.sid,
        new.id_token,
        new.end_session,
        state_name(state),
        resume_until
    )
    .fetch_one(conn)
    .await?;
    Ok(LegId(id))
}

/// Notes that a leg is to be asked without a browser after all, if that is not back in time.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn let_fall_back(conn: &mut PgConnection, leg: LegId) -> Result<(), StoreError> {
    sqlx::query!("update logout_leg set oidc_falls_back = true where id = $1", leg.0).execute(conn).await?;
    Ok(())
}

/// Notes that a browser was sent to a leg's OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_sent(conn: &mut PgConnection, leg: LegId, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("update logout_leg set asked_at = $2, binding = 'redirect' where id = $1", leg.0, now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that a leg's OpenID provider has accepted to end its session: it is not asked again.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_accepted(
    conn: &mut PgConnection,
    leg: LegId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout_leg set asked_at = coalesce(asked_at, $2), accepted_at = $2
          where id = $1 and accepted_at is null",
        leg.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The legs that are not known to be over and are to end that session, or a session of that person,
/// at an OpenID provider; by logout.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn about(
    conn: &mut PgConnection,
    issuer: &str,
    subject: Subject<'_>,
) -> Result<Vec<(LogoutId, LegId)>, StoreError> {
    let (sid, sub) = match subject {
        Subject::Sid(sid) => (Some(sid), None),
        Subject::Sub(sub) => (None, Some(sub)),
    };
    let found = sqlx::query!(
        "select logout_id, id from logout_leg
          where oidc_issuer = $1 and (oidc_sid = $2 or oidc_subject = $3) and state <> 'confirmed'
          order by logout_id, id",
        issuer,
        sid,
        sub
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|row| (LogoutId(row.logout_id), LegId(row.id))).collect())
}

/// Whether an unfinished logout of ours is about to end that session at an OpenID provider: then
/// nobody signs in on its word (as [`crate::store::bars`] has it for SAML), and nothing is registered
/// under it. Where the provider does not name sessions, when the person was authenticated decides.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn is_leaving(
    conn: &mut PgConnection,
    issuer: &str,
    sid: Option<&str>,
    subject: Option<&str>,
    auth_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let leaving = sqlx::query_scalar!(
        r#"select exists (
            select from (
                select leg.logout_id, leg.state from logout_leg leg
                 where leg.oidc_issuer = $1 and leg.oidc_sid = $2
                   and (leg.oidc_subject is null or $3::text is null or leg.oidc_subject = $3)
                union all
                select leg.logout_id, leg.state from logout_leg leg
                 where leg.oidc_issuer = $1 and leg.oidc_subject = $3
                   and (leg.oidc_sid is null or $2::text is null) and $4 <= leg.authn_instant) leg
              join logout on logout.id = leg.logout_id
             where leg.state <> 'not_asked' and logout.finished_at is null and logout.deadline > $5) as "leaving!""#,
        issuer,
        sid,
        subject,
        auth_time,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(leaving)
}

/// The newest logout that was to end that session at an OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn newest_of_sid(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
) -> Result<Option<LogoutId>, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select max(logout_id) as "id: LogoutId" from logout_leg where oidc_issuer = $1 and oidc_sid = $2"#,
        issuer,
        sid
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Lets applications know of what they have registered under the sessions that the legs of a logout
/// are to end.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn tell_applications(
    conn: &mut PgConnection,
    logout: LogoutId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query_scalar!("select tell_applications_of_legs($1, $2, $3)", logout.0, reason, now)
        .fetch_one(conn)
        .await?;
    Ok(())
}
