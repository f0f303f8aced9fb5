//! Every notification arrives once its receiver is back, in order, and nobody waits for another.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use signoff::app::deliveries;
use signoff::logout::hearing::Form;

use super::{House, Person};
use crate::support::receiver::{Arrived, Behaviour, Receiver};

/// Ends sessions of so many people, one after the other.
async fn ended(house: &House, application: &str, many: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for n in 0..many {
        let person = house.person(&format!("{application}-{n}")).await;
        house.takes_part(application, &person).await;
        house.app.end_by_admin(&person.browser).await;
        people.push(person);
    }
    people
}

fn sessions(people: &[Person]) -> Vec<String> {
    let mut sessions: Vec<String> = people.iter().map(|person| person.session.clone()).collect();
    sessions.sort();
    sessions
}

fn taken(receiver: &Receiver) -> Vec<String> {
    let mut sessions: Vec<String> = receiver.taken().iter().map(Arrived::session_id).collect();
    sessions.sort();
    sessions
}

#[tokio::test]
async fn an_application_is_told_of_its_own_sessions_and_of_no_other() {
    let house = House::new().await;
    let (one, two) =
        (Receiver::start(Behaviour::Answer(200)).await, Receiver::start(Behaviour::Answer(200)).await);
    house.application("one", Form::Webhook, &one).await;
    house.application("two", Form::Webhook, &two).await;
    let (alice, bob, carol) =
        (house.person("alice").await, house.person("bob").await, house.person("carol").await);
    house.takes_part("one", &alice).await;
    house.takes_part("one", &bob).await;
    house.takes_part("two", &bob).await;
    for person in [&alice, &bob, &carol] {
        house.app.end_by_admin(&person.browser).await;
    }
    house.app.work().await;
    assert_eq!(taken(&one), sessions(&[alice, bob]));
    assert_eq!(two.taken().len(), 1);
    house.done().await;
}

#[tokio::test]
async fn whoever_ends_a_session_its_applications_are_told() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    let (idp, own, clock) =
        (house.person("idp").await, house.person("own").await, house.person("clock").await);
    for person in [&idp, &own, &clock] {
        house.takes_part("shop", person).await;
    }
    let mut request = house.idp.logout_request(&idp.name, &[&idp.index]);
    request.destination = Some(house.idp.sp.soap.clone());
    let answer = crate::support::story::send_request(
        &house.app.authority,
        &house.idp,
        crate::support::story::Via::Soap,
        &request,
        None,
    )
    .await;
    assert_eq!(answer.status(), "Success");
    own.browser.sign_out_here().await;
    house.app.advance(TimeDelta::hours(25));
    // The clock has ended the last one: it is written down by the same round that tells.
    house.app.work().await;
    house.app.work().await;
    let reasons: Vec<String> = receiver
        .taken()
        .iter()
        .map(|arrived| {
            serde_json::from_str::<serde_json::Value>(&arrived.body).unwrap()["data"]["reason"].to_string()
        })
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    for reason in ["\"idp\"", "\"person\"", "\"expired\""] {
        assert!(reasons.contains(&reason.to_owned()), "{reasons:?}");
    }
    house.done().await;
}

#[tokio::test]
async fn a_receiver_that_fails_for_an_hour_gets_all_once_it_is_back() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(500)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    let people = ended(&house, "shop", 5).await;
    for _ in 0..60 {
        house.app.advance(TimeDelta::minutes(1));
        house.app.work().await;
    }
    assert!(receiver.taken().is_empty());
    let tries = receiver.arrived().len();
    assert!((10..60).contains(&tries), "tried again and again, but not all the time: {tries}");
    receiver.behave(Behaviour::Answer(200));
    // It hears within five minutes of being back, not after the hour to which single pauses grow.
    house.app.advance(TimeDelta::minutes(5));
    house.app.work().await;
    assert_eq!(taken(&receiver), sessions(&people));
    assert_eq!(house.states().await, ["acknowledged"; 5]);
    // Each try of one notification carried the same name.
    let mut names: Vec<String> =
        receiver.arrived().iter().map(|arrived| arrived.header("webhook-id").to_owned()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
    house.done().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let house = House::new().await;
    let elsewhere = Receiver::start(Behaviour::Answer(200)).await;
    let receiver = Receiver::start(Behaviour::Redirect(elsewhere.url.clone())).await;
    house.application("shop", Form::Webhook, &receiver).await;
    ended(&house, "shop", 1).await;
    let (state, attempts, status, error) = house.notifications().await.remove(0);
    assert_eq!((state.as_str(), attempts, status), ("pending", 1, Some(307)));
    assert!(error.unwrap().contains("redirect"));
    assert!(elsewhere.arrived().is_empty());
    receiver.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::minutes(1));
    house.app.work().await;
    assert_eq!(receiver.taken().len(), 1);
    house.done().await;
}

