//! SSO-01 to SSO-26: sign-in, on which logout rests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;

use crate::support::app::{Import, TestApp};
use crate::support::browser::{Browser, forms};
use crate::support::dsig::{EC_256, Hex, RSA_A, RSA_ATTACKER, RSA_B, deflate, percent};
use crate::support::http::HttpReply;
use crate::support::idp::Idp;
use crate::support::messages::{Confirmation, Issuer, Name, Response, Signed, instant};
use crate::support::story::{ACS, INDEX, Via, assert_uncached, send_request};
use crate::support::xml::{Element, SAMLP};

/// One identity provider, one browser about to sign in.
struct Door {
    app: TestApp,
    idp: Idp,
    name: Name,
}

impl Door {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let idp = app.idp("idp-a", &RSA_A).await;
        Self { app, idp, name: Name::email("alice@example.org") }
    }

    /// Begins to sign in and brings a Response that `change` has changed.
    async fn try_sign_in(&self, change: impl FnOnce(&mut Response)) -> (Browser, HttpReply) {
        let browser = self.app.browser();
        let begun = browser.begin_sign_in(&self.idp).await;
        let mut response = self.idp.response(Some(begun.id()), &self.name, INDEX);
        change(&mut response);
        let reply = browser.bring(&response.signed(self.idp.key), begun.relay_state.as_deref()).await;
        (browser, reply)
    }

    async fn refused(&self, rule: &str, change: impl FnOnce(&mut Response)) {
        let (browser, reply) = self.try_sign_in(change).await;
        assert_eq!(reply.status, 400, "{rule}: {}", reply.body);
        assert!(reply.header("location").is_none());
        assert!(!browser.is_signed_in().await, "{rule}");
        self.app.assert_audited(rule).await;
    }

    async fn accepted(&self, what: &str, change: impl FnOnce(&mut Response)) -> Browser {
        let (browser, reply) = self.try_sign_in(change).await;
        assert_eq!(reply.status, 303, "{what}: {}", reply.body);
        assert!(browser.is_signed_in().await, "{what}");
        browser
    }

    /// The positive twin of whatever was refused, and the end.
    async fn done(self) {
        self.accepted("the positive twin", |_| {}).await;
        self.app.done().await;
    }
}

#[tokio::test]
async fn sso_01_the_authn_request_is_complete_and_lean() {
    let door = Door::new().await;
    let (one, two) = (door.app.browser(), door.app.browser());
    let request = one.begin_sign_in(&door.idp).await;
    assert_eq!(request.binding, "redirect");
    assert_eq!(request.url, format!("{}/sso", door.idp.origin));
    assert_ne!(request.id(), two.begin_sign_in(&door.idp).await.id());
    let message = &request.message;
    // SSO-02, SSO-03, SSO-04
    assert!(message.child(SAMLP, "NameIDPolicy").is_none());
    assert_eq!(message.attribute("AssertionConsumerServiceURL"), Some(door.app.sp.acs.as_str()));
    assert_eq!(message.attribute("AssertionConsumerServiceIndex"), None);
    assert!(message.child(SAMLP, "RequestedAuthnContext").is_none());
    door.done().await;
}

#[tokio::test]
async fn sso_01_an_idp_with_post_only_gets_a_form() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |mut metadata| {
            metadata.sso = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp-a.example/sso/post\"/>".to_owned();
            metadata
        })
        .await;
    let browser = app.browser();
    let request = browser.begin_sign_in(&idp).await;
    assert_eq!((request.binding, request.url.as_str()), ("post", "https://idp-a.example/sso/post"));
    browser.sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    app.done().await;
}

