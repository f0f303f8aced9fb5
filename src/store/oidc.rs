//! OpenID providers: who is signed in on their word; whom their logout tokens bar, in [`subjects`].

mod subjects;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::{LogoutId, SessionId, StoreError};

pub use subjects::{
    Subject, bar_sid, bar_sub, is_sid_barred, is_sub_barred, lock, lock_of_session, remove_subjects,
};

/// One session at a provider on which a session of ours rests.
#[derive(Debug, Clone)]
pub struct OidcAuthentication {
    /// Its row.
    pub id: i64,
    /// The name of the provider in the settings.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// The person there.
    pub subject: String,
    /// The session there, if the provider names it.
    pub sid: Option<String>,
    /// The last ID token of it.
    pub id_token: String,
    /// When the person was authenticated there.
    pub auth_time: DateTime<Utc>,
    /// When the provider itself said that it is over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it can be ended there without a browser.
    pub has_back: bool,
    /// Where a browser can sign out there.
    pub end_session_endpoint: Option<String>,
}

/// What an accepted ID token adds.
#[derive(Debug, Clone, Copy)]
pub struct NewOidcAuthentication<'a> {
    /// The name of the provider in the settings.
    pub provider: &'a str,
    /// Its issuer.
    pub issuer: &'a str,
    /// The person there.
    pub subject: &'a str,
    /// The session there.
    pub sid: Option<&'a str>,
    /// The ID token itself.
    pub id_token: &'a str,
    /// When the person was authenticated there.
    pub auth_time: DateTime<Utc>,
    /// Whether it can be ended there without a browser.
    pub has_back: bool,
    /// Where a browser can sign out there.
    pub end_session_endpoint: Option<&'a str>,
}

