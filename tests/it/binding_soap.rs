//! BIND-25 to BIND-33: SOAP.

use crate::support::browser::Browser;
use crate::support::dsig::RSA_ATTACKER;
use crate::support::http::{HttpReply, send};
use crate::support::messages::envelope;
use crate::support::story::{INDEX, SOAP_PATH, Scene, Via, assert_uncached, post_soap};
use crate::support::xml::Element;

const NS: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn with_header(header: &str, body: &str) -> String {
    format!(
        "<soap:Envelope xmlns:soap=\"{NS}\"><soap:Header>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

fn signed(scene: &Scene) -> String {
    scene.request(Via::Soap).signed(scene.idp.key)
}

fn assert_fault(reply: &HttpReply, code: &str) {
    assert_eq!(reply.status, 500, "{}", reply.body);
    assert!(reply.header("content-type").unwrap().starts_with("text/xml"));
    let root = Element::parse(&reply.body).unwrap();
    assert!(root.is(NS, "Envelope"));
    let found = root.path(&["Body", "Fault", "faultcode"]).unwrap().text();
    assert!(found.ends_with(code), "{found}");
    assert!(root.path(&["Body", "Fault", "faultstring"]).is_some());
    assert_uncached(reply, Via::Soap);
}

#[tokio::test]
async fn bind_25_exactly_one_message_in_the_body() {
    let scene = Scene::new().await;
    let good = signed(&scene);
    let other = signed(&scene);
    for body in [
        envelope(&format!("{good}{other}")),
        envelope(""),
        envelope("text"),
        envelope(&format!("{good}<x:y xmlns:x=\"urn:x\"/>")),
        format!("<soap:Envelope xmlns:soap=\"{NS}\"/>"),
        format!(
            "<soap:Envelope xmlns:soap=\"{NS}\"><soap:Body>{good}</soap:Body><soap:Body>{other}</soap:Body></soap:Envelope>"
        ),
        format!(
            "<soap:Envelope xmlns:soap=\"{NS}\"><soap:Header/><soap:Header/><soap:Body>{good}</soap:Body></soap:Envelope>"
        ),
        format!(
            "<soap:Envelope xmlns:soap=\"{NS}\"><soap:Body>{good}</soap:Body><soap:Header/></soap:Envelope>"
        ),
    ] {
        assert_fault(&post_soap(&scene.app.authority, &body).await, "Client");
        assert!(scene.alice.is_signed_in().await, "{body}");
    }
    scene.app.assert_audited("BIND-25").await;
    scene.assert_right_one_works(Via::Soap).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_26_no_header_is_needed_or_believed() {
    let kinds = [
        &[("Content-Type", "text/xml")][..],
        &[("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", "")],
        &[("Content-Type", "text/xml"), ("SOAPAction", "\"http://www.oasis-open.org/committees/security\"")],
        &[("Content-Type", "text/xml"), ("SOAPAction", "wrong")],
        &[("Content-Type", "application/soap+xml")],
        &[],
    ];
    for headers in kinds {
        let scene = Scene::new().await;
        let body = envelope(&signed(&scene));
        let reply = send(&scene.app.authority, "POST", SOAP_PATH, headers, Some(body.as_bytes())).await;
        assert_eq!(reply.status, 200, "{headers:?}: {}", reply.body);
        assert!(reply.header("content-type").unwrap().starts_with("text/xml"));
        assert_eq!(scene.idp.sp.read_envelope(&reply.body).status(), "Success");
        assert_uncached(&reply, Via::Soap);
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

#[tokio::test]
async fn bind_26_a_header_that_must_be_understood_is_a_fault() {
    let scene = Scene::new().await;
    let must = "<x:y xmlns:x=\"urn:x\" soap:mustUnderstand=\"1\"/>";
    let reply = post_soap(&scene.app.authority, &with_header(must, &signed(&scene))).await;
    assert_fault(&reply, "MustUnderstand");
    scene.assert_refused("BIND-26").await;
    let may = "<x:y xmlns:x=\"urn:x\" soap:mustUnderstand=\"0\"/><x:z xmlns:x=\"urn:x\"/>";
    let reply = post_soap(&scene.app.authority, &with_header(may, &signed(&scene))).await;
    assert_eq!(scene.idp.sp.read_envelope(&reply.body).status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn bind_28_what_is_no_soap_is_a_fault() {
    let scene = Scene::new().await;
    let good = signed(&scene);
    let soap_12 = envelope(&good).replace(NS, "http://www.w3.org/2003/05/soap-envelope");
    for body in [
        "",
        " ",
        "{}",
        "SAMLRequest=x",
        "<",
        "<a/>",
        "<a>",
        "\u{feff}",
        "\0",
        good.as_str(),
        soap_12.as_str(),
        &envelope(&good)[..200],
        &format!("{}<x/>", envelope(&good)),
    ] {
        let reply = post_soap(&scene.app.authority, body).await;
        assert_eq!(reply.status, 500, "{body}");
        let root = Element::parse(&reply.body).unwrap();
        assert!(root.path(&["Body", "Fault", "faultcode"]).is_some());
        assert!(scene.alice.is_signed_in().await);
    }
    let octets = [0xff_u8, 0xfe, 0x3c, 0x00];
    let reply =
        send(&scene.app.authority, "POST", SOAP_PATH, &[("Content-Type", "text/xml")], Some(&octets)).await;
    assert_eq!(reply.status, 500);
    let large = format!("<!-- {} -->", "x".repeat(600 << 10));
    let reply = post_soap(&scene.app.authority, &large).await;
    assert!(matches!(reply.status, 403 | 413 | 500), "{}", reply.status);
    scene.assert_right_one_works(Via::Soap).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_31_cookies_authenticate_nothing_over_soap() {
    let scene = Scene::new().await;
    let body = envelope(&scene.request(Via::Soap).xml());
    let headers = [("Content-Type", "text/xml")];
    let reply = scene
        .alice
        .request("POST", SOAP_PATH, &headers, Some(body.as_bytes()), crate::support::browser::From::Here)
        .await;
    assert_eq!(scene.idp.sp.read_envelope(&reply.body).status(), "Requester/RequestDenied");
    scene.assert_refused("SLO-01").await;
    scene.assert_right_one_works(Via::Soap).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_33_the_signed_request_in_the_header_does_not_vouch_for_another_in_the_body() {
    let scene = Scene::new().await;
    let genuine = signed(&scene);
    let forged = {
        let mut request = scene.request(Via::Soap);
        request.session_indexes.clear();
        request
    };
    let id = Element::parse(&genuine).unwrap().attribute("ID").unwrap().to_owned();
    let mut twin = forged.clone();
    twin.id = Some(id);
    let signature = {
        let start = genuine.find("<ds:Signature").unwrap();
        let end = genuine.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        genuine[start..end].to_owned()
    };
    let borrowed = forged.xml().replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
    let twin_borrowed = twin.xml().replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
    for body in [
        with_header(&genuine, &forged.xml()),
        with_header(&genuine, &twin.xml()),
        with_header(&genuine, &borrowed),
        with_header(&genuine, &twin_borrowed),
        with_header(&signature, &forged.xml()),
        envelope(&twin_borrowed),
        envelope(&format!("<x:wrap xmlns:x=\"urn:x\">{genuine}</x:wrap>")),
    ] {
        let reply = post_soap(&scene.app.authority, &body).await;
        if reply.status == 200 {
            assert_eq!(scene.idp.sp.read_envelope(&reply.body).status(), "Requester/RequestDenied");
        } else {
            assert!(matches!(reply.status, 403 | 500), "{}", reply.status);
        }
        assert!(scene.alice.is_signed_in().await, "{body}");
    }
    scene.assert_right_one_works(Via::Soap).await;
    scene.done().await;
}

#[tokio::test]
async fn md_03_soap_switched_off_is_gone() {
    let app = crate::support::app::TestApp::start_with(&[("SIGNOFF_SAML__SOAP", "false")]).await;
    let metadata = app.browser().get("/saml/metadata").await;
    assert!(!metadata.body.contains("bindings:SOAP"));
    assert_eq!(post_soap(&app.authority, "<a/>").await.status, 404);
    app.done().await;
}

#[tokio::test]
async fn val_20_known_and_unknown_names_cannot_be_told_apart_without_a_signature() {
    let scene = Scene::new().await;
    let mut replies = Vec::new();
    for name in ["alice@example.org", "nobody@example.org"] {
        for xml in [scene.request(Via::Soap).xml(), scene.request(Via::Soap).signed(&RSA_ATTACKER)] {
            let xml = xml.replace("alice@example.org", name);
            let answer = scene.raw(Via::Soap, &xml).await;
            let message = answer.saml();
            assert_eq!(message.status(), "Requester/RequestDenied");
            replies.push(message.message.path(&["Status"]).unwrap().canonical());
        }
    }
    replies.dedup();
    assert_eq!(replies.len(), 1, "{replies:?}");
    scene.done().await;
}

#[tokio::test]
async fn row_g_answers_come_from_a_bounded_budget() {
    let scene = Scene::new().await;
    let unsigned = scene.request(Via::Soap).xml();
    let mut bare = 0;
    for _ in 0..100 {
        let answer = scene.raw(Via::Soap, &unsigned).await;
        match answer.reply.status {
            200 => assert_eq!(answer.status(), "Requester/RequestDenied"),
            403 => bare += 1,
            other => panic!("{other}"),
        }
    }
    assert!(bare > 0, "an unauthenticated sender cannot buy a signature each");
    assert!(bare < 100);
    scene.assert_refused("SLO-01").await;
    let rows = scene.app.count("select count(*) from audit where rule = 'SLO-01'").await;
    let counted = scene.app.count("select sum(count)::bigint from audit where rule = 'SLO-01'").await;
    assert!(rows < 10, "refusals are coalesced: {rows} rows");
    assert_eq!(counted, 100);
    // The genuine one still gets through, at once.
    scene.assert_right_one_works(Via::Soap).await;
    let _: Browser = scene.app.browser();
    assert_eq!(INDEX, "s-1");
    scene.done().await;
}