#[tokio::test]
async fn a_receiver_that_dies_in_the_middle_gets_it_again() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Die).await;
    house.application("shop", Form::Webhook, &receiver).await;
    let people = ended(&house, "shop", 2).await;
    assert_eq!(house.states().await, ["pending"; 2]);
    receiver.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::minutes(1));
    house.app.work().await;
    assert_eq!(taken(&receiver), sessions(&people));
    house.done().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_delays_no_other_and_gets_it_later() {
    let house = House::new().await;
    let (mute, quick) =
        (Receiver::start(Behaviour::Hang).await, Receiver::start(Behaviour::Answer(200)).await);
    house.application("mute", Form::Webhook, &mute).await;
    house.application("quick", Form::Webhook, &quick).await;
    let mut people = Vec::new();
    for n in 0..20 {
        let person = house.person(&format!("p{n}")).await;
        house.takes_part("mute", &person).await;
        house.takes_part("quick", &person).await;
        let mut request = house.idp.logout_request(&person.name, &[&person.index]);
        request.destination = Some(house.idp.sp.soap.clone());
        let begun = Instant::now();
        let via = crate::support::story::Via::Soap;
        let answer =
            crate::support::story::send_request(&house.app.authority, &house.idp, via, &request, None).await;
        assert_eq!(answer.status(), "Success");
        assert!(begun.elapsed() < Duration::from_secs(2), "nobody that counts is waited for");
        people.push(person);
    }
    let begun = Instant::now();
    let quick_done = async {
        quick.wait_for(20).await;
        begun.elapsed()
    };
    let ((), quick_after) = tokio::join!(house.app.work(), quick_done);
    assert!(quick_after < Duration::from_secs(4), "{quick_after:?}");
    assert!(mute.arrived().len() <= 8, "spared the rest: {}", mute.arrived().len());
    mute.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::minutes(5));
    house.app.work().await;
    assert_eq!(taken(&mute), sessions(&people));
    assert_eq!(taken(&quick), sessions(&people));
    house.done().await;
}

#[tokio::test]
async fn what_cannot_be_delivered_in_a_day_is_dead_and_can_be_told_again_by_hand() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(503)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    ended(&house, "shop", 2).await;
    for _ in 0..25 {
        house.app.advance(TimeDelta::hours(1));
        house.app.work().await;
    }
    assert_eq!(house.states().await, ["dead"; 2]);
    let tries = receiver.arrived().len();
    house.app.advance(TimeDelta::hours(2));
    house.app.work().await;
    assert_eq!(receiver.arrived().len(), tries, "nothing is tried any more");

    let all = deliveries::list(&house.app.app, None, 0, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].state.as_str(), all[0].http_status, all[0].due_at), ("dead", Some(503), None));
    receiver.behave(Behaviour::Answer(200));
    deliveries::retry(&house.app.app, all[0].id.0).await.unwrap();
    house.app.work().await;
    assert_eq!(house.states().await, ["acknowledged", "dead"]);
    let one = deliveries::show(&house.app.app, all[0].id.0).await.unwrap().unwrap();
    assert_eq!(one.acknowledged_at, Some(house.app.now()));
    assert_eq!((one.http_status, one.last_error), (Some(200), None));
    assert!(deliveries::retry(&house.app.app, 4711).await.is_err());
    house.done().await;
}

#[tokio::test]
async fn told_again_by_hand_it_has_another_day() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(503)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    ended(&house, "shop", 1).await;
    for _ in 0..25 {
        house.app.advance(TimeDelta::hours(1));
        house.app.work().await;
    }
    deliveries::retry(&house.app.app, 1).await.unwrap();
    house.app.work().await;
    assert_eq!(house.states().await, ["pending"], "one failure is not the end");
    for _ in 0..25 {
        house.app.advance(TimeDelta::hours(1));
        house.app.work().await;
    }
    assert_eq!(house.states().await, ["dead"]);
    house.done().await;
}

