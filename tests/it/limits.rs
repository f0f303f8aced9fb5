//! What strangers can make us do is bounded, and nobody pays for what others do.

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::dsig::RSA_A;
use crate::support::http::{HttpReply, send};

async fn begin(app: &TestApp, source: &str) -> HttpReply {
    send(&app.authority, "GET", "/saml/login?idp=idp-a", &[("X-Forwarded-For", source)], None).await
}

/// Begins sign-ins until one is refused; says how many were not.
async fn exhaust(app: &TestApp, source: &str) -> usize {
    for begun in 0..1000 {
        let reply = begin(app, source).await;
        if reply.status == 429 {
            assert!(reply.header("retry-after").is_some() && !reply.body.contains("SAMLRequest"));
            return begun;
        }
        assert_eq!(reply.status, 302, "{}", reply.body);
    }
    panic!("no limit");
}

#[tokio::test]
async fn sign_ins_that_begin_are_limited_for_each_source_and_not_for_others() {
    let app = TestApp::start_with(&[("SIGNOFF_TRUSTED_PROXIES", "127.0.0.1")]).await;
    app.idp("idp-a", &RSA_A).await;
    assert_eq!(exhaust(&app, "192.0.2.7").await, 300);
    assert_eq!(app.count("select count(*) from open_request").await, 300, "and no work after that");
    app.assert_audited("limit").await;
    // Nobody else is locked out, and the source itself not for long.
    assert_eq!(begin(&app, "192.0.2.8").await.status, 302);
    app.advance(TimeDelta::seconds(1));
    assert_eq!(begin(&app, "192.0.2.7").await.status, 302);
    app.done().await;
}

/// Behind a proxy that is not trusted everybody has one address: all would be locked out by one.
#[tokio::test]
async fn where_sources_cannot_be_told_apart_nobody_is_refused() {
    let app = TestApp::start_with(&[("SIGNOFF_BASE_URL", "https://sp.example")]).await;
    app.idp("idp-a", &RSA_A).await;
    for _ in 0..320 {
        assert_eq!(begin(&app, "192.0.2.7").await.status, 302);
    }
    app.done().await;
}
