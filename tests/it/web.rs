//! What holds for every page and answer, whatever it says.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::support::app::TestApp;
use crate::support::browser::{From, forms, path_of, tags};
use crate::support::dsig::{Hex, RSA_A, RSA_ATTACKER, RSA_B, percent};
use crate::support::http::{HttpReply, send};
use crate::support::idp::Idp;
use crate::support::messages::{Name, Signed, envelope};
use crate::support::story::{
    ACS, INDEX, SLO, SOAP_PATH, Scene, Via, get_query, post_body, post_soap, send_request,
};

/// How long an answer may be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// BIND-21.
    Never,
    /// BIND-30.
    NeverOverSoap,
    /// Named after its content.
    Forever,
    /// Public, and soon out of date.
    FiveMinutes,
}

/// What is special about an answer.
struct Look {
    what: &'static str,
    reply: HttpReply,
    status: u16,
    kept: Kept,
    /// SLO-32: known identity providers may show it in a frame.
    framable: bool,
    /// BIND-17: its form leads to another site.
    leaves: bool,
    /// It runs the one script that submits its form.
    submits: bool,
    /// The cookie that it sets.
    cookie: Option<&'static str>,
}

impl Look {
    fn of(what: &'static str, status: u16, reply: HttpReply) -> Self {
        Self {
            what,
            reply,
            status,
            kept: Kept::Never,
            framable: false,
            leaves: false,
            submits: false,
            cookie: None,
        }
    }

    fn at_slo(self) -> Self {
        Self { framable: true, ..self }
    }

    fn over_soap(self) -> Self {
        Self { kept: Kept::NeverOverSoap, ..self }
    }

    fn leaving(self) -> Self {
        Self { leaves: true, ..self }
    }

    fn submitting(self) -> Self {
        Self { leaves: true, submits: true, ..self }
    }

    fn setting(self, cookie: &'static str) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    fn check(&self) {
        let Self { what, reply, .. } = self;
        assert_eq!(reply.status, self.status, "{what}: {}", reply.body);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{what}");
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"), "{what}");
        assert!(reply.header("server").is_none() && reply.header("x-powered-by").is_none(), "{what}");
        self.check_policy();
        self.check_caching();
        self.check_cookies();
        let html = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        if html {
            assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{what}");
            self.check_page();
        }
    }

    fn check_policy(&self) {
        let Self { what, reply, .. } = self;
        let all: Vec<_> = reply.headers_named("content-security-policy").collect();
        assert_eq!(all.len(), 1, "{what}: one policy");
        let directives: Vec<Vec<&str>> =
            all[0].split(';').map(|directive| directive.split_whitespace().collect()).collect();
        let directive =
            |name: &str| directives.iter().find(|words| words[0] == name).map(|words| &words[1..]);
        assert!(!all[0].contains("unsafe") && !all[0].contains('*'), "{what}: {}", all[0]);
        assert_eq!(directive("default-src"), Some(&["'none'"][..]), "{what}");
        assert_eq!(directive("base-uri"), Some(&["'none'"][..]), "{what}");
        let ancestors = directive("frame-ancestors").unwrap();
        if self.framable {
            assert_eq!(
                ancestors,
                ["'self'", "https://idp-a.example", "https://idp-b.example"],
                "SLO-32 {what}"
            );
        } else {
            assert_eq!(ancestors, ["'none'"], "SLO-32 {what}");
        }
        assert!(reply.header("x-frame-options").is_none_or(|_| !self.framable), "SLO-32 {what}");
        let form = directive("form-action");
        assert_eq!(form, (!self.leaves).then_some(&["'self'"][..]), "BIND-17 {what}");
        match directive("script-src") {
            None => assert!(!self.submits, "{what}"),
            Some(sources) => {
                assert!(self.submits, "{what}: {sources:?}");
                let nonce = sources[0].trim_start_matches("'nonce-").trim_end_matches('\'');
                assert!(nonce.len() >= 22, "{what}: 128 bits: {nonce}");
                let own = format!("<script nonce=\"{}\">", nonce.replace('+', "&#43;"));
                let plain = format!("<script nonce=\"{nonce}\">");
                assert!(reply.body.contains(&plain) || reply.body.contains(&own), "{what}: {}", reply.body);
            }
        }
    }

