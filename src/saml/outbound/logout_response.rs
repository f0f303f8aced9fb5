//! The LogoutResponse that we send (Core 3.7.2; Profiles 4.4.4.2).

use chrono::{DateTime, Utc};

use super::{Header, Unsigned, samlp};
use crate::saml::binding::Parameter;
use crate::saml::logout_request::LogoutRequest;
use crate::saml::message::Message as _;
use crate::saml::names::{EntityId, Location, MessageId};
use crate::saml::signature::Verified;
use crate::saml::status::{SecondLevel, Status, TopLevel};
use crate::saml::write::Writer;

/// A LogoutResponse to be sent.
///
/// How a logout went can only be said in answer to a verified LogoutRequest; to anything else the
/// one answer is that the request is denied.
#[derive(Debug, Clone)]
pub struct NewLogoutResponse<'a> {
    in_response_to: Option<&'a MessageId>,
    status: Status,
    header: Header<'a>,
}

impl<'a> NewLogoutResponse<'a> {
    /// The answer to a verified LogoutRequest: how it went. There is no destination on SOAP.
    #[must_use]
    pub fn answering(
        request: &'a Verified<LogoutRequest>,
        status: Status,
        id: &'a MessageId,
        issue_instant: DateTime<Utc>,
        destination: Option<&'a Location>,
        issuer: &'a EntityId,
    ) -> Self {
        Self {
            in_response_to: Some(&request.message().head().id),
            status,
            header: Header { id, issue_instant, destination, issuer },
        }
    }

    /// The answer to a request from a known IdP that could not be authenticated:
    /// `Requester/RequestDenied` (status table, row g). It has no InResponseTo if the request's ID
    /// could not be determined (SLO-17).
    #[must_use]
    pub const fn denying(
        in_response_to: Option<&'a MessageId>,
        id: &'a MessageId,
        issue_instant: DateTime<Utc>,
        destination: Option<&'a Location>,
        issuer: &'a EntityId,
    ) -> Self {
        Self {
            in_response_to,
            status: Status::new(TopLevel::Requester, Some(SecondLevel::RequestDenied)),
            header: Header { id, issue_instant, destination, issuer },
        }
    }

    /// The message.
    #[must_use]
    pub fn write(&self) -> Unsigned {
        let attributes = [("InResponseTo", self.in_response_to.map(MessageId::as_str))];
        self.header.write("LogoutResponse", Parameter::SamlResponse, &attributes, |xml| {
            write_status(xml, &self.status);
        })
    }
}

fn write_status(xml: &mut Writer, status: &Status) {
    xml.element(samlp("Status"), &[], |xml| {
        xml.element(samlp("StatusCode"), &[("Value", Some(&status.top.uri()))], |xml| {
            if let Some(second) = &status.second {
                xml.element(samlp("StatusCode"), &[("Value", Some(&second.uri()))], |_| ());
            }
        });
        if let Some(message) = &status.message {
            xml.text_element(samlp("StatusMessage"), &[], message);
        }
    });
}
