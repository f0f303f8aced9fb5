//! Signoff in front of somebody else's simulator of Auth0, over TLS: the sign-in, and `/v2/logout`,
//! the endpoint of tenants whose description names no other.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use signoff::demo::browser::{Browser, Page};

use crate::demonstration::{Running, free_address};

const CLIENT_ID: &str = "signoff-at-the-simulator";

/// The simulator, Signoff set up for it, and a person's browser.
struct Scene {
    signoff: String,
    issuer: String,
    browser: Browser,
    _simulator: Running,
    _service: Running,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::Permissions::from_mode(0o755);
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("signoff-simulator").permissions(open).tempdir_in("/tmp").unwrap();
        let (key, certificate) = certificate();
        let pem = certificate.to_pem().unwrap();
        let certificates = directory.path().join(".simulacrum/certs");
        std::fs::create_dir_all(&certificates).unwrap();
        std::fs::write(certificates.join("localhost-key.pem"), key.private_key_to_pem_pkcs8().unwrap())
            .unwrap();
        std::fs::write(certificates.join("localhost.pem"), &pem).unwrap();
        let simulator = simulator(directory.path());
        let issuer = simulator.line_after("listening on ");
        let address = free_address();
        let signoff = format!("http://{address}");
        let service = serve(directory.path(), &address, &issuer);
        let browser = Browser::trusting(Some(reqwest::Certificate::from_pem(&pem).unwrap())).unwrap();
        let began = Instant::now();
        while !browser.open(&format!("{signoff}/readyz")).await.is_ok_and(|page| page.status == 200) {
            assert!(began.elapsed() < Duration::from_mins(1), "Signoff does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { signoff, issuer, browser, _simulator: simulator, _service: service, _directory: directory }
    }

    /// Signs in as the script of the simulator's page would, which comes from a host that is not here.
    async fn sign_in(&self) {
        let page = self.browser.open(&format!("{}/auth0/login", self.signoff)).await.unwrap();
        assert!(page.url.as_str().starts_with(&format!("{}login?", self.issuer)), "{}", page.url);
        let query = |wanted: &str| {
            let found = page.url.query_pairs().find(|(name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("no {wanted} in {}", page.url)).1.into_owned()
        };
        let fields = [
            ("username", "alice@example.org"),
            ("password", "alice's password"),
            ("state", &query("state")),
            ("nonce", &query("nonce")),
            ("redirect_uri", &query("redirect_uri")),
            ("client_id", &query("client")),
        ];
        let login = format!("{}usernamepassword/login", self.issuer);
        let form = self.browser.post_fields(&login, &fields).await.unwrap();
        let page = self.browser.submit(&form, "wctx", None).await.unwrap();
        assert!(page.way.iter().any(|url| url.path() == "/auth0/callback"), "{:?}", page.way);
        assert_eq!(page.status, 200, "{}", page.body);
    }

    async fn session(&self) -> Page {
        self.browser.open(&format!("{}/session", self.signoff)).await.unwrap()
    }

    /// Whether the simulator has a session for this browser: without one it answers with a fault.
    async fn is_known_there(&self) -> bool {
        let silent = "authorize?response_mode=web_message&redirect_uri=x&state=x&nonce=x";
        self.browser.open(&format!("{}{silent}", self.issuer)).await.unwrap().status == 200
    }
}

#[tokio::test]
async fn a_tenant_without_end_session_endpoint_is_signed_out_of_by_v2_logout() {
    let scene = Scene::start().await;
    scene.sign_in().await;
    let session = scene.session().await;
    assert_eq!(session.status, 200);
    assert!(session.body.contains("auth0|alice") && session.body.contains(&scene.issuer), "{}", session.body);
    assert!(scene.is_known_there().await);

    let question = scene.browser.open(&format!("{}/logout", scene.signoff)).await.unwrap();
    let page = scene.browser.submit(&question, "scope", Some("everywhere")).await.unwrap();
    let there = page.way.iter().find(|url| url.path() == "/v2/logout").unwrap();
    assert!(there.as_str().starts_with(&scene.issuer));
    let query: Vec<_> = there.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(query, ["client_id", "returnTo"], "and no federated, while we do single logout ourselves");
    assert!(page.way.iter().any(|url| url.path() == "/auth0/logged-out"), "{:?}", page.way);
    assert_eq!(scene.session().await.status, 401);
    assert!(!scene.is_known_there().await);
    // It has really ended its session, but nothing of that has reached us: no logout token, and no
    // Management API to look. So nothing better is said than what was seen.
    assert!(page.url.path().starts_with("/logout/"), "{} {}", page.url, page.body);
    assert!(page.body.contains("Your browser was there to sign you out and came back"), "{}", page.body);
    assert!(!page.body.contains("<h1>You are signed out</h1>"), "{}", page.body);
}

#[tokio::test]
async fn slo_47_signing_out_only_here_leaves_the_tenant_alone() {
    let scene = Scene::start().await;
    scene.sign_in().await;
    let question = scene.browser.open(&format!("{}/logout", scene.signoff)).await.unwrap();
    let page = scene.browser.submit(&question, "scope", Some("local")).await.unwrap();
    assert!(page.way.iter().all(|url| !url.as_str().starts_with(&scene.issuer)), "{:?}", page.way);
    assert_eq!(scene.session().await.status, 401);
    assert!(scene.is_known_there().await);
}

fn simulator(home: &Path) -> Running {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openid/simulator");
    let mut command = Command::new("node");
    command.arg("simulator.mjs").current_dir(directory).stdin(Stdio::piped());
    command.env("HOME", home).env("CLIENT_ID", CLIENT_ID);
    Running::start(command)
}

fn serve(directory: &Path, address: &str, issuer: &str) -> Running {
    std::fs::write(directory.join("secret"), "whatever it is, it is taken").unwrap();
    let settings = format!(
        "[[oidc]]\nname = \"auth0\"\nkind = \"auth0\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret_file = \"secret\"\n"
    );
    let file = directory.join("signoff.toml");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("SSL_CERT_FILE", directory.join(".simulacrum/certs/localhost.pem"));
    command.env("SIGNOFF_LISTEN", address).env("SIGNOFF_BASE_URL", format!("http://{address}"));
    command.args(["--config", &file.display().to_string()]);
    command.args(["--data-dir", &directory.join("data").display().to_string()]);
    command.arg("serve").stdin(Stdio::null());
    Running::start(command)
}

/// A certificate for 127.0.0.1 that vouches for itself.
fn certificate() -> (PKey<Private>, X509) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "simulator").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = Asn1Integer::from_bn(&BigNum::from_u32(1).unwrap()).unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let extension = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(extension).unwrap();
    let mut names = SubjectAlternativeName::new();
    let names = names.ip("127.0.0.1").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (key, builder.build())
}
