//! SSO-25, F-30: where a browser goes when a logout is over.

use serde_json::json;
use signoff::app::applications::{self, NewApplication};
use signoff::logout::hearing::Form;

use crate::api::session_id;
use crate::notify::new;
use crate::support::api::problem;
use crate::support::app::TestApp;
use crate::support::browser::{Browser, form_body, forms, path_of, tags};
use crate::support::dsig::EC_256;
use crate::support::http::HttpReply;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::process::Site;
use crate::support::story::INDEX;

type Twins = &'static [(&'static str, &'static [(&'static str, &'static str)])];
const TWINS: Twins = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/return_urls.rs"));

const SERVICE: &str = "https://service.example/out";
const ORIGIN: &str = "https://origin.example";
const SHOP: &str = "https://shop.example/bye";
const STATE: &str = "post_logout_redirect_uri";

/// A service with a list of its own, an identity provider, and two applications with theirs.
struct House {
    app: TestApp,
    idp: Idp,
}

impl House {
    async fn new() -> Self {
        let variables = [("SIGNOFF_LOGOUT_URLS", SERVICE), ("SIGNOFF_RETURN_ORIGINS", ORIGIN)];
        let app = TestApp::start_with(&variables).await;
        let idp = app.idp("idp-a", &EC_256).await;
        let house = Self { app, idp };
        house.register("shop", &["https://*.shop.example/bye", SHOP, "https://shop.example/second"]).await;
        house.register("wiki", &["https://wiki.example/left"]).await;
        house
    }

    /// An application at the origin `https://SLUG-home.example`.
    async fn register(&self, slug: &str, logout_urls: &[&str]) {
        let new = NewApplication {
            url: None,
            origins: vec![format!("https://{slug}-home.example")],
            logout_urls: logout_urls.iter().map(|&url| url.to_owned()).collect(),
            ..new(slug, Form::Pull, "")
        };
        applications::create(&self.app.app, &new).await.unwrap();
    }

    /// Somebody who is signed in.
    async fn alice(&self) -> Browser {
        let alice = self.app.browser();
        alice.arrive(&self.idp, &Name::email("alice@example.org"), INDEX).await;
        alice
    }

    /// Where somebody goes who signs out here only, having asked with these parameters.
    async fn leads_to(&self, parameters: &[(&str, &str)]) -> String {
        let alice = self.alice().await;
        let reply = confirm(&alice, parameters, &[("scope", "local")]).await;
        assert_eq!(reply.status, 303, "{parameters:?}: {}", reply.body);
        assert!(!alice.is_signed_in().await, "the logout itself happens: {parameters:?}");
        reply.location().to_owned()
    }

    async fn assert_stays(&self, parameters: &[(&str, &str)]) {
        let location = self.leads_to(parameters).await;
        assert!(location.starts_with("/logout/"), "{parameters:?} led to {location:?}");
    }

    async fn done(self) {
        self.app.done().await;
    }
}

/// Asks to sign out with these parameters and confirms.
async fn confirm(browser: &Browser, parameters: &[(&str, &str)], more: &[(&str, &str)]) -> HttpReply {
    let page = browser.get(&format!("/logout?{}", form_body(parameters))).await;
    assert_eq!(page.status, 200, "{parameters:?}: {}", page.body);
    let form = forms(&page.body).into_iter().find(|form| form.field("csrf").is_some()).unwrap();
    browser.submit(path_of(&form.action), &form.with(more)).await
}

#[tokio::test]
async fn f_30_no_spelling_of_another_place_and_every_twin_of_a_listed_one() {
    let house = House::new().await;
    for (number, (known, pairs)) in TWINS.iter().enumerate() {
        let slug = format!("a{number}");
        house.register(&slug, &[known]).await;
        let mut seen = "";
        for (good, bad) in *pairs {
            if *good != seen {
                let to = house.leads_to(&[("client_id", &slug), ("return_to", good)]).await;
                // As the standard for browsers writes it.
                assert_eq!(to, url::Url::parse(good).unwrap().as_str(), "{known}: {good:?}");
                seen = good;
            }
            house.assert_stays(&[("client_id", &slug), ("return_to", bad)]).await;
        }
    }
    house.done().await;
}

#[tokio::test]
async fn f_30_nor_of_one_that_the_service_lists() {
    let (known, pairs) = TWINS[0];
    let app = TestApp::start_with(&[("SIGNOFF_LOGOUT_URLS", known)]).await;
    let idp = app.idp("idp-a", &EC_256).await;
    let house = House { app, idp };
    assert_eq!(house.leads_to(&[("return_to", known)]).await, known);
    for (_, bad) in pairs {
        let location = house.leads_to(&[("return_to", bad)]).await;
        // A path of ours is a path of ours.
        let here = location.starts_with("/logout/") || *bad == "/out" && location == "/out";
        assert!(here, "{bad:?} led to {location:?}");
    }
    house.done().await;
}

