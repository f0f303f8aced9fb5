//! Our own metadata (MD-01 to MD-10).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::saml::encryption::{BLOCK_ALGORITHMS, TRANSPORT_ALGORITHMS};
use crate::saml::names::{Binding, EntityId, Location};
use crate::saml::write::{ALG, DS, MD, Namespace, Writer};

const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// Who runs this service, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The name.
    pub name: String,
    /// The name to show.
    pub display_name: String,
    /// A page about it.
    pub url: String,
}

/// A person or team to ask about this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// What to call them.
    pub given_name: Option<String>,
    /// Where to write to, without `mailto:`.
    pub email: String,
}

/// The service provider that we are, as metadata says it. Every value comes from configuration,
/// none from a request, so that the document is the same for everyone (MD-10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpMetadata<'a> {
    /// Our entity ID.
    pub entity_id: &'a EntityId,
    /// The certificates of the key that signs, and of the one that will sign next (MD-05, MD-06),
    /// in DER.
    pub signing_certificates: &'a [&'a [u8]],
    /// The certificate of the key that IdPs are to encrypt to, in DER, if they are to; its algorithms
    /// are those that are decrypted, best first (MD-05, MD-08).
    pub encryption_certificate: Option<&'a [u8]>,
    /// The digest algorithms that the verifier takes, best first (MD-08).
    pub digest_algorithms: &'a [&'a str],
    /// The signature algorithms that the verifier takes, best first (MD-08).
    pub signature_algorithms: &'a [&'a str],
    /// The single logout endpoints that are really served, best first (MD-03).
    pub single_logout: &'a [(Binding, Location)],
    /// The NameID formats wanted; none leaves the choice to the IdP.
    pub name_id_formats: &'a [String],
    /// The assertion consumer service, on POST (MD-04).
    pub assertion_consumer: &'a Location,
    /// Who runs this service.
    pub organization: Option<&'a Organization>,
    /// Whom to ask.
    pub technical_contact: Option<&'a Contact>,
}

impl SpMetadata<'_> {
    /// The document.
    ///
    /// It says how long to keep it (`cacheDuration`) and not until when it is valid: a date would
    /// make it another document each time (MD-01, MD-10).
    #[must_use]
    pub fn write(&self) -> String {
        let mut xml = Writer::new();
        let attributes = [("entityID", Some(self.entity_id.as_str())), ("cacheDuration", Some("PT24H"))];
        xml.element(md("EntityDescriptor"), &attributes, |xml| {
            self.algorithms(xml);
            self.role(xml);
            self.organization(xml);
            self.contact(xml);
        });
        xml.finish()
    }

    /// The algorithms, in order of preference (Metadata Algorithm Support 2.3, 2.4).
    fn algorithms(&self, xml: &mut Writer) {
        xml.element(md("Extensions"), &[], |xml| {
            for (name, algorithms) in
                [("DigestMethod", self.digest_algorithms), ("SigningMethod", self.signature_algorithms)]
            {
                for algorithm in algorithms {
                    xml.element((ALG, name), &[("Algorithm", Some(algorithm))], |_| ());
                }
            }
        });
    }

    /// The role, its children in schema order (Metadata 2.4.2, 2.4.4; MD-02).
    fn role(&self, xml: &mut Writer) {
        let attributes = [
            // Every AuthnRequest of ours is signed. WantAssertionsSigned is left out: it would
            // demand a signature of the assertion's own where the response's is enough (E7; MD-07).
            ("AuthnRequestsSigned", Some("true")),
            ("protocolSupportEnumeration", Some(SAML2)),
        ];
        xml.element(md("SPSSODescriptor"), &attributes, |xml| {
            for certificate in self.signing_certificates {
                key_descriptor(xml, "signing", certificate, &[]);
            }
            if let Some(certificate) = self.encryption_certificate {
                let algorithms = [&BLOCK_ALGORITHMS[..], &TRANSPORT_ALGORITHMS].concat();
                key_descriptor(xml, "encryption", certificate, &algorithms);
            }
            for (binding, location) in self.single_logout {
                let attributes = [("Binding", Some(binding.uri())), ("Location", Some(location.as_str()))];
                xml.element(md("SingleLogoutService"), &attributes, |_| ());
            }
            for format in self.name_id_formats {
                xml.text_element(md("NameIDFormat"), &[], format);
            }
            let attributes = [
                ("Binding", Some(Binding::Post.uri())),
                ("Location", Some(self.assertion_consumer.as_str())),
                ("index", Some("0")),
                ("isDefault", Some("true")),
            ];
            xml.element(md("AssertionConsumerService"), &attributes, |_| ());
        });
    }

    fn organization(&self, xml: &mut Writer) {
        let Some(organization) = self.organization else { return };
        let english = [("xml:lang", Some("en"))];
        xml.element(md("Organization"), &[], |xml| {
            xml.text_element(md("OrganizationName"), &english, &organization.name);
            xml.text_element(md("OrganizationDisplayName"), &english, &organization.display_name);
            xml.text_element(md("OrganizationURL"), &english, &organization.url);
        });
    }

    fn contact(&self, xml: &mut Writer) {
        let Some(contact) = self.technical_contact else { return };
        xml.element(md("ContactPerson"), &[("contactType", Some("technical"))], |xml| {
            if let Some(name) = &contact.given_name {
                xml.text_element(md("GivenName"), &[], name);
            }
            xml.text_element(md("EmailAddress"), &[], &["mailto:", &contact.email].concat());
        });
    }
}

