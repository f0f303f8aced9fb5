//! The feed of ended sessions: nothing is missed, nothing comes twice, nobody sees what is others'.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use signoff::app::feed::{self, ApplicationId, Cursor, FeedError};
use tokio::task::JoinSet;

use crate::support::app::TestApp;
use crate::support::applications::sessions;
use crate::support::browser::Browser;
use crate::support::dsig::EC_256;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::story::{Via, send_request};

const WIKI: &str = "https://wiki.example";

/// Persons who are signed in and have been at the wiki.
struct Wiki {
    app: TestApp,
    idp: Idp,
    id: ApplicationId,
}

impl Wiki {
    async fn new() -> Self {
        let app = TestApp::start_with(&[("SIGNOFF_TRUSTED_PROXIES", "127.0.0.1")]).await;
        let idp = app.idp("idp-a", &EC_256).await;
        let id = app.pulling("wiki", WIKI).await;
        Self { app, idp, id }
    }

    /// Somebody signs in and opens the wiki; their session's public name.
    async fn person(&self, name: &str) -> (Browser, String) {
        let browser = self.app.browser();
        browser.arrive(&self.idp, &Name::email(&format!("{name}@example.org")), name).await;
        let reply = browser.through_proxy(WIKI).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let session = reply.header("x-signoff-session").unwrap().to_owned();
        (browser, session)
    }

    async fn end(&self, name: &str) {
        let request = self.idp.logout_request(&Name::email(&format!("{name}@example.org")), &[name]);
        let answer = send_request(&self.app.authority, &self.idp, Via::Redirect, &request, None).await;
        assert_eq!(answer.status(), "Success");
    }
}

#[tokio::test]
async fn an_application_reads_who_is_out_and_goes_on_from_there() {
    let wiki = Wiki::new().await;
    let start = wiki.app.read(wiki.id, Cursor::Oldest).await;
    assert!(start.revocations.is_empty() && !start.more);
    let (_alice, alice_session) = wiki.person("alice").await;
    let (bob, bob_session) = wiki.person("bob").await;
    wiki.end("alice").await;
    let first = wiki.app.read(wiki.id, start.cursor).await;
    assert_eq!(sessions(&first), [alice_session.as_str()]);
    assert_eq!(first.revocations[0].reason, "idp");
    assert_eq!(first.revocations[0].ended_at, wiki.app.now());
    assert_eq!(first.revocations[0].participations.len(), 1);
    assert!(wiki.app.read(wiki.id, first.cursor).await.revocations.is_empty());
    bob.sign_out().await;
    let second = wiki.app.read(wiki.id, first.cursor).await;
    assert_eq!(sessions(&second), [bob_session.as_str()]);
    assert_eq!(second.revocations[0].reason, "person");
    // From the beginning, both, in order.
    assert_eq!(
        sessions(&wiki.app.read(wiki.id, Cursor::Oldest).await),
        [alice_session.as_str(), bob_session.as_str()]
    );
    wiki.app.done().await;
}

#[tokio::test]
async fn an_application_hears_nothing_of_sessions_in_which_it_took_no_part() {
    let wiki = Wiki::new().await;
    let other = wiki.app.pulling("timesheets", "https://time.example").await;
    let (_alice, session) = wiki.person("alice").await;
    let bob = wiki.app.browser();
    bob.arrive(&wiki.idp, &Name::email("bob@example.org"), "bob").await;
    wiki.end("alice").await;
    wiki.end("bob").await;
    assert!(wiki.app.read(other, Cursor::Oldest).await.revocations.is_empty());
    assert_eq!(sessions(&wiki.app.read(wiki.id, Cursor::Oldest).await), [session.as_str()]);
    // Who may read all is told whose each line is.
    let all = feed::read(&wiki.app.app, None, Cursor::Oldest, 100, Duration::ZERO).await.unwrap();
    assert_eq!(all.revocations.len(), 1);
    assert_eq!(all.revocations[0].application.as_deref(), Some("wiki"));
    wiki.app.done().await;
}