#[tokio::test]
async fn sso_25_client_id_chooses_the_list_and_then_no_other_counts() {
    let house = House::new().await;
    for (client_id, good) in [
        ("shop", "https://shop.example/bye?x=1#y"),
        ("shop", "https://berlin.shop.example/bye"),
        ("shop", "https://shop.example/second"),
        ("wiki", "https://wiki.example/left"),
    ] {
        assert_eq!(house.leads_to(&[("client_id", client_id), ("return_to", good)]).await, good);
    }
    for (client_id, bad) in [
        ("shop", "https://wiki.example/left"),
        ("wiki", SHOP),
        ("shop", SERVICE),
        ("shop", "https://origin.example/"),
        ("shop", "https://shop-home.example/"),
        ("shop", "https://shop.example/"),
        ("shop", "/orders"),
        ("nobody", SHOP),
        ("nobody", SERVICE),
        ("nobody", "/orders"),
        ("", SERVICE),
        ("SHOP", SHOP),
        ("shop ", SHOP),
        ("shop\n", SHOP),
        ("' or '1'='1", SHOP),
    ] {
        house.assert_stays(&[("client_id", client_id), ("return_to", bad)]).await;
    }
    house.done().await;
}

#[tokio::test]
async fn sso_25_without_client_id_it_is_the_list_of_the_service() {
    let house = House::new().await;
    for good in [
        "https://service.example/out?x=1#y",
        "https://origin.example/anywhere",
        "https://shop-home.example/anywhere",
        "/orders?x=1",
    ] {
        assert_eq!(house.leads_to(&[("return_to", good)]).await, good);
    }
    for bad in [SHOP, "https://wiki.example/left", "https://service.example/", "https://evil.example/"] {
        house.assert_stays(&[("return_to", bad)]).await;
    }
    house.assert_stays(&[]).await;
    house.assert_stays(&[("return_to", "")]).await;
    house.done().await;
}

#[tokio::test]
async fn the_first_address_of_the_list_is_where_it_goes_if_none_is_named() {
    let house = House::new().await;
    // The first has a star and is no address.
    assert_eq!(house.leads_to(&[("client_id", "shop")]).await, SHOP);
    assert_eq!(house.leads_to(&[("client_id", "shop"), ("return_to", "")]).await, SHOP);
    assert_eq!(house.leads_to(&[("client_id", "wiki")]).await, "https://wiki.example/left");
    house.register("native", &["com.example.app:/out?from=us", SHOP]).await;
    assert_eq!(house.leads_to(&[("client_id", "native")]).await, "com.example.app:/out?from=us");
    house.register("none", &[]).await;
    house.register("starred", &["https://*.shop.example/bye"]).await;
    for client_id in ["none", "starred", "nobody", ""] {
        house.assert_stays(&[("client_id", client_id)]).await;
    }
    house.done().await;
}

#[tokio::test]
async fn the_address_has_three_names_and_two_addresses_are_none() {
    let house = House::new().await;
    let shop = ("client_id", "shop");
    for name in ["return_to", "returnTo", STATE] {
        assert_eq!(house.leads_to(&[shop, (name, SHOP)]).await, SHOP, "{name}");
        house.assert_stays(&[shop, (name, "https://evil.example/")]).await;
    }
    assert_eq!(house.leads_to(&[shop, ("return_to", SHOP), ("returnTo", SHOP)]).await, SHOP);
    // Both are listed; which is meant nobody can tell.
    let other = "https://shop.example/second";
    house.assert_stays(&[shop, ("return_to", SHOP), ("returnTo", other)]).await;
    house.assert_stays(&[shop, ("returnTo", SHOP), (STATE, other)]).await;
    house.assert_stays(&[("return_to", SERVICE), ("returnTo", "https://evil.example/")]).await;
    // One name twice is refused before anything ends, as everywhere.
    let alice = house.alice().await;
    for twice in ["return_to=%2Fa&return_to=%2Fa", "client_id=shop&client_id=shop", "state=a&state=a"] {
        assert_eq!(alice.get(&format!("/logout?{twice}")).await.status, 400, "{twice}");
    }
    assert!(alice.is_signed_in().await);
    house.done().await;
}

