//! Where the cases play: the service, its identity providers, a victim behind each door.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use signoff::saml::refusal::Refusal;
use tokio::net::TcpListener;

use crate::encryption;
use crate::support::app::TestApp;
use crate::support::browser::{Browser, From, form_body};
use crate::support::dsig::{Key, Query, RSA_A, RSA_B, Shape, enveloped};
use crate::support::http::{HttpReply, send};
use crate::support::idp::{FromUs, Idp};
use crate::support::messages::{Name, Signed, envelope};
use crate::support::story::{ACS, SLO, SOAP_PATH};

/// One way in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// A Response at the assertion consumer service.
    Acs,
    /// A LogoutRequest over each binding.
    Redirect,
    Post,
    Soap,
    /// A LogoutResponse over each binding that a browser brings.
    AnswerByRedirect,
    AnswerByPost,
}

impl Door {
    pub const ALL: [Self; 6] =
        [Self::Acs, Self::Redirect, Self::Post, Self::Soap, Self::AnswerByRedirect, Self::AnswerByPost];
    /// Those at which the signature is XML.
    pub const SIGNED_XML: [Self; 4] = [Self::Acs, Self::Post, Self::Soap, Self::AnswerByPost];
    /// Those at which the message alone is signed.
    pub const ROOT_SIGNED: [Self; 3] = [Self::Post, Self::Soap, Self::AnswerByPost];
    pub const QUERIES: [Self; 2] = [Self::Redirect, Self::AnswerByRedirect];
    pub const FORMS: [Self; 3] = [Self::Acs, Self::Post, Self::AnswerByPost];
    pub const REQUESTS: [Self; 3] = [Self::Redirect, Self::Post, Self::Soap];
    pub const ANSWERS: [Self; 2] = [Self::AnswerByRedirect, Self::AnswerByPost];
    /// All but the assertion consumer service.
    pub const LOGOUTS: [Self; 5] =
        [Self::Redirect, Self::Post, Self::Soap, Self::AnswerByRedirect, Self::AnswerByPost];

    pub fn path(self) -> &'static str {
        match self {
            Self::Acs => ACS,
            Self::Soap => SOAP_PATH,
            _ => SLO,
        }
    }

    /// The parameter in which the message travels.
    pub fn field(self) -> &'static str {
        match self {
            Self::Redirect | Self::Post | Self::Soap => "SAMLRequest",
            Self::Acs | Self::AnswerByRedirect | Self::AnswerByPost => "SAMLResponse",
        }
    }
}

/// What goes over the wire.
pub enum Sent {
    /// The query of a GET.
    Query(String),
    /// The body of a POST.
    Body(Vec<u8>),
}

/// A right message, until a case changes it.
pub struct Draft {
    pub door: Door,
    /// The message without any signature.
    pub xml: String,
    pub key: &'static Key,
    /// Which parts carry a signature; only at the ACS there is a choice.
    pub parts: Signed,
    /// How the message is signed.
    pub shape: Shape,
    /// How the assertion in it is signed.
    pub inner: Shape,
    pub query: Query,
}

impl Draft {
    /// The message with its signatures, as POST and SOAP carry it.
    pub fn signed(&self) -> String {
        let mut xml = self.xml.clone();
        let acs = self.door == Door::Acs;
        if acs && matches!(self.parts, Signed::Assertion | Signed::Both) {
            let end = "</saml:Assertion>";
            if let (Some(start), Some(stop)) = (xml.find("<saml:Assertion"), xml.rfind(end)) {
                let plain = xml[start..stop + end.len()].to_owned();
                let signed = enveloped(&plain, &id_of(&plain), self.key, &self.inner);
                xml = xml.replacen(&plain, &signed, 1);
            }
        }
        if !acs && self.parts != Signed::Nothing || matches!(self.parts, Signed::Response | Signed::Both) {
            xml = enveloped(&xml, &id_of(&xml), self.key, &self.shape);
        }
        xml
    }

    /// Signed in the way of the door's binding, and packed.
    pub fn sent(&self) -> Sent {
        if Door::QUERIES.contains(&self.door) { self.carry(&self.xml) } else { self.carry(&self.signed()) }
    }

    /// Packs a text as it is; over Redirect it is signed on the way.
    pub fn carry(&self, xml: &str) -> Sent {
        self.carry_octets(xml.as_bytes())
    }

