//! SSO-18, SSO-22, SSO-26: what a sign-in leaves behind, and whose session it goes into.

use super::*;

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
