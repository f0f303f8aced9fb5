//! Whoever says "over", and whichever layers there are: all that can be ended is ended, each layer is
//! asked once whatever echoes, and the person always has a way on (SLO-14, OIDC-11).

use std::cell::Cell;

use chrono::TimeDelta;
use serde_json::json;

use crate::support::api::Api;
use crate::support::app::TestApp;
use crate::support::browser::{Browser, path_of};
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::http::HttpReply;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::oidc::{self, At, Op, at};
use crate::support::story::{Via, send_request};

/// Who says "over".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Person,
    Idp(Via),
    Provider,
    Application,
    Operator,
}

/// How the identity provider can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saml {
    None,
    Browser,
    Soap,
}

/// How the OpenID provider can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenId {
    None,
    Browser,
    ManagementApi,
}

struct Scene {
    app: TestApp,
    idp: Option<Idp>,
    op: Option<Op>,
    alice: Browser,
    shop: Api,
    session: String,
    /// LogoutRequests that her browser carried.
    requests: Cell<usize>,
    /// How often it was at the OpenID provider to sign out.
    visits: Cell<usize>,
}

fn name() -> Name {
    Name::email("alice@example.org")
}

fn there() -> At {
    at("auth0|alice", "s-1")
}

impl Scene {
    async fn new(saml: Saml, openid: OpenId) -> Self {
        let op = match openid {
            OpenId::None => None,
            OpenId::ManagementApi => Some(Op::start_auth0("auth0", &RSA_A).await),
            OpenId::Browser => {
                let op = Op::start("other", &RSA_A).await;
                op.describe("end_session_endpoint", json!(format!("{}end", op.issuer)));
                Some(op)
            }
        };
        let app = oidc::start(&op.iter().collect::<Vec<_>>()).await;
        let idp = match saml {
            Saml::None => None,
            Saml::Browser => Some(app.idp("idp-a", &RSA_B).await),
            Saml::Soap => Some(app.idp_with_soap("idp-a", &RSA_B).await),
        };
        let alice = app.browser();
        if let Some(idp) = &idp {
            alice.sign_in(idp, &name(), "i-1").await;
        }
        if let Some(op) = &op {
            op.sign_in(&alice, &there()).await;
        }
        let session = alice.session().await["session_id"].as_str().unwrap().to_owned();
        let shop = app.api_of("shop").await;
        shop.register(&session).await;
        Self { app, idp, op, alice, shop, session, requests: Cell::new(0), visits: Cell::new(0) }
    }

    async fn says_over(&self, who: Who) {
        let over = json!({"session": self.session});
        let reply = match who {
            Who::Person => self.alice.sign_out().await,
            Who::Idp(via) => {
                let idp = self.idp.as_ref().unwrap();
                let mut request = idp.logout_request(&name(), &["i-1"]);
                if via == Via::Soap {
                    request.destination = Some(self.app.sp.soap.clone());
                }
                send_request(&self.app.authority, idp, via, &request, None).await;
                return;
            }
            Who::Provider => {
                assert_eq!(self.echo().await, 200);
                return;
            }
            Who::Application => {
                let started = self.shop.post("/api/v1/logouts", over).await;
                let url = started.json()["continue_url"].as_str().unwrap().to_owned();
                self.alice.get(path_of(&url)).await
            }
            Who::Operator => {
                let operator = self.app.api("operator").await;
                assert_eq!(operator.delete(&format!("/api/v1/sessions/{}", self.session)).await.status, 200);
                return;
            }
        };
        assert!(!self.alice.is_signed_in().await, "SLO-35: dead before anybody is asked");
        self.lead(reply).await;
    }

    /// The provider's logout token: its own word, or the echo of ours.
    async fn echo(&self) -> u16 {
        match &self.op {
            Some(op) => op.says_over(&self.app.authority, &there()).await.status,
            None => 200,
        }
    }

