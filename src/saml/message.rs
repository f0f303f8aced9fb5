//! What all protocol messages have in common (Core 3.2).

use chrono::{DateTime, Utc};

use super::binding::Parameter;
use super::instant::Instant;
use super::names::{ENTITY, EntityId, MessageId, NameId};
use super::refusal::Refusal;
use super::second_opinion::Testimony;
use super::xml::{Document, Node, SAML, SAMLP};

/// A protocol message that can be read and authenticated.
pub trait Message: Sized {
    /// The parameter in which it travels (VAL-19).
    const PARAMETER: Parameter;

    /// Reads the message from the document's root, strictly by the schema (VAL-04).
    ///
    /// # Errors
    /// [`Refusal::WrongMessage`] if the root is another element, else what the schema says.
    fn read(document: &Document<'_>) -> Result<Self, Refusal>;

    /// The attributes that every message has.
    fn head(&self) -> &Head;

    /// The entity that claims to have sent it; proved only once it stands in a `Verified`.
    fn issuer(&self) -> &EntityId;

    /// What it says, as far as anything is done upon it: for a second opinion.
    fn testimony(&self) -> Testimony;
}

/// The attributes of every request and response (Core 3.2.1, 3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `ID`.
    pub id: MessageId,
    /// `Version`; one below 2 is refused when the message is read.
    pub version: Version,
    /// `IssueInstant`.
    pub issue_instant: Instant,
    /// `Destination`, as received.
    pub destination: Option<String>,
}

/// The version of a message, 2.x or higher (Core 4.1.3; VAL-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Reads a version number of the form `N.N`.
    ///
    /// # Errors
    /// [`Refusal::VersionTooLow`] for 1.x and for what is no version (row l).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let number = |part: &str| -> Option<u32> {
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten()
        };
        let parts = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        match parts {
            Some((major, minor)) if major >= 2 => Ok(Self { major, minor }),
            _ => Err(Refusal::VersionTooLow),
        }
    }

    /// Whether we speak it: 2.0 and no other.
    ///
    /// # Errors
    /// [`Refusal::VersionTooHigh`], [`Refusal::VersionMinor`].
    pub const fn supported(self) -> Result<(), Refusal> {
        match (self.major, self.minor) {
            (2, 0) => Ok(()),
            (2, _) => Err(Refusal::VersionMinor),
            _ => Err(Refusal::VersionTooHigh),
        }
    }
}

impl Head {
    /// Reads the common attributes of a message element.
    ///
    /// # Errors
    /// [`Refusal::Schema`] for one that is missing or malformed, [`Refusal::VersionTooLow`].
    pub fn read(node: Node<'_, '_>) -> Result<Self, Refusal> {
        let version = Version::parse(node.attribute("Version").ok_or(Refusal::VersionTooLow)?)?;
        let id = node.attribute("ID").ok_or(Refusal::Schema("no ID"))?;
        Ok(Self {
            id: MessageId::parse(id).map_err(|_| Refusal::Schema("ID is not an NCName"))?,
            version,
            issue_instant: required_instant(node, "IssueInstant", "IssueInstant")?,
            destination: node.attribute("Destination").map(str::to_owned),
        })
    }
}

/// Reads an Issuer (Profiles 4.4.4.1, VAL-07).
///
/// # Errors
/// [`Refusal::IssuerMissing`] for an absent or empty one, or one of another Format than entity.
pub fn issuer(node: Option<Node<'_, '_>>) -> Result<EntityId, Refusal> {
    let node = node.ok_or(Refusal::IssuerMissing)?;
    node.only_attributes(&["Format", "NameQualifier", "SPNameQualifier", "SPProvidedID"])?;
    if node.attribute("Format").is_some_and(|format| format != ENTITY) {
        return Err(Refusal::IssuerMissing);
    }
    EntityId::parse(node.text()?).map_err(|_| Refusal::IssuerMissing)
}

/// Reads a NameID with all its attributes.
///
/// # Errors
/// [`Refusal::Schema`] for unknown attributes, child elements, an empty or oversized value.
pub(super) fn name_id(node: Node<'_, '_>) -> Result<NameId, Refusal> {
    node.only_attributes(&["Format", "NameQualifier", "SPNameQualifier", "SPProvidedID"])?;
    let attribute = |name| -> Result<Option<String>, Refusal> {
        match node.attribute(name) {
            Some(value) if value.len() > 4096 => Err(Refusal::Schema("NameID attribute too long")),
            value => Ok(value.map(str::to_owned)),
        }
    };
    let value = node.text()?.into_owned();
    if value.is_empty() || value.len() > 4096 {
        return Err(Refusal::Schema("NameID is empty or too long"));
    }
    Ok(NameId {
        value,
        format: attribute("Format")?,
        name_qualifier: attribute("NameQualifier")?,
        sp_name_qualifier: attribute("SPNameQualifier")?,
        sp_provided_id: attribute("SPProvidedID")?,
    })
}

