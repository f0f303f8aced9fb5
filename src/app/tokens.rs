//! Tokens of the API: who is asking, and how much.
//!
//! A token is `signoff_` and 256 random bits in base64url. Only its SHA-256 is stored; with that
//! much randomness nothing slower is needed.

mod limits;

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openssl::sha::sha256;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::app::api::once::{self, Kept, Once};
use crate::app::api::{Halt, Refused};
use crate::app::{App, Fault};
use crate::logout::plan::Trigger;
use crate::store::api_tokens::{self, NewToken, TokenRow};
pub use crate::store::{ApplicationId, TokenId};
use crate::store::{StoreError, applications, audit};
pub(in crate::app) use limits::Limits;

/// What every token begins with, so that a scanner for lost secrets knows one.
const PREFIX: &str = "signoff_";
/// The longest name of a token.
const NAME_LENGTH: usize = 100;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What concerns the sessions in which that application takes part.
    Application(ApplicationId),
    /// Every session and logout; configuration only to read.
    Operator,
    /// Everything.
    Admin,
}

/// Whoever asks, by a good token.
#[derive(Clone)]
pub struct Caller {
    /// The token.
    pub token: TokenId,
    /// What its admin calls it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Made from the token itself, to seal what only its holder may read again.
    seal: [u8; 32],
}

/// Why nobody is asking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A fault of ours, which has been logged.
    #[error("the token could not be looked up (incident {incident})")]
    Failed {
        /// Under this the log knows it.
        incident: String,
    },
    /// No token came along.
    #[error("no bearer token")]
    Missing,
    /// Too many requests of this token, or too many bad tokens from this address.
    #[error("too many requests")]
    TooMany {
        /// When to come again.
        after: Duration,
    },
    /// The token is not one of ours, or is not good any more.
    #[error("not a good token")]
    Unknown,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct WantedToken {
    /// What its admin calls it.
    pub name: String,
    /// `application`, `operator` or `admin`.
    pub role: String,
    /// The slug of the application whose it is; only of role `application`.
    pub application: Option<String>,
    /// From when on it is no good.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token as admins see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TokenView {
    /// Its number.
    pub id: i64,
    /// What its admin calls it.
    pub name: String,
    /// `application`, `operator` or `admin`.
    pub role: String,
    /// The slug of the application whose it is.
    pub application: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is no good.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Whether it is good now.
    pub good: bool,
}

/// A new token, shown this once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewTokenView {
    /// The token: nobody can show it again.
    pub secret: String,
    /// What is known of it.
    pub token: TokenView,
}

impl Role {
    /// The application whose token it is, if it is one's.
    #[must_use]
    pub const fn application(self) -> Option<ApplicationId> {
        match self {
            Self::Application(application) => Some(application),
            Self::Operator | Self::Admin => None,
        }
    }

    /// Who says "over" when a caller of this role does.
    #[must_use]
    pub const fn trigger(self) -> Trigger {
        match self {
            Self::Application(_) => Trigger::Application,
            Self::Operator => Trigger::Operator,
            Self::Admin => Trigger::Admin,
        }
    }
}

