//! Real clusters in temporary directories.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread::sleep;
use std::time::Instant;

use super::super::account::Account;
use super::*;
use crate::config::effective_uid;
use sqlx::{ConnectOptions as _, Executor as _, Row as _};

fn start(directory: &Path) -> Cluster {
    Cluster::start(&ClusterOptions::throwaway(directory)).unwrap()
}

fn server_pid(directory: &Path) -> Option<String> {
    let content = fs::read_to_string(directory.join("pg/data/postmaster.pid")).ok()?;
    content.lines().next().map(|pid| pid.trim().to_owned())
}

fn ask(cluster: &Cluster, question: &'static str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let mut connection = cluster.connect_options("postgres").connect().await.unwrap();
        let row = connection.fetch_one(question).await.unwrap();
        row.try_get(0).unwrap()
    })
}

fn kill_server(directory: &Path) {
    let pid = server_pid(directory).unwrap();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
}

#[test]
fn the_last_of_two_users_stops_the_cluster_and_a_third_finds_its_data_again() {
    let directory = tempfile::tempdir().unwrap();
    let first = start(directory.path());
    let pid = server_pid(directory.path()).unwrap();
    let second = start(directory.path());
    assert_eq!(server_pid(directory.path()), Some(pid), "shared, not started again");
    assert_eq!(ask(&first, "create table t as select 1; select 'x'"), "x");
    first.release().unwrap();
    assert_eq!(ask(&second, "select 'alive'"), "alive");
    second.release().unwrap();
    assert_eq!(server_pid(directory.path()), None, "stopped");
    let third = start(directory.path());
    assert_eq!(ask(&third, "select 'kept' from t"), "kept");
    drop(third);
    assert_eq!(server_pid(directory.path()), None, "dropping stops it too");
}

#[test]
fn it_starts_again_after_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let first = start(directory.path());
    // A child that is busy keeps the shared memory for a moment.
    assert_eq!(ask(&first, "select 'up'"), "up");
    kill_server(directory.path());
    let second = start(directory.path());
    assert_eq!(ask(&second, "select 'again'"), "again");
    second.release().unwrap();
    assert!(server_pid(directory.path()).is_some(), "the first still uses it");
    first.release().unwrap();
    assert_eq!(server_pid(directory.path()), None);
}

#[test]
fn several_starts_at_once_end_in_one_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let clusters: Vec<Cluster> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| start(directory.path()))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for cluster in &clusters {
        assert_eq!(ask(cluster, "select 'one'"), "one");
    }
    drop(clusters);
    assert_eq!(server_pid(directory.path()), None);
}

#[test]
fn a_long_path_moves_the_socket_and_a_half_made_cluster_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("it's a long, long path ".repeat(5));
    fs::create_dir_all(deep.join("pg/data.new/half")).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let account = Account::choose(effective_uid().unwrap() == 0, Path::new("/none")).unwrap();
    if let Some(account) = account {
        std::os::unix::fs::chown(deep.join("pg"), Some(account.uid), Some(account.gid)).unwrap();
    }
    let cluster = start(&deep);
    let socket = cluster.socket_directory().to_path_buf();
    assert!(socket.as_os_str().len() < 90 && !socket.starts_with(&deep));
    assert_eq!(ask(&cluster, "select 'here'"), "here");
    cluster.release().unwrap();
    let again = start(&deep);
    assert_eq!(again.socket_directory(), socket, "remembered");
    again.release().unwrap();
    fs::remove_dir_all(socket).unwrap();
}

#[test]
fn a_path_that_a_shell_would_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a\"b", "a$b", "a`b", "a\\b"] {
        let options = ClusterOptions::throwaway(&directory.path().join(name));
        let error = Cluster::start(&options).unwrap_err();
        assert!(matches!(error, ClusterError::Name(_)), "{error}");
    }
}

#[test]
fn a_process_id_that_now_belongs_to_another_program_does_not_keep_it_down() {
    let directory = tempfile::tempdir().unwrap();
    start(directory.path()).release().unwrap();
    let file = directory.path().join("pg/data/postmaster.pid");
    let data = directory.path().join("pg/data");
    let ours = std::process::id();
    fs::write(&file, format!("{ours}\n{}\n1\n5432\n", data.display())).unwrap();
    let cluster = start(directory.path());
    assert_eq!(ask(&cluster, "select 'up'"), "up");
    cluster.release().unwrap();
}

#[test]
fn the_service_keeps_every_commit_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    let options = ClusterOptions::durable(directory.path());
    let cluster = Cluster::start(&options).unwrap();
    for setting in ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"] {
        let question: String = format!("show {setting}");
        assert_eq!(ask(&cluster, Box::leak(question.into_boxed_str())), "on", "{setting}");
    }
    assert_eq!(ask(&cluster, "show listen_addresses"), "");
    cluster.release().unwrap();
}

#[test]
fn a_server_that_dies_under_the_service_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    let cluster = Cluster::start(&ClusterOptions::durable(directory.path())).unwrap();
    let before = server_pid(directory.path());
    kill_server(directory.path());
    let binaries = cluster.binaries.clone().unwrap();
    let begun = Instant::now();
    while server_pid(directory.path()) == before || !cluster.place.is_ready(&binaries) {
        assert!(begun.elapsed() < Duration::from_mins(1), "not started again");
        sleep(Duration::from_millis(50));
    }
    assert_eq!(ask(&cluster, "select 'back'"), "back");
    cluster.release().unwrap();
    assert_eq!(server_pid(directory.path()), None);
}