/// One key, one element, one certificate (Metadata IOP 2.5.1; MD-05).
fn key_descriptor(xml: &mut Writer, purpose: &str, certificate: &[u8], algorithms: &[&str]) {
    xml.element(md("KeyDescriptor"), &[("use", Some(purpose))], |xml| {
        xml.element((DS, "KeyInfo"), &[], |xml| {
            xml.element((DS, "X509Data"), &[], |xml| {
                xml.text_element((DS, "X509Certificate"), &[], &STANDARD.encode(certificate));
            });
        });
        for algorithm in algorithms {
            xml.element(md("EncryptionMethod"), &[("Algorithm", Some(algorithm))], |_| ());
        }
    });
}

const fn md(name: &'static str) -> (Namespace, &'static str) {
    (MD, name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;
    use crate::saml::signature::{DIGEST_ALGORITHMS, SIGNATURE_ALGORITHMS};
    use uppsala::{Document, NodeId};

    const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

    fn location(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    fn written(single_logout: &[(Binding, Location)], certificates: &[&[u8]]) -> String {
        offering(single_logout, certificates, None)
    }

    fn offering(
        single_logout: &[(Binding, Location)],
        certificates: &[&[u8]],
        encryption_certificate: Option<&[u8]>,
    ) -> String {
        SpMetadata {
            entity_id: &EntityId::parse("https://sp.example/saml/metadata?a&b").unwrap(),
            signing_certificates: certificates,
            encryption_certificate,
            digest_algorithms: &DIGEST_ALGORITHMS,
            signature_algorithms: &SIGNATURE_ALGORITHMS,
            single_logout,
            name_id_formats: &[],
            assertion_consumer: &location("https://sp.example/saml/acs"),
            organization: None,
            technical_contact: None,
        }
        .write()
    }

    /// The elements of that local name, with the values of one attribute.
    fn values(xml: &str, name: &str, attribute: &str) -> Vec<Option<String>> {
        let document = uppsala::parse(xml).unwrap();
        let value = |id: NodeId| document.get_attribute(id, attribute).map(str::to_owned);
        document.get_elements_by_tag_name(name).into_iter().map(value).collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned())).collect()
    }

    fn children(document: &Document<'_>, id: NodeId) -> Vec<String> {
        let name = |id| document.element(id).map(|element| element.name.local_name.to_string());
        document.children_iter(id).filter_map(name).collect()
    }

    #[test]
    fn md_01_the_name_and_how_long_to_keep_it() {
        let xml = written(&[], &[b"a"]);
        assert_eq!(
            values(&xml, "EntityDescriptor", "entityID"),
            some(&["https://sp.example/saml/metadata?a&b"])
        );
        assert_eq!(values(&xml, "EntityDescriptor", "cacheDuration"), some(&["PT24H"]));
        assert_eq!(values(&xml, "EntityDescriptor", "validUntil"), [None], "MD-10: the same each time");
    }

    #[test]
    fn md_02_the_order_of_the_schema() {
        let xml = written(&[(Binding::Redirect, location("https://sp.example/saml/slo"))], &[b"a", b"b"]);
        let document = uppsala::parse(&xml).unwrap();
        let root = document.document_element().unwrap();
        assert_eq!(children(&document, root), ["Extensions", "SPSSODescriptor"]);
        let role = document.get_elements_by_tag_name("SPSSODescriptor")[0];
        assert_eq!(
            children(&document, role),
            ["KeyDescriptor", "KeyDescriptor", "SingleLogoutService", "AssertionConsumerService"]
        );
        assert_eq!(values(&xml, "SPSSODescriptor", "protocolSupportEnumeration"), some(&[PROTOCOL]));
    }

    #[test]
    fn md_03_only_what_is_served() {
        let slo = location("https://sp.example/saml/slo");
        let without_soap = [(Binding::Redirect, slo.clone()), (Binding::Post, slo.clone())];
        let xml = written(&without_soap, &[b"a"]);
        let bindings = [Binding::Redirect.uri(), Binding::Post.uri()];
        assert_eq!(values(&xml, "SingleLogoutService", "Binding"), some(&bindings));
        assert_eq!(values(&xml, "SingleLogoutService", "ResponseLocation"), [None, None]);
        let soap = written(&[(Binding::Soap, slo)], &[b"a"]);
        assert_eq!(values(&soap, "SingleLogoutService", "Binding"), some(&[Binding::Soap.uri()]));
    }

    #[test]
    fn md_04_one_assertion_consumer_and_it_is_the_default() {
        let xml = written(&[], &[b"a"]);
        for (attribute, value) in [("index", "0"), ("isDefault", "true"), ("Binding", Binding::Post.uri())] {
            assert_eq!(values(&xml, "AssertionConsumerService", attribute), some(&[value]));
        }
    }

    #[test]
    fn md_05_each_key_in_its_own_element_with_one_certificate() {
        let xml = written(&[], &[b"a", b"b"]);
        assert_eq!(values(&xml, "KeyDescriptor", "use"), some(&["signing", "signing"]));
        let document = uppsala::parse(&xml).unwrap();
        let certificates = document.get_elements_by_tag_name("X509Certificate");
        let texts: Vec<_> = certificates.iter().map(|id| document.text_content_deep(*id)).collect();
        assert_eq!(texts, [STANDARD.encode("a"), STANDARD.encode("b")]);
        assert_eq!(document.get_elements_by_tag_name("X509Data").len(), 2);
    }

    #[test]
    fn md_07_the_flags_say_what_is_done() {
        let xml = written(&[], &[b"a"]);
        assert_eq!(values(&xml, "SPSSODescriptor", "AuthnRequestsSigned"), some(&["true"]));
        assert_eq!(values(&xml, "SPSSODescriptor", "WantAssertionsSigned"), [None]);
    }

    #[test]
    fn md_08_the_algorithms_are_the_verifier_s() {
        let xml = written(&[], &[b"a"]);
        assert_eq!(values(&xml, "SigningMethod", "Algorithm"), some(&SIGNATURE_ALGORITHMS));
        assert_eq!(values(&xml, "DigestMethod", "Algorithm"), some(&DIGEST_ALGORITHMS));
        assert_eq!(values(&xml, "EncryptionMethod", "Algorithm"), [], "none is offered");
    }

    #[test]
    fn md_08_a_key_to_encrypt_to_comes_with_what_is_decrypted() {
        let xml = offering(&[], &[b"a"], Some(b"b"));
        assert_eq!(values(&xml, "KeyDescriptor", "use"), some(&["signing", "encryption"]));
        let algorithms = [&BLOCK_ALGORITHMS[..], &TRANSPORT_ALGORITHMS].concat();
        assert_eq!(values(&xml, "EncryptionMethod", "Algorithm"), some(&algorithms));
        assert!(!xml.contains("rsa-1_5") && !xml.contains("tripledes"));
    }
}
