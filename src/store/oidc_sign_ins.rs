//! Sign-ins at OpenID providers that wait for the browser to come back. To take one is to delete the
//! row, so each is good for one use, on whatever node.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{SessionId, StoreError};

/// A sign-in to remember.
#[derive(Clone, Copy)]
pub struct NewSignIn<'a> {
    /// SHA-256 of `state`.
    pub state_hash: [u8; 32],
    /// The name of the provider in the settings.
    pub provider: &'a str,
    /// The hash of the correlation cookie of the browser that asked.
    pub correlation_hash: [u8; 32],
    /// What the ID token has to repeat.
    pub nonce: &'a str,
    /// What proves that the code is ours (RFC 7636).
    pub code_verifier: &'a str,
    /// The session that browser has, if any.
    pub session: Option<SessionId>,
    /// Where the person wants to go.
    pub return_to: Option<&'a str>,
}

/// A sign-in from which the browser has come back.
#[derive(Clone)]
pub struct SignIn {
    /// The name of the provider in the settings.
    pub provider: String,
    /// What the ID token has to repeat.
    pub nonce: String,
    /// What proves that the code is ours.
    pub code_verifier: String,
    /// The session that the browser had.
    pub session: Option<SessionId>,
    /// Where the person wants to go.
    pub return_to: Option<String>,
}

/// Remembers a sign-in until `until`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open(
    conn: &mut PgConnection,
    new: &NewSignIn<'_>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into open_oidc_sign_in (state_hash, provider, correlation_hash, nonce, code_verifier, session_id,
                                        return_to, created_at, until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &new.state_hash[..],
        new.provider,
        &new.correlation_hash[..],
        new.nonce,
        new.code_verifier,
        new.session.map(|session| session.0),
        new.return_to,
        now,
        until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the sign-in of that state, if this browser has begun it and it is not too old. Anything else
/// leaves it untouched.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn take(
    conn: &mut PgConnection,
    state_hash: [u8; 32],
    correlation_hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<SignIn>, StoreError> {
    let taken = sqlx::query_as!(
        SignIn,
        r#"delete from open_oidc_sign_in where state_hash = $1 and correlation_hash = $2 and until > $3
        returning provider, nonce, code_verifier, session_id as "session: _", return_to"#,
        &state_hash[..],
        &correlation_hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(taken)
}
