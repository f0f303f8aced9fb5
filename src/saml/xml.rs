//! The only reader of XML messages: no DTD, no comment, no processing instruction, bounded, and
//! nothing left unread.
//!
//! [`Document::parse`] first runs a linear scan that only ever rejects, because every tree parser
//! measured is quadratic in the number of attributes (VAL-01), and then parses once. Signature
//! checks and values both read this one tree, so there is no second reading of the octets that
//! could differ from the first (F-02, F-03).

mod white_space;

use std::borrow::Cow;
use std::collections::BTreeMap;

use uppsala::{NodeId, NodeKind, Parser};

pub use self::white_space::normalized;
use super::refusal::Refusal;

/// The most octets of a message after decoding (VAL-01).
pub const MAX_MESSAGE: usize = 128 * 1024;
/// The deepest nesting of elements (VAL-01).
const MAX_DEPTH: u32 = 64;
/// The most attributes and namespace declarations on one element (VAL-01).
const MAX_ATTRIBUTES: usize = 256;

/// `saml:` — assertions.
pub const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// `samlp:` — protocol messages.
pub const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// `ds:` — signatures.
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// SOAP 1.1.
pub const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// `xsi:` — schema instance attributes, which every schema allows.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A parsed message.
pub struct Document<'a> {
    tree: uppsala::Document<'a>,
    source: &'a str,
    /// The message's element: the document element, or the one child of the SOAP body.
    message: NodeId,
}

