//! MD-01 to MD-22: what we publish and what we take in.

use chrono::TimeDelta;

use crate::support::app::{Import, TestApp};
use crate::support::browser::From;
use crate::support::dsig::{EC_256, Key, RSA_A, RSA_ATTACKER, RSA_B};
use crate::support::idp::Idp;
use crate::support::messages::{Name, instant};
use crate::support::metadata::{Metadata, certificate_info};
use crate::support::story::{INDEX, Scene, Via, send_request};
use crate::support::xml::{DS, Element, MD};

async fn ours(app: &TestApp) -> Element {
    let reply = app.browser().get("/saml/metadata").await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").unwrap().starts_with("application/samlmetadata+xml"), "MD-01");
    Element::parse(&reply.body).unwrap()
}

#[tokio::test]
async fn md_01_to_05_and_07_our_document() {
    let app = TestApp::start().await;
    let root = ours(&app).await;
    assert!(root.is(MD, "EntityDescriptor"));
    let entity = root.attribute("entityID").unwrap();
    assert!(url::Url::parse(entity).is_ok() && entity.len() <= 256);
    assert!(root.attribute("validUntil").is_some() || root.attribute("cacheDuration").is_some(), "MD-01");
    let role = root.child(MD, "SPSSODescriptor").unwrap();
    let protocols = role.attribute("protocolSupportEnumeration").unwrap();
    assert!(protocols.split(' ').any(|p| p == "urn:oasis:names:tc:SAML:2.0:protocol"), "MD-02");
    let order = [
        "Extensions",
        "KeyDescriptor",
        "ArtifactResolutionService",
        "SingleLogoutService",
        "ManageNameIDService",
        "NameIDFormat",
        "AssertionConsumerService",
        "AttributeConsumingService",
    ];
    let places: Vec<_> =
        role.elements().map(|child| order.iter().position(|name| *name == child.local).unwrap()).collect();
    assert!(places.is_sorted(), "MD-02: {places:?}");
    let mut bindings: Vec<_> = role
        .children_named(MD, "SingleLogoutService")
        .map(|e| e.attribute("Binding").unwrap().rsplit(':').next().unwrap().to_owned())
        .collect();
    bindings.sort();
    assert_eq!(bindings, ["HTTP-POST", "HTTP-Redirect", "SOAP"], "MD-03");
    let acs: Vec<_> = role.children_named(MD, "AssertionConsumerService").collect();
    assert_eq!(acs.iter().filter(|e| e.attribute("isDefault") == Some("true")).count(), 1, "MD-04");
    assert!(acs.iter().all(|e| e.attribute("index").is_some() && e.attribute("Binding").unwrap().ends_with("HTTP-POST")));
    let keys: Vec<_> = role.children_named(MD, "KeyDescriptor").collect();
    assert!(
        keys.iter().all(|key| key.attribute("use") == Some("signing")),
        "no encryption before decryption exists"
    );
    assert!(keys.iter().all(|key| key.all(DS, "X509Certificate").len() == 1), "MD-05");
    assert_eq!(role.attribute("AuthnRequestsSigned"), Some("true"), "MD-07");
    assert_eq!(role.attribute("WantAssertionsSigned"), None);
    assert!(root.all(MD, "EncryptionMethod").is_empty());
    app.done().await;
}

#[tokio::test]
async fn md_08_the_algorithms_are_those_of_the_verifier() {
    let app = TestApp::start().await;
    let root = ours(&app).await;
    let namespace = "urn:oasis:names:tc:SAML:metadata:algsupport";
    let list = |local: &str| -> Vec<String> {
        let mut all: Vec<_> =
            root.all(namespace, local).iter().map(|e| e.attribute("Algorithm").unwrap().to_owned()).collect();
        all.sort();
        all
    };
    use crate::support::dsig::{
        ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512, RSA_SHA256, RSA_SHA384, RSA_SHA512, SHA256, SHA384, SHA512,
    };
    let sorted = |mut all: Vec<&str>| {
        all.sort_unstable();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list("DigestMethod"), sorted(vec![SHA256, SHA384, SHA512]));
    assert_eq!(
        list("SigningMethod"),
        sorted(vec![RSA_SHA256, RSA_SHA384, RSA_SHA512, ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512])
    );
    app.done().await;
}

