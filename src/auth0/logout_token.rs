//! A logout token, judged (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6).
//!
//! 1. The header's `typ` is `logout+jwt`, `JWT` as Auth0 writes it, or absent (OIDC-07).
//! 2. The signature is the provider's, under the registered algorithm (OIDC-02).
//! 3. `iss`, `aud`, `iat`, `exp` (OIDC-03).
//! 4. `sub` or `sid`, or both (OIDC-04).
//! 5. `events` is an object with the one member that matters (OIDC-05).
//! 6. There is no `nonce`: an ID token has one (OIDC-06).
//! 7. `jti`, so that it is acted upon once (OIDC-07).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::Registered;
use super::id_token::identifier;
use super::jwt::{Claims, Jwks, JwtRefusal, Unverified};

/// The member of `events` that makes a token a logout token.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old one may be by its `iat`, whatever its `exp` says (OIDC-03).
pub const MAX_AGE: TimeDelta = TimeDelta::minutes(2);
/// The most octets of a `jti`.
const LONGEST_JTI: usize = 1024;

/// What a good logout token says. Only [`LogoutToken::open`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// Whose sessions are over.
    pub target: Target,
    /// Its name.
    pub jti: String,
    /// When it was issued, by the provider's clock.
    pub issued_at: DateTime<Utc>,
    /// From when on it would be refused as too old: until then its name has to be remembered.
    pub remember_until: DateTime<Utc>,
}

/// Which sessions are meant (Back-Channel Logout 2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This session, of this person if that is said too.
    Session {
        /// The session's name there.
        sid: String,
        /// The person's name there.
        subject: Option<String>,
    },
    /// All sessions of this person.
    Subject(String),
}

/// Why a logout token ends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenRefusal {
    /// For somebody else.
    #[error("the logout token is not for us")]
    Audience,
    /// No `events`, or without the one that matters.
    #[error("the logout token does not say that it is one")]
    Events,
    /// Its time is up.
    #[error("the logout token has expired or is too old")]
    Expired,
    /// Issued in the future.
    #[error("the logout token was issued in the future")]
    Future,
    /// From somebody else.
    #[error("the logout token is of another issuer")]
    Issuer,
    /// Not believable by itself.
    #[error("the logout token is refused: {0}")]
    Jwt(#[from] JwtRefusal),
    /// A claim that has to be there is not, or is not what it has to be.
    #[error("the logout token's {0} is missing or malformed")]
    Malformed(&'static str),
    /// It has a nonce.
    #[error("it is an ID token: it has a nonce")]
    Nonce,
    /// Neither `sub` nor `sid`, or one of them malformed.
    #[error("the logout token names neither a person nor a session properly")]
    Target,
    /// The header says that it is something else.
    #[error("the logout token's typ is another")]
    Typ,
}

impl LogoutTokenRefusal {
    /// The rule that was broken.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Jwt(_) => "OIDC-02",
            Self::Target => "OIDC-04",
            Self::Events => "OIDC-05",
            Self::Nonce => "OIDC-06",
            Self::Typ | Self::Malformed("jti") => "OIDC-07",
            Self::Audience | Self::Expired | Self::Future | Self::Issuer | Self::Malformed(_) => "OIDC-03",
        }
    }
}

impl LogoutToken {
    /// Verifies and judges a logout token.
    ///
    /// # Errors
    /// [`LogoutTokenRefusal`].
    pub fn open(
        unverified: &Unverified<'_>,
        registered: &Registered<'_>,
        keys: &Jwks,
        now: DateTime<Utc>,
    ) -> Result<Self, LogoutTokenRefusal> {
        if unverified.typ().is_some_and(|typ| typ != "logout+jwt" && typ != "jwt") {
            return Err(LogoutTokenRefusal::Typ);
        }
        let claims = unverified.verify(keys, registered.algorithm)?;
        if claims.text("iss") != Some(registered.issuer) {
            return Err(LogoutTokenRefusal::Issuer);
        }
        if !claims.has_audience(registered.client_id) {
            return Err(LogoutTokenRefusal::Audience);
        }
        let (issued_at, ends) = judge_time(&claims, registered, now)?;
        let target = target(&claims)?;
        let events = claims.value("events").and_then(Value::as_object);
        if !events.is_some_and(|events| events.contains_key(EVENT)) {
            return Err(LogoutTokenRefusal::Events);
        }
        if claims.value("nonce").is_some() {
            return Err(LogoutTokenRefusal::Nonce);
        }
        let jti = claims.text("jti").filter(|jti| !jti.is_empty() && jti.len() <= LONGEST_JTI);
        let jti = jti.ok_or(LogoutTokenRefusal::Malformed("jti"))?.to_owned();
        // A node whose clock is behind ours by the skew must find it remembered, too.
        Ok(Self { target, jti, issued_at, remember_until: ends + registered.skew })
    }
}

/// When it was issued, and from when on it is too old.
fn judge_time(
    claims: &Claims,
    registered: &Registered<'_>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), LogoutTokenRefusal> {
    let issued_at = claims.instant("iat").ok_or(LogoutTokenRefusal::Malformed("iat"))?;
    let expires = claims.instant("exp").ok_or(LogoutTokenRefusal::Malformed("exp"))?;
    let ends = expires.min(issued_at + MAX_AGE) + registered.skew;
    if ends <= now {
        return Err(LogoutTokenRefusal::Expired);
    }
    if issued_at > now + registered.skew {
        return Err(LogoutTokenRefusal::Future);
    }
    Ok((issued_at, ends))
}

fn target(claims: &Claims) -> Result<Target, LogoutTokenRefusal> {
    let named = |name: &str| match claims.value(name) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(identifier) {
            Some(text) => Ok(Some(text)),
            None => Err(LogoutTokenRefusal::Target),
        },
    };
    match (named("sid")?, named("sub")?) {
        (Some(sid), subject) => Ok(Target::Session { sid, subject }),
        (None, Some(subject)) => Ok(Target::Subject(subject)),
        (None, None) => Err(LogoutTokenRefusal::Target),
    }
}