impl<'a> Document<'a> {
    /// Parses a message within the limits of VAL-01 to VAL-03. Its white space is what the decoders made
    /// of it ([`normalized`]).
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::TooComplex`], [`Refusal::Dtd`],
    /// [`Refusal::CommentOrInstruction`], [`Refusal::NotWellFormed`].
    pub fn parse(source: &'a str) -> Result<Self, Refusal> {
        scan(source)?;
        let parser = Parser::new().with_forbid_dtd(true).with_max_depth(MAX_DEPTH + 1);
        let tree = parser.parse(source).map_err(|_| Refusal::NotWellFormed)?;
        let message = tree.document_element().ok_or(Refusal::NotWellFormed)?;
        if !names_are_qualified(&tree, message) {
            return Err(Refusal::NotWellFormed);
        }
        Ok(Self { tree, source, message })
    }

    /// Parses a SOAP 1.1 envelope around exactly one message (BIND-25, BIND-26).
    ///
    /// # Errors
    /// As [`Document::parse`], and [`Refusal::NotSoap`], [`Refusal::SoapBody`],
    /// [`Refusal::MustUnderstand`].
    pub fn parse_soap(source: &'a str) -> Result<Self, Refusal> {
        let envelope = Self::parse(source)?;
        let message = soap_message(&envelope)?;
        Ok(Self { message, ..envelope })
    }

    /// Parses a document whose one child element is what matters, among the namespaces that the
    /// document element declares.
    ///
    /// # Errors
    /// As [`Document::parse`], and [`Refusal::Schema`] if there is not exactly one element.
    pub(super) fn parse_enclosed(source: &'a str) -> Result<Self, Refusal> {
        let enclosure = Self::parse(source)?;
        let mut children = enclosure.root().sequence()?;
        let message = children.any().ok_or(Refusal::Schema("nothing inside"))?.id();
        children.end()?;
        Ok(Self { message, ..enclosure })
    }

    /// The message's element.
    #[must_use]
    pub const fn root(&self) -> Node<'_, 'a> {
        Node { document: self, id: self.message }
    }

    /// All elements of that name, wherever they stand.
    #[must_use]
    pub fn all(&self, namespace: &str, local: &str) -> Vec<Node<'_, 'a>> {
        let found = self.tree.get_elements_by_tag_name_ns(namespace, local);
        found.into_iter().map(|id| Node { document: self, id }).collect()
    }

    /// The parsed tree, for the signature engine.
    pub(super) const fn tree(&self) -> &uppsala::Document<'a> {
        &self.tree
    }

    /// The octets from which the tree was parsed, for the signature engine.
    pub(super) const fn source(&self) -> &'a str {
        self.source
    }
}

/// An element of a [`Document`].
#[derive(Clone, Copy)]
pub struct Node<'d, 'a> {
    document: &'d Document<'a>,
    id: NodeId,
}

impl<'d, 'a> Node<'d, 'a> {
    /// Whether the element has that expanded name (VAL-05, F-17).
    #[must_use]
    pub fn is(self, namespace: &str, local: &str) -> bool {
        self.document.tree.element(self.id).is_some_and(|element| {
            element.name.namespace_uri.as_deref() == Some(namespace) && element.name.local_name == local
        })
    }

    /// The local name: for showing it.
    pub(super) fn name(self) -> &'d str {
        self.document.tree.element(self.id).map_or("", |element| element.name.local_name.as_ref())
    }

    /// The value of the attribute of that name in no namespace.
    #[must_use]
    pub fn attribute(self, local: &str) -> Option<&'d str> {
        self.document.tree.element(self.id)?.attributes.iter().find_map(|attribute| {
            (attribute.name.namespace_uri.is_none() && attribute.name.local_name == local)
                .then_some(attribute.value.as_ref())
        })
    }

    /// The value of the attribute of that expanded name.
    #[must_use]
    pub fn attribute_ns(self, namespace: &str, local: &str) -> Option<&'d str> {
        self.document.tree.element(self.id)?.get_attribute_ns(namespace, local)
    }

    /// The namespace and local name of every attribute that is not a namespace declaration.
    pub fn attributes(self) -> impl Iterator<Item = (Option<&'d str>, &'d str)> {
        self.document.tree.element(self.id).into_iter().flat_map(|element| {
            element.attributes.iter().map(|attribute| {
                (attribute.name.namespace_uri.as_deref(), attribute.name.local_name.as_ref())
            })
        })
    }

    /// Refuses attributes that the schema does not have on this element (VAL-04). The hints of
    /// schema instance documents are allowed everywhere.
    ///
    /// # Errors
    /// [`Refusal::Schema`].
    pub fn only_attributes(self, known: &[&str]) -> Result<(), Refusal> {
        let allowed = |(namespace, local): (Option<&str>, &str)| match namespace {
            None => known.contains(&local),
            Some(XSI) => matches!(local, "schemaLocation" | "noNamespaceSchemaLocation"),
            Some(_) => false,
        };
        if self.attributes().all(allowed) { Ok(()) } else { Err(Refusal::Schema("unknown attribute")) }
    }

    /// The text of an element that has no child elements: all its text and CDATA joined, untrimmed
    /// (SLO-11, F-13).
    ///
    /// # Errors
    /// [`Refusal::Schema`] if a child element is there.
    pub fn text(self) -> Result<Cow<'d, str>, Refusal> {
        let tree = &self.document.tree;
        let mut text = Cow::Borrowed("");
        for child in tree.children_iter(self.id) {
            match tree.node_kind(child) {
                Some(NodeKind::Text(part) | NodeKind::CData(part)) if text.is_empty() => {
                    text = Cow::Borrowed(part.as_ref());
                }
                Some(NodeKind::Text(part) | NodeKind::CData(part)) => text.to_mut().push_str(part),
                _ => return Err(Refusal::Schema("element where text belongs")),
            }
        }
        Ok(text)
    }

    /// The child elements, to be read in schema order.
    ///
    /// # Errors
    /// [`Refusal::Schema`] if there is text between them.
    pub fn sequence(self) -> Result<Sequence<'d, 'a>, Refusal> {
        let tree = &self.document.tree;
        let mut children = Vec::new();
        for child in tree.children_iter(self.id) {
            match tree.node_kind(child) {
                Some(NodeKind::Element(_)) => children.push(Node { document: self.document, id: child }),
                Some(NodeKind::Text(text))
                    if text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) => {}
                _ => return Err(Refusal::Schema("text between elements")),
            }
        }
        children.reverse();
        Ok(Sequence { rest: children })
    }

    /// The parent element.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let id = self.document.tree.parent(self.id)?;
        self.document.tree.element(id).map(|_| Self { document: self.document, id })
    }

    /// The namespaces in scope, as prefix (empty for the default) and name.
    pub(super) fn namespaces(self) -> BTreeMap<&'d str, &'d str> {
        let mut found = BTreeMap::new();
        let mut at = Some(self);
        while let Some(node) = at {
            let element = node.document.tree.element(node.id);
            for (prefix, name) in element.iter().flat_map(|element| &element.namespace_declarations) {
                // The nearest declaration counts. There may be thousands in all.
                if prefix != "xml" {
                    found.entry(prefix.as_ref()).or_insert(name.as_ref());
                }
            }
            at = node.parent();
        }
        found
    }

    /// Where the element stands in [`Node::source`], from its start tag to its end tag.
    pub(super) fn range(self) -> Option<std::ops::Range<usize>> {
        self.document.tree.node_range(self.id)
    }

    /// The octets of the document that it stands in.
    pub(super) const fn source(self) -> &'a str {
        self.document.source
    }

    /// Whether the element itself declares that prefix (empty for the default).
    pub(super) fn declares(self, prefix: &str) -> bool {
        let element = self.document.tree.element(self.id);
        element.is_some_and(|element| element.namespace_declarations.iter().any(|(own, _)| own == prefix))
    }

    /// The element's identity within its document.
    pub(super) const fn id(self) -> NodeId {
        self.id
    }

    /// Whether both are the same element of the same document.
    #[must_use]
    pub fn same(self, other: Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.id == other.id
    }
}

/// Child elements that are read one after the other: what is not asked for in its place is an
/// error, so nothing rides along unread.
pub struct Sequence<'d, 'a> {
    /// In reverse order.
    rest: Vec<Node<'d, 'a>>,
}

impl<'d, 'a> Sequence<'d, 'a> {
    /// The next element, if it has that name.
    pub fn optional(&mut self, namespace: &str, local: &str) -> Option<Node<'d, 'a>> {
        if self.rest.last()?.is(namespace, local) { self.rest.pop() } else { None }
    }

    /// The next element, which must have that name.
    ///
    /// # Errors
    /// [`Refusal::Schema`] with `what`.
    pub fn required(
        &mut self,
        namespace: &str,
        local: &str,
        what: &'static str,
    ) -> Result<Node<'d, 'a>, Refusal> {
        self.optional(namespace, local).ok_or(Refusal::Schema(what))
    }

    /// The next elements that have that name.
    pub fn many(&mut self, namespace: &str, local: &str) -> Vec<Node<'d, 'a>> {
        std::iter::from_fn(|| self.optional(namespace, local)).collect()
    }

    /// The next element, whatever it is.
    pub fn any(&mut self) -> Option<Node<'d, 'a>> {
        self.rest.pop()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Refusal::Schema`] if an element is left.
    pub fn end(self) -> Result<(), Refusal> {
        if self.rest.is_empty() { Ok(()) } else { Err(Refusal::Schema("element that does not belong here")) }
    }
}

