//! VAL-13, VAL-14: keys and algorithms.

use super::*;

#[tokio::test]
async fn val_13_key_info_gives_no_trust() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let value = RSA_ATTACKER.key_value();
        let infos = [
            Shape::of(&RSA_ATTACKER).key_info,
            format!("<ds:KeyInfo>{value}</ds:KeyInfo>"),
            "<ds:KeyInfo><ds:RetrievalMethod URI=\"http://127.0.0.1:1/key\"></ds:RetrievalMethod></ds:KeyInfo>".to_owned(),
            "<ds:KeyInfo><ds:KeyName>idp-a</ds:KeyName></ds:KeyInfo>".to_owned(),
            Shape::of(scene.idp.key).key_info,
            String::new(),
        ];
        for info in &infos {
            let mut shape = Shape::of(&RSA_ATTACKER);
            shape.key_info.clone_from(info);
            let answer = scene.raw(via, &scene.request(via).signed_as(&RSA_ATTACKER, &shape)).await;
            assert_eq!(answer.status(), "Requester/RequestDenied", "{info}");
            assert!(scene.alice.is_signed_in().await);
        }
        // The right key under a foreign certificate, or none, is still the right key.
        for info in [&infos[0], &infos[1], &infos[5]] {
            let mut shape = Shape::of(scene.idp.key);
            shape.key_info.clone_from(info);
            let answer = scene.raw(via, &scene.request(via).signed_as(scene.idp.key, &shape)).await;
            assert!(answer.status().starts_with("Success"), "{info}");
        }
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

#[tokio::test]
async fn val_14_every_algorithm_of_the_allow_list_is_taken() {
    let rsa: &'static Key = &RSA_A;
    let cases: [(&'static Key, &str, &str); 8] = [
        (rsa, RSA_SHA256, SHA256),
        (rsa, RSA_SHA384, SHA384),
        (rsa, RSA_SHA512, SHA512),
        (rsa, RSA_SHA256, SHA512),
        (&EC_256, ECDSA_SHA256, SHA256),
        (&EC_256, ECDSA_SHA512, SHA512),
        (&EC_384, ECDSA_SHA384, SHA384),
        (&EC_384, ECDSA_SHA256, SHA256),
    ];
    for (key, algorithm, digest) in cases {
        for via in Via::ALL {
            let scene = Scene::with_key(key).await;
            let request = scene.request(via);
            let raw = if via == Via::Redirect {
                let mut query = scene.idp.query("SAMLRequest");
                query.algorithm = algorithm.to_owned();
                query.signed(&request.xml(), key)
            } else {
                let mut shape = Shape::of(key);
                shape.signature_method = algorithm.to_owned();
                shape.digest_method = digest.to_owned();
                request.signed_as(key, &shape)
            };
            assert_eq!(scene.raw(via, &raw).await.status(), "Success", "{algorithm} {via:?}");
            assert!(!scene.alice.is_signed_in().await);
            scene.done().await;
        }
    }
}

#[tokio::test]
async fn val_14_every_other_algorithm_is_denied() {
    let pem = RSA_A.private.public_key_to_pem().unwrap();
    let der = RSA_A.private.public_key_to_der().unwrap();
    let certificate = RSA_A.certificate.to_der().unwrap();
    let modulus = RSA_A.private.rsa().unwrap().n().to_vec();
    let mut shapes = vec![
        ("rsa-sha1", shape(|s| s.signature_method = RSA_SHA1.to_owned())),
        ("rsa-md5", shape(|s| s.signature_method = RSA_MD5.to_owned())),
        ("sha1 digest", shape(|s| s.digest_method = SHA1.to_owned())),
        ("md5 digest", shape(|s| s.digest_method = MD5.to_owned())),
        ("ecdsa with an RSA key", shape(|s| s.signature_method = ECDSA_SHA256.to_owned())),
        ("dsa", shape(|s| s.signature_method = "http://www.w3.org/2000/09/xmldsig#dsa-sha1".to_owned())),
        ("unknown", shape(|s| s.signature_method = "urn:x".to_owned())),
        ("empty", shape(|s| s.signature_method = String::new())),
    ];
    for secret in [pem, der, certificate, modulus] {
        for algorithm in [HMAC_SHA1, HMAC_SHA256] {
            let secret = secret.clone();
            shapes.push((
                "hmac with the public key",
                shape(|s| {
                    s.signature_method = algorithm.to_owned();
                    s.hmac_key = Some(secret);
                }),
            ));
        }
    }
    for via in Via::ALL {
        let scene = Scene::new().await;
        for (what, shape) in &shapes {
            let request = scene.request(via);
            let raw = if via == Via::Redirect {
                if what.ends_with("digest") {
                    continue;
                }
                let mut query = scene.idp.query("SAMLRequest");
                query.algorithm.clone_from(&shape.signature_method);
                query.hmac_key.clone_from(&shape.hmac_key);
                query.signed(&request.xml(), scene.idp.key)
            } else {
                request.signed_as(scene.idp.key, shape)
            };
            let answer = scene.raw(via, &raw).await;
            assert_not_executed(&scene, &answer, what).await;
        }
        scene.assert_refused("VAL-14").await;
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn f_20_a_truncated_hmac_is_denied() {
    let mut shapes = Vec::new();
    for length in ["0", "1", "8"] {
        let mut one = shape(|s| {
            s.signature_method = HMAC_SHA256.to_owned();
            s.hmac_key = Some(vec![0]);
        });
        one.signed_info = match length {
            "0" => |xml| {
                xml.replacen(
                    "#hmac-sha256\"></ds:SignatureMethod>",
                    "#hmac-sha256\"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>",
                    1,
                )
            },
            "1" => |xml| {
                xml.replacen(
                    "#hmac-sha256\"></ds:SignatureMethod>",
                    "#hmac-sha256\"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>",
                    1,
                )
            },
            _ => |xml| {
                xml.replacen(
                    "#hmac-sha256\"></ds:SignatureMethod>",
                    "#hmac-sha256\"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>",
                    1,
                )
            },
        };
        shapes.push((length, one));
    }
    for via in ENVELOPES {
        let scene = Scene::new().await;
        for (what, shape) in &shapes {
            let answer = scene.raw(via, &scene.request(via).signed_as(scene.idp.key, shape)).await;
            assert_not_executed(&scene, &answer, what).await;
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}
