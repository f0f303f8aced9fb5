//! Identity providers and every version they had.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::store::{IdpId, StoreError};

/// An identity provider as it is now.
#[derive(Debug, Clone)]
pub struct IdpRow {
    /// Its row.
    pub id: IdpId,
    /// Its name in URLs and on the command line.
    pub slug: String,
    /// Its entity ID.
    pub entity_id: String,
    /// Rises with every change.
    pub version: i64,
    /// `enabled` or `disabled`.
    pub state: String,
    /// What was read out of its metadata.
    pub metadata: Value,
    /// Our own switches for it.
    pub policy: Value,
    /// `file` or `command`.
    pub source: String,
    /// Until when its metadata is good.
    pub valid_until: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was removed.
    pub removed_at: Option<DateTime<Utc>>,
}

/// What an import or a change says.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The name in URLs; of a known identity provider it stays unless it is given.
    pub slug: &'a str,
    /// The entity ID.
    pub entity_id: &'a str,
    /// `enabled` or `disabled`.
    pub state: &'a str,
    /// What was read out of the metadata.
    pub metadata: &'a Value,
    /// Our own switches.
    pub policy: &'a Value,
    /// `file` or `command`.
    pub source: &'a str,
    /// Until when the metadata is good.
    pub valid_until: Option<DateTime<Utc>>,
    /// Whether it takes LogoutRequests over SOAP.
    pub has_soap: bool,
    /// Whether it takes LogoutRequests through the browser.
    pub has_front: bool,
}

/// All identity providers that were not removed, by slug.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn all(conn: &mut PgConnection) -> Result<Vec<IdpRow>, StoreError> {
    let rows = sqlx::query_as!(
        IdpRow,
        r#"select id as "id: _", slug, entity_id, version, state, metadata, policy, source, valid_until, updated_at,
                  removed_at
             from identity_provider where removed_at is null order by slug"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// A mark that changes with every change to any identity provider: how many there are or were, and the
/// sum of their versions, which only rise.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn mark(conn: &mut PgConnection) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "count!", coalesce(sum(version), 0)::bigint as "versions!" from identity_provider"#
    )
    .fetch_one(conn)
    .await?;
    Ok((row.count, row.versions))
}

/// Locks the identity provider of that entity ID, removed or not.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(conn: &mut PgConnection, entity_id: &str) -> Result<Option<IdpRow>, StoreError> {
    let row = sqlx::query_as!(
        IdpRow,
        r#"select id as "id: _", slug, entity_id, version, state, metadata, policy, source, valid_until, updated_at,
                  removed_at
             from identity_provider where entity_id = $1 for update"#,
        entity_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Whether another identity provider has that slug.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn slug_taken(conn: &mut PgConnection, slug: &str, entity_id: &str) -> Result<bool, StoreError> {
    let taken = sqlx::query_scalar!(
        r#"select exists (select from identity_provider where slug = $1 and entity_id <> $2) as "taken!""#,
        slug,
        entity_id
    )
    .fetch_one(conn)
    .await?;
    Ok(taken)
}

/// Saves an identity provider as its next version, and keeps that version in the history.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn save(
    conn: &mut PgConnection,
    wanted: &Wanted<'_>,
    now: DateTime<Utc>,
) -> Result<IdpId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into identity_provider (slug, entity_id, version, state, metadata, policy, source, valid_until,
                                        has_soap, has_front, created_at, updated_at)
         values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         on conflict (entity_id) do update
            set slug = excluded.slug, version = identity_provider.version + 1, state = excluded.state,
                metadata = excluded.metadata, policy = excluded.policy, source = excluded.source,
                valid_until = excluded.valid_until, has_soap = excluded.has_soap, has_front = excluded.has_front,
                updated_at = excluded.updated_at, removed_at = null
         returning id",
        wanted.slug,
        wanted.entity_id,
        wanted.state,
        wanted.metadata,
        wanted.policy,
        wanted.source,
        wanted.valid_until,
        wanted.has_soap,
        wanted.has_front,
        now
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into identity_provider_version (idp_id, version, state, metadata, policy, source, recorded_at)
         select id, version, state, metadata, policy, source, $2 from identity_provider where id = $1",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(IdpId(id))
}

/// Removes a locked identity provider: from now on it is known to nobody. Its row stays, under another
/// slug, because what it has said still binds, and its version rises, so that no node acts on what it
/// remembers of it.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove(conn: &mut PgConnection, id: IdpId, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!(
        "update identity_provider
            set removed_at = $2, updated_at = $2, version = version + 1, state = 'disabled',
                slug = left(slug, 24) || '.removed-' || id || '-' || version
          where id = $1",
        id.0,
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into identity_provider_version (idp_id, version, state, metadata, policy, source, recorded_at)
         select id, version, 'removed', metadata, policy, source, $2 from identity_provider where id = $1",
        id.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The version that counts now, held until the transaction ends: a sign-in and a change of its
/// identity provider do not overlap. Comes before the lock on a principal.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn hold(conn: &mut PgConnection, id: IdpId) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar!("select version from identity_provider where id = $1 for share", id.0)
        .fetch_optional(conn)
        .await?)
}
