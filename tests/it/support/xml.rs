//! A small XML reader and exclusive canonicalisation, written for the tests alone: what judges
//! our messages must not share a line with what writes them.

use std::collections::BTreeMap;

pub const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";

#[derive(Debug, Clone)]
pub enum Node {
    Element(Element),
    Text(String),
    Comment,
    Instruction(String),
}

#[derive(Debug, Clone)]
pub struct Attribute {
    pub prefix: String,
    pub local: String,
    pub ns: String,
    pub value: String,
}

#[derive(Debug, Clone)]
pub struct Element {
    pub prefix: String,
    pub local: String,
    pub ns: String,
    pub attributes: Vec<Attribute>,
    pub in_scope: BTreeMap<String, String>,
    pub children: Vec<Node>,
}

impl Element {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        reader.skip_prolog()?;
        let root = reader.element(&BTreeMap::new())?;
        reader.skip_misc();
        if reader.rest().is_empty() { Ok(root) } else { Err(format!("after the root: {}", reader.rest())) }
    }

    pub fn is(&self, ns: &str, local: &str) -> bool {
        self.ns == ns && self.local == local
    }

    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.ns.is_empty() && a.local == local).map(|a| a.value.as_str())
    }

    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    pub fn children_named<'a>(&'a self, ns: &'a str, local: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements().filter(move |element| element.is(ns, local))
    }

    pub fn child(&self, ns: &str, local: &str) -> Option<&Element> {
        self.elements().find(|element| element.is(ns, local))
    }

    /// The element reached by the local names given, whatever their namespaces.
    pub fn path(&self, locals: &[&str]) -> Option<&Element> {
        locals.iter().try_fold(self, |at, local| at.elements().find(|element| element.local == *local))
    }

    /// Every element of that name below this one, in document order.
    pub fn all<'a>(&'a self, ns: &str, local: &str) -> Vec<&'a Element> {
        let mut found = Vec::new();
        for element in self.elements() {
            if element.is(ns, local) {
                found.push(element);
            }
            found.extend(element.all(ns, local));
        }
        found
    }

    pub fn text(&self) -> String {
        let mut all = String::new();
        for node in &self.children {
            match node {
                Node::Text(text) => all.push_str(text),
                Node::Element(element) => all.push_str(&element.text()),
                Node::Comment | Node::Instruction(_) => {}
            }
        }
        all
    }

    /// Exclusive XML Canonicalization 1.0 without comments of this subtree.
    pub fn canonical(&self) -> String {
        self.canonical_without(&|_| false)
    }

    /// The same, leaving out the elements that `dropped` names (the enveloped signature).
    pub fn canonical_without(&self, dropped: &dyn Fn(&Element) -> bool) -> String {
        let mut out = String::new();
        self.write(&mut out, &BTreeMap::new(), dropped);
        out
    }

    fn write(
        &self,
        out: &mut String,
        rendered: &BTreeMap<String, String>,
        dropped: &dyn Fn(&Element) -> bool,
    ) {
        let mut rendered = rendered.clone();
        let mut used: Vec<&str> = vec![&self.prefix];
        used.extend(self.attributes.iter().filter(|a| !a.prefix.is_empty()).map(|a| a.prefix.as_str()));
        used.sort_unstable();
        used.dedup();
        let name = qualified(&self.prefix, &self.local);
        out.push('<');
        out.push_str(&name);
        for prefix in used {
            if prefix == "xml" {
                continue;
            }
            let uri = self.in_scope.get(prefix).map_or("", String::as_str);
            let before = rendered.get(prefix).map_or("", String::as_str);
            if uri != before {
                let attribute =
                    if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
                out.push_str(&format!(" {attribute}=\"{}\"", attribute_text(uri)));
                rendered.insert(prefix.to_owned(), uri.to_owned());
            }
        }
        let mut attributes: Vec<_> = self.attributes.iter().collect();
        attributes.sort_by(|a, b| (&a.ns, &a.local).cmp(&(&b.ns, &b.local)));
        for a in attributes {
            out.push_str(&format!(" {}=\"{}\"", qualified(&a.prefix, &a.local), attribute_text(&a.value)));
        }
        out.push('>');
        for node in &self.children {
            match node {
                Node::Element(element) if dropped(element) => {}
                Node::Element(element) => element.write(out, &rendered, dropped),
                Node::Text(text) => out.push_str(&content_text(text)),
                Node::Instruction(text) => out.push_str(&format!("<?{text}?>")),
                Node::Comment => {}
            }
        }
        out.push_str(&format!("</{name}>"));
    }
}

/// Text escaped as canonical XML writes it.
pub fn content_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

