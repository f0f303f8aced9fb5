//! Applications: who is told of the end of sessions, and how.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, SessionId, StoreError};

/// An application as the database has it.
#[derive(Clone)]
pub struct ApplicationRow {
    /// Its row.
    pub id: ApplicationId,
    /// Its public name.
    pub slug: String,
    /// For people.
    pub name: String,
    /// `logout-token`, `webhook`, `caep` or `pull`.
    pub form: String,
    /// Where notifications go; none for `pull`.
    pub url: Option<String>,
    /// Where its pages live.
    pub origins: Vec<String>,
    /// Where a sign-out may return.
    pub logout_urls: Vec<String>,
    /// Header `typ` of its logout tokens.
    pub token_type: String,
    /// `pairwise` or `name-id`.
    pub subject: String,
    /// Whether an identity provider is told PartialLogout when it has not heard.
    pub counts_for_success: bool,
    /// Signs its webhooks.
    pub secret: Option<Vec<u8>>,
    /// The last position of its feed that is no longer there.
    pub feed_removed_through: i64,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl std::fmt::Debug for ApplicationRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret is not for logs.
        f.debug_struct("ApplicationRow")
            .field("slug", &self.slug)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// The application of that public name.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<ApplicationRow>, StoreError> {
    let found = sqlx::query_as!(
        ApplicationRow,
        r#"select id as "id: _", slug, name, form, url, origins, logout_urls, token_type, subject,
                  counts_for_success, secret, feed_removed_through, created_at, updated_at
             from application where slug = $1"#,
        slug
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The application of that row.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_id(conn: &mut PgConnection, id: ApplicationId) -> Result<Option<ApplicationRow>, StoreError> {
    let found = sqlx::query_as!(
        ApplicationRow,
        r#"select id as "id: _", slug, name, form, url, origins, logout_urls, token_type, subject,
                  counts_for_success, secret, feed_removed_through, created_at, updated_at
             from application where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// The application that has registered this origin; the oldest, where several have.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn by_origin(conn: &mut PgConnection, origin: &str) -> Result<Option<ApplicationRow>, StoreError> {
    let found = sqlx::query_as!(
        ApplicationRow,
        r#"select id as "id: _", slug, name, form, url, origins, logout_urls, token_type, subject,
                  counts_for_success, secret, feed_removed_through, created_at, updated_at
             from application where $1 = any (origins) order by id limit 1"#,
        origin
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// All of them, by name.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn all(conn: &mut PgConnection) -> Result<Vec<ApplicationRow>, StoreError> {
    let found = sqlx::query_as!(
        ApplicationRow,
        r#"select id as "id: _", slug, name, form, url, origins, logout_urls, token_type, subject,
                  counts_for_success, secret, feed_removed_through, created_at, updated_at
             from application order by slug"#
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// The origins of all of them.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn origins(conn: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let origins =
        sqlx::query_scalar!(r#"select distinct unnest(origins) as "origin!" from application order by 1"#)
            .fetch_all(conn)
            .await?;
    Ok(origins)
}

/// Who has registered an origin, as a request from there asks at every turn.
#[derive(Debug, Clone)]
pub struct AtOrigin {
    /// Its row.
    pub id: ApplicationId,
    /// Its public name.
    pub slug: String,
    /// Whether it takes part in the session that was asked for.
    pub takes_part: bool,
}

/// The application that has registered this origin (the oldest, where several have), and whether it
/// takes part in a session.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn at_origin(
    conn: &mut PgConnection,
    origin: &str,
    session: SessionId,
) -> Result<Option<AtOrigin>, StoreError> {
    let found = sqlx::query_as!(
        AtOrigin,
        r#"select id as "id: _", slug,
                  exists (select from participation
                           where session_id = $2 and application_id = application.id
                             and ended_at is null) as "takes_part!"
             from application where $1 = any (origins) order by id limit 1"#,
        origin,
        session.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}
