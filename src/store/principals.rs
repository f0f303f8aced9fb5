//! The row that login and logout of one person both lock first.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::saml::names::PrincipalKey;
use crate::store::{IdpId, PrincipalId, StoreError};

/// Locks the row of a principal until the transaction ends, making it if it is not there. What is
/// read after this is what is true under the lock.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(
    conn: &mut PgConnection,
    idp: IdpId,
    key: PrincipalKey,
    now: DateTime<Utc>,
) -> Result<PrincipalId, StoreError> {
    loop {
        let found = sqlx::query_scalar!(
            "select id from principal where idp_id = $1 and key = $2 for update",
            idp.0,
            &key.0[..]
        )
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(id) = found {
            return Ok(PrincipalId(id));
        }
        // Somebody else may be making, or removing, the same row: then the next round finds out.
        sqlx::query!(
            "insert into principal (idp_id, key, created_at) values ($1, $2, $3) on conflict do nothing",
            idp.0,
            &key.0[..],
            now
        )
        .execute(&mut *conn)
        .await?;
    }
}

/// Locks the principals behind a session, by id.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock_of_session(
    conn: &mut PgConnection,
    session: crate::store::SessionId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "select id from principal
          where id in (select principal_id from authentication where session_id = $1)
          order by id for update",
        session.0
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// Locks the principals behind several sessions, by id.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock_of_sessions(
    conn: &mut PgConnection,
    sessions: &[crate::store::SessionId],
) -> Result<(), StoreError> {
    let sessions: Vec<i64> = sessions.iter().map(|session| session.0).collect();
    sqlx::query!(
        "select id from principal
          where id in (select principal_id from authentication where session_id = any ($1))
          order by id for update",
        &sessions
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}
