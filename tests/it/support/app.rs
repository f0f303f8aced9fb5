//! The real application on a real port, with a clock that stands still and a database of its own.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use signoff::app::App;
use signoff::app::idps::{self, ImportOptions, Source};
use signoff::app::{logout, worker};
use signoff::clock::{Clock, ClockHandle};
use signoff::config::{Flags, Machine, Settings};
use signoff::entropy::Entropy;
use signoff::keys::KeyRing;
use sqlx::postgres::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::browser::Browser;
use super::database::TestDatabase;
use super::dsig::{Key, OURS};
use super::http::send;
use super::idp::{Idp, Sp};
use super::metadata::Metadata;

/// When every test begins.
pub fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T12:00:00Z").unwrap().to_utc()
}

/// Our signing key as the two PEM files that the settings name; one pair for the process.
static OUR_FILES: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| {
    let directory = tempfile::Builder::new().prefix("signoff-keys").tempdir().unwrap().keep();
    let key = write_pem(&directory, "ours.key", &OURS.private.private_key_to_pem_pkcs8().unwrap());
    let certificate = write_pem(&directory, "ours.crt", &OURS.certificate.to_pem().unwrap());
    (key, certificate)
});

/// Writes a file that only its owner may read.
pub fn write_pem(directory: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = directory.join(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&path).unwrap().write_all(octets).unwrap();
    path
}

/// One node of the service, with the database it shares.
pub struct TestApp {
    /// host:port at which this node listens.
    pub authority: String,
    pub base_url: String,
    pub app: App,
    pub clock: Clock,
    pub database: TestDatabase,
    /// A connection of the test's own, for looking.
    pub pool: PgPool,
    pub sp: Sp,
    handle: ClockHandle,
    settings: Settings,
    directory: tempfile::TempDir,
}

/// A further node on the same database; it shares clock and public name.
pub struct Node {
    pub authority: String,
    pub app: App,
    name: String,
    stop: CancellationToken,
}

impl Node {
    /// As [`TestApp::work`].
    pub async fn work(&self) {
        worker::run_once(&self.app).await.unwrap();
    }

    /// Dies: takes no more connections, loses those to the database, and forgets what it had in memory.
    pub async fn kill(self, database: &TestDatabase) {
        self.stop.cancel();
        drop(self.app);
        database.cut(&self.name).await;
    }
}