/// Reads an attribute of type `xs:dateTime`, if it is there.
///
/// # Errors
/// [`Refusal::Schema`] with `what` if it is malformed.
pub(super) fn instant(
    node: Node<'_, '_>,
    name: &str,
    what: &'static str,
) -> Result<Option<Instant>, Refusal> {
    node.attribute(name).map(|text| Instant::parse(text).ok_or(Refusal::Schema(what))).transpose()
}

/// Reads an attribute of type `xs:dateTime` that must be there.
///
/// # Errors
/// [`Refusal::Schema`] with `what` if it is missing or malformed.
pub(super) fn required_instant(
    node: Node<'_, '_>,
    name: &str,
    what: &'static str,
) -> Result<Instant, Refusal> {
    instant(node, name, what)?.ok_or(Refusal::Schema(what))
}

/// The root, if it is the protocol element of that name and no other protocol message or assertion
/// stands anywhere below it (F-01).
///
/// # Errors
/// [`Refusal::WrongMessage`], [`Refusal::NestedMessage`].
pub fn sole_message<'d, 'a>(document: &'d Document<'a>, name: &str) -> Result<Node<'d, 'a>, Refusal> {
    let root = document.root();
    if !root.is(SAMLP, name) {
        return Err(Refusal::WrongMessage);
    }
    if messages(document) == 1 { Ok(root) } else { Err(Refusal::NestedMessage) }
}

/// How many protocol messages there are in the document, wherever they stand.
pub(super) fn messages(document: &Document<'_>) -> usize {
    let names = ["LogoutRequest", "LogoutResponse", "Response", "AuthnRequest"];
    names.iter().map(|name| document.all(SAMLP, name).len()).sum()
}

/// Refuses a document that holds an assertion, encrypted or not, where none belongs (F-01).
///
/// # Errors
/// [`Refusal::NestedMessage`].
pub(super) fn no_assertion(document: &Document<'_>) -> Result<(), Refusal> {
    if document.all(SAML, "Assertion").is_empty() && document.all(SAML, "EncryptedAssertion").is_empty() {
        Ok(())
    } else {
        Err(Refusal::NestedMessage)
    }
}

/// An authentic message's instants, judged against the clock (VAL-15, VAL-16).
///
/// # Errors
/// [`Refusal::NotUtc`], [`Refusal::IssuedInFuture`], [`Refusal::Stale`].
pub(super) fn fresh(issued: Instant, limits: &Limits, now: DateTime<Utc>) -> Result<(), Refusal> {
    if !(issued.utc || limits.accept_offset_times) {
        Err(Refusal::NotUtc)
    } else if issued.at > now + limits.skew {
        Err(Refusal::IssuedInFuture)
    } else if issued.at < now - limits.max_age - limits.skew {
        Err(Refusal::Stale)
    } else {
        Ok(())
    }
}

/// How far clocks may differ and how old messages may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The difference of clocks that is tolerated, both ways (VAL-16).
    pub skew: chrono::Duration,
    /// The oldest a message may be by its IssueInstant (VAL-15).
    pub max_age: chrono::Duration,
    /// Whether instants with an offset other than UTC are taken, per IdP (VAL-15).
    pub accept_offset_times: bool,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn val_06_versions() {
        assert_eq!(Version::parse("2.0").unwrap().supported(), Ok(()));
        assert_eq!(Version::parse("2.1").unwrap().supported(), Err(Refusal::VersionMinor));
        assert_eq!(Version::parse("3.0").unwrap().supported(), Err(Refusal::VersionTooHigh));
        for bad in ["1.1", "1.0", "", "2", "2.", ".0", "+2.0", " 2.0", "2.0 ", "two.zero"] {
            assert_eq!(Version::parse(bad), Err(Refusal::VersionTooLow), "{bad}");
        }
    }

    #[test]
    fn val_16_edges_of_skew_and_age() {
        let limits = Limits {
            skew: chrono::Duration::minutes(3),
            max_age: chrono::Duration::minutes(5),
            accept_offset_times: false,
        };
        let now = Instant::parse("2026-11-22T10:00:00Z").unwrap().at;
        let at = |seconds| Instant { at: now + chrono::Duration::seconds(seconds), utc: true };
        assert_eq!(fresh(at(180), &limits, now), Ok(()));
        assert_eq!(fresh(at(181), &limits, now), Err(Refusal::IssuedInFuture));
        assert_eq!(fresh(at(-480), &limits, now), Ok(()));
        assert_eq!(fresh(at(-481), &limits, now), Err(Refusal::Stale));
        let offset = Instant { at: now, utc: false };
        assert_eq!(fresh(offset, &limits, now), Err(Refusal::NotUtc));
        assert_eq!(fresh(offset, &Limits { accept_offset_times: true, ..limits }, now), Ok(()));
    }
}
