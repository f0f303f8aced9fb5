//! Logouts; what each identity provider has to do with one is a leg.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::logout::plan::Trigger;
use crate::logout::step::Logout;
use crate::store::{ApplicationId, IdpId, LogoutId, SessionId, StoreError};

/// A logout as the database has it; [`Logout`] is what the state machine makes of it.
#[derive(Debug, Clone)]
pub struct LogoutRow {
    /// Its row.
    pub id: LogoutId,
    /// The name of its page.
    pub handle: Option<String>,
    /// Who said "over" ([`Trigger::as_str`]).
    pub trigger: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when answers are waited for.
    pub deadline: Option<DateTime<Utc>>,
    /// When nothing was waited for any more.
    pub finished_at: Option<DateTime<Utc>>,
    /// How many of our sessions it ended.
    pub sessions_ended: i32,
    /// Where the person wanted to go.
    pub return_to: Option<String>,
    /// The identity provider that asked, if one did.
    pub idp: Option<IdpId>,
    /// The ID of its LogoutRequest.
    pub message_id: Option<String>,
    /// The Reason it gave.
    pub reason: Option<String>,
    /// What was found: `ended`, `already`, `unseen_index`, `unknown`.
    pub verdict: Option<String>,
    /// What was answered.
    pub status: Option<String>,
}

/// A logout of our own to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewLogout<'a> {
    /// The name of its page.
    pub handle: &'a str,
    /// Who said "over".
    pub trigger: Trigger,
    /// Where the person wants to go.
    pub return_to: Option<&'a str>,
}

/// Begins a logout that ends `sessions` sessions of ours.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn begin(
    conn: &mut PgConnection,
    new: NewLogout<'_>,
    sessions: i32,
    now: DateTime<Utc>,
) -> Result<LogoutId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into logout (handle, trigger, started_at, sessions_ended, return_to)
         values ($1, $2, $3, $4, $5) returning id",
        new.handle,
        new.trigger.as_str(),
        now,
        sessions,
        new.return_to
    )
    .fetch_one(conn)
    .await?;
    Ok(LogoutId(id))
}

/// Saves what a step changed of a logout.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn save_progress(conn: &mut PgConnection, id: LogoutId, logout: &Logout) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout set deadline = $2, finished_at = $3 where id = $1",
        id.0,
        logout.deadline,
        logout.finished_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks a logout; to be called before its legs are read to be changed.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(conn: &mut PgConnection, id: LogoutId) -> Result<(), StoreError> {
    sqlx::query!("select id from logout where id = $1 for update", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// A logout by its id.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_id(conn: &mut PgConnection, id: LogoutId) -> Result<Option<LogoutRow>, StoreError> {
    let found = sqlx::query_as!(
        LogoutRow,
        r#"select id as "id: _", handle, trigger, started_at, deadline, finished_at, sessions_ended, return_to,
                  idp_id as "idp: _", message_id, reason, verdict, status
             from logout where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The page of the logout that ended the session of this cookie.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn handle_of_cookie(
    conn: &mut PgConnection,
    cookie_hash: [u8; 32],
) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select handle as "handle!" from logout join session on session.logout_id = logout.id
            where session.cookie_hash = $1 and handle is not null"#,
        &cookie_hash[..]
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// A logout by the name of its page, if it began after `since`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_handle(
    conn: &mut PgConnection,
    handle: &str,
    since: DateTime<Utc>,
) -> Result<Option<LogoutRow>, StoreError> {
    let found = sqlx::query_as!(
        LogoutRow,
        r#"select id as "id: _", handle, trigger, started_at, deadline, finished_at, sessions_ended, return_to,
                  idp_id as "idp: _", message_id, reason, verdict, status
             from logout where handle = $1 and started_at > $2"#,
        handle,
        since
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The newest logouts first, from before `before`, for operators.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(conn: &mut PgConnection, before: i64, limit: i64) -> Result<Vec<LogoutRow>, StoreError> {
    let found = sqlx::query_as!(
        LogoutRow,
        r#"select id as "id: _", handle, trigger, started_at, deadline, finished_at, sessions_ended, return_to,
                  idp_id as "idp: _", message_id, reason, verdict, status
             from logout where id < $1 order by id desc limit $2"#,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Lets a browser go on with a logout: whoever has the token, once and until `until`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn let_continue(
    conn: &mut PgConnection,
    id: LogoutId,
    token_hash: [u8; 32],
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update logout set continue_hash = $2, continue_until = $3 where id = $1",
        id.0,
        &token_hash[..],
        until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the token of a logout's page, which is good for one use; gives the logout, locked. None if
/// it is not that page's, was used or comes too late.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn take_continue(
    conn: &mut PgConnection,
    handle: &str,
    token_hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<LogoutId>, StoreError> {
    let taken = sqlx::query_scalar!(
        r#"update logout set continue_hash = null, continue_until = null
            where handle = $1 and continue_hash = $2 and continue_until > $3 returning id as "id: LogoutId""#,
        handle,
        &token_hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(taken)
}

/// The logout that ended a session; none if it lives, or ended by itself.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_session(conn: &mut PgConnection, session: SessionId) -> Result<Option<LogoutId>, StoreError> {
    let found =
        sqlx::query_scalar!(r#"select logout_id as "id: LogoutId" from session where id = $1"#, session.0)
            .fetch_optional(conn)
            .await?;
    Ok(found.flatten())
}

/// An application that is told of a logout.
#[derive(Debug, Clone)]
pub struct ToldRow {
    /// Its slug; none if it is gone.
    pub slug: Option<String>,
    /// The session in which it took part.
    pub sid: String,
    /// `none`, `pending`, `acknowledged` or `dead`.
    pub state: String,
    /// When it acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// The applications that are told of a logout, the first `limit` of them; only that one, if one is
/// given.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn told(
    conn: &mut PgConnection,
    id: LogoutId,
    application: Option<ApplicationId>,
    limit: i64,
) -> Result<Vec<ToldRow>, StoreError> {
    let found = sqlx::query_as!(
        ToldRow,
        r#"select a.slug as "slug?", n.sid, n.state, n.acknowledged_at
             from notification n left join application a on a.id = n.application_id
            where n.logout_id = $1 and ($2::bigint is null or n.application_id = $2)
            order by n.id limit $3"#,
        id.0,
        application.map(|application| application.0),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Logouts whose time is up, locked; those that somebody works on are left for the next round.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock_overdue(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<Vec<LogoutId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from logout where finished_at is null and deadline <= $1
          order by id limit $2 for update skip locked",
        now,
        batch
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(LogoutId).collect())
}
