//! Pages of applications that ask about the browser's session, and wait for its end.

use std::time::Instant;

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::browser::{Browser, From};
use crate::support::dsig::RSA_A;
use crate::support::http::HttpReply;
use crate::support::messages::Name;
use crate::support::process::Site;
use crate::support::sse::Events;
use crate::support::story::{Scene, Via};

const SPA: &str = "https://spa.example";

async fn scene() -> Scene {
    let app = TestApp::start().await;
    app.pulling("spa", SPA).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    Scene::enter(app, idp).await
}

fn cookie(browser: &Browser) -> String {
    format!("signoff={}", browser.cookie("signoff").unwrap().value)
}

async fn listen(scene: &Scene, more: &[(&str, &str)]) -> Events {
    let cookie = cookie(&scene.alice);
    let mut headers = vec![("Cookie", cookie.as_str())];
    headers.extend(more);
    Events::open(&scene.app.authority, "/session/events", &headers).await
}

async fn from_origin(scene: &Scene, method: &str, path: &str, origin: &str) -> HttpReply {
    let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
    scene.alice.request(method, path, &headers, None, From::Here).await
}

#[tokio::test]
async fn a_page_hears_of_the_end_once_and_then_nothing_more() {
    let scene = scene().await;
    let mut events = listen(&scene, &[]).await;
    assert_eq!(events.status(), 200);
    assert!(events.head.to_ascii_lowercase().contains("content-type: text/event-stream"), "{}", events.head);
    let session = scene.alice.session().await["session_id"].as_str().unwrap().to_owned();
    let first = events.until(&format!("id: {session}\n\n")).await;
    assert!(!first.contains("event:"), "nothing has happened yet: {first}");
    let began = Instant::now();
    scene.assert_right_one_works(Via::Soap).await;
    let heard = events.rest().await;
    assert_eq!(heard.matches("event: ended").count(), 1, "{heard}");
    assert!(heard.ends_with("0\r\n\r\n"), "the stream is closed: {heard}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    scene.done().await;
}

#[tokio::test]
async fn a_page_hears_of_every_kind_of_end() {
    // The person, at another node.
    let scene = scene().await;
    let node = scene.app.second_node().await;
    let mut events = listen(&scene, &[]).await;
    scene.alice.at(&node.authority).sign_out_here().await;
    events.until("event: ended").await;
    // The clock: nobody writes it down, and it is over all the same.
    scene.app.advance(TimeDelta::seconds(1));
    scene.alice.sign_in(&scene.idp, &scene.name, "s-2").await;
    let mut events = listen(&scene, &[]).await;
    events.until("id: ").await;
    scene.app.advance(TimeDelta::hours(9));
    events.until("event: ended").await;
    scene.done().await;
}

#[tokio::test]
async fn the_end_of_others_is_not_heard() {
    let scene = scene().await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    let mut alice = listen(&scene, &[]).await;
    let mut bobs = Events::open(&scene.app.authority, "/session/events", &[("Cookie", &cookie(&bob))]).await;
    bobs.until("id: ").await;
    bob.sign_out_here().await;
    bobs.until("event: ended").await;
    assert!(!alice.until("id: ").await.contains("event:"));
    scene.assert_right_one_works(Via::Redirect).await;
    alice.until("event: ended").await;
    scene.done().await;
}

#[tokio::test]
async fn who_comes_back_late_hears_of_it_at_once_and_is_then_told_to_stop() {
    let scene = scene().await;
    let known = scene.alice.session().await["session_id"].as_str().unwrap().to_owned();
    scene.assert_right_one_works(Via::Post).await;
    // With the cookie of the session that is over.
    assert!(listen(&scene, &[]).await.rest().await.contains("event: ended"));
    assert_eq!(listen(&scene, &[("Last-Event-ID", "over")]).await.status(), 204);
    // With the cookie of another session: what the page knew is over.
    scene.app.advance(TimeDelta::seconds(1));
    scene.alice.sign_in(&scene.idp, &scene.name, "s-2").await;
    let mut events = listen(&scene, &[("Last-Event-ID", known.as_str())]).await;
    assert!(events.rest().await.contains("event: ended"));
    let present = scene.alice.session().await["session_id"].as_str().unwrap().to_owned();
    let mut events = listen(&scene, &[("Last-Event-ID", present.as_str())]).await;
    assert!(!events.until("id: ").await.contains("event:"));
    scene.done().await;
}

#[tokio::test]
async fn who_has_no_session_does_not_wait() {
    let scene = scene().await;
    for cookie in ["a=b", "signoff=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let events = Events::open(&scene.app.authority, "/session/events", &[("Cookie", cookie)]).await;
        assert_eq!(events.status(), 401, "{cookie}");
    }
    scene.done().await;
}

#[tokio::test]
async fn waiting_pages_are_bounded_and_hold_no_connection() {
    let scene = scene().await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    let mut open = Vec::new();
    // More than the pool has connections.
    for browser in [&scene.alice, &bob] {
        for _ in 0..8 {
            let cookie = cookie(browser);
            let mut events =
                Events::open(&scene.app.authority, "/session/events", &[("Cookie", &cookie)]).await;
            assert_eq!(events.status(), 200);
            events.until("id: ").await;
            open.push(events);
        }
        let full =
            Events::open(&scene.app.authority, "/session/events", &[("Cookie", &cookie(browser))]).await;
        assert_eq!(full.status(), 503);
        assert!(full.head.to_ascii_lowercase().contains("retry-after"), "{}", full.head);
    }
    assert!(scene.alice.is_signed_in().await, "the database is there for others");
    scene.assert_right_one_works(Via::Soap).await;
    for events in &mut open[..8] {
        assert!(events.rest().await.contains("event: ended"));
    }
    drop(open);
    scene.done().await;
}

#[tokio::test]
async fn a_registered_origin_may_read_the_answer_with_the_cookie() {
    let scene = scene().await;
    let reply = from_origin(&scene, "GET", "/session", SPA).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some(SPA));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(reply.header("vary"), Some("Origin"));
    let preflight = from_origin(&scene, "OPTIONS", "/session", SPA).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(SPA));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD"));
    let events = listen(&scene, &[("Origin", SPA)]).await;
    assert!(events.head.contains(&format!("access-control-allow-origin: {SPA}")), "{}", events.head);
    // 401 can be read as well, or a page could not tell.
    scene.assert_right_one_works(Via::Soap).await;
    let reply = from_origin(&scene, "GET", "/session", SPA).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (401, Some(SPA)));
    scene.done().await;
}