/// An attribute's value escaped as canonical XML writes it.
pub fn attribute_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\t', "&#x9;")
        .replace('\n', "&#xA;")
        .replace('\r', "&#xD;")
}

fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, literal: &str) -> Result<(), String> {
        if self.rest().starts_with(literal) {
            self.at += literal.len();
            Ok(())
        } else {
            Err(format!("expected {literal:?} at {:?}", &self.rest().chars().take(40).collect::<String>()))
        }
    }

    fn until(&mut self, end: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let length = rest.find(end).ok_or_else(|| format!("no {end:?}"))?;
        self.at += length + end.len();
        Ok(&rest[..length])
    }

    fn skip_prolog(&mut self) -> Result<(), String> {
        self.skip_space();
        if self.rest().starts_with("<?xml ") {
            self.until("?>")?;
        }
        self.skip_misc();
        Ok(())
    }

    fn skip_misc(&mut self) {
        loop {
            self.skip_space();
            if !self.rest().starts_with("<!--") || self.until("-->").is_err() {
                return;
            }
        }
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find([' ', '\t', '\r', '\n', '=', '/', '>']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn element(&mut self, outer: &BTreeMap<String, String>) -> Result<Element, String> {
        self.take("<")?;
        let name = self.name();
        if name.is_empty() || name.starts_with(['!', '?', '/']) {
            return Err(format!("no element name: {name:?}"));
        }
        let mut raw = Vec::new();
        loop {
            self.skip_space();
            if self.rest().starts_with(['>', '/']) {
                break;
            }
            let attribute = self.name();
            self.skip_space();
            self.take("=")?;
            self.skip_space();
            let quote = if self.rest().starts_with('\'') { "'" } else { "\"" };
            self.take(quote)?;
            let value = self.until(quote)?;
            raw.push((attribute, unescape(&value.replace(['\n', '\t', '\r'], " "))?));
        }
        let mut in_scope = outer.clone();
        for (attribute, value) in &raw {
            if *attribute == "xmlns" {
                in_scope.insert(String::new(), value.clone());
            } else if let Some(prefix) = attribute.strip_prefix("xmlns:") {
                in_scope.insert(prefix.to_owned(), value.clone());
            }
        }
        let resolve = |prefix: &str| match prefix {
            "" => Ok(in_scope.get("").cloned().unwrap_or_default()),
            "xml" => Ok(XML_NS.to_owned()),
            _ => in_scope.get(prefix).cloned().ok_or_else(|| format!("prefix {prefix}")),
        };
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let mut attributes = Vec::new();
        for (attribute, value) in raw {
            if attribute == "xmlns" || attribute.starts_with("xmlns:") {
                continue;
            }
            let (prefix, local) = attribute.split_once(':').unwrap_or(("", attribute));
            let ns = if prefix.is_empty() { String::new() } else { resolve(prefix)? };
            attributes.push(Attribute { prefix: prefix.to_owned(), local: local.to_owned(), ns, value });
        }
        let mut element = Element {
            prefix: prefix.to_owned(),
            local: local.to_owned(),
            ns: resolve(prefix)?,
            attributes,
            children: Vec::new(),
            in_scope: in_scope.clone(),
        };
        if self.take("/>").is_ok() {
            return Ok(element);
        }
        self.take(">")?;
        loop {
            let rest = self.rest();
            if rest.starts_with("</") {
                self.take("</")?;
                let end = self.name();
                self.skip_space();
                self.take(">")?;
                return if end == name { Ok(element) } else { Err(format!("<{name}> ended by </{end}>")) };
            } else if rest.starts_with("<!--") {
                self.until("-->")?;
                element.children.push(Node::Comment);
            } else if rest.starts_with("<![CDATA[") {
                self.take("<![CDATA[")?;
                element.children.push(Node::Text(self.until("]]>")?.to_owned()));
            } else if rest.starts_with("<?") {
                self.take("<?")?;
                element.children.push(Node::Instruction(self.until("?>")?.to_owned()));
            } else if rest.starts_with('<') {
                element.children.push(Node::Element(self.element(&in_scope)?));
            } else {
                let end = rest.find('<').ok_or("text without end")?;
                self.at += end;
                element.children.push(Node::Text(unescape(&rest[..end].replace("\r\n", "\n"))?));
            }
        }
    }
}

/// Replaces the five named entities and character references; also right for our HTML.
pub fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        let (entity, after) = rest[start + 1..].split_once(';').ok_or("unfinished entity")?;
        let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let character = match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => entity
                .strip_prefix("#x")
                .and_then(|hex| code(hex, 16))
                .or_else(|| entity.strip_prefix('#').and_then(|digits| code(digits, 10))),
        };
        out.push(character.ok_or_else(|| format!("entity &{entity};"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
