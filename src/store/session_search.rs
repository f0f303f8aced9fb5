//! Sessions looked for by operators: the newest, those of a principal, those of an identity provider.

use sqlx::PgConnection;

use crate::saml::names::PrincipalKey;
use crate::store::sessions::{Alive, Session};
use crate::store::{IdpId, SessionId, StoreError};

/// A session in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The session.
    pub session: Session,
    /// The slugs of the identity providers on which it rests.
    pub idps: Vec<String>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Only from before this one: the list goes backwards.
    pub before: i64,
    /// Only those that live.
    pub alive_only: bool,
    /// Only those that rest on this identity provider.
    pub idp: Option<IdpId>,
}

/// The newest sessions first.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn newest(
    conn: &mut PgConnection,
    search: Search,
    alive: Alive,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.id as "id: SessionId", s.public_id, s.created_at, s.last_seen_at, s.expires_at, s.ended_at,
                  s.end_reason,
                  array(select i.slug from authentication a join identity_provider i on i.id = a.idp_id
                         where a.session_id = s.id order by a.id) as "idps!"
             from session s
            where s.id < $1
              and (not $2 or (s.ended_at is null and s.expires_at > $3 and s.last_seen_at > $4))
              and ($5::bigint is null
                   or exists (select from authentication where session_id = s.id and idp_id = $5))
            order by s.id desc limit $6"#,
        search.before,
        search.alive_only,
        alive.now,
        alive.idle_since,
        search.idp.map(|idp| idp.0),
        limit
    )
    .fetch_all(conn)
    .await?;
    let listed = rows.into_iter().map(|row| Listed {
        session: Session {
            id: row.id,
            public_id: row.public_id,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            end_reason: row.end_reason,
        },
        idps: row.idps,
    });
    Ok(listed.collect())
}

/// A part of all sessions.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Those after this one.
    pub after: i64,
    /// Up to this one.
    pub through: i64,
    /// How many at most.
    pub limit: i64,
}

/// The first live sessions of a principal in a range.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_principal(
    conn: &mut PgConnection,
    idp: IdpId,
    key: PrincipalKey,
    alive: Alive,
    range: Range,
) -> Result<Vec<i64>, StoreError> {
    let found = sqlx::query_scalar!(
        "select s.id
           from principal p
           join authentication a on a.principal_id = p.id
           join session s on s.id = a.session_id
          where p.idp_id = $1 and p.key = $2
            and s.ended_at is null and s.expires_at > $3 and s.last_seen_at > $4
            and s.id > $5 and s.id <= $6
          order by s.id limit $7",
        idp.0,
        &key.0[..],
        alive.now,
        alive.idle_since,
        range.after,
        range.through,
        range.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// The first live sessions in a range that rest on an identity provider.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_idp(
    conn: &mut PgConnection,
    idp: IdpId,
    alive: Alive,
    range: Range,
) -> Result<Vec<i64>, StoreError> {
    let found = sqlx::query_scalar!(
        "select s.id
           from session s
          where s.ended_at is null and s.expires_at > $2 and s.last_seen_at > $3
            and s.id > $4 and s.id <= $5
            and exists (select from authentication where session_id = s.id and idp_id = $1)
          order by s.id limit $6",
        idp.0,
        alive.now,
        alive.idle_since,
        range.after,
        range.through,
        range.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Locks sessions and what they rest on, in the order in which everybody does: what is at OpenID
/// providers, principals by id, then sessions by id. Gives the sessions as they are under the lock.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock_all(conn: &mut PgConnection, ids: &[i64]) -> Result<Vec<Session>, StoreError> {
    sqlx::query!(
        "select true as locked from oidc_subject
          where (issuer, kind, value) in (
                select issuer, 'sid', sid from oidc_authentication where session_id = any ($1) and sid is not null
                union all
                select issuer, 'sub', subject from oidc_authentication where session_id = any ($1))
          order by kind, issuer, value for update",
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!(
        "select id from principal
          where id in (select principal_id from authentication where session_id = any ($1))
          order by id for update",
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let locked = sqlx::query_as!(
        Session,
        r#"select id as "id: _", public_id, created_at, last_seen_at, expires_at, ended_at, end_reason
             from session where id = any ($1) order by id for update"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(locked)
}

/// [`Search::before`] of the first page.
pub const FIRST_PAGE: i64 = i64::MAX;
