//! Login and logout of one principal at the same moment, on two nodes.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::dsig::{EC_256, RSA_A, RSA_B};
use crate::support::messages::{LogoutRequest, Name};
use crate::support::story::{SLO, Scene, Via, get_query, send_request};

const ROUNDS: usize = 50;
const TOGETHER: usize = 20;

/// SSO-19: after a logout and the login it speaks of, whichever came first, nobody is in.
/// A thousand pairs, in rounds of twenty pairs at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sso_19_login_and_logout_at_once_never_leave_a_live_session() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let idp = Arc::new(app.idp("idp-a", &EC_256).await);
    let (mut logins, mut barred) = (0, 0);
    for round in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for pair in 0..TOGETHER {
            // Each pair is a person of its own: nothing but the two of them is in the other's way.
            let name = Name::email(&format!("p-{pair}@example.org"));
            let index = format!("{round}-{pair}");
            // Every other pair is "all sessions": then the bar is by IssueInstant.
            let indexes = if pair % 2 == 0 { vec![index.clone()] } else { vec![] };
            let response = idp.response(None, &name, &index).signed(idp.key);
            let request = idp.logout_request(&name, &indexes.iter().map(String::as_str).collect::<Vec<_>>());
            let query = idp.redirect("SAMLRequest", &request.xml(), None);
            // The logout comes a little later each round, so as to meet every moment of the login.
            let later = std::time::Duration::from_micros(u64::try_from(round * 200 + pair * 7).unwrap());
            let (one, two) = if pair % 4 < 2 {
                (app.authority.clone(), node.authority.clone())
            } else {
                (node.authority.clone(), app.authority.clone())
            };
            let idp = Arc::clone(&idp);
            tasks.spawn(async move {
                let browser = Browser::new(&one);
                let login = browser.bring(&response, None);
                let logout = async {
                    let start = std::time::Instant::now();
                    while start.elapsed() < later {
                        tokio::task::yield_now().await;
                    }
                    idp.sp.read_front(&get_query(&two, SLO, &query).await)
                };
                let (login, logout) = tokio::join!(login, logout);
                assert!(matches!(logout.status().as_str(), "Success" | "Requester/UnknownPrincipal"));
                assert!(matches!(login.status, 303 | 400), "{}: {}", login.status, login.body);
                (browser, login.status)
            });
        }
        let browsers = tasks.join_all().await;
        for (browser, status) in &browsers {
            if *status == 303 {
                logins += 1;
                assert!(
                    !browser.is_signed_in().await,
                    "round {round}: a live session after login and logout"
                );
            } else {
                barred += 1;
            }
        }
        let live = app.count("select count(*) from session where ended_at is null").await;
        assert_eq!(live, 0, "round {round}");
        app.advance(TimeDelta::seconds(1));
    }
    assert_eq!(logins + barred, ROUNDS * TOGETHER);
    // Both orders have happened, or the race was none.
    assert!(logins > 0 && barred > 0, "{logins} logins came first, {barred} were barred");
    app.done().await;
}

/// SLO-24: the same message at two nodes at once is executed once and answered twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slo_24_duplicates_at_two_nodes_at_once_are_executed_once() {
    let scene = Scene::with_key(&EC_256).await;
    let node = scene.app.second_node().await;
    for round in 0..25 {
        let via = Via::ALL[round % 3];
        scene.app.advance(TimeDelta::seconds(1));
        let browser = scene.app.browser();
        let index = format!("i-{round}");
        browser.arrive(&scene.idp, &scene.name, &index).await;
        let mut request = scene.request(via);
        request.session_indexes = vec![index];
        let (one, two, three) = tokio::join!(
            send_request(&scene.app.authority, &scene.idp, via, &request, None),
            send_request(&node.authority, &scene.idp, via, &request, None),
            send_request(&node.authority, &scene.idp, via, &request, None),
        );
        for answer in [one, two, three] {
            assert_eq!(answer.status(), "Success", "round {round}");
        }
        assert!(!browser.is_signed_in().await);
        let logouts = scene.app.count("select count(*) from logout").await;
        assert_eq!(logouts, i64::try_from(round).unwrap() + 1);
    }
    scene.done().await;
}

/// Two identity providers end the same session at once: both are right, nobody deadlocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_idps_end_one_session_at_once() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let (at_a, at_b) = (Name::email("alice@a.example"), Name::email("alice@b.example"));
    for round in 0..25 {
        app.advance(TimeDelta::seconds(1));
        let alice = app.browser();
        let (i, j) = (format!("a-{round}"), format!("b-{round}"));
        alice.sign_in(&a, &at_a, &i).await;
        alice.sign_in(&b, &at_b, &j).await;
        let (of_a, of_b) = (a.logout_request(&at_a, &[&i]), b.logout_request(&at_b, &[&j]));
        let (one, two) = tokio::join!(
            send_request(&app.authority, &a, Via::Redirect, &of_a, None),
            send_request(&node.authority, &b, Via::Post, &of_b, None),
        );
        assert_eq!((one.status().as_str(), two.status().as_str()), ("Success", "Success"), "round {round}");
        assert!(!alice.is_signed_in().await);
    }
    app.done().await;
}

/// An admin's logout waits in the outbox; the workers of two nodes find it at once, and the
/// identity provider hears of it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_deliver_once() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp_with_soap("idp-b", &RSA_B).await);
    let (at_a, at_b) = (Name::email("alice@a.example"), Name::email("alice@b.example"));
    for round in 0..10 {
        app.advance(TimeDelta::seconds(1));
        let alice = app.browser();
        let (i, j) = (format!("a-{round}"), format!("b-{round}"));
        alice.sign_in(&a, &at_a, &i).await;
        alice.sign_in(&b, &at_b, &j).await;
        let request = a.logout_request(&at_a, &[&i]);
        let answer = send_request(&node.authority, &a, Via::Redirect, &request, None);
        let (answer, (), ()) = tokio::join!(answer, app.work(), node.work());
        assert_eq!(answer.status(), "Success");
        tokio::join!(app.work(), node.work(), app.work());
        assert_eq!(b.soap.as_ref().unwrap().calls().len(), round + 1, "round {round}");
    }
    app.done().await;
}

/// The person and the identity provider sign out at once, and a second sign-in joins in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_and_idp_sign_out_at_once() {
    let app = TestApp::start().await;
    let node = app.second_node().await;
    let idp = app.idp("idp-a", &EC_256).await;
    let name = Name::email("alice@example.org");
    for round in 0..25 {
        app.advance(TimeDelta::seconds(1));
        let alice = app.browser();
        let index = format!("i-{round}");
        alice.sign_in(&idp, &name, &index).await;
        let form = alice.logout_form(None).await;
        let fields = form.with(&[]);
        let request = soap(&idp.logout_request(&name, &[&index]), &app);
        let (person, authority) = tokio::join!(
            alice.submit("/logout", &fields),
            send_request(&node.authority, &idp, Via::Soap, &request, None),
        );
        assert!(person.status < 500, "{}", person.body);
        assert_eq!(authority.status(), "Success", "round {round}");
        assert!(!alice.is_signed_in().await);
    }
    app.done().await;
}

fn soap(request: &LogoutRequest, app: &TestApp) -> LogoutRequest {
    LogoutRequest { destination: Some(app.sp.soap.clone()), ..request.clone() }
}
