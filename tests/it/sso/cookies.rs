//! SSO-24: the two cookies.

use super::*;

#[tokio::test]
async fn sso_24_cookies_on_loopback() {
    let door = Door::new().await;
    let browser = door.app.browser();
    browser.plant("signoff", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let begun = browser.begin_sign_in(&door.idp).await;
    let correlation = browser.cookie("signoff_login").unwrap();
    assert!(correlation.has("httponly") && !correlation.has("secure"));
    assert!(!correlation.attributes.iter().any(|a| a.starts_with("samesite")), "{correlation:?}");
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
    assert_uncached(&reply, Via::Post);
    let session = browser.cookie("signoff").unwrap();
    assert_ne!(session.value, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "a preset cookie is replaced");
    assert_eq!(session.value.len(), 43);
    assert!(session.has("httponly") && session.has("samesite=lax") && session.has("path=/"), "{session:?}");
    assert!(!session.has("secure"));
    assert!(!session.attributes.iter().any(|a| a.starts_with("domain")));
    // Only its hash is stored.
    let clear: i64 =
        sqlx::query_scalar("select count(*) from session where encode(cookie_hash, 'escape') = $1")
            .bind(&session.value)
            .fetch_one(&door.app.pool)
            .await
            .unwrap();
    assert_eq!(clear, 0);
    door.done().await;
}

#[tokio::test]
async fn sso_24_cookies_on_https() {
    let app = TestApp::start_with(&[("SIGNOFF_BASE_URL", "https://sp.example")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let browser = app.browser();
    browser.sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    let session = browser.cookie("__Host-signoff").unwrap();
    for attribute in ["httponly", "samesite=lax", "path=/", "secure"] {
        assert!(session.has(attribute), "{session:?}");
    }
    assert!(!session.attributes.iter().any(|a| a.starts_with("domain")));
    let other = app.browser();
    other.begin_sign_in(&idp).await;
    let correlation = other.cookie("__Host-signoff_login").unwrap();
    for attribute in ["httponly", "samesite=none", "path=/", "secure"] {
        assert!(correlation.has(attribute), "{correlation:?}");
    }
    assert!(browser.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn sso_24_the_session_cookie_is_new_at_every_sign_in() {
    let door = Door::new().await;
    let browser = door.app.browser();
    browser.sign_in(&door.idp, &door.name, "1").await;
    let first = browser.cookie("signoff").unwrap().value;
    let old = browser.at(&door.app.authority);
    browser.sign_in(&door.idp, &door.name, "2").await;
    assert_ne!(browser.cookie("signoff").unwrap().value, first);
    assert!(browser.is_signed_in().await);
    assert!(!old.is_signed_in().await, "the cookie of before opens nothing");
    door.done().await;
}
