//! The steps that the stories are told in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::app::TestApp;
use super::browser::{Browser, Form, forms, path_of};
use super::dsig::{Hex, Key, RSA_A, percent};
use super::http::{HttpReply, send};
use super::idp::{FromUs, Idp, Sp};
use super::messages::{LogoutRequest, LogoutResponse, Name, Response, envelope};

pub const SLO: &str = "/saml/slo";
pub const SOAP_PATH: &str = "/saml/slo/soap";
pub const ACS: &str = "/saml/acs";

/// The binding on which a message of an identity provider comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Redirect,
    Post,
    Soap,
}

impl Via {
    pub const ALL: [Self; 3] = [Self::Redirect, Self::Post, Self::Soap];
    pub const FRONT: [Self; 2] = [Self::Redirect, Self::Post];
}

/// What we answered to a message.
pub struct Answer {
    pub via: Via,
    pub reply: HttpReply,
    sp: Sp,
}

impl Answer {
    /// An answer that came over that binding.
    pub fn of(via: Via, reply: HttpReply, sp: &Sp) -> Self {
        Self { via, reply, sp: sp.clone() }
    }

    /// The SAML message in the answer, verified.
    pub fn saml(&self) -> FromUs {
        let message = match self.via {
            Via::Soap => {
                assert_eq!(self.reply.status, 200, "BIND-27: {}", self.reply.body);
                assert!(self.reply.header("content-type").unwrap().starts_with("text/xml"), "BIND-26");
                self.sp.read_envelope(&self.reply.body)
            }
            Via::Redirect | Via::Post => self.sp.read_front(&self.reply),
        };
        assert_uncached(&self.reply, self.via);
        message
    }

    /// The status codes of the LogoutResponse, as in `Responder/PartialLogout`.
    pub fn status(&self) -> String {
        let message = self.saml();
        assert_eq!(message.message.local, "LogoutResponse");
        if self.via != Via::Soap {
            assert_eq!(message.parameter, "SAMLResponse");
        }
        message.status()
    }

    /// Asserts that there is no SAML in the answer and that it has this HTTP status.
    pub fn assert_plain(&self, front: u16, soap: u16) {
        let expected = if self.via == Via::Soap { soap } else { front };
        assert_eq!(self.reply.status, expected, "{:?}: {}", self.via, self.reply.body);
        assert!(self.reply.header("location").is_none(), "no redirect anywhere");
        assert!(!self.reply.body.contains("SAMLResponse"), "no SAML: {}", self.reply.body);
        match (self.via, expected) {
            (Via::Soap, 403) => assert_eq!(self.reply.body, "", "BIND-29"),
            (Via::Soap, 500) => {
                assert!(self.reply.header("content-type").unwrap().starts_with("text/xml"));
                let root = super::xml::Element::parse(&self.reply.body).unwrap();
                assert!(root.path(&["Body", "Fault", "faultcode"]).is_some(), "BIND-28: {}", self.reply.body);
            }
            _ => assert!(self.reply.header("content-type").unwrap().starts_with("text/html")),
        }
    }
}

/// BIND-21, BIND-30.
pub fn assert_uncached(reply: &HttpReply, via: Via) {
    let cache = reply.header("cache-control").unwrap_or_default();
    assert!(cache.contains("no-cache") && cache.contains("no-store"), "BIND-21: {cache}");
    if via == Via::Soap {
        assert!(cache.contains("must-revalidate") && cache.contains("private"), "BIND-30: {cache}");
    }
    assert_eq!(reply.header("pragma"), Some("no-cache"), "BIND-21");
    assert!(reply.header("etag").is_none() && reply.header("last-modified").is_none());
}

/// A GET without any cookie, the query exactly as given.
pub async fn get_query(authority: &str, path: &str, query: &str) -> HttpReply {
    send(authority, "GET", &format!("{path}?{query}"), &[], None).await
}

/// A POST of a form without any cookie, the body exactly as given.
pub async fn post_body(authority: &str, path: &str, body: &str) -> HttpReply {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    send(authority, "POST", path, &kind, Some(body.as_bytes())).await
}

