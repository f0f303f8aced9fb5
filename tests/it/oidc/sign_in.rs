//! `/auth0/login` and `/auth0/callback`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::browser::path_of;
use crate::support::dsig::{EC_256, RSA_A, RSA_ATTACKER, RSA_B};
use crate::support::http::HttpReply;
use crate::support::messages::Name;
use crate::support::oidc::{self, CALLBACK, Op, at, come_back};

/// The value of a parameter in a query.
fn parameter(target: &str, name: &str) -> String {
    let query = target.split_once('?').unwrap().1;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap()
}

fn assert_refused(reply: &HttpReply, rule: &str) {
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(reply.header("location").is_none() && reply.header("set-cookie").is_none(), "{reply:?}");
    assert!(reply.body.contains(rule), "{rule}: {}", reply.body);
}

#[tokio::test]
async fn a_person_signs_in_through_a_provider_and_the_session_says_so() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    // The only provider need not be named.
    let reply = alice.get("/auth0/login?return_to=%2Forders%3Fid%3D7").await;
    assert_eq!(reply.status, 302);
    let back = op.authorize(reply.location(), &at("auth0|alice", "sid-1"), |_| {});
    let reply = alice.get_from_elsewhere(&back).await;
    assert_eq!((reply.status, reply.location()), (302, "/orders?id=7"), "{}", reply.body);
    let session = alice.session().await;
    assert_eq!(
        session["authentications"],
        json!([{
            "provider": "auth0", "issuer": op.issuer, "sub": "auth0|alice", "sid": "sid-1",
            "auth_time": "2026-11-23T12:00:00Z",
        }])
    );
    let home = alice.get("/").await;
    assert!(home.body.contains("auth0|alice") && home.body.contains("127.0.0.1"), "{}", home.body);
    // Neither the ID token nor the code stays anywhere but where it is needed.
    let audited = app.audit().await;
    assert!(audited.contains(&("accepted".to_owned(), "SSO-18".to_owned())), "{audited:?}");
    assert_eq!(app.count("select count(*) from open_oidc_sign_in").await, 0);
    app.done().await;
}

#[tokio::test]
async fn sso_11_an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let (alice, mallory) = (app.browser(), app.browser());
    let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    // Mallory's browser has begun a sign-in of its own, and is given alice's answer; and one without
    // any cookie.
    op.begin(&mallory, &at("mallory", "m"), |_| {}).await;
    for stranger in [&mallory, &app.browser()] {
        assert_refused(&stranger.get_from_elsewhere(&back).await, "SSO-11");
        assert!(!stranger.is_signed_in().await);
    }
    // That has used up nothing.
    assert_eq!(alice.get_from_elsewhere(&back).await.status, 302);
    assert!(alice.is_signed_in().await);
    assert_refused(&alice.get_from_elsewhere(&back).await, "SSO-11");
    // Made up, without state, and too late.
    assert_refused(&come_back(&alice, &[("code", "c"), ("state", "s")]).await, "SSO-11");
    assert_refused(&come_back(&alice, &[("code", "c")]).await, "SSO-11");
    let late = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    app.advance(TimeDelta::minutes(61));
    assert_refused(&alice.get_from_elsewhere(&late).await, "SSO-11");
    app.assert_audited("SSO-11").await;
    app.done().await;
}

#[tokio::test]
async fn an_error_of_the_provider_is_a_page_with_a_way_on_and_no_loop() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    for error in ["access_denied", "login_required", "<script>alert(1)</script>"] {
        let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
        let state = parameter(&back, "state");
        let fields = [("error", error), ("error_description", "<b>no</b>"), ("state", state.as_str())];
        let reply = come_back(&alice, &fields).await;
        assert_refused(&reply, "SSO-11");
        assert!(reply.body.contains("/auth0/login?provider=auth0"), "a way on: {}", reply.body);
        assert!(!reply.body.contains("alert(1)") && !reply.body.contains("<b>no"), "{}", reply.body);
        // It is used up: coming back again with a code helps nobody.
        assert_refused(&alice.get_from_elsewhere(&back).await, "SSO-11");
    }
    assert!(!alice.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn a_wrong_id_token_signs_nobody_in() {
    type Change = fn(&mut Value);
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    let changes: [(&str, Change); 8] = [
        ("OIDC-03", |claims| claims["iss"] = json!("https://evil.example/")),
        ("OIDC-03", |claims| claims["aud"] = json!("another")),
        ("OIDC-03", |claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 181)),
        ("OIDC-03", |claims| claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 600)),
        ("OIDC-03", |claims| claims["sub"] = json!("")),
        ("SSO-11", |claims| claims["nonce"] = json!("of another sign-in")),
        ("OIDC-06", |claims| claims["events"] = json!({oidc::EVENT: {}})),
        ("SSO-11", |claims| {
            claims.as_object_mut().unwrap().remove("nonce");
        }),
    ];
    for (rule, change) in changes {
        assert_refused(&op.arrive_with(&alice, &at("alice", "s"), change).await, rule);
        assert!(!alice.is_signed_in().await, "{rule}");
        app.assert_audited(rule).await;
    }
    op.sign_in(&alice, &at("alice", "s")).await;
    app.done().await;
}