    fn check_caching(&self) {
        let Self { what, reply, .. } = self;
        let cache = reply.header("cache-control").unwrap_or_default();
        let public = match self.kept {
            Kept::Forever => Some("public, max-age=31536000, immutable"),
            Kept::FiveMinutes => Some("public, max-age=300"),
            Kept::Never | Kept::NeverOverSoap => None,
        };
        if let Some(public) = public {
            assert_eq!(cache, public, "{what}");
            return;
        }
        assert!(cache.contains("no-cache") && cache.contains("no-store"), "BIND-21 {what}: {cache}");
        assert_eq!(reply.header("pragma"), Some("no-cache"), "BIND-21 {what}");
        assert!(reply.header("etag").is_none() && reply.header("last-modified").is_none(), "BIND-21 {what}");
        if self.kept == Kept::NeverOverSoap {
            assert!(
                cache.contains("must-revalidate") && cache.contains("private"),
                "BIND-30 {what}: {cache}"
            );
        }
    }

    fn check_cookies(&self) {
        let Self { what, reply, .. } = self;
        let set: Vec<_> = reply.headers_named("set-cookie").collect();
        match self.cookie {
            None => assert!(set.is_empty(), "{what}: {set:?}"),
            Some(name) => {
                assert_eq!(set.len(), 1, "{what}: {set:?}");
                assert!(
                    set[0].starts_with(&format!("{name}=")) && set[0].contains("; HttpOnly"),
                    "{what}: {set:?}"
                );
            }
        }
    }

    /// No script but the one, no style and no handler in the markup, nothing from elsewhere.
    fn check_page(&self) {
        let Self { what, reply, .. } = self;
        for (name, attributes) in tags(&reply.body) {
            assert!(
                name != "style" && name != "iframe" && name != "object" && name != "base",
                "{what}: {name}"
            );
            assert!(name != "script" || self.submits, "{what}: a script");
            for (key, value) in attributes {
                assert!(!key.starts_with("on") && key != "style", "{what}: {key}={value}");
                assert!(!value.trim().to_ascii_lowercase().starts_with("javascript:"), "{what}: {value}");
                if matches!(name.as_str(), "link" | "img" | "script")
                    && matches!(key.as_str(), "href" | "src")
                {
                    assert!(value.starts_with('/') && !value.starts_with("//"), "{what}: {value}");
                }
            }
        }
    }
}

/// Two identity providers; alice is signed in through the first.
async fn scene() -> (Scene, Idp) {
    let scene = Scene::new().await;
    let other = scene.app.idp("idp-b", &RSA_B).await;
    (scene, other)
}

fn form(fields: &[(&str, &str)]) -> String {
    crate::support::browser::form_body(fields)
}

