//! What each form looks like to a receiver that shares no code with us.

use chrono::TimeDelta;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use signoff::app::applications::{NewApplication, Subject, TokenType};
use signoff::logout::hearing::Form;

use super::{House, new};
use crate::support::http::send;
use crate::support::receiver::{Behaviour, Receiver};

/// Opens a token with the key set that we publish.
async fn opened(house: &House, token: &str, audience: &str) -> Value {
    // Asked for once in a process; a second time is refused and does no harm.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let discovery = send(&house.app.authority, "GET", "/.well-known/openid-configuration", &[], None).await;
    let discovery = discovery.json();
    assert_eq!(discovery["issuer"], house.app.base_url);
    let keys = discovery["jwks_uri"].as_str().unwrap().strip_prefix(&house.app.base_url).unwrap().to_owned();
    let keys = send(&house.app.authority, "GET", &keys, &[], None).await;
    assert!(keys.header("cache-control").unwrap().contains("max-age"));
    let keys: JwkSet = serde_json::from_str(&keys.body).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.alg, Algorithm::RS256);
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[&house.app.base_url]);
    // The test's clock stands still.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "aud"]);
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn obc_2_4_a_logout_token_names_the_session_and_can_be_verified() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(500)).await;
    house.counted("shop", Form::LogoutToken, &receiver, false).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    house.app.end_by_admin(&alice.browser).await;
    receiver.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::minutes(1));
    house.app.work().await;
    let [first, second] = &receiver.arrived()[..] else { panic!("two tries: {:?}", receiver.arrived()) };
    let (one, two) = (
        opened(&house, first.logout_token(), "shop").await,
        opened(&house, second.logout_token(), "shop").await,
    );
    assert_eq!(decode_header(second.logout_token()).unwrap().typ.as_deref(), Some("logout+jwt"));
    assert_eq!(two["sid"], alice.session);
    assert_eq!(two["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert!(two.get("nonce").is_none());
    assert_eq!(two["iat"], house.app.now().timestamp());
    assert_eq!(two["exp"], house.app.now().timestamp() + 120);
    assert!(two["sub"].is_string() && two["sub"] != alice.name.value.as_str());
    // The same notification, made anew.
    assert_eq!(one["jti"], two["jti"]);
    assert_ne!(one["iat"], two["iat"]);
    assert_eq!(house.states().await, ["acknowledged"]);
    house.done().await;
}

#[tokio::test]
async fn a_subject_is_the_same_in_every_session_and_another_in_every_application() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    house.application("one", Form::LogoutToken, &receiver).await;
    house.application("two", Form::LogoutToken, &receiver).await;
    let told = NewApplication {
        subject: Subject::NameId,
        token_type: TokenType::Jwt,
        ..new("told", Form::LogoutToken, &receiver.url)
    };
    house.try_application(&told).await;
    for _ in 0..2 {
        let alice = house.person("alice").await;
        for application in ["one", "two", "told"] {
            house.takes_part(application, &alice).await;
        }
        house.app.end_by_admin(&alice.browser).await;
        house.app.advance(TimeDelta::seconds(1));
    }
    let mut subjects: Vec<(String, String)> = Vec::new();
    for arrived in receiver.arrived() {
        let token = arrived.logout_token();
        for audience in ["one", "two", "told"] {
            let claims = token.split('.').nth(1).unwrap();
            let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
            let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
            if claims["aud"] == audience {
                let claims = opened(&house, token, audience).await;
                subjects.push((audience.to_owned(), claims["sub"].as_str().unwrap().to_owned()));
                let kind = decode_header(token).unwrap().typ;
                assert_eq!(kind.as_deref() == Some("JWT"), audience == "told");
            }
        }
    }
    assert_eq!(subjects.len(), 6);
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    assert!(subjects.contains(&("told".into(), "alice@example.org".into())), "{subjects:?}");
    house.done().await;
}

#[tokio::test]
async fn a_webhook_is_verified_by_the_scheme_s_own_library() {
    let house = House::new().await;
    // The scheme's library goes by the machine's clock.
    house.app.advance(chrono::Utc::now() - house.app.now());
    let receiver = Receiver::start(Behaviour::Answer(204)).await;
    let created = house.application("shop", Form::Webhook, &receiver).await;
    let secret = created.secret.unwrap();
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    house.app.end_by_admin(&alice.browser).await;
    let [arrived] = &receiver.arrived()[..] else { panic!("{:?}", receiver.arrived()) };
    let webhook = standardwebhooks::Webhook::new(&secret).unwrap();
    let mut headers = axum::http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, arrived.header(name).parse().unwrap());
    }
    webhook.verify(arrived.body.as_bytes(), &headers).unwrap();
    let changed = arrived.body.replace("admin", "idp");
    assert!(webhook.verify(changed.as_bytes(), &headers).is_err());
    let body: Value = serde_json::from_str(&arrived.body).unwrap();
    assert_eq!(body["type"], "session.ended");
    assert_eq!(body["data"]["session_id"], alice.session);
    assert_eq!(body["data"]["participations"], json!([format!("p-shop-{}", alice.session)]));
    house.done().await;
}

#[tokio::test]
async fn rfc_8935_a_security_event_is_pushed_and_taken_with_202() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(202)).await;
    house.application("shop", Form::Caep, &receiver).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    house.app.end_by_admin(&alice.browser).await;
    let [arrived] = &receiver.arrived()[..] else { panic!("{:?}", receiver.arrived()) };
    assert_eq!(arrived.header("content-type"), "application/secevent+jwt");
    assert_eq!(arrived.header("accept"), "application/json");
    assert_eq!(decode_header(&arrived.body).unwrap().typ.as_deref(), Some("secevent+jwt"));
    let claims = opened(&house, &arrived.body, "shop").await;
    let event = &claims["events"]["https://schemas.openid.net/secevent/caep/event-type/session-revoked"];
    assert_eq!(event["initiating_entity"], "admin");
    assert_eq!(claims["sub_id"]["session"]["id"], alice.session);
    assert_eq!(house.states().await, ["acknowledged"]);
    house.done().await;
}

#[tokio::test]
async fn without_a_key_for_tokens_no_application_is_registered_for_them() {
    let app = crate::support::app::TestApp::start().await;
    let keys = send(&app.authority, "GET", "/.well-known/jwks.json", &[], None).await;
    assert_eq!(keys.json(), json!({"keys": []}));
    for form in [Form::LogoutToken, Form::Caep] {
        let refused =
            signoff::app::applications::create(&app.app, &new("shop", form, "http://127.0.0.1:1/")).await;
        assert!(refused.unwrap_err().to_string().contains("signoff keys new"));
    }
    app.done().await;
}
