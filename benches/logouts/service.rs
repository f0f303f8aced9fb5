//! The released service with a durable private cluster, both in a directory of their own.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use signoff::database::{Cluster, ClusterOptions};
use sqlx::postgres::PgRow;
use sqlx::{ConnectOptions as _, Executor as _, PgConnection, Row as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::cost::{self, Spent};
use crate::load;

pub struct Service {
    process: Running,
    address: SocketAddr,
    base_url: String,
    directory: TempDir,
    cluster: Cluster,
    postmaster: u32,
    runtime: Runtime,
}

/// The process, which must not outlive a bench that failed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // After a stop in good order there is nothing left to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Service {
    pub fn start() -> Self {
        // Of the two customary places this is the one on a disk.
        let directory = TempDir::with_prefix_in("signoff-bench-", "/var/tmp").unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        let address = free_address();
        let base_url = format!("http://{address}");
        let mut command = command(directory.path(), &base_url);
        command.args(["serve", "--listen", &address.to_string()]);
        let log = File::create(directory.path().join("service.log")).unwrap();
        let mut process = Running(command.stdout(Stdio::piped()).stderr(log).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if !line.starts_with("listening") {
            let said = fs::read_to_string(directory.path().join("service.log")).unwrap();
            unreachable!("the service does not start: {said}");
        }
        let data = directory.path().join("data");
        let cluster = Cluster::start(&ClusterOptions::durable(&data)).unwrap();
        let postmaster = fs::read_to_string(data.join("pg/data/postmaster.pid")).unwrap();
        let postmaster = postmaster.lines().next().unwrap().trim().parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { process, address, base_url, directory, cluster, postmaster, runtime }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn own_metadata(&self) -> String {
        let answers = load::send(self.address, &[load::request("/saml/metadata", None)], 1);
        answers.texts.concat()
    }

    /// Imports an identity provider whose Responses nobody has to ask for.
    pub fn import(&self, metadata: &str) {
        let mut command = self.command();
        command.args(["idp", "import", "-", "--allow-unsolicited"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(metadata.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// How many of the newest sessions the command line shows as ended by an identity provider.
    pub fn sessions_ended_in_the_list(&self, newest: usize) -> usize {
        let listed =
            self.command().args(["session", "list", "--limit", &newest.to_string()]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().matches("ended: idp").count()
    }

    pub fn sessions_alive(&self) -> usize {
        let row = self.ask("select count(*) from session where ended_at is null");
        usize::try_from(row.get::<i64, _>(0)).unwrap()
    }

    /// What the service and PostgreSQL have used so far.
    pub fn spent(&self) -> Spent {
        let counters = self.ask(
            "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint, \
                    (pg_current_wal_insert_lsn() - '0/0')::bigint",
        );
        Spent {
            service_ms: cost::process_ms(self.process.0.id()),
            postgres_ms: cost::family_ms(self.postmaster),
            transactions: counters.get(0),
            wal_octets: counters.get(1),
        }
    }

    pub fn resident_megabytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kilobytes: f64 = line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes / 1024.0
    }

    /// Stops the service as an operator would, and takes the cluster away.
    pub fn stop(mut self) {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(self.process.0.wait().unwrap().success());
        self.cluster.release().unwrap();
    }

    fn command(&self) -> Command {
        command(self.directory.path(), &self.base_url)
    }

    fn ask(&self, question: &'static str) -> PgRow {
        self.runtime.block_on(async {
            let mut connection: PgConnection =
                self.cluster.connect_options("signoff").connect().await.unwrap();
            connection.fetch_one(question).await.unwrap()
        })
    }
}

/// `signoff` with nothing from our own environment but where programs are, and who else is asked.
fn command(directory: &Path, base_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command.env_clear().current_dir(directory);
    for name in ["PATH", "PG_BIN", "SIGNOFF_SECOND_OPINION"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.arg("--data-dir").arg(directory.join("data")).args(["--base-url", base_url]);
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
