//! What all nodes of one database share: random octets, and which key signs.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::StoreError;

/// The shared secret of that name; the first to ask decides what it is.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub async fn shared(conn: &mut PgConnection, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
    sqlx::query!("insert into secret (name, value) values ($1, $2) on conflict do nothing", name, &fresh[..])
        .execute(&mut *conn)
        .await?;
    let value = sqlx::query_scalar!("select value from secret where name = $1", name).fetch_one(conn).await?;
    value.try_into().map_err(|_| StoreError::Corrupt { table: "secret", column: "value", row: 0 })
}

/// The fingerprint of the certificate whose key signs; where none is recorded, this one is from now
/// on.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn signing_key(
    conn: &mut PgConnection,
    ours: &str,
    now: DateTime<Utc>,
) -> Result<String, StoreError> {
    sqlx::query!(
        "insert into signing_key (fingerprint, changed_at) values ($1, $2) on conflict do nothing",
        ours,
        now
    )
    .execute(&mut *conn)
    .await?;
    let recorded = sqlx::query_scalar!("select fingerprint from signing_key").fetch_one(conn).await?;
    Ok(recorded)
}

/// The recorded fingerprint, if there is one.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn recorded_signing_key(conn: &mut PgConnection) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!("select fingerprint from signing_key").fetch_optional(conn).await?)
}

/// Records another key as the one that signs.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn use_signing_key(
    conn: &mut PgConnection,
    fingerprint: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into signing_key (fingerprint, changed_at) values ($1, $2)
         on conflict (singleton) do update set fingerprint = excluded.fingerprint, changed_at = excluded.changed_at",
        fingerprint,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
