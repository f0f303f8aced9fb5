//! A session that rests on two identity providers ends whole.

use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::story::{Via, send_request};

struct Both {
    app: TestApp,
    a: Idp,
    b: Idp,
    alice: Browser,
    at_a: Name,
    at_b: Name,
}

impl Both {
    async fn new(b_has_soap: bool) -> Self {
        let app = TestApp::start().await;
        let a = app.idp("idp-a", &RSA_A).await;
        let b = if b_has_soap {
            app.idp_with_soap("idp-b", &RSA_B).await
        } else {
            app.idp("idp-b", &RSA_B).await
        };
        let (at_a, at_b) = (Name::email("alice@a.example"), Name::bare("alice-at-b"));
        let alice = app.browser();
        alice.sign_in(&a, &at_a, "a-1").await;
        alice.sign_in(&b, &at_b, "b-1").await;
        assert_eq!(alice.session().await["authentications"].as_array().unwrap().len(), 2);
        Self { app, a, b, alice, at_a, at_b }
    }

    async fn legs(&self) -> Vec<String> {
        sqlx::query_scalar("select state from logout_leg order by idp_id")
            .fetch_all(&self.app.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn slo_34_a_person_signs_out_of_both_one_after_the_other() {
    let both = Both::new(false).await;
    let first = both.a.sp.read_front(&both.alice.sign_out().await);
    assert!(!both.alice.is_signed_in().await);
    let (one, other) =
        if first.url.starts_with(&both.a.origin) { (&both.a, &both.b) } else { (&both.b, &both.a) };
    let expected =
        |idp: &Idp| if idp.slug == "idp-a" { (both.at_a.clone(), "a-1") } else { (both.at_b.clone(), "b-1") };
    assert_eq!((first.name(), first.session_indexes()[0].as_str()), expected(one));
    let answer = one.logout_response(&first, &["Success"]);
    let reply = both.alice.bring_answer(one, &answer, first.relay_state.as_deref()).await;
    let second = both.a.sp.read_front(&reply);
    assert_eq!(second.message.local, "LogoutRequest");
    assert!(second.url.starts_with(&other.origin), "{}", second.url);
    assert_eq!((second.name(), second.session_indexes()[0].as_str()), expected(other));
    assert_ne!(first.id(), second.id());
    let answer = other.logout_response(&second, &["Success"]);
    let reply = both.alice.bring_answer(other, &answer, second.relay_state.as_deref()).await;
    assert_eq!(both.alice.follow(reply).await.status, 200);
    assert_eq!(both.legs().await, ["confirmed", "confirmed"]);
    both.app.done().await;
}

#[tokio::test]
async fn slo_50_the_second_idp_cannot_answer_for_the_first() {
    let both = Both::new(false).await;
    let first = both.a.sp.read_front(&both.alice.sign_out().await);
    let (one, other) =
        if first.url.starts_with(&both.a.origin) { (&both.a, &both.b) } else { (&both.b, &both.a) };
    let forged = other.logout_response(&first, &["Success"]);
    assert_eq!(both.alice.bring_answer(other, &forged, first.relay_state.as_deref()).await.status, 400);
    assert!(!both.legs().await.contains(&"confirmed".to_owned()));
    let answer = one.logout_response(&first, &["Success"]);
    assert!(both.alice.bring_answer(one, &answer, first.relay_state.as_deref()).await.status < 400);
    both.app.done().await;
}

#[tokio::test]
async fn one_idp_says_over_and_the_other_is_told_by_soap() {
    for via in Via::ALL {
        let both = Both::new(true).await;
        let mut request = both.a.logout_request(&both.at_a, &["a-1"]);
        if via == Via::Soap {
            request.destination = Some(both.app.sp.soap.clone());
        }
        let answer = send_request(&both.app.authority, &both.a, via, &request, None).await;
        assert_eq!(answer.status(), "Success", "the other's outcome changes nothing for the one that asked");
        assert!(!both.alice.is_signed_in().await, "the session ends whole");
        both.app.work().await;
        let calls = both.b.soap.as_ref().unwrap().calls();
        assert_eq!(calls.len(), 1);
        assert_eq!(
            (calls[0].request.name(), calls[0].request.session_indexes()),
            (both.at_b.clone(), vec!["b-1".to_owned()])
        );
        assert_eq!(both.legs().await, ["confirmed"]);
        both.app.done().await;
    }
}

#[tokio::test]
async fn one_idp_says_over_and_the_other_waits_for_the_browser() {
    let both = Both::new(false).await;
    let request = both.a.logout_request(&both.at_a, &["a-1"]);
    let answer = send_request(&both.app.authority, &both.a, Via::Redirect, &request, None).await;
    assert_eq!(answer.status(), "Success");
    assert!(!both.alice.is_signed_in().await);
    assert_eq!(both.legs().await, ["waiting_browser"]);
    let reply = both.alice.get("/saml/login?idp=idp-a").await;
    let pending = both.a.sp.read_front(&reply);
    assert_eq!(pending.message.local, "LogoutRequest");
    assert!(pending.url.starts_with(&both.b.origin));
    assert_eq!(pending.name(), both.at_b);
    let answer = both.b.logout_response(&pending, &["Success"]);
    let reply = both.alice.bring_answer(&both.b, &answer, pending.relay_state.as_deref()).await;
    assert!(reply.status < 400, "{}", reply.body);
    assert_eq!(both.legs().await, ["confirmed"]);
    both.app.done().await;
}

#[tokio::test]
async fn sessions_of_other_browsers_at_the_other_idp_live_on() {
    let both = Both::new(false).await;
    let bob = both.app.browser();
    bob.sign_in(&both.b, &both.at_b, "b-2").await;
    let request = both.a.logout_request(&both.at_a, &[]);
    assert_eq!(
        send_request(&both.app.authority, &both.a, Via::Redirect, &request, None).await.status(),
        "Success"
    );
    assert!(!both.alice.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    both.app.done().await;
}
