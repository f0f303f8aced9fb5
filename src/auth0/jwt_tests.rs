//! Tokens signed with openssl alone, and what is taken of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use chrono::TimeDelta;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::json;

use super::*;
use crate::auth0::Registered;
use crate::auth0::id_token::{IdToken, IdTokenRefusal};
use crate::auth0::logout_token::{EVENT, LogoutToken, LogoutTokenRefusal, Target};

static RSA: LazyLock<PKey<Private>> = LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
static OTHER: LazyLock<PKey<Private>> =
    LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
static EC: LazyLock<EcKey<Private>> =
    LazyLock::new(|| EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap());

const ISSUER: &str = "https://op.example/";
const NONCE: &str = "n-1";

fn b64(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

fn rsa_jwk(key: &PKey<Private>, kid: &str) -> Value {
    let rsa = key.rsa().unwrap();
    json!({"kty": "RSA", "kid": kid, "use": "sig", "n": b64(rsa.n().to_vec()), "e": b64(rsa.e().to_vec())})
}

fn ec_jwk(kid: &str) -> Value {
    let mut context = BigNumContext::new().unwrap();
    let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
    let point = EC.public_key().to_bytes(EC.group(), form, &mut context).unwrap();
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": b64(&point[1..33]), "y": b64(&point[33..])})
}

fn keys() -> Jwks {
    let set = json!({"keys": [
        rsa_jwk(&RSA, "r"),
        ec_jwk("e"),
        {"kty": "oct", "k": "AAAA", "kid": "s"},
        {"kty": "RSA", "use": "enc", "kid": "x", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "new", "key_ops": [17]},
        "nonsense",
    ]});
    Jwks::read(set.to_string().as_bytes()).unwrap()
}

fn rs256(header: &Value, claims: &Value, key: &PKey<Private>) -> String {
    let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    if header["alg"] == "PS256" {
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
    }
    let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
    format!("{input}.{}", b64(signature))
}

fn es256(header: &Value, claims: &Value) -> String {
    let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let digest = openssl::sha::sha256(input.as_bytes());
    let signature = EcdsaSig::sign(&digest, &EC).unwrap();
    let mut raw = signature.r().to_vec_padded(32).unwrap();
    raw.extend(signature.s().to_vec_padded(32).unwrap());
    format!("{input}.{}", b64(raw))
}

fn verify(token: &str, algorithm: &str) -> Result<Claims, JwtRefusal> {
    Unverified::read(token)?.verify(&keys(), algorithm)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

const REGISTERED: Registered<'static> =
    Registered { issuer: ISSUER, client_id: "us", algorithm: "RS256", skew: TimeDelta::minutes(3) };

fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": "r"})
}

fn logout_claims() -> Value {
    let iat = now().timestamp();
    json!({"iss": ISSUER, "aud": "us", "iat": iat, "exp": iat + 120, "jti": "j", "sub": "p", "sid": "s",
           "events": {EVENT: {}}, "trace_id": "ignored"})
}

fn id_claims() -> Value {
    let iat = now().timestamp();
    json!({"iss": ISSUER, "aud": "us", "iat": iat, "exp": iat + 36000, "sub": "p", "sid": "s", "nonce": NONCE})
}

fn open_logout(header: &Value, claims: &Value) -> Result<LogoutToken, LogoutTokenRefusal> {
    let token = rs256(header, claims, &RSA);
    LogoutToken::open(&Unverified::read(&token)?, &REGISTERED, &keys(), now())
}

fn open_id(header: &Value, claims: &Value) -> Result<IdToken, IdTokenRefusal> {
    IdToken::open(&rs256(header, claims, &RSA), &REGISTERED, &keys(), NONCE, now())
}

/// The claims with one of them changed, or taken out.
fn with(mut claims: Value, name: &str, value: Value) -> Value {
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

#[test]
fn oidc_02_a_signature_counts_only_under_the_registered_algorithm() {
    let claims = json!({"iss": ISSUER});
    assert_eq!(verify(&rs256(&header(), &claims, &RSA), "RS256").unwrap().text("iss"), Some(ISSUER));
    let ec = es256(&json!({"alg": "ES256", "kid": "e"}), &claims);
    assert!(verify(&ec, "ES256").is_ok());
    assert_eq!(verify(&ec, "RS256").unwrap_err(), JwtRefusal::Algorithm);
    let pss = rs256(&json!({"alg": "PS256", "kid": "r"}), &claims, &RSA);
    assert!(verify(&pss, "PS256").is_ok());
    assert_eq!(verify(&pss, "RS256").unwrap_err(), JwtRefusal::Algorithm);
    // An EC signature that says RS256.
    let crossed = es256(&json!({"alg": "RS256", "kid": "e"}), &claims);
    assert_eq!(verify(&crossed, "RS256").unwrap_err(), JwtRefusal::UnknownKey);
}

#[test]
fn oidc_02_none_and_shared_keys_are_never_taken() {
    let claims = b64(json!({"iss": ISSUER}).to_string());
    for algorithm in ["none", "None", "HS256", "HS512", "RS1"] {
        let input = format!("{}.{claims}", b64(json!({"alg": algorithm, "kid": "r"}).to_string()));
        // HS256, keyed with the public key as an attacker has it.
        let hmac = PKey::hmac(&RSA.public_key_to_pem().unwrap()).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &hmac).unwrap();
        let signature = b64(signer.sign_oneshot_to_vec(input.as_bytes()).unwrap());
        let token = format!("{input}.{signature}");
        assert_eq!(verify(&token, "RS256").unwrap_err(), JwtRefusal::Algorithm, "{algorithm}");
        assert_eq!(verify(&format!("{input}."), "RS256").unwrap_err(), JwtRefusal::Malformed, "{algorithm}");
        // Not even if somebody registered it.
        assert!(verify(&token, algorithm).is_err(), "{algorithm}");
    }
}

#[test]
fn oidc_02_the_key_is_the_one_that_is_named_and_belongs_to_the_provider() {
    let claims = json!({"iss": ISSUER});
    let foreign = rs256(&header(), &claims, &OTHER);
    assert_eq!(verify(&foreign, "RS256").unwrap_err(), JwtRefusal::Signature);
    for kid in ["q", "x", ""] {
        let unknown = rs256(&json!({"alg": "RS256", "kid": kid}), &claims, &RSA);
        assert_eq!(verify(&unknown, "RS256").unwrap_err(), JwtRefusal::UnknownKey, "{kid}");
    }
    // A key of its own in the header gives no trust.
    let own = json!({"alg": "RS256", "kid": "r", "jwk": rsa_jwk(&OTHER, "r"), "x5u": "https://evil.example"});
    assert_eq!(verify(&rs256(&own, &claims, &OTHER), "RS256").unwrap_err(), JwtRefusal::Signature);
    // Without a name only if there is no choice.
    let nameless = rs256(&json!({"alg": "RS256"}), &claims, &RSA);
    assert!(verify(&nameless, "RS256").is_ok());
    let two = json!({"keys": [rsa_jwk(&RSA, "a"), rsa_jwk(&OTHER, "b")]});
    let two = Jwks::read(two.to_string().as_bytes()).unwrap();
    assert_eq!(
        Unverified::read(&nameless).unwrap().verify(&two, "RS256").unwrap_err(),
        JwtRefusal::UnknownKey
    );
}

#[test]
fn a_key_set_is_read_leniently() {
    assert_eq!(keys().len(), 2, "what cannot be used is left out, what can stays");
    assert!(Jwks::read(b"{\"keys\":[]}").unwrap().is_empty());
    assert!(Jwks::read(b"{}").is_none());
    assert!(Jwks::read(b"<html>").is_none());
}

#[test]
fn what_is_no_token_is_refused_without_a_look_at_keys() {
    for text in
        ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "e30..AA", "e30=.e30.AA", "e3 0.e30.AA"]
    {
        assert_eq!(verify(text, "RS256").unwrap_err(), JwtRefusal::Malformed, "{text}");
    }
    let long = "A".repeat(16 * 1024 + 1);
    assert_eq!(verify(&long, "RS256").unwrap_err(), JwtRefusal::TooLarge);
    let critical = json!({"alg": "RS256", "kid": "r", "crit": ["b64"], "b64": false});
    assert_eq!(verify(&rs256(&critical, &json!({}), &RSA), "RS256").unwrap_err(), JwtRefusal::Critical);
    let twice = r#"{"alg":"RS256","alg":"none","kid":"r"}"#;
    assert_eq!(verify(&format!("{}.e30.AA", b64(twice)), "RS256").unwrap_err(), JwtRefusal::Malformed);
}

