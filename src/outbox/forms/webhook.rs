//! Webhooks, signed by the Standard Webhooks scheme: `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`, an HMAC over the three parts that a receiver has anyway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::json;

use super::{Ended, FormError};
use crate::outbox::notify::Notice;

/// The body and its three headers. `secret` is what stands in base64 after `whsec_`.
///
/// # Errors
/// [`FormError`].
pub fn webhook(ended: &Ended<'_>, secret: &[u8]) -> Result<Notice, FormError> {
    let body = serde_json::to_string(&json!({
        "type": "session.ended",
        "timestamp": ended.ended_at,
        "data": {
            "issuer": ended.issuer,
            "application": ended.audience,
            "session_id": ended.sid,
            "subject": ended.subject,
            "participations": ended.participations,
            "reason": ended.reason,
            "ended_at": ended.ended_at,
        },
    }))?;
    let id = format!("msg_{}", ended.id);
    let timestamp = ended.now.timestamp().to_string();
    let key = PKey::hmac(secret)?;
    let mut hmac = Signer::new(MessageDigest::sha256(), &key)?;
    for part in [&id, ".", &timestamp, ".", &body] {
        hmac.update(part.as_bytes())?;
    }
    let signature = format!("v1,{}", STANDARD.encode(hmac.sign_to_vec()?));
    Ok(Notice {
        content_type: "application/json",
        headers: vec![("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)],
        body,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use chrono::DateTime;

    use super::*;

    #[test]
    fn the_signature_is_that_of_the_scheme() {
        let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let ended = Ended {
            id: "n1",
            issuer: "https://signoff.example",
            audience: "shop",
            sid: "s1",
            subject: None,
            participations: &[String::from("p1")],
            reason: "idp",
            ended_at: at,
            now: at + chrono::TimeDelta::seconds(60),
        };
        let notice = webhook(&ended, b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(notice.headers[0], ("webhook-id", "msg_n1".into()));
        assert_eq!(notice.headers[1], ("webhook-timestamp", "1790000060".into()));
        assert!(notice.headers[2].1.starts_with("v1,"));
        let body: serde_json::Value = serde_json::from_str(&notice.body).unwrap();
        assert_eq!(body["type"], "session.ended");
        assert_eq!(body["data"]["session_id"], "s1");
        assert_eq!(body["data"]["participations"], json!(["p1"]));
        // The same end at a later try: the same name and body, another signature.
        let later = webhook(&Ended { now: at, ..ended }, b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!((&later.body, &later.headers[0]), (&notice.body, &notice.headers[0]));
        assert_ne!(later.headers[2], notice.headers[2]);
        let other = webhook(&ended, b"another secret of our own making").unwrap();
        assert_ne!(other.headers[2], notice.headers[2]);
    }
}
