//! The messages that only an identity provider reads and writes: AuthnRequest in, Response out,
//! metadata. The logout messages are the same on both sides.

use chrono::{DateTime, TimeDelta, Utc};

use crate::saml::binding::Parameter;
use crate::saml::instant;
use crate::saml::message::{Head, Message, issuer, sole_message};
use crate::saml::names::{Binding, EntityId, Location, MessageId, NameId, SessionIndex};
use crate::saml::outbound::Unsigned;
use crate::saml::refusal::Refusal;
use crate::saml::second_opinion::Testimony;
use crate::saml::write::{DS, MD, MDUI, SAML, SAMLP, Writer};
use crate::saml::xml::{self, Document};

/// An AuthnRequest, as far as this identity provider cares (Core 3.4.1).
#[derive(Debug, Clone)]
pub struct AuthnRequest {
    head: Head,
    issuer: EntityId,
    /// Where the answer is wanted; compared with what the service provider published.
    pub acs: Option<String>,
    /// Whether a living session is not enough.
    pub force_authn: bool,
}

impl Message for AuthnRequest {
    const PARAMETER: Parameter = Parameter::SamlRequest;

    fn read(document: &Document<'_>) -> Result<Self, Refusal> {
        let root = sole_message(document, "AuthnRequest")?;
        let head = Head::read(root)?;
        let issuer_node = root.sequence()?.optional(xml::SAML, "Issuer");
        Ok(Self {
            head,
            issuer: issuer(issuer_node)?,
            acs: root.attribute("AssertionConsumerServiceURL").map(str::to_owned),
            force_authn: root.attribute("ForceAuthn").is_some_and(|force| matches!(force, "true" | "1")),
        })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn issuer(&self) -> &EntityId {
        &self.issuer
    }

    fn testimony(&self) -> Testimony {
        Testimony::bare("AuthnRequest", &self.head.id)
    }
}

/// A successful answer to an AuthnRequest, with one assertion.
pub struct NewResponse<'a> {
    /// The Response's ID.
    pub id: &'a MessageId,
    /// The assertion's ID.
    pub assertion_id: &'a MessageId,
    /// The request that is answered.
    pub in_response_to: &'a MessageId,
    /// Now.
    pub now: DateTime<Utc>,
    /// The identity provider.
    pub idp: &'a EntityId,
    /// The service provider, as audience.
    pub sp: &'a EntityId,
    /// Its assertion consumer service.
    pub acs: &'a Location,
    /// Who it is.
    pub name_id: &'a NameId,
    /// Which session.
    pub session_index: &'a SessionIndex,
    /// When the person signed in.
    pub authn_instant: DateTime<Utc>,
}

