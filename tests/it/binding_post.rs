//! BIND-14 to BIND-17 and BIND-20: HTTP-POST.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::support::app::TestApp;
use crate::support::browser::{form_body, forms, tags};
use crate::support::dsig::{Hex, RSA_A, percent, sign};
use crate::support::http::send;
use crate::support::story::{ACS, SLO, Scene, Via, post_body, post_message};

/// Alice at an identity provider that takes POST only.
async fn post_only() -> Scene {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |metadata| {
            metadata.without_slo().slo("HTTP-POST", "https://idp-a.example/slo/post", None)
        })
        .await;
    Scene::enter(app, idp).await
}

#[tokio::test]
async fn bind_14_the_form_carries_the_message_and_works_without_scripts() {
    let scene = post_only().await;
    let evil = "\"><script>alert(1)</script>'&amp;";
    let answer = scene.send_with(Via::Post, &scene.request(Via::Post), evil).await;
    let html = &answer.reply.body;
    assert!(!html.contains("<script>alert"), "F-31");
    let form = forms(html).into_iter().find(|form| form.field("SAMLResponse").is_some()).unwrap();
    assert_eq!((form.method.as_str(), form.action.as_str()), ("post", "https://idp-a.example/slo/post"));
    assert_eq!(form.field("RelayState"), Some(evil));
    assert!(!form.field("SAMLResponse").unwrap().contains(char::is_whitespace));
    assert!(
        !form.buttons.is_empty()
            || tags(html).iter().any(|(name, attributes)| {
                name == "input" && attributes.iter().any(|(key, value)| key == "type" && value == "submit")
            }),
        "a button for browsers without scripts"
    );
    assert_eq!(answer.status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn bind_15_form_fields_named_signature_do_not_count() {
    let scene = Scene::new().await;
    let xml = scene.request(Via::Post).xml();
    // HTTP-POST-SimpleSign, perfectly made.
    let algorithm = scene.idp.key.algorithm();
    let signed = format!("SAMLRequest={xml}&SigAlg={algorithm}");
    let signature = BASE64.encode(sign(scene.idp.key, algorithm, signed.as_bytes(), false, None));
    let message = BASE64.encode(&xml);
    let body = form_body(&[("SAMLRequest", &message), ("SigAlg", algorithm), ("Signature", &signature)]);
    let reply = post_body(&scene.app.authority, SLO, &body).await;
    assert_eq!(scene.idp.sp.read_front(&reply).status(), "Requester/RequestDenied");
    scene.assert_refused("SLO-01").await;
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_16_line_breaks_in_base64_and_other_fields_are_taken() {
    let scene = Scene::new().await;
    let message = BASE64.encode(scene.request(Via::Post).signed(scene.idp.key));
    let lines: Vec<_> =
        message.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let wrapped = lines.join("\r\n");
    let body = format!("foo=1&{}&bar", form_body(&[("SAMLRequest", &wrapped), ("RelayState", "r")]));
    let reply = post_body(&scene.app.authority, SLO, &body).await;
    let answer = scene.idp.sp.read_front(&reply);
    assert_eq!((answer.status().as_str(), answer.relay_state.as_deref()), ("Success", Some("r")));
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn bind_16_a_field_twice_is_refused() {
    let scene = Scene::new().await;
    let message = percent(&BASE64.encode(scene.request(Via::Post).signed(scene.idp.key)), Hex::Upper);
    for body in [
        format!("SAMLRequest={message}&SAMLRequest={message}"),
        format!("SAMLRequest={message}&%53AMLRequest=AAAA"),
        format!("%53AMLRequest=AAAA&SAMLRequest={message}"),
        format!("SAMLRequest={message}&RelayState=a&RelayState=a"),
        format!("SAMLRequest={message}&SAMLResponse={message}"),
    ] {
        let reply = post_body(&scene.app.authority, SLO, &body).await;
        assert_eq!(reply.status, 400, "{}", reply.body);
        scene.assert_refused("BIND-06").await;
    }
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_16_broken_forms_are_400_and_never_more() {
    let scene = Scene::new().await;
    let message = BASE64.encode(scene.request(Via::Post).signed(scene.idp.key));
    for path in [SLO, ACS] {
        for body in [
            "",
            "a=b",
            "SAMLRequest",
            "SAMLRequest=",
            "SAMLResponse=",
            "SAMLRequest=%",
            "SAMLRequest=%zz",
            "SAMLRequest=AAAA",
            "SAMLResponse=AAAA",
            "SAMLRequest=!!!!",
            "SAMLResponse=%FF%FE",
            "&&&",
            "=",
            "\0\0",
        ] {
            let reply = post_body(&scene.app.authority, path, body).await;
            assert_eq!(reply.status, 400, "{path} {body:?}: {}", reply.body);
        }
        let body = form_body(&[("SAMLRequest", &message)]);
        for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x"] {
            let reply =
                send(&scene.app.authority, "POST", path, &[("Content-Type", kind)], Some(b"{}")).await;
            assert!(matches!(reply.status, 400 | 415), "{path} {kind}: {}", reply.status);
        }
        assert!(body.len() > 100 && scene.alice.is_signed_in().await);
    }
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_17_the_page_is_locked_down_and_its_submit_is_not() {
    let scene = post_only().await;
    let answer = scene.send(Via::Post, &scene.request(Via::Post)).await;
    for reply in [&answer.reply] {
        let csp = reply.header("content-security-policy").unwrap();
        assert!(csp.contains("'nonce-"), "{csp}");
        assert!(!csp.contains("unsafe-inline") && !csp.contains("unsafe-eval"), "{csp}");
        assert!(!csp.contains("form-action"), "Chromium applies it along redirects: {csp}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let nonce = csp.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        let scripts: Vec<_> = tags(&reply.body).into_iter().filter(|(name, _)| name == "script").collect();
        assert!(!scripts.is_empty());
        for (_, attributes) in scripts {
            assert!(attributes.contains(&("nonce".to_owned(), nonce.to_owned())), "{attributes:?}");
        }
        let again = scene.send(Via::Post, &scene.request(Via::Post)).await;
        assert!(
            !again.reply.header("content-security-policy").unwrap().contains(nonce),
            "a nonce is used once"
        );
    }
    let ours = send(&scene.app.authority, "GET", "/logout", &[], None).await;
    assert!(ours.header("content-security-policy").unwrap().contains("form-action 'self'"));
    scene.done().await;
}

/// Row n: a message that does not inflate, is XML in the query and so on, by POST.
#[tokio::test]
async fn bind_20_relay_state_is_not_trusted_with_anything() {
    let scene = Scene::new().await;
    let signed = scene.request(Via::Post).signed(scene.idp.key);
    // Not covered by the signature: it is echoed and means nothing.
    let reply =
        post_message(&scene.app.authority, SLO, "SAMLRequest", &signed, Some("https://evil.example")).await;
    let answer = scene.idp.sp.read_front(&reply);
    assert_eq!(answer.relay_state.as_deref(), Some("https://evil.example"));
    assert!(answer.url.starts_with(&scene.idp.origin));
    scene.done().await;
}

#[tokio::test]
async fn val_01_an_oversized_body_is_400_and_never_more() {
    let scene = Scene::new().await;
    let large = BASE64.encode(vec![b'a'; 200 << 10]);
    for path in [SLO, ACS] {
        let field = if path == SLO { "SAMLRequest" } else { "SAMLResponse" };
        let reply = post_body(&scene.app.authority, path, &format!("{field}={large}")).await;
        assert_eq!(reply.status, 400, "{path}");
        let huge = format!("{field}={}", "A".repeat(2 << 20));
        let reply = post_body(&scene.app.authority, path, &huge).await;
        assert!(matches!(reply.status, 400 | 413), "{path}: {}", reply.status);
    }
    scene.assert_refused("VAL-01").await;
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}