#[tokio::test]
async fn oidc_02_a_new_key_is_fetched_when_a_token_names_it_and_a_foreign_one_never_counts() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    op.sign_in(&alice, &at("alice", "s")).await;
    let fetched = |op: &Op| op.asked().iter().filter(|path| *path == "/jwks").count();
    assert_eq!(fetched(&op), 1);
    // Signed by somebody else under the name of a known key: keys are not even asked for again.
    let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    op.rotate("k1", &RSA_ATTACKER);
    assert_refused(&alice.get_from_elsewhere(&back).await, "OIDC-02");
    assert_eq!(fetched(&op), 1);
    op.rotate("k2", &RSA_B);
    // So soon the keys are not asked for again; half a minute later they are.
    assert_refused(&op.arrive(&alice, &at("alice", "s")).await, "OIDC-02");
    app.advance(TimeDelta::seconds(30));
    op.sign_in(&alice, &at("alice", "s")).await;
    assert_eq!(fetched(&op), 2);
    app.done().await;
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_never_believed_blindly() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    let big = "x".repeat(300 * 1024);
    for (answer, status) in [
        ((400, "{\"error\":\"invalid_grant\"}"), 400),
        ((200, "{}"), 400),
        ((200, "<html>"), 400),
        ((200, "{\"id_token\":\"a.b.c\"}"), 400),
        ((200, "{\"id_token\":7}"), 400),
        ((200, big.as_str()), 503),
        ((302, ""), 503),
        ((500, ""), 503),
    ] {
        let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
        op.answer_tokens(Some(answer));
        let reply = alice.get_from_elsewhere(&back).await;
        assert_eq!(reply.status, status, "{answer:?}: {}", reply.body);
        assert!(!alice.is_signed_in().await);
        op.answer_tokens(None);
    }
    op.sign_in(&alice, &at("alice", "s")).await;
    app.done().await;
}

#[tokio::test]
async fn a_provider_that_takes_its_secret_in_the_form_gets_it_there() {
    let op = Op::start("other", &EC_256).await;
    op.describe("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    let app = oidc::start(&[&op]).await;
    op.sign_in(&app.browser(), &at("alice", "s")).await;
    app.done().await;
}

#[tokio::test]
async fn rfc_9207_an_answer_names_the_provider_that_was_asked_or_nobody() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    assert_refused(&alice.get(&format!("{back}&iss=https%3A%2F%2Fevil.example")).await, "OIDC-03");
    let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    let named = format!("{back}&{}", crate::support::browser::form_body(&[("iss", &op.issuer)]));
    assert_eq!(alice.get(&named).await.status, 302);
    app.done().await;

    let always = Op::start("always", &RSA_A).await;
    always.describe("authorization_response_iss_parameter_supported", json!(true));
    let app = oidc::start(&[&always]).await;
    assert_refused(&always.arrive(&app.browser(), &at("alice", "s")).await, "OIDC-03");
    app.done().await;
}

#[tokio::test]
async fn two_providers_are_chosen_by_name_and_an_unknown_name_is_refused() {
    let (one, two) = (Op::start("one", &RSA_A).await, Op::start("two", &EC_256).await);
    let app = oidc::start(&[&one, &two]).await;
    let alice = app.browser();
    let choose = alice.get("/auth0/login?return_to=%2Fx").await;
    assert_eq!(choose.status, 200);
    for op in [&one, &two] {
        assert!(
            choose.body.contains(&format!("/auth0/login?provider={}&#38;return_to=%2Fx", op.name)),
            "{}",
            choose.body
        );
    }
    assert_eq!(alice.get("/auth0/login?provider=three").await.status, 404);
    assert_eq!(alice.get("/auth0/login?provider=one&provider=two").await.status, 400);
    // The answer of one cannot pass for the other's: the token is judged by whom we asked.
    let back = one.begin(&alice, &at("alice", "s"), |_| {}).await;
    let state = parameter(&back, "state");
    let other = two.begin(&alice, &at("alice", "s"), |_| {}).await;
    let reply = come_back(&alice, &[("code", &parameter(&other, "code")), ("state", &state)]).await;
    assert_refused(&reply, "SSO-11");
    two.sign_in(&alice, &at("alice", "s")).await;
    app.done().await;

    let none = TestApp::start().await;
    assert_eq!(none.browser().get("/auth0/login").await.status, 404);
    none.done().await;
}

