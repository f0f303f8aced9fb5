//! The messages that we send, each written in the form in which it is signed.

mod authn_request;
mod logout_request;
mod logout_response;
#[cfg(test)]
mod round_trip;

use chrono::{DateTime, Utc};

pub use self::authn_request::{NameIdPolicy, NewAuthnRequest};
pub(super) use self::logout_request::write_name_id;
pub use self::logout_request::{NewLogoutRequest, Reason};
pub use self::logout_response::NewLogoutResponse;
use crate::saml::binding::Parameter;
use crate::saml::instant;
use crate::saml::names::{EntityId, Location, MessageId};
use crate::saml::write::{Attribute, Namespace, SAML, SAMLP, Writer};

/// A message as it is before it is signed: exclusive canonical XML, without a signature anywhere
/// inside (BIND-02). It knows where it goes, so that its Destination and the URL it is sent to
/// cannot differ (BIND-23), and whether it is a request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    xml: String,
    id: MessageId,
    destination: Option<Location>,
    parameter: Parameter,
    /// Where an enveloped signature belongs: right after the Issuer (Core 3.2.1, 3.2.2).
    signature_at: usize,
}

impl Unsigned {
    /// A message that another role than ours writes: the demonstration's identity provider.
    /// `signature_at` is the place right after the Issuer, as [`Writer::position`] told it.
    #[must_use]
    pub const fn new(xml: String, id: MessageId, destination: Location, signature_at: usize) -> Self {
        Self { xml, id, destination: Some(destination), parameter: Parameter::SamlResponse, signature_at }
    }

    /// The message's octets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.xml
    }

    /// The message's own ID.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Where the message goes; none only for an answer on SOAP.
    #[must_use]
    pub const fn destination(&self) -> Option<&Location> {
        self.destination.as_ref()
    }

    /// The parameter that carries the message on a front-channel binding.
    #[must_use]
    pub const fn parameter(&self) -> Parameter {
        self.parameter
    }

    /// The message in two halves; an enveloped signature goes between them.
    pub(super) fn around_signature(&self) -> (&str, &str) {
        self.xml.split_at_checked(self.signature_at).unwrap_or((&self.xml, ""))
    }
}

/// What every message begins with (Core 3.2.1, 3.2.2).
#[derive(Debug, Clone, Copy)]
struct Header<'a> {
    id: &'a MessageId,
    issue_instant: DateTime<Utc>,
    destination: Option<&'a Location>,
    issuer: &'a EntityId,
}

impl Header<'_> {
    /// Writes a message of that name: the header, then whatever `body` writes.
    fn write(
        &self,
        name: &'static str,
        parameter: Parameter,
        attributes: &[Attribute<'_>],
        body: impl FnOnce(&mut Writer),
    ) -> Unsigned {
        let issue_instant = instant::write(self.issue_instant);
        let mut all = vec![
            ("Destination", self.destination.map(Location::as_str)),
            ("ID", Some(self.id.as_str())),
            ("IssueInstant", Some(issue_instant.as_str())),
            ("Version", Some("2.0")),
        ];
        all.extend_from_slice(attributes);
        let mut xml = Writer::new();
        let mut signature_at = 0;
        xml.element((SAMLP, name), &all, |xml| {
            // No Format: absent means "entity" here (SLO-37, Profiles 4.4.4.1).
            xml.text_element((SAML, "Issuer"), &[], self.issuer.as_str());
            signature_at = xml.position();
            body(xml);
        });
        Unsigned {
            xml: xml.finish(),
            id: self.id.clone(),
            destination: self.destination.cloned(),
            parameter,
            signature_at,
        }
    }
}

const fn samlp(name: &'static str) -> (Namespace, &'static str) {
    (SAMLP, name)
}

const fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::saml::names::{NameId, SessionIndex};

    fn id(text: &str) -> MessageId {
        MessageId::parse(text).unwrap()
    }

    fn location(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    fn us() -> EntityId {
        EntityId::parse("https://sp.example").unwrap()
    }

    fn logout_request(name_id: &NameId, indexes: &[&str], asynchronous: bool) -> Unsigned {
        let indexes: Vec<_> = indexes.iter().map(|index| SessionIndex::parse(*index).unwrap()).collect();
        NewLogoutRequest {
            id: &id("_1"),
            issue_instant: DateTime::UNIX_EPOCH,
            destination: &location("https://idp.example/slo?a&b"),
            issuer: &us(),
            not_on_or_after: DateTime::from_timestamp(300, 0),
            reason: Reason::Admin,
            name_id,
            session_indexes: &indexes,
            asynchronous,
        }
        .write()
    }

    #[test]
    fn slo_40_a_logout_request_in_schema_order() {
        let message = logout_request(&NameId::bare("alice"), &["1", "2"], true);
        assert_eq!(
            message.as_str(),
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             Destination=\"https://idp.example/slo?a&amp;b\" ID=\"_1\" IssueInstant=\"1970-01-01T00:00:00Z\" \
             NotOnOrAfter=\"1970-01-01T00:05:00Z\" Reason=\"urn:oasis:names:tc:SAML:2.0:logout:admin\" \
             Version=\"2.0\">\
             <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://sp.example</saml:Issuer>\
             <samlp:Extensions><aslo:Asynchronous \
             xmlns:aslo=\"urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo\"></aslo:Asynchronous>\
             </samlp:Extensions>\
             <saml:NameID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">alice</saml:NameID>\
             <samlp:SessionIndex>1</samlp:SessionIndex><samlp:SessionIndex>2</samlp:SessionIndex>\
             </samlp:LogoutRequest>"
        );
        assert!(message.around_signature().0.ends_with("</saml:Issuer>"));
        assert_eq!(message.parameter(), Parameter::SamlRequest);
        assert_eq!(message.destination().unwrap().as_str(), "https://idp.example/slo?a&b");
    }

    #[test]
    fn slo_38_exactly_the_attributes_that_were_received() {
        for mask in 0..16_u8 {
            let has = |bit: u8, value: &str| (mask & bit != 0).then(|| value.to_owned());
            let name_id = NameId {
                value: " a ".into(),
                format: has(1, "f"),
                name_qualifier: has(2, ""),
                sp_name_qualifier: has(4, "s"),
                sp_provided_id: has(8, "p"),
            };
            let message = logout_request(&name_id, &[], false);
            let expected: String = [
                (1, " Format=\"f\""),
                (2, " NameQualifier=\"\""),
                (4, " SPNameQualifier=\"s\""),
                (8, " SPProvidedID=\"p\""),
            ]
            .iter()
            .filter(|(bit, _)| mask & bit != 0)
            .map(|(_, text)| *text)
            .collect();
            let xmlns = "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
            let element = format!("<saml:NameID {xmlns}{expected}> a </saml:NameID></samlp:LogoutRequest>");
            assert!(message.as_str().ends_with(&element), "{mask}: {}", message.as_str());
        }
    }

    #[test]
    fn slo_49_the_extension_only_when_asked_for() {
        assert!(!logout_request(&NameId::bare("a"), &["1"], false).as_str().contains("Extensions"));
    }

    fn authn_request(force_authn: bool, name_id_policy: Option<&NameIdPolicy>) -> String {
        NewAuthnRequest {
            id: &id("_1"),
            issue_instant: DateTime::UNIX_EPOCH,
            destination: &location("https://idp.example/sso"),
            issuer: &us(),
            acs: &location("https://sp.example/saml/acs"),
            force_authn,
            is_passive: force_authn,
            name_id_policy,
        }
        .write()
        .as_str()
        .to_owned()
    }

    #[test]
    fn sso_03_the_acs_by_its_url_and_nothing_asked_that_is_not_needed() {
        assert_eq!(
            authn_request(false, None),
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             AssertionConsumerServiceURL=\"https://sp.example/saml/acs\" \
             Destination=\"https://idp.example/sso\" ID=\"_1\" IssueInstant=\"1970-01-01T00:00:00Z\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Version=\"2.0\">\
             <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://sp.example</saml:Issuer>\
             </samlp:AuthnRequest>"
        );
    }

    #[test]
    fn sso_02_a_name_id_policy_when_configured() {
        let policy = NameIdPolicy { format: None, allow_create: true };
        let xml = authn_request(true, Some(&policy));
        assert!(xml.contains(" ForceAuthn=\"true\" ID=\"_1\" IsPassive=\"true\" "), "{xml}");
        assert!(xml.contains("<samlp:NameIDPolicy AllowCreate=\"true\"></samlp:NameIDPolicy>"), "{xml}");
    }

    #[test]
    fn slo_17_a_denial_without_the_request_s_id() {
        let (id, us) = (id("_2"), us());
        let message = NewLogoutResponse::denying(None, &id, DateTime::UNIX_EPOCH, None, &us).write();
        assert_eq!(
            message.as_str(),
            "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_2\" \
             IssueInstant=\"1970-01-01T00:00:00Z\" Version=\"2.0\">\
             <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://sp.example</saml:Issuer>\
             <samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Requester\">\
             <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:RequestDenied\"></samlp:StatusCode>\
             </samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"
        );
        assert_eq!(message.parameter(), Parameter::SamlResponse);
    }
}
