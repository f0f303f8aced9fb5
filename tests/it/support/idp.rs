//! An identity provider that plays by the rules, with a knob for each way of breaking one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use openssl::pkey::{PKey, Public};
use signoff::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::browser::forms;
use super::dsig::{self, Key, Query, unpercent};
use super::http::HttpReply;
use super::messages::{
    Assertion, BEARER, Confirmation, Issuer, LogoutRequest, LogoutResponse, Name, PASSWORD, Response, Signed,
    Statement, envelope, instant, window,
};
use super::metadata::Metadata;
use super::xml::{DS, Element, SAML, SAMLP, SOAP};

/// What the identity provider knows of us from our metadata.
#[derive(Clone)]
pub struct Sp {
    pub entity_id: String,
    pub acs: String,
    pub slo: String,
    pub soap: String,
    pub key: PKey<Public>,
}

/// One identity provider.
pub struct Idp {
    pub slug: String,
    pub entity_id: String,
    pub origin: String,
    pub key: &'static Key,
    pub sp: Sp,
    pub clock: Clock,
    pub soap: Option<SoapServer>,
    counter: AtomicU64,
}

/// A message that we sent, checked and read.
#[derive(Debug, Clone)]
pub struct FromUs {
    pub binding: &'static str,
    pub parameter: String,
    /// The URL that the message went to, without the query that the binding added.
    pub url: String,
    pub relay_state: Option<String>,
    pub message: Element,
}

impl FromUs {
    pub fn id(&self) -> &str {
        self.message.attribute("ID").unwrap()
    }

    pub fn in_response_to(&self) -> Option<&str> {
        self.message.attribute("InResponseTo")
    }

    pub fn issuer(&self) -> String {
        self.message.child(SAML, "Issuer").unwrap().text()
    }

    /// The status codes without their common prefix, from the top, joined by `/`.
    pub fn status(&self) -> String {
        let mut codes = Vec::new();
        let mut at = self.message.child(SAMLP, "Status").and_then(|status| status.child(SAMLP, "StatusCode"));
        while let Some(code) = at {
            let value = code.attribute("Value").unwrap();
            codes.push(value.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:").unwrap_or(value).to_owned());
            at = code.child(SAMLP, "StatusCode");
        }
        codes.join("/")
    }

    pub fn session_indexes(&self) -> Vec<String> {
        self.message.children_named(SAMLP, "SessionIndex").map(Element::text).collect()
    }

    /// The NameID, attribute by attribute.
    pub fn name(&self) -> Name {
        let element = self.message.child(SAML, "NameID").expect("a plain NameID");
        let own = |local: &str| element.attribute(local).map(str::to_owned);
        Name {
            value: element.text(),
            format: own("Format"),
            name_qualifier: own("NameQualifier"),
            sp_name_qualifier: own("SPNameQualifier"),
            sp_provided_id: own("SPProvidedID"),
        }
    }
}

impl Sp {
    /// What our own published metadata says, and nothing besides.
    pub fn read(metadata: &str) -> Self {
        let root = Element::parse(metadata).unwrap();
        let role = root.path(&["SPSSODescriptor"]).unwrap();
        let descriptor = role
            .elements()
            .find(|e| e.local == "KeyDescriptor" && e.attribute("use") == Some("signing"))
            .unwrap();
        let certificate = descriptor.path(&["KeyInfo", "X509Data", "X509Certificate"]).unwrap().text();
        let der = BASE64.decode(certificate.split_whitespace().collect::<String>()).unwrap();
        let endpoint = |local: &str, binding: &str| {
            role.elements()
                .find(|e| e.local == local && e.attribute("Binding").unwrap().ends_with(binding))
                .map(|e| e.attribute("Location").unwrap().to_owned())
                .unwrap_or_default()
        };
        Self {
            entity_id: root.attribute("entityID").unwrap().to_owned(),
            acs: endpoint("AssertionConsumerService", "HTTP-POST"),
            slo: endpoint("SingleLogoutService", "HTTP-Redirect"),
            soap: endpoint("SingleLogoutService", ":SOAP"),
            key: openssl::x509::X509::from_der(&der).unwrap().public_key().unwrap(),
        }
    }

    /// The SAML message in an answer to the browser: a redirect's query or a form. Panics unless
    /// it is signed by us and well made.
    pub fn read_front(&self, reply: &HttpReply) -> FromUs {
        self.try_front(reply)
            .unwrap_or_else(|| panic!("no SAML message: {} {:?} {}", reply.status, reply.headers, reply.body))
    }

