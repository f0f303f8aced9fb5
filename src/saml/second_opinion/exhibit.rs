//! The octets that a verified signature covers, cut out of the document in which they came.

use std::fmt::Write as _;
use std::ops::Range;

use super::super::xml::{DS, Node};

/// The namespace of exclusive canonicalisation, whose one child element lists prefixes.
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE_C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

/// A signed element as a document of its own: as it came, less the KeyInfo of its signature, with the
/// namespaces in scope that it leans on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exhibit {
    xml: String,
    elliptic: bool,
}

impl Exhibit {
    /// The document.
    #[must_use]
    pub fn xml(&self) -> &str {
        &self.xml
    }

    /// Whether its signature is made with a key on an elliptic curve.
    #[must_use]
    pub const fn is_elliptic(&self) -> bool {
        self.elliptic
    }

    /// Cuts out the element whose signature has been verified. None if that cannot be done, which
    /// does not happen to what was parsed and checked.
    fn of(signed: Node<'_, '_>) -> Option<Self> {
        let range = signed.range()?;
        let signature = child(signed, "Signature")?;
        let key_info = child(signature, "KeyInfo").and_then(Node::range);
        let source = signed.source();
        let hole = key_info.unwrap_or(range.end..range.end);
        let (head, tail) = (source.get(range.start..hole.start)?, source.get(hole.end..range.end)?);
        let name_end = head.find([' ', '\t', '\r', '\n', '/', '>'])?;
        let (name, rest) = head.split_at_checked(name_end)?;
        let mut xml = String::with_capacity(range.len() + 256);
        xml.push_str(name);
        declare(&mut xml, signed, signature, &(range.start..range.end));
        xml.push_str(rest);
        xml.push_str(tail);
        let method = child(child(signature, "SignedInfo")?, "SignatureMethod")?;
        let elliptic = method.attribute("Algorithm").is_some_and(|algorithm| algorithm.contains("#ecdsa-"));
        Some(Self { xml, elliptic })
    }
}

/// The exhibits of some signed elements; none at all in a build without the second engine.
pub(in crate::saml) fn exhibits(signed: &[Node<'_, '_>]) -> Vec<Exhibit> {
    if !cfg!(feature = "second-opinion") {
        return Vec::new();
    }
    // An empty one verifies nowhere: what cannot be shown is not confirmed.
    signed.iter().map(|node| Exhibit::of(*node).unwrap_or_default()).collect()
}

fn child<'d, 'a>(parent: Node<'d, 'a>, local: &str) -> Option<Node<'d, 'a>> {
    let mut children = parent.sequence().ok()?;
    std::iter::from_fn(|| children.any()).find(|node| node.is(DS, local))
}

/// Writes the declarations that stand outside the element and that it leans on. Inclusive
/// canonicalisation covers all that are in scope; exclusive only those in use, and of the others,
/// which no signature covers, nothing is shown.
fn declare(xml: &mut String, signed: Node<'_, '_>, signature: Node<'_, '_>, range: &Range<usize>) {
    let Some(around) = signed.parent() else { return };
    let text = signed.source().get(range.clone()).unwrap_or_default();
    let all = is_inclusive(signature);
    let listed = prefix_lists(signature);
    for (prefix, name) in around.namespaces() {
        let used = prefix.is_empty() || text.contains(&format!("{prefix}:")) || listed.contains(&prefix);
        if signed.declares(prefix) || name.is_empty() || !(all || used) {
            continue;
        }
        let colon = if prefix.is_empty() { "" } else { ":" };
        let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let _ = write!(xml, " xmlns{colon}{prefix}=\"{name}\"");
    }
}

/// The canonicalisation methods of a signature, and the prefixes that they list.
fn methods<'d, 'a>(signature: Node<'d, 'a>) -> Vec<Node<'d, 'a>> {
    let mut found = Vec::new();
    let Some(info) = child(signature, "SignedInfo") else { return found };
    found.extend(child(info, "CanonicalizationMethod"));
    let transforms = child(info, "Reference").and_then(|reference| child(reference, "Transforms"));
    if let Some(mut transforms) = transforms.and_then(|transforms| transforms.sequence().ok()) {
        found.extend(std::iter::from_fn(|| transforms.any()));
    }
    found
}

fn is_inclusive(signature: Node<'_, '_>) -> bool {
    let methods = methods(signature);
    // Without a canonicalisation after the enveloped transform, the inclusive one is meant.
    methods.len() < 3 || methods.iter().any(|method| method.attribute("Algorithm") == Some(INCLUSIVE_C14N))
}

fn prefix_lists<'d>(signature: Node<'d, '_>) -> Vec<&'d str> {
    let lists = methods(signature).into_iter().filter_map(|method| method.sequence().ok()?.any());
    lists
        .filter(|list| list.is(EXCLUSIVE_C14N, "InclusiveNamespaces"))
        .filter_map(|list| list.attribute("PrefixList"))
        .flat_map(str::split_whitespace)
        .collect()
}