/// A message in a form, without any cookie.
pub async fn post_message(
    authority: &str,
    path: &str,
    field: &str,
    xml: &str,
    relay_state: Option<&str>,
) -> HttpReply {
    let value = BASE64.encode(xml);
    let mut fields = vec![(field, value.as_str())];
    fields.extend(relay_state.map(|value| ("RelayState", value)));
    post_body(authority, path, &super::browser::form_body(&fields)).await
}

/// A POST of an envelope.
pub async fn post_soap(authority: &str, body: &str) -> HttpReply {
    let headers = [("Content-Type", "text/xml"), ("SOAPAction", "\"\"")];
    send(authority, "POST", SOAP_PATH, &headers, Some(body.as_bytes())).await
}

/// Sends a LogoutRequest of `idp` over one of the bindings, signed as that binding wants it.
pub async fn send_request(
    authority: &str,
    idp: &Idp,
    via: Via,
    request: &LogoutRequest,
    relay_state: Option<&str>,
) -> Answer {
    let reply = match via {
        Via::Redirect => {
            let query = idp.redirect("SAMLRequest", &request.xml(), relay_state);
            get_query(authority, SLO, &query).await
        }
        Via::Post => post_message(authority, SLO, "SAMLRequest", &request.signed(idp.key), relay_state).await,
        Via::Soap => post_soap(authority, &envelope(&request.signed(idp.key))).await,
    };
    Answer { via, reply, sp: idp.sp.clone() }
}

/// Hands raw octets to one of the SLO endpoints: the query, or the XML of a POST or SOAP body.
pub async fn send_raw(authority: &str, sp: &Sp, via: Via, raw: &str) -> Answer {
    let reply = match via {
        Via::Redirect => get_query(authority, SLO, raw).await,
        Via::Post => post_message(authority, SLO, "SAMLRequest", raw, None).await,
        Via::Soap => post_soap(authority, &envelope(raw)).await,
    };
    Answer { via, reply, sp: sp.clone() }
}

impl Browser {
    /// Opens sign-in at that identity provider and reads the AuthnRequest.
    pub async fn begin_sign_in(&self, idp: &Idp) -> FromUs {
        let reply = self.get(&format!("/saml/login?idp={}", idp.slug)).await;
        let request = idp.sp.read_front(&reply);
        assert_eq!(request.message.local, "AuthnRequest");
        request
    }

    /// Brings a Response to our ACS, as the identity provider's page makes it do.
    pub async fn bring(&self, xml: &str, relay_state: Option<&str>) -> HttpReply {
        let value = BASE64.encode(xml);
        let mut fields = vec![("SAMLResponse", value.as_str())];
        fields.extend(relay_state.map(|value| ("RelayState", value)));
        self.submit_from_elsewhere(ACS, &fields).await
    }

    /// The whole sign-in; panics if it fails.
    pub async fn sign_in(&self, idp: &Idp, name: &Name, index: &str) {
        self.sign_in_as(idp, name, index, |_| {}).await;
    }

    /// The whole sign-in with a Response that a test changed.
    pub async fn sign_in_as(&self, idp: &Idp, name: &Name, index: &str, change: impl FnOnce(&mut Response)) {
        let request = self.begin_sign_in(idp).await;
        let mut response = idp.response(Some(request.id()), name, index);
        change(&mut response);
        let reply = self.bring(&response.signed(idp.key), request.relay_state.as_deref()).await;
        assert_eq!(reply.status, 303, "sign-in: {}", reply.body);
    }

    /// Sends an unsolicited Response; panics unless it signs in.
    pub async fn arrive(&self, idp: &Idp, name: &Name, index: &str) {
        let response = idp.response(None, name, index);
        let reply = self.bring(&response.signed(idp.key), None).await;
        assert_eq!(reply.status, 303, "unsolicited sign-in: {}", reply.body);
    }

    /// The form that asks before signing out.
    pub async fn logout_form(&self, return_to: Option<&str>) -> Form {
        let target = return_to.map_or_else(
            || "/logout".to_owned(),
            |to| format!("/logout?return_to={}", percent(to, Hex::Upper)),
        );
        let reply = self.get(&target).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        forms(&reply.body)
            .into_iter()
            .find(|form| form.field("csrf").is_some())
            .unwrap_or_else(|| panic!("no form with csrf: {}", reply.body))
    }

