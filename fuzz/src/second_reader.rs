//! A second opinion on XML: quick-xml's reading of a document, as a tree to compare ours with.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

use crate::saml::xml::{Document, Node};

/// An element as quick-xml reads it.
#[derive(Debug, Default)]
pub struct Element {
    namespace: Option<String>,
    local: String,
    attributes: Vec<(Option<String>, String, String)>,
    /// The character data directly in it, joined.
    text: String,
    /// Whether some of it came as CDATA, which is never mere space between elements.
    cdata: bool,
    children: Vec<Self>,
}

/// Reads a document; none if it cannot be compared, because quick-xml takes the name of a namespace
/// as it is spelt, with references and line breaks, and no prefix for an empty name (ours does).
///
/// # Errors
/// What quick-xml says, in words.
pub fn read(source: &str) -> Result<Option<Element>, String> {
    let mut reader = NsReader::from_str(source);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let top = open.last_mut().ok_or("an end too many")?;
        match event {
            Event::Start(start) => {
                if start.attributes().flatten().any(|attribute| {
                    attribute.key.as_namespace_binding().is_some()
                        && (attribute.value.is_empty() || attribute.value.contains(['&', '\t', '\n', '\r']))
                }) {
                    return Ok(None);
                }
                let element = element(&reader, &start)?;
                open.push(element);
            }
            Event::End(_) => {
                let done = open.pop().ok_or("an end too many")?;
                open.last_mut().ok_or("an end too many")?.children.push(done);
            }
            Event::Text(text) => top.text.push_str(&text.xml10_content()),
            Event::CData(data) => {
                top.cdata = true;
                top.text.push_str(&data.xml10_content());
            }
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(c) => top.text.push(c),
                    None => {
                        let name = reference.xml10_content();
                        let text = quick_xml::escape::resolve_xml_entity(&name).ok_or("an entity")?;
                        top.text.push_str(text);
                    }
                }
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => return Err(format!("not expected: {other:?}")),
        }
    }
    let mut document = open.pop().filter(|_| open.is_empty()).ok_or("an element is left open")?;
    let blank = document.text.trim_matches([' ', '\t', '\r', '\n', '\u{feff}']).is_empty() && !document.cdata;
    match (blank, document.children.len()) {
        (true, 1) => Ok(document.children.pop()),
        _ => Err("not one root".to_owned()),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, String> {
    let bound = |resolved: ResolveResult<'_>| match resolved {
        ResolveResult::Bound(namespace) => Ok(Some(namespace.0.to_owned())),
        ResolveResult::Unbound => Ok(None),
        ResolveResult::Unknown(prefix) => Err(format!("prefix not declared: {prefix:?}")),
    };
    let resolver = reader.resolver();
    let (namespace, local) = resolver.resolve_element(start.name());
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?
            .into_owned();
        if attribute.key.as_namespace_binding().is_none() {
            let (namespace, local) = resolver.resolve_attribute(attribute.key);
            attributes.push((bound(namespace)?, local.as_ref().to_owned(), value));
        }
    }
    attributes.sort();
    Ok(Element {
        namespace: bound(namespace)?,
        local: local.as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

impl Element {
    /// Holds our reading against this one: names, attributes, text and order.
    ///
    /// # Panics
    /// If they differ in anything.
    pub fn compare(&self, document: &Document<'_>) {
        self.compare_node(document.root());
        let mut names = Vec::new();
        self.names(&mut names);
        names.sort_unstable();
        for same in names.chunk_by(|one, other| one == other) {
            let [(namespace, local), ..] = same else { continue };
            // Wherever they stand: none is hidden from the checks that count elements.
            assert_eq!(document.all(namespace, local).len(), same.len(), "{namespace} {local}");
        }
    }

    fn compare_node(&self, node: Node<'_, '_>) {
        match &self.namespace {
            Some(namespace) => assert!(node.is(namespace, &self.local), "{self:?}"),
            None => assert!(!node.is("", &self.local), "no namespace is not an empty one"),
        }
        let mut attributes: Vec<_> = node
            .attributes()
            .map(|(namespace, local)| {
                let value = match namespace {
                    Some(namespace) => node.attribute_ns(namespace, local),
                    None => node.attribute(local),
                };
                (namespace.map(str::to_owned), local.to_owned(), value.unwrap().to_owned())
            })
            .collect();
        attributes.sort();
        assert_eq!(attributes, self.attributes);
        let blank = self.text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
        if self.children.is_empty() {
            let text = node.text().unwrap();
            assert_eq!(text, self.text, "{self:?}");
        } else {
            assert!(node.text().is_err(), "an element within text");
            assert!(blank || node.sequence().is_err(), "text between elements");
        }
        let Ok(mut children) = node.sequence() else {
            assert!(!blank || self.cdata, "{self:?} has no text");
            return;
        };
        for child in &self.children {
            let node = children.any().expect("a child is missing");
            child.compare_node(node);
        }
        assert!(children.end().is_ok(), "a child too many");
    }

    fn names<'e>(&'e self, names: &mut Vec<(&'e str, &'e str)>) {
        names.extend(self.namespace.as_deref().map(|namespace| (namespace, self.local.as_str())));
        for child in &self.children {
            child.names(names);
        }
    }
}
