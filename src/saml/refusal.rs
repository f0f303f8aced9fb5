//! Why a message was refused: a closed vocabulary in the words of the specification.

use std::fmt;

/// One reason for which a message is not acted upon.
///
/// [`Refusal::rule`] names the rule for the audit, [`Refusal::row`] the row of the status table that
/// decides the answer. The `Display` text is for the operator's log; a sender is told
/// [`Refusal::public_text`] and nothing else (VAL-20, SLO-55).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    // What does not decode.
    /// Neither `SAMLRequest` nor `SAMLResponse` is there.
    #[error("there is no SAML message in the request")]
    NoMessage,
    /// One of the binding's parameters comes twice, in whatever spelling.
    #[error("a parameter of the binding occurs more than once")]
    RepeatedParameter,
    /// `SAMLRequest` and `SAMLResponse` together.
    #[error("SAMLRequest and SAMLResponse came together")]
    RequestAndResponse,
    /// A `SAMLEncoding` other than DEFLATE.
    #[error("SAMLEncoding is not DEFLATE")]
    UnknownEncoding,
    /// `SigAlg` without `Signature` or the reverse, or a `Signature` that is no base64.
    #[error("SigAlg and Signature are not both there and readable")]
    BrokenDetachedSignature,
    /// A parameter is not valid percent-encoding or not UTF-8, or RelayState is too long.
    #[error("a parameter of the binding cannot be decoded")]
    BrokenParameter,
    /// The message is not base64.
    #[error("the message is not base64")]
    NotBase64,
    /// The message is not raw DEFLATE.
    #[error("the message is not DEFLATE")]
    NotDeflate,
    /// More than the limit, before or after inflation.
    #[error("the message is larger than the limit")]
    TooLarge,
    /// Deeper than the limit, or more attributes on one element than the limit.
    #[error("the message's nesting or number of attributes is over the limit")]
    TooComplex,

    // What is not XML as SAML wants it.
    /// A document type declaration.
    #[error("the message has a document type declaration")]
    Dtd,
    /// A comment or processing instruction.
    #[error("the message has a comment or processing instruction")]
    CommentOrInstruction,
    /// Not well-formed, not namespace-well-formed, or not UTF-8.
    #[error("the message is not well-formed XML in UTF-8")]
    NotWellFormed,
    /// Not a SOAP 1.1 envelope.
    #[error("the body is not a SOAP 1.1 envelope")]
    NotSoap,
    /// Not exactly one message in the SOAP body.
    #[error("the SOAP body does not hold exactly one message")]
    SoapBody,
    /// A SOAP header block that we would have to understand.
    #[error("a SOAP header block must be understood and is not")]
    MustUnderstand,

    // What is not the message that belongs here.
    /// Another kind of message than this endpoint and parameter take.
    #[error("this kind of message does not belong at this endpoint")]
    WrongMessage,
    /// Against the schema; the text says where.
    #[error("the message is not valid against the schema: {0}")]
    Schema(&'static str),
    /// A second protocol message or assertion inside the message.
    #[error("the message holds another message or assertion inside")]
    NestedMessage,
    /// Version 1.x, or no version number at all.
    #[error("the message's Version is too low or no version")]
    VersionTooLow,
    /// A major version above 2.
    #[error("the message's Version is too high")]
    VersionTooHigh,
    /// Major version 2, minor version not 0.
    #[error("the message's minor Version is not 0")]
    VersionMinor,

    // Who sent it, and to whom.
    /// No Issuer, or one with a Format other than entity.
    #[error("the message has no usable Issuer")]
    IssuerMissing,
    /// No accepted metadata for that Issuer.
    #[error("no identity provider of that name is known here")]
    IssuerUnknown,
    /// The parts of a message name different issuers, or not the one that was asked.
    #[error("the Issuer is not the identity provider concerned")]
    IssuerMismatch,
    /// No Destination where the binding demands one.
    #[error("the signed message has no Destination")]
    DestinationMissing,
    /// Another Destination than the endpoint at which the message arrived.
    #[error("the Destination is not this endpoint")]
    DestinationWrong,

    // Whether it is authentic.
    /// No signature where one has to be.
    #[error("the message is not signed")]
    SignatureMissing,
    /// The signature's structure is not the one SAML allows; the text says where.
    #[error("the signature's structure is not allowed: {0}")]
    SignatureShape(&'static str),
    /// A transform or canonicalisation other than the allowed.
    #[error("a transform or canonicalisation method is not allowed")]
    TransformNotAllowed,
    /// A signature or digest algorithm that is not on the allow-list, or does not fit the key.
    #[error("a signature or digest algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// No key of the identity provider verifies the signature.
    #[error("the signature does not verify with any key of the identity provider")]
    SignatureInvalid,
    /// Our verifier accepts it, the second engine does not, and its word counts.
    #[error("the second engine does not confirm what our verifier accepts")]
    NotConfirmedTwice,

    // Whether it is current.
    /// An instant that is not in UTC.
    #[error("an instant is not in UTC")]
    NotUtc,
    /// IssueInstant is too old.
    #[error("the message is too old")]
    Stale,
    /// IssueInstant lies in the future.
    #[error("the message was issued in the future")]
    IssuedInFuture,
    /// NotOnOrAfter has passed.
    #[error("the message's NotOnOrAfter has passed")]
    Expired,
    /// NotOnOrAfter is not after IssueInstant.
    #[error("the message's NotOnOrAfter is not after its IssueInstant")]
    NeverValid,
    /// A message ID that was used before, for other content.
    #[error("the message's ID was used before for other content")]
    IdReused,

    // Whom it is about.
    /// An identifier that cannot be decrypted.
    #[error("the identifier is encrypted and cannot be decrypted")]
    IdentifierEncrypted,
    /// A BaseID of a type unknown here.
    #[error("the identifier is of an unknown type")]
    IdentifierUnknown,

    // Sign-in: Response and Assertion.
    /// The identity provider answered with something other than Success.
    #[error("the identity provider did not authenticate anyone")]
    NotAuthenticated,
    /// Success without an assertion.
    #[error("the response has no assertion")]
    NoAssertion,
    /// More than one assertion.
    #[error("the response has more than one assertion")]
    ManyAssertions,
    /// An encrypted assertion or identifier that cannot be decrypted here.
    #[error("the assertion is encrypted and cannot be decrypted")]
    AssertionEncrypted,
    /// Neither the assertion nor the response around it is signed.
    #[error("the assertion is not covered by a signature")]
    AssertionUnsigned,
    /// The response is not signed, and this identity provider's must be.
    #[error("the response itself is not signed")]
    ResponseUnsigned,
    /// No bearer confirmation holds; the text says what was wrong with the last.
    #[error("no bearer confirmation holds: {0}")]
    NotConfirmed(NotConfirmed),
    /// No audience restriction, or one that does not name us.
    #[error("the assertion is not meant for us")]
    Audience,
    /// Outside the conditions' time window.
    #[error("the assertion's conditions are not met at this time")]
    ConditionTime,
    /// A condition that we do not know.
    #[error("the assertion has a condition that is not understood")]
    ConditionUnknown,
    /// No authentication statement.
    #[error("the assertion has no authentication statement")]
    NoAuthnStatement,
    /// The session that the assertion speaks of is over already.
    #[error("the assertion's session has already ended at the identity provider")]
    SessionOver,
    /// No open request of this browser waits for this answer.
    #[error("no open request waits for this message")]
    NotRequested,
    /// An answer to nothing, and the identity provider may not send such.
    #[error("the identity provider may not send unsolicited responses")]
    Unsolicited,
    /// The assertion was used before.
    #[error("the assertion was used before")]
    AssertionReplayed,
    /// A logout came before the assertion and covers it.
    #[error("a logout covers this assertion")]
    Barred,
    /// The identity provider is disabled or its metadata has expired.
    #[error("the identity provider may not sign anyone in at present")]
    IdpClosed,
    /// The response came over a binding on which none is taken.
    #[error("a response is only taken over HTTP-POST")]
    ResponseByRedirect,
}

/// What keeps a bearer confirmation from holding (Profiles 4.1.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotConfirmed {
    /// No bearer confirmation at all.
    NoBearer,
    /// Recipient is absent or another URL.
    Recipient,
    /// NotOnOrAfter is absent.
    NoNotOnOrAfter,
    /// NotOnOrAfter has passed.
    Expired,
    /// NotBefore is there, which the profile forbids.
    NotBefore,
    /// InResponseTo differs from that of the Response.
    InResponseTo,
}