#[tokio::test]
async fn md_10_the_document_depends_on_configuration_alone() {
    let app = TestApp::start().await;
    let first = app.browser().get("/saml/metadata").await.body;
    app.advance(TimeDelta::days(3));
    let node = app.second_node().await;
    let second = crate::support::browser::Browser::new(&node.authority)
        .request(
            "GET",
            "/saml/metadata",
            &[("Host", "evil.example"), ("X-Forwarded-Host", "evil.example")],
            None,
            From::Here,
        )
        .await
        .body;
    assert_eq!(first, second);
    app.done().await;
}

/// Whether a LogoutRequest signed by `key` is authentic under that metadata, on each binding.
async fn verifies(metadata: impl Fn(Metadata) -> Metadata, key: &'static Key) -> bool {
    let mut verdicts = Vec::new();
    let app = TestApp::start().await;
    let idp = app.idp_as("idp-a", &RSA_A, metadata).await;
    for via in Via::ALL {
        let signer = Idp::new("idp-a", key, app.sp.clone(), app.clock.clone());
        let mut request = idp.logout_request(&Name::email("nobody@example.org"), &["1"]);
        if via == Via::Soap {
            request.destination = Some(app.sp.soap.clone());
        }
        let answer = send_request(&app.authority, &signer, via, &request, None).await;
        verdicts.push(match answer.status().as_str() {
            "Requester/UnknownPrincipal" => true,
            "Requester/RequestDenied" => false,
            other => panic!("{other}"),
        });
    }
    app.done().await;
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    verdicts[0]
}

#[tokio::test]
async fn md_15_a_key_without_use_signs_and_is_required() {
    let no_use = |metadata: Metadata| metadata.without_keys().key(None, &certificate_info(&RSA_A));
    assert!(verifies(no_use, &RSA_A).await);
    assert!(!verifies(no_use, &RSA_ATTACKER).await);
}

#[tokio::test]
async fn md_16_each_key_is_tried() {
    let three = |metadata: Metadata| {
        metadata
            .without_keys()
            .key(Some("signing"), &certificate_info(&RSA_B))
            .key(Some("signing"), &certificate_info(&EC_256))
            .key(Some("signing"), &certificate_info(&RSA_A))
    };
    for key in [&RSA_A, &RSA_B, &EC_256] {
        assert!(verifies(three, key).await);
    }
    assert!(!verifies(three, &RSA_ATTACKER).await);
}

#[tokio::test]
async fn md_16_several_certificates_in_one_key_info() {
    let both = |metadata: Metadata| {
        let info = format!("{}{}", certificate_info(&RSA_B), certificate_info(&RSA_A));
        metadata.without_keys().key(Some("signing"), &info)
    };
    assert!(verifies(both, &RSA_A).await);
    assert!(verifies(both, &RSA_B).await);
    assert!(!verifies(both, &RSA_ATTACKER).await);
}

#[tokio::test]
async fn md_17_the_key_alone_counts() {
    assert!(
        verifies(
            |metadata| metadata.without_keys().key(Some("signing"), &certificate_info(&RSA_A.expired())),
            &RSA_A
        )
        .await
    );
    assert!(
        verifies(|metadata| metadata.without_keys().key(Some("signing"), &RSA_A.key_value()), &RSA_A).await
    );
    assert!(
        verifies(|metadata| metadata.without_keys().key(Some("signing"), &EC_256.key_value()), &EC_256).await
    );
    assert!(
        !verifies(|metadata| metadata.without_keys().key(Some("signing"), &RSA_A.key_value()), &RSA_ATTACKER)
            .await
    );
}

