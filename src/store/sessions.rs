//! Sessions and the authentications on which they rest.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::saml::names::{NameId, SessionIndex};
use crate::store::{IdpId, LogoutId, PrincipalId, SessionId, StoreError};

/// When a session counts as alive: never asked of the database's clock.
#[derive(Debug, Clone, Copy)]
pub struct Alive {
    /// Now.
    pub now: DateTime<Utc>,
    /// Sessions last seen at or before this are over.
    pub idle_since: DateTime<Utc>,
}

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its row.
    pub id: SessionId,
    /// Its public name.
    pub public_id: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// By what.
    pub end_reason: Option<String>,
}

/// One identity provider's part in a session.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Its row.
    pub id: i64,
    /// The identity provider.
    pub idp: IdpId,
    /// The principal; none if the assertion named nobody (SSO-22).
    pub principal: Option<PrincipalId>,
    /// The NameID as received.
    pub name_id: Option<NameId>,
    /// Every SessionIndex collected.
    pub session_indexes: Vec<String>,
    /// When the person was authenticated there.
    pub authn_instant: DateTime<Utc>,
    /// When the identity provider's session ends.
    pub session_not_on_or_after: Option<DateTime<Utc>>,
}

/// What an accepted assertion adds.
#[derive(Debug, Clone)]
pub struct NewAuthentication<'a> {
    /// The identity provider.
    pub idp: IdpId,
    /// The principal, locked.
    pub principal: Option<PrincipalId>,
    /// The NameID as received.
    pub name_id: Option<&'a NameId>,
    /// The assertion's SessionIndex values.
    pub session_indexes: &'a [SessionIndex],
    /// When the person was authenticated there.
    pub authn_instant: DateTime<Utc>,
    /// When the identity provider's session ends.
    pub session_not_on_or_after: Option<DateTime<Utc>>,
    /// The assertion's ID.
    pub assertion_id: &'a str,
}

impl Session {
    /// Whether it lives.
    #[must_use]
    pub fn is_alive(&self, alive: Alive) -> bool {
        self.ended_at.is_none() && self.expires_at > alive.now && self.last_seen_at > alive.idle_since
    }
}