/// Whether every name is a qualified one (Namespaces in XML, 3 to 5): at most one colon, with a prefix
/// before it and a local part behind it, and no prefix declared to mean no namespace. The parser
/// takes `a:` for a name without prefix.
fn names_are_qualified(tree: &uppsala::Document<'_>, root: NodeId) -> bool {
    let mut elements = std::iter::once(root).chain(tree.descendants(root)).filter_map(|id| tree.element(id));
    elements.all(|element| {
        let mut names = std::iter::once(&element.name).chain(element.attributes.iter().map(|a| &a.name));
        let mut declarations = element.namespace_declarations.iter();
        names.all(|name| !name.local_name.contains(':'))
            && declarations.all(|(prefix, namespace)| prefix.is_empty() || !namespace.is_empty())
    })
}

/// The one child of the body of a SOAP envelope.
fn soap_message(envelope: &Document<'_>) -> Result<NodeId, Refusal> {
    let root = envelope.root();
    if !root.is(SOAP, "Envelope") {
        return Err(Refusal::NotSoap);
    }
    let mut children = root.sequence().map_err(|_| Refusal::SoapBody)?;
    if let Some(header) = children.optional(SOAP, "Header") {
        let mut blocks = header.sequence().map_err(|_| Refusal::SoapBody)?;
        while let Some(block) = blocks.any() {
            if block.attribute_ns(SOAP, "mustUnderstand").is_some_and(|must| must != "0") {
                return Err(Refusal::MustUnderstand);
            }
        }
    }
    let body = children.required(SOAP, "Body", "no SOAP body").map_err(|_| Refusal::SoapBody)?;
    children.end().map_err(|_| Refusal::SoapBody)?;
    let mut messages = body.sequence().map_err(|_| Refusal::SoapBody)?;
    let message = messages.any().ok_or(Refusal::SoapBody)?;
    messages.end().map_err(|_| Refusal::SoapBody)?;
    Ok(message.id())
}

/// One pass over the octets that rejects what must never reach the tree parser.
///
/// It need not find every fault: what it lets through is parsed strictly. It must only be linear,
/// and see every DTD, comment, processing instruction, deep nesting and crowd of attributes.
fn scan(source: &str) -> Result<(), Refusal> {
    if source.len() > MAX_MESSAGE {
        return Err(Refusal::TooLarge);
    }
    let mut rest = skip_declaration(source)?;
    let mut depth = 0u32;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        match rest.as_bytes().first() {
            Some(b'!') => rest = skip_cdata(rest)?,
            Some(b'?') => return Err(Refusal::CommentOrInstruction),
            Some(b'/') => depth = depth.saturating_sub(1),
            _ => {
                let (after, empty) = skip_start_tag(rest)?;
                rest = after;
                depth += u32::from(!empty);
                if depth > MAX_DEPTH {
                    return Err(Refusal::TooComplex);
                }
            }
        }
    }
    Ok(())
}

