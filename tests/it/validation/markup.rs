//! VAL-01 to VAL-04: what is XML, and how much of it.

use super::*;

#[tokio::test]
async fn val_01_too_deep_or_too_wide_is_refused_at_once() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let deep = format!("{}{}", "<x:a xmlns:x=\"urn:x\">".repeat(80), "</x:a>".repeat(80));
        let deeper = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
        let wide: String = (0..400).map(|n| format!(" a{n}=\"\"")).collect();
        let wide = format!("<x:a xmlns:x=\"urn:x\"{wide}></x:a>");
        let spaces: String = (0..400).map(|n| format!(" xmlns:p{n}=\"urn:{n}\"")).collect();
        let spaces = format!("<x:a xmlns:x=\"urn:x\"{spaces}></x:a>");
        for (what, content) in [("deep", deep), ("deeper", deeper), ("wide", wide), ("spaces", spaces)] {
            let mut request = scene.request(via);
            request.extensions = format!("<samlp:Extensions>{content}</samlp:Extensions>");
            // Signed over whatever our own canonicalisation makes of it: it is refused before.
            let raw = request.xml().replacen(
                "</saml:Issuer>",
                "</saml:Issuer><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"></ds:Signature>",
                1,
            );
            let started = std::time::Instant::now();
            let answer = scene.raw(via, &raw).await;
            assert!(started.elapsed() < std::time::Duration::from_secs(1), "{what}: {:?}", started.elapsed());
            answer.assert_plain(400, 500);
            scene.assert_refused("VAL-01").await;
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_01_a_message_up_to_128_kib_is_taken() {
    let scene = Scene::new().await;
    let mut request = scene.request(Via::Post);
    request.extensions = format!(
        "<samlp:Extensions><x:a xmlns:x=\"urn:x\">{}</x:a></samlp:Extensions>",
        "x".repeat(120 << 10)
    );
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn val_02_no_dtd_and_no_entities() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let signed = scene.request(via).signed(scene.idp.key);
        let laughs = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>";
        let external = "<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/x.dtd\">";
        for doctype in [laughs, external, "<!DOCTYPE samlp:LogoutRequest>", "<!doctype a>"] {
            let raw = format!("{doctype}{signed}");
            let answer = scene.raw(via, &raw).await;
            answer.assert_plain(400, 500);
            assert!(scene.alice.is_signed_in().await);
        }
        let entity = signed.replace("alice@example.org", "&a;");
        scene.raw(via, &entity).await.assert_plain(400, 500);
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_03_comments_and_instructions_are_refused_wherever_they_stand() {
    let changes: Vec<Change> = vec![
        ("in NameID", |request| request.identifier = request.identifier.replace("alice@", "alice@<!-- -->")),
        ("in Issuer", |request| {
            request.finish = |xml| xml.replace("</saml:Issuer>", "<!----></saml:Issuer>");
        }),
        ("in SessionIndex", |request| {
            request.finish = |xml| xml.replace("</samlp:SessionIndex>", "<!-- x --></samlp:SessionIndex>");
        }),
        ("between", |request| {
            request.finish = |xml| xml.replace("<samlp:SessionIndex>", "<!-- x --><samlp:SessionIndex>");
        }),
        ("instruction", |request| {
            request.finish = |xml| xml.replace("<samlp:SessionIndex>", "<?x y?><samlp:SessionIndex>");
        }),
    ];
    requests_refused("VAL-03", changes).await;
}

/// F-13: the text after a comment is never lost.
#[tokio::test]
async fn f_13_a_comment_does_not_cut_a_name() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let mut request = scene.request(via);
        // What the IdP signed is another person's name, into which the attacker puts a comment.
        request.identifier = request.identifier.replace("alice@example.org", "alice@example.org.evil");
        let signed = request.signed(scene.idp.key);
        let cut = signed.replace("alice@example.org.evil", "alice@example.org<!---->.evil");
        let answer = scene.raw(via, &cut).await;
        assert_not_executed(&scene, &answer, "comment").await;
        scene.assert_refused("VAL-03").await;
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_04_the_schema_comes_first() {
    let changes: Vec<Change> = vec![
        ("two NameIDs", |request| request.identifier = request.identifier.repeat(2)),
        ("no identifier", |request| request.identifier.clear()),
        ("no ID", |request| request.id = None),
        ("no Version", |request| request.version = None),
        ("no IssueInstant", |request| request.issue_instant = None),
        ("ID is no NCName", |request| request.id = Some("1abc".to_owned())),
        ("ID is XPath", |request| request.id = Some("x' or '1'='1".to_owned())),
        ("IssueInstant is no instant", |request| request.issue_instant = Some("yesterday".to_owned())),
        ("NotOnOrAfter is no instant", |request| request.not_on_or_after = Some("never".to_owned())),
        ("unknown attribute", |request| request.finish = |xml| xml.replacen(" ID=", " Evil=\"1\" ID=", 1)),
        ("unknown element", |request| {
            request.finish = |xml| {
                xml.replace("</samlp:LogoutRequest>", "<samlp:Evil></samlp:Evil></samlp:LogoutRequest>")
            };
        }),
        ("text between", |request| {
            request.finish = |xml| xml.replace("</samlp:LogoutRequest>", "text</samlp:LogoutRequest>");
        }),
        ("two Issuers", |request| {
            request.finish = |xml| {
                let end = xml.find("</saml:Issuer>").unwrap() + 14;
                let start = xml.find("<saml:Issuer").unwrap();
                let issuer = xml[start..end].to_owned();
                xml.replacen(&issuer, &issuer.repeat(2), 1)
            }
        }),
        ("element in NameID", |request| {
            request.identifier = request.identifier.replace("alice@", "<saml:x></saml:x>alice@");
        }),
        ("element in SessionIndex", |request| {
            request.finish =
                |xml| xml.replace("</samlp:SessionIndex>", "<samlp:x></samlp:x></samlp:SessionIndex>");
        }),
    ];
    requests_refused("VAL-04", changes).await;
}

#[tokio::test]
async fn f_11_there_is_one_root_and_nothing_after_it() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let signed = scene.request(via).signed(scene.idp.key);
        let other = scene.request(via).signed(scene.idp.key);
        for (what, raw) in [
            ("two roots", format!("{signed}{other}")),
            ("text after", format!("{signed}text")),
            ("element after", format!("{signed}<x/>")),
            ("text before", format!("x{signed}")),
        ] {
            let answer = scene.raw(via, &raw).await;
            answer.assert_plain(400, 500);
            assert!(scene.alice.is_signed_in().await, "{what}");
        }
        if via == Via::Post {
            let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{signed}\n");
            assert_eq!(
                scene.raw(via, &declared).await.status(),
                "Success",
                "a declaration is no instruction"
            );
        }
        scene.done().await;
    }
}

