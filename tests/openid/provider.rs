//! The demonstration with the real provider beside it: Signoff, a SAML identity provider and two
//! applications, one told by logout token and one by webhook.

use serde_json::Value;
use signoff::demo::browser::Page;

use crate::demonstration::Demonstration;

/// Alice at an application that takes part.
pub struct Scene(pub Demonstration);

impl Scene {
    pub fn start() -> Self {
        let demo = Demonstration::start();
        assert!(demo.openid.starts_with("http://"), "the OpenID provider is {}", demo.openid);
        Self(demo)
    }

    fn login(&self) -> String {
        format!("{}/auth0/login", self.0.signoff)
    }

    async fn session(&self) -> Option<Value> {
        let page = self.0.open(&format!("{}/session", self.0.signoff)).await;
        (page.status == 200).then(|| serde_json::from_str(&page.body).unwrap())
    }

    /// Through the provider's sign-in form.
    pub async fn sign_in_there(&self) {
        let form = self.0.open(&self.login()).await;
        assert!(form.url.as_str().starts_with(&self.0.openid), "{} {}", form.url, form.body);
        let page = self.0.browser().submit(&form, "person", Some("alice")).await.unwrap();
        assert_eq!(page.status, 200, "{} {}", page.url, page.body);
        assert!(page.way.iter().any(|url| url.path() == "/auth0/callback"), "{:?}", page.way);
    }

    async fn sign_in_at_both(&self) {
        self.0.sign_in().await;
        self.sign_in_there().await;
        assert_eq!(self.authorities().await.len(), 2);
    }

    async fn authorities(&self) -> Vec<Value> {
        self.session().await.unwrap().pointer("/authentications").unwrap().as_array().unwrap().clone()
    }

    async fn is_known_there(&self) -> bool {
        let page = self.0.open(&self.0.openid).await;
        assert_eq!(page.status, 200, "{}", page.body);
        !page.body.contains("Nobody is signed in")
    }

    /// Begins a sign-out at Signoff; the provider's question.
    async fn begin_sign_out(&self) -> Page {
        let question = self.0.open(&format!("{}/logout", self.0.signoff)).await;
        let asked = self.0.browser().submit(&question, "scope", Some("everywhere")).await.unwrap();
        assert!(asked.url.as_str().starts_with(&self.0.openid), "{} {}", asked.url, asked.body);
        asked
    }

    /// Signs out at the provider.
    pub async fn leave(&self) {
        let question = self.0.open(&format!("{}/session/end", self.0.openid)).await;
        let page = self.0.browser().submit(&question, "logout", Some("yes")).await.unwrap();
        assert!(page.body.contains("You are signed out here"), "{}", page.body);
    }

    /// Every logout that Signoff knows of.
    fn logouts(&self) -> Vec<Value> {
        serde_json::from_str(&self.0.signoff(&["logout", "list", "--json"])).unwrap()
    }
}

#[tokio::test]
async fn a_person_signs_in_and_one_session_rests_on_both_authorities() {
    let scene = Scene::start();
    // Nobody is signed in by a sign-in that was declined.
    let form = scene.0.open(&scene.login()).await;
    let declined = scene.0.browser().post_fields(form.url.as_str(), &[("person", "")]).await.unwrap();
    assert_eq!(declined.status, 400, "{}", declined.body);
    assert!(declined.body.contains("You are not signed in"), "{}", declined.body);
    assert_eq!(scene.session().await, None);

    scene.sign_in_there().await;
    let alone = scene.session().await.unwrap();
    assert_eq!(alone.pointer("/authentications/0/issuer").unwrap(), &scene.0.openid);
    assert_eq!(alone.pointer("/authentications/0/sub").unwrap(), "alice");
    scene.0.sign_in().await;
    assert_eq!(scene.session().await.unwrap().get("session_id"), alone.get("session_id"));
    assert_eq!(scene.authorities().await.len(), 2);
}

