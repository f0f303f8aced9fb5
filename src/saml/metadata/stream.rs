//! Metadata as a stream of elements, so that a federation's aggregate of tens of megabytes never
//! stands in memory as a tree. Refuses what we read from nobody: a document type declaration, an
//! entity other than XML's five, another encoding than UTF-8, too much depth, too many attributes.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use crate::saml::write::{ALG, ASLO, DS, MD, MDUI};

/// Elements of XML Signature 1.1.
pub(super) const DSIG11: &str = "http://www.w3.org/2009/xmldsig11#";
/// `xml:lang` and its like.
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The most octets of metadata that are read.
pub const MAX_OCTETS: usize = 64 * 1024 * 1024;
const MAX_DEPTH: usize = 64;
const MAX_ATTRIBUTES: usize = 256;

/// What is wrong with the XML itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// A document type declaration.
    #[error("has a document type declaration")]
    Dtd,
    /// A reference to an entity other than the five that XML itself has.
    #[error("refers to an entity that XML itself does not define")]
    Entity,
    /// An encoding other than UTF-8.
    #[error("is not in UTF-8")]
    NotUtf8,
    /// Not well-formed, or not well-formed as to namespaces.
    #[error("is not well-formed XML")]
    NotWellFormed,
    /// Nested deeper than 64 levels.
    #[error("is nested too deeply")]
    TooDeep,
    /// More than 256 attributes on an element.
    #[error("has an element with too many attributes")]
    TooManyAttributes,
}

/// The start of an element.
#[derive(Debug)]
pub(super) struct Element {
    /// One of the namespaces we know, or empty.
    pub(super) namespace: &'static str,
    pub(super) name: String,
    attributes: Vec<(&'static str, String, String)>,
}

impl Element {
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The value of an unqualified attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_of("", name)
    }

    pub(super) fn attribute_of(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(ns, n, _)| *ns == namespace && n == name).map(|(_, _, v)| v.as_str())
    }
}

enum Token {
    Start(Element),
    Text(String),
    End,
}

/// A reader that always stands inside some element.
pub(super) struct Stream<'x> {
    reader: NsReader<&'x [u8]>,
    depth: usize,
}

impl<'x> Stream<'x> {
    /// Opens a document: the stream inside its root, and the root.
    pub(super) fn open(xml: &'x [u8]) -> Result<(Self, Element), XmlError> {
        let text = std::str::from_utf8(xml).map_err(|_| XmlError::NotUtf8)?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut stream = Self { reader, depth: 0 };
        loop {
            match stream.token()? {
                Some(Token::Start(root)) => return Ok((stream, root)),
                Some(Token::Text(text)) if blank(&text) => {}
                _ => return Err(XmlError::NotWellFormed),
            }
        }
    }

    /// Reads to the end of the document; nothing but space may follow the root.
    pub(super) fn close(mut self) -> Result<(), XmlError> {
        self.skip_to(0)?;
        loop {
            match self.token()? {
                None => return Ok(()),
                Some(Token::Text(text)) if blank(&text) => {}
                Some(_) => return Err(XmlError::NotWellFormed),
            }
        }
    }

    /// Hands every child element to `visit`, and passes over whatever of it is left unread.
    pub(super) fn children<E: From<XmlError>>(
        &mut self,
        mut visit: impl FnMut(&mut Self, &Element) -> Result<(), E>,
    ) -> Result<(), E> {
        let here = self.depth;
        loop {
            match self.token()? {
                Some(Token::Start(element)) => {
                    visit(self, &element)?;
                    self.skip_to(here)?;
                }
                Some(Token::Text(_)) => {}
                Some(Token::End) => return Ok(()),
                None => return Err(XmlError::NotWellFormed.into()),
            }
        }
    }

    /// The character data directly inside this element, without what its children hold.
    pub(super) fn text(&mut self) -> Result<String, XmlError> {
        let here = self.depth;
        let mut all = String::new();
        loop {
            match self.token()? {
                Some(Token::Start(_)) => self.skip_to(here)?,
                Some(Token::Text(text)) => all.push_str(&text),
                Some(Token::End) => return Ok(all),
                None => return Err(XmlError::NotWellFormed),
            }
        }
    }

    /// Reads on until so many elements are open; after an error in the middle of an element the
    /// stream is in step again.
    pub(super) fn skip_to(&mut self, depth: usize) -> Result<(), XmlError> {
        while self.depth > depth {
            if self.token()?.is_none() {
                return Err(XmlError::NotWellFormed);
            }
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Option<Token>, XmlError> {
        loop {
            let event = self.reader.read_event().map_err(|_| XmlError::NotWellFormed)?;
            return Ok(Some(match event {
                Event::Start(start) | Event::Empty(start) => self.start(&start)?,
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or(XmlError::NotWellFormed)?;
                    Token::End
                }
                Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
                Event::CData(data) => Token::Text(data.xml10_content().into_owned()),
                Event::GeneralRef(reference) => Token::Text(resolved(&reference)?),
                Event::DocType(_) => return Err(XmlError::Dtd),
                Event::Decl(declaration) => {
                    utf8(&declaration)?;
                    continue;
                }
                Event::Comment(_) | Event::PI(_) => continue,
                Event::Eof if self.depth == 0 => return Ok(None),
                Event::Eof => return Err(XmlError::NotWellFormed),
            }));
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<Token, XmlError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        let resolver = self.reader.resolver();
        let (namespace, name) = resolver.resolve_element(start.name());
        let namespace = known(&namespace)?;
        let mut attributes = Vec::new();
        for (count, attribute) in start.attributes().enumerate() {
            if count >= MAX_ATTRIBUTES {
                return Err(XmlError::TooManyAttributes);
            }
            let attribute = attribute.map_err(|_| XmlError::NotWellFormed)?;
            let declares = attribute.key.as_namespace_binding().is_some();
            // Checked even where nobody asks for it: an entity anywhere is refused.
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| XmlError::Entity)?;
            let (qualified, local) = resolver.resolve_attribute(attribute.key);
            if !declares {
                let wanted = matches!(qualified, ResolveResult::Unbound);
                let qualified = known(&qualified)?;
                if !namespace.is_empty() && (wanted || !qualified.is_empty()) {
                    attributes.push((qualified, local.as_ref().to_owned(), value.into_owned()));
                }
            }
        }
        Ok(Token::Start(Element { namespace, name: name.as_ref().to_owned(), attributes }))
    }
}

/// The namespace if we know it, else empty; a prefix that nobody declared is an error.
fn known(resolved: &ResolveResult<'_>) -> Result<&'static str, XmlError> {
    match resolved {
        ResolveResult::Bound(namespace) => Ok([MD.uri, DS.uri, DSIG11, MDUI.uri, ALG.uri, ASLO.uri, XML]
            .into_iter()
            .find(|known| *known == namespace.0)
            .unwrap_or_default()),
        ResolveResult::Unbound => Ok(""),
        ResolveResult::Unknown(_) => Err(XmlError::NotWellFormed),
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(c) = reference.resolve_char_ref().map_err(|_| XmlError::NotWellFormed)? {
        return Ok(c.to_string());
    }
    let name = reference.xml10_content();
    quick_xml::escape::resolve_xml_entity(&name).map(str::to_owned).ok_or(XmlError::Entity)
}

fn utf8(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => {
            Ok(())
        }
        Some(_) => Err(XmlError::NotUtf8),
    }
}

fn blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}