#[tokio::test]
async fn f_03_other_encodings_are_refused() {
    let scene = Scene::new().await;
    let signed = scene.request(Via::Post).signed(scene.idp.key);
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(signed.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin = signed.replacen('<', "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><", 1).into_bytes();
    let broken = signed.replace("alice", "ali\u{fffd}ce").into_bytes();
    let broken: Vec<u8> = broken.into_iter().map(|b| if b == 0xef { 0xff } else { b }).collect();
    use base64::Engine as _;
    for (what, octets) in [("UTF-16", utf16), ("Latin-1", latin), ("broken UTF-8", broken)] {
        let message = base64::engine::general_purpose::STANDARD.encode(&octets);
        let body = crate::support::browser::form_body(&[("SAMLRequest", &message)]);
        let reply = crate::support::story::post_body(&scene.app.authority, "/saml/slo", &body).await;
        assert!(matches!(reply.status, 400 | 302 | 303), "{what}: {}", reply.status);
        assert!(scene.alice.is_signed_in().await, "{what}");
    }
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn f_03_cdata_is_text() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        // Canonical form has no CDATA: the signature is over the text.
        let signed = scene.request(via).signed(scene.idp.key);
        let wrapped = signed.replace("alice@example.org", "<![CDATA[alice@]]>example.org");
        let answer = scene.raw(via, &wrapped).await;
        // Taken as the same text, or refused; never as another name.
        if answer.reply.status < 400 && answer.status() == "Success" {
            assert!(!scene.alice.is_signed_in().await);
        } else {
            assert_not_executed(&scene, &answer, "CDATA").await;
        }
        scene.done().await;
    }
}