#[tokio::test]
async fn md_18_keys_of_other_roles_and_for_encryption_never_verify() {
    let with_encryption = |metadata: Metadata| metadata.key(Some("encryption"), &certificate_info(&RSA_B));
    assert!(verifies(with_encryption, &RSA_A).await);
    assert!(!verifies(with_encryption, &RSA_B).await);
    let with_sp_role = |mut metadata: Metadata| {
        metadata.after_role = format!(
            "<md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor use=\"signing\"><ds:KeyInfo>{}</ds:KeyInfo></md:KeyDescriptor><md:AssertionConsumerService index=\"0\" Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp-a.example/acs\"/></md:SPSSODescriptor>",
            certificate_info(&RSA_B)
        );
        metadata
    };
    assert!(verifies(with_sp_role, &RSA_A).await);
    assert!(!verifies(with_sp_role, &RSA_B).await);
}

#[tokio::test]
async fn md_19_the_metadata_alone_is_enough_for_a_full_logout() {
    let scene = Scene::new().await;
    let request = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    let answer = scene.idp.logout_response(&request, &["Success"]);
    let reply = scene.alice.bring_answer(&scene.idp, &answer, request.relay_state.as_deref()).await;
    assert!(reply.status < 400);
    scene.done().await;
}

struct Desk {
    app: TestApp,
    base: Metadata,
}

impl Desk {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let base = Metadata::of("https://idp-a.example/metadata", "https://idp-a.example", &RSA_A);
        Self { app, base }
    }

    async fn import(&self, xml: &str) -> Result<(), String> {
        self.app.try_import("idp-a", xml, Import::default()).await
    }

    async fn refused(&self, what: &str, xml: &str) -> String {
        let error = self.import(xml).await.err().unwrap_or_else(|| panic!("{what} was imported"));
        assert!(!error.contains('\n') && !error.is_empty(), "{what}: one line: {error}");
        assert_eq!(self.app.count("select count(*) from identity_provider").await, 0, "{what}");
        error
    }

    async fn done(self) {
        self.import(&self.base.xml()).await.expect("the positive twin");
        self.app.done().await;
    }
}

#[tokio::test]
async fn md_20_without_a_usable_key_nothing_is_imported() {
    let desk = Desk::new().await;
    let base = desk.base.clone();
    let weak = Key::rsa(1024);
    for (what, metadata) in [
        ("no keys", base.clone().without_keys()),
        ("encryption only", base.clone().without_keys().key(Some("encryption"), &certificate_info(&RSA_A))),
        ("empty KeyInfo", base.clone().without_keys().key(Some("signing"), "")),
        ("key name", base.clone().without_keys().key(Some("signing"), "<ds:KeyName>x</ds:KeyName>")),
        (
            "garbage",
            base.clone().without_keys().key(
                Some("signing"),
                "<ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data>",
            ),
        ),
        ("1024 bits", base.clone().without_keys().key(Some("signing"), &certificate_info(&weak))),
    ] {
        desk.refused(what, &metadata.xml()).await;
    }
    desk.done().await;
}

