//! Notifications to one fast application: from rows in a durable PostgreSQL to acknowledgements in it.
//!
//! `cargo bench --bench notifications` starts the released service on a private cluster of its own and a
//! receiver that answers at once, writes down so many ends of sessions as a day of logouts would have,
//! and waits until every one is acknowledged. It prints notifications per second and the CPU time that
//! one costs the service and PostgreSQL. Every one is looked for at the receiver afterwards.

#![expect(clippy::unwrap_used, reason = "a bench stops by panicking")]

#[path = "../logouts/cost.rs"]
#[expect(dead_code, reason = "the other bench counts more")]
mod cost;
mod receiver;

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use signoff::database::{Cluster, ClusterOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, Row as _};
use tempfile::TempDir;

use crate::receiver::Receiver;

/// What two cores have to do at least.
const AIM_PER_SECOND: f64 = 1_000.0;

/// The process, which must not outlive a bench that failed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    // Without the argument it is "cargo test": only to see that it still works.
    let thorough = std::env::args().any(|argument| argument == "--bench");
    let (many, turns) = if thorough { (10_000, 3) } else { (300, 1) };

    // Of the two customary places this is the one on a disk.
    let directory = TempDir::with_prefix_in("signoff-bench-", "/var/tmp").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base_url = format!("http://{address}");
    let mut command = signoff(directory.path(), &base_url);
    command.args(["serve", "--listen", &address.to_string()]).stdout(Stdio::piped());
    let log = fs::File::create(directory.path().join("service.log")).unwrap();
    let mut service = Running(command.stderr(log).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening"), "{line}");
    let data = directory.path().join("data");
    let cluster = Cluster::start(&ClusterOptions::durable(&data)).unwrap();
    let postmaster = fs::read_to_string(data.join("pg/data/postmaster.pid")).unwrap();
    let postmaster: u32 = postmaster.lines().next().unwrap().trim().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut connection =
        runtime.block_on(async { cluster.connect_options("signoff").connect().await.unwrap() });

    for form in ["webhook", "logout-token", "caep"] {
        let receiver = Receiver::start();
        let create = ["application", "create", form, "--form", form, "--url", &receiver.url];
        assert!(
            signoff(directory.path(), &base_url)
                .args(create)
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        for turn in 0..turns {
            let before = (cost::process_ms(service.0.id()), cost::family_ms(postmaster));
            runtime.block_on(write_down(&mut connection, form, turn, many));
            let begun = receiver.wait_for_first();
            receiver.wait_for(many);
            runtime.block_on(wait(&mut connection, form));
            let seconds = begun.elapsed().as_secs_f64();
            let arrived = receiver.take();
            assert!(arrived >= many, "{arrived} of {many} arrived");
            let count = f64::from(u32::try_from(many).unwrap());
            let service_ms = (cost::process_ms(service.0.id()) - before.0) / count;
            let postgres_ms = (cost::family_ms(postmaster) - before.1) / count;
            println!(
                "{form}: {:.0}/s, {:.0} % of the aim; CPU {service_ms:.3} ms service + {postgres_ms:.3} ms PostgreSQL \
                 (with writing the rows); {} connections",
                count / seconds,
                100.0 * count / seconds / AIM_PER_SECOND,
                receiver.connections(),
            );
        }
    }
    let pid = service.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(service.0.wait().unwrap().success());
    drop(connection);
    cluster.release().unwrap();
}

/// As many ends of sessions, each known to the application by another name.
async fn write_down(connection: &mut PgConnection, form: &str, turn: usize, many: usize) {
    let statement = format!(
        "insert into notification (application_id, sid, participations, reason, ended_at, counts, state, due_at)
         select a.id, '{turn}-' || n, '{{}}', 'idp', a.created_at, false, 'pending', a.created_at
           from application a, generate_series(1, {many}) n where a.slug = '{form}'"
    );
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
}

/// Until it is written down that the last one was acknowledged.
async fn wait(connection: &mut PgConnection, form: &str) {
    let limit = Instant::now() + Duration::from_mins(1);
    let statement = format!(
        "select exists (select from application a, notification n
                         where a.slug = '{form}' and n.application_id = a.id and n.state = 'pending')"
    );
    loop {
        let row = connection.fetch_one(AssertSqlSafe(statement.clone())).await;
        if !row.unwrap().get::<bool, _>(0) {
            return;
        }
        assert!(Instant::now() < limit, "not settled in a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `signoff` with nothing from our own environment but where programs are.
fn signoff(directory: &Path, base_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command.env_clear().current_dir(directory);
    for name in ["PATH", "PG_BIN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.arg("--data-dir").arg(directory.join("data")).args(["--base-url", base_url]);
    command
}