    /// The same for octets that need not be text.
    pub fn carry_octets(&self, xml: &[u8]) -> Sent {
        if Door::QUERIES.contains(&self.door) {
            let mut query = self.query.clone();
            if query.raw_message.is_none() {
                let packed = BASE64.encode(crate::support::dsig::deflate(xml));
                query.raw_message = Some(crate::support::dsig::percent(&packed, query.hex));
            }
            return Sent::Query(query.signed("", self.key));
        }
        if self.door == Door::Soap {
            let whole = envelope("\u{1}");
            let (start, end) = whole.split_once('\u{1}').unwrap();
            return Sent::Body([start.as_bytes(), xml, end.as_bytes()].concat());
        }
        let message = BASE64.encode(xml);
        let mut fields = vec![(self.door.field(), message.as_str())];
        fields.extend(self.query.relay_state.as_deref().map(|value| ("RelayState", value)));
        Sent::Body(form_body(&fields).into_bytes())
    }

    /// The text of a query or form that is right.
    pub fn text(&self) -> String {
        match self.sent() {
            Sent::Query(query) => query,
            Sent::Body(body) => String::from_utf8(body).unwrap(),
        }
    }

    /// That text at this door.
    pub fn as_text(&self, text: String) -> Sent {
        if Door::QUERIES.contains(&self.door) { Sent::Query(text) } else { Sent::Body(text.into_bytes()) }
    }
}

/// The ID of an element, by its text alone.
pub fn id_of(element: &str) -> String {
    let tag = &element[..element.find('>').unwrap_or(element.len())];
    let id = tag.split_once(" ID=\"").and_then(|(_, rest)| rest.split_once('"'));
    id.map_or_else(|| "_none".to_owned(), |(id, _)| id.to_owned())
}

/// A port at which nobody may ever knock.
pub struct Trap {
    pub url: String,
    visitors: Arc<AtomicUsize>,
}

impl Trap {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/trap", listener.local_addr().unwrap());
        let visitors = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&visitors);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, visitors }
    }

    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}

/// The service with two identity providers, and somebody who has nothing to do with it all.
pub struct Site {
    pub app: TestApp,
    pub idp: Idp,
    /// Another identity provider, as trusted as the first.
    pub other: Idp,
    pub bystander: Browser,
    pub trap: Trap,
    victims: Cell<usize>,
}

/// What no refused message may change: live sessions, ended ones, used assertions, legs that were
/// answered, rows in the outbox, messages sent over SOAP.
pub type State = (Vec<i64>, usize);

impl Site {
    pub async fn new() -> Self {
        let app = encryption::start(&[]).await;
        let idp = app.idp_with_soap("idp-a", &RSA_A).await;
        let other = app.idp("idp-b", &RSA_B).await;
        let bystander = app.browser();
        bystander.sign_in(&idp, &Name::email("carol@example.org"), "carol").await;
        Self { app, idp, other, bystander, trap: Trap::start().await, victims: Cell::new(0) }
    }

    /// A new victim behind that door.
    pub async fn stage(&self, door: Door) -> Stage<'_> {
        self.victims.set(self.victims.get() + 1);
        let number = self.victims.get();
        let (name, index) = (Name::email(&format!("victim-{number}@example.org")), format!("v-{number}"));
        let browser = self.app.browser();
        let asked = if door == Door::Acs {
            Some(browser.begin_sign_in(&self.idp).await)
        } else {
            browser.sign_in(&self.idp, &name, &index).await;
            None
        };
        let asked = if Door::ANSWERS.contains(&door) {
            Some(self.idp.sp.read_front(&browser.sign_out().await))
        } else {
            asked
        };
        Stage { site: self, door, browser, name, index, asked }
    }

    pub async fn state(&self) -> State {
        let counts = sqlx::query_scalar(
            "select array[
                (select count(*) from session where ended_at is null),
                (select count(*) from session where ended_at is not null),
                (select count(*) from seen_assertion),
                (select count(*) from logout),
                (select count(*) from logout_leg where state = 'asked'),
                (select count(*) from open_request),
                (select count(*) from outbox)]",
        );
        let calls = self.idp.soap.as_ref().map_or(0, |soap| soap.calls().len());
        (counts.fetch_one(&self.app.pool).await.unwrap(), calls)
    }

    pub async fn last_audited(&self) -> i64 {
        self.app.app.flush_audit().await.unwrap();
        self.app.count("select coalesce(max(id), 0) from audit").await
    }

    /// Exactly one refusal was written down since then, at that door, under that rule, for that
    /// reason.
    pub async fn audited_since(&self, last: i64, door: Door, refusal: Refusal) -> Result<(), String> {
        self.app.app.flush_audit().await.unwrap();
        type Row = (String, String, String, i32, String);
        let rows: Vec<Row> = sqlx::query_as(
            "select endpoint, verdict, rule, sessions, coalesce(detail, '') from audit where id > $1",
        )
        .bind(last)
        .fetch_all(&self.app.pool)
        .await
        .unwrap();
        let rule = match refusal {
            Refusal::NotRequested if door != Door::Acs => "SLO-50",
            _ => refusal.rule(),
        };
        // What the text says after a colon is where, not what.
        let kind = |text: &str| text.split(": ").next().unwrap_or_default().to_owned();
        match rows.as_slice() {
            [(endpoint, verdict, own, 0, detail)]
                if endpoint == door.path()
                    && verdict == "refused"
                    && own == rule
                    && kind(detail) == kind(&refusal.to_string()) =>
            {
                Ok(())
            }
            _ => Err(format!("expected {rule} \"{refusal}\", audited {rows:?}")),
        }
    }

    pub async fn done(self) {
        self.app.done().await;
    }
}