#[tokio::test]
async fn md_21_locations_are_plain_https() {
    let desk = Desk::new().await;
    for location in [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://idp-a.example/slo",
        "https://user:password@idp-a.example/slo",
        "//idp-a.example/slo",
        "/slo",
        "https:idp-a.example",
        "https://idp-a.example/\u{1}",
        "https://idp-a.example/&#10;x",
        "ftp://idp-a.example/slo",
        "file:///etc/passwd",
        "",
    ] {
        for (what, metadata) in [
            ("Location", desk.base.clone().slo("HTTP-Redirect", location, None)),
            (
                "ResponseLocation",
                desk.base.clone().slo("HTTP-Redirect", "https://idp-a.example/slo", Some(location)),
            ),
        ] {
            let raw = metadata.xml().replace("&amp;#10;", "&#10;");
            desk.refused(&format!("{what} {location:?}"), &raw).await;
        }
        let mut metadata = desk.base.clone();
        metadata.sso = metadata.sso.replace("https://idp-a.example/sso", &location.replace('&', "&amp;"));
        desk.refused(&format!("SSO {location:?}"), &metadata.xml().replace("&amp;#10;", "&#10;")).await;
    }
    // Plain http is for loopback hosts, when we are on loopback ourselves.
    desk.import(&desk.base.clone().slo("SOAP", "http://127.0.0.1:9/soap", None).xml()).await.unwrap();
    desk.app.done().await;
    let app = TestApp::start_with(&[("SIGNOFF_BASE_URL", "https://sp.example")]).await;
    let base = Metadata::of("https://idp-a.example/metadata", "https://idp-a.example", &RSA_A);
    let loopback = base.clone().slo("SOAP", "http://127.0.0.1:9/soap", None).xml();
    assert!(app.try_import("idp-a", &loopback, Import::default()).await.is_err());
    assert!(app.try_import("idp-a", &base.xml(), Import::default()).await.is_ok());
    app.done().await;
}

#[tokio::test]
async fn md_22_unknown_extensions_attributes_and_bindings_do_not_break_an_import() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |mut metadata| {
            metadata.entity_attributes = " xmlns:x=\"urn:x\" x:strange=\"1\" ID=\"_m\" cacheDuration=\"PT1H\"".to_owned();
            metadata.before_role = "<md:Extensions><x:deep><x:er a=\"b\">text</x:er></x:deep></md:Extensions>".to_owned();
            metadata.role_attributes = " WantAuthnRequestsSigned=\"true\" cacheDuration=\"PT1H\" x:y=\"z\"".to_owned();
            metadata.role_extensions = "<md:Extensions><mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\"><mdui:DisplayName xml:lang=\"en\">Ä &lt;b&gt;IdP&lt;/b&gt;</mdui:DisplayName><mdui:Logo height=\"1\" width=\"1\">https://idp-a.example/l.png</mdui:Logo></mdui:UIInfo></md:Extensions>".to_owned();
            metadata.name_id_formats = "<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</md:NameIDFormat>".to_owned();
            metadata.slo.push_str("<md:SingleLogoutService Binding=\"urn:mace:strange\" Location=\"strange:thing\"/>");
            metadata.sso.push_str("<md:SingleSignOnService Binding=\"urn:mace:shibboleth:1.0:profiles:AuthnRequest\" Location=\"https://idp-a.example/shib\"/>");
            metadata.after_role = "<md:Organization><md:OrganizationName xml:lang=\"en\">x</md:OrganizationName><md:OrganizationDisplayName xml:lang=\"en\">x</md:OrganizationDisplayName><md:OrganizationURL xml:lang=\"en\">https://x.example</md:OrganizationURL></md:Organization><md:ContactPerson contactType=\"technical\"><md:EmailAddress>mailto:x@example.org</md:EmailAddress></md:ContactPerson>".to_owned();
            metadata
        })
        .await;
    let alice = app.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    let home = alice.get("/").await;
    assert!(!home.body.contains("<b>IdP</b>"), "F-31: a display name is text");
    app.done().await;
}

