//! Our own metadata, the same for everyone who asks (MD-10).

use crate::app::App;
use crate::keys::EncryptionKey;
use crate::saml::metadata::{Contact, Organization, SpMetadata};
use crate::saml::names::Binding;
use crate::saml::signature::{DIGEST_ALGORITHMS, SIGNATURE_ALGORITHMS};

/// The document at `/saml/metadata`. It says what is really served, and every value comes from the
/// configuration.
#[must_use]
pub fn ours(app: &App) -> String {
    let inner = &app.0;
    let me = &inner.me;
    let next = inner.keys.next_certificate.as_ref().and_then(|certificate| certificate.to_der().ok());
    let mut certificates = vec![inner.keys.signing.certificate_der()];
    certificates.extend(next.as_deref());
    let mut single_logout = vec![(Binding::Redirect, me.slo.clone()), (Binding::Post, me.slo.clone())];
    if inner.settings.saml.soap {
        single_logout.push((Binding::Soap, me.soap.clone()));
    }
    let offered = inner.keys.encryption.first().filter(|_| inner.settings.saml.offer_encryption);
    let organization = inner.settings.organization.as_ref().map(|organization| Organization {
        name: organization.name.clone(),
        display_name: organization.name.clone(),
        url: organization.url.clone(),
    });
    let contact = inner
        .settings
        .technical_contact
        .as_ref()
        .map(|email| Contact { given_name: None, email: email.clone() });
    SpMetadata {
        entity_id: &me.entity_id,
        signing_certificates: &certificates,
        encryption_certificate: offered.map(EncryptionKey::certificate_der),
        digest_algorithms: &DIGEST_ALGORITHMS,
        signature_algorithms: &SIGNATURE_ALGORITHMS,
        single_logout: &single_logout,
        name_id_formats: &[],
        assertion_consumer: &me.acs,
        organization: organization.as_ref(),
        technical_contact: contact.as_ref(),
    }
    .write()
}
