//! What is forgotten, and when. Each function removes one batch and says how many rows it removed.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{PrincipalId, StoreError};

/// Removes ended sessions, with what they rested on, and logouts with their legs, once they are
/// older than what is remembered; and lines of the audit with them. Nothing younger is touched: it
/// carries bars and message IDs that still count (SLO-20, SLO-24).
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_old(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let mut removed = sqlx::query!(
        "delete from session where id in (
            select id from session where ended_at < $1 order by id limit $2 for update skip locked)",
        before,
        batch
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    // Logouts and lines of the audit are added in the order of time, or nearly so: the first of them
    // are the oldest.
    removed += sqlx::query!(
        "delete from logout where id in (
            select id from logout where id in (select id from logout order by id limit $2)
               and started_at < $1 and finished_at is not null and coalesce(bar_until < $1, true)
             order by id for update skip locked)",
        before,
        batch
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    removed += sqlx::query!(
        "delete from audit where at < $1 and id in (select id from audit order by id limit $2)",
        before,
        batch
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(removed)
}

/// Removes requests that nobody can answer any more and assertions that nobody can use any more.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let requests = sqlx::query!(
        "delete from open_request where id in (
            select id from open_request where until <= $1 limit $2 for update skip locked)",
        now,
        batch
    )
    .execute(&mut *conn)
    .await?;
    let assertions = sqlx::query!(
        "delete from seen_assertion where (idp_id, assertion_id) in (
            select idp_id, assertion_id from seen_assertion where until <= $1 limit $2 for update skip locked)",
        now,
        batch
    )
    .execute(conn)
    .await?;
    Ok(requests.rows_affected() + assertions.rows_affected())
}

/// Removes principals on whom nothing rests, among the next `batch` after `after`; gives how many, and
/// where to go on next time: after the last one looked at, or at the beginning again.
///
/// Two statements, because what a login put there while we waited for the lock is only seen by the
/// second. To be called in a transaction.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_principals(
    conn: &mut PgConnection,
    after: PrincipalId,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<(u64, PrincipalId), StoreError> {
    let looked_at = sqlx::query_scalar!(
        "select id from principal where id > $1 and created_at < $2 order by id limit $3 for update skip locked",
        after.0,
        before,
        batch
    )
    .fetch_all(&mut *conn)
    .await?;
    let done = sqlx::query!(
        "delete from principal
          where id = any ($1)
            and not exists (select from authentication where principal_id = principal.id)
            and not exists (select from logout where principal_id = principal.id)
            and not exists (select from logout_leg where principal_id = principal.id)",
        &looked_at
    )
    .execute(conn)
    .await?;
    let whole = i64::try_from(looked_at.len()).is_ok_and(|looked_at| looked_at == batch);
    let last = looked_at.last().filter(|_| whole).copied().unwrap_or(0);
    Ok((done.rows_affected(), PrincipalId(last)))
}
