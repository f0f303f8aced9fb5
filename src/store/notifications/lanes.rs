//! How applications take what they are told: who fails is left alone for a while, and given up on after
//! a day.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, StoreError};

/// Notes that an application is there: its lane is open, and what waits for it is due at once.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open_lane(
    conn: &mut PgConnection,
    application: ApplicationId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let was_failing = sqlx::query_scalar!(
        "update application_lane set failures = 0, shut_until = null
          where application_id = $1 and failures > 0 returning application_id",
        application.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    if was_failing.is_some() {
        sqlx::query!(
            "update notification set due_at = $2
              where id in (select id from notification
                            where application_id = $1 and state = 'pending' and due_at > $2
                              for update skip locked)",
            application.0,
            now
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// How many rounds in a row an application has failed.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn failures(conn: &mut PgConnection, application: ApplicationId) -> Result<i32, StoreError> {
    let failures =
        sqlx::query_scalar!("select failures from application_lane where application_id = $1", application.0)
            .fetch_optional(conn)
            .await?;
    Ok(failures.unwrap_or(0))
}

/// Notes that an application failed once more, and shuts its lane until then. Nothing is noted of one
/// that is gone.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn shut_lane(
    conn: &mut PgConnection,
    application: ApplicationId,
    failures: i32,
    until: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into application_lane (application_id, failures, shut_until)
         select id, $2, $3 from application where id = $1
         on conflict (application_id) do update
            set failures = greatest(application_lane.failures, excluded.failures), shut_until = excluded.shut_until",
        application.0,
        failures,
        until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives up what was tried long enough, a batch at a time, while its application is not there, or gone
/// for good; says how much.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn bury(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update notification
            set state = 'dead', leased_until = null,
                last_error = coalesce(last_error, 'the application was not there all day')
          where id in (
              select n.id from notification n
                left join application a on a.id = n.application_id
                left join application_lane l on l.application_id = n.application_id
               where n.state = 'pending' and (l.failures > 0 or a.id is null)
                 and (n.leased_until is null or n.leased_until <= $2)
                 and case when n.give_up_at is null then n.ended_at <= $1 else n.give_up_at <= $2 end
               order by n.id limit $3
                 for update of n skip locked)",
        ended_before,
        now,
        batch
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
