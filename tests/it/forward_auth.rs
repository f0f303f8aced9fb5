//! A proxy asks whether a request may pass.

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::applications::stranger_through_proxy;
use crate::support::browser::path_of;
use crate::support::dsig::RSA_A;
use crate::support::http::send;
use crate::support::messages::Name;
use crate::support::story::{Scene, Via};

const WIKI: &str = "https://wiki.example";
const PAGE: &str = "https://wiki.example/page?id=7&x=%2F";
const HTML: (&str, &str) = ("Accept", "text/html,*/*;q=0.8");

async fn behind_proxy() -> TestApp {
    TestApp::start_with(&[("SIGNOFF_TRUSTED_PROXIES", "127.0.0.1")]).await
}

/// Alice is signed in, the wiki is registered, and the proxy is trusted.
async fn scene() -> Scene {
    let app = behind_proxy().await;
    app.pulling("wiki", WIKI).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    Scene::enter(app, idp).await
}

#[tokio::test]
async fn a_live_session_passes_with_its_name_and_a_dead_one_does_not() {
    let scene = scene().await;
    let reply = scene.alice.through_proxy(PAGE).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let session = scene.alice.session().await;
    assert_eq!(reply.header("x-signoff-session"), session["session_id"].as_str());
    assert_eq!(reply.header("x-signoff-user"), Some("alice@example.org"));
    assert_eq!(reply.header("x-signoff-user-format"), scene.name.format.as_deref());
    assert_eq!(reply.header("x-signoff-idp"), Some(scene.idp.entity_id.as_str()));
    assert_eq!(reply.header("x-signoff-application"), Some("wiki"));
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
    assert!(reply.header("set-cookie").is_none());
    scene.assert_right_one_works(Via::Soap).await;
    let reply = scene.alice.through_proxy(PAGE).await;
    assert_eq!((reply.status, reply.json()), (401, serde_json::json!({"active": false})));
    assert!(reply.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("x-signoff-user")));
    scene.done().await;
}

#[tokio::test]
async fn nobody_passes_without_the_cookie_of_a_live_session() {
    let scene = scene().await;
    for cookie in
        [None, Some("signoff=nonsense"), Some("signoff=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    {
        let mut headers = vec![("X-Original-URL", PAGE), HTML];
        headers.extend(cookie.map(|cookie| ("Cookie", cookie)));
        let reply = stranger_through_proxy(&scene.app, &headers, "/forward-auth").await;
        assert_eq!(reply.status, 401, "never a redirect");
        assert!(reply.header("location").is_none());
    }
    scene.app.advance(TimeDelta::hours(9));
    assert_eq!(scene.alice.through_proxy(PAGE).await.status, 401, "idle for too long");
    scene.done().await;
}

#[tokio::test]
async fn the_first_pass_notes_a_part_and_later_ones_write_nothing() {
    let scene = scene().await;
    let rows = "select coalesce(sum(xmin::text::bigint), 0)::bigint from (
                    select xmin from participation union all select xmin from session) rows";
    assert_eq!(scene.app.count("select count(*) from participation").await, 0);
    scene.alice.through_proxy(PAGE).await;
    let parts = "select count(*) from participation where source = 'forward-auth' and ended_at is null";
    assert_eq!(scene.app.count(parts).await, 1);
    let written = scene.app.count(rows).await;
    for _ in 0..3 {
        assert_eq!(scene.alice.through_proxy("https://wiki.example/other").await.status, 200);
    }
    assert_eq!(scene.app.count(rows).await, written);
    // The application is told of the end.
    scene.assert_right_one_works(Via::Redirect).await;
    assert_eq!(scene.app.count("select count(*) from notification where reason = 'idp'").await, 1);
    scene.done().await;
}

#[tokio::test]
async fn who_asks_at_once_takes_part_once() {
    let scene = scene().await;
    let asking = (0..8).map(|_| scene.alice.through_proxy(PAGE));
    for reply in futures_util::future::join_all(asking).await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!(scene.app.count("select count(*) from participation").await, 1);
    scene.done().await;
}

#[tokio::test]
async fn a_page_is_sent_to_sign_in_only_where_the_proxy_wants_it_and_comes_back() {
    let scene = scene().await;
    let stranger = scene.app.browser();
    let to = "/forward-auth?signin=302";
    let reply = stranger.through_proxy_with(PAGE, to, &[HTML]).await;
    assert_eq!(reply.status, 302);
    let location = reply.location().to_owned();
    assert!(location.starts_with(&scene.app.url("/saml/login?return_to=")), "{location}");
    // Without the redirect the proxy is told the same address.
    let reply = stranger.through_proxy_with(PAGE, "/forward-auth", &[HTML]).await;
    assert_eq!((reply.status, reply.header("x-signoff-sign-in")), (401, Some(location.as_str())));
    for (name, value) in [("Accept", "application/json"), ("Accept", "*/*"), ("X-Nothing", "")] {
        let reply = stranger.through_proxy_with(PAGE, to, &[(name, value)]).await;
        assert_eq!(reply.status, 401, "{name}: {value}");
    }
    let reply = stranger.through_proxy_with(PAGE, to, &[HTML, ("X-Forwarded-Method", "POST")]).await;
    assert_eq!(reply.status, 401);
    // Once around: the sign-in comes back to the very page.
    let request = scene.idp.sp.read_front(&stranger.get(path_of(&location)).await);
    let response = scene.idp.response(Some(request.id()), &Name::email("bob@example.org"), "b");
    let reply = stranger.bring(&response.signed(scene.idp.key), request.relay_state.as_deref()).await;
    assert_eq!((reply.status, reply.location()), (303, PAGE));
    assert_eq!(stranger.through_proxy(PAGE).await.status, 200);
    scene.done().await;
}

