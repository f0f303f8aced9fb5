//! Row e of the status table: an application that counts has to have heard, or the identity provider is
//! told PartialLogout.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use signoff::logout::hearing::Form;

use super::{House, Person};
use crate::support::messages::LogoutRequest;
use crate::support::receiver::{Behaviour, Receiver};
use crate::support::story::{Answer, Via, send_request};

const PARTIAL: &str = "Responder/PartialLogout";

fn request(house: &House, person: &Person, via: Via) -> LogoutRequest {
    let mut request = house.idp.logout_request(&person.name, &[&person.index]);
    if via == Via::Soap {
        request.destination = Some(house.idp.sp.soap.clone());
    }
    request
}

async fn send(house: &House, via: Via, request: &LogoutRequest) -> Answer {
    send_request(&house.app.authority, &house.idp, via, request, None).await
}

async fn recorded(house: &House) -> Vec<Option<String>> {
    sqlx::query_scalar("select status from logout where message_id is not null order by id")
        .fetch_all(&house.app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn row_e_success_is_answered_once_all_that_count_have_heard() {
    let house = House::new().await;
    let (one, two) =
        (Receiver::start(Behaviour::Answer(200)).await, Receiver::start(Behaviour::Answer(202)).await);
    house.application("one", Form::LogoutToken, &one).await;
    house.application("two", Form::Caep, &two).await;
    for via in Via::ALL {
        let alice = house.person(&format!("{via:?}")).await;
        house.takes_part("one", &alice).await;
        house.takes_part("two", &alice).await;
        let before = one.taken().len();
        assert_eq!(send(&house, via, &request(&house, &alice, via)).await.status(), "Success", "{via:?}");
        assert_eq!(one.taken().len(), before + 1, "before the answer, without a worker");
        assert!(!alice.browser.is_signed_in().await);
    }
    assert_eq!(two.taken().len(), 3);
    assert_eq!(recorded(&house).await, vec![Some(String::from("Success")); 3]);
    house.done().await;
}

#[tokio::test]
async fn row_e_an_application_that_counts_and_has_not_heard_makes_it_partial() {
    let house = House::new().await;
    let (good, bad) =
        (Receiver::start(Behaviour::Answer(200)).await, Receiver::start(Behaviour::Answer(500)).await);
    house.application("good", Form::LogoutToken, &good).await;
    house.application("bad", Form::LogoutToken, &bad).await;
    for via in Via::ALL {
        let alice = house.person(&format!("{via:?}")).await;
        house.takes_part("good", &alice).await;
        house.takes_part("bad", &alice).await;
        let request = request(&house, &alice, via);
        assert_eq!(send(&house, via, &request).await.status(), PARTIAL, "{via:?}");
        assert!(!alice.browser.is_signed_in().await, "the session is over all the same");
        // SLO-24: the same status for the same message, whatever has happened since.
        bad.behave(Behaviour::Answer(200));
        house.app.advance(TimeDelta::minutes(5));
        house.app.work().await;
        assert_eq!(send(&house, via, &request).await.status(), PARTIAL, "{via:?}");
        bad.behave(Behaviour::Answer(500));
    }
    house.done().await;
}

#[tokio::test]
async fn an_application_that_does_not_count_changes_nothing() {
    let house = House::new().await;
    let bad = Receiver::start(Behaviour::Answer(500)).await;
    house.application("hook", Form::Webhook, &bad).await;
    house.counted("token", Form::LogoutToken, &bad, false).await;
    let alice = house.person("alice").await;
    house.takes_part("hook", &alice).await;
    house.takes_part("token", &alice).await;
    assert_eq!(send(&house, Via::Soap, &request(&house, &alice, Via::Soap)).await.status(), "Success");
    assert!(bad.arrived().is_empty(), "nobody waited for it");
    house.done().await;
}

#[tokio::test]
async fn a_webhook_counts_if_it_is_said_to() {
    let house = House::new().await;
    let bad = Receiver::start(Behaviour::Answer(500)).await;
    house.counted("hook", Form::Webhook, &bad, true).await;
    let alice = house.person("alice").await;
    house.takes_part("hook", &alice).await;
    assert_eq!(send(&house, Via::Soap, &request(&house, &alice, Via::Soap)).await.status(), PARTIAL);
    house.done().await;
}

#[tokio::test]
async fn slo_31_no_logout_is_kept_beyond_three_seconds_and_a_duplicate_waits_for_the_first() {
    let house = House::new().await;
    let mute = Receiver::start(Behaviour::Hang).await;
    house.application("mute", Form::LogoutToken, &mute).await;
    let alice = house.person("alice").await;
    house.takes_part("mute", &alice).await;
    let request = request(&house, &alice, Via::Soap);
    let begun = Instant::now();
    let (first, second) = tokio::join!(send(&house, Via::Soap, &request), send(&house, Via::Soap, &request));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!((first.status(), second.status()), (PARTIAL.into(), PARTIAL.into()));
    assert_eq!(mute.arrived().len(), 1, "told once");
    house.done().await;
}

#[tokio::test]
async fn a_duplicate_finishes_what_a_dead_node_left_undecided() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    house.application("shop", Form::LogoutToken, &receiver).await;
    for heard in [true, false] {
        let alice = house.person(&format!("alice-{heard}")).await;
        house.takes_part("shop", &alice).await;
        let request = request(&house, &alice, Via::Soap);
        assert_eq!(send(&house, Via::Soap, &request).await.status(), "Success");
        // As if the node had died after the commit, before or after it told the application.
        sqlx::query("update logout set status = null where message_id = $1")
            .bind(&request.id)
            .execute(&house.app.pool)
            .await
            .unwrap();
        if !heard {
            sqlx::query("update notification set state = 'pending', acknowledged_at = null where sid = $1")
                .bind(&alice.session)
                .execute(&house.app.pool)
                .await
                .unwrap();
        }
        let before = receiver.taken().len();
        assert_eq!(send(&house, Via::Soap, &request).await.status(), "Success");
        assert_eq!(receiver.taken().len(), before + usize::from(!heard));
    }
    assert_eq!(recorded(&house).await, vec![Some(String::from("Success")); 2]);
    house.done().await;
}

#[tokio::test]
async fn what_nobody_decides_the_worker_decides() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    house.application("shop", Form::LogoutToken, &receiver).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    assert_eq!(send(&house, Via::Soap, &request(&house, &alice, Via::Soap)).await.status(), "Success");
    sqlx::query("update logout set status = null").execute(&house.app.pool).await.unwrap();
    house.app.work().await;
    assert_eq!(recorded(&house).await, [None], "somebody may be at it");
    house.app.advance(TimeDelta::seconds(31));
    house.app.work().await;
    assert_eq!(recorded(&house).await, [Some(String::from("Success"))]);
    house.done().await;
}

