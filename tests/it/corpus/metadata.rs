//! What must not be imported as metadata of an identity provider. Each document would replace what
//! is known of one that people are signed in by.

use chrono::TimeDelta;

use super::{cut, swap};
use crate::support::app::Import;
use crate::support::dsig::{Key, RSA_A};
use crate::support::messages::instant;
use crate::support::metadata::{Metadata, certificate_info};
use crate::support::story::{Scene, Via};

/// One document that is refused.
pub struct Document {
    pub rules: &'static [&'static str],
    name: &'static str,
    /// The rule that the audit names.
    rule: &'static str,
    /// What the administrator reads, in part.
    says: &'static str,
    make: fn(&Metadata) -> String,
}

const fn document(
    rules: &'static [&'static str],
    name: &'static str,
    rule: &'static str,
    says: &'static str,
    make: fn(&Metadata) -> String,
) -> Document {
    Document { rules, name, rule, says, make }
}

/// The base with another signing key, or whatever stands in its place.
fn keyed(base: &Metadata, usage: Option<&str>, info: &str) -> String {
    base.clone().without_keys().key(usage, info).xml()
}

fn located(base: &Metadata, location: &str) -> String {
    base.clone().slo("HTTP-Redirect", location, None).xml()
}

fn answered_at(base: &Metadata, location: &str) -> String {
    base.clone().slo("HTTP-Redirect", "https://idp-a.example/slo", Some(location)).xml()
}

fn until(base: &Metadata, text: &str) -> String {
    let mut metadata = base.clone();
    metadata.entity_attributes = format!(" validUntil=\"{text}\"");
    metadata.xml()
}

