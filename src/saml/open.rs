//! From octets to a [`Verified`] message, in the order of the validation pipeline:
//! size, decoding, DTD, one parse, schema, Version, Issuer, Destination, algorithm, signature,
//! times. Nothing here acts; nothing before the signature is believed (VAL-01 to VAL-24).

use chrono::{DateTime, Utc};

use super::binding::{Detached, Received};
use super::encryption::{DecryptionKeys, NO_KEYS};
use super::logout_request::LogoutRequest;
use super::logout_response::LogoutResponse;
use super::message::{Limits, Message, fresh};
use super::names::{Binding, EntityId, Location, MessageId};
use super::refusal::Refusal;
use super::response::{Content, Response};
use super::signature::{
    TrustedKeys, Verified, verify_detached, verify_encrypted_response, verify_enveloped, verify_response,
};
use super::xml::{DS, Document};

/// A message that has been read but not verified: it says who claims to have sent it, so that
/// keys can be chosen, and nothing else.
pub struct Unopened<'a, M> {
    received: &'a Received,
    document: Document<'a>,
    message: M,
    decryption: &'a DecryptionKeys,
}

/// A message that was refused.
#[derive(Debug)]
pub struct Refused<M> {
    /// Why.
    pub refusal: Refusal,
    /// The message, if it is authentic and merely wrong: only such a one gets an answer that says
    /// more than "denied".
    pub authentic: Option<Box<Verified<M>>>,
}

impl<M> From<Refusal> for Refused<M> {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, authentic: None }
    }
}

impl<'a, M: Message> Unopened<'a, M> {
    /// Reads a message strictly by the schema.
    ///
    /// # Errors
    /// Rows h, l and n of the status table.
    pub fn read(received: &'a Received) -> Result<Self, Refusal> {
        if received.parameter != M::PARAMETER {
            return Err(Refusal::WrongMessage);
        }
        let document = match received.binding {
            Binding::Soap => Document::parse_soap(&received.octets)?,
            Binding::Redirect | Binding::Post => Document::parse(&received.octets)?,
        };
        let message = M::read(&document)?;
        Ok(Self { received, document, message, decryption: &NO_KEYS })
    }

    /// With what to decrypt, once the signature is verified. Without this, nothing is.
    #[must_use]
    pub fn decrypting_with(self, keys: &'a DecryptionKeys) -> Self {
        Self { decryption: keys, ..self }
    }

    /// The entity that claims to have sent it: for choosing keys, for nothing else (VAL-24).
    #[must_use]
    pub fn issuer(&self) -> &EntityId {
        self.message.issuer()
    }

    /// What the message claims: for showing to a person who inspects messages, for nothing else.
    pub(super) const fn message(&self) -> &M {
        &self.message
    }

    /// The ID that the message claims: for InResponseTo of a denial, for nothing else.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.message.head().id
    }

    /// Destination, and the signature that the binding asks for.
    ///
    /// `me` is the URL at which the message arrived; none where there is no URL to compare with,
    /// as for the answer to a SOAP request.
    ///
    /// # Errors
    /// Rows g and i of the status table.
    pub fn authenticate(self, keys: &TrustedKeys, me: Option<&Location>) -> Result<Verified<M>, Refusal> {
        self.destination(me)?;
        self.signed_by(keys)
    }

    /// The signature that the binding asks for, wherever the message was meant to go.
    pub(super) fn signed_by(self, keys: &TrustedKeys) -> Result<Verified<M>, Refusal> {
        if *self.issuer() != *keys.entity_id() {
            return Err(Refusal::IssuerMismatch);
        }
        match self.received.binding {
            Binding::Redirect => verify_detached(&self.document, self.message, &self.received.detached, keys),
            Binding::Post | Binding::Soap => verify_enveloped(&self.document, self.message, keys),
        }
    }

    /// Destination, if present, is this endpoint; on a signed front-channel message it must be
    /// present (VAL-08, Bindings 3.4.5.2, 3.5.5.2).
    pub(super) fn destination(&self, me: Option<&Location>) -> Result<(), Refusal> {
        let destination = self.message.head().destination.as_deref();
        match (destination, me) {
            (Some(destination), Some(me)) if destination != me.as_str() => Err(Refusal::DestinationWrong),
            (None, Some(_)) if self.received.binding != Binding::Soap && self.signed() => {
                Err(Refusal::DestinationMissing)
            }
            _ => Ok(()),
        }
    }

    /// Whether the message itself claims to be signed in the way of its binding.
    fn signed(&self) -> bool {
        let root = self.document.root();
        match self.received.binding {
            Binding::Redirect => self.received.detached != Detached::Absent,
            Binding::Post | Binding::Soap => {
                let signatures = self.document.all(DS, "Signature");
                signatures.iter().any(|node| node.parent().is_some_and(|parent| parent.same(root)))
            }
        }
    }
}

