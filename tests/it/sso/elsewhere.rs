//! SSO-25, VAL-24: nothing that came along leads anywhere else.

use super::*;

#[tokio::test]
async fn sso_25_a_deep_link_survives_sign_in() {
    let app = TestApp::start_with(&[("SIGNOFF_RETURN_ORIGINS", "[\"https://app.example\"]")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let own = app.url("/logout?x=1");
    for (target, arrives) in [
        ("/deep/link?a=b&c=%2F#part", "/deep/link?a=b&c=%2F#part"),
        ("https://app.example/page?x=y", "https://app.example/page?x=y"),
        (own.as_str(), own.as_str()),
    ] {
        let browser = app.browser();
        let reply =
            browser.get(&format!("/saml/login?idp=idp-a&return_to={}", percent(target, Hex::Upper))).await;
        let begun = idp.sp.read_front(&reply);
        let response = idp.response(Some(begun.id()), &name, INDEX).signed(idp.key);
        let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
        let to = reply.location();
        let base = &app.base_url;
        assert!(
            to == arrives || to == format!("{base}{arrives}") || format!("{base}{to}") == arrives,
            "{target} led to {to}"
        );
    }
    app.done().await;
}

/// F-30: every spelling that has ever led elsewhere.
pub const ELSEWHERE: [&str; 22] = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "/\\evil.example/",
    "\\\\evil.example/",
    "\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://app.example@evil.example/",
    "https://app.example.evil.example/",
    "http://app.example/",
    "https://app.example:444/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/a\r\nSet-Cookie: x=y",
];

#[tokio::test]
async fn sso_25_nothing_leads_elsewhere() {
    let app = TestApp::start_with(&[("SIGNOFF_RETURN_ORIGINS", "[\"https://app.example\"]")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    for target in ELSEWHERE {
        let browser = app.browser();
        let reply =
            browser.get(&format!("/saml/login?idp=idp-a&return_to={}", percent(target, Hex::Upper))).await;
        let begun = idp.sp.read_front(&reply);
        let response = idp.response(Some(begun.id()), &name, INDEX).signed(idp.key);
        let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
        assert_eq!(reply.status, 303);
        assert_here(&app, reply.location(), target);
        assert!(reply.header("x-injected").is_none() && browser.cookie("x").is_none());
    }
    app.done().await;
}

/// A browser that follows this Location stays with us.
pub fn assert_here(app: &TestApp, location: &str, target: &str) {
    let base = url::Url::parse(&app.base_url).unwrap();
    let to = base.join(location).unwrap();
    assert_eq!(to.origin(), base.origin(), "{target:?} led to {location:?}");
}

#[tokio::test]
async fn sso_25_relay_state_of_an_unsolicited_response_leads_nowhere_else() {
    let door = Door::new().await;
    for target in ELSEWHERE {
        let browser = door.app.browser();
        let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
        let reply = browser.bring(&response, Some(target)).await;
        assert_eq!(reply.status, 303, "{target:?}: {}", reply.body);
        assert_here(&door.app, reply.location(), target);
    }
    door.done().await;
}

#[tokio::test]
async fn sso_25_swapped_relay_states_are_refused_or_ignored() {
    let door = Door::new().await;
    let (one, two) = (door.app.browser(), door.app.browser());
    let read = async |browser: &Browser, path: &str| {
        let reply = browser.get(&format!("/saml/login?idp=idp-a&return_to={path}")).await;
        door.idp.sp.read_front(&reply)
    };
    let (first, second) = (read(&one, "/one").await, read(&two, "/two").await);
    let response = door.idp.response(Some(first.id()), &door.name, INDEX).signed(door.idp.key);
    let reply = one.bring(&response, second.relay_state.as_deref()).await;
    // BIND-20: RelayState is no more than a key that has to fit the transaction.
    if reply.status == 303 {
        assert!(reply.location().ends_with("/one"), "{}", reply.location());
    } else {
        assert_eq!(reply.status, 400);
        assert!(!one.is_signed_in().await);
    }
    door.done().await;
}

#[tokio::test]
async fn f_32_a_name_id_of_markup_leaves_as_text() {
    let door = Door::new().await;
    let value = "a</saml:NameID><x/>&\"'<!-- -->]]>\r\n\t";
    let browser = door.app.browser();
    let name = Name::bare(value);
    browser.sign_in(&door.idp, &name, "i<&>\"").await;
    let request = door.idp.sp.read_front(&browser.sign_out().await);
    assert_eq!(request.name(), name);
    assert_eq!(request.session_indexes(), ["i<&>\""]);
    door.done().await;
}

#[tokio::test]
async fn val_24_host_and_forwarded_headers_change_nothing() {
    let door = Door::new().await;
    let headers = [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Original-URL", "/evil"),
        ("Referer", "https://evil.example/"),
    ];
    let browser = door.app.browser();
    let from = crate::support::browser::From::Here;
    let reply = browser.request("GET", "/saml/login?idp=idp-a", &headers, None, from).await;
    let request = door.idp.sp.read_front(&reply);
    assert_eq!(request.message.attribute("AssertionConsumerServiceURL"), Some(door.app.sp.acs.as_str()));
    let metadata = browser.request("GET", "/saml/metadata", &headers, None, from).await;
    assert!(!metadata.body.contains("evil"));
    assert!(Element::parse(&metadata.body).is_ok());
    door.done().await;
}
