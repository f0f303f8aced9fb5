//! Applications' own sessions, as they are asked for over the API.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, SessionId, StoreError};

/// An application's part in a session.
#[derive(Debug, Clone)]
pub struct ApplicationSession {
    /// Its row.
    pub id: i64,
    /// Its public name.
    pub public_id: String,
    /// Whose it is.
    pub application: ApplicationId,
    /// The slug of whose it is.
    pub slug: String,
    /// The session it hangs under; none under a session of an OpenID provider.
    pub session: Option<SessionId>,
    /// The public name of that session.
    pub session_public_id: Option<String>,
    /// The issuer of the OpenID provider under whose session it hangs.
    pub issuer: Option<String>,
    /// The `sid` of that session.
    pub sid: Option<String>,
    /// The identity provider for which that OpenID provider is the service provider, as it calls it.
    pub connection: Option<String>,
    /// `api` or `forward-auth`.
    pub source: String,
    /// The application's own name for it.
    pub reference: Option<String>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was ended by itself.
    pub ended_at: Option<DateTime<Utc>>,
    /// By what it was ended by itself.
    pub end_reason: Option<String>,
}

/// The application session of that public name.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_public_id(
    conn: &mut PgConnection,
    public_id: &str,
) -> Result<Option<ApplicationSession>, StoreError> {
    let found = sqlx::query_as!(
        ApplicationSession,
        r#"select p.id, p.public_id, p.application_id as "application: _", a.slug, p.session_id as "session: _",
                  s.public_id as "session_public_id?", p.oidc_issuer as issuer, p.oidc_sid as sid, p.connection, p.source, p.reference, p.created_at, p.ended_at, p.end_reason
             from participation p
             join application a on a.id = p.application_id
             left join session s on s.id = p.session_id
            where p.public_id = $1"#,
        public_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The parts that applications have in a session, the first `limit`; only those of one application,
/// if one is given.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_session(
    conn: &mut PgConnection,
    session: SessionId,
    application: Option<ApplicationId>,
    limit: i64,
) -> Result<Vec<ApplicationSession>, StoreError> {
    let found = sqlx::query_as!(
        ApplicationSession,
        r#"select p.id, p.public_id, p.application_id as "application: _", a.slug, p.session_id as "session: _",
                  s.public_id as "session_public_id?", p.oidc_issuer as issuer, p.oidc_sid as sid, p.connection, p.source, p.reference, p.created_at, p.ended_at, p.end_reason
             from participation p
             join application a on a.id = p.application_id
             join session s on s.id = p.session_id
            where p.session_id = $1 and ($2::bigint is null or p.application_id = $2)
            order by p.id limit $3"#,
        session.0,
        application.map(|application| application.0),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// How many parts an application has in a session that were not ended by themselves.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn count(
    conn: &mut PgConnection,
    session: SessionId,
    application: ApplicationId,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from participation
            where session_id = $1 and application_id = $2 and ended_at is null"#,
        session.0,
        application.0
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// The same under a session of an OpenID provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn count_under_sid(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
    application: ApplicationId,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from participation
            where oidc_issuer = $1 and oidc_sid = $2 and application_id = $3 and ended_at is null"#,
        issuer,
        sid,
        application.0
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Removes application sessions that hung under a session of an OpenID provider and are long over, a
/// batch at a time; says how many. Those under a session of ours go with it.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_old(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
    created_before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "delete from participation where id in (
            select id from participation
             where oidc_sid is not null and (ended_at < $1 or created_at < $2)
             order by id limit $3 for update skip locked)",
        ended_before,
        created_before,
        batch
    )
    .execute(conn)
    .await?;
    Ok(removed.rows_affected())
}

/// Ends an application session by itself. One that has ended stays as it ended. The caller holds the
/// lock on the session it hangs under.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn end(
    conn: &mut PgConnection,
    id: i64,
    now: DateTime<Utc>,
    reason: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update participation set ended_at = $2, end_reason = $3 where id = $1 and ended_at is null",
        id,
        now,
        reason
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}
