//! Who may use the API. The token itself is nowhere, only its SHA-256.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{ApplicationId, StoreError, TokenId};

/// A token as operators see it.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Its row.
    pub id: TokenId,
    /// What its admin calls it.
    pub name: String,
    /// `application`, `operator` or `admin`.
    pub role: String,
    /// Whose it is; only of role `application`.
    pub application: Option<ApplicationId>,
    /// The slug of that application.
    pub slug: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is no good.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A token to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// What its admin calls it.
    pub name: &'a str,
    /// `application`, `operator` or `admin`.
    pub role: &'a str,
    /// Whose it is; only of role `application`.
    pub application: Option<ApplicationId>,
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// From when on it is no good.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Adds a token.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn create(
    conn: &mut PgConnection,
    new: &NewToken<'_>,
    now: DateTime<Utc>,
) -> Result<TokenId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into api_token (name, role, application_id, token_hash, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6) returning id",
        new.name,
        new.role,
        new.application.map(|application| application.0),
        &new.hash[..],
        now,
        new.expires_at
    )
    .fetch_one(conn)
    .await?;
    Ok(TokenId(id))
}

/// The token of that hash, if it is good now.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn good(
    conn: &mut PgConnection,
    hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<TokenRow>, StoreError> {
    let found = sqlx::query_as!(
        TokenRow,
        r#"select t.id as "id: _", t.name, t.role, t.application_id as "application: _", a.slug as "slug?",
                  t.created_at, t.expires_at, t.revoked_at
             from api_token t left join application a on a.id = t.application_id
            where t.token_hash = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > $2)"#,
        &hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

/// Tokens in the order in which they were made, from after `after`, good or not.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(conn: &mut PgConnection, after: i64, limit: i64) -> Result<Vec<TokenRow>, StoreError> {
    let found = sqlx::query_as!(
        TokenRow,
        r#"select t.id as "id: _", t.name, t.role, t.application_id as "application: _", a.slug as "slug?",
                  t.created_at, t.expires_at, t.revoked_at
             from api_token t left join application a on a.id = t.application_id
            where t.id > $1 order by t.id limit $2"#,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Revokes a token, for good; says whether it was this that did. One that was revoked before stays as
/// it is. None if there is no such token.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn revoke(
    conn: &mut PgConnection,
    id: TokenId,
    now: DateTime<Utc>,
) -> Result<Option<bool>, StoreError> {
    let revoked = sqlx::query_scalar!(
        r#"with before as (select id, revoked_at from api_token where id = $1 for update)
           update api_token set revoked_at = coalesce(before.revoked_at, $2)
             from before where api_token.id = before.id
           returning before.revoked_at is null as "by_this!""#,
        id.0,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(revoked)
}
