//! `<samlp:Response>` and its one `<saml:Assertion>` as received (Core 3.3.3, 2.3.3).

use super::assertion::Assertion;
use super::binding::Parameter;
use super::encryption::{DecryptionKeys, Encrypted};
use super::logout_response::{in_response_to, status};
use super::message::{Head, Message, issuer, messages, sole_message};
use super::names::{EntityId, MessageId};
use super::refusal::Refusal;
use super::second_opinion::Testimony;
use super::status::Status;
use super::xml::{DS, Document, SAML, SAMLP};

/// An answer to an AuthnRequest of ours, or an unsolicited one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    head: Head,
    /// The Response's own Issuer, else the assertion's.
    issuer: EntityId,
    /// Whether the Response has an Issuer of its own.
    names_issuer: bool,
    in_response_to: Option<MessageId>,
    status: Status,
    content: Content,
}

/// What a response carries. More than one assertion is refused (F-12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// No assertion, as in every answer that is not Success.
    Nothing,
    /// An assertion in clear.
    Assertion(Box<Assertion>),
    /// An EncryptedAssertion that has not been decrypted.
    Encrypted(Box<Encrypted>),
}

impl Response {
    /// The request that is answered; unsolicited responses have none.
    #[must_use]
    pub const fn in_response_to(&self) -> Option<&MessageId> {
        self.in_response_to.as_ref()
    }

    /// How it went at the IdP.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Whether the Response names its Issuer itself.
    #[must_use]
    pub const fn names_issuer(&self) -> bool {
        self.names_issuer
    }

    /// What it carries.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Puts the assertion that was decrypted, and that a verified signature covers, in the place of
    /// the encrypted one. It has to stand there alone, as one in clear has to.
    ///
    /// # Errors
    /// As reading a Response with an assertion in clear.
    pub(super) fn reveal(mut self, decrypted: &Document<'_>) -> Result<Self, Refusal> {
        let assertions = decrypted.all(SAML, "Assertion").len();
        if assertions + decrypted.all(SAML, "EncryptedAssertion").len() > 1 {
            return Err(Refusal::ManyAssertions);
        }
        if messages(decrypted) > 0 {
            return Err(Refusal::NestedMessage);
        }
        let assertion = Assertion::read(decrypted.root())?;
        if *assertion.issuer() != self.issuer {
            return Err(Refusal::IssuerMismatch);
        }
        self.content = Content::Assertion(Box::new(assertion));
        Ok(self)
    }

    /// Decrypts the assertion's subject; for a Response whose signatures have been verified.
    ///
    /// # Errors
    /// [`Refusal::AssertionEncrypted`].
    pub(super) fn decrypt_subject(&mut self, keys: &DecryptionKeys) -> Result<(), Refusal> {
        match &mut self.content {
            Content::Assertion(assertion) => assertion.decrypt_subject(keys),
            Content::Encrypted(_) | Content::Nothing => Ok(()),
        }
    }
}

impl Message for Response {
    const PARAMETER: Parameter = Parameter::SamlResponse;

    fn read(document: &Document<'_>) -> Result<Self, Refusal> {
        let root = sole_message(document, "Response")?;
        let head = Head::read(root)?;
        root.only_attributes(&["ID", "InResponseTo", "Version", "IssueInstant", "Destination", "Consent"])?;
        let in_response_to = in_response_to(root)?;

        let mut children = root.sequence()?;
        let issuer_node = children.optional(SAML, "Issuer");
        children.optional(DS, "Signature");
        children.optional(SAMLP, "Extensions");
        let status = status(children.required(SAMLP, "Status", "no Status")?)?;
        let assertion = children.optional(SAML, "Assertion");
        let encrypted = children.optional(SAML, "EncryptedAssertion");
        // Whatever else the document holds, inside an assertion or beside it, two are too many.
        let count = document.all(SAML, "Assertion").len() + document.all(SAML, "EncryptedAssertion").len();
        if count > 1 {
            return Err(Refusal::ManyAssertions);
        }
        children.end()?;
        let content = match (assertion, encrypted) {
            (Some(node), None) => Content::Assertion(Box::new(Assertion::read(node)?)),
            (None, Some(node)) => Content::Encrypted(Box::new(Encrypted::read(node)?)),
            (None, None) if count == 0 => Content::Nothing,
            _ => return Err(Refusal::NestedMessage),
        };

        // Profiles 4.1.4.2, E17: the Response may leave its Issuer out; if it is there, it and the
        // assertion's must be the same (SSO-17).
        let own = issuer_node.map(|node| issuer(Some(node))).transpose()?;
        let names_issuer = own.is_some();
        let issuer = match (own, &content) {
            (Some(own), Content::Assertion(assertion)) if own != *assertion.issuer() => {
                return Err(Refusal::IssuerMismatch);
            }
            (Some(own), _) => own,
            (None, Content::Assertion(assertion)) => assertion.issuer().clone(),
            (None, _) => return Err(Refusal::IssuerMissing),
        };
        Ok(Self { head, issuer, names_issuer, in_response_to, status, content })
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn issuer(&self) -> &EntityId {
        &self.issuer
    }

    fn testimony(&self) -> Testimony {
        Testimony::of_response(self, &self.head.id)
    }
}
