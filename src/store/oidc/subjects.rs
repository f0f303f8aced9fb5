//! What two transactions about the same session or person at an OpenID provider both lock, and what is
//! barred of it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{SessionId, StoreError};

/// What two transactions about the same thing at a provider both lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A session there.
    Sid(&'a str),
    /// A person there.
    Sub(&'a str),
}

impl Subject<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Sid(_) => "sid",
            Self::Sub(_) => "sub",
        }
    }

    const fn value(&self) -> &str {
        match self {
            Self::Sid(value) | Self::Sub(value) => value,
        }
    }
}

/// Locks what a sign-in, a registration or a logout token is about, until the transaction ends. A
/// sid is locked before a sub, and both before principals and sessions. What is read after this is
/// what is true under the lock.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(
    conn: &mut PgConnection,
    issuer: &str,
    subject: Subject<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    loop {
        let found = sqlx::query_scalar!(
            "select true from oidc_subject where issuer = $1 and kind = $2 and value = $3 for update",
            issuer,
            subject.kind(),
            subject.value()
        )
        .fetch_optional(&mut *conn)
        .await?;
        if found.is_some() {
            return Ok(());
        }
        // Somebody else may be making, or removing, the same row: then the next round finds out.
        sqlx::query!(
            "insert into oidc_subject (issuer, kind, value, created_at) values ($1, $2, $3, $4) on conflict do nothing",
            issuer,
            subject.kind(),
            subject.value(),
            now
        )
        .execute(&mut *conn)
        .await?;
    }
}

/// Locks what a session of ours rests on at providers, in the order of locks: whoever signs in on the
/// word of the same session there waits.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock_of_session(conn: &mut PgConnection, session: SessionId) -> Result<(), StoreError> {
    sqlx::query!(
        "select true as locked from oidc_subject
          where (issuer, kind, value) in (
                select issuer, 'sid', sid from oidc_authentication where session_id = $1 and sid is not null
                union all
                select issuer, 'sub', subject from oidc_authentication where session_id = $1)
          order by kind, issuer, value for update",
        session.0
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// Bars a locked sid altogether until `until`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn bar_sid(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update oidc_subject set barred_until = greatest(barred_until, $3)
          where issuer = $1 and kind = 'sid' and value = $2",
        issuer,
        sid,
        until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Bars, until `until`, ID tokens of a locked sub that were not issued after `not_after`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn bar_sub(
    conn: &mut PgConnection,
    issuer: &str,
    sub: &str,
    not_after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update oidc_subject set barred_until = greatest(barred_until, $4), barred_iat = greatest(barred_iat, $3)
          where issuer = $1 and kind = 'sub' and value = $2",
        issuer,
        sub,
        not_after,
        until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a sid is barred. To be asked under its lock, in the transaction that would open or
/// register something under it.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn is_sid_barred(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let barred = sqlx::query_scalar!(
        r#"select exists (select from oidc_subject
                           where issuer = $1 and kind = 'sid' and value = $2 and barred_until > $3) as "barred!""#,
        issuer,
        sid,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(barred)
}

/// Whether ID tokens of a sub that were issued at `issued_at` are barred; as [`is_sid_barred`].
///
/// # Errors
/// [`StoreError::Database`].
pub async fn is_sub_barred(
    conn: &mut PgConnection,
    issuer: &str,
    sub: &str,
    issued_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let barred = sqlx::query_scalar!(
        r#"select exists (select from oidc_subject
                           where issuer = $1 and kind = 'sub' and value = $2 and barred_until > $4
                             and $3 <= barred_iat) as "barred!""#,
        issuer,
        sub,
        issued_at,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(barred)
}

/// Removes bars and locks that nobody needs any more, a batch at a time; says how many.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_subjects(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from oidc_subject where (issuer, kind, value) in (
            select issuer, kind, value from oidc_subject
             where created_at < $1 and coalesce(barred_until <= $2, true)
             order by created_at limit $3 for update skip locked)",
        before,
        now,
        batch
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
