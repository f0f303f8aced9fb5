//! What the second engine says is covered, read by a reader that ours has nothing to do with.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use super::super::names::NameId;
use super::super::xml::{SAML, SAMLP};

/// What counts of a signed element: its name and ID, whom it is about, and which sessions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The protocol message at the root; none if an assertion stands there.
    pub(super) message: Option<Root>,
    /// The ID of the assertion, at the root or in the message.
    pub(super) assertion_id: Option<String>,
    pub(super) identifier: Identifier,
    /// Every SessionIndex that says something, in the order of the document.
    pub(super) session_indexes: Vec<String>,
    /// Whether the message holds an assertion that cannot be read here.
    pub(super) encrypted_assertion: bool,
}

/// The message's element.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) name: String,
    pub(super) id: Option<String>,
}

/// How the principal is named.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Identifier {
    #[default]
    None,
    NameId(NameId),
    Encrypted,
    /// More than one, of which nobody should choose.
    Many,
}

/// Where in the document the reader stands: the names from the root, as far as they are known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LogoutRequest,
    Response,
    /// Another protocol message, of which only name and ID count.
    Message,
    Assertion,
    Subject,
    /// Within the NameID that counts.
    NameId,
    /// Within a SessionIndex of a LogoutRequest.
    SessionIndex,
    Elsewhere,
}

impl Reading {
    /// Reads a canonical document. None if it is not well-formed or of another kind.
    pub(super) fn of(xml: &str) -> Option<Self> {
        let mut reader = NsReader::from_str(xml);
        reader.config_mut().expand_empty_elements = true;
        let mut reading = Self::default();
        let mut places = Vec::new();
        let mut text = String::new();
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let place = reading.enter(&reader, &start, &places)?;
                    if matches!(place, Place::NameId | Place::SessionIndex) {
                        text.clear();
                    }
                    places.push(place);
                }
                Event::End(_) => {
                    let place = places.pop()?;
                    reading.leave(place, &mut text);
                    if places.is_empty() {
                        return Some(reading);
                    }
                }
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                    Some(c) => text.push(c),
                    None => text.push_str(quick_xml::escape::resolve_xml_entity(&reference.xml10_content())?),
                },
                // Canonical form has neither CDATA nor comments nor declarations.
                _ => return None,
            }
        }
    }

    /// An element begins: what its attributes say, and where it is.
    fn enter(&mut self, reader: &NsReader<&[u8]>, start: &BytesStart<'_>, places: &[Place]) -> Option<Place> {
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let is = |uri: &str| matches!(namespace, ResolveResult::Bound(Namespace(own)) if own == uri);
        let name = local.as_ref();
        let place = match places.last() {
            None if is(SAMLP) => {
                self.message = Some(Root { name: name.to_owned(), id: attribute(start, "ID")? });
                match name {
                    "LogoutRequest" => Place::LogoutRequest,
                    "Response" => Place::Response,
                    _ => Place::Message,
                }
            }
            None | Some(Place::Response) if is(SAML) && name == "Assertion" => {
                // A second one would have no place in what ours has read.
                if self.assertion_id.is_some() {
                    return None;
                }
                self.assertion_id = Some(attribute(start, "ID")??);
                Place::Assertion
            }
            Some(Place::Response) if is(SAML) && name == "EncryptedAssertion" => {
                self.encrypted_assertion = true;
                Place::Elsewhere
            }
            Some(Place::Assertion) if is(SAML) && name == "Subject" => Place::Subject,
            Some(Place::Assertion) if is(SAML) && name == "AuthnStatement" => {
                self.session_indexes
                    .extend(attribute(start, "SessionIndex")?.filter(|index| !index.is_empty()));
                Place::Elsewhere
            }
            Some(Place::Subject | Place::LogoutRequest) if is(SAML) && name == "NameID" => {
                self.identify(Identifier::NameId(name_id(start)?));
                Place::NameId
            }
            Some(Place::Subject | Place::LogoutRequest) if is(SAML) && name == "EncryptedID" => {
                self.identify(Identifier::Encrypted);
                Place::Elsewhere
            }
            Some(Place::LogoutRequest) if is(SAMLP) && name == "SessionIndex" => Place::SessionIndex,
            // Not a message, or an element where text belongs.
            None | Some(Place::NameId | Place::SessionIndex) => return None,
            Some(_) => Place::Elsewhere,
        };
        Some(place)
    }

    /// An element ends: what its text says.
    fn leave(&mut self, place: Place, text: &mut String) {
        match (place, &mut self.identifier) {
            (Place::NameId, Identifier::NameId(name_id)) => name_id.value = std::mem::take(text),
            (Place::SessionIndex, _) => self.session_indexes.push(std::mem::take(text)),
            _ => {}
        }
    }

    fn identify(&mut self, identifier: Identifier) {
        let first = self.identifier == Identifier::None;
        self.identifier = if first { identifier } else { Identifier::Many };
    }
}

/// The value of an attribute in no namespace: outside, none if the tag is not well-formed; inside,
/// none if it is not there.
#[expect(clippy::option_option, reason = "unreadable and absent are two answers")]
fn attribute(start: &BytesStart<'_>, name: &str) -> Option<Option<String>> {
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        if attribute.key.as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            return Some(Some(value.into_owned()));
        }
    }
    Some(None)
}

fn name_id(start: &BytesStart<'_>) -> Option<NameId> {
    Some(NameId {
        value: String::new(),
        format: attribute(start, "Format")?,
        name_qualifier: attribute(start, "NameQualifier")?,
        sp_name_qualifier: attribute(start, "SPNameQualifier")?,
        sp_provided_id: attribute(start, "SPProvidedID")?,
    })
}
