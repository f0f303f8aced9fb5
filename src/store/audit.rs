//! What arrived and what became of it (VAL-23).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::StoreError;

/// One line of the audit.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When; for counted refusals, when the first of them came.
    pub at: DateTime<Utc>,
    /// Where it arrived, or what of ours it was.
    pub endpoint: &'static str,
    /// Over which binding.
    pub binding: Option<&'static str>,
    /// The issuer: claimed where it was refused.
    pub issuer: Option<String>,
    /// The message's ID; of the first, where several are counted.
    pub message_id: Option<String>,
    /// The digest of the octets as they arrived.
    pub digest: Option<[u8; 32]>,
    /// What became of it.
    pub verdict: Verdict,
    /// The rule that was broken, or the row of the status table.
    pub rule: &'static str,
    /// How many sessions it ended or opened.
    pub sessions: i32,
    /// How many of a kind this line stands for.
    pub count: i64,
    /// The client's address, for refusals.
    pub source: Option<String>,
    /// Words for operators, without names of persons.
    pub detail: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was acted upon.
    Accepted,
    /// It had been acted upon before.
    Duplicate,
    /// It was not acted upon.
    Refused,
    /// It was not a message, but an act of our own.
    Ours,
    /// It was acted upon, though the second engine did not confirm it.
    Doubted,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Ours => "ours",
            Self::Doubted => "doubted",
        }
    }
}

/// Adds one line, in the transaction of what it tells about.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn add(conn: &mut PgConnection, entry: &Entry) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (at, endpoint, binding, issuer, message_id, digest, verdict, rule, sessions, count, source,
                            detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        entry.at,
        entry.endpoint,
        entry.binding,
        entry.issuer.as_deref(),
        entry.message_id.as_deref(),
        entry.digest.as_ref().map(|digest| &digest[..]),
        entry.verdict.as_str(),
        entry.rule,
        entry.sessions,
        entry.count,
        entry.source.as_deref(),
        entry.detail.as_deref()
    )
    .execute(conn)
    .await?;
    Ok(())
}
