//! The corners in which the four promises could be broken: what is used up by a refusal, what a
//! late message revives, what is forgotten when.

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::browser::{From, path_of, tags};
use crate::support::dsig::{EC_256, Hex, RSA_A, RSA_B, percent};
use crate::support::http::send;
use crate::support::messages::{Name, instant};
use crate::support::story::{ACS, INDEX, SLO, SOAP_PATH, Scene, Via, get_query, post_body, send_request};

#[tokio::test]
async fn sso_11_a_refused_response_uses_up_nobodys_request() {
    let scene = Scene::new().await;
    let other = scene.app.idp("idp-b", &RSA_B).await;
    let name = Name::email("bob@example.org");
    let bob = scene.app.browser();
    let begun = bob.begin_sign_in(&scene.idp).await;
    let relay_state = begun.relay_state.as_deref();
    let right = scene.idp.response(Some(begun.id()), &name, "b").signed(scene.idp.key);
    // Of another browser, of another IdP, for another audience, unsigned.
    assert_eq!(scene.app.browser().bring(&right, relay_state).await.status, 400);
    let mixed = other.response(Some(begun.id()), &name, "b").signed(other.key);
    assert_eq!(bob.bring(&mixed, relay_state).await.status, 400);
    let mut wrong = scene.idp.response(Some(begun.id()), &name, "b");
    wrong.assertion.audiences = vec![vec!["https://other.example".to_owned()]];
    assert_eq!(bob.bring(&wrong.signed(scene.idp.key), relay_state).await.status, 400);
    assert_eq!(bob.bring(&wrong.assertion.xml(), relay_state).await.status, 400);
    assert_eq!(bob.bring(&right, relay_state).await.status, 303, "the right one still works");
    assert!(bob.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_50_requests_of_one_kind_take_no_answers_of_the_other() {
    let scene = Scene::new().await;
    // A LogoutResponse to an AuthnRequest.
    let bob = scene.app.browser();
    let begun = bob.begin_sign_in(&scene.idp).await;
    let answer = scene.idp.logout_response(&begun, &["Success"]);
    let reply = bob.bring_answer(&scene.idp, &answer, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    // A Response to a LogoutRequest.
    let asked = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    scene.app.advance(TimeDelta::seconds(1));
    let response = scene.idp.response(Some(asked.id()), &scene.name, "new").signed(scene.idp.key);
    assert_eq!(scene.alice.bring(&response, asked.relay_state.as_deref()).await.status, 400);
    assert!(!scene.alice.is_signed_in().await);
    // Both requests still wait for the right ones.
    let response = scene.idp.response(Some(begun.id()), &Name::email("bob@example.org"), "b");
    let reply = bob.bring(&response.signed(scene.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    let answer = scene.idp.logout_response(&asked, &["Success"]);
    assert!(scene.alice.bring_answer(&scene.idp, &answer, asked.relay_state.as_deref()).await.status < 400);
    scene.done().await;
}

/// Promise 1: what ended while a sign-in was under way is not revived by it.
#[tokio::test]
async fn a_sign_in_begun_in_a_session_that_ends_meanwhile_opens_a_new_one() {
    let scene = Scene::new().await;
    let old = scene.alice.session().await["session_id"].clone();
    let before = scene.alice.at(&scene.app.authority);
    let begun = scene.alice.begin_sign_in(&scene.idp).await;
    scene.assert_right_one_works(Via::Soap).await;
    scene.app.advance(TimeDelta::seconds(1));
    let response = scene.idp.response(Some(begun.id()), &scene.name, "two").signed(scene.idp.key);
    assert_eq!(scene.alice.bring(&response, begun.relay_state.as_deref()).await.status, 303);
    let session = scene.alice.session().await;
    assert_ne!(session["session_id"], old);
    assert_eq!(session["authentications"][0]["session_indexes"], serde_json::json!(["two"]));
    assert!(!before.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_04_any_of_the_indexes_of_a_session_ends_it() {
    for index in ["one", "two"] {
        let app = TestApp::start().await;
        let idp = app.idp("idp-a", &RSA_A).await;
        let name = Name::email("alice@example.org");
        let alice = app.browser();
        alice.sign_in(&idp, &name, "one").await;
        alice.sign_in(&idp, &name, "two").await;
        let request = idp.logout_request(&name, &[index]);
        let answer = send_request(&app.authority, &idp, Via::Redirect, &request, None).await;
        assert_eq!(answer.status(), "Success");
        assert!(!alice.is_signed_in().await, "{index}");
        app.done().await;
    }
}

/// Another principal at the same IdP: the old session ends, its IdP is not asked.
#[tokio::test]
async fn a_replaced_session_asks_nobody() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let old = scene.alice.at(&scene.app.authority);
    scene.alice.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    assert!(!old.is_signed_in().await);
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    let next = scene.idp.sp.read_front(&old.get("/saml/login?idp=idp-a").await);
    assert_eq!(next.message.local, "AuthnRequest");
    scene.done().await;
}

/// IdPs that use "1" as SessionIndex for everybody lock nobody out for long.
#[tokio::test]
async fn slo_20_a_bar_ends_when_nothing_of_before_could_still_arrive() {
    let scene = Scene::new().await;
    let before = instant(scene.app.now() - TimeDelta::hours(1));
    scene.assert_right_one_works(Via::Redirect).await;
    let try_again = async || {
        let browser = scene.app.browser();
        let mut response = scene.idp.response(None, &scene.name, INDEX);
        response.assertion.statements[0].authn_instant.clone_from(&before);
        browser.bring(&response.signed(scene.idp.key), None).await.status
    };
    assert_eq!(try_again().await, 400);
    // Maximum age and twice the skew: 11 minutes.
    scene.app.advance(TimeDelta::minutes(10));
    assert_eq!(try_again().await, 400);
    scene.app.advance(TimeDelta::minutes(6));
    assert_eq!(try_again().await, 303);
    scene.done().await;
}

#[tokio::test]
async fn slo_20_the_bar_compares_instants_of_the_idp_to_the_fraction() {
    let scene = Scene::new().await;
    let now = instant(scene.app.now());
    scene.assert_right_one_works(Via::Redirect).await;
    let later = now.replace('Z', ".001Z");
    let browser = scene.app.browser();
    for (at, status) in [(now, 400), (later, 303)] {
        let mut response = scene.idp.response(None, &scene.name, INDEX);
        response.assertion.statements[0].authn_instant.clone_from(&at);
        assert_eq!(browser.bring(&response.signed(scene.idp.key), None).await.status, status, "{at}");
    }
    scene.done().await;
}

#[tokio::test]
async fn row_b_lasts_as_long_as_ended_sessions_are_remembered() {
    let app = TestApp::start_with(&[("SIGNOFF_SESSION__REMEMBER", "48h")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    scene.assert_right_one_works(Via::Redirect).await;
    scene.app.advance(TimeDelta::hours(47));
    scene.app.work().await;
    let request = scene.request(Via::Redirect);
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success", "row b");
    scene.app.advance(TimeDelta::hours(49));
    scene.app.work().await;
    scene.app.work().await;
    let request = scene.request(Via::Redirect);
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Requester/UnknownPrincipal", "row d");
    scene.done().await;
}

#[tokio::test]
async fn the_worker_forgets_what_nobody_needs_and_keeps_what_lives() {
    let scene = Scene::new().await;
    scene.app.browser().begin_sign_in(&scene.idp).await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    bob.sign_out().await;
    scene.app.work().await;
    assert!(scene.alice.is_signed_in().await, "what lives is kept");
    for _ in 0..3 {
        scene.app.advance(TimeDelta::days(10));
        scene.app.work().await;
    }
    for table in ["session", "authentication", "open_request", "seen_assertion", "outbox", "logout_leg"] {
        let statement = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(statement).fetch_one(&scene.app.pool).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_24_a_newly_signed_copy_is_still_the_same_message() {
    // ECDSA signs the same content to other octets each time.
    let scene = Scene::with_key(&EC_256).await;
    for via in Via::ALL {
        let request = scene.request(via);
        assert_ne!(request.signed(scene.idp.key), request.signed(scene.idp.key));
        assert_eq!(scene.send(via, &request).await.status(), "Success");
        scene.app.advance(TimeDelta::seconds(2));
        scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
        let again = scene.send_with(via, &request, "another").await;
        assert_eq!(again.status(), "Success", "{via:?}");
        let relay_state = again.saml().relay_state;
        assert_eq!(relay_state.as_deref(), (via != Via::Soap).then_some("another"));
        assert!(scene.alice.is_signed_in().await, "{via:?}");
    }
    scene.done().await;
}

#[tokio::test]
async fn sso_22_a_session_without_a_name_id_can_be_left_but_not_told_of() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let alice = app.browser();
    let name = Name::bare("nobody");
    alice.sign_in_as(&idp, &name, INDEX, |response| response.assertion.identifier.clear()).await;
    let reply = alice.sign_out().await;
    assert!(idp.sp.try_front(&reply).is_none(), "no LogoutRequest without a NameID");
    assert_eq!(alice.follow(reply).await.status, 200);
    assert!(!alice.is_signed_in().await);
    app.work().await;
    assert!(idp.soap.as_ref().unwrap().calls().is_empty());
    app.done().await;
}

#[tokio::test]
async fn bind_11_after_a_post_the_answer_is_a_303() {
    let scene = Scene::new().await;
    assert_eq!(scene.send(Via::Post, &scene.request(Via::Post)).await.reply.status, 303);
    let status = scene.send(Via::Redirect, &scene.request(Via::Redirect)).await.reply.status;
    assert!(matches!(status, 302 | 303), "{status}");
    scene.done().await;
}

#[tokio::test]
async fn f_31_nothing_from_outside_is_markup_on_our_pages() {
    let app = TestApp::start().await;
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let idp = app.idp("idp-a", &RSA_A).await;
    let other = app
        .idp_as("idp-b", &RSA_B, |mut metadata| {
            metadata.role_extensions = "<md:Extensions><mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\"><mdui:DisplayName xml:lang=\"en\">&quot;'&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;</mdui:DisplayName></mdui:UIInfo></md:Extensions>".to_owned();
            metadata
        })
        .await;
    let alice = app.browser();
    alice.sign_in(&idp, &Name::email(evil), evil).await;
    alice.sign_in(&other, &Name::bare(evil), evil).await;
    let encoded = percent(evil, Hex::Upper);
    let mut pages = vec![
        alice.get("/").await,
        alice.get(&format!("/logout?return_to={encoded}")).await,
        app.browser().get(&format!("/saml/login?return_to={encoded}")).await,
        app.browser().get(&format!("/saml/login?idp={encoded}")).await,
        app.browser().get(&format!("/logout/{encoded}")).await,
        app.browser().get(&format!("/{encoded}")).await,
        get_query(&app.authority, SLO, &format!("SAMLRequest={encoded}&RelayState={encoded}")).await,
        post_body(&app.authority, SLO, &format!("SAMLResponse={encoded}&RelayState={encoded}")).await,
        post_body(&app.authority, ACS, &format!("SAMLResponse={encoded}&RelayState={encoded}")).await,
    ];
    let first = idp.sp.read_front(&alice.sign_out().await);
    let (one, two) = if first.url.starts_with(&idp.origin) { (&idp, &other) } else { (&other, &idp) };
    let mut answer = one.logout_response(&first, &["Responder"]);
    answer.status_message = Some(evil.to_owned());
    let second = one.sp.read_front(&alice.bring_answer(one, &answer, first.relay_state.as_deref()).await);
    let answer = two.logout_response(&second, &["Responder", "urn:x:\"'><script>alert(1)</script>"]);
    let reply = alice.bring_answer(two, &answer, second.relay_state.as_deref()).await;
    pages.push(alice.follow(reply).await);
    for page in pages {
        assert!(page.status < 500, "{}", page.body);
        let inside = tags(&page.body).into_iter().any(|(name, attributes)| {
            name == "img" || attributes.iter().any(|(key, _)| key.starts_with("on"))
        });
        assert!(!inside && !page.body.contains("<script>alert"), "{}", page.body);
        let csp = page.header("content-security-policy").expect("a policy on every page");
        assert!(!csp.contains("unsafe"), "{csp}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    app.done().await;
}

#[tokio::test]
async fn f_30_logout_with_nobody_signed_in_leads_nowhere_else() {
    let app = TestApp::start().await;
    let nobody = app.browser();
    for target in crate::sso::ELSEWHERE {
        let reply = nobody.get(&format!("/logout?return_to={}", percent(target, Hex::Upper))).await;
        if matches!(reply.status, 302 | 303) {
            crate::sso::assert_here(&app, reply.location(), target);
        }
        let link = tags(&reply.body).into_iter().any(|(name, attributes)| {
            matches!(name.as_str(), "a" | "meta" | "form")
                && attributes.iter().any(|(_, value)| value.contains("evil.example"))
        });
        assert!(!link, "{target:?}: {}", reply.body);
    }
    app.done().await;
}

/// Two cookies of one name, one planted by a neighbour: neither may be mistaken for the other.
#[tokio::test]
async fn sso_24_planted_cookies_beside_ours_do_not_mix_people_up() {
    let scene = Scene::new().await;
    let own = scene.alice.cookie("signoff").unwrap().value;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    let foreign = bob.cookie("signoff").unwrap().value;
    for cookies in [format!("signoff={own}; signoff={foreign}"), format!("signoff={foreign}; signoff={own}")]
    {
        let reply = send(&scene.app.authority, "GET", "/session", &[("Cookie", &cookies)], None).await;
        assert_eq!(reply.status, 401, "ambiguous is nobody: {}", reply.body);
    }
    for cookies in [
        format!("signoff={own}x"),
        format!("signoff={}", &own[1..]),
        format!("Signoff={own}"),
        format!("signoff=\"{own}\" x"),
        "signoff=".to_owned(),
        format!("signoff={}", "A".repeat(10_000)),
    ] {
        let reply = send(&scene.app.authority, "GET", "/session", &[("Cookie", &cookies)], None).await;
        assert!(matches!(reply.status, 401 | 431), "{cookies}: {}", reply.status);
    }
    let reply = send(
        &scene.app.authority,
        "GET",
        "/session",
        &[("Cookie", &format!("a=b; signoff={own}; c=d"))],
        None,
    )
    .await;
    assert_eq!(reply.status, 200);
    scene.done().await;
}

/// Every message of the hostile corpus at every endpoint: nothing is executed, nothing above what
/// the table allows is answered, nobody waits.
#[tokio::test]
async fn val_22_the_hostile_corpus_at_every_endpoint() {
    use base64::Engine as _;
    let scene = Scene::new().await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/refused");
    let mut sent = 0;
    for directory in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if !directory.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let octets = std::fs::read(&file).unwrap();
            let encoded = percent(&base64::engine::general_purpose::STANDARD.encode(&octets), Hex::Upper);
            let kind = [("Content-Type", "application/x-www-form-urlencoded")];
            for (method, path, body) in [
                ("POST", SLO, format!("SAMLRequest={encoded}").into_bytes()),
                ("POST", SLO, format!("SAMLResponse={encoded}").into_bytes()),
                ("POST", ACS, format!("SAMLResponse={encoded}").into_bytes()),
                ("POST", SLO, octets.clone()),
                ("POST", SOAP_PATH, octets.clone()),
            ] {
                let started = std::time::Instant::now();
                let reply = send(&scene.app.authority, method, path, &kind, Some(&body)).await;
                let soap = path == SOAP_PATH;
                let allowed = if soap { [403, 500, 413] } else { [400, 403, 413] };
                assert!(allowed.contains(&reply.status), "{} at {path}: {}", file.display(), reply.status);
                assert!(started.elapsed().as_secs() < 5, "{} at {path}", file.display());
                sent += 1;
            }
        }
    }
    assert!(sent > 1000, "{sent}");
    assert!(scene.alice.is_signed_in().await);
    assert_eq!(scene.app.count("select count(*) from session").await, 1);
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

/// The client's address is the peer's unless a trusted proxy says otherwise; only the audit knows.
#[tokio::test]
async fn val_24_forwarded_addresses_are_believed_of_trusted_proxies_only() {
    for (proxies, expected) in [("[]", "127.0.0.1"), ("[\"127.0.0.0/8\"]", "203.0.113.7")] {
        let app = TestApp::start_with(&[("SIGNOFF_TRUSTED_PROXIES", proxies)]).await;
        let headers = [("X-Forwarded-For", "198.51.100.1, 203.0.113.7")];
        app.browser().request("GET", &format!("{SLO}?x=1"), &headers, None, From::Here).await;
        app.audit().await;
        let source: String = sqlx::query_scalar("select source from audit where verdict = 'refused'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        assert_eq!(source, expected, "{proxies}");
        app.done().await;
    }
}

#[tokio::test]
async fn sso_21_an_encrypted_assertion_is_refused_as_such() {
    let scene = Scene::new().await;
    let bob = scene.app.browser();
    let begun = bob.begin_sign_in(&scene.idp).await;
    let mut response = scene.idp.response(Some(begun.id()), &Name::email("bob@example.org"), "b");
    response.signed = crate::support::messages::Signed::Response;
    response.around_assertion = |_| {
        "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>".to_owned()
    };
    let reply = bob.bring(&response.signed(scene.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!bob.is_signed_in().await);
    scene.app.assert_audited("SSO-21").await;
    scene.done().await;
}

/// A second click, a second tab, the back button: the second is told, nothing is asked twice.
#[tokio::test]
async fn slo_48_the_same_click_twice_asks_once() {
    let scene = Scene::new().await;
    let form = scene.alice.logout_form(None).await;
    let asked = scene.idp.sp.read_front(&scene.alice.submit(path_of(&form.action), &form.with(&[])).await);
    assert_eq!(asked.message.local, "LogoutRequest");
    let again = scene.alice.submit(path_of(&form.action), &form.with(&[])).await;
    assert!(again.status < 500, "{}", again.body);
    assert_eq!(scene.app.count("select count(*) from logout where trigger = 'person'").await, 1);
    scene.done().await;
}
