//! `/api/v1/revocations`: who is out, in pages and as events.

use std::time::Instant;

use chrono::TimeDelta;

use crate::support::api::{Api, problem};
use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::dsig::RSA_A;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::sse::Events;

const FEED: &str = "/api/v1/revocations";

/// The wiki with its token, and whoever is signed in there.
struct Wiki {
    app: TestApp,
    idp: Idp,
    api: Api,
}

impl Wiki {
    async fn new() -> Self {
        let app = TestApp::start_with(&[("SIGNOFF_TRUSTED_PROXIES", "127.0.0.1")]).await;
        let idp = app.idp("idp-a", &RSA_A).await;
        let api = app.api_of("wiki").await;
        Self { app, idp, api }
    }

    async fn person(&self, name: &str) -> (Browser, String) {
        let browser = self.app.browser();
        browser.arrive(&self.idp, &Name::email(&format!("{name}@example.org")), name).await;
        let reply = browser.through_proxy("https://wiki.example/").await;
        let session = reply.header("x-signoff-session").unwrap().to_owned();
        (browser, session)
    }

    async fn events(&self, target: &str, more: &[(&str, &str)]) -> Events {
        let bearer = format!("Bearer {}", self.api.token);
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(more);
        Events::open(&self.app.authority, target, &headers).await
    }
}

#[tokio::test]
async fn an_application_reads_its_own_lines_and_an_operator_those_of_all() {
    let wiki = Wiki::new().await;
    let other = wiki.app.api_of("timesheets").await;
    let operator = wiki.app.api("operator").await;
    let start = wiki.api.get(FEED).await.json();
    assert_eq!((start["revocations"].as_array().unwrap().len(), &start["more"]), (0, &false.into()));
    let (alice, session) = wiki.person("alice").await;
    alice.sign_out().await;
    let after = format!("{FEED}?after={}", start["cursor"].as_str().unwrap());
    let page = wiki.api.get(&after).await.json();
    let line = &page["revocations"][0];
    assert_eq!((&line["session_id"], &line["reason"]), (&session.into(), &"person".into()));
    assert!(line["application"].is_null(), "it knows its own name");
    assert_eq!(other.get(FEED).await.json()["revocations"], serde_json::json!([]));
    assert_eq!(operator.get(FEED).await.json()["revocations"][0]["application"], "wiki");
    let after = format!("{FEED}?after={}", page["cursor"].as_str().unwrap());
    assert_eq!(wiki.api.get(&after).await.json()["revocations"], serde_json::json!([]));
    let stranger = wiki.app.api_with("signoff_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(stranger.get(FEED).await.status, 401);
    wiki.app.done().await;
}

#[tokio::test]
async fn a_session_that_ends_over_the_api_is_in_the_feed_and_wakes_who_waits() {
    let wiki = Wiki::new().await;
    let (_alice, session) = wiki.person("alice").await;
    let start = wiki.api.get(FEED).await.json()["cursor"].as_str().unwrap().to_owned();
    let target = format!("{FEED}?after={start}&wait=30");
    let began = Instant::now();
    let path = format!("/api/v1/sessions/{session}");
    let (page, ended) = tokio::join!(wiki.api.get(&target), wiki.api.delete(&path));
    assert_eq!(ended.status, 200);
    assert_eq!(page.json()["revocations"][0]["session_id"], session.as_str());
    assert_eq!(page.json()["revocations"][0]["reason"], "application");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    wiki.app.done().await;
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut() {
    let wiki = Wiki::new().await;
    let other = wiki.app.browser();
    other.arrive(&wiki.idp, &Name::email("nobody@example.org"), "n").await;
    let (alice, alice_session) = wiki.person("alice").await;
    let (bob, bob_session) = wiki.person("bob").await;
    let mut events = wiki.events(FEED, &[]).await;
    assert_eq!(events.status(), 200);
    events.until("id: ").await;
    alice.sign_out_here().await;
    other.sign_out_here().await;
    let heard = events.until(&alice_session).await.to_owned();
    assert_eq!(heard.matches("event: revocation").count(), 1, "{heard}");
    let line = heard.lines().position(|line| line == "event: revocation").unwrap();
    let id = heard.lines().nth(line - 1).unwrap().strip_prefix("id: ").unwrap().to_owned();
    drop(events);
    bob.sign_out_here().await;
    let mut events = wiki.events(FEED, &[("Last-Event-ID", &id)]).await;
    let heard = events.until(&bob_session).await;
    assert!(!heard.contains(&alice_session), "{heard}");
    wiki.app.done().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_problem_that_says_why() {
    let wiki = Wiki::new().await;
    for query in ["after=junk", "limit=0", "limit=1001", "wait=soon", "wait=1&wait=2", "since=1"] {
        let reply = wiki.api.get(&format!("{FEED}?{query}")).await;
        assert_eq!(problem(&reply), (422, "unprocessable".to_owned()), "{query}");
    }
    let start = wiki.api.get(FEED).await.json()["cursor"].as_str().unwrap().to_owned();
    let (alice, _) = wiki.person("alice").await;
    alice.sign_out_here().await;
    wiki.api.get(FEED).await;
    wiki.app.advance(TimeDelta::days(8));
    wiki.app.work().await;
    let after = format!("{FEED}?after={start}");
    assert_eq!(problem(&wiki.api.get(&after).await), (410, "gone".to_owned()));
    assert_eq!(wiki.events(FEED, &[("Last-Event-ID", &start)]).await.status(), 410);
    assert_eq!(wiki.api.get(FEED).await.status, 200);
    wiki.app.done().await;
}

#[tokio::test]
async fn a_cursor_of_another_list_is_none_of_this_one() {
    let wiki = Wiki::new().await;
    let operator = wiki.app.api("operator").await;
    for name in ["alice", "bob"] {
        wiki.person(name).await;
    }
    let sessions = operator.get("/api/v1/sessions?limit=1").await.json();
    let next = sessions["next"].as_str().unwrap();
    let reply = operator.get(&format!("{FEED}?after={next}")).await;
    assert_eq!(problem(&reply), (422, "unprocessable".to_owned()));
    wiki.app.done().await;
}
