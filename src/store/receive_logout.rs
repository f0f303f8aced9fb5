//! The hot path: everything an identity provider's LogoutRequest does, in one statement.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::saml::names::{MessageId, PrincipalKey, SessionIndex};
use crate::store::{IdpId, LogoutId, StoreError};

/// A LogoutRequest, proved authentic, with all that the statement needs to act on it.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// Now.
    pub now: DateTime<Utc>,
    /// The identity provider that signed it.
    pub idp: IdpId,
    /// The version of the identity provider whose keys verified it.
    pub version: i64,
    /// Whom it is about.
    pub principal: PrincipalKey,
    /// Its ID.
    pub message_id: &'a MessageId,
    /// What it says, without its signature (SLO-24).
    pub digest: [u8; 32],
    /// When it was issued.
    pub issue_instant: DateTime<Utc>,
    /// Which sessions; none means all (SLO-03).
    pub session_indexes: &'a [SessionIndex],
    /// Why, as it says.
    pub reason: Option<&'a str>,
    /// Until when it binds assertions that come later.
    pub bar_until: DateTime<Utc>,
    /// Sessions last seen at or before this are over already.
    pub idle_since: DateTime<Utc>,
    /// Whether an unknown principal is answered with Success (row d).
    pub unknown_is_success: bool,
    /// The name of the logout's page, if another identity provider has to hear of it.
    pub handle: &'a str,
    /// Until when that one's answer is waited for.
    pub deadline: DateTime<Utc>,
    /// Until when it can be asked at all.
    pub resume_until: DateTime<Utc>,
    /// For the audit: where it arrived.
    pub endpoint: &'a str,
    /// For the audit: over which binding.
    pub binding: &'a str,
    /// For the audit: the issuer.
    pub issuer: &'a str,
    /// For the audit: the digest of the octets that arrived.
    pub raw_digest: &'a [u8; 32],
}

/// What the statement found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Rows a to d, executed now.
    Executed {
        /// Which of the rows.
        row: ExecutedRow,
        /// What to answer; none while an application that counts has not heard (row e).
        status: Option<RecordedStatus>,
        /// How many sessions it ended.
        sessions: i32,
        /// How many LogoutRequests to others it put into the outbox.
        queued: i32,
        /// Its row.
        logout: LogoutId,
        /// How many applications are to be told.
        told: i32,
    },
    /// The same message again.
    Duplicate {
        /// The row of the first.
        logout: LogoutId,
        /// What was answered the first time; none if that is not decided yet.
        status: Option<RecordedStatus>,
    },
    /// Another message with an ID used before (row j).
    Conflict,
    /// The identity provider has changed since its keys were read: nothing was done.
    Stale,
}

/// The rows of the status table in which a LogoutRequest is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutedRow {
    /// Row a: sessions were ended.
    Ended,
    /// Row b: they had ended before.
    Already,
    /// Row c: the principal is known, the SessionIndex is not.
    UnseenIndex,
    /// Row d: the principal is not known.
    Unknown,
}

/// A status that is recorded with a logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedStatus {
    /// `Success`.
    Success,
    /// `Requester/UnknownPrincipal`.
    UnknownPrincipal,
    /// `Responder/PartialLogout`: the sessions are over, but an application that counts has not heard.
    PartialLogout,
}

impl RecordedStatus {
    /// The status that is recorded by that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Success" => Some(Self::Success),
            "UnknownPrincipal" => Some(Self::UnknownPrincipal),
            "PartialLogout" => Some(Self::PartialLogout),
            _ => None,
        }
    }
}

/// Executes a LogoutRequest: one round trip, one commit. Safe to repeat: the second time it is a
/// duplicate.
///
/// # Errors
/// [`StoreError::Database`]: nothing is known to have ended. [`StoreError::Corrupt`].
pub async fn receive(conn: &mut PgConnection, received: &Received<'_>) -> Result<Verdict, StoreError> {
    let indexes: Vec<String> = received.session_indexes.iter().map(ToString::to_string).collect();
    let row = sqlx::query!(
        r#"select outcome as "outcome!", status, ended as "ended!", queued as "queued!",
                  logout_row as "logout: LogoutId", told as "told!"
             from receive_logout($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"#,
        received.now,
        received.idp.0,
        received.version,
        &received.principal.0[..],
        received.message_id.as_str(),
        &received.digest[..],
        received.issue_instant,
        &indexes,
        received.reason,
        received.bar_until,
        received.idle_since,
        received.unknown_is_success,
        received.handle,
        received.deadline,
        received.resume_until,
        received.endpoint,
        received.binding,
        received.issuer,
        &received.raw_digest[..]
    )
    .fetch_one(conn)
    .await?;
    let corrupt = |column| StoreError::Corrupt { table: "receive_logout", column, row: received.idp.0 };
    let status = match row.status.as_deref() {
        None => None,
        Some(text) => Some(RecordedStatus::parse(text).ok_or_else(|| corrupt("status"))?),
    };
    let logout = || row.logout.ok_or_else(|| corrupt("logout_row"));
    let executed = match row.outcome.as_str() {
        "ended" => ExecutedRow::Ended,
        "already" => ExecutedRow::Already,
        "unseen_index" => ExecutedRow::UnseenIndex,
        "unknown" => ExecutedRow::Unknown,
        "duplicate" => return Ok(Verdict::Duplicate { logout: logout()?, status }),
        "conflict" => return Ok(Verdict::Conflict),
        "stale" => return Ok(Verdict::Stale),
        _ => return Err(corrupt("outcome")),
    };
    Ok(Verdict::Executed {
        row: executed,
        status,
        sessions: row.ended,
        queued: row.queued,
        logout: logout()?,
        told: row.told,
    })
}