    /// Does what a browser does, wherever it is sent, until it stands on a page.
    async fn lead(&self, mut reply: HttpReply) {
        for _ in 0..8 {
            let target = reply.header("location").map(ToOwned::to_owned);
            let at_provider = self.op.as_ref().zip(target.as_ref());
            if let Some((op, target)) = at_provider.filter(|(op, target)| target.starts_with(&op.issuer)) {
                self.visits.set(self.visits.get() + 1);
                reply = self.alice.get_from_elsewhere(&op.ends_session(target)).await;
            } else if let Some(idp) = &self.idp
                && let Some(request) = idp.sp.try_front(&reply)
            {
                assert_eq!(request.message.local, "LogoutRequest");
                self.requests.set(self.requests.get() + 1);
                let answer = idp.logout_response(&request, &["Success"]);
                reply = self.alice.bring_answer(idp, &answer, request.relay_state.as_deref()).await;
            } else if let Some(target) = target {
                reply = self.alice.get(path_of(&target)).await;
            } else {
                assert_eq!(reply.status, 200, "{}", reply.body);
                assert!(
                    reply.body.contains("<a ") || reply.body.contains("<form"),
                    "no way on: {}",
                    reply.body
                );
                return;
            }
        }
        panic!("the browser is led around without end");
    }

    async fn states(&self) -> Vec<String> {
        sqlx::query_scalar("select state from logout_leg order by id")
            .fetch_all(&self.app.pool)
            .await
            .unwrap()
    }
}

async fn story(who: Who, saml: Saml, openid: OpenId) {
    let what = format!("{who:?} says over, with {saml:?} and {openid:?}");
    let scene = Scene::new(saml, openid).await;
    scene.says_over(who).await;
    assert!(!scene.alice.is_signed_in().await, "{what}");
    // Whatever could not be asked yet is when time passes and she comes by; and everything echoes.
    for _ in 0..2 {
        scene.app.work().await;
        scene.lead(scene.alice.get("/logout").await).await;
        for _ in 0..2 {
            assert_eq!(scene.echo().await, 200, "{what}");
        }
        scene.app.advance(TimeDelta::minutes(1));
    }
    scene.app.work().await;
    let states = scene.states().await;
    let expected =
        usize::from(saml != Saml::None && !matches!(who, Who::Idp(_))) + usize::from(openid != OpenId::None);
    assert_eq!(states, vec!["confirmed"; expected], "{what}");
    let by_soap = scene.idp.as_ref().and_then(|idp| idp.soap.as_ref()).map_or(0, |soap| soap.calls().len());
    let asked = usize::from(saml != Saml::None && !matches!(who, Who::Idp(_)));
    assert_eq!(scene.requests.get() + by_soap, asked, "{what}: one LogoutRequest");
    let revocations = scene.op.as_ref().map_or(0, Op::revocations);
    let asked = usize::from(openid != OpenId::None && who != Who::Provider);
    let (visits, expected) = match openid {
        OpenId::ManagementApi => (scene.visits.get(), (asked, 0)),
        OpenId::Browser | OpenId::None => (scene.visits.get(), (0, asked)),
    };
    assert_eq!((revocations, visits), expected, "{what}: once, and one way");
    assert_eq!(
        scene.app.count("select count(*) from notification").await,
        1,
        "{what}: the shop is told once"
    );
    assert_eq!(scene.app.count("select count(*) from logout").await, 1, "{what}: one affair");
    scene.app.done().await;
}

async fn stories(who: Who) {
    for saml in [Saml::None, Saml::Browser, Saml::Soap] {
        for openid in [OpenId::None, OpenId::Browser, OpenId::ManagementApi] {
            let possible = match who {
                Who::Idp(_) => saml != Saml::None,
                Who::Provider => openid != OpenId::None,
                Who::Person | Who::Application | Who::Operator => {
                    saml != Saml::None || openid != OpenId::None
                }
            };
            if possible {
                story(who, saml, openid).await;
            }
        }
    }
}

#[tokio::test]
async fn the_person() {
    stories(Who::Person).await;
}

#[tokio::test]
async fn the_identity_provider_by_each_binding() {
    for via in Via::ALL {
        stories(Who::Idp(via)).await;
    }
}

#[tokio::test]
async fn the_openid_provider() {
    stories(Who::Provider).await;
}

#[tokio::test]
async fn an_application() {
    stories(Who::Application).await;
}

#[tokio::test]
async fn an_operator() {
    stories(Who::Operator).await;
}
