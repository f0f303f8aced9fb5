//! `<saml:Assertion>` as received (Core 2.3.3), as far as sign-in and logout need it.

use super::encryption::{DecryptionKeys, Encrypted};
use super::instant::Instant;
use super::logout_response::in_response_to;
use super::message::{Version, instant, issuer, name_id, required_instant};
use super::names::{EntityId, MessageId, NameId, SessionIndex};
use super::refusal::Refusal;
use super::xml::{DS, Node, SAML, XSI};

/// The only confirmation method of the Web Browser SSO profile (Profiles 4.1.4.2).
pub const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What an IdP asserts about a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    pub(super) id: MessageId,
    pub(super) issue_instant: Instant,
    pub(super) issuer: EntityId,
    pub(super) subject: Subject,
    pub(super) confirmations: Vec<Confirmation>,
    pub(super) conditions: Conditions,
    pub(super) authn_statements: Vec<AuthnStatement>,
}

/// The identifier of an assertion's subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    NameId(NameId),
    /// An EncryptedID that has not been decrypted.
    Encrypted(Box<Encrypted>),
    /// None, or a BaseID: nothing by which a logout could name the principal.
    Nameless,
}

/// A `<SubjectConfirmation>` with its data (Core 2.4.1.1, 2.4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirmation {
    pub(super) bearer: bool,
    pub(super) not_before: Option<Instant>,
    pub(super) not_on_or_after: Option<Instant>,
    pub(super) recipient: Option<String>,
    pub(super) in_response_to: Option<MessageId>,
}

/// `<Conditions>` (Core 2.5.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) not_before: Option<Instant>,
    pub(super) not_on_or_after: Option<Instant>,
    /// Each restriction's audiences: ANDed outside, ORed inside (E46).
    pub(super) audience_restrictions: Vec<Vec<String>>,
    /// Whether there is a condition of a type that is not known here.
    pub(super) unknown: bool,
}

/// `<AuthnStatement>` (Core 2.7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthnStatement {
    pub(super) authn_instant: Instant,
    pub(super) session_index: Option<SessionIndex>,
    pub(super) session_not_on_or_after: Option<Instant>,
}

impl Assertion {
    /// The IdP that says so.
    #[must_use]
    pub const fn issuer(&self) -> &EntityId {
        &self.issuer
    }

    /// The principal, if it is named and can be read.
    pub(super) const fn name_id(&self) -> Option<&NameId> {
        match &self.subject {
            Subject::NameId(name_id) => Some(name_id),
            Subject::Encrypted(_) | Subject::Nameless => None,
        }
    }

    /// Reads an assertion element by the schema. Attribute statements are not read: nothing here
    /// depends on them, whatever they look like (SSO-22).
    ///
    /// # Errors
    /// [`Refusal::Schema`], [`Refusal::VersionTooLow`], [`Refusal::VersionTooHigh`],
    /// [`Refusal::IssuerMissing`].
    pub(super) fn read(node: Node<'_, '_>) -> Result<Self, Refusal> {
        node.only_attributes(&["Version", "ID", "IssueInstant"])?;
        Version::parse(node.attribute("Version").ok_or(Refusal::VersionTooLow)?)?.supported()?;
        let id = node.attribute("ID").ok_or(Refusal::Schema("assertion without ID"))?;

        let mut children = node.sequence()?;
        let issuer_node = children.required(SAML, "Issuer", "assertion without Issuer")?;
        children.optional(DS, "Signature");
        let subject_node = children.optional(SAML, "Subject");
        let conditions_node = children.optional(SAML, "Conditions");
        children.optional(SAML, "Advice");
        let mut authn_statements = Vec::new();
        while let Some(statement) = children.any() {
            if statement.is(SAML, "AuthnStatement") {
                authn_statements.push(authn_statement(statement)?);
            } else if !["AttributeStatement", "AuthzDecisionStatement", "Statement"]
                .iter()
                .any(|name| statement.is(SAML, name))
            {
                return Err(Refusal::Schema("element that is no statement"));
            }
        }

        let (subject, confirmations) = subject_node.map_or(Ok((Subject::Nameless, Vec::new())), subject)?;
        Ok(Self {
            id: MessageId::parse(id).map_err(|_| Refusal::Schema("ID is not an NCName"))?,
            issue_instant: required_instant(node, "IssueInstant", "IssueInstant of the assertion")?,
            issuer: issuer(Some(issuer_node))?,
            subject,
            confirmations,
            conditions: conditions_node.map_or_else(|| Ok(Conditions::default()), conditions)?,
            authn_statements,
        })
    }

