//! What an application is told, in each of the forms. Pure: the same end, key and instant give the same
//! octets, except for signatures that the algorithm randomises (none of ours does).

mod caep;
mod jwt;
mod logout_token;
mod webhook;

use chrono::{DateTime, Utc};

pub use caep::caep;
pub use jwt::TokenKey;
pub use logout_token::logout_token;
pub use webhook::webhook;

/// The end of a session, as one application is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The name of this notification: the same in every try.
    pub id: &'a str,
    /// Who says so: our base URL.
    pub issuer: &'a str,
    /// Who is told: the application's public name.
    pub audience: &'a str,
    /// The name by which the application knows the session.
    pub sid: &'a str,
    /// Whose session it was, where that is known.
    pub subject: Option<&'a str>,
    /// The application's own sessions that are over with it.
    pub participations: &'a [String],
    /// By what it ended.
    pub reason: &'a str,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The instant of this try.
    pub now: DateTime<Utc>,
}

/// Why a notification could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// OpenSSL failed.
    #[error("OpenSSL: {0}")]
    Crypto(#[from] openssl::error::ErrorStack),
    /// A claim cannot be written as JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}
