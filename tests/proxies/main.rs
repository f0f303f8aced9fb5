//! Real proxies of the distribution in front of an application, configured as the README shows.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::struct_field_names,
    clippy::unnecessary_wraps,
    reason = "as in the other tests"
)]

mod backend;
mod proxy;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod support;

use backend::Backend;
use proxy::{Kind, Proxy};
use support::app::TestApp;
use support::browser::{Browser, From};
use support::dsig::RSA_A;
use support::http::HttpReply;
use support::idp::Idp;
use support::messages::Name;
use support::story::{Via, send_request};

const HTML: (&str, &str) = ("Accept", "text/html");

/// An application behind a proxy that asks us.
struct Behind {
    app: TestApp,
    idp: Idp,
    backend: Backend,
    proxy: Proxy,
}

impl Behind {
    async fn new(kind: Kind) -> Self {
        let app = TestApp::start_with(&[("SIGNOFF_TRUSTED_PROXIES", "127.0.0.1")]).await;
        let idp = app.idp("idp-a", &RSA_A).await;
        let backend = Backend::start().await;
        let proxy = Proxy::start(kind, &app.authority, &backend.authority).await;
        app.pulling("wiki", &format!("http://{}", proxy.authority)).await;
        Self { app, idp, backend, proxy }
    }

    /// The same browser at the proxy: to a browser, ports are one host.
    fn at_proxy(&self, browser: &Browser) -> Browser {
        browser.at(&self.proxy.authority)
    }

    async fn get(&self, browser: &Browser, path: &str, headers: &[(&str, &str)]) -> HttpReply {
        self.at_proxy(browser).request("GET", path, headers, None, From::Here).await
    }

    async fn signed_in(&self) -> Browser {
        let alice = self.app.browser();
        alice.sign_in(&self.idp, &Name::email("alice@example.org"), "s-1").await;
        alice
    }
}

#[tokio::test]
async fn nginx_guards_an_application() {
    guards(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_guards_an_application() {
    guards(Kind::Caddy).await;
}

#[tokio::test]
async fn nginx_lets_nobody_bring_a_name() {
    lets_nobody_bring_a_name(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_lets_nobody_bring_a_name() {
    lets_nobody_bring_a_name(Kind::Caddy).await;
}

async fn guards(kind: Kind) {
    let behind = Behind::new(kind).await;
    // Nobody: a page is sent to sign in, and nothing reaches the application.
    let stranger = behind.app.browser();
    let reply = behind.get(&stranger, "/page?a=b&c=%2F", &[HTML]).await;
    assert_eq!(reply.status, 302, "{reply:?}");
    let location = reply.location().to_owned();
    let page = format!("http://{}/page?a=b&c=%2F", behind.proxy.authority);
    let back: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
    assert_eq!(location, behind.app.url(&format!("/saml/login?return_to={back}")));
    let reply = behind.get(&stranger, "/data", &[("Accept", "application/json")]).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    assert!(behind.backend.seen().is_empty());
    // Through the sign-in and back to the very page.
    let request = behind.idp.sp.read_front(&stranger.get(&location).await);
    let response = behind.idp.response(Some(request.id()), &Name::email("bob@example.org"), "b");
    let reply = stranger.bring(&response.signed(behind.idp.key), request.relay_state.as_deref()).await;
    assert_eq!((reply.status, reply.location()), (303, page.as_str()));
    let reply = behind.get(&stranger, "/page?a=b&c=%2F", &[HTML]).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "the application"), "{reply:?}");
    let seen = behind.backend.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].line.starts_with("GET /page?a=b&c=%2F HTTP/"), "{}", seen[0].line);
    assert_eq!(seen[0].values("x-signoff-user"), ["bob@example.org"]);
    assert_eq!(seen[0].values("x-signoff-idp"), [behind.idp.entity_id.as_str()]);
    let session = stranger.session().await["session_id"].as_str().unwrap().to_owned();
    assert_eq!(seen[0].values("x-signoff-session"), [session.as_str()]);
    // The identity provider says over: the application takes part and is told, and the proxy stops.
    let request = behind.idp.logout_request(&Name::email("bob@example.org"), &["b"]);
    let answer = send_request(&behind.app.authority, &behind.idp, Via::Redirect, &request, None).await;
    assert_eq!(answer.status(), "Success");
    assert_eq!(behind.app.count("select count(*) from notification where reason = 'idp'").await, 1);
    assert_eq!(behind.get(&stranger, "/page", &[HTML]).await.status, 302);
    assert_eq!(behind.backend.seen().len(), 1);
    // When we cannot tell, nobody passes.
    let alice = behind.signed_in().await;
    behind.app.database.shut().await;
    let reply = behind.get(&alice, "/page", &[HTML]).await;
    assert_eq!(reply.status, 500, "{reply:?}");
    assert_eq!(behind.backend.seen().len(), 1);
    behind.app.database.reopen().await;
    behind.app.done().await;
}

async fn lets_nobody_bring_a_name(kind: Kind) {
    let behind = Behind::new(kind).await;
    let made_up = [
        HTML,
        ("X-Signoff-User", "root"),
        ("X-Signoff-Session", "made-up"),
        ("X-Signoff-Idp", "made-up"),
        ("X-Signoff-User-Format", "made-up"),
        ("X_Signoff_User", "root"),
        ("X-Original-URL", "https://elsewhere.example/"),
        ("X-Forwarded-Host", "elsewhere.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Uri", "/elsewhere"),
    ];
    assert_eq!(behind.get(&behind.app.browser(), "/", &made_up).await.status, 302);
    assert!(behind.backend.seen().is_empty());
    // Somebody who is signed in brings another name.
    let alice = behind.signed_in().await;
    assert_eq!(behind.get(&alice, "/", &made_up).await.status, 200);
    let seen = behind.backend.seen();
    assert_eq!(seen[0].values("x-signoff-user"), ["alice@example.org"]);
    assert_eq!(seen[0].values("x_signoff_user"), Vec::<&str>::new());
    assert_eq!(seen[0].values("x-signoff-idp"), [behind.idp.entity_id.as_str()]);
    assert!(!seen[0].values("x-signoff-session").contains(&"made-up"));
    assert_eq!(behind.app.count("select count(*) from participation").await, 1);
    // Somebody whom the identity provider did not name at all.
    let nobody = behind.app.browser();
    nobody
        .sign_in_as(&behind.idp, &Name::bare("x"), "n", |response| response.assertion.identifier.clear())
        .await;
    assert_eq!(behind.get(&nobody, "/", &made_up).await.status, 200);
    let seen = behind.backend.seen();
    let named: Vec<_> =
        seen[1].values("x-signoff-user").into_iter().filter(|user| !user.is_empty()).collect();
    assert!(named.is_empty(), "{named:?}");
    for header in ["x-signoff-user-format", "x-signoff-idp"] {
        assert!(seen[1].values(header).iter().all(|value| value.is_empty()), "{:?}", seen[1]);
    }
    behind.app.done().await;
}

#[test]
fn the_readme_shows_what_is_tested() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for file in ["nginx.conf", "Caddyfile", "traefik.yml"] {
        let text = std::fs::read_to_string(root.join("examples/web-app").join(file)).unwrap();
        assert!(readme.contains(&text), "README.md does not show examples/web-app/{file} as it is");
    }
}