#[tokio::test]
async fn state_comes_back_with_the_parameter_it_belongs_to() {
    let house = House::new().await;
    let shop = ("client_id", "shop");
    let state = ("state", "a&b=c\r\n//evil.example#");
    let back = "state=a%26b%3Dc%0D%0A%2F%2Fevil.example%23";
    assert_eq!(house.leads_to(&[shop, (STATE, SHOP), state]).await, format!("{SHOP}?{back}"));
    let with_query = format!("{SHOP}?x=1#y");
    assert_eq!(house.leads_to(&[shop, (STATE, &with_query), state]).await, format!("{SHOP}?x=1&{back}#y"));
    assert_eq!(house.leads_to(&[(STATE, "/orders"), state]).await, format!("/orders?{back}"));
    assert_eq!(house.leads_to(&[shop, ("returnTo", SHOP), state]).await, SHOP);
    assert_eq!(house.leads_to(&[shop, state]).await, SHOP);
    let long = "s".repeat(2048);
    house.assert_stays(&[shop, (STATE, SHOP), ("state", &long)]).await;
    house.done().await;
}

#[tokio::test]
async fn it_is_where_the_browser_goes_at_the_end_of_the_whole_way() {
    let house = House::new().await;
    for (parameters, to) in [
        (
            &[("client_id", "shop"), ("return_to", "https://a.shop.example/bye?x")][..],
            "https://a.shop.example/bye?x",
        ),
        (&[("client_id", "shop")], SHOP),
        (&[("returnTo", SERVICE)], SERVICE),
    ] {
        for status in [&["Success"][..], &["Responder"]] {
            let alice = house.alice().await;
            let asked = house.idp.sp.read_front(&confirm(&alice, parameters, &[]).await);
            let answer = house.idp.logout_response(&asked, status);
            let reply = alice.bring_answer(&house.idp, &answer, asked.relay_state.as_deref()).await;
            if status == ["Success"] {
                assert_eq!(reply.location(), to);
                continue;
            }
            // What is not known to be over is said first, and then there is a way on.
            assert!(reply.location().starts_with("/logout/"), "{}", reply.location());
            let page = alice.follow(reply).await;
            assert!(links(&page).contains(&to.to_owned()), "{}", page.body);
        }
    }
    house.done().await;
}

/// Every link of a page.
fn links(page: &HttpReply) -> Vec<String> {
    let all = tags(&page.body).into_iter().filter(|(name, _)| name == "a");
    let href = |attributes: Vec<(String, String)>| attributes.into_iter().find(|(key, _)| key == "href");
    all.filter_map(|(_, attributes)| href(attributes)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn nobody_is_stranded_who_was_not_signed_in_and_nobody_is_sent() {
    let house = House::new().await;
    let nobody = house.app.browser();
    for (parameters, to) in [
        (&[("client_id", "shop")][..], SHOP),
        (
            &[("client_id", "wiki"), ("returnTo", "https://wiki.example/left?x=1")],
            "https://wiki.example/left?x=1",
        ),
        (&[("return_to", SERVICE)], SERVICE),
        (&[("return_to", "https://shop-home.example/")], "https://shop-home.example/"),
    ] {
        let page = nobody.get(&format!("/logout?{}", form_body(parameters))).await;
        assert_eq!(page.status, 200);
        assert!(links(&page).contains(&to.to_owned()), "{}", page.body);
    }
    for parameters in [
        &[][..],
        &[("client_id", "nobody")],
        &[("client_id", "shop"), ("return_to", "https://evil.example/")],
        &[("client_id", "shop"), ("return_to", SERVICE)],
        &[("return_to", SHOP)],
        &[("return_to", "javascript:alert(1)")],
        &[("return_to", "/orders")],
        &[("return_to", SERVICE), ("returnTo", "https://evil.example/")],
    ] {
        let page = nobody.get(&format!("/logout?{}", form_body(parameters))).await;
        assert_eq!(page.status, 200);
        assert_eq!(links(&page), links(&nobody.get("/logout").await), "{parameters:?}");
    }
    house.done().await;
}

#[tokio::test]
async fn with_an_applications_token_it_is_its_own_list() {
    let house = House::new().await;
    let shop = house.app.api_token("application", Some("shop")).await;
    let wiki = house.app.api_token("application", Some("wiki")).await;
    let operator = house.app.api("operator").await;
    let alice = house.alice().await;
    let id = session_id(&alice).await;
    for api in [&shop, &wiki] {
        api.register(&id).await;
    }
    let start = |target: &str| json!({ "session": id, "return_to": target });
    for (api, bad) in [
        (&shop, "https://wiki.example/left"),
        (&shop, "https://wiki-home.example/"),
        (&shop, SERVICE),
        (&shop, "https://shop.example/BYE"),
        (&wiki, SHOP),
        (&operator, "https://evil.example/"),
    ] {
        let reply = api.post("/api/v1/logouts", start(bad)).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!("return_to")), "{bad}");
    }
    assert!(alice.is_signed_in().await, "nothing ends by a refused request");
    let ways = [
        (&shop, "https://a.shop.example/bye?x=1"),
        (&shop, "https://shop-home.example/anywhere"),
        (&shop, "https://origin.example/"),
        (&shop, "/orders"),
        (&wiki, "https://wiki.example/left#x"),
        (&operator, SHOP),
        (&operator, SERVICE),
    ];
    for (api, good) in ways {
        let alice = house.alice().await;
        let id = session_id(&alice).await;
        for api in [&shop, &wiki] {
            api.register(&id).await;
        }
        let started = api.post("/api/v1/logouts", json!({ "session": id, "return_to": good })).await;
        assert_eq!(started.status, 201, "{good}: {}", started.body);
        let url = started.json()["continue_url"].as_str().unwrap().to_owned();
        let elsewhere = house.app.browser();
        let asked = house.idp.sp.read_front(&elsewhere.get_from_elsewhere(path_of(&url)).await);
        let answer = house.idp.logout_response(&asked, &["Success"]);
        let reply = elsewhere.bring_answer(&house.idp, &answer, asked.relay_state.as_deref()).await;
        assert_eq!(reply.location(), good);
    }
    house.done().await;
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_with_field_and_reason() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    let path = "/api/v1/applications";
    for (url, reason) in [
        ("https://*.com/", "at least two labels"),
        ("https://a*.b.example/", "whole first label"),
        ("https://a.example/*", "whole first label"),
        ("https://a.example:*/", "whole first label"),
        ("*", "whole first label"),
        ("http://a.example/", "expected https"),
        ("javascript:alert(1)", "expected https"),
        ("myapp://out", "a dot in it"),
        ("a.example/out", "with its scheme"),
        ("https://u@a.example/", "user name"),
        ("https://a.example/#x", "fragment"),
        ("https://b\u{fc}cher.example/", "xn--"),
        ("https://a%2eexample/", "as browsers write them"),
    ] {
        let body = json!({ "id": "shop", "form": "pull", "logout_urls": [SHOP, url] });
        let reply = admin.post(path, body).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!("logout_urls")), "{url}");
        assert!(reply.body.contains(reason), "{url}: {}", reply.body);
    }
    let good = [SHOP, "https://*.shop.example/bye", "com.example.app:/out", "http://127.0.0.1:3000/out"];
    let body = json!({ "id": "shop", "form": "pull", "logout_urls": good });
    assert_eq!(admin.post(path, body).await.status, 201);
    let change = json!({ "logout_urls": ["https://*.com/"] });
    assert_eq!(problem(&admin.patch(&format!("{path}/shop"), change).await).0, 422);
    let shown = admin.get(&format!("{path}/shop")).await.json();
    assert_eq!(shown["logout_urls"], json!(good), "nothing was changed, and nothing is written otherwise");
    app.done().await;
}

