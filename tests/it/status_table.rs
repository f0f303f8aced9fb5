//! The acceptance gate: every row of the status table over every binding.

use chrono::TimeDelta;

use crate::support::dsig::{RSA_ATTACKER, RSA_SHA1, Shape};
use crate::support::messages::{Issuer, LogoutRequest, Name, envelope, instant};
use crate::support::story::{Answer, INDEX, SLO, Scene, Via, get_query, post_soap, send_request};

macro_rules! over_each_binding {
    ($($row:ident)*) => {$(
        mod $row {
            use crate::support::story::Via;

            #[tokio::test]
            async fn over_redirect() {
                super::$row(Via::Redirect).await;
            }

            #[tokio::test]
            async fn over_post() {
                super::$row(Via::Post).await;
            }

            #[tokio::test]
            async fn over_soap() {
                super::$row(Via::Soap).await;
            }
        }
    )*};
}

over_each_binding! {
    row_a_all_ended_is_success
    row_b_already_ended_is_success
    row_c_unseen_index_is_success_and_ends_nothing
    row_d_unknown_principal_is_said_so
    row_f_store_down_is_responder
    row_g_unsigned_is_denied
    row_g_foreign_key_is_denied
    row_g_tampered_is_denied
    row_g_sha1_is_denied
    row_h_unknown_issuer_gets_no_saml
    row_h_missing_issuer_gets_no_saml
    row_i_wrong_destination_is_discarded
    row_i_absent_destination
    row_j_expired_is_requester
    row_j_stale_is_requester
    row_j_future_is_requester
    row_j_reused_id_is_requester
    row_k_version_3_is_too_high
    row_k_version_2_1_is_a_mismatch
    row_l_version_1_gets_no_saml
    row_m_encrypted_identifier_is_unknown_principal
    row_m_base_id_is_unknown_principal
    row_n_broken_xml_gets_no_saml
    row_n_dtd_gets_no_saml
    row_n_schema_invalid_gets_no_saml
    row_n_foreign_namespace_identifier_gets_no_saml
    row_n_another_message_gets_no_saml
}

/// Everything an answer has to be beside its status.
fn assert_answers(answer: &Answer, request: &LogoutRequest, scene: &Scene, status: &str) {
    assert_eq!(answer.status(), status, "over {:?}", answer.via);
    let message = answer.saml();
    assert_eq!(message.in_response_to(), Some(request.id()), "SLO-16");
    if answer.via == Via::Soap {
        return;
    }
    // SLO-18: by Redirect to the Location of the metadata, whatever binding was asked over.
    assert_eq!(message.binding, "redirect");
    assert_eq!(message.url, format!("{}/slo", scene.idp.origin));
}

async fn row_a_all_ended_is_success(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    let answer = scene.send_with(via, &request, "relay").await;
    assert_answers(&answer, &request, &scene, "Success");
    assert_eq!(answer.saml().relay_state.as_deref(), (via != Via::Soap).then_some("relay"), "BIND-19");
    assert!(!scene.alice.is_signed_in().await);
    assert!(scene.app.audit().await.contains(&("accepted".to_owned(), "row a".to_owned())));
    scene.done().await;
}

async fn row_b_already_ended_is_success(via: Via) {
    let scene = Scene::new().await;
    scene.assert_right_one_works(via).await;
    let again = scene.request(via);
    let answer = scene.send(via, &again).await;
    assert_answers(&answer, &again, &scene, "Success");
    assert!(scene.app.audit().await.contains(&("accepted".to_owned(), "row b".to_owned())));
    scene.done().await;
}