impl Caller {
    pub(in crate::app) const fn seal(&self) -> &[u8; 32] {
        &self.seal
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("token", &self.token)
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Who is asking with this token, from this address.
///
/// # Errors
/// [`Denied`].
pub async fn authenticate(app: &App, token: Option<&str>, from: IpAddr) -> Result<Caller, Denied> {
    let now = app.now();
    let limits = &app.0.limits;
    let hash = token.filter(|token| is_token(token)).map(|token| sha256(token.as_bytes()));
    // An address that has tried too much is not even looked up, unless it comes with a token that was
    // good: who shares an address with a guesser is not shut out.
    if let Err(after) = limits.stranger_may_try(from, hash, now) {
        return Err(Denied::TooMany { after });
    }
    let Some(token) = token else {
        limits.note_bad(from, now);
        return Err(Denied::Missing);
    };
    let found = match hash {
        None => None,
        Some(hash) => look_up(app, hash).await.map_err(|fault| Denied::Failed {
            incident: app.fault("looking up a token of the API", &fault),
        })?,
    };
    let (Some(row), Some(hash)) = (found, hash) else {
        limits.note_bad(from, now);
        return Err(Denied::Unknown);
    };
    limits.note_good(hash);
    limits.take(row.id, now).map_err(|after| Denied::TooMany { after })?;
    let failed = |fault| Denied::Failed { incident: app.fault("reading a token of the API", &fault) };
    let role = role_of(&row).map_err(|error| failed(error.into()))?;
    let seal = once::keyed(token.as_bytes(), b"seal").map_err(failed)?;
    Ok(Caller { token: row.id, name: row.name, role, seal })
}

/// Makes a token. It is shown this once.
///
/// # Errors
/// [`Refused::Unprocessable`], [`Refused::Failed`], and those of [`once`].
pub async fn create(
    app: &App,
    by: Option<&Caller>,
    wanted: &WantedToken,
    once: Option<&Once>,
) -> Result<Kept, Refused> {
    app.answering("making a token of the API", async {
        let mut tx = app.begin().await?;
        if let Some(kept) = once::claim(app, &mut tx, once).await? {
            return Ok(kept);
        }
        let made = make(app, &mut tx, by, wanted).await?;
        let location = format!("/api/v1/tokens/{}", made.token.id);
        let answer = once::keep(app, &mut tx, once, Kept::new(201, Some(location), &made)?).await?;
        tx.commit().await?;
        Ok(answer)
    })
    .await
}

/// The same for the command line.
///
/// # Errors
/// [`Refused::Unprocessable`], [`Refused::Failed`].
pub async fn create_by_command(app: &App, wanted: &WantedToken) -> Result<NewTokenView, Refused> {
    app.answering("making a token of the API", async {
        let mut tx = app.begin().await?;
        let made = make(app, &mut tx, None, wanted).await?;
        tx.commit().await?;
        Ok(made)
    })
    .await
}

/// Tokens in the order in which they were made, from after `after`, good or not.
///
/// # Errors
/// [`Refused::Failed`].
pub async fn list(app: &App, after: i64, limit: u32) -> Result<Vec<TokenView>, Refused> {
    app.answering("listing tokens of the API", async {
        let mut conn = app.connection().await?;
        let rows = api_tokens::list(&mut conn, after, i64::from(limit)).await?;
        Ok(rows.into_iter().map(|row| view(row, app.now())).collect())
    })
    .await
}

/// Revokes a token, for good, on every node at once.
///
/// # Errors
/// [`Refused::NotFound`], [`Refused::Failed`].
pub async fn revoke(app: &App, by: Option<&Caller>, id: i64) -> Result<(), Refused> {
    app.answering("revoking a token of the API", async {
        let mut tx = app.begin().await?;
        let now = app.now();
        if api_tokens::revoke(&mut tx, TokenId(id), now).await?.ok_or(Refused::NotFound)? {
            let what = format!("revoked token {id}");
            let entry = app.changed_by(by.map(|by| by.token), "/api/v1/tokens/{id}", &what);
            audit::add(&mut tx, &entry).await?;
        }
        tx.commit().await?;
        Ok(())
    })
    .await
}

async fn look_up(app: &App, hash: [u8; 32]) -> Result<Option<TokenRow>, Fault> {
    app.patiently(async {
        let mut conn = app.connection().await?;
        Ok(api_tokens::good(&mut conn, hash, app.now()).await?)
    })
    .await
}

async fn make(
    app: &App,
    conn: &mut PgConnection,
    by: Option<&Caller>,
    wanted: &WantedToken,
) -> Result<NewTokenView, Halt> {
    let now = app.now();
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > NAME_LENGTH || name.chars().any(char::is_control) {
        return Err(Refused::unprocessable("name", "expected 1 to 100 characters on one line").into());
    }
    if wanted.expires_at.is_some_and(|at| at <= now) {
        return Err(Refused::unprocessable("expires_at", "expected an instant that lies ahead").into());
    }
    let application = application_of(conn, wanted).await?;
    let secret = format!("{PREFIX}{}", app.0.entropy.token_256()?);
    let new = NewToken {
        name,
        role: &wanted.role,
        application,
        hash: sha256(secret.as_bytes()),
        expires_at: wanted.expires_at,
    };
    let id = api_tokens::create(conn, &new, now).await?;
    let what = format!("made token {id} of role {}", wanted.role);
    audit::add(conn, &app.changed_by(by.map(|by| by.token), "/api/v1/tokens", &what)).await?;
    let token = TokenView {
        id: id.0,
        name: name.to_owned(),
        role: wanted.role.clone(),
        application: wanted.application.clone(),
        created_at: now,
        expires_at: wanted.expires_at,
        revoked_at: None,
        good: true,
    };
    Ok(NewTokenView { secret, token })
}

/// The application that goes with the wanted role.
async fn application_of(
    conn: &mut PgConnection,
    wanted: &WantedToken,
) -> Result<Option<ApplicationId>, Halt> {
    match (wanted.role.as_str(), &wanted.application) {
        ("application", Some(slug)) => {
            let found = applications::by_slug(conn, slug).await?;
            let unknown = || Refused::unprocessable("application", "there is no application of that name");
            Ok(Some(found.ok_or_else(unknown)?.id))
        }
        ("application", None) => {
            Err(Refused::unprocessable("application", "a token of role application is one application's")
                .into())
        }
        ("operator" | "admin", None) => Ok(None),
        ("operator" | "admin", Some(_)) => {
            Err(Refused::unprocessable("application", "only a token of role application is one's").into())
        }
        _ => Err(Refused::unprocessable("role", "expected application, operator or admin").into()),
    }
}

fn role_of(row: &TokenRow) -> Result<Role, StoreError> {
    match (row.role.as_str(), row.application) {
        ("application", Some(application)) => Ok(Role::Application(application)),
        ("operator", None) => Ok(Role::Operator),
        ("admin", None) => Ok(Role::Admin),
        _ => Err(StoreError::Corrupt { table: "api_token", column: "role", row: row.id.0 }),
    }
}

fn view(row: TokenRow, now: DateTime<Utc>) -> TokenView {
    TokenView {
        id: row.id.0,
        good: row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > now),
        name: row.name,
        role: row.role,
        application: row.slug,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    }
}

fn is_token(text: &str) -> bool {
    let random = text.strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
    random.is_some_and(|octets| octets.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_prefix_and_256_bits() {
        let good = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([7; 32]));
        assert!(is_token(&good));
        for wrong in
            ["", PREFIX, &good[8..], &good[..50], &format!("{good}A"), &good.replace("signoff", "Signoff")]
        {
            assert!(!is_token(wrong), "{wrong}");
        }
    }
}