#[tokio::test]
async fn every_answer_of_every_route_carries_the_headers() {
    let (scene, other) = scene().await;
    let at = scene.app.authority.clone();
    let get = async |target: &str| send(&at, "GET", target, &[], None).await;
    let method = async |method: &str, target: &str| send(&at, method, target, &[], Some(b"x=1")).await;
    let alice = &scene.alice;
    let home = alice.get("/").await;
    let asset = |suffix: &str| {
        let all = tags(&home.body);
        let found =
            all.iter().flat_map(|(_, attributes)| attributes).find(|(_, value)| value.ends_with(suffix));
        found.unwrap().1.clone()
    };
    let mut looks = vec![
        Look::of("home, signed in", 200, home.clone()),
        Look::of("home", 200, get("/").await),
        Look::of("metadata", 200, get("/saml/metadata").await),
        Look::of("session, none", 401, get("/session").await),
        Look::of("session", 200, alice.get("/session").await),
        Look::of("healthz", 200, get("/healthz").await),
        // The clock of the tests stands still, the database's does not.
        Look::of("readyz", 503, get("/readyz").await),
        Look { kept: Kept::Forever, ..Look::of("stylesheet", 200, get(&asset(".css")).await) },
        Look { kept: Kept::Forever, ..Look::of("icon", 200, get(&asset(".svg")).await) },
        Look {
            kept: Kept::FiveMinutes,
            ..Look::of("discovery", 200, get("/.well-known/openid-configuration").await)
        },
        Look { kept: Kept::FiveMinutes, ..Look::of("key set", 200, get("/.well-known/jwks.json").await) },
        Look::of("events of nobody", 401, get("/session/events").await),
        Look::of("forward-auth of nobody", 401, get("/forward-auth").await),
        Look::of("API without a token", 401, get("/api/v1/sessions").await),
        Look::of("API, nothing there", 404, get("/api/v1/nothing").await),
        Look::of("API, wrong method", 405, method("PUT", "/api/v1/sessions").await),
        Look::of("nothing there", 404, get("/nothing").await),
        Look::of("a path that is none", 404, get("/%2e%2e/%00").await),
        Look::of("POST to home", 405, method("POST", "/").await),
        Look::of("PUT to metadata", 405, method("PUT", "/saml/metadata").await),
        Look::of("DELETE at the session", 405, method("DELETE", "/session").await),
        Look::of("choose", 200, get("/saml/login").await),
        Look::of("unknown idp", 404, get("/saml/login?idp=nobody").await),
        Look::of("login twice", 400, get("/saml/login?idp=a&idp=b").await),
        Look::of("HEAD at login", 405, method("HEAD", "/saml/login?idp=idp-a").await),
        Look::of(
            "prefetch of login",
            403,
            send(&at, "GET", "/saml/login?idp=idp-a", &[("Sec-Purpose", "prefetch")], None).await,
        ),
        Look::of("to the idp", 302, scene.app.browser().get("/saml/login?idp=idp-a").await)
            .setting("signoff_login"),
        Look::of("GET of the ACS", 405, get(ACS).await),
        Look::of("garbage at the ACS", 400, post_body(&at, ACS, "SAMLResponse=%00").await),
        Look::of("nothing at the ACS", 400, post_body(&at, ACS, "").await),
        Look::of("too much at the ACS", 400, post_body(&at, ACS, &"x".repeat(2 << 20)).await),
        Look::of("nothing at SLO", 400, get(SLO).await).at_slo(),
        Look::of("garbage at SLO", 400, get_query(&at, SLO, "SAMLRequest=%00").await).at_slo(),
        Look::of("garbage posted to SLO", 400, post_body(&at, SLO, "SAMLResponse=x").await).at_slo(),
        Look::of("too much at SLO", 400, post_body(&at, SLO, &"x".repeat(2 << 20)).await).at_slo(),
        Look::of("PUT to SLO", 405, method("PUT", SLO).await).at_slo(),
        Look::of("OPTIONS at SLO", 405, method("OPTIONS", SLO).await).at_slo(),
        Look::of("GET of SOAP", 405, get(SOAP_PATH).await),
        Look::of("garbage over SOAP", 500, post_soap(&at, "x").await).over_soap(),
        Look::of("too much over SOAP", 500, post_soap(&at, &"x".repeat(1 << 20)).await).over_soap(),
        Look::of("logout, nobody", 200, get("/logout").await),
        Look::of("logout, asked", 200, alice.get("/logout").await).leaving(),
        Look::of("logout without the token", 403, alice.submit("/logout", &[("csrf", "x")]).await),
        Look::of("logout twice", 400, alice.submit("/logout", &[("csrf", "x"), ("csrf", "y")]).await),
        Look::of(
            "logout from a frame",
            403,
            alice.request("POST", "/logout", &[("Sec-Fetch-Dest", "iframe")], Some(b""), From::Here).await,
        ),
        Look::of(
            "logout from elsewhere",
            403,
            alice
                .request("POST", "/logout", &[("Origin", "https://evil.example")], Some(b""), From::Here)
                .await,
        ),
        Look::of("a result of nothing", 404, get("/logout/AAAAAAAAAAAAAAAAAAAAAA").await),
        Look::of("a result that is none", 404, get("/logout/x").await),
    ];
    looks.extend(messages(&scene, &other).await);
    let is_wrong = |look: &&Look| std::panic::catch_unwind(AssertUnwindSafe(|| look.check())).is_err();
    assert_eq!(looks.iter().filter(is_wrong).count(), 0);
    assert!(looks.len() > 50, "{}", looks.len());
    scene.done().await;
}