#[test]
fn a_good_logout_token_says_who_is_meant_and_how_long_to_remember_it() {
    let token = open_logout(&header(), &logout_claims()).unwrap();
    assert_eq!(token.target, Target::Session { sid: "s".into(), subject: Some("p".into()) });
    assert_eq!(token.remember_until, now() + TimeDelta::minutes(2 + 3 + 3));
    let by_sub = open_logout(&header(), &with(logout_claims(), "sid", Value::Null)).unwrap();
    assert_eq!(by_sub.target, Target::Subject("p".into()));
    let by_sid = open_logout(&header(), &with(logout_claims(), "sub", Value::Null)).unwrap();
    assert_eq!(by_sid.target, Target::Session { sid: "s".into(), subject: None });
    for typ in [json!("logout+jwt"), json!("application/logout+jwt"), json!("JWT"), Value::Null] {
        assert!(open_logout(&with(header(), "typ", typ.clone()), &logout_claims()).is_ok(), "{typ}");
    }
    let many = with(logout_claims(), "aud", json!(["them", "us"]));
    assert!(open_logout(&header(), &many).is_ok());
}

#[test]
fn oidc_03_to_07_each_wrong_claim_has_its_refusal() {
    use LogoutTokenRefusal as R;
    let iat = now().timestamp();
    for (name, value, refusal, rule) in [
        ("iss", json!("https://op.example"), R::Issuer, "OIDC-03"),
        ("iss", Value::Null, R::Issuer, "OIDC-03"),
        ("aud", json!("them"), R::Audience, "OIDC-03"),
        ("aud", json!(["them"]), R::Audience, "OIDC-03"),
        ("aud", Value::Null, R::Audience, "OIDC-03"),
        ("iat", Value::Null, R::Malformed("iat"), "OIDC-03"),
        ("iat", json!("yesterday"), R::Malformed("iat"), "OIDC-03"),
        ("iat", json!(1e300), R::Malformed("iat"), "OIDC-03"),
        ("iat", json!(iat - 301), R::Expired, "OIDC-03"),
        ("iat", json!(iat + 181), R::Future, "OIDC-03"),
        ("exp", Value::Null, R::Malformed("exp"), "OIDC-03"),
        ("exp", json!(iat - 180), R::Expired, "OIDC-03"),
        ("sid", json!(7), R::Target, "OIDC-04"),
        ("sid", json!(""), R::Target, "OIDC-04"),
        ("events", Value::Null, R::Events, "OIDC-05"),
        ("events", json!([EVENT]), R::Events, "OIDC-05"),
        ("events", json!({"http://schemas.openid.net/event/other": {}}), R::Events, "OIDC-05"),
        ("nonce", json!("n"), R::Nonce, "OIDC-06"),
        ("nonce", json!(false), R::Nonce, "OIDC-06"),
        ("jti", Value::Null, R::Malformed("jti"), "OIDC-07"),
        ("jti", json!(""), R::Malformed("jti"), "OIDC-07"),
    ] {
        let refused = open_logout(&header(), &with(logout_claims(), name, value.clone())).unwrap_err();
        assert_eq!((refused, refused.rule()), (refusal, rule), "{name} = {value}");
    }
    let nobody = with(with(logout_claims(), "sid", Value::Null), "sub", Value::Null);
    assert_eq!(open_logout(&header(), &nobody), Err(R::Target));
    let wrong_type = with(header(), "typ", json!("at+jwt"));
    assert_eq!(open_logout(&wrong_type, &logout_claims()), Err(R::Typ));
    // To the second: at the edge it is still taken.
    assert!(open_logout(&header(), &with(logout_claims(), "iat", json!(iat - 299))).is_ok());
    assert!(open_logout(&header(), &with(logout_claims(), "iat", json!(iat + 180))).is_ok());
    // The value of the event does not matter, being there does.
    for value in [json!({}), json!(null), json!(false), json!({"x": 1})] {
        assert!(open_logout(&header(), &with(logout_claims(), "events", json!({EVENT: value}))).is_ok());
    }
}

