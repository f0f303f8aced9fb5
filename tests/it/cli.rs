//! The real binary on the command line.

use serde_json::Value;

use crate::support::database::TestDatabase;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::messages::Name;
use crate::support::metadata::Metadata;
use crate::support::process::{PUBLIC, Site};
use crate::support::story::{Via, send_request};
use crate::support::xml::Element;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn an_idp_is_imported_listed_shown_disabled_and_enabled() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    assert!(site.run(&["idp", "list"]).good().contains("https://idp-a.example/metadata"));
    let list = json(&site.run(&["idp", "list", "--json"]).good());
    assert_eq!(list.as_array().unwrap().len(), 1);
    let shown = site.run(&["idp", "show", "idp-a"]).good();
    assert!(shown.contains("https://idp-a.example/slo"), "{shown}");
    json(&site.run(&["idp", "show", "https://idp-a.example/metadata", "--json"]).good());
    // Effective in the running service.
    let name = Name::email("alice@example.org");
    let alice = service.browser();
    alice.sign_in(&idp, &name, "1").await;
    site.run(&["idp", "disable", "idp-a"]).good();
    let late = service.browser();
    assert_eq!(late.bring(&idp.response(None, &name, "2").signed(idp.key), None).await.status, 400);
    assert!(alice.is_signed_in().await);
    let answer =
        send_request(&service.authority, &idp, Via::Redirect, &idp.logout_request(&name, &["1"]), None).await;
    assert_eq!(answer.status(), "Success");
    site.run(&["idp", "enable", "idp-a"]).good();
    let bob = service.browser();
    bob.arrive(&idp, &Name::email("bob@example.org"), "3").await;
    site.database().drop().await;
}

#[tokio::test]
async fn an_import_reads_standard_input_and_says_what_is_odd() {
    let site = Site::new().await;
    let base = Metadata::of("https://idp-b.example/metadata", "https://idp-b.example", &RSA_B);
    let out =
        site.run_with_input(&["idp", "import", "-", "--slug", "b"], &base.clone().without_slo().xml()).good();
    assert!(out.contains("https://idp-b.example/metadata"), "{out}");
    let told = format!("{out}{}", site.run(&["idp", "show", "b"]).good()).to_lowercase();
    assert!(told.contains("logout"), "an IdP without SLO endpoints imports, and says so: {told}");
    // Without --slug it is given one.
    let other = Metadata::of("https://idp-c.example/metadata", "https://idp-c.example", &RSA_B);
    site.run_with_input(&["idp", "import", "-"], &other.xml()).good();
    assert_eq!(json(&site.run(&["idp", "list", "--json"]).good()).as_array().unwrap().len(), 2);
    site.database().drop().await;
}

#[tokio::test]
async fn what_cannot_be_imported_is_said_in_one_line() {
    let site = Site::new().await;
    let base = Metadata::of("https://idp-b.example/metadata", "https://idp-b.example", &RSA_B);
    for xml in [
        "",
        "hello",
        "<a/>",
        &base.xml()[..300],
        &base.clone().without_keys().xml(),
        &base.clone().slo("SOAP", "javascript:alert(1)", None).xml(),
        &format!("<!DOCTYPE a>{}", base.xml()),
    ] {
        site.run_with_input(&["idp", "import", "-"], xml).one_line(1);
    }
    site.run(&["idp", "import", "/no/such/file"]).one_line(1);
    for command in [["idp", "show", "nobody"], ["idp", "disable", "nobody"], ["idp", "enable", "nobody"]] {
        assert!(site.run(&command).one_line(1).contains("nobody"));
    }
    site.run_with_input(&["idp", "import", "-", "--slug", "b"], &base.xml()).good();
    let other = Metadata::of("https://idp-c.example/metadata", "https://idp-c.example", &RSA_B);
    let clash = site.run_with_input(&["idp", "import", "-", "--slug", "b"], &other.xml()).one_line(1);
    assert!(clash.contains('b'), "MD-23: never silently re-bound: {clash}");
    site.run_with_input(&["idp", "import", "-", "--slug", "../x"], &other.xml()).one_line(1);
    site.run(&["idp", "set", "b", "no_such_switch=true"]).one_line(1);
    site.run(&["idp", "set", "b", "allow_sha1=perhaps"]).one_line(1);
    site.run(&["idp", "set", "b", "allow_sha1=true"]).good();
    assert_eq!(site.run(&["idp"]).code, 2);
    assert_eq!(site.run(&["no-such-command"]).code, 2);
    site.database().drop().await;
}

