//! Answers to POST requests that carried an idempotency key, for as long as they may be repeated.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{StoreError, TokenId};

/// PostgreSQL's word for a lock that was not given in time (SQLSTATE, `lock_not_available`).
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What a key is kept under.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The token that came with it.
    pub token: TokenId,
    /// Method and path.
    pub route: &'a str,
    /// The key.
    pub key: &'a str,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is the caller's, until its transaction ends.
    New,
    /// Another transaction holds it.
    InFlight,
    /// It was used before.
    Used(UsedKey),
}

/// A key that was used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey {
    /// The digest of the body that came with it.
    pub body_digest: Vec<u8>,
    /// The status that was answered.
    pub status: i32,
    /// What was answered, sealed.
    pub body: Vec<u8>,
}

/// Claims a key in the caller's transaction. A key whose time is up counts as never used. Whoever
/// else claims it meanwhile waits no longer than `patience_ms`.
///
/// # Errors
/// [`StoreError::Database`]. After [`Claimed::InFlight`] the transaction is of no more use.
pub async fn claim(
    conn: &mut PgConnection,
    scope: Scope<'_>,
    digest: [u8; 32],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    patience_ms: u32,
) -> Result<Claimed, StoreError> {
    wait_for_locks(conn, patience_ms).await?;
    let inserted = sqlx::query!(
        "insert into idempotency_key (token_id, route, key, body_digest, status, body, until)
         values ($1, $2, $3, $4, 0, ''::bytea, $5)
         on conflict (token_id, route, key) do update
            set body_digest = excluded.body_digest, status = 0, body = ''::bytea, until = excluded.until
          where idempotency_key.until <= $6",
        scope.token.0,
        scope.route,
        scope.key,
        &digest[..],
        until,
        now
    )
    .execute(&mut *conn)
    .await;
    match inserted {
        Ok(done) if done.rows_affected() > 0 => {
            wait_for_locks(conn, 0).await?;
            return Ok(Claimed::New);
        }
        Ok(_) => {}
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE) => {
            return Ok(Claimed::InFlight);
        }
        Err(error) => return Err(error.into()),
    }
    let used = sqlx::query_as!(
        UsedKey,
        "select body_digest, status, body from idempotency_key where token_id = $1 and route = $2 and key = $3",
        scope.token.0,
        scope.route,
        scope.key
    )
    .fetch_optional(conn)
    .await?;
    // It can only be gone if its time was up a moment ago and somebody tidied up.
    Ok(used.map_or(Claimed::InFlight, Claimed::Used))
}

/// Keeps the answer to a claimed key.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn keep(
    conn: &mut PgConnection,
    scope: Scope<'_>,
    status: i32,
    body: &[u8],
) -> Result<(), StoreError> {
    sqlx::query!(
        "update idempotency_key set status = $4, body = $5 where token_id = $1 and route = $2 and key = $3",
        scope.token.0,
        scope.route,
        scope.key,
        status,
        body
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes keys whose time is up, a batch at a time; says how many.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "delete from idempotency_key where (token_id, route, key) in (
            select token_id, route, key from idempotency_key where until <= $1 limit $2 for update skip locked)",
        now,
        batch
    )
    .execute(conn)
    .await?;
    Ok(removed.rows_affected())
}

/// How long this transaction waits for a lock; 0 is as long as it takes.
async fn wait_for_locks(conn: &mut PgConnection, ms: u32) -> Result<(), StoreError> {
    sqlx::query!(r#"select set_config('lock_timeout', $1, true) as "set!""#, format!("{ms}ms"))
        .fetch_one(conn)
        .await?;
    Ok(())
}