/// A victim behind a door.
pub struct Stage<'a> {
    pub site: &'a Site,
    pub door: Door,
    pub browser: Browser,
    pub name: Name,
    pub index: String,
    /// The request of ours that is answered at this door.
    pub asked: Option<FromUs>,
}

impl Stage<'_> {
    /// The right message of the victim's identity provider.
    pub fn draft(&self) -> Draft {
        self.draft_of(&self.site.idp)
    }

    /// The same of another.
    pub fn draft_of(&self, idp: &Idp) -> Draft {
        let mut query = idp.query(self.door.field());
        let xml = match (self.door, &self.asked) {
            (Door::Acs, Some(asked)) => {
                query.relay_state.clone_from(&asked.relay_state);
                let mut response = idp.response(Some(asked.id()), &self.name, &self.index);
                response.signed = Signed::Nothing;
                response.signed(idp.key)
            }
            (_, Some(asked)) => {
                query.relay_state.clone_from(&asked.relay_state);
                idp.logout_response(asked, &["Success"]).xml()
            }
            (_, None) => {
                let mut request = idp.logout_request(&self.name, &[&self.index]);
                if self.door == Door::Soap {
                    request.destination = Some(idp.sp.soap.clone());
                }
                request.xml()
            }
        };
        let shape = Shape::of(idp.key);
        Draft { door: self.door, xml, key: idp.key, parts: Signed::Both, inner: shape.clone(), shape, query }
    }

    pub async fn send(&self, sent: Sent) -> HttpReply {
        let path = self.door.path();
        match (sent, self.door) {
            (Sent::Query(query), _) => {
                send(&self.site.app.authority, "GET", &format!("{path}?{query}"), &[], None).await
            }
            (Sent::Body(body), Door::Acs) => {
                let kind = [("Content-Type", "application/x-www-form-urlencoded")];
                self.browser.request("POST", path, &kind, Some(&body), From::Elsewhere).await
            }
            (Sent::Body(body), door) => {
                let kind = if door == Door::Soap { "text/xml" } else { "application/x-www-form-urlencoded" };
                send(&self.site.app.authority, "POST", path, &[("Content-Type", kind)], Some(&body)).await
            }
        }
    }

    /// Whether the victim is as before.
    pub async fn untouched(&self) -> bool {
        let alive = self.browser.is_signed_in().await;
        if Door::REQUESTS.contains(&self.door) { alive } else { !alive }
    }

    /// The right message arrives and does its work.
    pub async fn twin(&self) -> Result<(), String> {
        let reply = self.send(self.draft().sent()).await;
        let status = reply.status;
        let executed = match self.door {
            Door::Acs => status == 303 && self.browser.is_signed_in().await,
            Door::Redirect | Door::Post | Door::Soap => {
                let dead = !self.browser.is_signed_in().await;
                dead && matches!(status, 200 | 302 | 303)
            }
            Door::AnswerByRedirect | Door::AnswerByPost => {
                let newest = "select count(*) from logout_leg
                               where id = (select max(id) from logout_leg) and state <> 'asked'";
                status < 400 && self.site.app.count(newest).await == 1
            }
        };
        if executed { Ok(()) } else { Err(format!("HTTP {status}: {}", reply.body)) }
    }
}