#[tokio::test]
async fn no_other_origin_may_read_anything() {
    let scene = scene().await;
    for origin in [
        "null",
        "*",
        "https://evil.example",
        "http://spa.example",
        "https://spa.example:444",
        "https://spa.example.evil.example",
        "https://sub.spa.example",
        "https://SPA.example",
        "https://spa.example/",
    ] {
        let reply = from_origin(&scene, "GET", "/session", origin).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(reply.header("access-control-allow-credentials"), None, "{origin}");
        assert_eq!(reply.header("vary"), Some("Origin"), "{origin}");
        assert_eq!(from_origin(&scene, "OPTIONS", "/session", origin).await.status, 403, "{origin}");
        assert_eq!(listen(&scene, &[("Origin", origin)]).await.status(), 403, "{origin}");
    }
    // Our own pages ask without any of this.
    let own = scene.app.base_url.clone();
    assert_eq!(listen(&scene, &[("Origin", &own)]).await.status(), 200);
    // And no other path answers another origin at all.
    let reply = from_origin(&scene, "GET", "/logout", SPA).await;
    assert_eq!(reply.header("access-control-allow-origin"), None);
    scene.done().await;
}

#[tokio::test]
async fn a_fault_of_ours_is_json_for_a_program() {
    let scene = scene().await;
    scene.app.database.shut().await;
    let reply = scene.alice.get("/session").await;
    assert_eq!((reply.status, reply.header("content-type")), (500, Some("application/problem+json")));
    assert!(reply.json()["incident"].is_string(), "{}", reply.body);
    scene.app.database.reopen().await;
    scene.done().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_wait() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let alice = service.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), "1").await;
    let mut events =
        Events::open(&service.authority, "/session/events", &[("Cookie", &cookie(&alice))]).await;
    events.until("id: ").await;
    let began = Instant::now();
    service.signal("TERM");
    assert!(!events.rest().await.contains("event: ended"), "the session lives on");
    assert_eq!(service.wait(), 0);
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
}