#[tokio::test]
async fn row_b_is_partial_as_long_as_an_application_that_counts_has_not_heard() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(500)).await;
    house.application("shop", Form::LogoutToken, &receiver).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    house.app.end_by_admin(&alice.browser).await;
    let first = request(&house, &alice, Via::Soap);
    assert_eq!(send(&house, Via::Soap, &first).await.status(), PARTIAL);
    receiver.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::minutes(5));
    house.app.work().await;
    let second = request(&house, &alice, Via::Soap);
    assert_eq!(send(&house, Via::Soap, &second).await.status(), "Success");
    house.done().await;
}

#[tokio::test]
async fn an_application_that_is_known_to_be_down_is_not_waited_for() {
    let house = House::new().await;
    let mute = Receiver::start(Behaviour::Answer(500)).await;
    house.application("mute", Form::LogoutToken, &mute).await;
    for n in 0..3 {
        let person = house.person(&format!("p{n}")).await;
        house.takes_part("mute", &person).await;
        assert_eq!(send(&house, Via::Soap, &request(&house, &person, Via::Soap)).await.status(), PARTIAL);
    }
    let before = mute.arrived().len();
    mute.behave(Behaviour::Hang);
    let person = house.person("last").await;
    house.takes_part("mute", &person).await;
    let begun = Instant::now();
    assert_eq!(send(&house, Via::Soap, &request(&house, &person, Via::Soap)).await.status(), PARTIAL);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(mute.arrived().len(), before);
    house.done().await;
}

#[tokio::test]
async fn the_page_of_a_logout_names_the_applications() {
    let house = House::new().await;
    let (good, bad) =
        (Receiver::start(Behaviour::Answer(200)).await, Receiver::start(Behaviour::Answer(500)).await);
    house.application("good-shop", Form::LogoutToken, &good).await;
    house.application("bad-shop", Form::LogoutToken, &bad).await;
    let alice = house.person("alice").await;
    house.takes_part("good-shop", &alice).await;
    house.takes_part("bad-shop", &alice).await;
    let asked = house.idp.sp.read_front(&alice.browser.sign_out().await);
    house.app.work().await;
    let answer = house.idp.logout_response(&asked, &["Success"]);
    let reply = alice.browser.bring_answer(&house.idp, &answer, asked.relay_state.as_deref()).await;
    let page = alice.browser.follow(reply).await;
    for text in
        ["good-shop", "bad-shop", "It was told, and has confirmed that.", "has not confirmed that yet"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains("Every session that we knew of has ended"), "{}", page.body);
    house.done().await;
}

#[tokio::test]
async fn a_person_returns_where_they_wanted_only_if_all_that_count_have_heard() {
    for (status, home) in [(200, true), (500, false)] {
        let house = House::new().await;
        let receiver = Receiver::start(Behaviour::Answer(status)).await;
        house.application("shop", Form::LogoutToken, &receiver).await;
        let alice = house.person("alice").await;
        house.takes_part("shop", &alice).await;
        let form = alice.browser.logout_form(Some("/?done")).await;
        let reply =
            alice.browser.submit(crate::support::browser::path_of(&form.action), &form.with(&[])).await;
        let asked = house.idp.sp.read_front(&reply);
        house.app.work().await;
        let answer = house.idp.logout_response(&asked, &["Success"]);
        let reply = alice.browser.bring_answer(&house.idp, &answer, asked.relay_state.as_deref()).await;
        assert_eq!(reply.location().ends_with("/?done"), home, "{}", reply.location());
        house.done().await;
    }
}
