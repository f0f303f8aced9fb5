//! A sign-in and the logout token about it at the same moment, on two nodes.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::support::browser::Browser;
use crate::support::dsig::EC_256;
use crate::support::oidc::{self, At, Op, at};

const ROUNDS: usize = 50;
const TOGETHER: usize = 20;

/// After a sign-in and a logout token that speaks of it, whichever came first, nobody is in. A
/// thousand pairs, in rounds of twenty pairs at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sso_19_sign_in_and_logout_token_at_once_never_leave_a_live_session() {
    let op = Arc::new(Op::start("auth0", &EC_256).await);
    let app = oidc::start(&[&op]).await;
    let node = app.second_node().await;
    let (mut logins, mut barred) = (0, 0);
    for round in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for pair in 0..TOGETHER {
            let who = at(&format!("p-{pair}"), &format!("s-{round}-{pair}"));
            // Every other pair is "all sessions of this person": then the bar is by iat.
            let over = if pair % 2 == 0 { who.clone() } else { At { sid: None, ..who.clone() } };
            let (one, two) = if pair % 4 < 2 {
                (app.authority.clone(), node.authority.clone())
            } else {
                (node.authority.clone(), app.authority.clone())
            };
            // The token comes a little later each round, so as to meet every moment of the sign-in.
            let later = Duration::from_micros(u64::try_from(round * 1500 + pair * 70).unwrap());
            let op = Arc::clone(&op);
            tasks.spawn(async move {
                let browser = Browser::new(&one);
                let back = op.begin(&browser, &who, |_| {}).await;
                let sign_in = browser.get_from_elsewhere(&back);
                let over = async {
                    let start = std::time::Instant::now();
                    while start.elapsed() < later {
                        tokio::task::yield_now().await;
                    }
                    op.says_over(&two, &over).await
                };
                let (sign_in, over) = tokio::join!(sign_in, over);
                assert_eq!(over.status, 200, "{}", over.body);
                assert!(matches!(sign_in.status, 302 | 400), "{}: {}", sign_in.status, sign_in.body);
                (browser, sign_in.status)
            });
        }
        for (browser, status) in &tasks.join_all().await {
            if *status == 302 {
                logins += 1;
                assert!(!browser.is_signed_in().await, "round {round}: a live session after both");
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
    assert!(logins > 0 && barred > 0, "{logins} sign-ins came first, {barred} were barred");
    app.done().await;
}

/// The same token at two nodes at once, and two about the same session: one logout, nobody deadlocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_07_tokens_at_two_nodes_at_once_are_acted_upon_once() {
    let op = Op::start("auth0", &EC_256).await;
    let app = oidc::start(&[&op]).await;
    let node = app.second_node().await;
    let alice = app.browser();
    for round in 0..25 {
        app.advance(TimeDelta::seconds(1));
        let who = at("alice", &format!("s-{round}"));
        op.sign_in(&alice, &who).await;
        let token = op.signed(&op.logout_claims(&who));
        let all = At { sid: None, ..who.clone() };
        let replies = tokio::join!(
            oidc::post_token(&app.authority, &token),
            oidc::post_token(&node.authority, &token),
            op.says_over(&node.authority, &who),
            op.says_over(&app.authority, &all),
        );
        for reply in [replies.0, replies.1, replies.2, replies.3] {
            assert_eq!(reply.status, 200, "round {round}: {}", reply.body);
        }
        assert!(!alice.is_signed_in().await);
        let logouts = app.count("select count(*) from logout").await;
        assert_eq!(logouts, i64::from(round) + 1);
    }
    app.done().await;
}

/// A person signs out while the provider says the same, and an identity provider too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_signs_the_same_person_out_at_once() {
    use crate::support::messages::Name;
    use crate::support::story::{Via, send_request};
    let op = Op::start("auth0", &EC_256).await;
    let app = oidc::start(&[&op]).await;
    let node = app.second_node().await;
    let idp = app.idp("idp-a", &EC_256).await;
    let name = Name::email("alice@example.org");
    for round in 0..25 {
        app.advance(TimeDelta::seconds(1));
        let alice = app.browser();
        let (index, who) = (format!("i-{round}"), at("alice", &format!("s-{round}")));
        alice.sign_in(&idp, &name, &index).await;
        op.sign_in(&alice, &who).await;
        let form = alice.logout_form(None).await;
        let fields = form.with(&[]);
        let request = idp.logout_request(&name, &[&index]);
        let (person, token, authority) = tokio::join!(
            alice.submit("/logout", &fields),
            op.says_over(&node.authority, &who),
            send_request(&node.authority, &idp, Via::Redirect, &request, None),
        );
        assert!(person.status < 500, "{}", person.body);
        assert_eq!(token.status, 200);
        assert_eq!(authority.saml().message.local, "LogoutResponse", "round {round}");
        assert!(!alice.is_signed_in().await);
    }
    app.done().await;
}
