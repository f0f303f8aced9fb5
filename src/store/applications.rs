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

/// An application to be registered, or as it is to be from now on.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Its public name.
    pub slug: &'a str,
    /// For people.
    pub name: &'a str,
    /// `logout-token`, `webhook`, `caep` or `pull`.
    pub form: &'a str,
    /// Where notifications go; none for `pull`.
    pub url: Option<&'a str>,
    /// Where its pages live.
    pub origins: &'a [String],
    /// Where a sign-out may return.
    pub logout_urls: &'a [String],
    /// Header `typ` of its logout tokens.
    pub token_type: &'a str,
    /// `pairwise` or `name-id`.
    pub subject: &'a str,
    /// Whether an identity provider is told PartialLogout when it has not heard.
    pub counts_for_success: bool,
}

/// Registers an application; none if the public name is taken.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn add(
    conn: &mut PgConnection,
    wanted: &Wanted<'_>,
    secret: Option<&[u8]>,
    now: DateTime<Utc>,
) -> Result<Option<ApplicationId>, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into application (slug, name, form, url, origins, logout_urls, token_type, subject,
                                  counts_for_success, secret, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         on conflict (slug) do nothing
         returning id",
        wanted.slug,
        wanted.name,
        wanted.form,
        wanted.url,
        wanted.origins,
        wanted.logout_urls,
        wanted.token_type,
        wanted.subject,
        wanted.counts_for_success,
        secret,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(ApplicationId))
}

/// Locks the application of that public name against changes by others.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn lock(conn: &mut PgConnection, slug: &str) -> Result<Option<ApplicationRow>, StoreError> {
    sqlx::query!("select id from application where slug = $1 for update", slug)
        .fetch_optional(&mut *conn)
        .await?;
    by_slug(conn, slug).await
}

/// Changes a locked application. What has been written down to be told stays as it is.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn change(
    conn: &mut PgConnection,
    id: ApplicationId,
    wanted: &Wanted<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update application
            set name = $2, url = $3, origins = $4, logout_urls = $5, token_type = $6, subject = $7,
                counts_for_success = $8, updated_at = $9
          where id = $1",
        id.0,
        wanted.name,
        wanted.url,
        wanted.origins,
        wanted.logout_urls,
        wanted.token_type,
        wanted.subject,
        wanted.counts_for_success,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes a locked application with its parts in sessions and its tokens. What it was still to be
/// told is given up and counts no longer; what it was told stays, as evidence.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove(conn: &mut PgConnection, id: ApplicationId) -> Result<(), StoreError> {
    sqlx::query!(
        "update notification
            set state = 'dead', counts = false, leased_until = null, last_error = 'the application was deleted'
          where application_id = $1 and state = 'pending'",
        id.0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("delete from application where id = $1", id.0).execute(conn).await?;
    Ok(())
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
