//! Metadata of an identity provider in whatever shape a test wants.

use super::dsig::Key;
use super::xml::{attribute_text, content_text};

/// Metadata to be written; every part may be replaced.
#[derive(Clone)]
pub struct Metadata {
    pub entity_id: String,
    /// Raw attributes of `md:EntityDescriptor`.
    pub entity_attributes: String,
    /// Raw elements before the role.
    pub before_role: String,
    /// Raw attributes of `md:IDPSSODescriptor`.
    pub role_attributes: String,
    pub protocols: String,
    /// Raw `md:Extensions` of the role.
    pub role_extensions: String,
    /// Raw `md:KeyDescriptor` elements.
    pub keys: String,
    /// Raw `md:SingleLogoutService` elements.
    pub slo: String,
    pub name_id_formats: String,
    /// Raw `md:SingleSignOnService` elements.
    pub sso: String,
    /// Raw elements after the role.
    pub after_role: String,
}

impl Metadata {
    /// One signing key, SSO and SLO over Redirect and POST.
    pub fn of(entity_id: &str, origin: &str, key: &Key) -> Self {
        let sso = ["HTTP-Redirect", "HTTP-POST"].map(|binding| {
            format!(
                "<md:SingleSignOnService Binding=\"{}\" Location=\"{origin}/sso\"/>",
                binding_uri(binding)
            )
        });
        Self {
            entity_id: entity_id.to_owned(),
            entity_attributes: String::new(),
            before_role: String::new(),
            role_attributes: String::new(),
            protocols: "urn:oasis:names:tc:SAML:2.0:protocol".to_owned(),
            role_extensions: String::new(),
            keys: key_descriptor(Some("signing"), &certificate_info(key)),
            slo: String::new(),
            name_id_formats: String::new(),
            sso: sso.concat(),
            after_role: String::new(),
        }
        .slo("HTTP-Redirect", &format!("{origin}/slo"), None)
        .slo("HTTP-POST", &format!("{origin}/slo/post"), None)
    }

    #[must_use]
    pub fn without_slo(mut self) -> Self {
        self.slo.clear();
        self
    }

    #[must_use]
    pub fn slo(mut self, binding: &str, location: &str, response_location: Option<&str>) -> Self {
        let response = response_location
            .map(|url| format!(" ResponseLocation=\"{}\"", attribute_text(url)))
            .unwrap_or_default();
        self.slo.push_str(&format!(
            "<md:SingleLogoutService Binding=\"{}\" Location=\"{}\"{response}/>",
            binding_uri(binding),
            attribute_text(location)
        ));
        self
    }

    #[must_use]
    pub fn key(mut self, usage: Option<&str>, info: &str) -> Self {
        self.keys.push_str(&key_descriptor(usage, info));
        self
    }

    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.keys.clear();
        self
    }

    pub fn xml(&self) -> String {
        format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" entityID=\"{}\"{}>{}<md:IDPSSODescriptor protocolSupportEnumeration=\"{}\"{}>{}{}{}{}{}</md:IDPSSODescriptor>{}</md:EntityDescriptor>",
            attribute_text(&self.entity_id),
            self.entity_attributes,
            self.before_role,
            self.protocols,
            self.role_attributes,
            self.role_extensions,
            self.keys,
            self.slo,
            self.name_id_formats,
            self.sso,
            self.after_role,
        )
    }
}

/// `md:KeyDescriptor` around a raw `ds:KeyInfo` content.
pub fn key_descriptor(usage: Option<&str>, info: &str) -> String {
    let usage = usage.map(|usage| format!(" use=\"{usage}\"")).unwrap_or_default();
    format!("<md:KeyDescriptor{usage}><ds:KeyInfo>{info}</ds:KeyInfo></md:KeyDescriptor>")
}

/// `ds:X509Data` with the key's certificate.
pub fn certificate_info(key: &Key) -> String {
    format!(
        "<ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>",
        content_text(&key.certificate_base64())
    )
}

pub fn binding_uri(binding: &str) -> String {
    format!("urn:oasis:names:tc:SAML:2.0:bindings:{binding}")
}
