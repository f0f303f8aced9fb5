//! An ID token, judged (OpenID Connect Core 3.1.3.7).

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Registered;
use super::jwt::{Claims, Jwks, JwtRefusal, Unverified};
use super::logout_token::EVENT;

/// The most characters of an identifier (Core 2: `sub` has at most 255).
const LONGEST: usize = 255;

/// What a good ID token says. Only [`IdToken::open`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdToken {
    /// Who it is, there.
    pub subject: String,
    /// Which session it is, there; some providers do not say.
    pub sid: Option<String>,
    /// When the person was authenticated there; if it does not say, when it was issued.
    pub auth_time: DateTime<Utc>,
    /// When it was issued, by the provider's clock.
    pub issued_at: DateTime<Utc>,
}

/// Why an ID token signs nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenRefusal {
    /// For somebody else.
    #[error("the ID token is not for us")]
    Audience,
    /// Its time is up.
    #[error("the ID token has expired")]
    Expired,
    /// Issued in the future.
    #[error("the ID token was issued in the future")]
    Future,
    /// From somebody else.
    #[error("the ID token is of another issuer")]
    Issuer,
    /// Not believable by itself.
    #[error("the ID token is refused: {0}")]
    Jwt(#[from] JwtRefusal),
    /// A logout token in an ID token's place (OIDC-06).
    #[error("it is a logout token, not an ID token")]
    LogoutToken,
    /// A claim that has to be there is not, or is not what it has to be.
    #[error("the ID token's {0} is missing or malformed")]
    Malformed(&'static str),
    /// Not the answer to this sign-in.
    #[error("the ID token answers another sign-in")]
    Nonce,
}

impl IdTokenRefusal {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Jwt(_) => "OIDC-02",
            Self::LogoutToken => "OIDC-06",
            Self::Audience | Self::Expired | Self::Future | Self::Issuer | Self::Malformed(_) => "OIDC-03",
            Self::Nonce => "SSO-11",
        }
    }
}

impl IdToken {
    /// Verifies and judges an ID token that is to answer the sign-in with that `nonce`.
    ///
    /// # Errors
    /// [`IdTokenRefusal`].
    pub fn open(
        token: &str,
        registered: &Registered<'_>,
        keys: &Jwks,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<Self, IdTokenRefusal> {
        let unverified = Unverified::read(token)?;
        if unverified.typ().as_deref() == Some("logout+jwt") {
            return Err(IdTokenRefusal::LogoutToken);
        }
        let claims = unverified.verify(keys, registered.algorithm)?;
        if claims.value("events").and_then(Value::as_object).is_some_and(|events| events.contains_key(EVENT))
        {
            return Err(IdTokenRefusal::LogoutToken);
        }
        if claims.text("iss") != Some(registered.issuer) {
            return Err(IdTokenRefusal::Issuer);
        }
        // Core 3.1.3.7, steps 3 to 5: if it is for others too, it says that we asked for it.
        let authorized = match claims.value("azp") {
            None => !claims.has_other_audiences(),
            Some(party) => party.as_str() == Some(registered.client_id),
        };
        if !claims.has_audience(registered.client_id) || !authorized {
            return Err(IdTokenRefusal::Audience);
        }
        let issued_at = judge_time(&claims, registered, now)?;
        if claims.text("nonce") != Some(nonce) {
            return Err(IdTokenRefusal::Nonce);
        }
        Self::read(&claims, issued_at)
    }

    fn read(claims: &Claims, issued_at: DateTime<Utc>) -> Result<Self, IdTokenRefusal> {
        let malformed = IdTokenRefusal::Malformed;
        let subject = claims.text("sub").and_then(identifier).ok_or(malformed("sub"))?;
        let sid = match claims.value("sid") {
            None => None,
            Some(sid) => Some(sid.as_str().and_then(identifier).ok_or(malformed("sid"))?),
        };
        let auth_time = match claims.value("auth_time") {
            None => issued_at,
            Some(_) => claims.instant("auth_time").ok_or(malformed("auth_time"))?,
        };
        Ok(Self { subject, sid, auth_time, issued_at })
    }
}

/// Core 3.1.3.7, steps 9 and 10; gives `iat`.
fn judge_time(
    claims: &Claims,
    registered: &Registered<'_>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, IdTokenRefusal> {
    let expires = claims.instant("exp").ok_or(IdTokenRefusal::Malformed("exp"))?;
    let issued_at = claims.instant("iat").ok_or(IdTokenRefusal::Malformed("iat"))?;
    if expires + registered.skew <= now {
        return Err(IdTokenRefusal::Expired);
    }
    if issued_at > now + registered.skew {
        return Err(IdTokenRefusal::Future);
    }
    Ok(issued_at)
}

/// A `sub` or `sid` as it may be stored and compared.
pub(super) fn identifier(text: &str) -> Option<String> {
    let good = !text.is_empty() && text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}
