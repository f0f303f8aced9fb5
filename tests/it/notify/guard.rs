//! An application's URL leads nowhere where it must not: neither when it is registered nor when it is
//! told.

use chrono::TimeDelta;
use signoff::app::applications::{self, ApplicationError, ChangedApplication, NewApplication};
use signoff::logout::hearing::Form;
use signoff::outbox::guard::Forbidden;

use super::{House, new};
use crate::support::receiver::{Behaviour, Receiver};

async fn refused(house: &House, url: &str) -> Forbidden {
    match applications::create(&house.app.app, &new("shop", Form::Webhook, url)).await {
        Err(ApplicationError::Url(forbidden)) => forbidden,
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn a_url_is_judged_when_it_is_registered_or_changed() {
    let house = House::with(&[
        ("SIGNOFF_BASE_URL", "https://signoff.example"),
        ("SIGNOFF_OUTBOUND__ALLOW", "10.1.0.0/16"),
    ])
    .await;
    for (url, why) in [
        ("http://app.example/", Forbidden::Scheme),
        ("https://169.254.169.254/", Forbidden::Never),
        ("https://[fd00:ec2::254]/", Forbidden::Never),
        ("https://[64:ff9b::a9fe:a9fe]/", Forbidden::Never),
        ("https://127.0.0.1/", Forbidden::Loopback),
        ("https://localhost/", Forbidden::Loopback),
        ("https://10.2.0.1/", Forbidden::Private),
        ("https://user:pw@app.example/", Forbidden::Adorned),
    ] {
        assert_eq!(refused(&house, url).await, why, "{url}");
    }
    let listed = new("listed", Form::Webhook, "https://10.1.2.3/hook");
    applications::create(&house.app.app, &listed).await.unwrap();
    let change =
        ChangedApplication { url: Some("https://10.2.0.1/".into()), ..ChangedApplication::default() };
    let changed = applications::update(&house.app.app, "listed", &change).await;
    assert!(matches!(changed, Err(ApplicationError::Url(Forbidden::Private))), "{changed:?}");
    let shown = applications::show(&house.app.app, "listed").await.unwrap();
    assert_eq!(shown.url.as_deref(), Some("https://10.1.2.3/hook"), "nothing was changed");
    house.done().await;
}

/// What was registered under other settings, or resolves to something else today.
#[tokio::test]
async fn an_address_is_judged_again_at_each_delivery() {
    let house = House::with(&[("SIGNOFF_BASE_URL", "https://signoff.example")]).await;
    let inside = Receiver::start(Behaviour::Answer(200)).await;
    let port = inside.url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let elsewhere = NewApplication { ..new("shop", Form::Webhook, "https://app.invalid/") };
    house.try_application(&elsewhere).await;
    // The base URL is not the address at which the test reaches it, so nobody signs in here.
    for (n, url) in [
        format!("https://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        String::from("https://169.254.169.254/"),
    ]
    .iter()
    .enumerate()
    {
        sqlx::query("update application set url = $1").bind(url).execute(&house.app.pool).await.unwrap();
        sqlx::query(
            "insert into notification (application_id, sid, participations, reason, ended_at, counts, state, due_at)
             select id, 's' || $1, '{}', 'admin', $2, false, 'pending', $2 from application",
        )
        .bind(n.to_string())
        .bind(house.app.now())
        .execute(&house.app.pool)
        .await
        .unwrap();
        house.app.work().await;
        let (state, attempts, status, error) = house.notifications().await.pop().unwrap();
        assert_eq!((state.as_str(), attempts, status), ("pending", 1, None), "{url}");
        assert!(error.unwrap().starts_with("not sent: "), "{url}");
        sqlx::query("delete from application_lane").execute(&house.app.pool).await.unwrap();
    }
    assert_eq!(inside.connections(), 0);
    house.done().await;
}

#[tokio::test]
async fn a_host_without_an_address_is_a_failure_like_any_other() {
    let house = House::new().await;
    house.try_application(&new("shop", Form::Webhook, "http://app.invalid/")).await;
    let alice = house.person("alice").await;
    house.takes_part("shop", &alice).await;
    house.app.end_by_admin(&alice.browser).await;
    let (state, .., error) = house.notifications().await.pop().unwrap();
    assert_eq!(state, "pending");
    assert_eq!(error.as_deref(), Some("not sent: its host has no address"));
    // And one that is there, by the same name, is told.
    let receiver = Receiver::start(Behaviour::Answer(200)).await;
    let url = Some(receiver.url.replace("127.0.0.1", "localhost"));
    let change = ChangedApplication { url, ..ChangedApplication::default() };
    applications::update(&house.app.app, "shop", &change).await.unwrap();
    house.app.advance(TimeDelta::minutes(1));
    house.app.work().await;
    assert_eq!(house.states().await, ["acknowledged"]);
    house.done().await;
}
