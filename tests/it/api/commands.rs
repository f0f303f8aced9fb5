//! `signoff token` on the command line.

use crate::support::dsig::RSA_A;
use crate::support::http::send;
use crate::support::messages::Name;
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

#[tokio::test]
async fn slo_56_whoever_is_named_over_the_api_is_not_named_in_the_log() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let alice = service.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), "1").await;
    let token = site.run(&["token", "create", "help desk", "--role", "operator"]).good();
    let bearer = format!("Bearer {}", token.trim());
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    for (identity_provider, status) in [("none", 422), ("idp-a", 201)] {
        let name_id = serde_json::json!({ "value": "alice@example.org", "format": format });
        let body = serde_json::json!({
            "principal": { "identity_provider": identity_provider, "name_id": name_id },
        });
        let body = body.to_string();
        let reply =
            send(&service.authority, "POST", "/api/v1/logouts", &headers, Some(body.as_bytes())).await;
        assert_eq!(reply.status, status, "{}", reply.body);
    }
    assert!(!alice.is_signed_in().await);
    let log = service.log();
    assert!(log.contains("logouts were started"), "{log}");
    assert!(!log.contains("alice") && !log.contains(token.trim()), "{log}");
    site.database().drop().await;
}

#[tokio::test]
async fn what_is_done_by_command_is_audited_as_over_the_api() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    site.run(&["application", "create", "shop", "--form", "webhook", "--url", "http://127.0.0.1:9/"]).good();
    let pool = site.database().pool(1).await;
    let alice = service.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), "1").await;
    sqlx::query(
        "insert into participation (public_id, application_id, session_id, source, created_at)
         select 'p', a.id, s.id, 'api', s.created_at from application a, session s",
    )
    .execute(&pool)
    .await
    .unwrap();
    let said = site.run(&["idp", "delete", "idp-a"]).good();
    assert_eq!(said, "idp-a is gone; 1 sessions ended\n");
    assert!(!alice.is_signed_in().await);
    let line = site.run(&["idp", "delete", "idp-a"]).one_line(1);
    assert!(line.contains("there is no identity provider called"), "{line}");
    let id: i64 = sqlx::query_scalar("select id from notification").fetch_one(&pool).await.unwrap();
    site.run(&["delivery", "retry", &id.to_string()]).good();
    site.run(&["delivery", "retry", "4711"]).one_line(1);
    let audit: Vec<String> =
        sqlx::query_scalar("select detail from audit where rule = 'API-WRITE' order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let removed = format!("command: removed identity provider idp-a ({})", idp.entity_id);
    assert_eq!(audit, [removed, format!("command: told again: delivery {id}")]);
    pool.close().await;
    site.database().drop().await;
}
