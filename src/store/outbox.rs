//! LogoutRequests to be sent without a browser.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::logout::step::LegId;
use crate::store::{LogoutId, StoreError};

/// A row that is ours to work until the lease runs out.
#[derive(Debug, Clone, Copy)]
pub struct Leased {
    /// Its row.
    pub id: i64,
    /// The leg to ask.
    pub leg: LegId,
    /// The leg's logout.
    pub logout: LogoutId,
    /// How often it was tried before.
    pub attempts: i32,
}

/// Puts a leg into the outbox.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn put(conn: &mut PgConnection, leg: LegId, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("insert into outbox (leg_id, due_at, created_at) values ($1, $2, $2)", leg.0, now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Which rows to lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Any that is due.
    Any,
    /// Those of one logout.
    Of(LogoutId),
    /// Those of one logout that end sessions at OpenID providers.
    OidcOf(LogoutId),
}

/// How many legs of a logout that end sessions at OpenID providers are worked on by somebody.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn oidc_under_way(
    conn: &mut PgConnection,
    logout: LogoutId,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select count(*) as "count!" from outbox o join logout_leg leg on leg.id = o.leg_id
            where leg.logout_id = $1 and leg.oidc_issuer is not null and o.leased_until > $2"#,
        logout.0,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Leases one row that is due. What another holds is passed over.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lease(
    conn: &mut PgConnection,
    which: Which,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Leased>, StoreError> {
    let (logout, oidc_only) = match which {
        Which::Any => (None, false),
        Which::Of(logout) => (Some(logout), false),
        Which::OidcOf(logout) => (Some(logout), true),
    };
    let row = sqlx::query!(
        "update outbox set leased_until = $2, attempts = attempts + 1
           from logout_leg leg
          where leg.id = outbox.leg_id
            and outbox.id = (select o.id from outbox o
                              join logout_leg l on l.id = o.leg_id
                             where o.due_at <= $1 and (o.leased_until is null or o.leased_until <= $1)
                               and ($3::bigint is null or l.logout_id = $3)
                               and (not $4 or l.oidc_issuer is not null)
                             order by o.due_at, o.id limit 1 for update of o skip locked)
      returning outbox.id, outbox.leg_id, leg.logout_id, outbox.attempts",
        now,
        until,
        logout.map(|logout| logout.0),
        oidc_only
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Leased {
        id: row.id,
        leg: LegId(row.leg_id),
        logout: LogoutId(row.logout_id),
        attempts: row.attempts - 1,
    }))
}

/// Gives a row back, to be tried again at `due_at`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn put_back(conn: &mut PgConnection, id: i64, due_at: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("update outbox set due_at = $2, leased_until = null where id = $1", id, due_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes the row of a leg that needs no more tries.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove(conn: &mut PgConnection, leg: LegId) -> Result<(), StoreError> {
    sqlx::query!("delete from outbox where leg_id = $1", leg.0).execute(conn).await?;
    Ok(())
}