impl Unopened<'_, LogoutRequest> {
    /// Opens a LogoutRequest: authentic, of our version, current, with a readable identifier.
    ///
    /// # Errors
    /// The refusal, with the message if it is authentic (rows j, k and m).
    pub fn open(
        self,
        keys: &TrustedKeys,
        me: &Location,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Verified<LogoutRequest>, Refused<LogoutRequest>> {
        let decryption = self.decryption;
        let mut request = self.authenticate(keys, Some(me))?;
        let message = request.message();
        let judged = message.head().version.supported().and_then(|()| message.current(limits, now));
        // SLO-29: only now, with the signature verified.
        let judged = judged.and_then(|()| request.decrypt(decryption));
        let judged = judged.and_then(|()| request.message().name_id().map(|_| ()));
        match judged {
            Ok(()) => Ok(request),
            Err(refusal) => Err(Refused { refusal, authentic: Some(Box::new(request)) }),
        }
    }
}

impl Unopened<'_, LogoutResponse> {
    /// The LogoutRequest of ours that is claimed to be answered: for finding whom it was sent to.
    #[must_use]
    pub const fn in_response_to(&self) -> Option<&MessageId> {
        self.message.in_response_to()
    }

    /// The status that is claimed: for showing to a person who inspects messages, for nothing else.
    #[must_use]
    pub const fn claimed_status(&self) -> &super::status::Status {
        self.message.status()
    }

    /// Opens a LogoutResponse: authentic, of our version, fresh. Whether a request of ours waits
    /// for it is for the store to say (SLO-50).
    ///
    /// # Errors
    /// The refusal.
    pub fn open(
        self,
        keys: &TrustedKeys,
        me: Option<&Location>,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Verified<LogoutResponse>, Refusal> {
        let response = self.authenticate(keys, me)?;
        response.message().head().version.supported()?;
        fresh(response.message().head().issue_instant, limits, now)?;
        Ok(response)
    }
}

impl Unopened<'_, Response> {
    /// Opens a Response: all signatures verify and cover its assertion, Destination is ours, it is
    /// fresh, and what it has of encrypted things is decrypted (SSO-21). A Response that is not Success is refused without a look at anything else (SSO-20).
    ///
    /// `response_signed` demands a signature on the Response itself (SSO-08).
    ///
    /// # Errors
    /// The refusal.
    pub fn open(
        self,
        keys: &TrustedKeys,
        acs: &Location,
        response_signed: bool,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Verified<Response>, Refusal> {
        match self.received.binding {
            Binding::Post => {}
            Binding::Redirect | Binding::Soap => return Err(Refusal::ResponseByRedirect),
        }
        self.destination(Some(acs))?;
        if *self.issuer() != *keys.entity_id() {
            return Err(Refusal::IssuerMismatch);
        }
        self.message.head().version.supported()?;
        if self.message.status().top != super::status::TopLevel::Success {
            return Err(Refusal::NotAuthenticated);
        }
        let decryption = self.decryption;
        let mut response = self.covered_by(keys, response_signed)?;
        fresh(response.message().head().issue_instant, limits, now)?;
        response.decrypt_subject(decryption)?;
        Ok(response)
    }

    /// The signatures: all verify, and cover the assertion, which is decrypted on the way.
    pub(super) fn covered_by(
        self,
        keys: &TrustedKeys,
        response_signed: bool,
    ) -> Result<Verified<Response>, Refusal> {
        let (response, coverage) = match self.message.content() {
            Content::Assertion(_) => verify_response(&self.document, self.message, keys)?,
            Content::Encrypted(encrypted) => {
                let encrypted = encrypted.clone();
                verify_encrypted_response(&self.document, self.message, &encrypted, self.decryption, keys)?
            }
            Content::Nothing => return Err(Refusal::NoAssertion),
        };
        if response_signed && !coverage.response {
            return Err(Refusal::ResponseUnsigned);
        }
        // Profiles 4.1.4.2, E17: a Response that is signed names its Issuer (SSO-17).
        if coverage.response && !response.message().names_issuer() {
            return Err(Refusal::IssuerMissing);
        }
        Ok(response)
    }
}
