//! One request ends all sessions of a principal, or of an identity provider, however many there are.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::idp::Idp;
use crate::support::messages::Name;

const PATH: &str = "/api/v1/logouts";
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const ALIVE: &str = "select count(*) from session where ended_at is null";

/// 250 sessions of alice at one identity provider, and one of hers at another.
struct Crowd {
    app: TestApp,
    idp: Idp,
    alice: Browser,
    elsewhere: Browser,
}

impl Crowd {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (idp, other) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
        let (alice, elsewhere) = (app.browser(), app.browser());
        let name = Name::email("alice@example.org");
        alice.arrive(&idp, &name, "0").await;
        elsewhere.arrive(&other, &name, "q").await;
        // More sessions like the first.
        sqlx::query(
            "with added as (insert into session (public_id, cookie_hash, created_at, last_seen_at, expires_at)
                            select 'p' || n, sha256(n::text::bytea), created_at, last_seen_at, expires_at
                              from session, generate_series(1, 249) n where id = (select min(id) from session)
                            returning id)
             insert into authentication (session_id, idp_id, principal_id, name_id, session_indexes, authn_instant,
                                         assertion_id, created_at)
             select added.id, idp_id, principal_id, name_id, session_indexes, authn_instant, 'a' || added.id,
                    created_at
               from added, authentication where session_id = (select min(id) from session)",
        )
        .execute(&app.pool)
        .await
        .unwrap();
        assert_eq!(app.count(ALIVE).await, 251);
        Self { app, idp, alice, elsewhere }
    }

    /// What a node leaves behind that was asked and then died before the first batch.
    async fn order_of_a_dead_node(&self) {
        sqlx::query(
            "insert into logout_sweep (idp_id, by_admin, started_at, through, leased_until)
             select i.id, false, $1, (select max(id) from session), $1 + interval '30 seconds'
               from identity_provider i where i.slug = 'idp-a'",
        )
        .bind(self.app.now())
        .execute(&self.app.pool)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn slo_46_one_request_ends_all_sessions_of_an_identity_provider_and_no_others() {
    let crowd = Crowd::new().await;
    let operator = crowd.app.api("operator").await;
    let body = json!({ "identity_provider": "idp-a" });
    let first = operator.post_once(PATH, "k", body.clone()).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let started = first.json();
    assert_eq!((&started["complete"], &started["sessions_ended"]), (&json!(true), &json!(250)));
    assert_eq!(started["logouts"].as_array().unwrap().len(), 250);
    assert!(started["continue_url"].is_null() && first.header("location").is_none());
    assert!(!crowd.alice.is_signed_in().await && crowd.elsewhere.is_signed_in().await);
    assert_eq!(crowd.app.count(ALIVE).await, 1);
    assert_eq!(crowd.app.count("select count(*) from logout").await, 250);
    assert_eq!(crowd.app.count("select count(*) from logout_sweep").await, 0, "nothing is left to do");
    // The key gives the whole answer, and does nothing again.
    let again = operator.post_once(PATH, "k", body.clone()).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    let other = json!({ "identity_provider": "idp-b" });
    assert_eq!(operator.post_once(PATH, "k", other).await.status, 422, "another body");
    // Asked anew, there is nobody.
    let none = operator.post(PATH, body).await;
    assert_eq!((none.status, &none.json()["complete"]), (200, &json!(true)));
    assert_eq!(
        operator.post(PATH, json!({ "identity_provider": "idp-a", "browser": true })).await.status,
        422
    );
    crowd.app.done().await;
}

#[tokio::test]
async fn one_request_ends_all_sessions_of_a_principal_and_no_others() {
    let crowd = Crowd::new().await;
    let bob = crowd.app.browser();
    bob.arrive(&crowd.idp, &Name::email("bob@example.org"), "b").await;
    let name_id = json!({ "value": "alice@example.org", "format": EMAIL });
    let body = json!({ "principal": { "identity_provider": "idp-a", "name_id": name_id } });
    let started = crowd.app.api("admin").await.post(PATH, body).await.json();
    assert_eq!((&started["complete"], &started["sessions_ended"]), (&json!(true), &json!(250)));
    assert!(!crowd.alice.is_signed_in().await);
    assert!(crowd.elsewhere.is_signed_in().await && bob.is_signed_in().await);
    assert_eq!(crowd.app.count("select count(*) from logout where trigger = 'admin'").await, 250);
    crowd.app.done().await;
}

#[tokio::test]
async fn what_a_dead_node_was_asked_to_end_another_ends_and_no_session_that_began_later() {
    let crowd = Crowd::new().await;
    crowd.order_of_a_dead_node().await;
    let late = crowd.app.browser();
    late.arrive(&crowd.idp, &Name::email("late@example.org"), "l").await;
    crowd.app.work().await;
    assert_eq!(crowd.app.count(ALIVE).await, 252, "while its lease lasts, it may be alive");
    crowd.app.advance(TimeDelta::seconds(31));
    crowd.app.work().await;
    assert!(!crowd.alice.is_signed_in().await);
    assert!(late.is_signed_in().await && crowd.elsewhere.is_signed_in().await);
    assert_eq!(crowd.app.count(ALIVE).await, 2);
    assert_eq!(crowd.app.count("select count(*) from logout_sweep").await, 0);
    crowd.app.done().await;
}

#[tokio::test]
async fn two_nodes_that_go_on_with_the_same_order_end_each_session_once() {
    let crowd = Crowd::new().await;
    let node = crowd.app.second_node().await;
    crowd.order_of_a_dead_node().await;
    crowd.app.advance(TimeDelta::seconds(31));
    tokio::join!(crowd.app.work(), node.work());
    // Whoever found the other at it has left it alone.
    crowd.app.work().await;
    assert_eq!(crowd.app.count(ALIVE).await, 1);
    assert_eq!(crowd.app.count("select count(*) from logout").await, 250);
    crowd.app.done().await;
}