/// The answers to messages of an identity provider.
async fn messages(scene: &Scene, other: &Idp) -> Vec<Look> {
    let at = &scene.app.authority;
    let mut looks = Vec::new();
    let right = |via| scene.request(via);
    let unsigned = |via| scene.request(via).xml();
    looks.push(
        Look::of(
            "denied by redirect",
            302,
            get_query(
                at,
                SLO,
                scene.idp.redirect("SAMLRequest", &unsigned(Via::Redirect), None).split('&').next().unwrap(),
            )
            .await,
        )
        .at_slo(),
    );
    looks.push(
        Look::of("denied over SOAP", 200, post_soap(at, &envelope(&unsigned(Via::Soap))).await).over_soap(),
    );
    let mut stranger = right(Via::Soap);
    stranger.issuer.as_mut().unwrap().value.push('x');
    looks.push(Look::of("unknown over SOAP", 403, scene.send(Via::Soap, &stranger).await.reply).over_soap());
    looks.push(
        Look::of("unknown by redirect", 403, scene.send(Via::Redirect, &stranger).await.reply).at_slo(),
    );

    // Signing in, and the page that says how it went.
    let bob = scene.app.browser();
    let begun = bob.begin_sign_in(&scene.idp).await;
    let response = scene.idp.response(Some(begun.id()), &Name::email("bob@example.org"), "b");
    let mut wrong = response.clone();
    wrong.signed = Signed::Nothing;
    looks.push(Look::of("an unsigned Response", 400, bob.bring(&wrong.signed(&RSA_A), None).await));
    looks
        .push(Look::of("signed in", 303, bob.bring(&response.signed(&RSA_A), None).await).setting("signoff"));
    let started = bob.sign_out().await;
    let asked = scene.idp.sp.read_front(&started);
    looks.push(Look::of("to the idp for logout", 303, started));
    let answer = scene.idp.logout_response(&asked, &["Success"]);
    let mut foreign = answer.clone();
    foreign.in_response_to = Some("_x".to_owned());
    looks.push(
        Look::of("an answer to nothing", 400, bob.bring_answer(&scene.idp, &foreign, None).await).at_slo(),
    );
    let done = bob.bring_answer(&scene.idp, &answer, None).await;
    let page = done.location().to_owned();
    looks.push(Look::of("logout done", 302, done).at_slo());
    looks.push(Look::of("the result", 200, bob.get(path_of(&page)).await));

    // Over POST the message stands in a form that submits itself.
    scene.app.set_switch("idp-b", "prefer_post", "true").await;
    let carol = scene.app.browser();
    let form = carol.get("/saml/login?idp=idp-b").await;
    let again = scene.app.browser().get("/saml/login?idp=idp-b").await;
    assert_ne!(
        form.header("content-security-policy"),
        again.header("content-security-policy"),
        "a nonce is used once"
    );
    looks.push(Look::of("to the idp by POST", 200, form).submitting().setting("signoff_login"));
    let name = Name::email("carol@example.org");
    let dave = scene.app.browser();
    dave.arrive(other, &name, "c").await;
    looks.push(Look::of("to the idp for logout by POST", 200, dave.sign_out().await).submitting());
    let request = other.logout_request(&name, &["c"]);
    looks.push(
        Look::of(
            "an answer by POST",
            200,
            send_request(at, other, Via::Post, &request, Some("r")).await.reply,
        )
        .at_slo()
        .submitting(),
    );

    looks.push(
        Look::of("Success by redirect", 302, scene.send(Via::Redirect, &right(Via::Redirect)).await.reply)
            .at_slo(),
    );
    looks.push(
        Look::of("Success to a POST", 303, scene.send(Via::Post, &right(Via::Post)).await.reply).at_slo(),
    );
    looks.push(
        Look::of("Success over SOAP", 200, scene.send(Via::Soap, &right(Via::Soap)).await.reply).over_soap(),
    );
    looks
}