impl fmt::Display for NotConfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBearer => "there is none",
            Self::Recipient => "Recipient is not our endpoint",
            Self::NoNotOnOrAfter => "NotOnOrAfter is missing",
            Self::Expired => "NotOnOrAfter has passed",
            Self::NotBefore => "NotBefore is present",
            Self::InResponseTo => "InResponseTo differs",
        })
    }
}

/// The row of the status table that decides how a refused LogoutRequest is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Known issuer, not authentic: `Requester/RequestDenied`.
    G,
    /// Issuer missing or unknown: no SAML answer, 403.
    H,
    /// Destination wrong: no SAML answer, discarded.
    I,
    /// Authentic, but not at this time or not again: `Requester`.
    J,
    /// Authentic, version too high: `VersionMismatch`.
    K,
    /// Version too low: no SAML answer.
    L,
    /// Authentic, but the identifier cannot be read: `Requester/UnknownPrincipal`.
    M,
    /// Not a SAML message that belongs here: no SAML answer.
    N,
}

impl Refusal {
    /// The row of the status table. Refusals that only sign-in knows count as row n: a plain page.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::BrokenDetachedSignature
            | Self::SignatureMissing
            | Self::SignatureShape(_)
            | Self::TransformNotAllowed
            | Self::AlgorithmNotAllowed
            | Self::SignatureInvalid
            | Self::NotConfirmedTwice => Row::G,
            Self::IssuerMissing | Self::IssuerUnknown => Row::H,
            Self::DestinationMissing | Self::DestinationWrong => Row::I,
            Self::NotUtc
            | Self::Stale
            | Self::IssuedInFuture
            | Self::Expired
            | Self::NeverValid
            | Self::IdReused => Row::J,
            Self::VersionTooHigh | Self::VersionMinor => Row::K,
            Self::VersionTooLow => Row::L,
            Self::IdentifierEncrypted | Self::IdentifierUnknown => Row::M,
            _ => Row::N,
        }
    }

    /// The rule that the message broke, for the audit row.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::NoMessage => "BIND-22",
            Self::RepeatedParameter | Self::RequestAndResponse => "BIND-06",
            Self::UnknownEncoding => "BIND-08",
            Self::BrokenDetachedSignature | Self::BrokenParameter | Self::NotBase64 | Self::NotDeflate => {
                "BIND-10"
            }
            Self::TooLarge | Self::TooComplex => "VAL-01",
            Self::Dtd => "VAL-02",
            Self::CommentOrInstruction => "VAL-03",
            Self::NotWellFormed | Self::Schema(_) => "VAL-04",
            Self::NotSoap => "BIND-28",
            Self::SoapBody => "BIND-25",
            Self::MustUnderstand => "BIND-26",
            Self::WrongMessage => "VAL-19",
            Self::NestedMessage => "VAL-12",
            Self::VersionTooLow | Self::VersionTooHigh | Self::VersionMinor => "VAL-06",
            Self::IssuerMissing | Self::IssuerUnknown => "VAL-07",
            Self::IssuerMismatch => "SSO-17",
            Self::DestinationMissing | Self::DestinationWrong => "VAL-08",
            Self::SignatureMissing => "SLO-01",
            Self::SignatureShape(_) => "VAL-10",
            Self::TransformNotAllowed => "VAL-11",
            Self::AlgorithmNotAllowed => "VAL-14",
            Self::SignatureInvalid => "VAL-09",
            Self::NotConfirmedTwice => "second-opinion",
            Self::NotUtc | Self::Stale | Self::IssuedInFuture => "VAL-15",
            Self::Expired => "SLO-22",
            Self::NeverValid => "SLO-23",
            Self::IdReused => "SLO-24",
            Self::IdentifierEncrypted => "SLO-28",
            Self::IdentifierUnknown => "SLO-29",
            Self::NotAuthenticated => "SSO-20",
            Self::NoAssertion | Self::NoAuthnStatement => "SSO-18",
            Self::ManyAssertions => "F-12",
            Self::AssertionEncrypted => "SSO-21",
            Self::AssertionUnsigned => "SSO-07",
            Self::ResponseUnsigned => "SSO-08",
            Self::NotConfirmed(NotConfirmed::NoBearer) => "SSO-15",
            Self::NotConfirmed(NotConfirmed::Recipient) => "SSO-09",
            Self::NotConfirmed(NotConfirmed::InResponseTo) | Self::NotRequested => "SSO-11",
            Self::NotConfirmed(_) => "SSO-10",
            Self::Audience => "SSO-13",
            Self::ConditionTime | Self::ConditionUnknown => "SSO-14",
            Self::SessionOver => "SLO-33",
            Self::Unsolicited => "SSO-12",
            Self::AssertionReplayed => "SSO-16",
            Self::Barred => "SSO-19",
            Self::IdpClosed => "SSO-26",
            Self::ResponseByRedirect => "SSO-05",
        }
    }

    /// The constant text a sender gets: it tells apart what a person can do something about, and
    /// nothing that would be an oracle (VAL-20).
    #[must_use]
    pub const fn public_text(self) -> &'static str {
        match self {
            Self::NotAuthenticated => "Your identity provider did not sign you in.",
            Self::Barred | Self::SessionOver => {
                "You have been signed out in the meantime. Please sign in again."
            }
            Self::Stale | Self::Expired | Self::AssertionReplayed | Self::NotRequested => {
                "This message is no longer valid. Please start again."
            }
            _ => "This message cannot be accepted.",
        }
    }
}
