//! Assertions that were used, so that none is used twice.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{IdpId, StoreError};

/// Takes note of an assertion; false if it was there already. The insert is the check, for all
/// nodes at once (SSO-16, F-35).
///
/// # Errors
/// [`StoreError::Database`].
pub async fn use_once(
    conn: &mut PgConnection,
    idp: IdpId,
    assertion_id: &str,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into seen_assertion (idp_id, assertion_id, until) values ($1, $2, $3) on conflict do nothing",
        idp.0,
        assertion_id,
        until
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