async fn row_c_unseen_index_is_success_and_ends_nothing(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.session_indexes = vec!["never-seen".to_owned()];
    let answer = scene.send(via, &request).await;
    assert_answers(&answer, &request, &scene, "Success");
    assert!(scene.alice.is_signed_in().await);
    assert!(scene.app.audit().await.contains(&("accepted".to_owned(), "row c".to_owned())));
    // It is kept as a bar for an assertion that comes later (SLO-20).
    let late = scene.app.browser();
    let begun = late.begin_sign_in(&scene.idp).await;
    let response = scene.idp.response(Some(begun.id()), &scene.name, "never-seen");
    let reply = late.bring(&response.signed(scene.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(!late.is_signed_in().await);
    scene.done().await;
}

async fn row_d_unknown_principal_is_said_so(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.identifier = Name::email("nobody@example.org").xml();
    let answer = scene.send_with(via, &request, "relay").await;
    assert_answers(&answer, &request, &scene, "Requester/UnknownPrincipal");
    assert_eq!(answer.saml().relay_state.as_deref(), (via != Via::Soap).then_some("relay"), "BIND-19");
    assert!(scene.alice.is_signed_in().await);
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn row_f_store_down_is_responder(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    scene.app.database.shut().await;
    let answer = scene.send(via, &request).await;
    assert_answers(&answer, &request, &scene, "Responder");
    scene.app.database.reopen().await;
    assert!(scene.alice.is_signed_in().await, "nothing was ended");
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn denied(scene: Scene, via: Via, raw: &str, request: &LogoutRequest, rule: &str) {
    let answer = scene.raw(via, raw).await;
    assert_answers(&answer, request, &scene, "Requester/RequestDenied");
    scene.assert_refused(rule).await;
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn row_g_unsigned_is_denied(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    let raw = if via == Via::Redirect {
        let query = scene.idp.redirect("SAMLRequest", &request.xml(), None);
        query.split('&').next().unwrap().to_owned()
    } else {
        request.xml()
    };
    denied(scene, via, &raw, &request, "SLO-01").await;
}

async fn row_g_foreign_key_is_denied(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    let raw = if via == Via::Redirect {
        scene.idp.query("SAMLRequest").signed(&request.xml(), &RSA_ATTACKER)
    } else {
        request.signed(&RSA_ATTACKER)
    };
    denied(scene, via, &raw, &request, "VAL-09").await;
}

async fn row_g_tampered_is_denied(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    let raw = if via == Via::Redirect {
        let query = scene.idp.redirect("SAMLRequest", &request.xml(), Some("relay"));
        query.replace("RelayState=relay", "RelayState=other")
    } else {
        let signed = request.signed(scene.idp.key);
        signed.replace("alice@example.org", "alice@example.net")
    };
    denied(scene, via, &raw, &request, "VAL-09").await;
}

async fn row_g_sha1_is_denied(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    let raw = if via == Via::Redirect {
        let mut query = scene.idp.query("SAMLRequest");
        query.algorithm = RSA_SHA1.to_owned();
        query.signed(&request.xml(), scene.idp.key)
    } else {
        let mut shape = Shape::of(scene.idp.key);
        shape.signature_method = RSA_SHA1.to_owned();
        request.signed_as(scene.idp.key, &shape)
    };
    denied(scene, via, &raw, &request, "VAL-14").await;
}

async fn plain(scene: Scene, via: Via, request: &LogoutRequest, http: (u16, u16), rule: &str) {
    let answer = send_request(&scene.app.authority, &scene.idp, via, request, Some("relay")).await;
    answer.assert_plain(http.0, http.1);
    scene.assert_refused(rule).await;
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn row_h_unknown_issuer_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.issuer = Some(Issuer { value: "https://stranger.example/metadata".to_owned(), format: None });
    plain(scene, via, &request, (403, 403), "VAL-07").await;
}

async fn row_h_missing_issuer_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.issuer = None;
    plain(scene, via, &request, (400, 403), "VAL-07").await;
}

async fn row_i_wrong_destination_is_discarded(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.destination = Some(scene.idp.sp.acs.clone());
    plain(scene, via, &request, (400, 403), "VAL-08").await;
}

/// VAL-08: a Destination is required on signed Redirect and POST; on SOAP there is none to miss.
async fn row_i_absent_destination(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.destination = None;
    if via == Via::Soap {
        let answer = scene.send(via, &request).await;
        assert_answers(&answer, &request, &scene, "Success");
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    } else {
        plain(scene, via, &request, (400, 403), "VAL-08").await;
    }
}

async fn requester(scene: Scene, via: Via, request: &LogoutRequest, status: &str, rule: &str) {
    let answer = scene.send_with(via, request, "relay").await;
    assert_answers(&answer, request, &scene, status);
    assert_eq!(answer.saml().relay_state.as_deref(), (via != Via::Soap).then_some("relay"), "BIND-19");
    scene.assert_refused(rule).await;
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn row_j_expired_is_requester(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.issue_instant = Some(instant(scene.app.now() - TimeDelta::minutes(6)));
    request.not_on_or_after = Some(instant(scene.app.now() - TimeDelta::minutes(4)));
    requester(scene, via, &request, "Requester", "SLO-22").await;
}

async fn row_j_stale_is_requester(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.issue_instant = Some(instant(scene.app.now() - TimeDelta::minutes(10)));
    requester(scene, via, &request, "Requester", "VAL-15").await;
}

async fn row_j_future_is_requester(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.issue_instant = Some(instant(scene.app.now() + TimeDelta::minutes(10)));
    requester(scene, via, &request, "Requester", "VAL-15").await;
}

async fn row_j_reused_id_is_requester(via: Via) {
    let scene = Scene::new().await;
    let mut first = scene.request(via);
    first.session_indexes = vec!["another".to_owned()];
    assert_eq!(scene.send(via, &first).await.status(), "Success");
    let mut second = scene.request(via);
    second.id.clone_from(&first.id);
    requester(scene, via, &second, "Requester", "SLO-24").await;
}

async fn row_k_version_3_is_too_high(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.version = Some("3.0".to_owned());
    requester(scene, via, &request, "VersionMismatch/RequestVersionTooHigh", "VAL-06").await;
}

async fn row_k_version_2_1_is_a_mismatch(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.version = Some("2.1".to_owned());
    requester(scene, via, &request, "VersionMismatch", "VAL-06").await;
}

async fn row_l_version_1_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.version = Some("1.1".to_owned());
    plain(scene, via, &request, (400, 500), "VAL-06").await;
}

async fn row_m_encrypted_identifier_is_unknown_principal(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.identifier = "<saml:EncryptedID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"></xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedID>".to_owned();
    requester(scene, via, &request, "Requester/UnknownPrincipal", "SLO-28").await;
}

async fn row_m_base_id_is_unknown_principal(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.identifier = "<saml:BaseID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:x=\"urn:x\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x:T\"></saml:BaseID>".to_owned();
    requester(scene, via, &request, "Requester/UnknownPrincipal", "SLO-29").await;
}

async fn row_n_broken_xml_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.finish = |xml| xml.replace("</samlp:SessionIndex>", "");
    let answer = match via {
        Via::Redirect => {
            let query = scene.idp.redirect("SAMLRequest", &request.xml(), None);
            scene.raw(via, &query).await
        }
        Via::Post | Via::Soap => scene.raw(via, &request.signed(scene.idp.key)).await,
    };
    answer.assert_plain(400, 500);
    scene.assert_refused("VAL-04").await;
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn row_n_dtd_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let request = scene.request(via);
    let reply = match via {
        Via::Redirect => {
            let xml = format!("<!DOCTYPE a>{}", request.xml());
            get_query(&scene.app.authority, SLO, &scene.idp.redirect("SAMLRequest", &xml, None)).await
        }
        Via::Post => scene.raw(via, &format!("<!DOCTYPE a>{}", request.signed(scene.idp.key))).await.reply,
        Via::Soap => {
            let body = format!("<!DOCTYPE a>{}", envelope(&request.signed(scene.idp.key)));
            post_soap(&scene.app.authority, &body).await
        }
    };
    assert_eq!(reply.status, if via == Via::Soap { 500 } else { 400 }, "{}", reply.body);
    scene.assert_refused("VAL-02").await;
    scene.assert_right_one_works(via).await;
    scene.done().await;
}

async fn row_n_schema_invalid_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    // NameID after SessionIndex.
    let name = std::mem::take(&mut request.identifier);
    request.session_indexes.clear();
    request.identifier = format!("<samlp:SessionIndex>{INDEX}</samlp:SessionIndex>{name}");
    plain(scene, via, &request, (400, 500), "VAL-04").await;
}

/// VAL-05: a NameID of another namespace is no NameID.
async fn row_n_foreign_namespace_identifier_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let mut request = scene.request(via);
    request.identifier = "<x:NameID xmlns:x=\"urn:x\">alice@example.org</x:NameID>".to_owned();
    plain(scene, via, &request, (400, 500), "VAL-04").await;
}

async fn row_n_another_message_gets_no_saml(via: Via) {
    let scene = Scene::new().await;
    let response = scene.idp.response(None, &scene.name, INDEX);
    let answer = match via {
        Via::Redirect => {
            let query = scene.idp.redirect("SAMLRequest", &response.signed(scene.idp.key), None);
            scene.raw(via, &query).await
        }
        Via::Post | Via::Soap => scene.raw(via, &response.signed(scene.idp.key)).await,
    };
    answer.assert_plain(400, 500);
    scene.assert_refused("VAL-19").await;
    scene.assert_right_one_works(via).await;
    scene.done().await;
}
