//! An identity provider whose messages are ready before they are needed.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::X509;
use signoff::clock::Clock;
use signoff::entropy::Entropy;
use signoff::saml::binding::{Outbound, Parameter, Received, encode, redirect, soap};
use signoff::saml::instant;
use signoff::saml::logout_response::LogoutResponse;
use signoff::saml::message::Limits;
use signoff::saml::names::{EntityId, Location, MessageId, NameId, PERSISTENT, SessionIndex};
use signoff::saml::open::Unopened;
use signoff::saml::outbound::{NewLogoutRequest, Reason, Unsigned};
use signoff::saml::signature::{SignaturePolicy, TrustedKeys};
use signoff::saml::signing::{Algorithm, EcdsaEncoding, Signer};
use signoff::saml::write::{SAML, SAMLP, Writer};

use crate::load;

const ENTITY_ID: &str = "https://idp.example/metadata";
const SLO: &str = "https://idp.example/slo";
const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };

/// How a LogoutRequest travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    Redirect,
    Soap,
}

/// Somebody who can sign in.
pub struct Person {
    name_id: NameId,
    session_index: SessionIndex,
    /// The HTTP request that signs them in.
    pub sign_in: Vec<u8>,
    /// The cookie that it gave.
    pub cookie: String,
}

/// A LogoutRequest, ready to be sent.
pub struct Logout {
    id: MessageId,
    binding: Binding,
    pub http: Vec<u8>,
}

pub struct IdentityProvider {
    entity_id: EntityId,
    certificate: Vec<u8>,
    signer: Signer,
    sp: EntityId,
    sp_keys: TrustedKeys,
    acs: Location,
    slo: Location,
    soap: Location,
    clock: Clock,
    entropy: Entropy,
    persons: Cell<u32>,
}

