//! VAL-09 to VAL-11: the one shape of a signature.

use super::*;

/// Signs requests under a changed shape: all are denied under that rule, the right one works.
async fn shapes_denied(rule: &str, shapes: Vec<(&str, Shape)>) {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        for (what, shape) in &shapes {
            let answer = scene.raw(via, &scene.request(via).signed_as(scene.idp.key, shape)).await;
            assert_eq!(answer.status(), "Requester/RequestDenied", "{what} over {via:?}");
            assert!(scene.alice.is_signed_in().await, "{what}");
        }
        if !rule.is_empty() {
            scene.assert_refused(rule).await;
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_09_any_octet_changed_voids_the_message() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let mut request = scene.request(via);
        request.reason = Some("urn:oasis:names:tc:SAML:2.0:logout:user".to_owned());
        request.not_on_or_after = Some(instant(scene.app.now() + TimeDelta::minutes(5)));
        let signed = request.signed(scene.idp.key);
        for (from, to) in [
            (">s-1<", ">s-2<"),
            ("alice@", "alicf@"),
            ("emailAddress", "unspecified"),
            ("logout:user", "logout:admin"),
            ("Version=\"2.0\"", "Version=\"2.0\" Consent=\"urn:x\""),
            ("T12:05:00Z", "T12:06:00Z"),
            ("ID=\"_lr", "ID=\"_lx"),
            ("<samlp:SessionIndex>s-1</samlp:SessionIndex>", ""),
            ("</samlp:LogoutRequest>", "<samlp:SessionIndex>x</samlp:SessionIndex></samlp:LogoutRequest>"),
            ("</samlp:LogoutRequest>", " </samlp:LogoutRequest>"),
        ] {
            let tampered = signed.replacen(from, to, 1);
            assert_ne!(tampered, signed, "{from}");
            let answer = scene.raw(via, &tampered).await;
            assert_eq!(answer.status(), "Requester/RequestDenied", "{from} -> {to}");
            assert!(scene.alice.is_signed_in().await, "{from} -> {to}");
        }
        assert_eq!(scene.raw(via, &signed).await.status(), "Success", "the positive twin");
        scene.done().await;
    }
}

