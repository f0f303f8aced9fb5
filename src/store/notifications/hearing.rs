//! What applications know of a logout, and the status that hangs on it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{LogoutId, StoreError};

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
/// not acknowledged, or an OpenID provider's part is not over; that is audited (row e). Gives the status
/// that is recorded, of this decision or an earlier one.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn decide(
    conn: &mut PgConnection,
    logout: LogoutId,
    now: DateTime<Utc>,
) -> Result<Option<String>, StoreError> {
    sqlx::query!(
        "with decided as (
         update logout set status = case when exists (
                select from notification n
                 where n.logout_id = logout.id and n.counts and n.state in ('pending', 'dead'))
               -- An OpenID provider's part counts until it was seen to be over, or, where an
               -- administrator has said so, accepted to end.
               or exists (
                select from logout_leg leg
                 where leg.logout_id = logout.id and leg.oidc_issuer is not null and leg.state <> 'confirmed'
                   and (leg.accepted_at is null or not exists (
                        select from identity_provider i
                         where i.id = logout.idp_id and i.policy ->> 'auth0_pending' = 'success')))
             then 'PartialLogout' else 'Success' end
          where id = $1 and status is null and message_id is not null
          returning idp_id, message_id, status, sessions_ended)
         insert into audit (at, endpoint, issuer, message_id, verdict, rule, sessions, detail)
         select $2, 'answer', i.entity_id, decided.message_id, 'ours', 'row e', decided.sessions_ended,
                'what counts is not known to be over'
           from decided join identity_provider i on i.id = decided.idp_id
          where decided.status = 'PartialLogout'",
        logout.0,
        now
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

/// An application that had to hear of a logout.
#[derive(Debug, Clone)]
pub struct HeardRow {
    /// Its public name.
    pub slug: String,
    /// For people.
    pub name: String,
    /// When it acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
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
        r#"select a.slug, a.name, n.acknowledged_at, n.state, n.counts,
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
