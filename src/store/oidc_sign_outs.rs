//! Browsers that were sent to an OpenID provider to sign out. To take one is to delete the row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::logout::step::LegId;
use crate::store::{LogoutId, StoreError};

/// Remembers that a browser was sent, until `until`; an earlier time for the same leg is forgotten.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open(
    conn: &mut PgConnection,
    state_hash: [u8; 32],
    leg: LegId,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into open_oidc_sign_out (state_hash, leg_id, until) values ($1, $2, $3)
         on conflict (leg_id) do update set state_hash = excluded.state_hash, until = excluded.until",
        &state_hash[..],
        leg.0,
        until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The leg of that state, if it is not too late. Locks nothing.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_state(
    conn: &mut PgConnection,
    state_hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<(LogoutId, LegId)>, StoreError> {
    let found = sqlx::query!(
        "select leg.logout_id, leg.id
           from open_oidc_sign_out o join logout_leg leg on leg.id = o.leg_id
          where o.state_hash = $1 and o.until > $2",
        &state_hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (LogoutId(row.logout_id), LegId(row.id))))
}

/// The leg for which the browser was sent away that carries this cookie: for providers that give no
/// state back. Locks nothing.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_cookie(
    conn: &mut PgConnection,
    cookie_hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<(LogoutId, LegId)>, StoreError> {
    let found = sqlx::query!(
        "select leg.logout_id, leg.id
           from session s
           join logout_leg leg on leg.session_id = s.id
           join open_oidc_sign_out o on o.leg_id = leg.id
          where s.cookie_hash = $1 and o.until > $2 and leg.state = 'asked'
          order by leg.id limit 1",
        &cookie_hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (LogoutId(row.logout_id), LegId(row.id))))
}

/// Takes the one of a leg whose logout is locked; false if somebody took it before.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn take(conn: &mut PgConnection, leg: LegId) -> Result<bool, StoreError> {
    let done = sqlx::query!("delete from open_oidc_sign_out where leg_id = $1", leg.0).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