#[tokio::test]
async fn oidc_11_a_person_signs_out_and_the_logout_token_that_comes_back_is_an_echo() {
    let scene = Scene::start();
    scene.sign_in_at_both().await;
    let asked = scene.begin_sign_out().await;
    assert_eq!(scene.session().await, None, "SLO-35: dead before anybody is asked");
    assert!(scene.is_known_there().await, "it asks first");
    let page = scene.0.browser().submit(&asked, "logout", Some("yes")).await.unwrap();
    let back = page.way.iter().position(|url| url.path() == "/auth0/logged-out").unwrap();
    let idp = page.way.iter().position(|url| url.as_str().starts_with(&scene.0.idp)).unwrap();
    assert!(back < idp, "the OpenID provider first, then the identity provider: {:?}", page.way);
    // The provider told us by its logout token, which nothing but its own word can be.
    scene.0.opens_until(page.url.as_str(), "<h1>You are signed out</h1>").await;
    assert!(!scene.is_known_there().await);
    assert!(scene.0.open(&scene.0.idp).await.body.contains("Nobody is signed in"));
    let logouts = scene.logouts();
    assert_eq!(logouts.len(), 1, "the echo started nothing: {logouts:?}");
    // She is asked who she is when she comes again.
    scene.sign_in_there().await;
}

#[tokio::test]
async fn slo_52_who_walks_away_from_the_question_is_asked_again_at_the_next_visit() {
    let scene = Scene::start();
    scene.sign_in_at_both().await;
    // She walks away from the question.
    scene.begin_sign_out().await;
    assert_eq!(scene.session().await, None);
    assert!(scene.is_known_there().await);
    let logouts = scene.logouts();
    let id = logouts.first().unwrap().get("id").unwrap().to_string();
    let detail = scene.0.signoff(&["logout", "show", &id]);
    assert!(detail.contains("asked") && !detail.contains("confirmed"), "{detail}");
    // When she comes by again, she is asked again, once.
    let asked = scene.0.open(&format!("{}/logout", scene.0.signoff)).await;
    assert!(asked.url.as_str().starts_with(&scene.0.openid), "{} {}", asked.url, asked.body);
    scene.0.browser().submit(&asked, "logout", Some("yes")).await.unwrap();
    assert!(!scene.is_known_there().await);
}

#[tokio::test]
async fn obc_the_person_signs_out_at_the_provider_and_all_is_over_here() {
    let scene = Scene::start();
    scene.sign_in_at_both().await;
    let [one, two] = applications(&scene).await;
    scene.0.opens_until(&one, "Signed in as demo|alice").await;
    scene.0.opens_until(&two, "Signed in as demo|alice").await;
    let question = scene.0.open(&format!("{}/session/end", scene.0.openid)).await;
    assert!(scene.session().await.is_some(), "a question ends nothing");
    scene.0.browser().submit(&question, "logout", Some("yes")).await.unwrap();
    assert_eq!(scene.session().await, None);
    scene.0.opens_until(&one, "Told by logout token so far: 1 ended").await;
    scene.0.opens_until(&two, "Told by webhook so far: 1 ended").await;
    scene.0.opens_until(&scene.0.idp, "Nobody is signed in").await;
    let logouts = scene.logouts();
    assert_eq!(logouts.len(), 1, "{logouts:?}");
}

#[tokio::test]
async fn oidc_06_an_id_token_is_no_logout_token() {
    let scene = Scene::start();
    scene.sign_in_there().await;
    let asked = scene.begin_sign_out().await;
    let hint = asked.url.query_pairs().find(|(name, _)| name == "id_token_hint");
    let id_token = hint.unwrap().1.into_owned();
    scene.0.browser().submit(&asked, "logout", Some("yes")).await.unwrap();
    scene.sign_in_there().await;
    let there = format!("{}/auth0/backchannel-logout", scene.0.signoff);
    let answer = scene.0.browser().post_fields(&there, &[("logout_token", &id_token)]).await.unwrap();
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(scene.session().await.is_some());
}

/// The demonstration's two applications.
async fn applications(scene: &Scene) -> [String; 2] {
    let list = scene.0.signoff(&["application", "list", "--json"]);
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let origin = |id: &str| {
        let application = list.iter().find(|one| one.get("id").unwrap() == id).unwrap();
        application.pointer("/origins/0").unwrap().as_str().unwrap().to_owned()
    };
    [origin("timesheets"), origin("wiki")]
}
