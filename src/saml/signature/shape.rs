//! The shape of an XML signature, checked before any cryptography: it removes everything by which a
//! verifier could be made to read files, fetch URLs, run transforms or cover another element than
//! the one that is read.

use super::{ENVELOPED, EXCLUSIVE_C14N, TrustedKeys};
use crate::saml::refusal::Refusal;
use crate::saml::xml::{DS, Node, SAML, Sequence};

/// The profile of Core 5.4, checked before any cryptography:
///
/// 1. the signature stands right after the Issuer (5.4.1 and the schema);
/// 2. SignedInfo, SignatureValue and KeyInfo once each in this order, no Object (E91);
/// 3. one canonicalisation method, allowed (5.4.3); one signature method, allowed (5.4.1);
/// 4. one Reference, whose URI is `#` and the parent's ID (5.4.2);
/// 5. the enveloped transform first, then at most one canonicalisation, allowed (5.4.4);
/// 6. the digest method allowed, the digest there.
pub(super) fn shape(signature: Node<'_, '_>, keys: &TrustedKeys) -> Result<(), Refusal> {
    let bad = |_| Refusal::SignatureShape("structure");
    let parent = signature.parent().ok_or(Refusal::SignatureShape("no parent"))?;
    let mut siblings = parent.sequence().map_err(bad)?;
    siblings.optional(SAML, "Issuer");
    if !siblings.optional(DS, "Signature").is_some_and(|node| node.same(signature)) {
        return Err(Refusal::SignatureShape("not right after the Issuer")); // (1)
    }

    let mut parts = signature.sequence().map_err(bad)?; // (2)
    let signed_info = parts.required(DS, "SignedInfo", "").map_err(bad)?;
    let value = parts.required(DS, "SignatureValue", "").map_err(bad)?;
    parts.optional(DS, "KeyInfo");
    parts.end().map_err(bad)?;
    if value.text().map_err(bad)?.trim().is_empty() {
        return Err(Refusal::SignatureShape("empty SignatureValue"));
    }

    let mut info = signed_info.sequence().map_err(bad)?; // (3)
    let c14n = info.required(DS, "CanonicalizationMethod", "").map_err(bad)?;
    if !keys.c14n_allowed(c14n.attribute("Algorithm").unwrap_or_default()) {
        return Err(Refusal::TransformNotAllowed);
    }
    inclusive_prefixes_only(c14n)?;
    let method = info.required(DS, "SignatureMethod", "").map_err(bad)?;
    if !keys.signature_allowed(method.attribute("Algorithm").unwrap_or_default()) {
        return Err(Refusal::AlgorithmNotAllowed);
    }
    method.sequence().and_then(Sequence::end).map_err(bad)?;
    let reference = info.required(DS, "Reference", "").map_err(bad)?; // (4)
    info.end().map_err(|_| Refusal::SignatureShape("more than one Reference"))?;
    let id = parent.attribute("ID").ok_or(Refusal::SignatureShape("parent without ID"))?;
    if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(Refusal::SignatureShape("Reference is not to the parent"));
    }
    reference_shape(reference, keys) // (5) (6)
}

fn reference_shape(reference: Node<'_, '_>, keys: &TrustedKeys) -> Result<(), Refusal> {
    let bad = |_| Refusal::SignatureShape("structure of Reference");
    let mut parts = reference.sequence().map_err(bad)?;
    let transforms = parts.required(DS, "Transforms", "").map_err(bad)?;
    let method = parts.required(DS, "DigestMethod", "").map_err(bad)?;
    let value = parts.required(DS, "DigestValue", "").map_err(bad)?;
    parts.end().map_err(bad)?;

    let mut list = transforms.sequence().map_err(bad)?;
    let mut next = || list.optional(DS, "Transform");
    let (first, second) = (next(), next());
    list.end().map_err(|_| Refusal::TransformNotAllowed)?;
    if first.and_then(|node| node.attribute("Algorithm")) != Some(ENVELOPED) {
        return Err(Refusal::TransformNotAllowed);
    }
    if let Some(first) = first {
        first.sequence().and_then(Sequence::end).map_err(|_| Refusal::TransformNotAllowed)?;
    }
    if let Some(second) = second {
        if !keys.c14n_allowed(second.attribute("Algorithm").unwrap_or_default()) {
            return Err(Refusal::TransformNotAllowed);
        }
        inclusive_prefixes_only(second)?;
    } else if !keys.policy.allow_inclusive_c14n {
        // Without a canonicalisation transform the digest is over inclusive C14N (XML-DSig 4.3.3.2).
        return Err(Refusal::TransformNotAllowed);
    }
    if !keys.digest_allowed(method.attribute("Algorithm").unwrap_or_default()) {
        return Err(Refusal::AlgorithmNotAllowed);
    }
    if value.text().map_err(bad)?.trim().is_empty() {
        return Err(Refusal::SignatureShape("empty DigestValue"));
    }
    Ok(())
}

/// A canonicalisation may have one child: the list of prefixes to treat inclusively.
fn inclusive_prefixes_only(method: Node<'_, '_>) -> Result<(), Refusal> {
    let mut children = method.sequence().map_err(|_| Refusal::TransformNotAllowed)?;
    children.optional(EXCLUSIVE_C14N, "InclusiveNamespaces");
    children.end().map_err(|_| Refusal::TransformNotAllowed)
}
