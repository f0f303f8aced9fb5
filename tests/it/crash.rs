//! `kill -9` between any two steps loses no ended session and resurrects none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::support::browser::{Browser, path_of};
use crate::support::dsig::{EC_256, RSA_A};
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::process::{Service, Site};
use crate::support::story::{SLO, Via, send_request};

async fn legs(site: &Site) -> Vec<String> {
    let pool = site.database().pool(1).await;
    let states =
        sqlx::query_scalar("select state from logout_leg order by id").fetch_all(&pool).await.unwrap();
    pool.close().await;
    states
}

fn request(idp: &Idp, via: Via, name: &Name, index: &str) -> crate::support::messages::LogoutRequest {
    let mut request = idp.logout_request(name, &[index]);
    if via == Via::Soap {
        request.destination = Some(idp.sp.soap.clone());
    }
    request
}

/// Kills the service and starts it again; the browser goes on at the new address.
fn restart(site: &Site, service: Service, browser: &Browser) -> (Service, Browser) {
    service.kill();
    let service = site.serve();
    let browser = browser.at(&service.authority);
    (service, browser)
}

#[tokio::test]
async fn every_step_of_sign_in_and_sign_out_survives_kill_9() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    // Between AuthnRequest and Response.
    let alice = service.browser();
    let begun = alice.begin_sign_in(&idp).await;
    let (service, alice) = restart(&site, service, &alice);
    let response = idp.response(Some(begun.id()), &name, "1").signed(idp.key);
    assert_eq!(alice.bring(&response, begun.relay_state.as_deref()).await.status, 303);
    // Signed in.
    let (service, alice) = restart(&site, service, &alice);
    assert!(alice.is_signed_in().await);
    // The Response is used up, even for the next process.
    let thief = service.browser();
    assert_eq!(thief.bring(&response, begun.relay_state.as_deref()).await.status, 400);
    // Between the question and the click.
    let form = alice.logout_form(None).await;
    let (service, alice) = restart(&site, service, &alice);
    let reply = alice.submit(path_of(&form.action), &form.with(&[])).await;
    let asked = idp.sp.read_front(&reply);
    // Between LogoutRequest and LogoutResponse.
    let (service, alice) = restart(&site, service, &alice);
    assert!(!alice.is_signed_in().await, "no ended session comes back");
    assert_eq!(legs(&site).await, ["asked"]);
    let answer = idp.logout_response(&asked, &["Success"]);
    assert!(alice.bring_answer(&idp, &answer, asked.relay_state.as_deref()).await.status < 400);
    let (_service, alice) = restart(&site, service, &alice);
    assert!(!alice.is_signed_in().await);
    assert_eq!(legs(&site).await, ["confirmed"]);
    site.database().drop().await;
}

#[tokio::test]
async fn a_logout_answered_with_success_is_done_whatever_dies_next() {
    let site = Site::new().await;
    let mut service = site.serve();
    let idp = site.idp(&service, "idp-a", &EC_256).await;
    for via in Via::ALL {
        let name = Name::email(&format!("{via:?}@example.org"));
        let alice = service.browser();
        alice.arrive(&idp, &name, "1").await;
        let bob = service.browser();
        let other = Name::email(&format!("bob-{via:?}@example.org"));
        bob.arrive(&idp, &other, "1").await;
        let request = request(&idp, via, &name, "1");
        let answer = send_request(&service.authority, &idp, via, &request, None).await;
        assert_eq!(answer.status(), "Success");
        service.kill();
        service = site.serve();
        assert!(!alice.at(&service.authority).is_signed_in().await, "{via:?}");
        assert!(bob.at(&service.authority).is_signed_in().await, "no session is lost");
        // The captured request is still a duplicate for the next process.
        let again = send_request(&service.authority, &idp, via, &request, None).await;
        assert_eq!(again.status(), "Success");
        // And an assertion of before is still barred.
        let late = service.browser();
        let mut response = idp.response(None, &name, "1");
        let before = crate::support::messages::instant(idp.now() - chrono::TimeDelta::seconds(60));
        response.assertion.statements[0].authn_instant = before;
        assert_eq!(late.bring(&response.signed(idp.key), None).await.status, 400, "{via:?}");
    }
    site.database().drop().await;
}

