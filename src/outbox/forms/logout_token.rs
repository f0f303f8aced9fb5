//! OpenID Connect Back-Channel Logout 1.0.

use serde_json::json;

use super::{Ended, FormError, TokenKey};
use crate::outbox::notify::Notice;

/// The event (2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long a token is good: it is used at once, and signed anew for the next try (2.4).
const GOOD_FOR: i64 = 120;

/// The form that carries the token (2.5).
///
/// It has `sid` always and `sub` where we know it, and no `nonce` (2.4): it cannot be taken for an ID
/// token.
///
/// # Errors
/// [`FormError`].
pub fn logout_token(ended: &Ended<'_>, key: &TokenKey, token_type: &str) -> Result<Notice, FormError> {
    let issued = ended.now.timestamp();
    let mut claims = json!({
        "iss": ended.issuer,
        "aud": ended.audience,
        "iat": issued,
        "exp": issued + GOOD_FOR,
        "jti": ended.id,
        "events": { EVENT: {} },
        "sid": ended.sid,
    });
    if let (Some(subject), Some(claims)) = (ended.subject, claims.as_object_mut()) {
        claims.insert(String::from("sub"), subject.into());
    }
    let token = key.sign(token_type, &claims)?;
    // A compact JWT has only characters that a form carries as they are.
    Ok(Notice {
        content_type: "application/x-www-form-urlencoded",
        headers: Vec::new(),
        body: format!("logout_token={token}"),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use chrono::DateTime;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;
    use serde_json::Value;

    use super::*;

    fn part(token: &str, index: usize) -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn obc_2_4_a_logout_token_has_its_claims_and_no_nonce() {
        let key = TokenKey::new(PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(), "k1".into());
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let ended = Ended {
            id: "n1",
            issuer: "https://signoff.example",
            audience: "shop",
            sid: "s1",
            subject: Some("p1"),
            participations: &[],
            reason: "idp",
            ended_at: now,
            now,
        };
        let notice = logout_token(&ended, &key, "logout+jwt").unwrap();
        let token = notice.body.strip_prefix("logout_token=").unwrap();
        assert_eq!(part(token, 0), json!({"alg": "RS256", "typ": "logout+jwt", "kid": "k1"}));
        assert_eq!(
            part(token, 1),
            json!({
                "iss": "https://signoff.example", "aud": "shop", "iat": 1_790_000_000, "exp": 1_790_000_120,
                "jti": "n1", "sid": "s1", "sub": "p1",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            })
        );
        let nameless = logout_token(&Ended { subject: None, ..ended }, &key, "JWT").unwrap();
        let token = nameless.body.strip_prefix("logout_token=").unwrap();
        assert_eq!(part(token, 0)["typ"], "JWT");
        assert!(part(token, 1).get("sub").is_none());
    }
}