/// How an identity provider is imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Import {
    pub allow_unsolicited: bool,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With settings as environment variables would give them.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let base_url = variables
            .iter()
            .find(|(name, _)| *name == "SIGNOFF_BASE_URL")
            .map_or_else(|| format!("http://{authority}"), |(_, value)| (*value).to_owned());
        let directory = tempfile::Builder::new().prefix("signoff-app").tempdir().unwrap();
        let mut machine = Machine::bare(directory.path());
        let (key, certificate) = &*OUR_FILES;
        let own = [
            ("SIGNOFF_SAML__SIGNING_KEY", key.display().to_string()),
            ("SIGNOFF_SAML__SIGNING_CERTIFICATE", certificate.display().to_string()),
            ("SIGNOFF_BASE_URL", base_url.clone()),
        ];
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let own = own.filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
        for (name, value) in own.chain(variables.iter().copied()) {
            machine.variables.push((name.to_owned(), value.to_owned()));
        }
        let settings = Settings::load(&Flags::default(), &machine).unwrap();
        let database = TestDatabase::fresh().await;
        let (clock, handle) = Clock::fixed(noon());
        let app = boot(&settings, &database, &clock, 1, 8).await;
        serve(listener, &app);
        let metadata = send(&authority, "GET", "/saml/metadata", &[], None).await;
        assert_eq!(metadata.status, 200, "{}", metadata.body);
        let pool = database.pool(2).await;
        let sp = Sp::read(&metadata.body);
        Self { authority, base_url, app, clock, database, pool, sp, handle, settings, directory }
    }

    /// A further node.
    pub async fn second_node(&self) -> Node {
        self.node(2, 8).await
    }

    /// A further node with randomness of its own, and so many connections to the database.
    pub async fn node(&self, seed: u64, connections: u32) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let app = boot(&self.settings, &self.database, &self.clock, seed, connections).await;
        let stop = serve(listener, &app);
        Node { authority, app, name: node_name(seed), stop }
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.authority)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn advance(&self, by: TimeDelta) {
        self.handle.advance(by);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// An identity provider of ordinary shape, imported, allowed to send unsolicited Responses.
    pub async fn idp(&self, slug: &str, key: &'static Key) -> Idp {
        let idp = Idp::new(slug, key, self.sp.clone(), self.clock.clone());
        self.import(&idp, &idp.metadata()).await;
        idp
    }

    /// The same with a SOAP endpoint.
    pub async fn idp_with_soap(&self, slug: &str, key: &'static Key) -> Idp {
        let idp = Idp::new(slug, key, self.sp.clone(), self.clock.clone()).with_soap().await;
        self.import(&idp, &idp.metadata()).await;
        idp
    }

    /// The same with metadata that a test changed.
    pub async fn idp_as(
        &self,
        slug: &str,
        key: &'static Key,
        change: impl FnOnce(Metadata) -> Metadata,
    ) -> Idp {
        let idp = Idp::new(slug, key, self.sp.clone(), self.clock.clone());
        self.import(&idp, &change(idp.metadata())).await;
        idp
    }

    pub async fn import(&self, idp: &Idp, metadata: &Metadata) {
        self.try_import(&idp.slug, &metadata.xml(), Import { allow_unsolicited: true }).await.unwrap();
    }

    /// Imports metadata; the error is what an admin would read.
    pub async fn try_import(&self, slug: &str, xml: &str, import: Import) -> Result<(), String> {
        let options = ImportOptions {
            slug: (!slug.is_empty()).then(|| slug.to_owned()),
            allow_unsolicited: import.allow_unsolicited,
            source: Source::Command,
        };
        let imported = idps::import(&self.app, xml.as_bytes(), &options).await;
        imported.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Ends the session of that browser the way an admin does.
    pub async fn end_by_admin(&self, browser: &Browser) {
        let id = browser.session().await["session_id"].as_str().unwrap().to_owned();
        logout::end_by_admin(&self.app, &id).await.unwrap();
    }

    /// Enables or disables an identity provider, as the command does.
    pub async fn set_enabled(&self, slug: &str, enabled: bool) {
        let changed =
            if enabled { idps::enable(&self.app, slug).await } else { idps::disable(&self.app, slug).await };
        changed.unwrap();
    }

    /// Turns one of the switches for an identity provider.
    pub async fn set_switch(&self, slug: &str, switch: &str, value: &str) {
        idps::set(&self.app, slug, switch, value).await.unwrap();
    }

    /// Lets the worker do one round of everything that is due.
    pub async fn work(&self) {
        worker::run_once(&self.app).await.unwrap();
    }

    /// The audit as (verdict, rule), oldest first.
    pub async fn audit(&self) -> Vec<(String, String)> {
        self.app.flush_audit().await.unwrap();
        sqlx::query_as("select verdict, rule from audit order by id").fetch_all(&self.pool).await.unwrap()
    }

    /// Asserts that a refusal under that rule stands in the audit.
    pub async fn assert_audited(&self, rule: &str) {
        let audit = self.audit().await;
        let found = audit.iter().any(|(verdict, own)| verdict == "refused" && own == rule);
        assert!(found, "no refusal under {rule} in the audit: {audit:?}");
    }

    /// One number out of the database.
    pub async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.pool).await.unwrap()
    }

    /// Ends the test: no message that was accepted in it was doubted by the second engine, if this
    /// build has one. Removes the database.
    pub async fn done(self) {
        if self.app.flush_audit().await.is_ok() {
            let doubted = self.count("select count(*) from audit where verdict = 'doubted'").await;
            assert_eq!(doubted, 0, "our verifier and the second engine differ");
        }
        self.remove().await;
    }

    /// Removes the database.
    pub async fn remove(self) {
        self.pool.close().await;
        self.database.drop().await;
        drop(self.directory);
    }
}

async fn boot(
    settings: &Settings,
    database: &TestDatabase,
    clock: &Clock,
    seed: u64,
    connections: u32,
) -> App {
    let entropy = Entropy::seeded(seed);
    let keys = KeyRing::open(settings, None, false, clock.now(), &entropy).unwrap();
    let pool = database.pool_of(&node_name(seed), connections).await;
    App::new(settings.clone(), pool, keys, clock.clone(), entropy).await.unwrap()
}

fn node_name(seed: u64) -> String {
    format!("node {seed}")
}

fn serve(listener: TcpListener, app: &App) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(signoff::web::serve(listener, app.clone(), stop.clone()));
    stop
}
