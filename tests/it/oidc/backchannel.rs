//! `POST /auth0/backchannel-logout`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::browser::{Browser, form_body};
use crate::support::dsig::{EC_256, RSA_A, RSA_ATTACKER, RSA_B};
use crate::support::http::{HttpReply, send};
use crate::support::messages::Name;
use crate::support::oidc::{self, At, BACKCHANNEL, EVENT, Op, at, jws, post_token};
use crate::support::story::{Via, send_request};

/// Alice is signed in through the provider, in session `s-1` there.
struct Scene {
    app: TestApp,
    op: Op,
    alice: Browser,
    at: At,
}

impl Scene {
    async fn new() -> Self {
        let op = Op::start("auth0", &RSA_A).await;
        let app = oidc::start(&[&op]).await;
        let (alice, at) = (app.browser(), at("auth0|alice", "s-1"));
        op.sign_in(&alice, &at).await;
        Self { app, op, alice, at }
    }

    async fn post(&self, token: &str) -> HttpReply {
        post_token(&self.app.authority, token).await
    }

    async fn says_over(&self, at: &At) -> HttpReply {
        self.op.says_over(&self.app.authority, at).await
    }

    /// Asserts that this was refused under that rule and that alice is still in.
    async fn assert_refused(&self, reply: &HttpReply, rule: &str) {
        assert_eq!(reply.status, 400, "{rule}: {}", reply.body);
        assert_eq!(reply.json()["error"], "invalid_request");
        assert!(reply.header("cache-control").unwrap().contains("no-store"), "OIDC-09");
        assert!(self.alice.is_signed_in().await, "{rule}");
        self.app.assert_audited(rule).await;
    }

    /// The positive twin: the right token ends alice's session.
    async fn done(self) {
        let reply = self.says_over(&self.at).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert!(reply.header("cache-control").unwrap().contains("no-store"), "OIDC-09");
        assert!(!self.alice.is_signed_in().await);
        self.app.done().await;
    }
}

#[tokio::test]
async fn oidc_01_only_a_form_with_one_token_by_post() {
    let scene = Scene::new().await;
    let authority = scene.app.authority.as_str();
    let token = scene.op.signed(&scene.op.logout_claims(&scene.at));
    let form = form_body(&[("logout_token", &token)]);
    assert_eq!(send(authority, "GET", &format!("{BACKCHANNEL}?{form}"), &[], None).await.status, 405);
    assert_eq!(send(authority, "PUT", BACKCHANNEL, &[], Some(form.as_bytes())).await.status, 405);
    let json = json!({"logout_token": token}).to_string();
    let urlencoded = "application/x-www-form-urlencoded";
    for (kind, body) in [
        ("application/json", json.as_str()),
        ("text/plain", form.as_str()),
        (urlencoded, ""),
        (urlencoded, "logout_token="),
        (urlencoded, "token=x"),
        (urlencoded, &format!("{form}&{form}")),
    ] {
        let reply =
            send(authority, "POST", BACKCHANNEL, &[("Content-Type", kind)], Some(body.as_bytes())).await;
        assert_eq!(reply.status, 400, "{kind}: {}", reply.body);
        assert!(scene.alice.is_signed_in().await);
    }
    let large = format!("logout_token={}", "a".repeat(70 * 1024));
    let kind = [("Content-Type", urlencoded)];
    assert_eq!(send(authority, "POST", BACKCHANNEL, &kind, Some(large.as_bytes())).await.status, 400);
    scene.app.assert_audited("OIDC-01").await;
    // A charset is no harm.
    let kind = [("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")];
    assert_eq!(send(authority, "POST", BACKCHANNEL, &kind, Some(form.as_bytes())).await.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    scene.app.done().await;
}

#[tokio::test]
async fn oidc_02_only_the_providers_own_signature_counts() {
    let scene = Scene::new().await;
    let claims = scene.op.logout_claims(&scene.at);
    let right = json!({"alg": "RS256", "kid": "k1", "typ": "JWT"});
    let with = |name: &str, value: Value| {
        let mut header = right.clone();
        header[name] = value;
        header
    };
    let b64 = |value: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let unsigned = format!("{}.{}.", b64(&with("alg", json!("none"))), b64(&claims));
    let signed = format!("{}.{}", b64(&with("alg", json!("HS256"))), b64(&claims));
    // Keyed with what everybody can have: the public key.
    let public = RSA_A.private.public_key_to_pem().unwrap();
    let hmac = crate::support::dsig::sign(&RSA_A, "hmac-sha256", signed.as_bytes(), false, Some(&public));
    let hmac = format!("{signed}.{}", {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hmac)
    });
    let mut tampered = scene.op.signed(&claims);
    let at = tampered.rfind('.').unwrap() - 2;
    let other = if &tampered[at..=at] == "A" { "B" } else { "A" };
    tampered.replace_range(at..=at, other);
    for (what, token) in [
        ("none", unsigned),
        ("HS256 with the public key", hmac),
        ("another tenant's key", jws(&right, &claims, &RSA_ATTACKER)),
        ("an unknown kid", jws(&with("kid", json!("k9")), &claims, &RSA_A)),
        ("another algorithm", jws(&with("alg", json!("ES256")), &claims, &EC_256)),
        ("crit", jws(&with("crit", json!(["exp"])), &claims, &RSA_A)),
        ("one octet changed", tampered),
        ("not a token", "a.b.c".to_owned()),
    ] {
        let reply = scene.post(&token).await;
        assert_eq!(reply.status, 400, "{what}");
        scene.assert_refused(&reply, "OIDC-02").await;
    }
    scene.done().await;
}