    /// "Sign out everywhere": what our answer to the click was.
    pub async fn sign_out(&self) -> HttpReply {
        let form = self.logout_form(None).await;
        self.submit(path_of(&form.action), &form.with(&[])).await
    }

    /// "Only here".
    pub async fn sign_out_here(&self) -> HttpReply {
        let form = self.logout_form(None).await;
        self.submit(path_of(&form.action), &form.with(&[("scope", "local")])).await
    }

    /// The identity provider answers our LogoutRequest through this browser by redirect.
    pub async fn bring_answer(
        &self,
        idp: &Idp,
        answer: &LogoutResponse,
        relay_state: Option<&str>,
    ) -> HttpReply {
        let query = idp.redirect("SAMLResponse", &answer.xml(), relay_state);
        self.get_from_elsewhere(&format!("{SLO}?{query}")).await
    }

    /// The same in a form.
    pub async fn bring_answer_by_post(
        &self,
        idp: &Idp,
        answer: &LogoutResponse,
        relay_state: Option<&str>,
    ) -> HttpReply {
        let value = BASE64.encode(answer.signed(idp.key));
        let mut fields = vec![("SAMLResponse", value.as_str())];
        fields.extend(relay_state.map(|value| ("RelayState", value)));
        self.submit_from_elsewhere(SLO, &fields).await
    }

    /// Follows our own redirects to the page at the end.
    pub async fn follow(&self, mut reply: HttpReply) -> HttpReply {
        for _ in 0..5 {
            if !matches!(reply.status, 302 | 303) {
                return reply;
            }
            let to = reply.location().to_owned();
            reply = self.get(path_of(&to)).await;
        }
        panic!("redirects without end");
    }
}

/// Alice is signed in through one identity provider.
pub struct Scene {
    pub app: TestApp,
    pub idp: Idp,
    pub alice: Browser,
    pub name: Name,
}

/// Alice's SessionIndex in a [`Scene`].
pub const INDEX: &str = "s-1";

impl Scene {
    pub async fn new() -> Self {
        Self::with_key(&RSA_A).await
    }

    pub async fn with_key(key: &'static Key) -> Self {
        let app = TestApp::start().await;
        let idp = app.idp("idp-a", key).await;
        Self::enter(app, idp).await
    }

    /// Alice signs in at an application and identity provider that a test has made.
    pub async fn enter(app: TestApp, idp: Idp) -> Self {
        let alice = app.browser();
        let name = Name::email("alice@example.org");
        alice.sign_in(&idp, &name, INDEX).await;
        assert!(alice.is_signed_in().await);
        Self { app, idp, alice, name }
    }

    /// A right LogoutRequest about alice's session for that binding.
    pub fn request(&self, via: Via) -> LogoutRequest {
        let mut request = self.idp.logout_request(&self.name, &[INDEX]);
        if via == Via::Soap {
            request.destination = Some(self.idp.sp.soap.clone());
        }
        request
    }

    /// Our endpoint for that binding, as an identity provider addresses it.
    pub fn endpoint(&self, via: Via) -> String {
        if via == Via::Soap { self.idp.sp.soap.clone() } else { self.idp.sp.slo.clone() }
    }

    pub async fn send(&self, via: Via, request: &LogoutRequest) -> Answer {
        send_request(&self.app.authority, &self.idp, via, request, None).await
    }

    pub async fn send_with(&self, via: Via, request: &LogoutRequest, relay_state: &str) -> Answer {
        send_request(&self.app.authority, &self.idp, via, request, Some(relay_state)).await
    }

    pub async fn raw(&self, via: Via, raw: &str) -> Answer {
        send_raw(&self.app.authority, &self.idp.sp, via, raw).await
    }

    /// Asserts that alice is still signed in and that the audit names the rule.
    pub async fn assert_refused(&self, rule: &str) {
        assert!(self.alice.is_signed_in().await, "{rule}: the session must be alive");
        self.app.assert_audited(rule).await;
    }

    /// Proves the positive twin: the right request ends alice's session.
    pub async fn assert_right_one_works(&self, via: Via) {
        let answer = self.send(via, &self.request(via)).await;
        assert_eq!(answer.status(), "Success", "the positive twin over {via:?}");
        assert!(!self.alice.is_signed_in().await);
    }

    /// Ends the test: removes its database.
    pub async fn done(self) {
        self.app.done().await;
    }
}
