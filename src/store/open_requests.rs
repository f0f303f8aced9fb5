//! Our own messages that wait for an answer. To take the answer is to delete the row, so each is
//! good for one use, on whatever node.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::logout::step::LegId;
use crate::saml::names::MessageId;
use crate::store::{IdpId, LogoutId, SessionId, StoreError};

/// An AuthnRequest to remember.
#[derive(Debug, Clone)]
pub struct NewAuthn<'a> {
    /// Its ID.
    pub id: &'a MessageId,
    /// To whom it goes.
    pub idp: IdpId,
    /// The hash of the correlation cookie of the browser that asked.
    pub correlation_hash: [u8; 32],
    /// The RelayState that goes with it.
    pub relay_state: &'a str,
    /// The session that browser has, if any.
    pub session: Option<SessionId>,
    /// Where the person wants to go.
    pub return_to: Option<&'a str>,
}

/// An AuthnRequest whose answer has come.
#[derive(Debug, Clone)]
pub struct Authn {
    /// The RelayState that went with it.
    pub relay_state: Option<String>,
    /// The session that the browser had.
    pub session: Option<SessionId>,
    /// Where the person wants to go.
    pub return_to: Option<String>,
}

/// Remembers an AuthnRequest until `until`.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open_authn(
    conn: &mut PgConnection,
    new: &NewAuthn<'_>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into open_request (id, kind, idp_id, created_at, until, correlation_hash, relay_state, session_id,
                                   return_to)
         values ($1, 'authn', $2, $3, $4, $5, $6, $7, $8)",
        new.id.as_str(),
        new.idp.0,
        now,
        until,
        &new.correlation_hash[..],
        new.relay_state,
        new.session.map(|session| session.0),
        new.return_to
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the AuthnRequest of that ID, if it went to this identity provider, from this browser, and
/// is not too old (SSO-11, SSO-17). Anything else leaves it untouched.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn take_authn(
    conn: &mut PgConnection,
    id: &MessageId,
    idp: IdpId,
    correlation_hash: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Authn>, StoreError> {
    let taken = sqlx::query_as!(
        Authn,
        r#"delete from open_request
            where id = $1 and kind = 'authn' and idp_id = $2 and correlation_hash = $3 and until > $4
        returning relay_state, session_id as "session: _", return_to"#,
        id.as_str(),
        idp.0,
        &correlation_hash[..],
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(taken)
}

/// Remembers a LogoutRequest until `until`; an earlier one of the same leg is forgotten.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open_logout(
    conn: &mut PgConnection,
    id: &MessageId,
    idp: IdpId,
    leg: LegId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!("delete from open_request where leg_id = $1", leg.0).execute(&mut *conn).await?;
    sqlx::query!(
        "insert into open_request (id, kind, idp_id, created_at, until, leg_id) values ($1, 'logout', $2, $3, $4, $5)",
        id.as_str(),
        idp.0,
        now,
        until,
        leg.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The leg that sent the LogoutRequest of that ID, if it went to this identity provider and is not
/// too old (SLO-50). Locks nothing: the logout is locked before its requests are.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn leg_of_logout(
    conn: &mut PgConnection,
    id: &MessageId,
    idp: IdpId,
    now: DateTime<Utc>,
) -> Result<Option<(LogoutId, LegId)>, StoreError> {
    let found = sqlx::query!(
        "select leg.logout_id, leg.id
           from open_request
           join logout_leg leg on leg.id = open_request.leg_id
          where open_request.id = $1 and kind = 'logout' and open_request.idp_id = $2 and until > $3",
        id.as_str(),
        idp.0,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (LogoutId(row.logout_id), LegId(row.id))))
}

/// Takes a LogoutRequest whose logout is locked; false if somebody took it before.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn take_logout(conn: &mut PgConnection, id: &MessageId) -> Result<bool, StoreError> {
    let done = sqlx::query!("delete from open_request where id = $1 and kind = 'logout'", id.as_str())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}