#[tokio::test]
async fn slo_46_sessions_are_listed_and_ended() {
    let site = Site::new().await;
    let service = site.serve();
    let plain = site.idp(&service, "idp-a", &RSA_A).await;
    let sp = plain.sp.clone();
    let idp =
        crate::support::idp::Idp::new("idp-b", &RSA_B, sp, signoff::clock::Clock::system()).with_soap().await;
    site.import("idp-b", &idp.metadata());
    let alice = service.browser();
    alice.arrive(&idp, &Name::email("alice@example.org"), "1").await;
    let bob = service.browser();
    bob.arrive(&plain, &Name::email("bob@example.org"), "2").await;
    let id = alice.session().await["session_id"].as_str().unwrap().to_owned();
    assert!(site.run(&["session", "list"]).good().contains(&id));
    assert_eq!(json(&site.run(&["session", "list", "--json"]).good()).as_array().unwrap().len(), 2);
    // The IdP's server lives on this runtime: the command must not block it.
    let site = std::sync::Arc::new(site);
    let (running, ended) = (std::sync::Arc::clone(&site), id.clone());
    tokio::task::spawn_blocking(move || running.run(&["session", "end", &ended]).good()).await.unwrap();
    assert!(!alice.is_signed_in().await, "at once, in the running service");
    assert!(bob.is_signed_in().await);
    let calls = idp.soap.as_ref().unwrap().calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].request.message.attribute("Reason"),
        Some("urn:oasis:names:tc:SAML:2.0:logout:admin")
    );
    let list = json(&site.run(&["logout", "list", "--json"]).good());
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert!(site.run(&["logout", "list"]).good().contains("admin"));
    site.run(&["session", "end", "no-such-session"]).one_line(1);
    site.run(&["logout", "show", "999999"]).one_line(1);
    site.run(&["session", "end", &id]).good();
    site.database().drop().await;
}

#[tokio::test]
async fn the_metadata_is_printed_as_it_is_served() {
    let site = Site::new().await;
    let service = site.serve();
    let served = service.browser().get("/saml/metadata").await.body;
    let printed = site.run(&["metadata"]).good();
    assert_eq!(printed.trim_end(), served.trim_end());
    let root = Element::parse(&served).unwrap();
    assert_eq!(root.attribute("entityID"), Some(format!("{PUBLIC}/saml/metadata").as_str()));
    site.database().drop().await;
}

#[tokio::test]
async fn an_unmigrated_database_stops_the_start_and_migrate_mends_it() {
    let site = Site::on(TestDatabase::empty().await);
    let line = site.run(&["serve"]).one_line(1);
    assert!(line.contains("signoff migrate"), "{line}");
    site.run(&["migrate"]).good();
    site.run(&["migrate"]).good();
    let service = site.serve();
    assert_eq!(service.browser().get("/readyz").await.status, 200);
    site.database().drop().await;
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_line() {
    for (name, value, named) in [
        ("SIGNOFF_LISTEN", "nowhere", "listen"),
        ("SIGNOFF_BASE_URL", "ftp://x.example", "base_url"),
        ("SIGNOFF_BASE_URL", "http://sp.example", "base_url"),
        ("SIGNOFF_BASE_URL", "https://sp.example/path", "base_url"),
        ("SIGNOFF_BASE_URL", "https://user@sp.example", "base_url"),
        ("SIGNOFF_SESSION__IDLE", "soon", "session.idle"),
        ("SIGNOFF_SESSION__IDLE", "-5m", "session.idle"),
        ("SIGNOFF_SAML__SKEW", "1m", "saml.skew"),
        ("SIGNOFF_SAML__SKEW", "10m", "saml.skew"),
        ("SIGNOFF_SESSION__REMEMBER", "1h", "session.remember"),
        ("SIGNOFF_SAML__SOAP", "perhaps", "saml.soap"),
        ("SIGNOFF_TRUSTED_PROXIES", "[\"everyone\"]", "trusted_proxies"),
        ("SIGNOFF_RETURN_ORIGINS", "[\"https://x.example/path\"]", "return_origins"),
        ("SIGNOFF_LOGOUT_URLS", "https://app.example/*", "logout_urls"),
        ("SIGNOFF_DATABASE_CONNECTIONS", "0", "database_connections"),
        ("SIGNOFF_NO_SUCH_THING", "1", "no_such_thing"),
        ("SIGNOFF_SAML__NO_SUCH_THING", "1", "no_such_thing"),
        ("SIGNOFF_SAML__SIGNING_KEY", "/no/such/key.pem", "/no/such/key.pem"),
        ("DATABASE_URL", "mysql://x", "database_url"),
        ("SIGNOFF_LOG_FORMAT", "xml", "log_format"),
        ("SIGNOFF_SAML__ENTITY_ID", "not a uri", "saml.entity_id"),
    ] {
        let mut site = Site::new().await;
        site.set(name, value);
        let line = site.run(&["serve"]).one_line(1);
        let lower = line.to_lowercase();
        assert!(lower.contains(&named.to_lowercase()), "{name}={value}: the key is named: {line}");
        assert!(
            lower.contains("expected") || lower.contains("no such file"),
            "{name}={value}: what is expected: {line}"
        );
        if name.starts_with("SIGNOFF") {
            assert!(
                line.contains(value.trim_matches(['[', ']', '"'])),
                "{name}={value}: the value is named: {line}"
            );
        }
        site.database().drop().await;
    }
}

#[tokio::test]
async fn a_configuration_file_is_read_and_its_faults_are_named() {
    let mut site = Site::new().await;
    site.set("SIGNOFF_BASE_URL", "");
    let file = site.directory.path().join("x.toml");
    std::fs::write(&file, "base_url = \"http://127.0.0.1:9999\"\n[session]\nidle = \"1h\"\n").unwrap();
    let path = file.display().to_string();
    let out = site.run(&["metadata", "--config", &path]).good();
    assert!(out.contains("http://127.0.0.1:9999/saml/acs"), "{out}");
    for wrong in
        ["base_url = 5", "bas_url = \"x\"", "[session]\nidel = \"1h\"", "not toml", "[saml]\nskew = true"]
    {
        std::fs::write(&file, wrong).unwrap();
        let line = site.run(&["serve", "--config", &path]).one_line(1);
        assert!(line.contains("x.toml") || line.contains("base_url"), "where it came from: {line}");
    }
    let line = site.run(&["serve", "--config", "/no/such.toml"]).one_line(1);
    assert!(line.contains("/no/such.toml"), "{line}");
    site.database().drop().await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_certificate_stops_the_start() {
    let site = Site::new().await;
    let other = RSA_B.certificate.to_pem().unwrap();
    crate::support::app::write_pem(site.directory.path(), "ours.crt", &other);
    let line = site.run(&["serve"]).one_line(1);
    assert!(line.contains("ours.key") || line.contains("ours.crt"), "{line}");
    site.database().drop().await;
}

#[tokio::test]
async fn a_graceful_stop_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let site = Site::new().await;
        let service = site.serve();
        assert_eq!(service.browser().get("/healthz").await.status, 200);
        service.signal(signal);
        assert_eq!(service.wait(), 0, "{signal}");
        site.database().drop().await;
    }
}

