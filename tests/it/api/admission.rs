//! Who is asking, and how much.

use chrono::TimeDelta;
use signoff::app::tokens::{self, WantedToken};

use super::{problem, session_id};
use crate::support::app::TestApp;
use crate::support::http::send;
use crate::support::story::Scene;

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let app = TestApp::start().await;
    let good = app.api("operator").await;
    assert_eq!(good.get("/api/v1/sessions").await.status, 200);
    let other = format!("{}AAAA", &good.token[..good.token.len() - 4]);
    for token in ["", "signoff_", "nonsense", other.as_str()] {
        let reply = app.api_with(token).await.get("/api/v1/sessions").await;
        assert_eq!(problem(&reply), (401, "unauthorized".to_owned()), "{token}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "), "{token}");
    }
    let bare = send(&app.authority, "GET", "/api/v1/sessions", &[], None).await;
    assert_eq!(bare.status, 401);
    let twice = [("Authorization", format!("Bearer {}", good.token)), ("Authorization", "Bearer x".into())];
    let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(send(&app.authority, "GET", "/api/v1/sessions", &twice, None).await.status, 401);
    app.assert_audited("API-TOKEN").await;
    app.done().await;
}

#[tokio::test]
async fn a_cookie_opens_nothing_and_a_token_in_the_address_neither() {
    let scene = Scene::new().await;
    let operator = scene.app.api("operator").await;
    let cookie = scene.alice.cookie("signoff").unwrap();
    let cookie = format!("signoff={}", cookie.value);
    let headers = [("Cookie", cookie.as_str())];
    let id = session_id(&scene.alice).await;
    for (method, path) in
        [("GET", "/api/v1/sessions".to_owned()), ("DELETE", format!("/api/v1/sessions/{id}"))]
    {
        assert_eq!(send(&scene.app.authority, method, &path, &headers, None).await.status, 401, "{path}");
        let in_address = format!("{path}?access_token={}", operator.token);
        assert_eq!(send(&scene.app.authority, method, &in_address, &[], None).await.status, 401);
    }
    assert!(scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_its_revocation() {
    let app = TestApp::start().await;
    let wanted = WantedToken {
        name: "short".into(),
        role: "operator".into(),
        application: None,
        expires_at: Some(app.now() + TimeDelta::minutes(10)),
    };
    let short = tokens::create_by_command(&app.app, &wanted).await.unwrap();
    let short = app.api_with(&short.secret).await;
    assert_eq!(short.get("/api/v1/logouts").await.status, 200);
    app.advance(TimeDelta::minutes(10));
    assert_eq!(short.get("/api/v1/logouts").await.status, 401);

    let (admin, operator) = (app.api("admin").await, app.api("operator").await);
    let list = admin.get("/api/v1/tokens").await.json();
    let id = list["tokens"].as_array().unwrap().last().unwrap()["id"].as_i64().unwrap();
    assert_eq!(operator.get("/api/v1/logouts").await.status, 200);
    assert_eq!(admin.delete(&format!("/api/v1/tokens/{id}")).await.status, 204);
    assert_eq!(operator.get("/api/v1/logouts").await.status, 401, "at once");
    app.done().await;
}

#[tokio::test]
async fn a_token_that_asks_too_much_is_told_when_to_come_again() {
    let app = TestApp::start_with(&[("SIGNOFF_API__REQUESTS_PER_MINUTE", "6")]).await;
    let (busy, calm) = (app.api("operator").await, app.api("operator").await);
    for _ in 0..6 {
        assert_eq!(busy.get("/api/v1/logouts").await.status, 200);
    }
    let reply = busy.get("/api/v1/logouts").await;
    assert_eq!(problem(&reply), (429, "too-many-requests".to_owned()));
    let after: i64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(calm.get("/api/v1/logouts").await.status, 200, "each token for itself");
    app.advance(TimeDelta::seconds(after));
    assert_eq!(busy.get("/api/v1/logouts").await.status, 200);
    app.done().await;
}

#[tokio::test]
async fn whoever_guesses_tokens_is_slowed_down_and_whoever_has_one_is_not() {
    let app = TestApp::start().await;
    let good = app.api("operator").await;
    assert_eq!(good.get("/api/v1/logouts").await.status, 200);
    let guess = app.api_with(&format!("signoff_{}", "A".repeat(43))).await;
    let mut last = 401;
    for _ in 0..40 {
        last = guess.get("/api/v1/logouts").await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(good.get("/api/v1/logouts").await.status, 200, "the same address");
    app.done().await;
}

#[tokio::test]
async fn bind_24_head_and_options_execute_nothing() {
    let scene = Scene::new().await;
    let operator = scene.app.api("operator").await;
    let id = session_id(&scene.alice).await;
    for path in ["/api/v1/sessions".to_owned(), format!("/api/v1/sessions/{id}"), "/api/docs".to_owned()] {
        for method in ["HEAD", "OPTIONS", "PUT"] {
            let reply = operator.send(method, &path, &[], None).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert!(reply.header("allow").unwrap().contains("GET"), "{method} {path}");
        }
    }
    let allowed = operator.send("OPTIONS", "/api/v1/sessions", &[], None).await;
    assert_eq!(allowed.header("allow"), Some("GET, POST"));
    assert!(scene.alice.is_signed_in().await);
    scene.done().await;
}

/// Every route that needs operator or admin: without it, it is as if it were not there; what may be
/// read but not written says so.
#[tokio::test]
async fn a_token_below_the_needed_role_sees_nothing() {
    let app = TestApp::start().await;
    let (application, operator) = (app.api_of("shop").await, app.api("operator").await);
    for (method, path) in [
        ("GET", "/api/v1/sessions"),
        ("GET", "/api/v1/logouts"),
        ("GET", "/api/v1/identity-providers"),
        ("GET", "/api/v1/identity-providers/idp-a"),
        ("POST", "/api/v1/identity-providers"),
        ("PATCH", "/api/v1/identity-providers/idp-a"),
        ("GET", "/api/v1/applications"),
        ("POST", "/api/v1/applications"),
        ("GET", "/api/v1/applications/shop"),
        ("PATCH", "/api/v1/applications/shop"),
        ("DELETE", "/api/v1/applications/shop"),
        ("POST", "/api/v1/deliveries/1/retry"),
        ("GET", "/api/v1/tokens"),
        ("POST", "/api/v1/tokens"),
        ("DELETE", "/api/v1/tokens/1"),
    ] {
        let reply = application.send(method, path, &[], None).await;
        super::assert_looks_unknown(&application, &reply).await;
    }
    for (method, path) in
        [("GET", "/api/v1/tokens"), ("POST", "/api/v1/tokens"), ("DELETE", "/api/v1/tokens/1")]
    {
        let reply = operator.send(method, path, &[], None).await;
        super::assert_looks_unknown(&operator, &reply).await;
    }
    for (method, path) in [
        ("POST", "/api/v1/identity-providers"),
        ("PATCH", "/api/v1/identity-providers/idp-a"),
        ("POST", "/api/v1/applications"),
        ("PATCH", "/api/v1/applications/shop"),
        ("DELETE", "/api/v1/applications/shop"),
    ] {
        let reply = operator.send(method, path, &[], None).await;
        assert_eq!(problem(&reply), (403, "forbidden".to_owned()), "{method} {path}");
    }
    assert_eq!(operator.get("/api/v1/identity-providers").await.status, 200);
    assert_eq!(app.api("admin").await.get("/api/v1/tokens").await.status, 200);
    app.done().await;
}
