//! SLO-51 to SLO-53: what an answer means, and none.

use super::*;

#[tokio::test]
async fn slo_51_every_kind_of_answer_is_told_apart() {
    let cases: [(&[&str], &str); 8] = [
        (&["Success"], "confirmed"),
        (&["Success", "PartialLogout"], "partial"),
        (&["Responder", "PartialLogout"], "partial_failure"),
        (&["PartialLogout"], "partial_failure"),
        (&["Requester"], "failed"),
        (&["Responder", "urn:example:unheard-of"], "failed"),
        (&["Requester", "UnknownPrincipal"], "failed"),
        (&["VersionMismatch"], "failed"),
    ];
    let mut pages = Vec::new();
    for (status, state) in cases {
        let asked = Asked::new().await;
        let mut answer = asked.answer(status);
        answer.status_message = Some("<script>alert('status')</script>".to_owned());
        let relay_state = asked.request.relay_state.as_deref();
        let reply = asked.scene.alice.bring_answer(&asked.scene.idp, &answer, relay_state).await;
        let page = asked.scene.alice.follow(reply).await;
        assert_eq!(page.status, 200, "{status:?}: {}", page.body);
        assert!(!page.body.contains("<script>alert"), "SLO-55");
        let found = legs(&asked.scene.app).await;
        assert_eq!(found, [state], "{status:?}");
        assert!(!asked.scene.alice.is_signed_in().await, "no answer re-creates a session");
        let main = page.body.split("<main").nth(1).unwrap_or(&page.body).to_owned();
        pages.push(main.replace(&asked.scene.app.base_url, ""));
        asked.scene.done().await;
    }
    assert_ne!(pages[0], pages[1], "Success and Success/PartialLogout");
    assert_ne!(pages[1], pages[2], "out at the IdP, or perhaps not");
    assert_ne!(pages[2], pages[4], "in part, or not at all");
    assert_ne!(pages[0], pages[4]);
}

#[tokio::test]
async fn slo_52_no_answer_is_not_success() {
    let asked = Asked::new().await;
    let scene = &asked.scene;
    scene.app.advance(TimeDelta::minutes(5) - TimeDelta::seconds(1));
    scene.app.work().await;
    assert_eq!(legs(&scene.app).await, ["asked"]);
    scene.app.advance(TimeDelta::seconds(2));
    scene.app.work().await;
    assert_eq!(legs(&scene.app).await, ["unconfirmed"]);
    // The answer that comes too late changes nothing and signs nobody in.
    let late = asked.answer(&["Success"]);
    let reply = scene.alice.bring_answer(&scene.idp, &late, asked.request.relay_state.as_deref()).await;
    assert!(reply.status < 500);
    assert!(!scene.alice.is_signed_in().await);
    asked.scene.done().await;
}

#[tokio::test]
async fn slo_52_soap_is_tried_twice_with_two_ids() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let soap = scene.idp.soap.as_ref().unwrap();
    soap.answer(SoapAnswer::Hangup);
    scene.app.end_by_admin(&scene.alice).await;
    scene.app.work().await;
    scene.app.advance(TimeDelta::minutes(1));
    scene.app.work().await;
    let calls = soap.calls();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].request.id(), calls[1].request.id(), "a retry is a message of its own");
    assert_eq!(legs(&scene.app).await, ["confirmed"]);
    scene.done().await;
}

#[tokio::test]
async fn bind_32_a_bad_soap_answer_is_no_confirmation_and_gets_no_fault_back() {
    let cases = [
        ("html", SoapAnswer::Raw(200, "<html><body>Welcome</body></html>".to_owned())),
        ("error", SoapAnswer::Raw(500, "oops".to_owned())),
        ("empty", SoapAnswer::Raw(200, String::new())),
        ("large", SoapAnswer::Raw(200, "x".repeat(1 << 20))),
        ("redirect", SoapAnswer::Raw(302, String::new())),
        ("foreign", SoapAnswer::Foreign),
        ("another", SoapAnswer::WrongRequest),
        ("hangup", SoapAnswer::Hangup),
    ];
    for (what, answer) in cases {
        let app = TestApp::start().await;
        let idp = app.idp_with_soap("idp-a", &RSA_A).await;
        let scene = Scene::enter(app, idp).await;
        let soap = scene.idp.soap.as_ref().unwrap();
        soap.answer(answer.clone());
        soap.answer(answer);
        scene.app.end_by_admin(&scene.alice).await;
        for _ in 0..4 {
            scene.app.work().await;
            scene.app.advance(TimeDelta::minutes(2));
        }
        let found = legs(&scene.app).await;
        assert!(!found.contains(&"confirmed".to_owned()), "{what}: {found:?}");
        assert!(soap.calls().len() <= 2, "{what}: one retry at most");
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_51_a_soap_answer_in_part_is_told_apart() {
    let cases: [(&[&'static str], &str); 2] =
        [(&["Success", "PartialLogout"], "partial"), (&["Responder"], "failed")];
    for (status, state) in cases {
        let app = TestApp::start().await;
        let idp = app.idp_with_soap("idp-a", &RSA_A).await;
        let scene = Scene::enter(app, idp).await;
        scene.idp.soap.as_ref().unwrap().answer(SoapAnswer::Status(status.to_vec()));
        scene.app.end_by_admin(&scene.alice).await;
        scene.app.work().await;
        assert_eq!(legs(&scene.app).await, [state]);
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_53_simultaneous_logouts_both_complete() {
    let asked = Asked::new().await;
    let scene = &asked.scene;
    // Ours is pending, theirs comes in the middle.
    let answer = scene.send(Via::Redirect, &scene.request(Via::Redirect)).await;
    assert_eq!(answer.status(), "Success", "row b");
    asked.done().await;
}
