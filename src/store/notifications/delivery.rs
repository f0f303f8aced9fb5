//! Leasing what is due and writing down what came of it, many rows at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, LogoutId, NotificationId, SessionId, StoreError};

/// The most that whoever waits for a logout delivers himself.
const MOST_OF_LOGOUT: i64 = 100;

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
    // Of each application the first one alone is looked at, whatever the planner knows of the table.
    let found = sqlx::query_scalar!(
        "select a.id from application a
           left join application_lane l on l.application_id = a.id
          cross join lateral (
                select from notification n
                 where n.application_id = a.id and n.state = 'pending'
                   and n.due_at <= case when l.failures > 0 then 'infinity'::timestamptz else $1 end
                   and (n.leased_until is null or n.leased_until <= $1)
                 order by n.application_id, n.due_at limit 1) due
          where l.shut_until is null or l.shut_until <= $1
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
        r#"select id as "id!: _", application_id as "application!: _", session_id as "session: _", sid as "sid!",
                  participations as "participations!", reason as "reason!", ended_at as "ended_at!",
                  attempts as "attempts!", give_up_at
             from lease_notifications($1, $2, $3, $4)"#,
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
        r#"select id as "id!: _", application_id as "application!: _", session_id as "session: _", sid as "sid!",
                  participations as "participations!", reason as "reason!", ended_at as "ended_at!",
                  attempts as "attempts!", give_up_at
             from lease_notifications_of_logout($1, $2, $3, $4, $5)"#,
        logout.0,
        counted_only,
        MOST_OF_LOGOUT,
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
        "select settle_notifications($1, $2, $3, $4, $5, $6)",
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
