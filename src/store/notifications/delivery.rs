//! Leasing what is due and writing down what came of it, many rows at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, LogoutId, NotificationId, SessionId, StoreError};

/// A notification that is ours to deliver until the lease runs out.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its row.
    pub id: NotificationId,
    /// Whom to tell.
    pub application: ApplicationId,
    /// The session that ended, if it was one of ours.
    pub session: Option<SessionId>,
    /// The name by which the application knows it.
    pub sid: String,
    /// The application's own sessions that were over with it.
    pub participations: Vec<String>,
    /// By what it ended.
    pub reason: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How often it was tried before.
    pub attempts: i32,
    /// Until when it is tried; none for a day after the end.
    pub give_up_at: Option<DateTime<Utc>>,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The row.
    pub id: NotificationId,
    /// How it is now.
    pub state: Settlement,
    /// The HTTP status of the answer, if one came.
    pub http_status: Option<i32>,
    /// What was wrong with it, for operators.
    pub error: Option<String>,
}

/// How a notification is after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The application has heard.
    Acknowledged,
    /// It is tried again then.
    Again(DateTime<Utc>),
    /// It is not tried any more.
    Dead,
    /// It was not tried.
    Untried,
}

impl Settlement {
    const fn name(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Again(_) => "again",
            Self::Dead => "dead",
            Self::Untried => "untried",
        }
    }

    const fn due(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Again(at) => Some(at),
            _ => None,
        }
    }
}

/// The applications for which something is due and whose lane is not shut. For one that has failed and
/// not yet succeeded everything is due: whether it is back does not depend on what it is told.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn due_applications(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<ApplicationId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select a.id from application a
           left join application_lane l on l.application_id = a.id
          where (l.shut_until is null or l.shut_until <= $1)
            and exists (select from notification n
                         where n.application_id = a.id and n.state = 'pending'
                           and n.due_at <= case when l.failures > 0 then 'infinity'::timestamptz else $1 end
                           and (n.leased_until is null or n.leased_until <= $1))
          order by a.id",
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(ApplicationId).collect())
}

/// Leases what is due for one application, at most `batch`; while it has failed and not yet succeeded
/// one alone, due or not; none while its lane is shut.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lease(
    conn: &mut PgConnection,
    application: ApplicationId,
    batch: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Leased>, StoreError> {
    let leased = sqlx::query_as!(
        Leased,
        r#"with lane as (
               select coalesce(max(failures), 0) > 0 as failing, coalesce(bool_or(shut_until > $3), false) as shut
                 from application_lane where application_id = $1)
           update notification set leased_until = $4
            where id in (
                select n.id from notification n
                 where n.application_id = $1 and n.state = 'pending'
                   and n.due_at <= (select case when failing then 'infinity'::timestamptz else $3 end from lane)
                   and (n.leased_until is null or n.leased_until <= $3)
                   and not exists (select from notification earlier
                                    where earlier.application_id = n.application_id and earlier.sid = n.sid
                                      and earlier.id < n.id and earlier.state = 'pending')
                 order by n.due_at, n.id
                 limit (select case when shut then 0 when failing then 1 else $2::bigint end from lane)
                   for update skip locked)
        returning id as "id: _", application_id as "application: _", session_id as "session: _", sid,
                  participations, reason, ended_at, attempts, give_up_at"#,
        application.0,
        batch,
        now,
        until
    )
    .fetch_all(conn)
    .await?;
    Ok(leased)
}

/// Leases what one logout has to tell, or of that only what counts. What is told to an application
/// whose lane is shut waits.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lease_of_logout(
    conn: &mut PgConnection,
    logout: LogoutId,
    counted_only: bool,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Leased>, StoreError> {
    let leased = sqlx::query_as!(
        Leased,
        r#"update notification set leased_until = $4
            where id in (
                select n.id from notification n
                 where n.logout_id = $1 and n.state = 'pending' and n.due_at <= $3
                   and (n.leased_until is null or n.leased_until <= $3)
                   and (n.counts or not $2)
                   and not exists (select from notification earlier
                                    where earlier.application_id = n.application_id and earlier.sid = n.sid
                                      and earlier.id < n.id and earlier.state = 'pending')
                   and not exists (select from application_lane l
                                    where l.application_id = n.application_id and l.shut_until > $3)
                 order by n.id
                 limit 100
                   for update skip locked)
        returning id as "id: _", application_id as "application: _", session_id as "session: _", sid,
                  participations, reason, ended_at, attempts, give_up_at"#,
        logout.0,
        counted_only,
        now,
        until
    )
    .fetch_all(conn)
    .await?;
    Ok(leased)
}

/// Writes down what came of tries, many at once.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn settle(
    conn: &mut PgConnection,
    settled: &[Settled],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = settled.iter().map(|one| one.id.0).collect();
    let states: Vec<String> = settled.iter().map(|one| one.state.name().to_owned()).collect();
    let due: Vec<Option<DateTime<Utc>>> = settled.iter().map(|one| one.state.due()).collect();
    let statuses: Vec<Option<i32>> = settled.iter().map(|one| one.http_status).collect();
    let errors: Vec<Option<String>> = settled.iter().map(|one| one.error.clone()).collect();
    sqlx::query!(
        r#"update notification n
              set leased_until = null,
                  state = case s.state when 'untried' then n.state when 'again' then 'pending' else s.state end,
                  due_at = coalesce(s.due_at, n.due_at),
                  attempts = n.attempts + case s.state when 'untried' then 0 else 1 end,
                  acknowledged_at = case s.state when 'acknowledged' then $6::timestamptz else n.acknowledged_at end,
                  http_status = case s.state when 'untried' then n.http_status else s.http_status end,
                  last_error = case s.state when 'untried' then n.last_error else s.error end
             from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::integer[], $5::text[])
                  as s (id, state, due_at, http_status, error)
            where n.id = s.id and n.state = 'pending'"#,
        &ids,
        &states,
        &due as &[Option<DateTime<Utc>>],
        &statuses as &[Option<i32>],
        &errors as &[Option<String>],
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