#[tokio::test]
async fn the_command_registers_and_the_log_says_why_a_browser_stays() {
    let mut site = Site::new().await;
    site.set("SIGNOFF_LOGOUT_URLS", SERVICE);
    let create = |url: &'static str| {
        ["application", "create", "shop", "--form", "pull", "--logout-url", SHOP, "--logout-url", url]
    };
    let line = site.run(&create("https://*.com/")).one_line(1);
    assert!(line.contains("https://*.com/") && line.contains("at least two labels"), "{line}");
    site.run(&create("https://*.shop.example/bye")).good();
    let shown = site.run(&["application", "show", "shop"]).good();
    assert!(shown.contains(SHOP) && shown.contains("https://*.shop.example/bye"), "{shown}");
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &EC_256).await;
    let local = [("scope", "local")];
    for (index, parameters, why) in [
        (
            "1",
            &[("client_id", "shop"), ("return_to", "https://evil.example/secret")][..],
            "list of the application",
        ),
        ("2", &[("client_id", "strange\nname"), ("return_to", SHOP)], "no application has this client_id"),
        ("3", &[("return_to", SHOP)], "neither in logout_urls"),
        ("4", &[("return_to", SERVICE), ("returnTo", SHOP)], "different addresses"),
    ] {
        let alice = service.browser();
        alice.sign_in(&idp, &Name::email("alice@example.org"), index).await;
        let reply = confirm(&alice, parameters, &local).await;
        assert!(reply.location().starts_with("/logout/"), "{}", reply.location());
        assert!(service.log().contains(why), "{why}: {}", service.log());
    }
    let log = service.log();
    assert!(
        log.contains("https://evil.example") && !log.contains("secret") && !log.contains("strange"),
        "{log}"
    );
    let alice = service.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), "5").await;
    assert_eq!(confirm(&alice, &[("client_id", "shop")], &local).await.location(), SHOP);
    drop(service);
    site.database().drop().await;
}
