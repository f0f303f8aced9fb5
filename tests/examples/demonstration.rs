//! `signoff demo` in a directory of its own, and a browser that goes there.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use signoff::demo::browser::{Browser, Page};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program that says what it does. Dropping it ends it.
pub struct Running {
    child: std::sync::Mutex<Child>,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let program = format!("{command:?}");
        let mut child =
            command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if heard.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child: std::sync::Mutex::new(child), lines }
    }

    /// Waits for the line that begins so; the rest of it.
    pub fn line_after(&self, beginning: &str) -> String {
        let began = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
        panic!("nothing that begins with {beginning:?}");
    }

    /// Waits for the end; whether it was a good one.
    pub fn ends(&self) -> bool {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return status.success();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        // The demonstration takes its database with it, if it is asked.
        let _ = Command::new("kill").arg(child.id().to_string()).stderr(Stdio::null()).status();
        let began = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

pub struct Demonstration {
    /// Where Signoff is.
    pub signoff: String,
    /// Where the identity provider is.
    pub idp: String,
    /// Where the OpenID provider is, or why there is none.
    pub openid: String,
    browser: Browser,
    _running: Running,
    directory: tempfile::TempDir,
}

impl Demonstration {
    pub fn start() -> Self {
        let mut builder = tempfile::Builder::new();
        // The account of the database has to get there.
        let open = std::fs::Permissions::from_mode(0o755);
        let directory = builder.prefix("signoff-examples").permissions(open).tempdir_in("/tmp").unwrap();
        let address = free_address();
        let signoff = format!("http://{address}");
        let mut command = Self::command(&signoff, &directory.path().display().to_string());
        command.env("SIGNOFF_LISTEN", &address).arg("demo").stdin(Stdio::null());
        let running = Running::start(command);
        let idp = running.line_after("  identity provider   ");
        let openid = running.line_after("  OpenID provider     ");
        running.line_after("Ctrl-C ends it.");
        Self { signoff, idp, openid, browser: Browser::new().unwrap(), _running: running, directory }
    }

    fn command(signoff: &str, data: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("SIGNOFF_BASE_URL", signoff).args(["--data-dir", data]);
        command
    }

    pub fn authority(&self) -> String {
        self.signoff.trim_start_matches("http://").to_owned()
    }

    /// A command to the demonstration's database; what it answers.
    pub fn signoff(&self, arguments: &[&str]) -> String {
        let data = self.directory.path().join("demo").display().to_string();
        let output = Self::command(&self.signoff, &data).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "signoff {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A token for an application.
    pub fn token(&self, application: &str) -> String {
        self.signoff(&["token", "create", "example", "--role", "application", "--application", application])
    }

    /// The person's browser.
    pub const fn browser(&self) -> &Browser {
        &self.browser
    }

    pub async fn open(&self, url: &str) -> Page {
        self.browser.open(url).await.unwrap()
    }

    /// Opens a page until it says something.
    pub async fn opens_until(&self, url: &str, text: &str) {
        let began = Instant::now();
        loop {
            let page = self.open(url).await;
            if page.body.contains(text) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{url} does not say {text:?}: {}", page.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens a page that leads to the sign-in, and signs in there.
    pub async fn sign_in_through(&self, url: &str) {
        let form = self.open(url).await;
        assert!(form.url.as_str().starts_with(&self.idp), "{} {}: {}", form.url, form.status, form.body);
        let page = self.browser.submit(&form, "person", Some("alice")).await.unwrap();
        assert_eq!(page.status, 200, "{}: {}", page.url, page.body);
    }

    pub async fn sign_in(&self) {
        self.sign_in_through(&format!("{}/saml/login", self.signoff)).await;
    }

    /// Alice signs out at the identity provider.
    pub async fn idp_signs_out(&self) {
        let home = self.open(&self.idp).await;
        let page = self.browser.submit(&home, "via", Some("redirect")).await.unwrap();
        assert!(page.body.contains("Signoff answered over redirect: Success"), "{}", page.body);
    }

    /// The browser's cookies for Signoff.
    pub fn cookie(&self) -> String {
        self.browser.cookies(&self.signoff).unwrap()
    }

    /// An application registers a session of its own under that one.
    pub async fn register(&self, application: &str, session: &str) {
        let answer = reqwest::Client::new()
            .post(format!("{}/api/v1/sessions", self.signoff))
            .bearer_auth(self.token(application))
            .header("Content-Type", "application/json")
            .body(serde_json::json!({ "session": session }).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
    }

    /// The first delivery to an application, once it was tried and is in that state.
    pub async fn delivery(&self, application: &str, state: &str) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let list = self.signoff(&["delivery", "list", "--application", application, "--json"]);
            let list: serde_json::Value = serde_json::from_str(&list).unwrap();
            let first = list.get(0).cloned().unwrap_or_default();
            let tried =
                first.get("attempts").and_then(serde_json::Value::as_i64).is_some_and(|tries| tries > 0);
            if tried && first.get("state").is_some_and(|known| known == state) {
                return first;
            }
            assert!(began.elapsed() < PATIENCE, "not {state}: {list}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The public name of the browser's session.
    pub async fn session_id(&self) -> String {
        let session = self.open(&format!("{}/session", self.signoff)).await;
        let session: serde_json::Value = serde_json::from_str(&session.body).unwrap();
        session.pointer("/session_id").unwrap().as_str().unwrap().to_owned()
    }
}

/// An address where nobody listens at the moment.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
