//! Who takes part in a session.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::saml::names::NameId;
use crate::store::{ApplicationId, SessionId, StoreError};

/// What a participation hangs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent<'a> {
    /// A session of ours, locked and alive.
    Session(SessionId),
    /// A session of an OpenID provider.
    Oidc {
        /// Its issuer.
        issuer: &'a str,
        /// Its `sid`.
        sid: &'a str,
    },
}

/// An application's own session, to be registered.
#[derive(Debug, Clone, Copy)]
pub struct NewParticipation<'a> {
    /// Its public name: 128 random bits.
    pub public_id: &'a str,
    /// Whose it is.
    pub application: ApplicationId,
    /// What it hangs under.
    pub parent: Parent<'a>,
    /// The application's own name for it.
    pub reference: Option<&'a str>,
    /// Context.
    pub name_id: Option<&'a NameId>,
    /// Context.
    pub session_indexes: &'a [String],
    /// Context.
    pub subject: Option<&'a str>,
    /// Context.
    pub connection: Option<&'a str>,
}

/// Registers an application's own session. The caller holds the lock on the session that it hangs
/// under and has seen it alive; else its end could go by unnoticed.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn register(
    conn: &mut PgConnection,
    new: &NewParticipation<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (session, issuer, sid) = match new.parent {
        Parent::Session(session) => (Some(session.0), None, None),
        Parent::Oidc { issuer, sid } => (None, Some(issuer), Some(sid)),
    };
    sqlx::query!(
        "insert into participation (public_id, application_id, session_id, oidc_issuer, oidc_sid, source, reference,
                                    name_id, name_format, session_indexes, oidc_subject, connection, created_at)
         values ($1, $2, $3, $4, $5, 'api', $6, $7, $8, $9, $10, $11, $12)",
        new.public_id,
        new.application.0,
        session,
        issuer,
        sid,
        new.reference,
        new.name_id.map(|name| name.value.as_str()),
        new.name_id.and_then(|name| name.format.as_deref()),
        new.session_indexes,
        new.subject,
        new.connection,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether behind a session at an OpenID provider there is an identity provider for which that provider
/// is the service provider: some application has registered what only such a session has.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn is_behind_provider(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from participation
                           where oidc_issuer = $1 and oidc_sid = $2
                             and (connection is not null or name_id is not null or session_indexes <> '{}'))
           as "found!""#,
        issuer,
        sid
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Whether an application takes part in a session.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn takes_part(
    conn: &mut PgConnection,
    session: SessionId,
    application: ApplicationId,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from participation
                           where session_id = $1 and application_id = $2 and ended_at is null) as "found!""#,
        session.0,
        application.0
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Notes that an application takes part by forward-auth, once for each session, and again if it had
/// ended its part; the caller holds the lock on the session and has seen it alive.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_forward_auth(
    conn: &mut PgConnection,
    public_id: &str,
    session: SessionId,
    application: ApplicationId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into participation (public_id, application_id, session_id, source, created_at)
         values ($1, $2, $3, 'forward-auth', $4)
         on conflict (session_id, application_id) where source = 'forward-auth'
         do update set ended_at = null, end_reason = null",
        public_id,
        application.0,
        session.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
