//! SLO-34 to SLO-56: the session participant starts the logout.

use chrono::TimeDelta;

use crate::sso::{ELSEWHERE, assert_here};
use crate::support::app::TestApp;
use crate::support::browser::{Browser, From, form_body, forms, path_of, tags};
use crate::support::dsig::{RSA_A, RSA_ATTACKER, RSA_B};
use crate::support::idp::{FromUs, Idp, SoapAnswer};
use crate::support::messages::{EMAIL, Issuer, LogoutResponse, Name, instant};
use crate::support::metadata::Metadata;
use crate::support::story::{INDEX, SLO, SOAP_PATH, Scene, Via, assert_uncached, post_soap, send_request};
use crate::support::xml::{DS, SAMLP};

/// Clicks "sign out everywhere" and reads the LogoutRequest.
async fn click(browser: &Browser, idp: &Idp) -> FromUs {
    let reply = browser.sign_out().await;
    let request = idp.sp.read_front(&reply);
    assert_eq!(
        (request.message.local.as_str(), request.parameter.as_str()),
        ("LogoutRequest", "SAMLRequest")
    );
    assert_uncached(&reply, Via::Redirect);
    request
}

async fn legs(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("select state from logout_leg order by id").fetch_all(&app.pool).await.unwrap()
}

#[tokio::test]
async fn slo_35_the_local_session_is_dead_before_anyone_is_asked() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    click(&scene.alice, &scene.idp).await;
    // The redirect is never followed.
    assert!(!scene.alice.is_signed_in().await);
    assert!(!scene.alice.at(&node.authority).is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_36_idleness_sends_no_logout_request() {
    let app = TestApp::start_with(&[("SIGNOFF_SESSION__IDLE", "30m"), ("SIGNOFF_SESSION__MAX", "24h")]).await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    for _ in 0..3 {
        scene.app.advance(TimeDelta::minutes(29));
        assert!(scene.alice.is_signed_in().await, "every visit counts");
    }
    scene.app.advance(TimeDelta::minutes(31));
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    assert_eq!(legs(&scene.app).await, [""; 0]);
    let reply = scene.alice.get("/saml/login?idp=idp-a").await;
    assert_eq!(scene.idp.sp.read_front(&reply).message.local, "AuthnRequest", "nothing to resume either");
    scene.done().await;
}

#[tokio::test]
async fn slo_36_the_maximum_life_sends_no_logout_request() {
    let app = TestApp::start_with(&[("SIGNOFF_SESSION__IDLE", "2h"), ("SIGNOFF_SESSION__MAX", "3h")]).await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    for _ in 0..2 {
        scene.app.advance(TimeDelta::hours(1));
        assert!(scene.alice.is_signed_in().await);
    }
    scene.app.advance(TimeDelta::hours(1));
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    scene.done().await;
}

#[tokio::test]
async fn slo_38_the_name_id_is_repeated_with_exactly_the_attributes_it_had() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    for mask in 0..16_u8 {
        let has = |bit: u8, value: &str| (mask & (1 << bit) != 0).then(|| value.to_owned());
        let name = Name {
            value: format!("alice {mask} ü&<"),
            format: has(0, EMAIL),
            name_qualifier: has(1, "q&\"ü"),
            sp_name_qualifier: has(2, "sq"),
            sp_provided_id: has(3, "p\t<"),
        };
        let alice = app.browser();
        alice.sign_in(&idp, &name, INDEX).await;
        let request = click(&alice, &idp).await;
        assert_eq!(request.name(), name, "{mask:04b}");
        // Byte for byte, in canonical form.
        let element = request.message.elements().find(|e| e.local == "NameID").unwrap();
        let own = crate::support::xml::Element::parse(&name.xml()).unwrap();
        assert_eq!(element.canonical(), own.canonical());
    }
    app.done().await;
}

