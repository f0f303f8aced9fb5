//! What Signoff tells an application, checked before it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};
use serde_json::Value;

/// The event of a logout token (Back-Channel Logout 1.0, 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far a webhook's time may be from ours, in seconds.
const TOLERANCE: i64 = 300;

/// How one of the two applications is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// By logout token, for this audience.
    LogoutToken {
        /// The application's ID.
        audience: String,
    },
    /// By webhook, signed with this secret.
    Webhook {
        /// What stands behind `whsec_`, decoded.
        secret: Vec<u8>,
    },
}

/// The three headers of a webhook.
pub struct Envelope<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

impl Told {
    /// The secret of a webhook, as it is shown once.
    #[must_use]
    pub fn by_webhook(secret: &str) -> Option<Self> {
        let secret = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
        Some(Self::Webhook { secret })
    }

    /// In words.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LogoutToken { .. } => "logout token",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// The `sid` of a logout token that one of these keys has signed for us (2.6); none if it is anything
/// else.
#[must_use]
pub fn logout_token(token: &str, keys: &Value, issuer: &str, audience: &str, now: i64) -> Option<String> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let (header, claims) = (part(header)?, part(claims)?);
    let is =
        |value: &Value, name: &str, expected: &str| value.get(name).and_then(Value::as_str) == Some(expected);
    if !is(&header, "alg", "RS256") || !is(&header, "typ", "logout+jwt") {
        return None;
    }
    let kid = header.get("kid")?;
    let key = keys.get("keys")?.as_array()?.iter().find(|key| key.get("kid") == Some(kid))?;
    let number = |name| BigNum::from_slice(&URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok()?).ok();
    let key = PKey::from_rsa(Rsa::from_public_components(number("n")?, number("e")?).ok()?).ok()?;
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).ok()?;
    let good = verifier.verify_oneshot(&URL_SAFE_NO_PAD.decode(signature).ok()?, signed.as_bytes()).ok()?;
    let ours = is(&claims, "iss", issuer) && is(&claims, "aud", audience);
    let fresh = claims.get("exp")?.as_i64()? > now;
    let meant = claims.pointer("/events")?.get(EVENT)?.is_object() && claims.get("nonce").is_none();
    (good && ours && fresh && meant).then(|| claims.get("sid")?.as_str().map(str::to_owned))?
}

/// The session of a webhook that was signed with our secret; none if it is anything else.
#[must_use]
pub fn webhook(body: &[u8], envelope: &Envelope<'_>, secret: &[u8], now: i64) -> Option<String> {
    let sent: i64 = envelope.timestamp.parse().ok()?;
    if (sent - now).abs() > TOLERANCE {
        return None;
    }
    let key = PKey::hmac(secret).ok()?;
    let mut hmac = Signer::new(MessageDigest::sha256(), &key).ok()?;
    for octets in [envelope.id.as_bytes(), b".", envelope.timestamp.as_bytes(), b".", body] {
        hmac.update(octets).ok()?;
    }
    let expected = format!("v1,{}", STANDARD.encode(hmac.sign_to_vec().ok()?));
    let good = envelope.signature.split(' ').any(|signature| {
        signature.len() == expected.len() && openssl::memcmp::eq(signature.as_bytes(), expected.as_bytes())
    });
    let body: Value = serde_json::from_slice(body).ok()?;
    let meant = body.get("type").and_then(Value::as_str) == Some("session.ended");
    (good && meant).then(|| body.pointer("/data/session_id")?.as_str().map(str::to_owned))?
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_790_000_000;

    fn token(key: &PKey<openssl::pkey::Private>, header: &Value, claims: &Value) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
        let signature = signer.sign_oneshot_to_vec(text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn obc_2_6_a_logout_token_is_believed_only_if_all_of_it_holds() {
        let rsa = Rsa::generate(2048).unwrap();
        let number = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
        let keys = json!({ "keys": [{ "kid": "k", "n": number(rsa.n()), "e": number(rsa.e()) }] });
        let key = PKey::from_rsa(rsa).unwrap();
        let header = json!({ "alg": "RS256", "typ": "logout+jwt", "kid": "k" });
        let claims = json!({ "iss": "i", "aud": "a", "exp": NOW + 120, "sid": "s", "events": { EVENT: {} } });
        let read = |token: &str| logout_token(token, &keys, "i", "a", NOW);
        assert_eq!(read(&token(&key, &header, &claims)).as_deref(), Some("s"));
        let other = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        assert_eq!(read(&token(&other, &header, &claims)), None, "another key");
        for (name, value) in [
            ("iss", json!("x")),
            ("aud", json!("x")),
            ("exp", json!(NOW)),
            ("events", json!({})),
            ("nonce", json!("n")),
        ] {
            let mut wrong = claims.clone();
            wrong.as_object_mut().unwrap().insert(name.to_owned(), value);
            assert_eq!(read(&token(&key, &header, &wrong)), None, "{name}");
        }
        for (name, value) in [("alg", "none"), ("typ", "JWT"), ("kid", "x")] {
            let mut wrong = header.clone();
            wrong.as_object_mut().unwrap().insert(name.to_owned(), value.into());
            assert_eq!(read(&token(&key, &wrong, &claims)), None, "{name}");
        }
    }

    #[test]
    fn a_webhook_is_believed_only_with_its_signature_and_in_time() {
        let body = json!({ "type": "session.ended", "data": { "session_id": "s" } }).to_string();
        let secret = [7; 32];
        let mut hmac = Signer::new(MessageDigest::sha256(), &PKey::hmac(&secret).unwrap()).unwrap();
        hmac.update(format!("id.{NOW}.{body}").as_bytes()).unwrap();
        let signature = format!("v1,{}", STANDARD.encode(hmac.sign_to_vec().unwrap()));
        let timestamp = NOW.to_string();
        let envelope = |id, signature| Envelope { id, timestamp: &timestamp, signature };
        let good = format!("v1,AAAA {signature}");
        assert_eq!(webhook(body.as_bytes(), &envelope("id", &good), &secret, NOW).as_deref(), Some("s"));
        for (id, signature, now) in
            [("x", good.as_str(), NOW), ("id", "v1,", NOW), ("id", good.as_str(), NOW + 400)]
        {
            assert_eq!(webhook(body.as_bytes(), &envelope(id, signature), &secret, now), None);
        }
        let other = body.replace("\"s\"", "\"t\"");
        assert_eq!(webhook(other.as_bytes(), &envelope("id", &good), &secret, NOW), None);
    }
}