    pub fn try_front(&self, reply: &HttpReply) -> Option<FromUs> {
        match reply.status {
            302 | 303 => self.read_redirect(reply.location()),
            200 => self.read_form(&reply.body),
            _ => None,
        }
    }

    fn read_redirect(&self, url: &str) -> Option<FromUs> {
        let (base, query) = url.split_once('?')?;
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let raw = |name: &str| {
            let mut all = pairs.iter().filter(|(own, _)| *own == name);
            let first = all.next().map(|(_, value)| *value);
            assert!(all.next().is_none(), "{name} twice in {url}");
            first
        };
        let parameter = ["SAMLRequest", "SAMLResponse"].into_iter().find(|name| raw(name).is_some())?;
        assert!(url.is_ascii());
        let mut signed = format!("{parameter}={}", raw(parameter)?);
        if let Some(value) = raw("RelayState") {
            signed.push_str(&format!("&RelayState={value}"));
        }
        let algorithm = raw("SigAlg").expect("SigAlg");
        signed.push_str(&format!("&SigAlg={algorithm}"));
        let signature = BASE64.decode(unpercent(raw("Signature").expect("Signature"))).unwrap();
        assert!(
            dsig::verify(&self.key, &unpercent(algorithm), signed.as_bytes(), &signature),
            "the signature of {url}"
        );
        let packed = BASE64.decode(unpercent(raw(parameter)?)).unwrap();
        let message = Element::parse(&String::from_utf8(dsig::inflate(&packed)).unwrap()).unwrap();
        assert!(message.child(DS, "Signature").is_none(), "BIND-02: no ds:Signature over Redirect");
        let names = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature"];
        let own: Vec<_> =
            query.split('&').filter(|p| !names.iter().any(|n| p.starts_with(&format!("{n}=")))).collect();
        let url = if own.is_empty() { base.to_owned() } else { format!("{base}?{}", own.join("&")) };
        let seen = FromUs {
            binding: "redirect",
            parameter: parameter.to_owned(),
            url,
            relay_state: raw("RelayState").map(unpercent),
            message,
        };
        self.check(&seen);
        Some(seen)
    }

    fn read_form(&self, html: &str) -> Option<FromUs> {
        let form = forms(html)
            .into_iter()
            .find(|form| form.field("SAMLRequest").is_some() || form.field("SAMLResponse").is_some())?;
        assert_eq!(form.method, "post");
        let parameter = if form.field("SAMLRequest").is_some() { "SAMLRequest" } else { "SAMLResponse" };
        let octets = BASE64.decode(form.field(parameter)?).unwrap();
        let message = Element::parse(&String::from_utf8(octets).unwrap()).unwrap();
        dsig::assert_signed(&message, &self.key);
        let seen = FromUs {
            binding: "post",
            parameter: parameter.to_owned(),
            url: form.action.clone(),
            relay_state: form.field("RelayState").map(str::to_owned),
            message,
        };
        self.check(&seen);
        Some(seen)
    }

    /// A message of ours out of a SOAP envelope.
    pub fn read_envelope(&self, text: &str) -> FromUs {
        let root = Element::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(root.is(SOAP, "Envelope"), "{text}");
        let body = root.child(SOAP, "Body").unwrap();
        let inside: Vec<_> = body.elements().collect();
        assert_eq!(inside.len(), 1, "exactly one message in the Body");
        // Taken out of the envelope the way a receiver reads it: with its own namespaces.
        let message = Element::parse(&inside[0].canonical()).unwrap();
        dsig::assert_signed(&message, &self.key);
        let seen = FromUs {
            binding: "soap",
            parameter: String::new(),
            url: String::new(),
            relay_state: None,
            message,
        };
        self.check(&seen);
        seen
    }

    /// What holds for every message of ours, whatever it says.
    fn check(&self, seen: &FromUs) {
        let message = &seen.message;
        assert_eq!(message.attribute("Version"), Some("2.0"));
        assert_eq!(seen.issuer(), self.entity_id);
        let format = message.child(SAML, "Issuer").unwrap().attribute("Format");
        assert!(format.is_none_or(|format| format == super::messages::ENTITY));
        let id = message.attribute("ID").expect("ID");
        assert!(id.starts_with('_') && id.len() >= 33, "VAL-18: {id}");
        let instant = message.attribute("IssueInstant").expect("IssueInstant");
        assert!(instant.ends_with('Z') && DateTime::parse_from_rfc3339(instant).is_ok(), "{instant}");
        if seen.binding != "soap" {
            assert_eq!(message.attribute("Destination"), Some(seen.url.as_str()), "BIND-23");
        }
        if let Some(relay_state) = &seen.relay_state
            && seen.parameter == "SAMLRequest"
        {
            let plain = relay_state.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            assert!(plain && !relay_state.is_empty() && relay_state.len() <= 80, "BIND-18: {relay_state}");
        }
    }
}

impl Idp {
    pub fn new(slug: &str, key: &'static Key, sp: Sp, clock: Clock) -> Self {
        Self {
            slug: slug.to_owned(),
            entity_id: format!("https://{slug}.example/metadata"),
            origin: format!("https://{slug}.example"),
            key,
            sp,
            clock,
            soap: None,
            counter: AtomicU64::new(0),
        }
    }