/// When the database is gone.
#[tokio::test]
async fn answers_without_a_database_carry_the_headers_as_well() {
    let (scene, _) = scene().await;
    let request = scene.request(Via::Post);
    let response = scene.idp.response(None, &Name::email("bob@example.org"), "b").signed(&RSA_A);
    scene.app.database.shut().await;
    let bob = scene.app.browser();
    for look in [
        Look::of("home", 500, scene.alice.get("/").await),
        Look::of("session", 500, scene.alice.get("/session").await),
        Look::of("logout", 500, scene.alice.get("/logout").await),
        Look::of("readyz", 503, bob.get("/readyz").await),
        Look::of("login", 503, bob.get("/saml/login?idp=idp-a").await),
        Look::of("ACS", 503, bob.bring(&response, None).await),
        Look::of("Responder", 303, scene.send(Via::Post, &request).await.reply).at_slo(),
    ] {
        look.check();
        assert!(
            !look.reply.body.contains("sqlx") && !look.reply.body.contains("error returned"),
            "{}",
            look.reply.body
        );
    }
    scene.app.database.reopen().await;
    scene.done().await;
}

/// VAL-22: a handler that panics is a page like any other, and the next request is served.
#[tokio::test]
async fn val_22_a_panic_is_a_page_with_a_reference_and_all_headers() {
    let (scene, _) = scene().await;
    let routes = Router::new()
        .route("/boom", get(async || -> &'static str { panic!("a secret: {INDEX}") }))
        .route("/saml/slo", get(async || -> &'static str { panic!("a secret: {INDEX}") }))
        .route("/session", get(async || -> &'static str { panic!("a secret: {INDEX}") }))
        .route("/session/events", get(async || -> &'static str { panic!("a secret: {INDEX}") }))
        .route("/api/v1/boom", get(async || -> &'static str { panic!("a secret: {INDEX}") }))
        .route("/apiary", get(async || -> &'static str { panic!("a secret: {INDEX}") }))
        .route("/fine", get(async || "fine"));
    let service = signoff::web::guarded(scene.app.app.clone(), routes);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let get = async |path: &str| send(&authority, "GET", path, &[], None).await;
    for look in [
        Look::of("a panic", 500, get("/boom").await),
        Look::of("a panic at SLO", 500, get("/saml/slo").await).at_slo(),
        Look::of("a panic where programs ask", 500, get("/api/v1/boom").await),
        Look::of("a panic where pages ask", 500, get("/session").await),
        Look::of("a panic where pages wait", 500, get("/session/events").await),
        Look::of("a panic elsewhere", 500, get("/apiary").await),
        Look::of("the next request", 200, get("/fine").await),
        Look::of("not there", 404, get("/x").await),
    ] {
        look.check();
        assert!(!look.reply.body.contains("a secret"), "{}", look.reply.body);
    }
    for (path, kind) in [
        ("/api/v1/boom", "application/problem+json"),
        ("/session", "application/problem+json"),
        ("/session/events", "application/problem+json"),
        ("/apiary", "text/html; charset=utf-8"),
        ("/boom", "text/html; charset=utf-8"),
    ] {
        let reply = get(path).await;
        assert_eq!(reply.header("content-type"), Some(kind), "{path}");
        if kind.ends_with("json") {
            let problem = reply.json();
            assert_eq!(problem["status"], 500, "{path}");
            assert!(problem["incident"].as_str().is_some_and(|incident| !incident.is_empty()), "{path}");
        }
    }
    assert!(get("/boom").await.body.contains("reference"));
    scene.done().await;
}

/// F-30: every spelling that has ever led elsewhere, and each of them encoded once more.
fn elsewhere() -> Vec<String> {
    let mut all: Vec<String> = crate::sso::ELSEWHERE.iter().map(|&target| target.to_owned()).collect();
    all.extend(
        [
            "https:\\\\evil.example",
            "https:/\\evil.example",
            "HTTPS://evil.example",
            "/\u{200b}/evil.example",
            "/%2fevil.example",
            "/%5cevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/x/..//evil.example",
            "/;@evil.example",
            "@evil.example",
            ":evil.example",
            "?//evil.example",
            "#//evil.example",
            "//evil%E3%80%82example",
            "///\tevil.example",
            "/\u{0}/evil.example",
            "//\u{2f}evil.example",
            "http://127.0.0.1@evil.example/",
            "http://127.0.0.1.evil.example/",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://evil.example/x",
            "view-source:https://evil.example",
            "\u{ff0f}\u{ff0f}evil.example",
            "https://app.example\\@evil.example/",
            "https://app.example#@evil.example/",
            "https://app.example:443@evil.example/",
        ]
        .map(str::to_owned),
    );
    let twice: Vec<_> = all.iter().map(|target| percent(target, Hex::Upper)).collect();
    all.extend(twice);
    all
}

#[tokio::test]
async fn f_30_no_return_target_leads_elsewhere_in_any_spelling() {
    let app = TestApp::start_with(&[("SIGNOFF_RETURN_ORIGINS", "[\"https://app.example\"]")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let here = |way: &str, target: &str, location: &str| {
        let base = url::Url::parse(&app.base_url).unwrap();
        let to = base.join(location).unwrap();
        let allowed =
            to.origin() == base.origin() || to.origin().ascii_serialization() == "https://app.example";
        assert!(allowed, "{way}: {target:?} led to {location:?}");
        assert!(location.is_ascii() && !location.contains(['\r', '\n', '\t', '\\']), "{way}: {location:?}");
    };
    for (number, target) in elsewhere().iter().enumerate() {
        let name = Name::email(&format!("p{number}@example.org"));
        let encoded = percent(target, Hex::Upper);
        // On the way in.
        let browser = app.browser();
        let begun =
            idp.sp.read_front(&browser.get(&format!("/saml/login?idp=idp-a&return_to={encoded}")).await);
        let response = idp.response(Some(begun.id()), &name, INDEX).signed(idp.key);
        let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
        assert_eq!(reply.status, 303, "{target:?}");
        here("/saml/login", target, reply.location());
        // On the way out, in the link and in the form.
        for local in [true, false] {
            let page = browser.get(&format!("/logout?return_to={encoded}")).await;
            let form = forms(&page.body).into_iter().find(|form| form.field("csrf").is_some()).unwrap();
            let scope = [("scope", "local")];
            let fields = form.with(if local { &scope } else { &[] });
            assert_eq!(
                form.field("return_to"),
                Some(target.as_str()).filter(|_| !target.contains('\u{0}')).or(form.field("return_to"))
            );
            let mut reply = browser.submit(path_of(&form.action), &fields).await;
            if !local {
                let asked = idp.sp.read_front(&reply);
                reply = browser.bring_answer(&idp, &idp.logout_response(&asked, &["Success"]), None).await;
            }
            assert!(matches!(reply.status, 302 | 303), "{target:?}: {}", reply.body);
            here("/logout", target, reply.location());
            browser.arrive(&idp, &Name::email(&format!("q{number}{local}@example.org")), INDEX).await;
        }
        // With an unsolicited Response.
        let stranger = app.browser();
        let unasked = idp.response(None, &name, "other").signed(idp.key);
        let reply = stranger.bring(&unasked, Some(target)).await;
        assert_eq!(reply.status, 303, "{target:?}: {}", reply.body);
        here("RelayState", target, reply.location());
    }
    app.done().await;
}

/// F-41, OIDC-02: whatever a logout token claims, nobody who cannot prove it ends a session.
#[tokio::test]
async fn f_41_no_logout_token_is_taken_unless_it_is_proved() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as JOSE;
    let scene = Scene::new().await;
    let claims = r#"{"iss":"https://tenant.example/","sub":"alice@example.org","aud":"client","iat":1795435200,"exp":1795435320,"jti":"1","events":{"http://schemas.openid.net/event/backchannel-logout":{}}}"#;
    for header in
        [r#"{"alg":"none"}"#, r#"{"alg":"HS256","typ":"logout+jwt"}"#, r#"{"alg":"RS256","kid":"x"}"#]
    {
        let token = format!("{}.{}.", JOSE.encode(header), JOSE.encode(claims));
        for token in [token.clone(), format!("{token}AAAA"), String::new()] {
            let body = form(&[("logout_token", &token)]);
            let reply = post_body(&scene.app.authority, "/auth0/backchannel-logout", &body).await;
            assert!(matches!(reply.status, 400 | 404), "{}: {}", reply.status, reply.body);
            assert!(scene.alice.is_signed_in().await);
        }
    }
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

/// VAL-20: without a signature nobody learns who exists, by whatever binding: the same answer to the
/// last octet, but for what is new in every answer.
#[tokio::test]
async fn val_20_a_denial_is_the_same_for_people_who_exist_and_who_do_not() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        let mut seen = Vec::new();
        for who in ["alice@example.org", "nobody@example.org"] {
            for strange in [false, true] {
                let mut request = scene.request(via);
                request.id = Some("_the-same-id-in-every-request".to_owned());
                request.identifier = Name::email(who).xml();
                let raw = match (via, strange) {
                    (Via::Redirect, false) => {
                        let query = scene.idp.redirect("SAMLRequest", &request.xml(), None);
                        query.split('&').next().unwrap().to_owned()
                    }
                    (Via::Redirect, true) => {
                        scene.idp.query("SAMLRequest").signed(&request.xml(), &RSA_ATTACKER)
                    }
                    (_, false) => request.xml(),
                    (_, true) => request.signed(&RSA_ATTACKER),
                };
                let answer = scene.raw(via, &raw).await;
                let message = answer.saml();
                let mut headers: Vec<_> = answer.reply.headers.clone();
                headers.retain(|(name, _)| !matches!(name.as_str(), "location" | "content-length" | "date"));
                let own = message.id().to_owned();
                let text = message.message.canonical_without(&|element| element.local == "Signature");
                seen.push((answer.reply.status, headers, text.replace(&own, "ID")));
            }
        }
        assert!(seen.windows(2).all(|two| two[0] == two[1]), "{via:?}: {seen:#?}");
        assert!(scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

#[test]
fn sso_06_plain_http_is_for_loopback_only() {
    use signoff::config::{Flags, Machine, Settings};
    let directory = tempfile::tempdir().unwrap();
    for (base, taken) in [
        ("http://sp.example", false),
        ("http://127.0.0.1.sp.example", false),
        ("http://192.168.0.1:8080", false),
        ("https://sp.example", true),
        ("http://127.0.0.1:8080", true),
    ] {
        let mut machine = Machine::bare(directory.path());
        machine.variables.push(("SIGNOFF_BASE_URL".to_owned(), base.to_owned()));
        assert_eq!(Settings::load(&Flags::default(), &machine).is_ok(), taken, "{base}");
    }
}