pub fn documents() -> Vec<Document> {
    let endpoint = "not an absolute https URL";
    vec![
        document(&["VAL-02", "F-43"], "a DTD", "VAL-02", "document type", |base| {
            format!("<!DOCTYPE x>{}", base.xml())
        }),
        document(&["VAL-02", "F-43", "F-45"], "an external entity", "VAL-02", "document type", |base| {
            format!(
                "<!DOCTYPE x [<!ENTITY e SYSTEM \"http://127.0.0.1:1/\">]>{}",
                swap(&base.xml(), "https://idp-a.example/slo", "&e;")
            )
        }),
        document(&["VAL-02", "F-43"], "a billion laughs", "VAL-02", "document type", |base| {
            format!(
                "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>{}",
                swap(&base.xml(), "https://idp-a.example/slo", "&b;")
            )
        }),
        document(&["VAL-02", "F-03"], "an entity of nobody's", "VAL-02", "entity", |base| {
            swap(&base.xml(), "https://idp-a.example/slo", "&e;")
        }),
        document(&["VAL-01", "F-43"], "too deep", "VAL-01", "too deeply", |base| {
            let deep = format!(
                "<md:Extensions>{}{}</md:Extensions>",
                "<x xmlns=\"urn:x\">".repeat(100),
                "</x>".repeat(100)
            );
            let mut metadata = base.clone();
            metadata.before_role = deep;
            metadata.xml()
        }),
        document(&["VAL-01", "F-43"], "too many attributes", "VAL-01", "too many attributes", |base| {
            let many: String = (0..10_000).map(|n| format!(" a{n}=\"\"")).collect();
            let mut metadata = base.clone();
            metadata.before_role = format!("<md:Extensions><x xmlns=\"urn:x\"{many}/></md:Extensions>");
            metadata.xml()
        }),
        document(&["VAL-01", "F-43"], "too many namespaces", "VAL-04", "well-formed", |base| {
            let many: String = (0..10_000).map(|n| format!(" xmlns:p{n}=\"urn:{n}\"")).collect();
            let mut metadata = base.clone();
            metadata.before_role = format!("<md:Extensions><x xmlns=\"urn:x\"{many}/></md:Extensions>");
            metadata.xml()
        }),
        document(&["VAL-04", "F-11"], "two documents", "VAL-04", "well-formed", |base| base.xml().repeat(2)),
        document(&["VAL-04", "F-11"], "text after it", "VAL-04", "well-formed", |base| base.xml() + "x"),
        document(&["VAL-04"], "half of it", "VAL-04", "well-formed", |base| {
            base.xml()[..base.xml().len() / 2].to_owned()
        }),
        document(&["VAL-04", "F-03"], "another encoding", "VAL-04", "UTF-8", |base| {
            format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{}", base.xml())
        }),
        document(&["VAL-19", "MD-14"], "a LogoutRequest", "MD-14", "no SAML metadata", |_| {
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>".to_owned()
        }),
        document(&["VAL-05", "F-17", "MD-14"], "another namespace", "MD-14", "no SAML metadata", |base| {
            base.xml().replace("urn:oasis:names:tc:SAML:2.0:metadata", "urn:x")
        }),
        document(&["MD-18"], "a service provider", "MD-18", "no identity provider", |base| {
            base.xml().replace("IDPSSODescriptor", "SPSSODescriptor")
        }),
        document(&["MD-18"], "SAML 1.1 alone", "MD-18", "no identity provider", |base| {
            base.xml().replace("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.1:protocol")
        }),
        document(&["MD-18", "MD-23"], "two roles", "MD-18", "two IDPSSODescriptors", |base| {
            let text = base.xml();
            let role = cut(&text, "<md:IDPSSODescriptor", "</md:IDPSSODescriptor>").to_owned();
            swap(&text, &role, &role.repeat(2))
        }),
        document(&["MD-23"], "two entities of one name", "MD-23", "two entities", |base| {
            format!(
                "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}</md:EntitiesDescriptor>",
                base.xml().repeat(2)
            )
        }),
        document(&["VAL-17", "MD-01"], "an entityID too long", "MD-01", "entityID", |base| {
            base.xml().replace("https://idp-a.example/metadata", &"x".repeat(1025))
        }),
        document(&["MD-01"], "no entityID", "MD-01", "entityID", |base| {
            base.xml().replace(" entityID=", " x=")
        }),
        document(&["MD-12"], "expired", "MD-12", "was valid until", |base| {
            until(base, "2026-11-23T11:00:00Z")
        }),
        document(&["MD-12", "MD-13"], "the role expired", "MD-12", "was valid until", |base| {
            let mut metadata = base.clone();
            metadata.role_attributes = " validUntil=\"2026-11-23T11:00:00Z\"".to_owned();
            metadata.xml()
        }),
        document(&["MD-12"], "valid until nobody knows when", "MD-12", "no instant", |base| {
            until(base, "tomorrow")
        }),
        document(&["MD-20", "F-24", "F-39"], "no keys", "MD-20", "no usable signing key", |base| {
            base.clone().without_keys().xml()
        }),
        document(
            &["MD-18", "MD-20", "F-39"],
            "keys for encryption alone",
            "MD-20",
            "no usable signing key",
            |base| keyed(base, Some("encryption"), &certificate_info(&RSA_A)),
        ),
        document(&["MD-20", "F-39"], "keys of an unknown use", "MD-20", "no usable signing key", |base| {
            keyed(base, Some("any"), &certificate_info(&RSA_A))
        }),
        document(&["MD-20"], "an empty KeyInfo", "MD-20", "no usable signing key", |base| {
            keyed(base, Some("signing"), "")
        }),
        document(&["MD-20", "F-45"], "a key to be fetched", "MD-20", "no usable signing key", |base| {
            keyed(base, Some("signing"), "<ds:RetrievalMethod URI=\"http://127.0.0.1:1/\"/>")
        }),
        document(&["MD-20"], "a certificate that is none", "MD-20", "no usable signing key", |base| {
            keyed(
                base,
                Some("signing"),
                "<ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data>",
            )
        }),
        document(&["MD-20", "MD-05"], "an RSA key of 1024 bits", "MD-20", "1024 bits", |base| {
            keyed(base, Some("signing"), &certificate_info(&Key::rsa(1024)))
        }),
        document(&["MD-21", "F-31"], "a script for an endpoint", "MD-21", endpoint, |base| {
            located(base, "javascript:alert(1)")
        }),
        document(&["MD-21", "F-31"], "data for an endpoint", "MD-21", endpoint, |base| {
            located(base, "data:text/html,x")
        }),
        document(&["MD-21"], "plain http", "MD-21", endpoint, |base| {
            located(base, "http://idp-a.example/slo")
        }),
        document(&["MD-21"], "a user name", "MD-21", endpoint, |base| {
            located(base, "https://u:p@idp-a.example/slo")
        }),
        document(&["MD-21", "F-45"], "a file", "MD-21", endpoint, |base| located(base, "file:///etc/passwd")),
        document(&["MD-21"], "a relative endpoint", "MD-21", endpoint, |base| located(base, "/slo")),
        document(&["MD-21"], "a control character", "MD-21", endpoint, |base| {
            located(base, "https://idp-a.example/\u{1}").replace('\u{1}', "&#10;x")
        }),
        document(&["MD-21", "F-31"], "a script to answer at", "MD-21", endpoint, |base| {
            answered_at(base, "javascript:alert(1)")
        }),
        document(&["MD-21"], "plain http to answer at", "MD-21", endpoint, |base| {
            answered_at(base, "http://idp-a.example/slo")
        }),
        document(&["MD-21", "F-31"], "a script to sign in at", "MD-21", endpoint, |base| {
            let mut metadata = base.clone();
            metadata.sso = metadata.sso.replace("https://idp-a.example/sso", "javascript:alert(1)");
            metadata.xml()
        }),
    ]
}

#[tokio::test]
async fn every_document_is_refused_audited_and_changes_nothing() {
    let scene = Scene::new().await;
    let base = scene.idp.metadata();
    let versions = "select count(*) from identity_provider_version";
    let before = scene.app.count(versions).await;
    let mut wrong = Vec::new();
    for document in documents() {
        scene.app.advance(TimeDelta::minutes(1));
        let last = scene.app.audit().await.len();
        let outcome = scene.app.try_import("idp-a", &(document.make)(&base), Import::default()).await;
        let audit = scene.app.audit().await;
        let name = document.name;
        match outcome {
            Ok(()) => wrong.push(format!("{name}: it was imported")),
            Err(text) if !text.contains(document.says) || text.contains('\n') => {
                wrong.push(format!("{name}: {text}"));
            }
            Err(_) => {}
        }
        if audit[last..] != [("refused".to_owned(), document.rule.to_owned())] {
            wrong.push(format!("{name}: audited {:?}", &audit[last..]));
        }
        if scene.app.count(versions).await != before || !scene.alice.is_signed_in().await {
            wrong.push(format!("{name}: something has changed"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The right document, which differs from each in that one thing, is taken.
    let later = instant(scene.app.now() + TimeDelta::hours(1));
    scene.app.try_import("idp-a", &until(&base, &later), Import::default()).await.unwrap();
    assert_eq!(scene.app.count(versions).await, before + 1);
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}