#[test]
fn a_good_id_token_says_who_it_is_and_since_when() {
    let token = open_id(&header(), &id_claims()).unwrap();
    assert_eq!((token.subject.as_str(), token.sid.as_deref()), ("p", Some("s")));
    assert_eq!((token.auth_time, token.issued_at), (now(), now()));
    let earlier = with(id_claims(), "auth_time", json!(now().timestamp() - 60));
    assert_eq!(open_id(&header(), &earlier).unwrap().auth_time, now() - TimeDelta::minutes(1));
    assert_eq!(open_id(&header(), &with(id_claims(), "sid", Value::Null)).unwrap().sid, None);
    let shared = with(with(id_claims(), "aud", json!(["us", "them"])), "azp", json!("us"));
    assert!(open_id(&header(), &shared).is_ok());
}

#[test]
fn each_wrong_id_token_has_its_refusal_and_a_logout_token_is_none() {
    use IdTokenRefusal as R;
    let iat = now().timestamp();
    for (name, value, refusal) in [
        ("iss", json!("https://evil.example/"), R::Issuer),
        ("aud", json!("them"), R::Audience),
        ("aud", json!(["us", "them"]), R::Audience),
        ("azp", json!("them"), R::Audience),
        ("exp", json!(iat - 180), R::Expired),
        ("exp", Value::Null, R::Malformed("exp")),
        ("iat", json!(iat + 181), R::Future),
        ("iat", Value::Null, R::Malformed("iat")),
        ("nonce", json!("n-2"), R::Nonce),
        ("nonce", Value::Null, R::Nonce),
        ("sub", Value::Null, R::Malformed("sub")),
        ("sub", json!("x".repeat(256)), R::Malformed("sub")),
        ("sid", json!(["s"]), R::Malformed("sid")),
        ("auth_time", json!("noon"), R::Malformed("auth_time")),
        ("events", json!({EVENT: {}}), R::LogoutToken),
    ] {
        let refused = open_id(&header(), &with(id_claims(), name, value.clone()));
        assert_eq!(refused, Err(refusal), "{name} = {value}");
    }
    let typed = with(header(), "typ", json!("logout+jwt"));
    assert_eq!(open_id(&typed, &id_claims()), Err(R::LogoutToken));
    assert_eq!(open_logout(&header(), &id_claims()), Err(LogoutTokenRefusal::Events));
}