/// The session of a cookie, alive or not.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_cookie(
    conn: &mut PgConnection,
    cookie_hash: [u8; 32],
) -> Result<Option<Session>, StoreError> {
    let found = sqlx::query_as!(
        Session,
        r#"select id as "id: _", public_id, created_at, last_seen_at, expires_at, ended_at, end_reason
             from session where cookie_hash = $1"#,
        &cookie_hash[..]
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// Locks a session, alive or not.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(conn: &mut PgConnection, id: SessionId) -> Result<Option<Session>, StoreError> {
    let found = sqlx::query_as!(
        Session,
        r#"select id as "id: _", public_id, created_at, last_seen_at, expires_at, ended_at, end_reason
             from session where id = $1 for update"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The session of that public name, alive or not.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_public_id(conn: &mut PgConnection, public_id: &str) -> Result<Option<Session>, StoreError> {
    let found = sqlx::query_as!(
        Session,
        r#"select id as "id: _", public_id, created_at, last_seen_at, expires_at, ended_at, end_reason
             from session where public_id = $1"#,
        public_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The newest sessions first, for operators.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(conn: &mut PgConnection, limit: i64) -> Result<Vec<Session>, StoreError> {
    let found = sqlx::query_as!(
        Session,
        r#"select id as "id: _", public_id, created_at, last_seen_at, expires_at, ended_at, end_reason
             from session order by id desc limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// On what a session rests, in the order in which it was added.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn authentications(
    conn: &mut PgConnection,
    session: SessionId,
) -> Result<Vec<Authentication>, StoreError> {
    let rows = sqlx::query!(
        "select id, idp_id, principal_id, name_id, name_format, name_qualifier, sp_name_qualifier,
                sp_provided_id, session_indexes, authn_instant, session_not_on_or_after
           from authentication where session_id = $1 order by id",
        session.0
    )
    .fetch_all(conn)
    .await?;
    let authentications = rows.into_iter().map(|row| Authentication {
        id: row.id,
        idp: IdpId(row.idp_id),
        principal: row.principal_id.map(PrincipalId),
        name_id: row.name_id.map(|value| NameId {
            value,
            format: row.name_format,
            name_qualifier: row.name_qualifier,
            sp_name_qualifier: row.sp_name_qualifier,
            sp_provided_id: row.sp_provided_id,
        }),
        session_indexes: row.session_indexes,
        authn_instant: row.authn_instant,
        session_not_on_or_after: row.session_not_on_or_after,
    });
    Ok(authentications.collect())
}

/// Opens a session; nothing rests under it yet.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn create(
    conn: &mut PgConnection,
    public_id: &str,
    cookie_hash: [u8; 32],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<SessionId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into session (public_id, cookie_hash, created_at, last_seen_at, expires_at)
         values ($1, $2, $3, $3, $4) returning id",
        public_id,
        &cookie_hash[..],
        now,
        expires_at
    )
    .fetch_one(conn)
    .await?;
    Ok(SessionId(id))
}

/// Gives a locked session the cookie of a new sign-in (SSO-24) and its new end.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn renew(
    conn: &mut PgConnection,
    id: SessionId,
    cookie_hash: [u8; 32],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update session set cookie_hash = $2, last_seen_at = $3, expires_at = $4 where id = $1",
        id.0,
        &cookie_hash[..],
        now,
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts an authentication under a session. Where the same identity provider has one already, its
/// SessionIndex values are added (SLO-39) and its instants replaced: the caller has made sure that
/// it is the same principal.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn authenticate(
    conn: &mut PgConnection,
    session: SessionId,
    new: &NewAuthentication<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let indexes: Vec<String> = new.session_indexes.iter().map(ToString::to_string).collect();
    let name = new.name_id;
    sqlx::query!(
        "insert into authentication (session_id, idp_id, principal_id, name_id, name_format, name_qualifier,
                                     sp_name_qualifier, sp_provided_id, session_indexes, authn_instant,
                                     session_not_on_or_after, assertion_id, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (session_id, idp_id) do update
            set name_id = excluded.name_id, name_format = excluded.name_format,
                name_qualifier = excluded.name_qualifier, sp_name_qualifier = excluded.sp_name_qualifier,
                sp_provided_id = excluded.sp_provided_id,
                session_indexes = authentication.session_indexes || array(
                    select added from unnest(excluded.session_indexes) added
                     where added <> all (authentication.session_indexes)),
                authn_instant = greatest(authentication.authn_instant, excluded.authn_instant),
                session_not_on_or_after = excluded.session_not_on_or_after,
                assertion_id = excluded.assertion_id",
        session.0,
        new.idp.0,
        new.principal.map(|principal| principal.0),
        name.map(|name| name.value.as_str()),
        name.and_then(|name| name.format.as_deref()),
        name.and_then(|name| name.name_qualifier.as_deref()),
        name.and_then(|name| name.sp_name_qualifier.as_deref()),
        name.and_then(|name| name.sp_provided_id.as_deref()),
        &indexes,
        new.authn_instant,
        new.session_not_on_or_after,
        new.assertion_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a locked session. One that has ended stays as it ended.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn end(
    conn: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
    reason: &str,
    logout: Option<LogoutId>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update session set ended_at = $2, end_reason = $3, logout_id = $4 where id = $1 and ended_at is null",
        id.0,
        now,
        reason,
        logout.map(|logout| logout.0)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a session was used. The caller does so at most once a minute; one that is over is not
/// brought back.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn touch(conn: &mut PgConnection, id: SessionId, alive: Alive) -> Result<(), StoreError> {
    sqlx::query!(
        "update session set last_seen_at = $2
          where id = $1 and ended_at is null and expires_at > $2 and last_seen_at > $3 and last_seen_at < $2",
        id.0,
        alive.now,
        alive.idle_since
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these sessions are over, or forgotten.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn over(
    conn: &mut PgConnection,
    asked: &[SessionId],
    alive: Alive,
) -> Result<Vec<SessionId>, StoreError> {
    let asked: Vec<i64> = asked.iter().map(|session| session.0).collect();
    let over = sqlx::query_scalar!(
        r#"select asked.id as "id!: SessionId"
             from unnest($1::bigint[]) as asked (id)
             left join session s on s.id = asked.id
            where s.id is null or s.ended_at is not null or s.expires_at <= $2 or s.last_seen_at <= $3"#,
        &asked,
        alive.now,
        alive.idle_since
    )
    .fetch_all(conn)
    .await?;
    Ok(over)
}

/// Writes down what the clock has ended, a batch at a time; says how many. Sessions that somebody
/// works on are left for the next round.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn expire(conn: &mut PgConnection, alive: Alive, batch: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update session set ended_at = $1, end_reason = 'expired'
          where id in (select id from session
                        where ended_at is null and (expires_at <= $1 or last_seen_at <= $2)
                        order by id limit $3 for update skip locked)",
        alive.now,
        alive.idle_since,
        batch
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