/// What began first and commits last is not missed by a reader who came between.
#[tokio::test]
async fn a_transaction_that_commits_late_is_seen_by_a_reader_who_has_gone_past() {
    let wiki = Wiki::new().await;
    let (_alice, alice_session) = wiki.person("alice").await;
    let (_bob, bob_session) = wiki.person("bob").await;
    let mut held = wiki.app.pool.begin().await.unwrap();
    sqlx::query("update session set ended_at = $1, end_reason = 'admin' where public_id = $2")
        .bind(wiki.app.now())
        .bind(&alice_session)
        .execute(&mut *held)
        .await
        .unwrap();
    wiki.end("bob").await;
    let between = wiki.app.read(wiki.id, Cursor::Oldest).await;
    assert_eq!(sessions(&between), [bob_session.as_str()]);
    wiki.app.work().await;
    held.commit().await.unwrap();
    let (first, second): (i64, i64) = sqlx::query_as(
        "select (select id from notification where sid = $1), (select id from notification where sid = $2)",
    )
    .bind(&alice_session)
    .bind(&bob_session)
    .fetch_one(&wiki.app.pool)
    .await
    .unwrap();
    assert!(first < second, "the held transaction was first to write");
    let after = wiki.app.read(wiki.id, between.cursor).await;
    assert_eq!(sessions(&after), [alice_session.as_str()]);
    wiki.app.done().await;
}

#[tokio::test]
async fn who_waits_is_told_at_once_and_holds_no_connection() {
    let wiki = Wiki::new().await;
    let (alice, session) = wiki.person("alice").await;
    let start = wiki.app.read(wiki.id, Cursor::Oldest).await.cursor;
    let mut waiting = JoinSet::new();
    // More than the pool has connections.
    for _ in 0..20 {
        let (app, id) = (wiki.app.app.clone(), wiki.id);
        waiting.spawn(async move {
            loop {
                // The look below whether all wait takes a place itself, for a moment.
                match feed::read(&app, Some(id), start, 100, Duration::from_secs(30)).await {
                    Err(FeedError::Full) => tokio::task::yield_now().await,
                    read => return read,
                }
            }
        });
    }
    while wiki.app.try_read_waiting(wiki.id, start).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    assert!(alice.is_signed_in().await, "the database is still there for others");
    wiki.end("alice").await;
    for page in waiting.join_all().await {
        assert_eq!(sessions(&page.unwrap()), [session.as_str()]);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    wiki.app.done().await;
}

impl TestApp {
    /// A wait that is given up at once, if there is room for it.
    async fn try_read_waiting(&self, application: ApplicationId, after: Cursor) -> Result<(), FeedError> {
        let wait = Duration::from_millis(1);
        feed::read(&self.app, Some(application), after, 100, wait).await.map(|_| ())
    }
}

#[tokio::test]
async fn no_application_takes_all_the_places_to_wait_in() {
    let wiki = Wiki::new().await;
    let other = wiki.app.pulling("timesheets", "https://time.example").await;
    let start = wiki.app.read(wiki.id, Cursor::Oldest).await.cursor;
    let mut held = Vec::new();
    loop {
        match feed::Reader::open(&wiki.app.app, Some(wiki.id), start, 100).await {
            Ok((reader, _)) => held.push(reader),
            Err(FeedError::Full) => break,
            Err(other) => panic!("{other}"),
        }
        assert!(held.len() < 1000);
    }
    assert!(wiki.app.try_read_waiting(wiki.id, start).await.is_err());
    assert!(wiki.app.try_read(wiki.id, start).await.is_ok(), "without waiting there is always room");
    assert!(wiki.app.try_read_waiting(other, start).await.is_ok());
    held.pop();
    assert!(wiki.app.try_read_waiting(wiki.id, start).await.is_ok());
    wiki.app.done().await;
}

#[tokio::test]
async fn who_waits_at_one_node_hears_what_ends_at_another() {
    let wiki = Wiki::new().await;
    let node = wiki.app.second_node().await;
    let (_alice, session) = wiki.person("alice").await;
    let start = wiki.app.read(wiki.id, Cursor::Oldest).await.cursor;
    let (app, id) = (wiki.app.app.clone(), wiki.id);
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { feed::read(&app, Some(id), start, 100, Duration::from_secs(30)).await });
    let request = wiki.idp.logout_request(&Name::email("alice@example.org"), &["alice"]);
    let answer = send_request(&node.authority, &wiki.idp, Via::Post, &request, None).await;
    assert_eq!(answer.status(), "Success");
    let page = waiting.join_all().await.pop().unwrap().unwrap();
    assert_eq!(sessions(&page), [session.as_str()]);
    wiki.app.done().await;
}