impl IdentityProvider {
    /// One with a new RSA-2048 key, that trusts the service at `base_url` by its metadata.
    pub fn new(base_url: &str, sp_metadata: &str) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut certificate = X509::builder().unwrap();
        certificate.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate = certificate.build().to_der().unwrap();
        let sp = EntityId::parse(format!("{base_url}/saml/metadata")).unwrap();
        let sp_key = certificate_key(sp_metadata);
        let at = |path: &str| Location::parse(format!("{base_url}{path}")).unwrap();
        Self {
            entity_id: EntityId::parse(ENTITY_ID).unwrap(),
            signer: Signer::new(key, &certificate, Algorithm::RsaSha256).unwrap(),
            certificate,
            sp_keys: TrustedKeys::new(sp.clone(), [sp_key.as_slice()], SignaturePolicy::default()).unwrap(),
            sp,
            acs: at("/saml/acs"),
            slo: at("/saml/slo"),
            soap: at("/saml/slo/soap"),
            clock: Clock::system(),
            entropy: Entropy::system(),
            persons: Cell::new(0),
        }
    }

    pub fn entity_id(&self) -> &EntityId {
        &self.entity_id
    }

    /// Now, as messages have it.
    pub fn instant(&self) -> String {
        instant::write(self.now())
    }

    pub fn metadata(&self) -> String {
        let certificate = STANDARD.encode(&self.certificate);
        format!(
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY_ID}"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{SLO}"/><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso"/></IDPSSODescriptor></EntityDescriptor>"#
        )
    }

    /// People who have not signed in yet, each with a Response that nobody asked for.
    pub fn people(&self, count: usize) -> Vec<Person> {
        (0..count).map(|_| self.person()).collect()
    }

    fn person(&self) -> Person {
        self.persons.set(self.persons.get() + 1);
        let name = format!("{:08}-9f0a-4c1e-bd6e@example.com", self.persons.get());
        let name_id = NameId { format: Some(PERSISTENT.into()), ..NameId::bare(name) };
        let session_index = SessionIndex::parse(self.id().as_str()).unwrap();
        let response = self.response(&name_id, &session_index);
        let Outbound::Post { message, .. } = encode::post(&response, None, &self.signer).unwrap() else {
            unreachable!("asked for a form")
        };
        let form: String = url::form_urlencoded::byte_serialize(message.as_bytes()).collect();
        let body = format!("SAMLResponse={form}");
        let sign_in = load::request("/saml/acs", Some(("application/x-www-form-urlencoded", &body)));
        Person { name_id, session_index, sign_in, cookie: String::new() }
    }

    /// The LogoutRequest that ends a person's session.
    pub fn logout(&self, person: &Person, binding: Binding) -> Logout {
        let id = self.id();
        let now = self.now();
        let message = NewLogoutRequest {
            id: &id,
            issue_instant: now,
            destination: if binding == Binding::Soap { &self.soap } else { &self.slo },
            issuer: &self.entity_id,
            not_on_or_after: Some(now + TimeDelta::minutes(5)),
            reason: Reason::User,
            name_id: &person.name_id,
            session_indexes: std::slice::from_ref(&person.session_index),
            asynchronous: false,
        }
        .write();
        let http = match binding {
            Binding::Soap => {
                let envelope = encode::soap(&message, &self.signer).unwrap();
                load::request("/saml/slo/soap", Some(("text/xml", &envelope)))
            }
            Binding::Redirect => {
                let Outbound::Redirect { url } =
                    encode::redirect(&message, None, &self.signer, EcdsaEncoding::Raw).unwrap()
                else {
                    unreachable!("asked for a redirect")
                };
                load::request(&format!("/saml/slo?{}", url.split_once('?').unwrap().1), None)
            }
        };
        Logout { id, binding, http }
    }

    /// The answer is signed by the service, answers this request, and says Success.
    pub fn assert_success(&self, logout: &Logout, answer: &str) {
        let received = answered(logout.binding, answer);
        let me = match logout.binding {
            Binding::Redirect => Some(Location::parse(SLO).unwrap()),
            Binding::Soap => None,
        };
        let unopened = Unopened::<LogoutResponse>::read(&received).unwrap();
        let response = unopened.open(&self.sp_keys, me.as_ref(), &LIMITS, self.now()).unwrap();
        assert!(response.message().status().is_complete(), "{:?}", response.message().status());
        assert_eq!(response.message().in_response_to(), Some(&logout.id));
    }

    fn response(&self, name_id: &NameId, session_index: &SessionIndex) -> Unsigned {
        let (id, assertion_id, at) = (self.id(), self.id(), self.now());
        let now = instant::write(at);
        let attributes = [
            ("Destination", Some(self.acs.as_str())),
            ("ID", Some(id.as_str())),
            ("IssueInstant", Some(now.as_str())),
            ("Version", Some("2.0")),
        ];
        let mut xml = Writer::new();
        let mut signature_at = 0;
        xml.element((SAMLP, "Response"), &attributes, |xml| {
            xml.text_element((SAML, "Issuer"), &[], self.entity_id.as_str());
            signature_at = xml.position();
            let success = [("Value", Some("urn:oasis:names:tc:SAML:2.0:status:Success"))];
            xml.element((SAMLP, "Status"), &[], |xml| xml.element((SAMLP, "StatusCode"), &success, |_| ()));
            let attributes = [
                ("ID", Some(assertion_id.as_str())),
                ("IssueInstant", Some(now.as_str())),
                ("Version", Some("2.0")),
            ];
            xml.element((SAML, "Assertion"), &attributes, |xml| {
                xml.text_element((SAML, "Issuer"), &[], self.entity_id.as_str());
                self.statements(xml, name_id, session_index, at);
            });
        });
        Unsigned::new(xml.finish(), id, self.acs.clone(), signature_at)
    }

    fn statements(
        &self,
        xml: &mut Writer,
        name_id: &NameId,
        session_index: &SessionIndex,
        at: DateTime<Utc>,
    ) {
        let (now, end) = (instant::write(at), instant::write(at + TimeDelta::minutes(5)));
        xml.element((SAML, "Subject"), &[], |xml| {
            xml.text_element((SAML, "NameID"), &[("Format", name_id.format.as_deref())], &name_id.value);
            let bearer = [("Method", Some("urn:oasis:names:tc:SAML:2.0:cm:bearer"))];
            xml.element((SAML, "SubjectConfirmation"), &bearer, |xml| {
                let data = [("NotOnOrAfter", Some(end.as_str())), ("Recipient", Some(self.acs.as_str()))];
                xml.element((SAML, "SubjectConfirmationData"), &data, |_| ());
            });
        });
        xml.element((SAML, "Conditions"), &[("NotOnOrAfter", Some(end.as_str()))], |xml| {
            xml.element((SAML, "AudienceRestriction"), &[], |xml| {
                xml.text_element((SAML, "Audience"), &[], self.sp.as_str());
            });
        });
        let statement =
            [("AuthnInstant", Some(now.as_str())), ("SessionIndex", Some(session_index.as_str()))];
        xml.element((SAML, "AuthnStatement"), &statement, |xml| {
            xml.element((SAML, "AuthnContext"), &[], |xml| {
                let class = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
                xml.text_element((SAML, "AuthnContextClassRef"), &[], class);
            });
        });
    }

    fn id(&self) -> MessageId {
        MessageId::parse(self.entropy.message_id().unwrap()).unwrap()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// The message in an answer of the service.
fn answered(binding: Binding, answer: &str) -> Received {
    match binding {
        Binding::Redirect => {
            assert_eq!(load::status(answer), 302, "{answer}");
            let location = load::header(answer, "location").unwrap();
            redirect::decode(location.strip_prefix(SLO).unwrap().strip_prefix('?').unwrap()).unwrap()
        }
        Binding::Soap => {
            assert_eq!(load::status(answer), 200, "{answer}");
            soap::decode(load::body(answer).as_bytes(), Parameter::SamlResponse).unwrap()
        }
    }
}

/// The key of the first certificate in a service provider's metadata.
fn certificate_key(metadata: &str) -> Vec<u8> {
    let (_, rest) = metadata.split_once("X509Certificate>").unwrap();
    let text: String = rest.split('<').next().unwrap().split_ascii_whitespace().collect();
    let certificate = X509::from_der(&STANDARD.decode(text).unwrap()).unwrap();
    certificate.public_key().unwrap().public_key_to_der().unwrap()
}