#[tokio::test]
async fn metadata_files_are_read_at_the_start() {
    let site = Site::new().await;
    let directory = site.directory.path().join("metadata");
    std::fs::create_dir(&directory).unwrap();
    let base = Metadata::of("https://idp-f.example/metadata", "https://idp-f.example", &RSA_A);
    std::fs::write(directory.join("f.xml"), base.xml()).unwrap();
    std::fs::write(directory.join("broken.xml"), "<broken").unwrap();
    std::fs::write(directory.join("README.md"), "no metadata").unwrap();
    let service = site.serve();
    let list = site.run(&["idp", "list"]).good();
    assert!(list.contains("https://idp-f.example/metadata"), "{list}");
    assert!(service.log().contains("broken.xml"), "{}", service.log());
    // What an administrator has removed, a file that was left behind does not bring back.
    let slug = json(&site.run(&["idp", "list", "--json"]).good())[0]["slug"].as_str().unwrap().to_owned();
    site.run(&["idp", "delete", &slug]).good();
    service.signal("TERM");
    service.wait();
    let service = site.serve();
    assert!(!site.run(&["idp", "list"]).good().contains("idp-f"));
    assert!(service.log().contains("it was removed"), "{}", service.log());
    site.run_with_input(&["idp", "import", "-"], &base.xml()).good();
    assert!(site.run(&["idp", "list"]).good().contains("https://idp-f.example/metadata"));
    site.database().drop().await;
}

/// SLO-56: neither NameIDs nor messages nor secrets are in the log of a whole run.
#[tokio::test]
async fn slo_56_the_log_names_nobody() {
    let mut site = Site::new().await;
    site.set("SIGNOFF_LOG", "debug");
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let name = Name::email("very-secret-name@example.org");
    let alice = service.browser();
    alice.sign_in(&idp, &name, "secret-index").await;
    let cookie = alice.cookie("signoff").unwrap().value;
    let asked = idp.sp.read_front(&alice.sign_out().await);
    let answer = idp.logout_response(&asked, &["Responder"]);
    let page = alice.follow(alice.bring_answer(&idp, &answer, asked.relay_state.as_deref()).await).await;
    assert_eq!(page.status, 200);
    for via in Via::ALL {
        let mut request = idp.logout_request(&name, &["secret-index"]);
        if via == Via::Soap {
            request.destination = Some(idp.sp.soap.clone());
        }
        send_request(&service.authority, &idp, via, &request, None).await;
        request.destination = Some("https://other.example".to_owned());
        send_request(&service.authority, &idp, via, &request, None).await;
    }
    service.signal("TERM");
    let path = site.directory.path().join("serve.log");
    assert_eq!(service.wait(), 0);
    let log = std::fs::read_to_string(path).unwrap();
    assert!(log.len() > 100, "there is a log: {log}");
    for secret in ["very-secret-name", "secret-index", &cookie, "SAMLRequest", "SAMLResponse"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
    site.database().drop().await;
}
