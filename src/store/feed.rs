//! The feed of ended sessions: positions, what stands at them, and what is taken away.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, StoreError};

/// One line of the feed: a session in which an application took part is over.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its place.
    pub position: i64,
    /// Its row.
    pub id: i64,
    /// The public name of the application that it is for; none if that is gone.
    pub application: Option<String>,
    /// The session's public name.
    pub sid: String,
    /// The application's own sessions that were over with it.
    pub participations: Vec<String>,
    /// What ended it.
    pub reason: String,
    /// When.
    pub ended_at: DateTime<Utc>,
}

/// Whether something has no place yet.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn has_unsealed(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let found =
        sqlx::query_scalar!(r#"select exists (select from notification where position is null) as "found!""#)
            .fetch_one(conn)
            .await?;
    Ok(found)
}

/// Becomes the one that seals until the end of the transaction, and says which position was given out
/// last; none if somebody else is at it.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(conn: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let position =
        sqlx::query_scalar!("select position from feed for update skip locked").fetch_optional(conn).await?;
    Ok(position)
}

/// Gives places after `last` to a batch of what is committed, in order and without gaps; says how
/// many. The caller has the lock of [`lock`], taken by a statement of its own: only a snapshot that
/// is younger than the lock knows what others have sealed.
///
/// Rows that somebody works on get their place the next time: nothing waits here.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn seal(conn: &mut PgConnection, last: i64, batch: i64) -> Result<u64, StoreError> {
    let sealed = sqlx::query_scalar!(r#"select seal_notifications($1, $2) as "sealed!""#, last, batch)
        .fetch_one(conn)
        .await?;
    Ok(sealed.unsigned_abs())
}

/// The last position that was given out.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn head(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!("select position from feed").fetch_one(conn).await?)
}

/// The lines after a position, the first ones first: of one application, or of all.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn after(
    conn: &mut PgConnection,
    application: Option<ApplicationId>,
    position: i64,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    let Some(application) = application else { return all_after(conn, position, limit).await };
    let lines = sqlx::query_as!(
        Line,
        r#"select n.position as "position!", n.id, a.slug as "application?", n.sid, n.participations,
                  n.reason, n.ended_at
             from notification n
             left join application a on a.id = n.application_id
            where n.application_id = $1 and n.position > $2
            order by n.position limit $3"#,
        application.0,
        position,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(lines)
}

async fn all_after(conn: &mut PgConnection, position: i64, limit: i64) -> Result<Vec<Line>, StoreError> {
    let lines = sqlx::query_as!(
        Line,
        r#"select n.position as "position!", n.id, a.slug as "application?", n.sid, n.participations,
                  n.reason, n.ended_at
             from notification n
             left join application a on a.id = n.application_id
            where n.position > $1
            order by n.position limit $2"#,
        position,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(lines)
}

/// Up to which position lines are gone: of one application, or of any.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn removed_through(
    conn: &mut PgConnection,
    application: Option<ApplicationId>,
) -> Result<i64, StoreError> {
    let removed = sqlx::query_scalar!(
        r#"select case when $1::bigint is null then f.removed_through
                       else coalesce(a.feed_removed_through, f.removed_through) end as "removed!"
             from feed f left join application a on a.id = $1"#,
        application.map(|application| application.0)
    )
    .fetch_one(conn)
    .await?;
    Ok(removed)
}

/// Takes away what stands first in the feed and ended before that time, and notes up to where; says
/// how many. It looks at one batch and stops at the first line that has to stay, because it is too
/// young or still to be delivered: what is gone is always what comes before all that is left. The
/// caller has the lock of [`lock`].
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove(conn: &mut PgConnection, before: DateTime<Utc>, batch: i64) -> Result<u64, StoreError> {
    let removed = sqlx::query_scalar!(
        r#"with first as (
             select id, position, ended_at < $1 and state <> 'pending' as old
               from notification where position is not null order by position limit $2),
         old as (select id from (select id, bool_and(old) over (order by position) as old from first) f where old),
         gone as (delete from notification where id in (select id from old) returning application_id, position),
         own as (select application_id, max(position) as position from gone group by application_id),
         marked as (
             update application set feed_removed_through = greatest(feed_removed_through, own.position)
               from own where application.id = own.application_id),
         all_marked as (
             update feed set removed_through = greatest(removed_through, (select max(position) from gone))
              where exists (select from gone))
         select count(*) as "count!" from gone"#,
        before,
        batch
    )
    .fetch_one(conn)
    .await?;
    Ok(removed.unsigned_abs())
}