/// Puts an authentication under a locked session. The same session at the provider again renews it.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn authenticate(
    conn: &mut PgConnection,
    session: SessionId,
    new: &NewOidcAuthentication<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into oidc_authentication (session_id, provider, issuer, subject, sid, id_token, auth_time, created_at,
                                          has_back, end_session_endpoint)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (session_id, issuer, sid) do update
            set provider = excluded.provider, id_token = excluded.id_token, has_back = excluded.has_back,
                end_session_endpoint = excluded.end_session_endpoint,
                auth_time = greatest(oidc_authentication.auth_time, excluded.auth_time)",
        session.0,
        new.provider,
        new.issuer,
        new.subject,
        new.sid,
        new.id_token,
        new.auth_time,
        now,
        new.has_back,
        new.end_session_endpoint
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// On which sessions at providers a session of ours rests, in the order in which they were added.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn authentications(
    conn: &mut PgConnection,
    session: SessionId,
) -> Result<Vec<OidcAuthentication>, StoreError> {
    let found = sqlx::query_as!(
        OidcAuthentication,
        "select id, provider, issuer, subject, sid, id_token, auth_time, ended_at, has_back, end_session_endpoint
           from oidc_authentication where session_id = $1 order by id",
        session.0
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Who has that session at the provider, as far as we know; the sid is locked.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn subjects_of_sid(
    conn: &mut PgConnection,
    issuer: &str,
    sid: &str,
) -> Result<Vec<String>, StoreError> {
    let found = sqlx::query_scalar!(
        "select distinct subject from oidc_authentication where issuer = $1 and sid = $2",
        issuer,
        sid
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// The sessions of ours, not ended yet, that rest on that session or person at the provider, by id;
/// it is locked. With a session's person, if that is known, come those of the person that rest on a
/// session without a name. Nothing of ours is locked by this.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn open_sessions(
    conn: &mut PgConnection,
    issuer: &str,
    subject: Subject<'_>,
    person: Option<&str>,
) -> Result<Vec<SessionId>, StoreError> {
    let found = match subject {
        Subject::Sid(sid) => {
            sqlx::query_scalar!(
                "select distinct s.id from oidc_authentication a join session s on s.id = a.session_id
                  where a.issuer = $1 and (a.sid = $2 or a.sid is null and a.subject = $3) and s.ended_at is null
                  order by s.id",
                issuer,
                sid,
                person
            )
            .fetch_all(conn)
            .await?
        }
        Subject::Sub(sub) => {
            sqlx::query_scalar!(
                "select distinct s.id from oidc_authentication a join session s on s.id = a.session_id
                  where a.issuer = $1 and a.subject = $2 and s.ended_at is null order by s.id",
                issuer,
                sub
            )
            .fetch_all(conn)
            .await?
        }
    };
    Ok(found.into_iter().map(SessionId).collect())
}

/// Notes that the provider itself said that a session of its own, or all of a person, is over; gives
/// the sids of those that it had not said so of before.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn note_ended(
    conn: &mut PgConnection,
    issuer: &str,
    subject: Subject<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    let (sid, sub) = match subject {
        Subject::Sid(sid) => (Some(sid), None),
        Subject::Sub(sub) => (None, Some(sub)),
    };
    let sids = sqlx::query_scalar!(
        "update oidc_authentication set ended_at = $4
          where issuer = $1 and (sid = $2 or subject = $3) and ended_at is null
        returning sid",
        issuer,
        sid,
        sub,
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(sids.into_iter().flatten().collect())
}

/// Takes note of a logout token; false if it was there already. The insert is the check, for all
/// nodes at once (OIDC-07).
///
/// # Errors
/// [`StoreError::Database`].
pub async fn use_logout_token_once(
    conn: &mut PgConnection,
    issuer: &str,
    jti_digest: [u8; 32],
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into seen_logout_token (issuer, jti_digest, until) values ($1, $2, $3) on conflict do nothing",
        issuer,
        &jti_digest[..],
        until
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends what applications have registered under these sessions at a provider, and lets each
/// application know once for each of them. The sids are locked. Says how many applications' sessions
/// that were.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn end_participations(
    conn: &mut PgConnection,
    issuer: &str,
    sids: &[String],
    reason: &str,
    logout: Option<LogoutId>,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    sqlx::query!(
        "insert into notification (application_id, sid, participations, reason, ended_at, logout_id, counts, state,
                                   due_at)
         select a.id, p.oidc_sid, array_agg(p.public_id order by p.id), $3, $4, $5, a.counts_for_success,
                case a.form when 'pull' then 'none' else 'pending' end, $4
           from participation p
           join application a on a.id = p.application_id
          where p.oidc_issuer = $1 and p.oidc_sid = any ($2) and p.ended_at is null
          group by a.id, p.oidc_sid
          order by a.id, p.oidc_sid",
        issuer,
        sids,
        reason,
        now,
        logout.map(|logout| logout.0)
    )
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query!(
        "update participation set ended_at = $4, end_reason = $3
          where oidc_issuer = $1 and oidc_sid = any ($2) and ended_at is null",
        issuer,
        sids,
        reason,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Removes sign-ins that nobody can finish any more and logout tokens that would be refused by now;
/// says how many.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let sign_ins = sqlx::query!(
        "delete from open_oidc_sign_in where state_hash in (
            select state_hash from open_oidc_sign_in where until <= $1 limit $2 for update skip locked)",
        now,
        batch
    )
    .execute(&mut *conn)
    .await?;
    let tokens = sqlx::query!(
        "delete from seen_logout_token where (issuer, jti_digest) in (
            select issuer, jti_digest from seen_logout_token where until <= $1 limit $2 for update skip locked)",
        now,
        batch
    )
    .execute(&mut *conn)
    .await?;
    let sign_outs = sqlx::query!(
        "delete from open_oidc_sign_out where state_hash in (
            select state_hash from open_oidc_sign_out where until <= $1 limit $2 for update skip locked)",
        now,
        batch
    )
    .execute(&mut *conn)
    .await?;
    Ok(sign_ins.rows_affected() + tokens.rows_affected() + sign_outs.rows_affected())
}