#[tokio::test]
async fn slo_39_every_session_index_is_named() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice.sign_in(&idp, &name, "one").await;
    // Step-up: the same person again, another index.
    alice.sign_in(&idp, &name, "two").await;
    let mut indexes = click(&alice, &idp).await.session_indexes();
    indexes.sort();
    assert_eq!(indexes, ["one", "two"]);
    app.done().await;
}

#[tokio::test]
async fn slo_39_without_any_index_none_is_sent() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let alice = app.browser();
    let name = Name::email("alice@example.org");
    alice
        .sign_in_as(&idp, &name, "x", |response| response.assertion.statements[0].session_index = None)
        .await;
    assert_eq!(click(&alice, &idp).await.session_indexes(), [""; 0]);
    // A request about "all sessions" finds it, one about an index does not.
    let bob = app.browser();
    let name = Name::email("bob@example.org");
    bob.sign_in_as(&idp, &name, "x", |response| response.assertion.statements[0].session_index = None).await;
    send_request(&app.authority, &idp, Via::Redirect, &idp.logout_request(&name, &["x"]), None).await;
    assert!(bob.is_signed_in().await);
    send_request(&app.authority, &idp, Via::Redirect, &idp.logout_request(&name, &[]), None).await;
    assert!(!bob.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_40_the_request_stands_in_schema_order_and_slo_41_says_until_when_and_why() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |metadata| {
            metadata.without_slo().slo("HTTP-POST", "https://idp-a.example/slo/post", None)
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    let request = click(&scene.alice, &scene.idp).await;
    assert_eq!(request.binding, "post");
    let children: Vec<_> = request.message.elements().map(|e| e.local.as_str()).collect();
    assert_eq!(children, ["Issuer", "Signature", "NameID", "SessionIndex"]);
    assert!(request.message.child(DS, "Signature").is_some(), "SLO-42");
    let own = |name| request.message.attribute(name);
    assert_eq!(own("Reason"), Some("urn:oasis:names:tc:SAML:2.0:logout:user"));
    let until = chrono::DateTime::parse_from_rfc3339(own("NotOnOrAfter").unwrap()).unwrap();
    assert_eq!(until, scene.app.now() + TimeDelta::minutes(5));
    scene.done().await;
}

#[tokio::test]
async fn slo_45_no_logout_starts_inside_a_frame() {
    let scene = Scene::new().await;
    let page = scene.alice.get("/logout").await;
    assert!(tags(&page.body).iter().all(|(name, _)| name != "iframe" && name != "frame"));
    let form = scene.alice.logout_form(None).await;
    let body = form_body(&form.with(&[]));
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Dest", "iframe")];
    let reply = scene.alice.request("POST", "/logout", &headers, Some(body.as_bytes()), From::Here).await;
    assert!(scene.idp.sp.try_front(&reply).is_none(), "no LogoutRequest inside a frame");
    assert!(reply.status >= 400 && reply.status < 500, "{}", reply.status);
    assert!(scene.alice.is_signed_in().await);
    click(&scene.alice, &scene.idp).await;
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_46_an_admin_ends_a_session_and_the_idp_is_told_by_soap() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    scene.app.end_by_admin(&scene.alice).await;
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    let calls = scene.idp.soap.as_ref().unwrap().calls();
    assert_eq!(calls.len(), 1);
    let request = &calls[0].request;
    assert_eq!(
        request.message.attribute("Reason"),
        Some("urn:oasis:names:tc:SAML:2.0:logout:admin"),
        "SLO-41"
    );
    assert_eq!(request.name(), scene.name);
    assert_eq!(request.session_indexes(), [INDEX]);
    let head = calls[0].headers.to_ascii_lowercase();
    assert!(head.contains("content-type: text/xml"), "{head}");
    assert!(head.contains("soapaction:"), "{head}");
    assert!(
        head.contains("cache-control: no-cache, no-store") && head.contains("pragma: no-cache"),
        "BIND-30"
    );
    assert_eq!(legs(&scene.app).await, ["confirmed"]);
    scene.app.work().await;
    assert_eq!(scene.idp.soap.as_ref().unwrap().calls().len(), 1, "each layer at most once");
    scene.done().await;
}

#[tokio::test]
async fn slo_46_without_soap_an_admins_logout_waits_for_the_browser() {
    let scene = Scene::new().await;
    scene.app.end_by_admin(&scene.alice).await;
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    assert_eq!(legs(&scene.app).await, ["waiting_browser"]);
    let reply = scene.alice.get("/saml/login?idp=idp-a").await;
    let request = scene.idp.sp.read_front(&reply);
    assert_eq!(request.message.local, "LogoutRequest");
    assert_eq!(request.message.attribute("Reason"), Some("urn:oasis:names:tc:SAML:2.0:logout:admin"));
    scene.done().await;
}

#[tokio::test]
async fn slo_47_only_here_asks_nobody() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let reply = scene.alice.sign_out_here().await;
    assert!(scene.idp.sp.try_front(&reply).is_none());
    let page = scene.alice.follow(reply).await;
    assert_eq!(page.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    let begun = scene.idp.sp.read_front(&scene.alice.get("/saml/login?idp=idp-a").await);
    assert_eq!(begun.message.local, "AuthnRequest", "nothing to resume");
    scene.done().await;
}

#[tokio::test]
async fn slo_48_logout_needs_the_token_of_this_session() {
    let scene = Scene::new().await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    let foreign = bob.logout_form(None).await.field("csrf").unwrap().to_owned();
    // A GET asks and ends nothing, from wherever it comes.
    assert_eq!(scene.alice.get_from_elsewhere("/logout").await.status, 200);
    assert!(scene.alice.is_signed_in().await);
    for csrf in [None, Some(""), Some("AAAA"), Some(foreign.as_str())] {
        let fields: Vec<_> = csrf.map(|value| ("csrf", value)).into_iter().collect();
        let reply = scene.alice.submit("/logout", &fields).await;
        assert!(reply.status >= 400 && reply.status < 500 || reply.status == 200, "{}", reply.status);
        assert!(scene.idp.sp.try_front(&reply).is_none());
        assert!(scene.alice.is_signed_in().await, "{csrf:?}");
    }
    let own = scene.alice.logout_form(None).await;
    let body = form_body(&own.with(&[]));
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "http://127.0.0.1:1"),
    ] {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), (name, value)];
        let reply = scene.alice.request("POST", "/logout", &headers, Some(body.as_bytes()), From::Here).await;
        assert!(reply.status >= 400 && reply.status < 500, "{name}: {value} gave {}", reply.status);
        assert!(scene.alice.is_signed_in().await, "{name}: {value}");
    }
    let origin =
        [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", scene.app.base_url.as_str())];
    let reply = scene.alice.request("POST", "/logout", &origin, Some(body.as_bytes()), From::Here).await;
    assert_eq!(scene.idp.sp.read_front(&reply).message.local, "LogoutRequest");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_49_asynchronous_only_where_the_idp_says_so() {
    let scene = Scene::new().await;
    assert!(click(&scene.alice, &scene.idp).await.message.child(SAMLP, "Extensions").is_none());
    scene.done().await;
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |mut metadata| {
            metadata.slo = metadata.slo.replace(
                "/>",
                " xmlns:aslo=\"urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo\" aslo:supportsAsynchronous=\"true\"/>",
            );
            metadata
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    let request = click(&scene.alice, &scene.idp).await;
    let extension = request.message.path(&["Extensions", "Asynchronous"]).expect("the extension");
    assert_eq!(extension.ns, "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo");
    assert_eq!(
        scene.app.count("select count(*) from logout where finished_at is null").await,
        0,
        "nothing waits"
    );
    let stray = scene.idp.logout_response(&request, &["Success"]);
    let reply = scene.alice.bring_answer(&scene.idp, &stray, request.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "a stray LogoutResponse is unsolicited");
    scene.done().await;
}

/// A logout that waits for its answer.
struct Asked {
    scene: Scene,
    request: FromUs,
}

impl Asked {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let request = click(&scene.alice, &scene.idp).await;
        Self { scene, request }
    }

    fn answer(&self, status: &[&str]) -> LogoutResponse {
        self.scene.idp.logout_response(&self.request, status)
    }

    /// The answer is refused over Redirect and POST; nothing changes; the audit names the rule.
    async fn refused(&self, rule: &str, change: impl Fn(&mut LogoutResponse)) {
        let mut answer = self.answer(&["Success"]);
        change(&mut answer);
        let relay_state = self.request.relay_state.as_deref();
        let reply = self.scene.alice.bring_answer(&self.scene.idp, &answer, relay_state).await;
        assert!(matches!(reply.status, 400 | 403), "{rule}: {} {}", reply.status, reply.body);
        answer.id = Some(self.scene.idp.fresh_id("lp"));
        let reply = self.scene.alice.bring_answer_by_post(&self.scene.idp, &answer, relay_state).await;
        assert!(matches!(reply.status, 400 | 403), "{rule}: {} {}", reply.status, reply.body);
        self.scene.app.assert_audited(rule).await;
        self.still_open().await;
    }

    async fn still_open(&self) {
        assert_eq!(legs(&self.scene.app).await, ["asked"]);
        assert!(!self.scene.alice.is_signed_in().await);
    }

    /// The positive twin: the right answer completes the logout.
    async fn done(self) {
        let answer = self.answer(&["Success"]);
        let relay_state = self.request.relay_state.as_deref();
        let reply = self.scene.alice.bring_answer(&self.scene.idp, &answer, relay_state).await;
        assert!(reply.status < 400, "{}", reply.body);
        assert_eq!(legs(&self.scene.app).await, ["confirmed"]);
        self.scene.done().await;
    }
}

#[tokio::test]
async fn slo_50_an_answer_of_another_idp_is_refused() {
    let asked = Asked::new().await;
    let other = asked.scene.app.idp("idp-b", &RSA_B).await;
    let mut answer = asked.answer(&["Success"]);
    answer.issuer = other.issuer();
    let reply = asked.scene.alice.bring_answer(&other, &answer, asked.request.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    asked.still_open().await;
    asked
        .refused("VAL-09", |answer| {
            answer.issuer = Some(Issuer { value: "https://idp-b.example/metadata".to_owned(), format: None });
        })
        .await;
    asked.done().await;
}

#[tokio::test]
async fn slo_50_an_unknown_missing_or_used_in_response_to_is_refused() {
    let asked = Asked::new().await;
    asked.refused("SLO-50", |answer| answer.in_response_to = Some("_unknown".to_owned())).await;
    asked.refused("SLO-50", |answer| answer.in_response_to = None).await;
    let answer = asked.answer(&["Success"]);
    let relay_state = asked.request.relay_state.as_deref();
    assert!(asked.scene.alice.bring_answer(&asked.scene.idp, &answer, relay_state).await.status < 400);
    let again = asked.answer(&["Responder"]);
    let reply = asked.scene.alice.bring_answer(&asked.scene.idp, &again, relay_state).await;
    assert!(matches!(reply.status, 200 | 303 | 400), "{}", reply.status);
    assert_eq!(legs(&asked.scene.app).await, ["confirmed"], "the second answer changes nothing");
    asked.scene.done().await;
}

#[tokio::test]
async fn slo_50_a_wrong_destination_is_refused() {
    let asked = Asked::new().await;
    asked.refused("VAL-08", |answer| answer.destination = Some("https://other.example/slo".to_owned())).await;
    asked.refused("VAL-08", |answer| answer.destination = None).await;
    asked.done().await;
}

#[tokio::test]
async fn slo_50_a_stale_or_future_answer_is_refused() {
    let asked = Asked::new().await;
    let now = asked.scene.app.now();
    asked.refused("VAL-15", |answer| answer.issue_instant = Some(instant(now - TimeDelta::minutes(9)))).await;
    asked.refused("VAL-15", |answer| answer.issue_instant = Some(instant(now + TimeDelta::minutes(4)))).await;
    asked.done().await;
}

#[tokio::test]
async fn slo_50_an_unsigned_or_foreign_signed_answer_is_refused() {
    let asked = Asked::new().await;
    let answer = asked.answer(&["Success"]);
    let authority = &asked.scene.app.authority;
    let query = asked.scene.idp.redirect("SAMLResponse", &answer.xml(), None);
    let unsigned = query.split('&').next().unwrap();
    let foreign = asked.scene.idp.query("SAMLResponse").signed(&answer.xml(), &RSA_ATTACKER);
    for query in [unsigned, &foreign] {
        let reply = crate::support::story::get_query(authority, SLO, query).await;
        assert_eq!(reply.status, 400);
        asked.still_open().await;
    }
    for xml in [answer.xml(), answer.signed(&RSA_ATTACKER)] {
        let reply = crate::support::story::post_message(authority, SLO, "SAMLResponse", &xml, None).await;
        assert_eq!(reply.status, 400);
        asked.still_open().await;
    }
    asked.done().await;
}

#[tokio::test]
async fn slo_50_an_answer_needs_no_cookie_and_no_relay_state() {
    for by_post in [false, true] {
        let asked = Asked::new().await;
        let stranger = asked.scene.app.browser();
        let answer = asked.answer(&["Success"]);
        let reply = if by_post {
            stranger.bring_answer_by_post(&asked.scene.idp, &answer, Some("whatever")).await
        } else {
            stranger.bring_answer(&asked.scene.idp, &answer, None).await
        };
        assert!(reply.status < 400, "{}", reply.body);
        let page = stranger.follow(reply).await;
        assert_eq!(page.status, 200);
        assert!(!page.body.contains("alice"), "the page names no principal");
        assert_eq!(legs(&asked.scene.app).await, ["confirmed"]);
        asked.scene.done().await;
    }
}

#[tokio::test]
async fn slo_50_an_answer_over_soap_endpoint_is_no_answer() {
    let asked = Asked::new().await;
    let mut answer = asked.answer(&["Success"]);
    answer.destination = Some(asked.scene.idp.sp.soap.clone());
    let body = crate::support::messages::envelope(&answer.signed(asked.scene.idp.key));
    let reply = post_soap(&asked.scene.app.authority, &body).await;
    assert_eq!(reply.status, 500, "{SOAP_PATH}: {}", reply.body);
    asked.still_open().await;
    asked.done().await;
}

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

#[tokio::test]
async fn slo_54_two_hosts_are_two_entities() {
    let (one, two) = (TestApp::start().await, TestApp::start().await);
    assert_ne!(one.sp.entity_id, two.sp.entity_id);
    assert_ne!(one.sp.slo, two.sp.slo);
    one.done().await;
    two.done().await;
}

#[tokio::test]
async fn bar_of_our_own_logout_stops_the_second_tab_until_it_is_over() {
    let scene = Scene::new().await;
    let before = instant(scene.app.now());
    scene.app.advance(TimeDelta::seconds(30));
    let tab = scene.app.browser();
    let request = click(&scene.alice, &scene.idp).await;
    // The IdP's session still lives, so a second tab is answered at once, with the old AuthnInstant.
    let begun = tab.begin_sign_in(&scene.idp).await;
    let mut response = scene.idp.response(Some(begun.id()), &scene.name, INDEX);
    response.assertion.statements[0].authn_instant.clone_from(&before);
    let reply = tab.bring(&response.signed(scene.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(!tab.is_signed_in().await);
    scene.app.assert_audited("SSO-19").await;
    // A person who proves themselves anew gets in.
    let fresh = scene.app.browser();
    fresh.sign_in(&scene.idp, &scene.name, INDEX).await;
    // When the logout is over, so is the bar.
    let answer = scene.idp.logout_response(&request, &["Success"]);
    scene.alice.bring_answer(&scene.idp, &answer, request.relay_state.as_deref()).await;
    let late = scene.app.browser();
    late.sign_in_as(&scene.idp, &scene.name, INDEX, |response| {
        response.assertion.statements[0].authn_instant = before;
    })
    .await;
    scene.done().await;
}

#[tokio::test]
async fn bar_offers_to_sign_in_again_with_force_authn() {
    let scene = Scene::new().await;
    click(&scene.alice, &scene.idp).await;
    let tab = scene.app.browser();
    let begun = tab.begin_sign_in(&scene.idp).await;
    let response = scene.idp.response(Some(begun.id()), &scene.name, INDEX).signed(scene.idp.key);
    let page = tab.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(page.status, 400);
    let own = |name: &str, attribute: &str| {
        tags(&page.body)
            .into_iter()
            .filter(|(tag, _)| tag == name)
            .flat_map(|(_, attributes)| attributes)
            .filter(|(key, _)| key == attribute)
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    };
    let link = own("a", "href").into_iter().find(|href| href.contains("/saml/login"));
    let reply = if let Some(href) = link {
        tab.get(path_of(&href)).await
    } else {
        let form = forms(&page.body).into_iter().find(|form| form.action.contains("/saml/login")).unwrap();
        let query = form_body(&form.with(&[]));
        tab.get(&format!("{}?{query}", path_of(&form.action))).await
    };
    let request = scene.idp.sp.read_front(&reply);
    assert_eq!(request.message.attribute("ForceAuthn"), Some("true"));
    scene.done().await;
}

#[tokio::test]
async fn f_30_logout_leads_nowhere_else() {
    let app = TestApp::start_with(&[("SIGNOFF_RETURN_ORIGINS", "[\"https://app.example\"]")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    for target in ELSEWHERE.into_iter().chain(["https://app.example/bye", "/bye"]) {
        let good = target.ends_with("/bye");
        let alice = app.browser();
        app.advance(TimeDelta::seconds(2));
        alice.sign_in(&idp, &name, INDEX).await;
        let form = alice.logout_form(Some(target)).await;
        let request = idp.sp.read_front(&alice.submit(path_of(&form.action), &form.with(&[])).await);
        let answer = idp.logout_response(&request, &["Success"]);
        let reply = alice.bring_answer(&idp, &answer, request.relay_state.as_deref()).await;
        if good {
            assert!(matches!(reply.status, 302 | 303), "{}", reply.body);
            assert!(reply.location().ends_with(target), "{target}: {}", reply.location());
        } else if matches!(reply.status, 302 | 303) {
            assert_here(&app, reply.location(), target);
            let page = alice.follow(reply).await;
            assert!(!page.body.contains("evil.example"), "{target:?}");
        }
    }
    app.done().await;
}

#[tokio::test]
async fn an_idp_without_slo_is_named_as_not_to_be_asked() {
    let app = TestApp::start().await;
    let idp = app.idp_as("idp-a", &RSA_A, Metadata::without_slo).await;
    let scene = Scene::enter(app, idp).await;
    let reply = scene.alice.sign_out().await;
    assert!(scene.idp.sp.try_front(&reply).is_none());
    let page = scene.alice.follow(reply).await;
    assert_eq!(page.status, 200);
    assert_eq!(legs(&scene.app).await, ["no_endpoint"]);
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn bind_12_a_request_too_long_for_a_url_goes_by_post() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice
        .sign_in_as(&idp, &name, INDEX, |response| {
            let statement = response.assertion.statements[0].clone();
            response.assertion.statements = (0..200)
                .map(|n| {
                    let mut one = statement.clone();
                    // Hardly compressible.
                    let octets = crate::support::dsig::digest("", &n.to_string());
                    one.session_index = Some(octets.iter().map(|b| format!("{b:02x}")).collect());
                    one
                })
                .collect();
        })
        .await;
    let request = click(&alice, &idp).await;
    assert_eq!(request.binding, "post");
    assert_eq!(request.session_indexes().len(), 200);
    app.done().await;
}
