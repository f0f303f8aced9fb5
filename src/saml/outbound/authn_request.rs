//! The AuthnRequest that we send (Core 3.4.1; Profiles 4.1.4.1).

use chrono::{DateTime, Utc};

use super::{Header, Unsigned, boolean, samlp};
use crate::saml::binding::Parameter;
use crate::saml::names::{Binding, EntityId, Location, MessageId};

/// What kind of NameID we ask for. Normally nothing is asked (SSO-02).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameIdPolicy {
    /// The Format wanted; none leaves the choice to the IdP.
    pub format: Option<String>,
    /// Whether the IdP may make a new identifier.
    pub allow_create: bool,
}

/// An AuthnRequest to be sent to an IdP.
///
/// There is no RequestedAuthnContext and no index: the ACS is named by its URL (SSO-03, SSO-04).
#[derive(Debug, Clone, Copy)]
pub struct NewAuthnRequest<'a> {
    /// A new ID.
    pub id: &'a MessageId,
    /// Now.
    pub issue_instant: DateTime<Utc>,
    /// The IdP's single sign-on endpoint.
    pub destination: &'a Location,
    /// Our entity ID.
    pub issuer: &'a EntityId,
    /// Our assertion consumer service, as our metadata has it.
    pub acs: &'a Location,
    /// Whether the person must prove again who they are, session or not.
    pub force_authn: bool,
    /// Whether the IdP must not show anything to the person.
    pub is_passive: bool,
    /// What kind of NameID to ask for.
    pub name_id_policy: Option<&'a NameIdPolicy>,
}

impl NewAuthnRequest<'_> {
    /// The message.
    #[must_use]
    pub fn write(&self) -> Unsigned {
        let header = Header {
            id: self.id,
            issue_instant: self.issue_instant,
            destination: Some(self.destination),
            issuer: self.issuer,
        };
        let attributes = [
            ("AssertionConsumerServiceURL", Some(self.acs.as_str())),
            ("ForceAuthn", self.force_authn.then_some("true")),
            ("IsPassive", self.is_passive.then_some("true")),
            // Responses come by POST and no other way (SSO-05).
            ("ProtocolBinding", Some(Binding::Post.uri())),
        ];
        header.write("AuthnRequest", Parameter::SamlRequest, &attributes, |xml| {
            if let Some(policy) = self.name_id_policy {
                let attributes = [
                    ("AllowCreate", Some(boolean(policy.allow_create))),
                    ("Format", policy.format.as_deref()),
                ];
                xml.element(samlp("NameIDPolicy"), &attributes, |_| ());
            }
        })
    }
}
