//! `<samlp:LogoutResponse>` as received (Core 3.7.2, 3.2.2).

use super::binding::Parameter;
use super::message::{Head, Message, issuer, no_assertion, sole_message};
use super::names::{EntityId, MessageId};
use super::refusal::Refusal;
use super::second_opinion::Testimony;
use super::status::{SecondLevel, Status, TopLevel};
use super::xml::{DS, Document, Node, SAML, SAMLP};

/// An answer to a LogoutRequest of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutResponse {
    head: Head,
    issuer: EntityId,
    in_response_to: Option<MessageId>,
    status: Status,
}

impl LogoutResponse {
    /// The request that is answered.
    #[must_use]
    pub const fn in_response_to(&self) -> Option<&MessageId> {
        self.in_response_to.as_ref()
    }

    /// How it went at the IdP.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }
}

impl Message for LogoutResponse {
    const PARAMETER: Parameter = Parameter::SamlResponse;

    fn read(document: &Document<'_>) -> Result<Self, Refusal> {
        let root = sole_message(document, "LogoutResponse")?;
        let head = Head::read(root)?;
        no_assertion(document)?;
        root.only_attributes(&["ID", "InResponseTo", "Version", "IssueInstant", "Destination", "Consent"])?;
        let in_response_to = in_response_to(root)?;
        let mut children = root.sequence()?;
        let issuer_node = children.optional(SAML, "Issuer");
        children.optional(DS, "Signature");
        children.optional(SAMLP, "Extensions");
        let status = status(children.required(SAMLP, "Status", "no Status")?)?;
        children.end()?;
        Ok(Self { head, issuer: issuer(issuer_node)?, in_response_to, status })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn issuer(&self) -> &EntityId {
        &self.issuer
    }

    fn testimony(&self) -> Testimony {
        Testimony::bare("LogoutResponse", &self.head.id)
    }
}

/// Reads `InResponseTo`.
///
/// # Errors
/// [`Refusal::Schema`] if it is no NCName.
pub(super) fn in_response_to(node: Node<'_, '_>) -> Result<Option<MessageId>, Refusal> {
    let parse = |id: &str| MessageId::parse(id).map_err(|_| Refusal::Schema("InResponseTo is not an NCName"));
    node.attribute("InResponseTo").map(parse).transpose()
}

/// Reads a `<samlp:Status>` (Core 3.2.2.1): the two uppermost codes and the message.
///
/// # Errors
/// [`Refusal::Schema`].
pub(super) fn status(node: Node<'_, '_>) -> Result<Status, Refusal> {
    node.only_attributes(&[])?;
    let mut children = node.sequence()?;
    let code = children.required(SAMLP, "StatusCode", "no StatusCode")?;
    let message = children.optional(SAMLP, "StatusMessage");
    children.optional(SAMLP, "StatusDetail");
    children.end()?;

    let top = TopLevel::from_uri(code_value(code)?);
    let second = nested(code)?.map(|second| code_value(second).map(SecondLevel::from_uri)).transpose()?;
    let message = message.map(|message| message.text().map(std::borrow::Cow::into_owned)).transpose()?;
    Ok(Status { top, second, message })
}

fn code_value<'d>(code: Node<'d, '_>) -> Result<&'d str, Refusal> {
    code.only_attributes(&["Value"])?;
    code.attribute("Value").ok_or(Refusal::Schema("StatusCode without Value"))
}

fn nested<'d, 'a>(code: Node<'d, 'a>) -> Result<Option<Node<'d, 'a>>, Refusal> {
    let mut children = code.sequence()?;
    let second = children.optional(SAMLP, "StatusCode");
    children.end()?;
    Ok(second)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const GOOD: &str = r#"<p:LogoutResponse xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" Version="2.0" IssueInstant="2026-11-22T10:00:00Z" InResponseTo="_9"><a:Issuer>https://idp</a:Issuer><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/></p:StatusCode><p:StatusMessage>&lt;script></p:StatusMessage></p:Status></p:LogoutResponse>"#;

    fn read(source: &str) -> Result<LogoutResponse, Refusal> {
        LogoutResponse::read(&Document::parse(source)?)
    }

    #[test]
    fn slo_51_reads_both_levels_of_status() {
        let response = read(GOOD).unwrap();
        assert_eq!(response.status().top, TopLevel::Responder);
        assert_eq!(response.status().second, Some(SecondLevel::PartialLogout));
        assert_eq!(response.in_response_to().map(MessageId::as_str), Some("_9"));
    }

    #[test]
    fn val_04_a_status_is_needed() {
        let without = GOOD.split_once("<p:Status>").unwrap().0.to_owned() + "</p:LogoutResponse>";
        assert_eq!(read(&without), Err(Refusal::Schema("no Status")));
        assert!(matches!(read(&GOOD.replace("Value=", "Code=")), Err(Refusal::Schema(_))));
    }
}