#[tokio::test]
async fn sso_05_a_response_by_redirect_is_refused() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let query = door.idp.redirect("SAMLResponse", &response, begun.relay_state.as_deref());
    let reply = browser.get_from_elsewhere(&format!("{ACS}?{query}")).await;
    assert!(matches!(reply.status, 400 | 405), "{}", reply.status);
    assert!(!browser.is_signed_in().await);
    let reply = browser.get_from_elsewhere(&format!("/saml/slo?{query}")).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // Deflated in a form, as some would take it.
    let packed = BASE64.encode(deflate(response.as_bytes()));
    let reply = browser.submit_from_elsewhere(ACS, &[("SAMLResponse", &packed)]).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_07_one_bad_signature_voids_all() {
    let door = Door::new().await;
    door.refused("VAL-09", |response| {
        // The Response's own signature is right, the assertion's is not.
        response.around_assertion = |xml| xml.replacen("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1);
    })
    .await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let broken = response.replacen("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1);
    let reply = browser.bring(&broken, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_07_an_assertion_that_no_signature_covers_is_refused() {
    let door = Door::new().await;
    door.refused("SSO-07", |response| response.signed = Signed::Nothing).await;
    door.accepted("assertion signed", |response| response.signed = Signed::Assertion).await;
    door.accepted("response signed", |response| response.signed = Signed::Response).await;
    door.accepted("both signed", |response| response.signed = Signed::Both).await;
    door.done().await;
}

#[tokio::test]
async fn sso_07_an_ec_idp_signs_in_as_well() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-ec", &EC_256).await;
    app.browser().sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    app.done().await;
}

#[tokio::test]
async fn sso_09_the_recipient_is_our_acs() {
    let door = Door::new().await;
    let slo = door.app.sp.slo.clone();
    door.refused("SSO-09", |response| response.assertion.confirmations[0].recipient = Some(slo)).await;
    door.refused("SSO-09", |response| response.assertion.confirmations[0].recipient = None).await;
    door.done().await;
}

#[tokio::test]
async fn sso_10_the_confirmation_has_an_end_and_no_beginning() {
    let door = Door::new().await;
    let now = door.app.now();
    door.refused("SSO-10", |response| response.assertion.confirmations[0].not_on_or_after = None).await;
    door.refused("SSO-10", |response| {
        response.assertion.confirmations[0].not_on_or_after = Some(instant(now - TimeDelta::minutes(4)));
    })
    .await;
    door.refused("SSO-10", |response| {
        response.assertion.confirmations[0].not_before = Some(instant(now - TimeDelta::minutes(4)));
    })
    .await;
    door.accepted("within the skew", |response| {
        response.assertion.confirmations[0].not_on_or_after = Some(instant(now - TimeDelta::minutes(2)));
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_11_an_answer_to_an_unknown_request_is_refused() {
    let door = Door::new().await;
    door.refused("SSO-11", |response| {
        response.in_response_to = Some("_unknown".to_owned());
        response.assertion.confirmations[0].in_response_to = Some("_unknown".to_owned());
    })
    .await;
    door.refused("SSO-11", |response| {
        response.assertion.confirmations[0].in_response_to = Some("_unknown".to_owned());
    })
    .await;
    door.refused("SSO-11", |response| response.in_response_to = Some("_unknown".to_owned())).await;
    door.done().await;
}

#[tokio::test]
async fn sso_11_a_response_signs_in_only_the_browser_that_asked() {
    let door = Door::new().await;
    let (victim, thief) = (door.app.browser(), door.app.browser());
    let begun = victim.begin_sign_in(&door.idp).await;
    thief.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let reply = thief.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!thief.is_signed_in().await);
    door.app.assert_audited("SSO-11").await;
    let bare = door.app.browser();
    assert_eq!(bare.bring(&response, begun.relay_state.as_deref()).await.status, 400);
    assert!(!bare.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_11_the_request_is_good_for_one_answer() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let first = door.idp.response(Some(begun.id()), &door.name, INDEX);
    let second = door.idp.response(Some(begun.id()), &door.name, INDEX);
    assert_eq!(browser.bring(&first.signed(door.idp.key), begun.relay_state.as_deref()).await.status, 303);
    let reply = browser.bring(&second.signed(door.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert_eq!(door.app.count("select count(*) from session").await, 1);
    door.done().await;
}

#[tokio::test]
async fn sso_12_unsolicited_responses_are_a_switch_and_off() {
    let door = Door::new().await;
    let other = Idp::new("idp-b", &RSA_B, door.app.sp.clone(), door.app.clock.clone());
    door.app.try_import("idp-b", &other.metadata().xml(), Import { allow_unsolicited: false }).await.unwrap();
    let browser = door.app.browser();
    let reply = browser.bring(&other.response(None, &door.name, INDEX).signed(other.key), None).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.app.assert_audited("SSO-12").await;
    let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
    let reply = browser.bring(&response, None).await;
    assert_eq!(reply.status, 303);
    assert_eq!(reply.location().trim_start_matches(&door.app.base_url), "/");
    assert!(browser.is_signed_in().await);
    // An InResponseTo anywhere makes it solicited.
    let stranger = door.app.browser();
    let mut half = door.idp.response(None, &door.name, INDEX);
    half.assertion.confirmations[0].in_response_to = Some("_x".to_owned());
    assert_eq!(stranger.bring(&half.signed(door.idp.key), None).await.status, 400);
    assert!(!stranger.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_13_the_audience_is_us() {
    let door = Door::new().await;
    let us = door.app.sp.entity_id.clone();
    let other = "https://other.example".to_owned();
    door.refused("SSO-13", |response| response.assertion.audiences.clear()).await;
    let wrong = other.clone();
    door.refused("SSO-13", |response| response.assertion.audiences = vec![vec![wrong]]).await;
    let two = vec![vec![us.clone()], vec![other.clone()]];
    door.refused("SSO-13", |response| response.assertion.audiences = two).await;
    let slashed = format!("{us}/");
    door.refused("SSO-13", |response| response.assertion.audiences = vec![vec![slashed]]).await;
    let one = vec![vec![other, us.clone()], vec![us]];
    door.accepted("one of several", |response| response.assertion.audiences = one).await;
    door.done().await;
}

#[tokio::test]
async fn sso_14_conditions_hold_or_nothing_does() {
    let door = Door::new().await;
    let now = door.app.now();
    door.refused("SSO-14", |response| {
        response.assertion.not_before = Some(instant(now + TimeDelta::minutes(4)));
    })
    .await;
    door.refused("SSO-14", |response| {
        response.assertion.not_on_or_after = Some(instant(now - TimeDelta::minutes(4)));
    })
    .await;
    door.refused("SSO-14", |response| {
        response.assertion.conditions = "<saml:Condition xmlns:x=\"urn:x\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x:Strange\"></saml:Condition>".to_owned();
    })
    .await;
    door.accepted("OneTimeUse", |response| {
        response.assertion.conditions = "<saml:OneTimeUse></saml:OneTimeUse>".to_owned();
    })
    .await;
    door.accepted("ProxyRestriction", |response| {
        response.assertion.conditions =
            "<saml:ProxyRestriction Count=\"0\"></saml:ProxyRestriction>".to_owned();
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_15_only_bearer_confirms() {
    let door = Door::new().await;
    let holder = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key".to_owned();
    let method = holder.clone();
    door.refused("SSO-15", |response| response.assertion.confirmations[0].method = method).await;
    door.refused("SSO-15", |response| response.assertion.confirmations.clear()).await;
    door.accepted("a bad one and a good one", |response| {
        let good = response.assertion.confirmations[0].clone();
        let bad = Confirmation { recipient: Some("https://other.example".to_owned()), ..good.clone() };
        let foreign = Confirmation { method: holder, ..good.clone() };
        response.assertion.confirmations = vec![bad, foreign, good];
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_16_an_assertion_signs_in_once() {
    let door = Door::new().await;
    let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
    let (one, two) = (door.app.browser(), door.app.browser());
    assert_eq!(one.bring(&response, None).await.status, 303);
    assert_eq!(two.bring(&response, None).await.status, 400);
    assert!(one.is_signed_in().await);
    assert!(!two.is_signed_in().await);
    door.app.assert_audited("SSO-16").await;
    door.done().await;
}

/// At one identity provider a session is one person's: whoever else signs in there, or comes without a
/// name, ends it and has a new one; the same person keeps it.
#[tokio::test]
async fn another_person_of_the_same_idp_does_not_join_the_session() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let id = async || browser.session().await["session_id"].as_str().unwrap().to_owned();
    let living = async || {
        let all = "select s.public_id, count(*) from session s join authentication a on a.session_id = s.id
                    where s.ended_at is null group by s.public_id";
        sqlx::query_as::<_, (String, i64)>(all).fetch_all(&door.app.pool).await.unwrap()
    };
    browser.sign_in(&door.idp, &door.name, "1").await;
    let alices = id().await;
    browser.sign_in(&door.idp, &door.name, "2").await;
    assert_eq!(id().await, alices, "the same person");
    browser.sign_in(&door.idp, &Name::email("bob@example.org"), "3").await;
    let bobs = id().await;
    assert_ne!(bobs, alices);
    assert_eq!(living().await, [(bobs.clone(), 1)], "alice's is over");
    browser.sign_in_as(&door.idp, &door.name, "4", |response| response.assertion.identifier.clear()).await;
    assert_ne!(id().await, bobs);
    assert_eq!(living().await, [(id().await, 1)], "bob's is over");
    door.done().await;
}

/// Whoever is refused because of a logout is told so and offered another sign-in, and nobody else.
#[tokio::test]
async fn slo_20_only_who_comes_after_a_logout_reads_that_it_is_over() {
    let door = Door::new().await;
    let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
    let request = door.idp.logout_request(&door.name, &[]);
    send_request(&door.app.authority, &door.idp, Via::Redirect, &request, None).await;
    let barred = door.app.browser().bring(&response, None).await;
    assert_eq!(barred.status, 400);
    assert!(barred.body.contains("force_authn=true"), "{}", barred.body);
    let again = door.app.browser().bring(&response, None).await;
    assert_eq!(again.status, 400);
    assert!(!again.body.contains("force_authn"), "used twice: {}", again.body);
    door.app.advance(TimeDelta::seconds(1));
    door.done().await;
}

/// The identity provider's word on its session's end is taken to the second, whatever skew is tolerated
/// elsewhere.
#[tokio::test]
async fn slo_33_a_session_that_is_over_before_it_begins_is_none() {
    let door = Door::new().await;
    let now = door.app.now();
    for seconds in [-60, -1, 0] {
        let end = instant(now + TimeDelta::seconds(seconds));
        door.refused("SLO-33", |response| {
            response.assertion.statements[0].session_not_on_or_after = Some(end);
        })
        .await;
    }
    let end = instant(now + TimeDelta::seconds(1));
    let alice = door
        .accepted("a second is left", |response| {
            response.assertion.statements[0].session_not_on_or_after = Some(end);
        })
        .await;
    door.app.advance(TimeDelta::seconds(1));
    assert!(!alice.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_16_two_nodes_at_once_make_one_session() {
    let door = Door::new().await;
    let node = door.app.second_node().await;
    for _ in 0..10 {
        let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
        let (one, two) = (door.app.browser(), Browser::new(&node.authority));
        let (first, second) = tokio::join!(one.bring(&response, None), two.bring(&response, None));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 400]);
        assert_ne!(one.is_signed_in().await, two.is_signed_in().await);
    }
    door.done().await;
}

#[tokio::test]
async fn sso_16_the_assertion_id_is_remembered_even_when_the_response_is_another() {
    let door = Door::new().await;
    let mut response = door.idp.response(None, &door.name, INDEX);
    response.signed = Signed::Assertion;
    let one = door.app.browser();
    assert_eq!(one.bring(&response.signed(door.idp.key), None).await.status, 303);
    response.id = "_another".to_owned();
    let two = door.app.browser();
    assert_eq!(two.bring(&response.signed(door.idp.key), None).await.status, 400);
    assert!(!two.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_17_every_issuer_is_the_idp_whose_key_verified() {
    let door = Door::new().await;
    let other = door.app.idp("idp-b", &RSA_B).await;
    let named = |value: &str| Some(Issuer { value: value.to_owned(), format: None });
    let b = other.entity_id.clone();
    // The assertion names another.
    let (browser, reply) = door.try_sign_in(|response| response.assertion.issuer = named(&b)).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // The Response names another.
    let (browser, reply) = door.try_sign_in(|response| response.issuer = named(&b)).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // Both name another, signed by this one.
    let (browser, reply) = door
        .try_sign_in(|response| {
            response.issuer = named(&b);
            response.assertion.issuer = named(&b);
        })
        .await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // The request went to A, B answers, rightly signed.
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = other.response(Some(begun.id()), &door.name, INDEX).signed(other.key);
    let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_17_a_stranger_signs_nobody_in() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(&RSA_ATTACKER);
    let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.app.assert_audited("VAL-09").await;
    door.done().await;
}

#[tokio::test]
async fn sso_18_everything_that_logout_needs_is_kept() {
    let door = Door::new().await;
    door.refused("SSO-18", |response| response.assertion.statements.clear()).await;
    let name = Name {
        name_qualifier: Some("q".to_owned()),
        sp_name_qualifier: Some("sq".to_owned()),
        sp_provided_id: Some("p".to_owned()),
        ..door.name.clone()
    };
    let browser = door
        .accepted("two statements", |response| {
            response.assertion.identifier = name.xml();
            let mut second = response.assertion.statements[0].clone();
            second.session_index = Some("s-2".to_owned());
            response.assertion.statements.push(second);
        })
        .await;
    let session = browser.session().await;
    let authentication = &session["authentications"][0];
    assert_eq!(authentication["idp"], door.idp.entity_id);
    assert_eq!(authentication["idp_slug"], "idp-a");
    assert_eq!(authentication["name_id"]["value"], "alice@example.org");
    assert_eq!(authentication["name_id"]["format"], crate::support::messages::EMAIL);
    assert_eq!(authentication["name_id"]["name_qualifier"], "q");
    assert_eq!(authentication["name_id"]["sp_name_qualifier"], "sq");
    let mut indexes: Vec<_> =
        authentication["session_indexes"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, [INDEX, "s-2"]);
    door.done().await;
}

#[tokio::test]
async fn sso_20_a_response_that_is_no_success_signs_nobody_in() {
    let door = Door::new().await;
    for status in [vec!["Responder", "AuthnFailed"], vec!["Requester", "NoPassive"], vec!["Responder"]] {
        // The smuggled assertion is perfectly good.
        let codes = status.iter().map(|&code| code.to_owned()).collect();
        let (browser, reply) = door.try_sign_in(|response| response.status = codes).await;
        assert_eq!(reply.status, 400, "a page, no redirect back into sign-in: {status:?}");
        assert!(!browser.is_signed_in().await);
    }
    door.app.assert_audited("SSO-20").await;
    let (browser, reply) = door
        .try_sign_in(|response| {
            response.status = vec!["Responder".to_owned(), "AuthnFailed".to_owned()];
            response.status_message = Some("<script>alert(1)</script>".to_owned());
            response.signed = Signed::Response;
            response.around_assertion = |_| String::new();
        })
        .await;
    assert_eq!(reply.status, 400);
    assert!(!reply.body.contains("<script>alert"), "SLO-55");
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_20_success_without_an_assertion_is_refused() {
    let door = Door::new().await;
    door.refused("SSO-18", |response| {
        response.signed = Signed::Response;
        response.around_assertion = |_| String::new();
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_22_strange_attributes_do_not_break_sign_in() {
    let door = Door::new().await;
    door.accepted("attributes", |response| {
        response.assertion.attributes = "<saml:AttributeStatement><saml:Attribute FriendlyName=\"x\" Name=\"urn:oid:1.2.3\" NameFormat=\"urn:strange\"><saml:AttributeValue>plain</saml:AttributeValue><saml:AttributeValue><y:deep xmlns:y=\"urn:y\" a=\"1\">text<y:more></y:more></y:deep></saml:AttributeValue><saml:AttributeValue></saml:AttributeValue></saml:Attribute></saml:AttributeStatement>".to_owned();
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_22_no_name_id_signs_in_all_the_same() {
    let door = Door::new().await;
    let browser = door.accepted("no NameID", |response| response.assertion.identifier.clear()).await;
    assert!(browser.session().await["authentications"][0]["name_id"].is_null());
    door.done().await;
}

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
async fn sso_26_a_disabled_idp_signs_nobody_in_and_its_logouts_stay_honoured() {
    let door = Door::new().await;
    let alice = door.app.browser();
    alice.sign_in(&door.idp, &door.name, INDEX).await;
    let waiting = door.app.browser();
    let begun = waiting.begin_sign_in(&door.idp).await;
    door.app.set_enabled("idp-a", false).await;
    let late = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    assert_eq!(waiting.bring(&late, begun.relay_state.as_deref()).await.status, 400);
    assert!(!waiting.is_signed_in().await);
    let unsolicited = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
    assert_eq!(waiting.bring(&unsolicited, None).await.status, 400);
    assert!(!waiting.is_signed_in().await);
    let reply = waiting.get("/saml/login?idp=idp-a").await;
    assert!(matches!(reply.status, 400 | 404), "{}", reply.status);
    door.app.assert_audited("SSO-26").await;
    assert!(alice.is_signed_in().await, "sessions of before go on");
    let request = door.idp.logout_request(&door.name, &[INDEX]);
    let answer =
        crate::support::story::send_request(&door.app.authority, &door.idp, Via::Redirect, &request, None)
            .await;
    assert_eq!(answer.status(), "Success");
    assert!(!alice.is_signed_in().await);
    door.app.set_enabled("idp-a", true).await;
    door.app.advance(TimeDelta::seconds(2));
    door.done().await;
}

#[tokio::test]
async fn sso_26_a_second_idp_joins_the_session_and_a_page_lets_choose() {
    let door = Door::new().await;
    let other = door.app.idp("idp-b", &RSA_B).await;
    let browser = door.app.browser();
    let chooser = browser.get("/saml/login?return_to=/x").await;
    assert_eq!(chooser.status, 200);
    assert!(chooser.body.contains("idp-a") && chooser.body.contains("idp-b"), "{}", chooser.body);
    assert!(forms(&chooser.body).iter().all(|form| form.field("SAMLRequest").is_none()));
    browser.sign_in(&door.idp, &door.name, "a").await;
    browser.sign_in(&other, &Name::email("alice@b.example"), "b").await;
    let session = browser.session().await;
    assert_eq!(session["authentications"].as_array().unwrap().len(), 2, "{session}");
    door.done().await;
}

#[tokio::test]
async fn sso_26_another_principal_of_the_same_idp_takes_over_from_the_session() {
    let door = Door::new().await;
    let browser = door.app.browser();
    browser.sign_in(&door.idp, &door.name, "1").await;
    let old = browser.at(&door.app.authority);
    browser.sign_in(&door.idp, &Name::email("bob@example.org"), "2").await;
    assert!(!old.is_signed_in().await);
    let session = browser.session().await;
    assert_eq!(session["authentications"].as_array().unwrap().len(), 1);
    assert_eq!(session["authentications"][0]["name_id"]["value"], "bob@example.org");
    door.done().await;
}

#[tokio::test]
async fn sso_stale_assertions_are_refused_by_their_own_issue_instant() {
    let door = Door::new().await;
    let old = instant(door.app.now() - TimeDelta::minutes(9));
    let at = old.clone();
    door.refused("VAL-15", |response| response.assertion.issue_instant = at).await;
    door.refused("VAL-15", |response| response.issue_instant = old).await;
    let ahead = instant(door.app.now() + TimeDelta::minutes(4));
    door.refused("VAL-15", |response| response.assertion.issue_instant = ahead).await;
    door.done().await;
}

#[tokio::test]
async fn sso_a_wrong_destination_is_refused() {
    let door = Door::new().await;
    let slo = door.app.sp.slo.clone();
    door.refused("VAL-08", |response| response.destination = Some(slo)).await;
    door.refused("VAL-08", |response| response.destination = None).await;
    door.done().await;
}

#[tokio::test]
async fn f_12_more_than_one_assertion_is_refused() {
    let door = Door::new().await;
    let before: fn(String) -> String =
        |xml| format!("{}{xml}", xml.replace("ID=\"_as", "ID=\"_evil").replace("alice", "mallory"));
    let after: fn(String) -> String =
        |xml| format!("{xml}{}", xml.replace("ID=\"_as", "ID=\"_evil").replace("alice", "mallory"));
    for around in [before, after] {
        for signed in [Signed::Assertion, Signed::Both] {
            let (browser, reply) = door
                .try_sign_in(|response| {
                    response.around_assertion = around;
                    response.signed = signed;
                })
                .await;
            assert_eq!(reply.status, 400);
            assert!(!browser.is_signed_in().await);
        }
    }
    door.app.assert_audited("F-12").await;
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
async fn val_17_256_astral_characters_come_back_whole() {
    let door = Door::new().await;
    let value = "𝔞".repeat(256);
    let browser = door.app.browser();
    browser.sign_in(&door.idp, &Name::bare(&value), &"🜚".repeat(256)).await;
    assert_eq!(browser.session().await["authentications"][0]["name_id"]["value"], value);
    let request = door.idp.sp.read_front(&browser.sign_out().await);
    assert_eq!(request.name(), Name::bare(&value));
    assert_eq!(request.session_indexes(), ["🜚".repeat(256)]);
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
