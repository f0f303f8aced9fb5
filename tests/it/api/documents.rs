//! What the API says of itself.

use crate::support::app::TestApp;
use crate::support::http::send;

#[tokio::test]
async fn the_document_and_its_page_need_no_token_and_no_other_host() {
    let app = TestApp::start().await;
    let document = send(&app.authority, "GET", "/api/openapi.json", &[], None).await;
    assert_eq!(document.status, 200);
    assert!(document.json()["openapi"].as_str().unwrap().starts_with("3.1"));
    let page = send(&app.authority, "GET", "/api/docs", &[], None).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(page.body.contains("/api/v1/logouts"));
    assert!(!page.body.contains("<script"));
    for (_, attributes) in crate::support::browser::tags(&page.body) {
        for (name, value) in attributes {
            let leads_away = matches!(name.as_str(), "href" | "src" | "action") && value.contains("//");
            assert!(!leads_away, "{name}={value}");
        }
    }
    app.done().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    for path in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v1/sessions/a/b"] {
        let reply = send(&app.authority, "GET", path, &[], None).await;
        assert_eq!(reply.status, 404, "{path}");
        if path != "/api" && path != "/api/" {
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
        }
    }
    assert_eq!(admin.get("/api/v1/logouts/9223372036854775808").await.status, 404);
    assert_eq!(admin.delete("/api/v1/tokens/x").await.status, 404);
    app.done().await;
}
