//! `signoff token` on the command line.

use crate::support::http::send;
use crate::support::process::Site;

#[tokio::test]
async fn an_admin_makes_lists_and_revokes_tokens_while_the_service_runs() {
    let site = Site::new().await;
    let service = site.serve();
    let token =
        site.run(&["token", "create", "night shift", "--role", "operator", "--expires-in", "90d"]).good();
    let bearer = format!("Bearer {}", token.trim());
    let headers = [("Authorization", bearer.as_str())];
    let status = async || send(&service.authority, "GET", "/api/v1/sessions", &headers, None).await.status;
    assert_eq!(status().await, 200);
    let list = site.run(&["token", "list"]).good();
    assert!(list.contains("night shift") && list.contains("operator") && !list.contains(token.trim()));
    let list: serde_json::Value =
        serde_json::from_str(&site.run(&["token", "list", "--json"]).good()).unwrap();
    let id = list[0]["id"].to_string();
    site.run(&["token", "revoke", &id]).good();
    assert_eq!(status().await, 401);
    assert!(!service.log().contains(token.trim()), "no token in the log");
    site.run(&["token", "revoke", "4711"]).one_line(1);
    site.run(&["token", "create", "x", "--role", "application", "--application", "none"]).one_line(1);
    assert_eq!(site.run(&["token", "create", "x", "--role", "root"]).code, 2);
    site.database().drop().await;
}