#[tokio::test]
async fn an_origin_that_nobody_registered_gets_no_part_and_no_way_back() {
    let scene = scene().await;
    for original in [
        "https://evil.example/",
        "http://wiki.example/",
        "https://wiki.example:444/",
        "https://wiki.example.evil.example/",
        "https://sub.wiki.example/",
    ] {
        let reply = scene.alice.through_proxy(original).await;
        assert_eq!(reply.status, 200, "{original}");
        assert_eq!(reply.header("x-signoff-application"), Some(""), "{original}");
        let headers = [("X-Original-URL", original), HTML];
        let reply = stranger_through_proxy(&scene.app, &headers, "/forward-auth?signin=302").await;
        assert_eq!((reply.status, reply.header("x-signoff-sign-in")), (401, None), "{original}");
    }
    assert_eq!(scene.app.count("select count(*) from participation").await, 0);
    // Its positive twin, in another spelling.
    let reply = scene.alice.through_proxy("https://WIKI.example:443/").await;
    assert_eq!(reply.header("x-signoff-application"), Some("wiki"));
    scene.done().await;
}

#[tokio::test]
async fn only_a_trusted_proxy_says_what_was_asked_for() {
    let app = TestApp::start().await;
    app.pulling("wiki", WIKI).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let reply = scene.alice.through_proxy(PAGE).await;
    assert_eq!((reply.status, reply.header("x-signoff-application")), (200, Some("")));
    let headers = [("X-Original-URL", PAGE), HTML];
    let reply = stranger_through_proxy(&scene.app, &headers, "/forward-auth?signin=302").await;
    assert_eq!(reply.status, 401);
    assert_eq!(scene.app.count("select count(*) from participation").await, 0);
    scene.done().await;
}

#[tokio::test]
async fn the_original_address_comes_whole_or_in_parts_and_must_not_contradict_itself() {
    let scene = scene().await;
    let ask = async |headers: &[(&str, &str)]| {
        scene.alice.request("GET", "/forward-auth", headers, None, crate::support::browser::From::Here).await
    };
    let parts =
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "wiki.example"), ("X-Forwarded-Uri", "/a?b=c")];
    let reply = ask(&parts).await;
    assert_eq!(reply.header("x-signoff-application"), Some("wiki"));
    let mut other = parts.to_vec();
    other.push(("X-Original-URL", "https://elsewhere.example/"));
    let reply = ask(&other).await;
    assert_eq!(reply.status, 401, "which application is asked for cannot be told");
    let reply = ask(&[("X-Original-URL", PAGE), ("X-Original-URL", PAGE)]).await;
    assert_eq!(reply.status, 401);
    scene.app.assert_audited("FORWARD-AUTH").await;
    scene.done().await;
}

#[tokio::test]
async fn no_name_becomes_a_header_of_its_own() {
    let app = behind_proxy().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    for (value, header) in [
        ("Zo\u{eb} 100%", "Zo%C3%AB%20100%25"),
        ("a,b;\"c\"\\", "a%2Cb%3B%22c%22%5C"),
        ("x\nX-Signoff-User: root", "x%0AX-Signoff-User:%20root"),
        ("x\ty", "x%09y"),
    ] {
        let browser = app.browser();
        browser.sign_in(&idp, &Name::bare(value), "i").await;
        let reply = browser.get("/forward-auth").await;
        let users: Vec<_> = reply.headers_named("x-signoff-user").collect();
        assert_eq!(users, [header], "{value}");
    }
    app.done().await;
}

#[tokio::test]
async fn a_fault_of_ours_lets_nobody_through() {
    let scene = scene().await;
    assert_eq!(scene.alice.through_proxy(PAGE).await.status, 200);
    scene.app.database.shut().await;
    let reply = scene.alice.through_proxy(PAGE).await;
    assert_eq!(reply.status, 500, "a proxy takes that for no");
    assert!(reply.json()["incident"].is_string(), "{}", reply.body);
    scene.app.database.reopen().await;
    scene.done().await;
}

#[tokio::test]
async fn sso_24_the_cookie_reaches_sibling_hosts_only_if_the_settings_say_so() {
    let base = ("SIGNOFF_BASE_URL", "https://sso.example.com");
    for (domain, name) in [(None, "__Host-signoff"), (Some("example.com"), "__Secure-signoff")] {
        let mut variables = vec![base];
        variables.extend(domain.map(|domain| ("SIGNOFF_COOKIE_DOMAIN", domain)));
        let app = TestApp::start_with(&variables).await;
        let idp = app.idp("idp-a", &RSA_A).await;
        let alice = app.browser();
        alice.sign_in(&idp, &Name::email("alice@example.org"), "1").await;
        let cookie = alice.cookie(name).unwrap();
        assert!(cookie.has("secure") && cookie.has("httponly") && cookie.has("samesite=lax"));
        assert_eq!(cookie.has("domain=example.com"), domain.is_some());
        assert!(alice.is_signed_in().await);
        assert!(alice.cookie("__Host-signoff_login").is_some(), "this one stays ours alone");
        let stolen = format!("signoff={}", cookie.value);
        let reply = send(&app.authority, "GET", "/session", &[("Cookie", &stolen)], None).await;
        assert_eq!(reply.status, 401, "only under its own name");
        app.done().await;
    }
}