    /// With a SOAP endpoint on a loopback port, which answers as it is told.
    pub async fn with_soap(mut self) -> Self {
        let server = SoapServer::start(&self).await;
        self.soap = Some(server);
        self
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn fresh_id(&self, what: &str) -> String {
        format!("_{what}-{}-{}", self.slug, self.counter.fetch_add(1, Ordering::SeqCst))
    }

    pub fn issuer(&self) -> Option<Issuer> {
        Some(Issuer { value: self.entity_id.clone(), format: None })
    }

    /// Metadata with Redirect and POST endpoints, and SOAP if there is a server.
    pub fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::of(&self.entity_id, &self.origin, self.key);
        if let Some(soap) = &self.soap {
            metadata = metadata.slo("SOAP", &soap.url, None);
        }
        metadata
    }

    /// A LogoutRequest about that person and those sessions, for our front-channel endpoint.
    pub fn logout_request(&self, name: &Name, indexes: &[&str]) -> LogoutRequest {
        LogoutRequest {
            id: Some(self.fresh_id("lr")),
            version: Some("2.0".to_owned()),
            issue_instant: Some(instant(self.now())),
            destination: Some(self.sp.slo.clone()),
            consent: None,
            not_on_or_after: None,
            reason: None,
            issuer: self.issuer(),
            extensions: String::new(),
            identifier: name.xml(),
            session_indexes: indexes.iter().map(|&index| index.to_owned()).collect(),
            finish: |text| text,
        }
    }

    /// The answer to a LogoutRequest of ours.
    pub fn logout_response(&self, request: &FromUs, status: &[&str]) -> LogoutResponse {
        LogoutResponse {
            id: Some(self.fresh_id("lp")),
            version: Some("2.0".to_owned()),
            issue_instant: Some(instant(self.now())),
            destination: Some(self.sp.slo.clone()),
            in_response_to: Some(request.id().to_owned()),
            issuer: self.issuer(),
            extensions: String::new(),
            status: status.iter().map(|&code| code.to_owned()).collect(),
            status_message: None,
            finish: |text| text,
        }
    }

    /// The answer to an AuthnRequest (or to none): a Response about that person.
    pub fn response(&self, in_response_to: Option<&str>, name: &Name, index: &str) -> Response {
        let now = self.now();
        let (not_before, not_on_or_after) = window(now);
        Response {
            id: self.fresh_id("rp"),
            version: "2.0".to_owned(),
            issue_instant: instant(now),
            destination: Some(self.sp.acs.clone()),
            in_response_to: in_response_to.map(str::to_owned),
            issuer: self.issuer(),
            status: vec!["Success".to_owned()],
            status_message: None,
            assertion: Assertion {
                id: self.fresh_id("as"),
                version: "2.0".to_owned(),
                issue_instant: instant(now),
                issuer: self.issuer(),
                identifier: name.xml(),
                confirmations: vec![Confirmation {
                    method: BEARER.to_owned(),
                    recipient: Some(self.sp.acs.clone()),
                    not_before: None,
                    not_on_or_after: Some(instant(now + TimeDelta::minutes(5))),
                    in_response_to: in_response_to.map(str::to_owned),
                }],
                not_before: Some(not_before),
                not_on_or_after: Some(not_on_or_after),
                audiences: vec![vec![self.sp.entity_id.clone()]],
                conditions: String::new(),
                statements: vec![Statement {
                    authn_instant: instant(now),
                    session_index: Some(index.to_owned()),
                    session_not_on_or_after: None,
                    class: PASSWORD.to_owned(),
                }],
                attributes: String::new(),
                finish: |text| text,
            },
            signed: Signed::Both,
            around_assertion: |text| text,
            finish: |text| text,
        }
    }

    pub fn query(&self, parameter: &str) -> Query {
        Query::of(parameter, self.key)
    }

