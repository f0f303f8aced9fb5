//! Application sessions that hang under a session of an OpenID provider.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{problem, session_id};
use crate::support::dsig::RSA_A;
use crate::support::oidc::{self, Op, at};

const PATH: &str = "/api/v1/sessions";

fn under(op: &Op, sid: &str) -> Value {
    json!({
        "issuer": op.issuer,
        "sid": sid,
        "reference": "phone",
        "name_id": { "value": "alice" },
        "session_indexes": ["7"],
        "subject": "auth0|alice",
        "connection": "acme-saml",
    })
}

#[tokio::test]
async fn what_hangs_under_a_sid_is_over_when_the_provider_says_so() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let (shop, wiki) = (app.api_of("shop").await, app.api_of("wiki").await);
    let made = shop.post_once(PATH, "k", under(&op, "s-1")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(shop.post_once(PATH, "k", under(&op, "s-1")).await.body, made.body);
    let own = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{PATH}/{own}");
    let seen = shop.get(&path).await.json();
    assert_eq!(
        (&seen["kind"], &seen["active"], &seen["session"]),
        (&json!("application_session"), &json!(true), &json!(null))
    );
    let shown = &seen["application_sessions"][0];
    assert_eq!((&shown["sid"], &shown["connection"]), (&json!("s-1"), &json!("acme-saml")));
    super::assert_looks_unknown(&wiki, &wiki.get(&path).await).await;
    let other = wiki.post(PATH, under(&op, "s-2")).await.json()["id"].as_str().unwrap().to_owned();

    assert_eq!(op.says_over(&app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    let seen = shop.get(&path).await.json();
    assert_eq!((&seen["active"], &seen["end_reason"]), (&json!(false), &json!("oidc")));
    assert_eq!(wiki.get(&format!("{PATH}/{other}")).await.json()["active"], true, "another session there");
    let told: (String, Vec<String>) =
        sqlx::query_as("select sid, participations from notification").fetch_one(&app.pool).await.unwrap();
    assert_eq!(told, ("s-1".to_owned(), vec![own]));
    // What comes after the end comes too late.
    assert_eq!(problem(&wiki.post(PATH, under(&op, "s-1")).await), (409, "conflict".to_owned()));
    app.done().await;
}

#[tokio::test]
async fn it_ends_by_itself_with_time_and_is_forgotten() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let shop = app.api_of("shop").await;
    let register = async |sid: &str| {
        let made = shop.post(PATH, under(&op, sid)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        format!("{PATH}/{}", made.json()["id"].as_str().unwrap())
    };
    let (ended, left) = (register("s-1").await, register("s-2").await);
    let over = shop.delete(&ended).await.json();
    assert_eq!((&over["session"]["active"], &over["logout"]), (&json!(false), &json!(null)));
    assert_eq!(op.says_over(&app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    assert_eq!(app.count("select count(*) from notification").await, 0, "it ended that one itself");
    app.advance(TimeDelta::hours(24));
    assert_eq!(shop.get(&left).await.json()["active"], false);
    app.advance(TimeDelta::days(8));
    app.work().await;
    assert_eq!(app.count("select count(*) from participation").await, 0);
    app.done().await;
}

#[tokio::test]
async fn what_is_said_of_a_sid_is_bounded_and_its_issuer_known() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let shop = app.api_of("shop").await;
    for (member, value) in [
        ("issuer", json!("https://elsewhere.example/")),
        ("sid", json!("")),
        ("sid", json!("x".repeat(257))),
        ("reference", json!("")),
        ("name_id", json!({ "value": "" })),
        ("session_indexes", json!(vec!["1"; 21])),
        ("subject", json!("")),
        ("connection", json!("x".repeat(257))),
    ] {
        let mut body = under(&op, "s-1");
        body[member] = value;
        let reply = shop.post(PATH, body).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!(member)));
    }
    assert_eq!(app.count("select count(*) from participation").await, 0);
    app.done().await;
}

#[tokio::test]
async fn a_session_that_rests_on_an_openid_provider_says_so() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    op.sign_in(&alice, &at("auth0|alice", "s-1")).await;
    let id = session_id(&alice).await;
    let operator = app.api("operator").await;
    let seen = operator.get(&format!("{PATH}/{id}")).await.json();
    let there = &seen["openid_authentications"][0];
    assert_eq!((&there["sid"], &there["sub"]), (&json!("s-1"), &json!("auth0|alice")));
    let shop = app.api_of("shop").await;
    shop.register(&id).await;
    let seen = shop.get(&format!("{PATH}/{id}")).await;
    assert!(!seen.body.contains("alice"), "told no name: {}", seen.body);
    assert_eq!(operator.delete(&format!("{PATH}/{id}")).await.json()["session"]["active"], false);
    assert!(!alice.is_signed_in().await);
    app.done().await;
}