#[tokio::test]
async fn a_refused_token_is_recorded_and_does_not_hold_up_the_next() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Say(400, r#"{"error":"invalid_request"}"#)).await;
    house.counted("shop", Form::LogoutToken, &receiver, false).await;
    ended(&house, "shop", 1).await;
    let (state, attempts, status, error) = house.notifications().await.remove(0);
    assert_eq!((state.as_str(), attempts, status), ("pending", 1, Some(400)));
    assert!(error.unwrap().contains("invalid_request"));
    // The next one is not delayed by it, and it is not tried again soon.
    receiver.behave(Behaviour::Answer(200));
    let bob = house.person("bob").await;
    house.takes_part("shop", &bob).await;
    house.app.end_by_admin(&bob.browser).await;
    house.app.advance(TimeDelta::minutes(1));
    house.app.work().await;
    assert_eq!(house.states().await, ["pending", "acknowledged"]);
    house.app.advance(TimeDelta::minutes(10));
    house.app.work().await;
    assert_eq!(house.states().await, ["acknowledged", "acknowledged"]);
    house.done().await;
}

#[tokio::test]
async fn what_one_session_has_to_say_arrives_in_order() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(500)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    ended(&house, "shop", 1).await;
    // A session that ends twice: of an OpenID provider's it can be said again.
    sqlx::query(
        "insert into notification (application_id, sid, participations, reason, ended_at, counts, state, due_at)
         select application_id, sid, participations, 'oidc', ended_at, counts, 'pending', ended_at from notification",
    )
    .execute(&house.app.pool)
    .await
    .unwrap();
    house.app.work().await;
    assert!(
        receiver.arrived().iter().all(|one| !one.body.contains("oidc")),
        "the second waits for the first"
    );
    receiver.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::minutes(1));
    house.app.work().await;
    let reasons: Vec<bool> = receiver.taken().iter().map(|one| one.body.contains("oidc")).collect();
    assert_eq!(reasons, [false, true]);
    house.done().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_the_work_and_tell_nothing_twice() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    house.app.end_by_admin(&alice.browser).await;
    sqlx::query(
        "insert into notification (application_id, sid, participations, reason, ended_at, counts, state, due_at)
         select application_id, 's' || n, participations, reason, ended_at, counts, 'pending', ended_at
           from notification, generate_series(1, 600) n",
    )
    .execute(&house.app.pool)
    .await
    .unwrap();
    let other = house.app.second_node().await;
    tokio::join!(house.app.work(), other.work());
    let mut told = taken(&receiver);
    assert_eq!(told.len(), 601);
    told.dedup();
    assert_eq!(told.len(), 601, "each once");
    assert!(receiver.connections() <= 40, "connections are kept: {}", receiver.connections());
    house.done().await;
}

#[tokio::test]
async fn what_a_dead_node_had_leased_is_delivered_when_the_lease_runs_out() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    sqlx::query("create function lost() returns trigger language plpgsql as $$ begin new.leased_until := new.due_at + interval '30 s'; return new; end $$")
        .execute(&house.app.pool).await.unwrap();
    sqlx::query("create trigger lost before insert on notification for each row execute function lost()")
        .execute(&house.app.pool)
        .await
        .unwrap();
    house.app.end_by_admin(&alice.browser).await;
    house.app.work().await;
    assert!(receiver.arrived().is_empty(), "it is another's");
    house.app.advance(TimeDelta::seconds(30));
    house.app.work().await;
    assert_eq!(receiver.taken().len(), 1);
    house.done().await;
}

#[tokio::test]
async fn what_was_never_tried_is_dead_too_after_a_day_without_its_application() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(503)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    ended(&house, "shop", 5).await;
    // The one of an application that was deleted at the same moment.
    sqlx::query(
        "insert into notification (application_id, sid, participations, reason, ended_at, counts, state, due_at)
         select 4711, sid, participations, reason, ended_at, counts, 'pending', ended_at from notification limit 1",
    )
    .execute(&house.app.pool)
    .await
    .unwrap();
    house.app.work().await;
    house.app.advance(TimeDelta::hours(23));
    house.app.work().await;
    assert_eq!(house.states().await, ["pending"; 6]);
    house.app.advance(TimeDelta::hours(2));
    house.app.work().await;
    assert_eq!(house.states().await, ["dead"; 6]);
    house.done().await;
}

#[tokio::test]
async fn an_application_that_is_deleted_is_told_nothing_more() {
    let house = House::new().await;
    let receiver = Receiver::start(Behaviour::Answer(500)).await;
    house.application("shop", Form::Webhook, &receiver).await;
    ended(&house, "shop", 1).await;
    signoff::app::applications::delete(&house.app.app, "shop").await.unwrap();
    receiver.behave(Behaviour::Answer(200));
    house.app.advance(TimeDelta::hours(1));
    house.app.work().await;
    assert!(receiver.taken().is_empty());
    assert_eq!(house.states().await, ["dead"]);
    assert!(deliveries::retry(&house.app.app, 1).await.is_err(), "there is nobody to tell");
    house.done().await;
}