#[tokio::test]
async fn the_same_person_again_renews_another_replaces_and_another_authority_is_added() {
    let (one, two) = (Op::start("one", &RSA_A).await, Op::start("two", &EC_256).await);
    let app = oidc::start(&[&one, &two]).await;
    let idp = app.idp("idp-a", &RSA_B).await;
    let alice = app.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), "i-1").await;
    let first = alice.session().await["session_id"].clone();
    let cookie = alice.cookie("signoff").unwrap().value;

    one.sign_in(&alice, &at("alice", "s-1")).await;
    assert_ne!(alice.cookie("signoff").unwrap().value, cookie, "SSO-24: a new cookie at every sign-in");
    two.sign_in(&alice, &at("alice-at-two", "t-1")).await;
    one.sign_in(&alice, &at("alice", "s-2")).await;
    let session = alice.session().await;
    assert_eq!(session["session_id"], first, "one session of ours");
    let rests_on: Vec<_> = session["authentications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["sid"].as_str().or(one["session_indexes"][0].as_str()).unwrap())
        .collect();
    assert_eq!(rests_on, ["i-1", "s-1", "t-1", "s-2"]);

    // Somebody else at the same provider, in the same browser.
    one.sign_in(&alice, &at("bob", "s-3")).await;
    let session = alice.session().await;
    assert_ne!(session["session_id"], first);
    assert_eq!(session["authentications"].as_array().unwrap().len(), 1);
    let replaced = "select count(*) from session where end_reason = 'replaced'";
    assert_eq!(app.count(replaced).await, 1);
    app.done().await;
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_from_saml_and_is_found_again() {
    let op = Op::start("auth0", &RSA_A).await;
    op.set_down(true);
    let app = oidc::start(&[&op]).await;
    let idp = app.idp("idp-a", &RSA_B).await;
    let alice = app.browser();
    assert_eq!(alice.get("/auth0/login").await.status, 503);
    alice.sign_in(&idp, &Name::email("alice@example.org"), "i-1").await;
    assert!(alice.is_signed_in().await);
    op.set_down(false);
    // Asked in vain a moment ago; a little later it is asked again.
    assert_eq!(alice.get("/auth0/login").await.status, 503);
    app.advance(TimeDelta::seconds(5));
    op.sign_in(&alice, &at("alice", "s")).await;

    // It goes away once more: what is known of it is used for a day.
    let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    op.set_down(true);
    app.advance(TimeDelta::minutes(11));
    assert_eq!(alice.get("/auth0/login").await.status, 302);
    assert_eq!(alice.get_from_elsewhere(&back).await.status, 503, "no token, no session");
    app.done().await;
}

#[tokio::test]
async fn a_provider_that_speaks_for_another_issuer_signs_nobody_in() {
    let op = Op::start("auth0", &RSA_A).await;
    op.describe("issuer", json!("https://evil.example/"));
    let app = oidc::start(&[&op]).await;
    let reply = app.browser().get("/auth0/login").await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("location").is_none());
    app.done().await;
}

#[tokio::test]
async fn f_30_a_return_target_elsewhere_leads_home() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    for target in ["https%3A%2F%2Fevil.example%2F", "%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let reply = alice.get(&format!("/auth0/login?return_to={target}")).await;
        let back = op.authorize(reply.location(), &at("alice", "s"), |_| {});
        assert_eq!(alice.get_from_elsewhere(&back).await.location(), "/", "{target}");
    }
    app.done().await;
}

#[tokio::test]
async fn bind_24_head_and_prefetch_begin_and_finish_nothing() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    let back = op.begin(&alice, &at("alice", "s"), |_| {}).await;
    let from = crate::support::browser::From::Elsewhere;
    assert_eq!(alice.request("HEAD", path_of(&back), &[], None, from).await.status, 405);
    let prefetch = [("Sec-Purpose", "prefetch")];
    assert_eq!(alice.request("GET", path_of(&back), &prefetch, None, from).await.status, 403);
    assert_eq!(alice.request("POST", CALLBACK, &[], Some(b""), from).await.status, 405);
    assert!(!alice.is_signed_in().await);
    assert_eq!(alice.get_from_elsewhere(&back).await.status, 302, "and nothing was used up");
    app.done().await;
}

#[tokio::test]
async fn force_authn_asks_the_person_anew() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let plain = app.browser().get("/auth0/login").await;
    assert!(!plain.location().contains("prompt="));
    let forced = app.browser().get("/auth0/login?force_authn=true").await;
    assert_eq!(parameter(forced.location(), "prompt"), "login");
    app.done().await;
}

#[tokio::test]
async fn what_is_signed_out_here_is_not_told_as_ended_at_the_provider() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    op.sign_in(&alice, &at("alice", "s")).await;
    let reply = alice.sign_out().await;
    let page = alice.follow(reply).await;
    assert!(!alice.is_signed_in().await);
    assert!(page.body.contains("perhaps not everywhere"), "{}", page.body);
    assert!(page.body.contains("127.0.0.1"), "the provider has a line of its own: {}", page.body);
    app.done().await;
}
