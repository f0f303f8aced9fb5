//! What is sent: JSON, bounded, known.

use serde_json::json;

use super::problem;
use crate::support::app::TestApp;

#[tokio::test]
async fn a_body_is_json_of_bounded_size_with_known_members() {
    let app = TestApp::start().await;
    let operator = app.api("operator").await;
    let path = "/api/v1/logouts";
    let kind = |value| [("Content-Type", value)];
    let good = br#"{"identity_provider": "none"}"#;

    for media_type in ["text/plain", "application/x-www-form-urlencoded", "text/json", ""] {
        let reply = operator.send("POST", path, &kind(media_type), Some(good)).await;
        assert_eq!(problem(&reply).0, 415, "{media_type}");
    }
    assert_eq!(problem(&operator.send("POST", path, &[], Some(good)).await).0, 415);
    let reply = operator.send("POST", path, &kind("application/json; charset=utf-8"), Some(good)).await;
    assert_eq!(problem(&reply), (422, "unprocessable".to_owned()), "read, and refused for what it says");
    assert_eq!(reply.json()["field"], "identity_provider");

    for broken in [&b""[..], b"{", b"{} {}", b"\xff", b"{\"session\": \"x\","] {
        let reply = operator.send("POST", path, &kind("application/json"), Some(broken)).await;
        assert_eq!(problem(&reply), (400, "unreadable".to_owned()), "{broken:?}");
    }
    for unfitting in [
        json!({ "identity_provider": "none", "force": true }),
        json!({ "identity_provider": 7 }),
        json!([]),
        json!(["AAAAAAAAAAAAAAAAAAAAAA", null, null, true, null]),
        json!({}),
        json!({ "session": "x", "identity_provider": "y" }),
        json!({ "principal": { "identity_provider": "x" } }),
        json!({ "session": "a\u{0}b" }),
    ] {
        let reply = operator.post(path, unfitting.clone()).await;
        assert_eq!(problem(&reply).0, 422, "{unfitting}");
    }
    let twice = br#"{"identity_provider": "a", "identity_provider": "b"}"#;
    assert_eq!(operator.send("POST", path, &kind("application/json"), Some(twice)).await.status, 422);

    let large = json!({ "identity_provider": "x".repeat(64 * 1024) }).to_string();
    let reply = operator.send("POST", path, &kind("application/json"), Some(large.as_bytes())).await;
    assert_eq!(problem(&reply), (413, "too-large".to_owned()));
    let deep = "[".repeat(60_000);
    let reply = operator.send("POST", path, &kind("application/json"), Some(deep.as_bytes())).await;
    assert!(matches!(reply.status, 400 | 422), "{}", reply.status);
    app.done().await;
}

#[tokio::test]
async fn a_query_has_known_parameters_once() {
    let app = TestApp::start().await;
    let operator = app.api("operator").await;
    for query in [
        "offset=3",
        "limit=0",
        "limit=201",
        "limit=1&limit=2",
        "after=x",
        "active=yes",
        "identity_provider=none",
        "identity_provider=a%00b",
    ] {
        let reply = operator.get(&format!("/api/v1/sessions?{query}")).await;
        assert_eq!(problem(&reply), (422, "unprocessable".to_owned()), "{query}");
    }
    assert_eq!(operator.get("/api/v1/sessions?limit=200&active=false").await.status, 200);
    for path in ["/api/v1/sessions/a%00b", "/api/v1/applications/%00", "/api/v1/identity-providers/x%00"] {
        assert_eq!(problem(&operator.get(path).await).0, 404, "{path}");
    }
    assert_eq!(problem(&operator.get("/api/v1/sessions/%ff").await).0, 404);
    assert_eq!(problem(&operator.get("/api/v2/sessions").await).0, 404);
    app.done().await;
}
