//! The LogoutRequest that we send (Core 3.7.1; Profiles 4.4.4.1).

use chrono::{DateTime, Utc};

use super::{Header, Unsigned, samlp};
use crate::saml::binding::Parameter;
use crate::saml::encryption::EncryptedId;
use crate::saml::instant;
use crate::saml::names::{EntityId, Location, MessageId, NameId, SessionIndex};
use crate::saml::write::{ASLO, SAML, Writer};

/// Why we ask for the end of a session. The two timeout reasons of Core 3.7.3.2 belong to the
/// session authority and cannot be named here (SLO-41).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The person asked.
    User,
    /// An administrator did.
    Admin,
}

impl Reason {
    /// The URI of Core 3.7.3.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::User => "urn:oasis:names:tc:SAML:2.0:logout:user",
            Self::Admin => "urn:oasis:names:tc:SAML:2.0:logout:admin",
        }
    }
}

/// A LogoutRequest to be sent to the IdP that issued the session's assertion.
#[derive(Debug, Clone, Copy)]
pub struct NewLogoutRequest<'a> {
    /// A new ID.
    pub id: &'a MessageId,
    /// Now.
    pub issue_instant: DateTime<Utc>,
    /// The IdP's single logout endpoint.
    pub destination: &'a Location,
    /// Our entity ID.
    pub issuer: &'a EntityId,
    /// Until when the IdP may act on it.
    pub not_on_or_after: Option<DateTime<Utc>>,
    /// On whose wish.
    pub reason: Reason,
    /// The NameID exactly as the assertion had it (SLO-38).
    pub name_id: &'a NameId,
    /// Every SessionIndex of the sessions that end (SLO-39).
    pub session_indexes: &'a [SessionIndex],
    /// Whether to say that we expect no answer; only where the endpoint's metadata allows it
    /// (SLO-49).
    pub asynchronous: bool,
}

impl NewLogoutRequest<'_> {
    /// The message, in schema order (SLO-40).
    #[must_use]
    pub fn write(&self) -> Unsigned {
        self.write_naming(|xml| write_name_id(xml, self.name_id))
    }

    /// The message with the principal's name encrypted, for an IdP that demands it (SLO-43).
    #[must_use]
    pub fn write_encrypted(&self, name_id: &EncryptedId) -> Unsigned {
        self.write_naming(|xml| xml.nested(name_id.as_str()))
    }

    fn write_naming(&self, identifier: impl FnOnce(&mut Writer)) -> Unsigned {
        let header = Header {
            id: self.id,
            issue_instant: self.issue_instant,
            destination: Some(self.destination),
            issuer: self.issuer,
        };
        let not_on_or_after = self.not_on_or_after.map(instant::write);
        let attributes = [("NotOnOrAfter", not_on_or_after.as_deref()), ("Reason", Some(self.reason.uri()))];
        header.write("LogoutRequest", Parameter::SamlRequest, &attributes, |xml| {
            if self.asynchronous {
                xml.element(samlp("Extensions"), &[], |xml| {
                    xml.element((ASLO, "Asynchronous"), &[], |_| ());
                });
            }
            identifier(xml);
            for index in self.session_indexes {
                xml.text_element(samlp("SessionIndex"), &[], index.as_str());
            }
        })
    }
}

/// All that was received and nothing more: some IdPs refuse an attribute that they did not send.
pub(in crate::saml) fn write_name_id(xml: &mut Writer, name_id: &NameId) {
    let attributes = [
        ("Format", name_id.format.as_deref()),
        ("NameQualifier", name_id.name_qualifier.as_deref()),
        ("SPNameQualifier", name_id.sp_name_qualifier.as_deref()),
        ("SPProvidedID", name_id.sp_provided_id.as_deref()),
    ];
    xml.text_element((SAML, "NameID"), &attributes, &name_id.value);
}
