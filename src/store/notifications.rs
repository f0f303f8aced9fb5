//! What applications are told: one row for each end of a session in which one took part, written by a
//! trigger in the transaction that ended it.
//!
//! A row is delivered by whoever holds its lease; a lease that ran out is anybody's. The rows of one
//! application and session are delivered in the order in which they were written, one after the other.

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

/// Gives up what was tried long enough, a batch at a time, while its application is not there; says
/// how much.
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
              select n.id from application_lane l
                join notification n on n.application_id = l.application_id
               where l.failures > 0 and n.state = 'pending'
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

/// Whether something that counts in a logout waits, and whether any of that can still be heard of: it
/// is being delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unheard {
    /// How many that count have not acknowledged.
    pub waiting: i64,
    /// How many of those somebody delivers at this moment.
    pub under_way: i64,
}

/// What of a logout counts and has not been acknowledged.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn unheard(
    conn: &mut PgConnection,
    logout: LogoutId,
    now: DateTime<Utc>,
) -> Result<Unheard, StoreError> {
    let found = sqlx::query_as!(
        Unheard,
        r#"select count(*) as "waiting!", count(*) filter (where leased_until > $2) as "under_way!"
             from notification where logout_id = $1 and counts and state in ('pending', 'dead')"#,
        logout.0,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Decides the status of a logout that is open, once: PartialLogout if an application that counts has
/// not acknowledged. Gives the status that is recorded, of this decision or an earlier one.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn decide(conn: &mut PgConnection, logout: LogoutId) -> Result<Option<String>, StoreError> {
    sqlx::query!(
        "update logout set status = case when exists (
                select from notification n
                 where n.logout_id = logout.id and n.counts and n.state in ('pending', 'dead'))
             then 'PartialLogout' else 'Success' end
          where id = $1 and status is null and message_id is not null",
        logout.0
    )
    .execute(&mut *conn)
    .await?;
    let status =
        sqlx::query_scalar!("select status from logout where id = $1", logout.0).fetch_optional(conn).await?;
    Ok(status.flatten())
}

/// The status that is recorded of a logout, if it is decided.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn decided(conn: &mut PgConnection, logout: LogoutId) -> Result<Option<String>, StoreError> {
    let status =
        sqlx::query_scalar!("select status from logout where id = $1", logout.0).fetch_optional(conn).await?;
    Ok(status.flatten())
}

/// Logouts that have been open since before `before`: the node that should have decided is gone.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn undecided(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<Vec<LogoutId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from logout where status is null and message_id is not null and started_at <= $1
          order by id limit $2",
        before,
        batch
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(LogoutId).collect())
}

/// An application that had to hear of a logout, for the logout's page.
#[derive(Debug, Clone)]
pub struct HeardRow {
    /// For people.
    pub name: String,
    /// `none`, `pending`, `acknowledged` or `dead`.
    pub state: String,
    /// Whether it counts for Success.
    pub counts: bool,
    /// Whether it takes part only by asking us about each request.
    pub gated: bool,
}

/// Every application that had to hear of a logout, by name.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_logout(conn: &mut PgConnection, logout: LogoutId) -> Result<Vec<HeardRow>, StoreError> {
    let found = sqlx::query_as!(
        HeardRow,
        r#"select a.name, n.state, n.counts,
                  coalesce((select bool_and(p.source = 'forward-auth') from participation p
                             where p.public_id = any (n.participations)), false) as "gated!"
             from notification n join application a on a.id = n.application_id
            where n.logout_id = $1
            order by a.name, n.id"#,
        logout.0
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
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