#[tokio::test]
async fn val_10_the_signature_has_one_shape() {
    shapes_denied(
        "VAL-10",
        vec![
            ("no reference", shape(|s| s.uris.clear())),
            ("two references", shape(|s| s.uris = vec![None, None])),
            ("empty URI", shape(|s| s.uris = vec![Some(String::new())])),
            ("another ID", shape(|s| s.uris = vec![Some("#_other".to_owned())])),
            ("XPointer", shape(|s| s.uris = vec![Some("#xpointer(/)".to_owned())])),
            ("element()", shape(|s| s.uris = vec![Some("#element(/1)".to_owned())])),
            ("file", shape(|s| s.uris = vec![Some("file:///etc/passwd".to_owned())])),
            ("http", shape(|s| s.uris = vec![Some("http://127.0.0.1:1/x".to_owned())])),
            ("relative", shape(|s| s.uris = vec![Some("Cargo.toml".to_owned())])),
            ("injection", shape(|s| s.uris = vec![Some("#x' or '1'='1".to_owned())])),
            ("Object", shape(|s| s.objects = "<ds:Object>x</ds:Object>".to_owned())),
            (
                "two SignedInfo",
                shape(|s| {
                    s.signature = |xml| {
                        let start = xml.find("<ds:SignedInfo>").unwrap();
                        let end = xml.find("</ds:SignedInfo>").unwrap() + "</ds:SignedInfo>".len();
                        let info = xml[start..end].to_owned();
                        xml.replacen(&info, &info.repeat(2), 1)
                    }
                }),
            ),
            (
                "two SignatureValue",
                shape(|s| {
                    s.signature = |xml| {
                        let start = xml.find("<ds:SignatureValue>").unwrap();
                        let end = xml.find("</ds:SignatureValue>").unwrap() + "</ds:SignatureValue>".len();
                        let value = xml[start..end].to_owned();
                        xml.replacen(&value, &value.repeat(2), 1)
                    }
                }),
            ),
            (
                "empty SignatureValue",
                shape(|s| {
                    s.signature = |xml| {
                        let start = xml.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
                        let end = xml.find("</ds:SignatureValue>").unwrap();
                        format!("{}{}", &xml[..start], &xml[end..])
                    }
                }),
            ),
            (
                "no SignatureValue",
                shape(|s| {
                    s.signature = |xml| {
                        let start = xml.find("<ds:SignatureValue>").unwrap();
                        let end = xml.find("</ds:SignatureValue>").unwrap() + "</ds:SignatureValue>".len();
                        format!("{}{}", &xml[..start], &xml[end..])
                    }
                }),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn val_10_two_signatures_or_one_elsewhere_are_refused() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let signed = scene.request(via).signed(scene.idp.key);
        let start = signed.find("<ds:Signature ").unwrap();
        let end = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        let signature = signed[start..end].to_owned();
        let without = signed.replacen(&signature, "", 1);
        for (what, raw) in [
            ("twice", signed.replacen(&signature, &signature.repeat(2), 1)),
            (
                "at the end",
                without.replace("</samlp:LogoutRequest>", &format!("{signature}</samlp:LogoutRequest>")),
            ),
            ("in NameID", without.replace("</saml:NameID>", &format!("{signature}</saml:NameID>"))),
            ("before Issuer", without.replacen("<saml:Issuer", &format!("{signature}<saml:Issuer"), 1)),
            (
                "in Extensions",
                without.replacen(
                    "</saml:Issuer>",
                    &format!("</saml:Issuer><samlp:Extensions>{signature}</samlp:Extensions>"),
                    1,
                ),
            ),
        ] {
            let answer = scene.raw(via, &raw).await;
            assert_not_executed(&scene, &answer, what).await;
        }
        assert_eq!(scene.raw(via, &signed).await.status(), "Success");
        scene.done().await;
    }
}

#[tokio::test]
async fn val_10_ids_are_unique_over_all_spellings() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        for attribute in ["ID", "Id", "id", "xml:id"] {
            let mut request = scene.request(via);
            let id = request.id().to_owned();
            request.extensions = format!(
                "<samlp:Extensions><x:a xmlns:x=\"urn:x\" {attribute}=\"{id}\"></x:a></samlp:Extensions>"
            );
            let answer = scene.raw(via, &request.signed(scene.idp.key)).await;
            assert_not_executed(&scene, &answer, attribute).await;
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_11_only_two_transforms_and_one_canonicalisation() {
    let exclusive_with_comments = format!("{EXCLUSIVE}WithComments");
    let both = format!("{}{}", transform(ENVELOPED), transform(EXCLUSIVE));
    shapes_denied(
        "VAL-11",
        vec![
            ("XPath", shape(|s| s.transforms = format!("{both}<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>1</ds:XPath></ds:Transform>"))),
            ("XSLT", shape(|s| s.transforms = format!("{}{}", transform(ENVELOPED), transform("http://www.w3.org/TR/1999/REC-xslt-19991116")))),
            ("base64", shape(|s| s.transforms = format!("{}{}", transform(ENVELOPED), transform("http://www.w3.org/2000/09/xmldsig#base64")))),
            ("unknown", shape(|s| s.transforms = format!("{}{}", transform(ENVELOPED), transform("urn:x")))),
            ("inclusive transform", shape(|s| s.transforms = format!("{}{}", transform(ENVELOPED), transform(INCLUSIVE)))),
            ("with comments", shape(|s| s.transforms = format!("{}{}", transform(ENVELOPED), transform(&exclusive_with_comments)))),
            ("inclusive method", shape(|s| s.canonicalization = INCLUSIVE.to_owned())),
            ("unknown method", shape(|s| s.canonicalization = "urn:x".to_owned())),
        ],
    )
    .await;
    shapes_denied(
        "",
        vec![
            ("three", shape(|s| s.transforms = format!("{both}{}", transform(EXCLUSIVE)))),
            ("none", shape(|s| s.transforms = String::new())),
            (
                "reversed",
                shape(|s| s.transforms = format!("{}{}", transform(EXCLUSIVE), transform(ENVELOPED))),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn val_11_a_prefix_list_is_understood() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let mut shape = Shape::of(scene.idp.key);
        // A prefix that is declared nowhere changes nothing in the canonical form.
        shape.transforms = format!(
            "{}<ds:Transform Algorithm=\"{EXCLUSIVE}\"><ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\" PrefixList=\"xs\"></ec:InclusiveNamespaces></ds:Transform>",
            transform(ENVELOPED)
        );
        let answer = scene.raw(via, &scene.request(via).signed_as(scene.idp.key, &shape)).await;
        assert_eq!(answer.status(), "Success");
        scene.done().await;
    }
}

#[tokio::test]
async fn f_04_and_f_06_and_f_07_digest_tricks_are_denied() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        // SHA-256 of nothing.
        let empty =
            shape(|s| s.digest_value = Some("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned()));
        let none = shape(|s| s.digest_value = Some(String::new()));
        for (what, shape) in [("digest of nothing", empty), ("no digest", none)] {
            let answer = scene.raw(via, &scene.request(via).signed_as(scene.idp.key, &shape)).await;
            assert_not_executed(&scene, &answer, what).await;
        }
        let signed = scene.request(via).signed(scene.idp.key);
        for (what, raw) in [
            ("comment in DigestValue", signed.replace("<ds:DigestValue>", "<ds:DigestValue><!--x-->")),
            ("comment in SignatureValue", signed.replace("<ds:SignatureValue>", "<ds:SignatureValue><!--x-->")),
            (
                "a second DigestValue in Extensions",
                signed
                    .replace("alice@example.org", "bob@example.org")
                    .replacen("</ds:Signature>", "</ds:Signature><samlp:Extensions><ds:DigestValue xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">AAAA</ds:DigestValue></samlp:Extensions>", 1),
            ),
        ] {
            let answer = scene.raw(via, &raw).await;
            assert_not_executed(&scene, &answer, what).await;
        }
        assert_eq!(scene.raw(via, &signed).await.status(), "Success");
        scene.done().await;
    }
}