/// Skips an XML declaration, which may name no encoding but UTF-8.
fn skip_declaration(source: &str) -> Result<&str, Refusal> {
    let Some(rest) = source.strip_prefix("<?xml") else { return Ok(source) };
    let (declaration, rest) = rest.split_once("?>").ok_or(Refusal::NotWellFormed)?;
    if !declaration.starts_with([' ', '\t', '\r', '\n']) {
        return Err(Refusal::CommentOrInstruction);
    }
    match declaration.split_once("encoding") {
        Some((_, value)) if !value.to_ascii_lowercase().contains("utf-8") => Err(Refusal::NotWellFormed),
        _ => Ok(rest),
    }
}

/// Skips a CDATA section; every other construct that begins with `<!` is refused.
fn skip_cdata(rest: &str) -> Result<&str, Refusal> {
    if let Some(cdata) = rest.strip_prefix("![CDATA[") {
        return cdata.split_once("]]>").map(|(_, after)| after).ok_or(Refusal::NotWellFormed);
    }
    Err(if rest.starts_with("!--") { Refusal::CommentOrInstruction } else { Refusal::Dtd })
}

/// Skips a start tag after its `<`, counting attributes; says whether the element is empty.
fn skip_start_tag(rest: &str) -> Result<(&str, bool), Refusal> {
    let (mut attributes, mut quote, mut last) = (0usize, None, b' ');
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => attributes += 1,
            (None, b'>') => return Ok((rest.get(at + 1..).unwrap_or_default(), last == b'/')),
            (None, b'<') => return Err(Refusal::NotWellFormed),
            // Inside a quoted value, and what is left outside of one.
            (Some(_) | None, _) => {}
        }
        if attributes > MAX_ATTRIBUTES {
            return Err(Refusal::TooComplex);
        }
        last = byte;
    }
    Err(Refusal::NotWellFormed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn refusal(source: &str) -> Option<Refusal> {
        Document::parse(source).err()
    }

    #[test]
    fn val_02_a_dtd_is_refused() {
        assert_eq!(refusal("<!DOCTYPE a><a/>"), Some(Refusal::Dtd));
        assert_eq!(refusal("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), Some(Refusal::Dtd));
        assert_eq!(refusal("<a/>"), None);
    }

    #[test]
    fn val_03_comments_and_instructions_are_refused_and_cdata_is_text() {
        assert_eq!(refusal("<a>x<!-- -->y</a>"), Some(Refusal::CommentOrInstruction));
        assert_eq!(refusal("<a>x<?p q?>y</a>"), Some(Refusal::CommentOrInstruction));
        assert_eq!(refusal("<?xml-stylesheet href='x'?><a/>"), Some(Refusal::CommentOrInstruction));
        let source = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>x<![CDATA[<b>]]>y</a>";
        assert_eq!(Document::parse(source).unwrap().root().text().unwrap(), "x<b>y");
    }

    #[test]
    fn val_01_depth_and_attributes_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(refusal(&nested(64)), None);
        assert_eq!(refusal(&nested(65)), Some(Refusal::TooComplex));
        let crowded = |n: usize| {
            let attributes: Vec<_> = (0..n).map(|i| format!("b{i}=''")).collect();
            format!("<a {}/>", attributes.join(" "))
        };
        assert_eq!(refusal(&crowded(256)), None);
        assert_eq!(refusal(&crowded(257)), Some(Refusal::TooComplex));
        assert_eq!(refusal(&format!("<a>{}</a>", "x".repeat(MAX_MESSAGE))), Some(Refusal::TooLarge));
    }

    #[test]
    fn val_04_what_is_not_well_formed() {
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a xmlns:p=''/>",
            "<a/>text",
            "<a b='1' b='2'/>",
            "<p:a/>",
            "<a>&x;</a>",
            "<a b=\"<\"/>",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
            "\u{feff}<a",
            "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
            "<a>\u{1}</a>",
            "<a>]]></a>",
            "<a:/>",
            "<:a/>",
            "<a b:=''/>",
            "<a><b :c=''/></a>",
            "<p:a:b xmlns:p='u'/>",
        ] {
            assert!(refusal(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn val_05_names_are_expanded_names() {
        let document = Document::parse("<x:a xmlns:x='urn:x' xmlns:y='urn:y' b='1' y:c='2'/>").unwrap();
        assert!(document.root().is("urn:x", "a"));
        assert!(!document.root().is("urn:y", "a"));
        assert_eq!(document.root().attribute("b"), Some("1"));
        assert_eq!(document.root().attribute("c"), None);
        assert!(document.root().only_attributes(&["b", "c"]).is_err());
    }
}