#[tokio::test]
async fn a_wait_without_news_ends_with_the_cursor_to_go_on_with() {
    let wiki = Wiki::new().await;
    let start = wiki.app.read(wiki.id, Cursor::Oldest).await.cursor;
    let wait = Duration::from_millis(50);
    let page = feed::read(&wiki.app.app, Some(wiki.id), start, 100, wait).await.unwrap();
    assert!(page.revocations.is_empty());
    assert_eq!(page.cursor, start);
    wiki.app.done().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_ends_on_two_nodes_have_places_without_gaps_and_each_is_read_once() {
    const PERSONS: usize = 60;
    let wiki = Wiki::new().await;
    let node = wiki.app.second_node().await;
    for person in 0..PERSONS {
        wiki.person(&format!("p{person}")).await;
    }
    let mut ending = JoinSet::new();
    for person in 0..PERSONS {
        let name = format!("p{person}");
        let request = wiki.idp.logout_request(&Name::email(&format!("{name}@example.org")), &[&name]);
        let query = wiki.idp.redirect("SAMLRequest", &request.xml(), None);
        let to = if person % 2 == 0 { &wiki.app.authority } else { &node.authority }.clone();
        ending.spawn(async move { crate::support::story::get_query(&to, "/saml/slo", &query).await.status });
    }
    // Read while they end, a few at a time, with everybody sealing.
    let (mut cursor, mut read) = (Cursor::Oldest, Vec::new());
    let began = Instant::now();
    while read.len() < PERSONS {
        let (page, ..) = tokio::join!(
            feed::read(&wiki.app.app, Some(wiki.id), cursor, 7, Duration::ZERO),
            feed::seal(&wiki.app.app),
            node.work(),
        );
        let page = page.unwrap();
        assert!(page.revocations.len() <= 7);
        read.extend(page.revocations.iter().map(|line| line.session_id.clone()));
        cursor = page.cursor;
        assert!(began.elapsed() < Duration::from_mins(1), "{} of {PERSONS}", read.len());
    }
    assert!(ending.join_all().await.iter().all(|status| *status == 302));
    assert!(wiki.app.read(wiki.id, cursor).await.revocations.is_empty());
    read.sort();
    read.dedup();
    assert_eq!(read.len(), PERSONS, "each once");
    let positions: Vec<i64> = sqlx::query_scalar("select position from notification order by position")
        .fetch_all(&wiki.app.pool)
        .await
        .unwrap();
    let all: Vec<i64> = (1..).take(PERSONS).collect();
    assert_eq!(positions, all, "without gaps");
    wiki.app.done().await;
}

#[tokio::test]
async fn who_was_away_for_a_day_misses_nothing_and_who_was_longer_is_told_so() {
    let wiki = Wiki::new().await;
    let idle = wiki.app.pulling("timesheets", "https://time.example").await;
    let start = wiki.app.read(wiki.id, Cursor::Oldest).await.cursor;
    let (_alice, alice_session) = wiki.person("alice").await;
    wiki.end("alice").await;
    wiki.app.work().await;
    wiki.app.advance(TimeDelta::hours(25));
    wiki.app.work().await;
    assert_eq!(sessions(&wiki.app.read(wiki.id, start).await), [alice_session.as_str()]);
    let (_bob, bob_session) = wiki.person("bob").await;
    wiki.end("bob").await;
    let until_bob = wiki.app.read(wiki.id, start).await.cursor;
    wiki.app.advance(TimeDelta::days(6));
    wiki.app.work().await;
    assert!(matches!(wiki.app.try_read(wiki.id, start).await, Err(FeedError::Gone)));
    assert_eq!(sessions(&wiki.app.read(wiki.id, Cursor::Oldest).await), [bob_session.as_str()]);
    assert!(wiki.app.read(wiki.id, until_bob).await.revocations.is_empty(), "who has read on is not told so");
    assert!(
        wiki.app.read(idle, start).await.revocations.is_empty(),
        "nothing of its own is gone, so it has missed nothing"
    );
    let all = feed::read(&wiki.app.app, None, start, 100, Duration::ZERO).await;
    assert!(matches!(all, Err(FeedError::Gone)));
    wiki.app.done().await;
}

#[tokio::test]
async fn a_cursor_from_another_feed_is_told_so_instead_of_waiting_for_ever() {
    let wiki = Wiki::new().await;
    let ahead = Cursor::Through(1000);
    assert!(matches!(wiki.app.try_read(wiki.id, ahead).await, Err(FeedError::Gone)));
    wiki.app.done().await;
}

#[tokio::test]
async fn what_the_clock_ends_is_in_the_feed() {
    let wiki = Wiki::new().await;
    let (_alice, session) = wiki.person("alice").await;
    wiki.app.advance(TimeDelta::hours(9));
    wiki.app.work().await;
    let page = wiki.app.read(wiki.id, Cursor::Oldest).await;
    assert_eq!(sessions(&page), [session.as_str()]);
    assert_eq!(page.revocations[0].reason, "expired");
    wiki.app.done().await;
}
