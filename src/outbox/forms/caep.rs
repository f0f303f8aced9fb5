//! The CAEP event `session-revoked`, as a security event token (RFC 8417) pushed by RFC 8935.

use serde_json::json;

use super::{Ended, FormError, TokenKey};
use crate::outbox::notify::Notice;

/// The event (CAEP 1.0, 3.1).
const EVENT: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// The security event token as the body of a push (RFC 8935, 2.1). It has no `exp` and no `sub`: neither
/// is for such tokens (RFC 8417, 2.2; RFC 9493); whom it is about stands in `sub_id`.
///
/// # Errors
/// [`FormError`].
pub fn caep(ended: &Ended<'_>, key: &TokenKey) -> Result<Notice, FormError> {
    let session = json!({ "format": "opaque", "id": ended.sid });
    let about = match ended.subject {
        Some(subject) => json!({
            "format": "complex",
            "session": session,
            "user": { "format": "iss_sub", "iss": ended.issuer, "sub": subject },
        }),
        None => session,
    };
    let claims = json!({
        "iss": ended.issuer,
        "aud": ended.audience,
        "iat": ended.now.timestamp(),
        "jti": ended.id,
        "sub_id": about,
        "events": {
            EVENT: {
                "event_timestamp": ended.ended_at.timestamp(),
                "initiating_entity": initiating_entity(ended.reason),
                "reason_admin": { "en": ended.reason },
            },
        },
    });
    Ok(Notice {
        content_type: "application/secevent+jwt",
        headers: Vec::new(),
        body: key.sign("secevent+jwt", &claims)?,
    })
}

/// Who began it, in the event's words (CAEP 1.0, 2).
fn initiating_entity(reason: &str) -> &'static str {
    match reason {
        "person" | "application" | "replaced" => "user",
        "admin" | "operator" => "admin",
        "expired" => "policy",
        _ => "system",
    }
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

    #[test]
    fn rfc_8417_the_token_names_the_session_and_never_expires() {
        let key = TokenKey::new(PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(), "k1".into());
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let ended = Ended {
            id: "n1",
            issuer: "https://signoff.example",
            audience: "shop",
            sid: "s1",
            subject: Some("p1"),
            participations: &[],
            reason: "admin",
            ended_at: now - chrono::TimeDelta::seconds(9),
            now,
        };
        let notice = caep(&ended, &key).unwrap();
        assert_eq!(notice.content_type, "application/secevent+jwt");
        let parts: Vec<Value> = notice
            .body
            .split('.')
            .take(2)
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0]["typ"], "secevent+jwt");
        let claims = &parts[1];
        assert!(claims.get("exp").is_none() && claims.get("sub").is_none());
        assert_eq!(claims["sub_id"]["session"], json!({"format": "opaque", "id": "s1"}));
        assert_eq!(claims["sub_id"]["user"]["sub"], "p1");
        let event = &claims["events"][EVENT];
        assert_eq!(event["event_timestamp"], 1_789_999_991);
        assert_eq!(event["initiating_entity"], "admin");
        let nameless = caep(&Ended { subject: None, ..ended }, &key).unwrap();
        let claims = nameless.body.split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["sub_id"], json!({"format": "opaque", "id": "s1"}));
    }
}