#[tokio::test]
async fn md_what_is_no_idp_metadata_is_refused_with_one_line() {
    let desk = Desk::new().await;
    let base = desk.base.xml();
    for (what, xml) in [
        ("nothing", String::new()),
        ("text", "hello".to_owned()),
        ("half", base[..base.len() / 2].to_owned()),
        ("other root", "<a/>".to_owned()),
        ("other namespace", base.replace("urn:oasis:names:tc:SAML:2.0:metadata", "urn:x")),
        ("DTD", format!("<!DOCTYPE x>{base}")),
        (
            "entities",
            format!(
                "<!DOCTYPE x [<!ENTITY e \"https://evil.example\">]>{}",
                base.replace("https://idp-a.example/slo", "&e;")
            ),
        ),
        ("no entityID", base.replace("entityID=", "entity=")),
        ("empty entityID", base.replace("entityID=\"https://idp-a.example/metadata\"", "entityID=\"\"")),
        ("long entityID", base.replace("https://idp-a.example/metadata", &"x".repeat(1025))),
        (
            "SAML 1.1 only",
            base.replace("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.1:protocol"),
        ),
        ("an SP", base.replace("IDPSSODescriptor", "SPSSODescriptor")),
        ("two roots", format!("{base}{base}")),
        ("no SSO", base.replace("SingleSignOnService", "ManageNameIDService")),
    ] {
        if what == "no SSO" {
            // An IdP that only ends sessions is odd but no danger.
            continue;
        }
        desk.refused(what, &xml).await;
    }
    desk.done().await;
}

#[tokio::test]
async fn md_expired_metadata_is_refused_at_import_and_unused_later() {
    let desk = Desk::new().await;
    let now = desk.app.now();
    let until = |at| {
        let mut metadata = desk.base.clone();
        metadata.entity_attributes = format!(" validUntil=\"{}\"", instant(at));
        metadata
    };
    let error = desk.refused("expired", &until(now - TimeDelta::hours(1)).xml()).await;
    assert!(error.contains("2026-11-23"), "the date is named: {error}");
    let mut nested = until(now + TimeDelta::days(2));
    nested.role_attributes = format!(" validUntil=\"{}\"", instant(now - TimeDelta::hours(1)));
    desk.refused("role expired", &nested.xml()).await;
    let fine = until(now + TimeDelta::hours(1));
    let idp = Idp::new("idp-a", &RSA_A, desk.app.sp.clone(), desk.app.clock.clone());
    desk.app.import(&idp, &fine).await;
    let alice = desk.app.browser();
    let name = Name::email("alice@example.org");
    alice.sign_in(&idp, &name, INDEX).await;
    desk.app.advance(TimeDelta::minutes(61));
    // No new sign-in; its authentic LogoutRequests stay honoured.
    let late = desk.app.browser();
    assert_eq!(late.bring(&idp.response(None, &name, "x").signed(idp.key), None).await.status, 400);
    assert!(!late.is_signed_in().await);
    assert!(alice.is_signed_in().await);
    let request = idp.logout_request(&name, &[INDEX]);
    let answer = send_request(&desk.app.authority, &idp, Via::Redirect, &request, None).await;
    assert_eq!(answer.status(), "Success");
    assert!(!alice.is_signed_in().await);
    desk.app.done().await;
}

#[tokio::test]
async fn md_14_an_aggregate_gives_all_its_idps() {
    let app = TestApp::start().await;
    let entities: String = (0..50)
        .map(|n| {
            Metadata::of(
                &format!("https://idp-{n}.example/metadata"),
                &format!("https://idp-{n}.example"),
                &RSA_A,
            )
            .xml()
        })
        .collect();
    let aggregate = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" Name=\"x\"><md:EntitiesDescriptor>{entities}</md:EntitiesDescriptor></md:EntitiesDescriptor>"
    );
    app.try_import("", &aggregate, Import::default()).await.unwrap();
    assert_eq!(app.count("select count(*) from identity_provider").await, 50);
    app.done().await;
}

#[tokio::test]
async fn md_an_import_of_the_same_entity_is_a_new_version_of_it() {
    let scene = Scene::new().await;
    scene.app.import(&scene.idp, &scene.idp.metadata().slo("SOAP", "https://idp-a.example/soap", None)).await;
    assert_eq!(scene.app.count("select count(*) from identity_provider").await, 1);
    assert_eq!(scene.app.count("select count(*) from identity_provider_version").await, 2);
    assert!(scene.alice.is_signed_in().await, "sessions go on");
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}