impl NewResponse<'_> {
    /// Writes the Response (Core 3.3.3), to be signed as a whole.
    #[must_use]
    pub fn write(&self) -> Unsigned {
        let now = instant::write(self.now);
        let mut xml = Writer::new();
        let mut signature_at = 0;
        let attributes = [
            ("Destination", Some(self.acs.as_str())),
            ("ID", Some(self.id.as_str())),
            ("InResponseTo", Some(self.in_response_to.as_str())),
            ("IssueInstant", Some(now.as_str())),
            ("Version", Some("2.0")),
        ];
        xml.element((SAMLP, "Response"), &attributes, |xml| {
            xml.text_element((SAML, "Issuer"), &[], self.idp.as_str());
            signature_at = xml.position();
            let success = [("Value", Some("urn:oasis:names:tc:SAML:2.0:status:Success"))];
            xml.element((SAMLP, "Status"), &[], |xml| xml.element((SAMLP, "StatusCode"), &success, |_| ()));
            self.assertion(xml, &now);
        });
        Unsigned::new(xml.finish(), self.id.clone(), self.acs.clone(), signature_at)
    }

    fn assertion(&self, xml: &mut Writer, now: &str) {
        let attributes =
            [("ID", Some(self.assertion_id.as_str())), ("IssueInstant", Some(now)), ("Version", Some("2.0"))];
        xml.element((SAML, "Assertion"), &attributes, |xml| {
            xml.text_element((SAML, "Issuer"), &[], self.idp.as_str());
            self.subject(xml);
            self.conditions(xml);
            self.statement(xml);
        });
    }

    fn subject(&self, xml: &mut Writer) {
        let end = instant::write(self.now + TimeDelta::minutes(5));
        let confirmation = [
            ("InResponseTo", Some(self.in_response_to.as_str())),
            ("NotOnOrAfter", Some(end.as_str())),
            ("Recipient", Some(self.acs.as_str())),
        ];
        let name_id = [
            ("Format", self.name_id.format.as_deref()),
            ("NameQualifier", self.name_id.name_qualifier.as_deref()),
            ("SPNameQualifier", self.name_id.sp_name_qualifier.as_deref()),
        ];
        let bearer = [("Method", Some(crate::saml::assertion::BEARER))];
        xml.element((SAML, "Subject"), &[], |xml| {
            xml.text_element((SAML, "NameID"), &name_id, &self.name_id.value);
            xml.element((SAML, "SubjectConfirmation"), &bearer, |xml| {
                xml.element((SAML, "SubjectConfirmationData"), &confirmation, |_| ());
            });
        });
    }

    fn conditions(&self, xml: &mut Writer) {
        let start = instant::write(self.now - TimeDelta::minutes(1));
        let end = instant::write(self.now + TimeDelta::minutes(5));
        let window = [("NotBefore", Some(start.as_str())), ("NotOnOrAfter", Some(end.as_str()))];
        xml.element((SAML, "Conditions"), &window, |xml| {
            xml.element((SAML, "AudienceRestriction"), &[], |xml| {
                xml.text_element((SAML, "Audience"), &[], self.sp.as_str());
            });
        });
    }

    fn statement(&self, xml: &mut Writer) {
        let authn_instant = instant::write(self.authn_instant);
        let attributes = [
            ("AuthnInstant", Some(authn_instant.as_str())),
            ("SessionIndex", Some(self.session_index.as_str())),
        ];
        xml.element((SAML, "AuthnStatement"), &attributes, |xml| {
            xml.element((SAML, "AuthnContext"), &[], |xml| {
                let class = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
                xml.text_element((SAML, "AuthnContextClassRef"), &[], class);
            });
        });
    }
}

/// The metadata of an identity provider (Metadata 2.4.3).
pub struct NewIdpMetadata<'a> {
    /// Its entity ID.
    pub entity_id: &'a EntityId,
    /// The name to show.
    pub display_name: &'a str,
    /// Its signing certificate in base64.
    pub certificate: &'a str,
    /// Where AuthnRequests go, by Redirect.
    pub single_sign_on: &'a Location,
    /// Where logout messages go, by binding.
    pub single_logout: &'a [(Binding, Location)],
}

impl NewIdpMetadata<'_> {
    /// Writes the document.
    #[must_use]
    pub fn write(&self) -> String {
        let mut xml = Writer::new();
        xml.element((MD, "EntityDescriptor"), &[("entityID", Some(self.entity_id.as_str()))], |xml| {
            let protocol =
                [("protocolSupportEnumeration", Some(SAMLP.uri)), ("WantAuthnRequestsSigned", Some("true"))];
            xml.element((MD, "IDPSSODescriptor"), &protocol, |xml| {
                xml.element((MD, "Extensions"), &[], |xml| {
                    xml.element((MDUI, "UIInfo"), &[], |xml| {
                        xml.text_element(
                            (MDUI, "DisplayName"),
                            &[("xml:lang", Some("en"))],
                            self.display_name,
                        );
                    });
                });
                xml.element((MD, "KeyDescriptor"), &[("use", Some("signing"))], |xml| self.key(xml));
                for (binding, location) in self.single_logout {
                    let endpoint = [("Binding", Some(binding.uri())), ("Location", Some(location.as_str()))];
                    xml.element((MD, "SingleLogoutService"), &endpoint, |_| ());
                }
                let location = Some(self.single_sign_on.as_str());
                let endpoint = [("Binding", Some(Binding::Redirect.uri())), ("Location", location)];
                xml.element((MD, "SingleSignOnService"), &endpoint, |_| ());
            });
        });
        xml.finish()
    }

    fn key(&self, xml: &mut Writer) {
        xml.element((DS, "KeyInfo"), &[], |xml| {
            xml.element((DS, "X509Data"), &[], |xml| {
                xml.text_element((DS, "X509Certificate"), &[], self.certificate);
            });
        });
    }
}