    /// The query string of a message over Redirect.
    pub fn redirect(&self, parameter: &str, xml: &str, relay_state: Option<&str>) -> String {
        let mut query = self.query(parameter);
        query.relay_state = relay_state.map(str::to_owned);
        query.signed(xml, self.key)
    }
}

/// How the SOAP endpoint answers the next request.
#[derive(Debug, Clone)]
pub enum SoapAnswer {
    /// A signed LogoutResponse with those status codes.
    Status(Vec<&'static str>),
    /// Whatever stands here, with that HTTP status.
    Raw(u16, String),
    /// Success, with that in its Extensions.
    #[cfg(feature = "second-opinion")]
    Extended(&'static str),
    /// Success, signed by another key.
    Foreign,
    /// Success to another request.
    WrongRequest,
    /// The connection is closed without an answer.
    Hangup,
}

/// One POST that the SOAP endpoint received.
#[derive(Debug, Clone)]
pub struct SoapCall {
    pub headers: String,
    pub request: FromUs,
}

/// A SOAP endpoint on a loopback port.
pub struct SoapServer {
    pub url: String,
    state: Arc<SoapState>,
}

struct SoapState {
    sp: Sp,
    entity_id: String,
    key: &'static Key,
    clock: Clock,
    answers: Mutex<Vec<SoapAnswer>>,
    calls: Mutex<Vec<SoapCall>>,
    faults: Mutex<Vec<String>>,
}

impl SoapServer {
    async fn start(idp: &Idp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/soap", listener.local_addr().unwrap());
        let state = Arc::new(SoapState {
            sp: idp.sp.clone(),
            entity_id: idp.entity_id.clone(),
            key: idp.key,
            clock: idp.clock.clone(),
            answers: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.serve(stream).await;
            }
        });
        Self { url, state }
    }

    /// Queues an answer; after the queue is empty everything succeeds.
    pub fn answer(&self, answer: SoapAnswer) {
        self.state.answers.lock().unwrap().push(answer);
    }

    /// What has been received so far. Panics if something came that was no right request of ours.
    pub fn calls(&self) -> Vec<SoapCall> {
        let faults = self.state.faults.lock().unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        self.state.calls.lock().unwrap().clone()
    }
}

impl SoapState {
    async fn serve(&self, mut stream: TcpStream) {
        let mut octets = Vec::new();
        let mut buffer = [0_u8; 8192];
        let (head, body) = loop {
            let Ok(count) = stream.read(&mut buffer).await else { return };
            octets.extend_from_slice(&buffer[..count]);
            if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&octets[..end]).into_owned();
                let length = head
                    .lines()
                    .filter_map(|line| line.split_once(':'))
                    .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                    .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
                if octets.len() >= end + 4 + length {
                    break (head, String::from_utf8_lossy(&octets[end + 4..]).into_owned());
                }
            }
            if count == 0 {
                return;
            }
        };
        let sp = self.sp.clone();
        let text = body.clone();
        // A wrong message must fail the test that looks, not this task.
        let Ok(request) =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || sp.read_envelope(&text)))
        else {
            self.faults.lock().unwrap().push(body);
            return;
        };
        self.calls.lock().unwrap().push(SoapCall { headers: head, request: request.clone() });
        let next = {
            let mut answers = self.answers.lock().unwrap();
            if answers.is_empty() { SoapAnswer::Status(vec!["Success"]) } else { answers.remove(0) }
        };
        let (status, text) = match next {
            SoapAnswer::Status(codes) => {
                (200, envelope(&self.response(request.id(), &codes).signed(self.key)))
            }
            #[cfg(feature = "second-opinion")]
            SoapAnswer::Extended(extensions) => {
                let mut response = self.response(request.id(), &["Success"]);
                extensions.clone_into(&mut response.extensions);
                (200, envelope(&response.signed(self.key)))
            }
            SoapAnswer::Raw(status, text) => (status, text),
            SoapAnswer::Foreign => {
                (200, envelope(&self.response(request.id(), &["Success"]).signed(&dsig::RSA_ATTACKER)))
            }
            SoapAnswer::WrongRequest => {
                (200, envelope(&self.response("_another", &["Success"]).signed(self.key)))
            }
            SoapAnswer::Hangup => return,
        };
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn response(&self, in_response_to: &str, codes: &[&str]) -> LogoutResponse {
        LogoutResponse {
            id: Some(format!("_soap{in_response_to}")),
            version: Some("2.0".to_owned()),
            issue_instant: Some(instant(self.clock.now())),
            destination: None,
            in_response_to: Some(in_response_to.to_owned()),
            issuer: Some(Issuer { value: self.entity_id.clone(), format: None }),
            extensions: String::new(),
            status: codes.iter().map(|&code| code.to_owned()).collect(),
            status_message: None,
            finish: |text| text,
        }
    }
}
