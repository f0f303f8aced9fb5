//! The only writer of XML. What it writes is already in exclusive canonical form (Exclusive XML
//! Canonicalization 1.0): every namespace declared at the element that uses it, declarations
//! before attributes, both in order, no self-closing tags, one spelling for every escape. A
//! message can therefore be digested and signed as it stands, without an XML engine.
//!
//! Nothing enters a document but through [`Writer`], which escapes text and attribute values;
//! element and attribute names are constants. So XML injection has no door (F-32).

/// A namespace together with the one prefix we write it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace {
    /// The prefix.
    pub prefix: &'static str,
    /// The namespace name.
    pub uri: &'static str,
}

macro_rules! namespaces {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal $uri:literal;)*) => {
        $($(#[$doc])* pub const $name: Namespace = Namespace { prefix: $prefix, uri: $uri };)*
    };
}

namespaces! {
    /// SAML protocol messages.
    SAMLP = "samlp" "urn:oasis:names:tc:SAML:2.0:protocol";
    /// SAML assertions; NameID and Issuer live here.
    SAML = "saml" "urn:oasis:names:tc:SAML:2.0:assertion";
    /// SAML metadata.
    MD = "md" "urn:oasis:names:tc:SAML:2.0:metadata";
    /// Algorithm support in metadata.
    ALG = "alg" "urn:oasis:names:tc:SAML:metadata:algsupport";
    /// User interface hints in metadata.
    MDUI = "mdui" "urn:oasis:names:tc:SAML:metadata:ui";
    /// The asynchronous single logout extension.
    ASLO = "aslo" "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo";
    /// XML Signature.
    DS = "ds" "http://www.w3.org/2000/09/xmldsig#";
    /// XML Encryption.
    XENC = "xenc" "http://www.w3.org/2001/04/xmlenc#";
    /// SOAP 1.1 envelopes.
    SOAP = "soap" "http://schemas.xmlsoap.org/soap/envelope/";
}

/// An attribute to write: its name and, if it is there at all, its value.
pub type Attribute<'a> = (&'static str, Option<&'a str>);

/// Writes one document, element by element.
///
/// Attribute names are unqualified, or `xml:lang`.
#[derive(Debug)]
pub struct Writer {
    text: String,
    /// The namespaces declared so far on the way from the root to here.
    declared: Vec<Namespace>,
}

impl Writer {
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self { text: String::with_capacity(2048), declared: Vec::with_capacity(4) }
    }

    /// Writes an element: its attributes that are present, and whatever `children` writes.
    pub fn element(
        &mut self,
        (namespace, name): (Namespace, &'static str),
        attributes: &[Attribute<'_>],
        children: impl FnOnce(&mut Self),
    ) {
        let outer = self.declared.len();
        self.text.push('<');
        self.name(namespace, name);
        if !self.declared.contains(&namespace) {
            self.declared.push(namespace);
            self.attribute_start("xmlns:");
            self.text.push_str(namespace.prefix);
            self.attribute_value(namespace.uri);
        }
        self.attributes(attributes);
        self.text.push('>');
        children(self);
        self.text.push_str("</");
        self.name(namespace, name);
        self.text.push('>');
        self.declared.truncate(outer);
    }

    /// Writes an element that has text and nothing else inside.
    pub fn text_element(
        &mut self,
        name: (Namespace, &'static str),
        attributes: &[Attribute<'_>],
        text: &str,
    ) {
        self.element(name, attributes, |xml| xml.text(text));
    }

    /// Writes an element of no namespace that has text and nothing else inside.
    pub fn unqualified_text_element(&mut self, name: &'static str, text: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
        self.text(text);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Writes character data.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.text, text, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '\r' => Some("&#xD;"),
            c => (!is_xml(c)).then_some(REPLACEMENT),
        });
    }

    /// Puts in a whole element that another `Writer` has written; the module alone may, so that no
    /// text from outside gets in this way.
    pub(super) fn nested(&mut self, element: &str) {
        self.text.push_str(element);
    }

    /// How many octets are written so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.text.len()
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn name(&mut self, namespace: Namespace, name: &str) {
        self.text.push_str(namespace.prefix);
        self.text.push(':');
        self.text.push_str(name);
    }

    /// Canonical order: unqualified attributes by name, then the qualified ones.
    fn attributes(&mut self, attributes: &[Attribute<'_>]) {
        let mut last = None;
        // At most a dozen of them: choosing the next smallest each time beats a sorted copy.
        while let Some((name, value)) = attributes
            .iter()
            .filter(|(name, value)| value.is_some() && last.is_none_or(|last| last < rank(name)))
            .min_by_key(|(name, _)| rank(name))
        {
            self.attribute_start(name);
            self.attribute_value(value.unwrap_or_default());
            last = Some(rank(name));
        }
    }

    fn attribute_start(&mut self, name: &str) {
        self.text.push(' ');
        self.text.push_str(name);
    }

    fn attribute_value(&mut self, value: &str) {
        self.text.push_str("=\"");
        escape(&mut self.text, value, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '"' => Some("&quot;"),
            '\t' => Some("&#x9;"),
            '\n' => Some("&#xA;"),
            '\r' => Some("&#xD;"),
            c => (!is_xml(c)).then_some(REPLACEMENT),
        });
        self.text.push('"');
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

/// What stands for a character that XML 1.0 cannot express in any way. Nothing that was read from
/// XML contains one.
const REPLACEMENT: &str = "\u{FFFD}";

fn rank(name: &str) -> (bool, &str) {
    (name.contains(':'), name)
}

/// Appends `text` with some characters replaced; runs between them are copied whole.
fn escape(out: &mut String, text: &str, replacement: impl Fn(char) -> Option<&'static str>) {
    let mut rest = text;
    while let Some((at, c, instead)) =
        rest.char_indices().find_map(|(at, c)| replacement(c).map(|instead| (at, c, instead)))
    {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        out.push_str(instead);
        rest = from.split_at(c.len_utf8()).1;
    }
    out.push_str(rest);
}

/// `Char` of XML 1.0 (fifth edition), production 2.
const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut xml = Writer::new();
        write(&mut xml);
        xml.finish()
    }

    #[test]
    fn namespaces_are_declared_where_they_are_first_used() {
        let xml = written(|xml| {
            xml.element((SAMLP, "A"), &[], |xml| {
                xml.text_element((SAML, "B"), &[], "1");
                xml.element((SAML, "C"), &[], |xml| xml.text_element((SAML, "D"), &[], "2"));
                xml.text_element((SAMLP, "E"), &[], "");
            });
        });
        assert_eq!(
            xml,
            "<samlp:A xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
             <saml:B xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">1</saml:B>\
             <saml:C xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:D>2</saml:D></saml:C>\
             <samlp:E></samlp:E></samlp:A>"
        );
    }

    #[test]
    fn attributes_come_in_canonical_order_and_absent_ones_not_at_all() {
        let attributes = [("xml:lang", Some("en")), ("b", Some("2")), ("Z", Some("1")), ("a", None)];
        let xml = written(|xml| xml.element((DS, "A"), &attributes, |_| ()));
        assert_eq!(
            xml,
            "<ds:A xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" Z=\"1\" b=\"2\" xml:lang=\"en\"></ds:A>"
        );
    }

    #[test]
    fn f_32_markup_leaves_as_text() {
        let xml = written(|xml| {
            xml.text_element((DS, "A"), &[("b", Some("\"<&>'\t\n\r"))], "]]></ds:A>&\r\n\t\"'");
        });
        assert!(xml.contains(" b=\"&quot;&lt;&amp;>'&#x9;&#xA;&#xD;\">"), "{xml}");
        assert!(xml.ends_with(">]]&gt;&lt;/ds:A&gt;&amp;&#xD;\n\t\"'</ds:A>"), "{xml}");
    }

    #[test]
    fn a_character_that_xml_cannot_express_is_replaced() {
        let xml = written(|xml| xml.text_element((DS, "A"), &[("b", Some("\u{0}"))], "x\u{b}\u{fffe}y"));
        assert!(xml.ends_with(" b=\"\u{FFFD}\">x\u{FFFD}\u{FFFD}y</ds:A>"), "{xml}");
    }

    proptest! {
        #[test]
        fn f_32_any_text_comes_back_from_a_parser_unchanged(text in "\\PC*|[\t\n\r -~\u{85}\u{2028}]*", value in "\\PC*|[\t\n\r -~]*") {
            prop_assume!(text.chars().chain(value.chars()).all(is_xml));
            let xml = written(|xml| xml.text_element((DS, "A"), &[("b", Some(&value))], &text));
            let document = uppsala::Parser::new().with_forbid_dtd(true).parse(&xml).unwrap();
            let root = document.document_element().unwrap();
            prop_assert_eq!(document.text_content_deep(root), text);
            prop_assert_eq!(document.element(root).unwrap().get_attribute("b"), Some(value.as_str()));
        }
    }
}
