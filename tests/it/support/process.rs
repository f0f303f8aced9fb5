//! The real binary, as an admin runs it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use signoff::clock::Clock;

use super::app::write_pem;
use super::browser::Browser;
use super::database::TestDatabase;
use super::dsig::{Key, OURS};
use super::http::send;
use super::idp::{Idp, Sp};
use super::metadata::Metadata;

/// What the service is called from outside; where it listens is another matter.
pub const PUBLIC: &str = "http://127.0.0.1:8080";

/// A place with settings, keys and a database, for `serve` and for the other commands.
pub struct Site {
    database: Option<TestDatabase>,
    pub directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Site {
    /// A migrated database and a signing key.
    pub async fn new() -> Self {
        Self::on(TestDatabase::fresh().await)
    }

    pub fn on(database: TestDatabase) -> Self {
        let directory = tempfile::Builder::new().prefix("signoff-site").tempdir().unwrap();
        let key = write_pem(directory.path(), "ours.key", &OURS.private.private_key_to_pem_pkcs8().unwrap());
        let certificate = write_pem(directory.path(), "ours.crt", &OURS.certificate.to_pem().unwrap());
        let variables = [
            ("DATABASE_URL", database.url.clone()),
            ("SIGNOFF_BASE_URL", PUBLIC.to_owned()),
            ("SIGNOFF_LISTEN", "127.0.0.1:0".to_owned()),
            ("SIGNOFF_DATA_DIR", directory.path().join("data").display().to_string()),
            ("SIGNOFF_SAML__SIGNING_KEY", key.display().to_string()),
            ("SIGNOFF_SAML__SIGNING_CERTIFICATE", certificate.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        Self { database: Some(database), directory, variables }
    }

    /// Nothing but a data directory: the binary makes its own cluster and keys.
    pub fn private() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        // The cluster's account has to get there.
        let open = std::fs::Permissions::from_mode(0o755);
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("signoff-private").permissions(open).tempdir_in("/tmp").unwrap();
        let variables = [
            ("SIGNOFF_BASE_URL", PUBLIC.to_owned()),
            ("SIGNOFF_LISTEN", "127.0.0.1:0".to_owned()),
            ("SIGNOFF_DATA_DIR", directory.path().join("data").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        Self { database: None, directory, variables }
    }

    pub fn database(&self) -> &TestDatabase {
        self.database.as_ref().expect("a database of its own")
    }

    fn postmaster(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.directory.path().join("data/pg/data/postmaster.pid")).ok()?;
        Some(text.lines().next()?.to_owned())
    }

    /// Whether the private cluster has a postmaster.
    pub fn cluster_runs(&self) -> bool {
        self.postmaster().is_some()
    }

    /// Sets or, with an empty value, unsets a variable of the environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(own, _)| own != name);
        if !value.is_empty() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writing = std::thread::spawn(move || {
            let _ = to.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        Finished::of(&output)
    }

    /// Starts the service and waits until it listens.
    pub fn serve(&self) -> Service {
        let log = self.directory.path().join("serve.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&["serve"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap_or_else(|| {
            let _ = child.wait();
            panic!("the service did not start: {}", std::fs::read_to_string(&log).unwrap_or_default())
        });
        let line = line.unwrap();
        let address = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_else(|| panic!("{line}"));
        Service { child, authority: address.to_owned(), log }
    }

    /// An identity provider imported by the command line.
    pub async fn idp(&self, service: &Service, slug: &str, key: &'static Key) -> Idp {
        let metadata = send(&service.authority, "GET", "/saml/metadata", &[], None).await;
        let idp = Idp::new(slug, key, Sp::read(&metadata.body), Clock::system());
        self.import(slug, &idp.metadata());
        idp
    }

    pub fn import(&self, slug: &str, metadata: &Metadata) {
        let path = self.directory.path().join(format!("{slug}.xml"));
        std::fs::write(&path, metadata.xml()).unwrap();
        let file = path.display().to_string();
        self.run(&["idp", "import", &file, "--slug", slug, "--allow-unsolicited"]).good();
    }
}

/// A test that failed half-way leaves no cluster behind.
impl Drop for Site {
    fn drop(&mut self) {
        if self.database.is_none()
            && let Some(id) = self.postmaster()
        {
            let _ = Command::new("kill").args(["-QUIT", &id]).status();
        }
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Finished {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The output of a command that has to succeed.
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The one line that a command has to fail with.
    pub fn one_line(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        let line = self.error.trim_end_matches('\n');
        assert!(!line.is_empty() && !line.contains('\n'), "one line: {self:?}");
        assert!(!line.contains("panicked") && !line.contains("RUST_BACKTRACE"), "{line}");
        line.to_owned()
    }
}

/// The running service. Dropping it kills it.
pub struct Service {
    child: Child,
    pub authority: String,
    log: PathBuf,
}

impl Service {
    pub fn browser(&self) -> Browser {
        Browser::new(&self.authority)
    }

    /// kill -9: nothing is tidied up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for the end; the exit code.
    pub fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Everything the service has logged so far.
    pub fn log(&self) -> String {
        let mut text = String::new();
        std::fs::File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
