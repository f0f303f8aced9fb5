//! The proxies themselves, started with the configuration of the examples.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Nginx,
    Caddy,
}

/// A running proxy. Dropping it ends it.
pub struct Proxy {
    pub authority: String,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Proxy {
    /// A proxy in front of `backend` that asks `signoff`.
    pub async fn start(kind: Kind, signoff: &str, backend: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("signoff-proxy").tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = match kind {
            Kind::Nginx => nginx(directory.path(), &authority, signoff, backend),
            Kind::Caddy => caddy(directory.path(), &authority, signoff, backend),
        };
        let log = std::fs::File::create(directory.path().join("output.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?}: {error}; scripts/setup proxies installs it"));
        let began = Instant::now();
        while TcpStream::connect(&authority).await.is_err() {
            let ended = child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > Duration::from_secs(20) {
                let log = std::fs::read_to_string(directory.path().join("output.log")).unwrap();
                panic!("{kind:?} does not start ({ended:?}): {log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { authority, child, _directory: directory }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file of the example, with the addresses of this test.
fn example(file: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web-app").join(file);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{file} does not say {from}");
        text = text.replace(from, to);
    }
    text
}

fn nginx(directory: &Path, authority: &str, signoff: &str, backend: &str) -> Command {
    let server = example(
        "nginx.conf",
        &[
            ("listen 443 ssl;", &format!("listen {authority};")),
            ("ssl_certificate     /etc/ssl/wiki.crt;", ""),
            ("ssl_certificate_key /etc/ssl/wiki.key;", ""),
            ("signoff.internal:8080", signoff),
            ("wiki.internal:3000", backend),
        ],
    );
    let at = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .collect();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {at}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{server}}}\n"
    );
    std::fs::write(directory.join("nginx.conf"), whole).unwrap();
    // Debian puts it where only root looks.
    let debian = Path::new("/usr/sbin/nginx");
    let mut command = Command::new(if debian.exists() { debian } else { Path::new("nginx") });
    command.args(["-p", &at.to_string(), "-c", &format!("{at}/nginx.conf"), "-e", "stderr"]);
    command
}

fn caddy(directory: &Path, authority: &str, signoff: &str, backend: &str) -> Command {
    let site = example(
        "Caddyfile",
        &[
            ("wiki.example.com {", &format!("http://{authority} {{")),
            ("signoff.internal:8080", signoff),
            ("wiki.internal:3000", backend),
        ],
    );
    let file = directory.join("Caddyfile");
    std::fs::write(&file, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", directory).env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
    command
}
