//! The stories behind the API: who may do what, once.
//!
//! Whoever asks is a [`Caller`](crate::app::tokens::Caller). What a caller may not see is
//! [`Refused::NotFound`], whether it exists or not.

pub mod applications;
pub mod deliveries;
pub mod identity_providers;
pub mod logouts;
pub mod once;
pub mod sessions;

use crate::app::{App, DATABASE_PATIENCE, Fault};
use crate::entropy::EntropyError;
use crate::store::{StoreError, TokenId, audit};

/// Why a request to the API was not done. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// A fault of ours, which has been logged.
    #[error("a fault of ours (incident {incident})")]
    Failed {
        /// Under this the log knows it.
        incident: String,
    },
    /// The caller sees what it is about, but may not do that.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The same idempotency key is being worked on.
    #[error("a request with this idempotency key is being worked on")]
    InFlight,
    /// The idempotency key came with another body before.
    #[error("this idempotency key was used with another body")]
    KeyReused,
    /// There is nothing of that name, or nothing that this caller may see.
    #[error("there is nothing here that this token may see")]
    NotFound,
    /// What was sent cannot be used.
    #[error("{field}: {reason}")]
    Unprocessable {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// What stops a story: a refusal, or a fault of ours that has yet to be logged.
#[derive(Debug)]
pub(in crate::app) enum Halt {
    Refused(Refused),
    Fault(Fault),
}

impl Refused {
    pub(in crate::app) fn unprocessable(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Unprocessable { field, reason: reason.into() }
    }
}

impl From<Refused> for Halt {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<EntropyError> for Halt {
    fn from(error: EntropyError) -> Self {
        Self::Fault(error.into())
    }
}

impl App {
    /// Tells a story that must not take for ever, and logs what is our fault.
    pub(in crate::app) async fn answering<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, Halt>>,
    ) -> Result<T, Refused> {
        let done = match tokio::time::timeout(DATABASE_PATIENCE * 2, work).await {
            Ok(done) => done,
            Err(_) => Err(Halt::Fault(StoreError::Late.into())),
        };
        done.map_err(|halt| match halt {
            Halt::Refused(refused) => refused,
            Halt::Fault(fault) => Refused::Failed { incident: self.fault(doing, &fault) },
        })
    }

    /// The audit's line for something that a caller changed.
    pub(in crate::app) fn changed_by(
        &self,
        token: Option<TokenId>,
        endpoint: &'static str,
        what: &str,
    ) -> audit::Entry {
        audit::Entry {
            at: self.now(),
            endpoint,
            binding: None,
            issuer: None,
            message_id: None,
            digest: None,
            verdict: audit::Verdict::Ours,
            rule: "API-WRITE",
            sessions: 0,
            count: 1,
            source: None,
            detail: Some(match token {
                Some(token) => format!("token {token}: {what}"),
                None => format!("command: {what}"),
            }),
        }
    }
}