    /// Decrypts the subject, if it is encrypted; for an assertion whose signature has been verified.
    ///
    /// # Errors
    /// [`Refusal::AssertionEncrypted`].
    pub(super) fn decrypt_subject(&mut self, keys: &DecryptionKeys) -> Result<(), Refusal> {
        if let Subject::Encrypted(encrypted) = &self.subject {
            self.subject = match encrypted.name_id(keys) {
                Ok(name_id) => Subject::NameId(name_id),
                Err(Refusal::IdentifierUnknown) => Subject::Nameless,
                Err(_) => return Err(Refusal::AssertionEncrypted),
            };
        }
        Ok(())
    }
}

fn subject(node: Node<'_, '_>) -> Result<(Subject, Vec<Confirmation>), Refusal> {
    node.only_attributes(&[])?;
    let mut children = node.sequence()?;
    let subject = if let Some(name) = children.optional(SAML, "NameID") {
        Subject::NameId(name_id(name)?)
    } else if let Some(encrypted) = children.optional(SAML, "EncryptedID") {
        Subject::Encrypted(Box::new(Encrypted::read(encrypted)?))
    } else {
        children.optional(SAML, "BaseID");
        Subject::Nameless
    };
    let confirmations =
        children.many(SAML, "SubjectConfirmation").into_iter().map(confirmation).collect::<Result<_, _>>()?;
    children.end()?;
    Ok((subject, confirmations))
}

fn confirmation(node: Node<'_, '_>) -> Result<Confirmation, Refusal> {
    node.only_attributes(&["Method"])?;
    let method = node.attribute("Method").ok_or(Refusal::Schema("confirmation without Method"))?;
    let mut children = node.sequence()?;
    for identifier in ["NameID", "EncryptedID", "BaseID"] {
        children.optional(SAML, identifier);
    }
    let data = children.optional(SAML, "SubjectConfirmationData");
    children.end()?;
    let mut confirmation = Confirmation {
        bearer: method == BEARER,
        not_before: None,
        not_on_or_after: None,
        recipient: None,
        in_response_to: None,
    };
    if let Some(data) = data {
        // The schema lets any attribute and element stand here.
        confirmation.not_before = instant(data, "NotBefore", "NotBefore of the confirmation")?;
        confirmation.not_on_or_after = instant(data, "NotOnOrAfter", "NotOnOrAfter of the confirmation")?;
        confirmation.recipient = data.attribute("Recipient").map(str::to_owned);
        confirmation.in_response_to = in_response_to(data)?;
    }
    Ok(confirmation)
}

fn conditions(node: Node<'_, '_>) -> Result<Conditions, Refusal> {
    node.only_attributes(&["NotBefore", "NotOnOrAfter"])?;
    let mut conditions = Conditions {
        not_before: instant(node, "NotBefore", "NotBefore of the conditions")?,
        not_on_or_after: instant(node, "NotOnOrAfter", "NotOnOrAfter of the conditions")?,
        ..Conditions::default()
    };
    let mut children = node.sequence()?;
    while let Some(condition) = children.any() {
        if condition.is(SAML, "AudienceRestriction") {
            conditions.audience_restrictions.push(audiences(condition)?);
        } else if !(condition.is(SAML, "OneTimeUse") || condition.is(SAML, "ProxyRestriction")) {
            // Core 2.5.1.1: a condition that is not understood makes the whole indeterminate.
            conditions.unknown = true;
        }
        conditions.unknown |= condition.attributes().any(|name| name == (Some(XSI), "type"));
    }
    Ok(conditions)
}

fn audiences(node: Node<'_, '_>) -> Result<Vec<String>, Refusal> {
    let mut children = node.sequence()?;
    let audiences = children.many(SAML, "Audience");
    children.end()?;
    audiences.into_iter().map(|audience| audience.text().map(std::borrow::Cow::into_owned)).collect()
}

fn authn_statement(node: Node<'_, '_>) -> Result<AuthnStatement, Refusal> {
    node.only_attributes(&["AuthnInstant", "SessionIndex", "SessionNotOnOrAfter"])?;
    let index = node.attribute("SessionIndex").filter(|index| !index.is_empty());
    Ok(AuthnStatement {
        authn_instant: required_instant(node, "AuthnInstant", "AuthnInstant")?,
        session_index: index
            .map(|index| SessionIndex::parse(index).map_err(|_| Refusal::Schema("SessionIndex is too long")))
            .transpose()?,
        session_not_on_or_after: instant(node, "SessionNotOnOrAfter", "SessionNotOnOrAfter")?,
    })
}