#[tokio::test]
async fn oidc_03_to_07_each_wrong_claim_ends_nothing() {
    let scene = Scene::new().await;
    let iat = scene.op.iat();
    for (name, value, rule) in [
        ("iss", json!("https://evil.example/"), "OIDC-03"),
        ("iss", json!(scene.op.issuer.trim_end_matches('/')), "OIDC-03"),
        ("aud", json!("another client"), "OIDC-03"),
        ("iat", Value::Null, "OIDC-03"),
        ("iat", json!(iat - 301), "OIDC-03"),
        ("iat", json!(iat + 181), "OIDC-03"),
        ("exp", Value::Null, "OIDC-03"),
        ("exp", json!(iat - 181), "OIDC-03"),
        ("events", Value::Null, "OIDC-05"),
        ("events", json!([EVENT]), "OIDC-05"),
        ("events", json!({"https://schemas.openid.net/secevent/caep/event-type/x": {}}), "OIDC-05"),
        ("nonce", json!("n"), "OIDC-06"),
        ("jti", Value::Null, "OIDC-07"),
    ] {
        let mut claims = scene.op.logout_claims(&scene.at);
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
        let reply = scene.post(&scene.op.signed(&claims)).await;
        assert_eq!(reply.status, 400, "{name} = {value}");
        scene.assert_refused(&reply, rule).await;
    }
    let mut nobody = scene.op.logout_claims(&scene.at);
    nobody.as_object_mut().unwrap().retain(|name, _| name != "sub" && name != "sid");
    scene.assert_refused(&scene.post(&scene.op.signed(&nobody)).await, "OIDC-04").await;
    let typed = scene.op.signed_with(&json!({"typ": "at+jwt"}), &scene.op.logout_claims(&scene.at));
    scene.assert_refused(&scene.post(&typed).await, "OIDC-07").await;
    let right = scene.op.signed_with(&json!({"typ": "logout+jwt"}), &scene.op.logout_claims(&scene.at));
    assert_eq!(scene.post(&right).await.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    scene.app.done().await;
}

#[tokio::test]
async fn oidc_04_a_session_of_one_with_the_name_of_another_ends_nothing() {
    let scene = Scene::new().await;
    let bob = scene.app.browser();
    scene.op.sign_in(&bob, &at("auth0|bob", "s-2")).await;
    let crossed = scene.says_over(&at("auth0|bob", "s-1")).await;
    scene.assert_refused(&crossed, "OIDC-04").await;
    assert!(bob.is_signed_in().await);
    // Nor does it bar.
    scene.op.sign_in(&scene.app.browser(), &at("auth0|alice", "s-1")).await;
    assert_eq!(scene.says_over(&at("auth0|bob", "s-2")).await.status, 200);
    assert!(!bob.is_signed_in().await && scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn oidc_06_an_id_token_is_no_logout_token() {
    let scene = Scene::new().await;
    let iat = scene.op.iat();
    let id_token = json!({
        "iss": scene.op.issuer, "aud": scene.op.client_id, "sub": scene.at.sub, "sid": "s-1", "nonce": "n",
        "iat": iat, "exp": iat + 36_000,
    });
    scene.assert_refused(&scene.post(&scene.op.signed(&id_token)).await, "OIDC-05").await;
    scene.done().await;
}

#[tokio::test]
async fn oidc_07_a_token_counts_once_and_a_later_session_is_not_meant() {
    let scene = Scene::new().await;
    let by_sub = At { sid: None, ..scene.at.clone() };
    let token = scene.op.signed(&scene.op.logout_claims(&by_sub));
    assert_eq!(scene.post(&token).await.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    scene.app.advance(TimeDelta::seconds(1));
    scene.op.sign_in(&scene.alice, &at("auth0|alice", "s-2")).await;
    for _ in 0..2 {
        let again = scene.post(&token).await;
        assert_eq!(again.status, 200, "done before: {}", again.body);
        assert!(scene.alice.is_signed_in().await, "the session that began since is not meant");
    }
    assert_eq!(scene.app.count("select count(*) from logout").await, 1);
    scene.app.done().await;
}

#[tokio::test]
async fn oidc_08_a_sid_ends_that_session_and_a_sub_ends_all_at_that_issuer() {
    let scene = Scene::new().await;
    let other = Op::start("other", &EC_256).await;
    let app = oidc::start(&[&scene.op, &other]).await;
    let browsers = [app.browser(), app.browser(), app.browser(), app.browser()];
    let [one, two, three, elsewhere] = &browsers;
    scene.op.sign_in(one, &at("auth0|alice", "a-1")).await;
    scene.op.sign_in(two, &at("auth0|alice", "a-2")).await;
    scene.op.sign_in(three, &at("auth0|alice", "a-3")).await;
    other.sign_in(elsewhere, &at("auth0|alice", "a-1")).await;
    let by_sid = json!({"sub": null});
    let mut claims = scene.op.logout_claims(&at("auth0|alice", "a-2"));
    claims.as_object_mut().unwrap().retain(|name, _| by_sid.get(name).is_none());
    assert_eq!(post_token(&app.authority, &scene.op.signed(&claims)).await.status, 200);
    let alive = [one.is_signed_in().await, two.is_signed_in().await, three.is_signed_in().await];
    assert_eq!(alive, [true, false, true]);
    let all = At { sub: "auth0|alice".to_owned(), sid: None };
    assert_eq!(scene.op.says_over(&app.authority, &all).await.status, 200);
    assert!(!one.is_signed_in().await && !three.is_signed_in().await);
    assert!(elsewhere.is_signed_in().await, "the same names at another issuer are another person");
    app.done().await;
    scene.done().await;
}

#[tokio::test]
async fn oidc_09_what_is_over_already_or_never_was_is_done() {
    let scene = Scene::new().await;
    assert_eq!(scene.says_over(&at("auth0|nobody", "s-9")).await.status, 200);
    assert!(scene.alice.is_signed_in().await);
    assert_eq!(scene.says_over(&scene.at).await.status, 200);
    assert_eq!(scene.says_over(&scene.at).await.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    assert_eq!(scene.app.count("select count(*) from logout").await, 1);
    scene.app.done().await;
}

#[tokio::test]
async fn a_token_also_bars_what_comes_late() {
    let scene = Scene::new().await;
    let tabs = [scene.app.browser(), scene.app.browser()];
    // Both have been to the provider before it said that the session is over.
    let by_sid = scene.op.begin(&tabs[0], &scene.at, |_| {}).await;
    let by_sub = scene.op.begin(&tabs[1], &at("auth0|alice", "s-2"), |_| {}).await;
    assert_eq!(scene.says_over(&scene.at).await.status, 200);
    let reply = tabs[0].get_from_elsewhere(&by_sid).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body.contains("You are signed out") && reply.body.contains("force_authn=true"),
        "{}",
        reply.body
    );
    assert!(!tabs[0].is_signed_in().await);
    scene.app.assert_audited("SSO-19").await;
    // A sid stays barred for as long as a session could live.
    scene.app.advance(TimeDelta::hours(23));
    assert_eq!(scene.op.arrive(&tabs[0], &scene.at).await.status, 400);
    // Another session of hers at the provider was not meant. By now the sign-in is too old, so anew:
    drop(by_sub);
    let fresh = scene.op.begin(&tabs[1], &at("auth0|alice", "s-2"), |_| {}).await;
    let all = At { sub: "auth0|alice".to_owned(), sid: None };
    assert_eq!(scene.says_over(&all).await.status, 200);
    assert_eq!(tabs[1].get_from_elsewhere(&fresh).await.status, 400, "issued before all of hers ended");
    scene.app.advance(TimeDelta::seconds(1));
    scene.op.sign_in(&tabs[1], &at("auth0|alice", "s-2")).await;
    scene.app.done().await;
}

#[tokio::test]
async fn the_identity_provider_is_told_over_soap_or_when_the_browser_comes_by() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let (front, soap) = (app.idp("idp-a", &RSA_A).await, app.idp_with_soap("idp-b", &RSA_B).await);
    let alice = app.browser();
    alice.sign_in(&front, &Name::email("alice@a.example"), "i-1").await;
    alice.sign_in(&soap, &Name::email("alice@b.example"), "j-1").await;
    op.sign_in(&alice, &at("auth0|alice", "s-1")).await;
    // Alice's browser knows nothing of it.
    assert_eq!(op.says_over(&app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    assert!(!alice.is_signed_in().await);
    let reason = app.count("select count(*) from session where end_reason = 'oidc'").await;
    let trigger = app.count("select count(*) from logout where trigger = 'oidc'").await;
    assert_eq!((reason, trigger), (1, 1));
    app.work().await;
    let calls = soap.soap.as_ref().unwrap().calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].request.message.local, "LogoutRequest");

    // Her next visit carries what could not be told without her.
    let reply = alice.get("/auth0/login").await;
    let request = front.sp.read_front(&reply);
    assert_eq!(request.message.local, "LogoutRequest");
    let answer = front.logout_response(&request, &["Success"]);
    let reply = alice.bring_answer(&front, &answer, request.relay_state.as_deref()).await;
    let page = alice.follow(reply).await;
    assert!(page.body.contains("You are signed out"), "{}", page.body);
    assert!(!page.body.contains("perhaps not everywhere"), "the provider said so itself: {}", page.body);
    // Everything is over once: nothing is asked again.
    app.work().await;
    assert_eq!(soap.soap.as_ref().unwrap().calls().len(), 1);
    assert_eq!(
        alice.get("/auth0/login").await.location().split('?').next().unwrap(),
        format!("{}authorize", op.issuer)
    );
    app.done().await;
}

#[tokio::test]
async fn oidc_08_a_session_that_had_no_name_when_it_began_ends_with_its_person_s() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let (nameless, named, bob) = (app.browser(), app.browser(), app.browser());
    op.sign_in(&nameless, &oidc::At { sub: "alice".to_owned(), sid: None }).await;
    op.sign_in(&named, &at("alice", "s-2")).await;
    op.sign_in(&bob, &oidc::At { sub: "bob".to_owned(), sid: None }).await;
    assert_eq!(op.says_over(&app.authority, &at("alice", "s-1")).await.status, 200);
    assert!(!nameless.is_signed_in().await, "nobody can say that it is another session");
    assert!(named.is_signed_in().await && bob.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn oidc_11_an_echo_of_a_logout_starts_nothing_new() {
    let op = Op::start("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let idp = app.idp_with_soap("idp-b", &RSA_B).await;
    let alice = app.browser();
    let name = Name::email("alice@b.example");
    alice.sign_in(&idp, &name, "j-1").await;
    op.sign_in(&alice, &at("auth0|alice", "s-1")).await;
    let request = idp.logout_request(&name, &["j-1"]);
    let answer = send_request(&app.authority, &idp, Via::Redirect, &request, None).await;
    assert_eq!(
        answer.status(),
        "Responder/PartialLogout",
        "row e: the provider's part is not known to be over"
    );
    assert!(app.audit().await.contains(&("ours".to_owned(), "row e".to_owned())));
    assert!(!alice.is_signed_in().await);
    // The provider repeats, several times over, what it was told.
    for _ in 0..3 {
        assert_eq!(op.says_over(&app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    }
    app.work().await;
    assert!(idp.soap.as_ref().unwrap().calls().is_empty(), "who began it is not told of it");
    assert_eq!(app.count("select count(*) from logout").await, 1);
    // Now that the provider has said so, it is over everywhere.
    app.advance(TimeDelta::seconds(1));
    let again = idp.logout_request(&name, &["j-1"]);
    let answer = send_request(&app.authority, &idp, Via::Redirect, &again, None).await;
    assert_eq!(answer.status(), "Success", "row b");
    app.done().await;
}

#[tokio::test]
async fn applications_that_hang_under_a_sid_are_told() {
    let scene = Scene::new().await;
    let now = scene.app.now();
    sqlx::query(
        "insert into application (slug, name, form, origins, counts_for_success, created_at, updated_at)
         values ('shop', 'Shop', 'pull', '{}', false, $1, $1)",
    )
    .bind(now)
    .execute(&scene.app.pool)
    .await
    .unwrap();
    for (id, sid) in [("p-1", "s-1"), ("p-2", "s-1"), ("p-3", "s-2")] {
        sqlx::query(
            "insert into participation (public_id, application_id, oidc_issuer, oidc_sid, source, created_at)
             select $1, id, $2, $3, 'api', $4 from application",
        )
        .bind(id)
        .bind(&scene.op.issuer)
        .bind(sid)
        .bind(now)
        .execute(&scene.app.pool)
        .await
        .unwrap();
    }
    assert_eq!(scene.says_over(&scene.at).await.status, 200);
    assert_eq!(scene.says_over(&scene.at).await.status, 200);
    let told: Vec<(String, Vec<String>, String, String)> = sqlx::query_as(
        "select sid, participations, reason, state from notification where session_id is null",
    )
    .fetch_all(&scene.app.pool)
    .await
    .unwrap();
    assert_eq!(told, [("s-1".into(), vec!["p-1".into(), "p-2".into()], "oidc".into(), "none".into())]);
    assert_eq!(scene.app.count("select count(*) from participation where ended_at is null").await, 1);
    // By name of the person: all sids of hers that we know.
    scene.app.advance(TimeDelta::seconds(1));
    scene.op.sign_in(&scene.alice, &at("auth0|alice", "s-2")).await;
    let all = At { sub: "auth0|alice".to_owned(), sid: None };
    assert_eq!(scene.says_over(&all).await.status, 200);
    assert_eq!(scene.app.count("select count(*) from participation where ended_at is null").await, 0);
    scene.app.done().await;
}

#[tokio::test]
async fn while_the_keys_are_not_to_be_had_the_provider_is_asked_to_come_again() {
    let op = Op::start("auth0", &RSA_A).await;
    op.set_down(true);
    let app = oidc::start(&[&op]).await;
    let token = op.signed(&op.logout_claims(&at("auth0|alice", "s-1")));
    let reply = post_token(&app.authority, &token).await;
    assert_eq!(reply.status, 503, "not 400: it may come again");
    op.set_down(false);
    app.advance(TimeDelta::seconds(5));
    assert_eq!(post_token(&app.authority, &token).await.status, 200);
    app.done().await;
}

#[tokio::test]
async fn oidc_12_a_session_whose_token_never_came_ends_by_itself() {
    let scene = Scene::new().await;
    scene.app.advance(TimeDelta::hours(8));
    assert!(!scene.alice.is_signed_in().await, "idle");
    scene.app.done().await;
}

#[tokio::test]
async fn what_is_no_longer_needed_is_forgotten() {
    let scene = Scene::new().await;
    scene.op.begin(&scene.app.browser(), &scene.at, |_| {}).await;
    assert_eq!(scene.says_over(&scene.at).await.status, 200);
    scene.app.advance(TimeDelta::hours(2));
    scene.app.work().await;
    assert_eq!(scene.app.count("select count(*) from open_oidc_sign_in").await, 0);
    assert_eq!(scene.app.count("select count(*) from seen_logout_token").await, 0);
    let barred = "select count(*) from oidc_subject where barred_until is not null";
    assert_eq!(scene.app.count(barred).await, 1, "a bar is kept while it bars");
    scene.app.advance(TimeDelta::days(8));
    scene.app.work().await;
    assert_eq!(scene.app.count("select count(*) from oidc_subject").await, 0);
    assert_eq!(scene.app.count("select count(*) from oidc_authentication").await, 0);
    scene.app.done().await;
}
