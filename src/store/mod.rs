//! Every SQL statement, as plain functions on a connection; one file per table family.
//!
//! The caller owns the transaction, and every instant is a parameter. Locks are taken in one order
//! everywhere: what is of an OpenID provider (a sid before a sub), principals by id, then sessions by id,
//! then a logout.

pub mod api_tokens;
pub mod application_sessions;
pub mod applications;
pub mod assertions;
pub mod audit;
pub mod bars;
pub mod feed;
pub mod idempotency;
pub mod identity_providers;
pub mod legs;
pub mod logouts;
pub mod notifications;
pub mod oidc;
pub mod oidc_sign_ins;
pub mod oidc_sign_outs;
pub mod open_requests;
pub mod outbox;
pub mod participations;
pub mod principals;
pub mod receive_logout;
pub mod retention;
pub mod secrets;
pub mod session_search;
pub mod sessions;
pub mod sweeps;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer, or not with what was asked.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database took too long.
    #[error("the database did not answer in time")]
    Late,
    /// A row holds what no statement of ours writes.
    #[error("{table}.{column} of row {row} holds what it must not")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: i64,
    },
}

impl StoreError {
    /// Whether the connection was lost before an answer came, so that the same statement may be
    /// tried once more where it is safe to repeat.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Io(_)) => true,
            // Class 57P: the server is being shut down or the session was terminated.
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| code.starts_with("57P"))
            }
            _ => false,
        }
    }
}

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// The id of an `identity_provider` row.
    IdpId
}
row_id! {
    /// The id of a `principal` row.
    PrincipalId
}
row_id! {
    /// The id of a `session` row.
    SessionId
}
row_id! {
    /// The id of a `logout` row.
    LogoutId
}
row_id! {
    /// The id of an `application` row.
    ApplicationId
}
row_id! {
    /// The id of a `notification` row.
    NotificationId
}
row_id! {
    /// The id of a `logout_sweep` row.
    SweepId
}
row_id! {
    /// The id of an `api_token` row.
    TokenId
}