/// Twenty logouts are under way when the process dies at a moment of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_many_logouts() {
    const MANY: usize = 20;
    let site = Site::new().await;
    let mut service = site.serve();
    let idp = Arc::new(site.idp(&service, "idp-a", &EC_256).await);
    for round in 0..3 {
        let mut people = Vec::new();
        for n in 0..MANY {
            let name = Name::email(&format!("p-{round}-{n}@example.org"));
            let browser = service.browser();
            browser.arrive(&idp, &name, "1").await;
            people.push((browser, name));
        }
        let answered = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for (n, (_, name)) in people.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
            let (idp, name, authority) = (Arc::clone(&idp), name.clone(), service.authority.clone());
            let answered = Arc::clone(&answered);
            tasks.spawn(async move {
                let request = request(&idp, Via::Redirect, &name, "1");
                let query = idp.redirect("SAMLRequest", &request.xml(), None);
                let done = crate::support::http::try_send(&authority, "GET", &format!("{SLO}?{query}")).await;
                answered.fetch_add(1, Ordering::SeqCst);
                (n, request, done.is_some_and(|reply| idp.sp.read_front(&reply).status() == "Success"))
            });
        }
        // Not a moment on the clock, but one in the work: after some of the answers.
        while answered.load(Ordering::SeqCst) < 1 + round * 3 {
            tokio::task::yield_now().await;
        }
        service.kill();
        let outcomes = tasks.join_all().await;
        service = site.serve();
        for (n, request, success) in outcomes {
            let (browser, _) = &people[n];
            let browser = browser.at(&service.authority);
            if success {
                assert!(!browser.is_signed_in().await, "answered Success, alive after the restart");
            }
            // Whatever the first one came to: the IdP asks again and gets Success.
            let again = send_request(&service.authority, &idp, Via::Redirect, &request, None).await;
            assert_eq!(again.status(), "Success");
            assert!(!browser.is_signed_in().await);
        }
        for (browser, _) in people.iter().skip(1).step_by(2) {
            assert!(browser.at(&service.authority).is_signed_in().await, "nobody asked to end this one");
        }
    }
    site.database().drop().await;
}

#[tokio::test]
async fn two_services_on_one_database_behave_as_one_and_one_may_die() {
    let site = Site::new().await;
    let (one, two) = (site.serve(), site.serve());
    let idp = site.idp(&one, "idp-a", &EC_256).await;
    let name = Name::email("alice@example.org");
    let alice = one.browser();
    let begun = alice.begin_sign_in(&idp).await;
    one.kill();
    let alice = alice.at(&two.authority);
    let response = idp.response(Some(begun.id()), &name, "1").signed(idp.key);
    assert_eq!(alice.bring(&response, begun.relay_state.as_deref()).await.status, 303);
    assert!(alice.is_signed_in().await);
    let answer =
        send_request(&two.authority, &idp, Via::Soap, &request(&idp, Via::Soap, &name, "1"), None).await;
    assert_eq!(answer.status(), "Success");
    assert!(!alice.is_signed_in().await);
    site.database().drop().await;
}

/// Without `DATABASE_URL`: the private cluster, our own keys, nothing set up beforehand.
#[tokio::test]
async fn the_private_cluster_survives_kill_9_and_stops_with_the_last_who_uses_it() {
    let site = Site::private();
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &EC_256).await;
    let (name, other) = (Name::email("alice@example.org"), Name::email("bob@example.org"));
    let (alice, bob) = (service.browser(), service.browser());
    alice.sign_in(&idp, &name, "1").await;
    bob.sign_in(&idp, &other, "2").await;
    let ready = alice.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    let (service, alice) = restart(&site, service, &alice);
    assert!(alice.is_signed_in().await);
    let answer = send_request(
        &service.authority,
        &idp,
        Via::Redirect,
        &request(&idp, Via::Redirect, &name, "1"),
        None,
    )
    .await;
    assert_eq!(answer.status(), "Success", "verified with the key generated at the first start");
    service.kill();
    // Nobody serves: the commands use the same cluster by themselves.
    let list = site.run(&["session", "list"]).good();
    assert_eq!(list.matches("ended: idp").count(), 1, "{list}");
    assert_eq!(list.matches("alive").count(), 1, "{list}");
    let service = site.serve();
    assert!(!alice.at(&service.authority).is_signed_in().await);
    assert!(bob.at(&service.authority).is_signed_in().await);
    service.signal("TERM");
    assert_eq!(service.wait(), 0);
    assert!(!site.cluster_runs(), "the last who used it has stopped it");
}
