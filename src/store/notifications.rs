//! What applications are told: one row for each end of a session in which one took part, written by a
//! trigger in the transaction that ended it.
//!
//! A row is delivered by whoever holds its lease; a lease that ran out is anybody's. The rows of one
//! application and session are delivered in the order in which they were written, one after the other.

mod delivery;
mod hearing;
mod lanes;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, LogoutId, NotificationId, SessionId, StoreError};

pub use delivery::{Leased, Settled, Settlement, due_applications, lease, lease_of_logout, settle};
pub use hearing::{HeardRow, Unheard, decide, decided, of_logout, undecided, unheard};
pub use lanes::{bury, failures, open_lane, shut_lane};

/// Who a session's principal is, for those of these sessions that have one: the NameID that came first.
#[derive(Debug, Clone)]
pub struct SubjectRow {
    /// The session.
    pub session: SessionId,
    /// The principal's key.
    pub key: Vec<u8>,
    /// The NameID.
    pub name_id: String,
}

/// The principals of sessions.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn subjects(conn: &mut PgConnection, sessions: &[i64]) -> Result<Vec<SubjectRow>, StoreError> {
    let found = sqlx::query_as!(
        SubjectRow,
        r#"select distinct on (a.session_id) a.session_id as "session: _", p.key, a.name_id as "name_id!"
             from authentication a
             join principal p on p.id = a.principal_id
            where a.session_id = any ($1) and a.name_id is not null
            order by a.session_id, a.id"#,
        sessions
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// A notification, for operators.
#[derive(Debug, Clone)]
pub struct NotificationRow {
    /// Its row.
    pub id: NotificationId,
    /// Whom it tells; none if that application is gone.
    pub application: Option<String>,
    /// For people.
    pub application_name: Option<String>,
    /// The name by which the application knows the session.
    pub sid: String,
    /// The application's own sessions that were over with it.
    pub participations: Vec<String>,
    /// By what the session ended.
    pub reason: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The logout that ended it.
    pub logout: Option<LogoutId>,
    /// Whether it counts for Success.
    pub counts: bool,
    /// `none`, `pending`, `acknowledged` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next.
    pub due_at: DateTime<Utc>,
    /// When the application acknowledged it.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// The HTTP status of the last answer.
    pub http_status: Option<i32>,
    /// What was wrong with the last try.
    pub last_error: Option<String>,
}

/// Notifications after that row, the oldest first, of one application or of all.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(
    conn: &mut PgConnection,
    application: Option<ApplicationId>,
    after: i64,
    limit: i64,
) -> Result<Vec<NotificationRow>, StoreError> {
    let found = sqlx::query_as!(
        NotificationRow,
        r#"select n.id as "id: _", a.slug as "application?", a.name as "application_name?", n.sid, n.participations,
                  n.reason, n.ended_at, n.logout_id as "logout: _", n.counts, n.state, n.attempts, n.due_at,
                  n.acknowledged_at, n.http_status, n.last_error
             from notification n left join application a on a.id = n.application_id
            where n.id > $2 and ($1::bigint is null or n.application_id = $1)
            order by n.id limit $3"#,
        application.map(|application| application.0),
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// One notification.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_id(
    conn: &mut PgConnection,
    id: NotificationId,
) -> Result<Option<NotificationRow>, StoreError> {
    let found = sqlx::query_as!(
        NotificationRow,
        r#"select n.id as "id: _", a.slug as "application?", a.name as "application_name?", n.sid, n.participations,
                  n.reason, n.ended_at, n.logout_id as "logout: _", n.counts, n.state, n.attempts, n.due_at,
                  n.acknowledged_at, n.http_status, n.last_error
             from notification n left join application a on a.id = n.application_id
            where n.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// Makes a notification due at once, for another `give_up_at`, whatever became of it before; false if
/// there is none that can be delivered.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn redeliver(
    conn: &mut PgConnection,
    id: NotificationId,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let application = sqlx::query_scalar!(
        "update notification set state = 'pending', due_at = $2, give_up_at = $3
          where id = $1 and state <> 'none'
            and exists (select from application a where a.id = notification.application_id)
      returning application_id",
        id.0,
        now,
        give_up_at
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(application) = application else { return Ok(false) };
    sqlx::query!("update application_lane set shut_until = null where application_id = $1", application)
        .execute(conn)
        .await?;
    Ok(true)
}
