//! The private cluster: this machine's own PostgreSQL under the data directory, reached
//! over a Unix socket only, shared by all our processes, stopped by the last.
//!
//! In the directory there are
//! - `pg.lock`: held while the cluster is started or stopped;
//! - `pg.users`: every process that uses the cluster holds a shared lock on it, so
//!   whoever gets it exclusively is the last. The kernel lets go of a lock when its
//!   process dies, whatever it dies of;
//! - `pg.socket`: where the socket is, if the path below `pg/` would be too long for one;
//! - `pg/data`, `pg/socket`, `pg/server.log`: the cluster's own, owned by its account.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use thiserror::Error;

use super::binaries::{Binaries, OLDEST_MAJOR};
use super::place::{PORT, Place, SUPERUSER, socket_name};
use crate::entropy::EntropyError;

/// How often the keeper looks.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// A running private cluster that this process uses. Letting go of it stops it, unless
/// another process still uses it.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    binaries: Option<Binaries>,
    /// The shared lock; `None` once let go.
    users: Option<File>,
    /// Starts the server again when it is gone.
    keeper: Option<Keeper>,
}

/// A thread that looks after the server until `stop` is dropped.
#[derive(Debug)]
struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// What kind of cluster, and where.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    pub(super) directory: PathBuf,
    pub(super) durable: bool,
    pub(super) max_connections: u32,
}

/// Why there is no private cluster. Its text is one line for the admin.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// Another process starts or stops the cluster and does not get done.
    #[error("{0} has been locked by another signoff process for a minute")]
    Busy(PathBuf),
    /// One of the programs failed.
    #[error("{program} failed{account}: {reason}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// The account that it ran as, if not ours.
        account: String,
        /// What it said last.
        reason: String,
    },
    /// A file or directory of the cluster cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `pg_ctl` hands its paths to a shell between double quotes, and escapes nothing.
    #[error("{0}: expected a data directory without \", $, ` and \\ in its path")]
    Name(PathBuf),
    /// Root cannot run PostgreSQL, and there is no one else.
    #[error("PostgreSQL does not run as root and /etc/passwd has neither postgres nor nobody")]
    NoAccount,
    /// There is no PostgreSQL on this machine.
    #[error(
        "no DATABASE_URL is set and this machine has no PostgreSQL {OLDEST_MAJOR} or later: \
         set DATABASE_URL, or install it (Debian, Ubuntu: apt-get install -y postgresql), or \
         name its directory of programs in PG_BIN"
    )]
    NoBinaries,
    /// The cluster was made by another major version.
    #[error(
        "the private cluster was made by PostgreSQL {major}, whose programs are not on this \
         machine: install the package postgresql-{major}, or name their directory in PG_BIN"
    )]
    NoBinariesOf {
        /// That version.
        major: u32,
    },
    /// No name for the socket's directory could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ClusterOptions {
    /// The cluster that the service keeps its data in: every commit is on the disk.
    #[must_use]
    pub fn durable(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), durable: true, max_connections: 100 }
    }

    /// A cluster for tests in a directory made for it: fast, and lost with the machine.
    #[must_use]
    pub fn throwaway(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), durable: false, max_connections: 200 }
    }
}

impl Cluster {
    /// Uses the cluster that `options` describes: makes it if there is none, starts it if
    /// it does not run. Blocks for up to a minute.
    ///
    /// # Errors
    /// [`ClusterError`]: no PostgreSQL, an unusable directory, or a start that failed.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let place = Place::prepare(options)?;
        let _starting = place.lock()?;
        let users = place.open_lock_file("pg.users")?;
        let alone = users.try_lock().is_ok();
        if alone {
            let unlocked = users.unlock();
            unlocked.map_err(|source| place.io("pg.users", source))?;
        }
        let shared = users.lock_shared();
        shared.map_err(|source| place.io("pg.users", source))?;
        let mut cluster = Self { place, binaries: None, users: Some(users), keeper: None };
        if alone {
            cluster.place.forget_foreign_process();
        }
        cluster.run(options)?;
        if options.durable {
            cluster.keep(options);
        }
        Ok(cluster)
    }

    /// How to connect to `database` in this cluster, as its superuser.
    #[must_use]
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.place.socket)
            .port(PORT)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The directory of the socket, for `psql -h`.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        &self.place.socket
    }

    /// Lets go of the cluster, and stops it if no other process uses it. Blocks until it
    /// is stopped; dropping does the same but tells nobody how it went.
    ///
    /// # Errors
    /// [`ClusterError`] when it should have been stopped and could not be.
    pub fn release(mut self) -> Result<(), ClusterError> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<(), ClusterError> {
        let Some(users) = self.users.take() else {
            return Ok(());
        };
        if let Some(Keeper { stop, thread }) = self.keeper.take() {
            drop(stop);
            // It never panics, and if it did there would be nothing to keep.
            let _ = thread.join();
        }
        let _stopping = self.place.lock()?;
        let unlocked = users.unlock();
        unlocked.map_err(|source| self.place.io("pg.users", source))?;
        match users.try_lock() {
            Ok(()) => self.stop(),
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(source)) => Err(self.place.io("pg.users", source)),
        }
    }

    fn run(&mut self, options: &ClusterOptions) -> Result<(), ClusterError> {
        let version = self.place.data.join("PG_VERSION");
        let major = fs::read_to_string(version).ok().and_then(|text| text.trim().parse().ok());
        let binaries = Binaries::find(major)?;
        if major.is_none() {
            self.place.initialise(&binaries, options)?;
        }
        let started = self.place.start_server(&binaries, options);
        self.binaries = Some(binaries);
        started
    }

    /// A server that dies, killed for want of memory perhaps, would leave the service without a
    /// database until somebody restarts it.
    fn keep(&mut self, options: &ClusterOptions) {
        let Some(binaries) = self.binaries.clone() else {
            return;
        };
        let (place, options) = (self.place.clone(), options.clone());
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(LOOK_AFTER) == Err(RecvTimeoutError::Timeout) {
                if UnixStream::connect(place.socket.join(socket_name())).is_ok() {
                    continue;
                }
                tracing::warn!("the private database is gone; starting it again");
                let started = place.lock().and_then(|_lock| place.start_server(&binaries, &options));
                if let Err(error) = started {
                    tracing::error!(%error, "the private database does not start");
                }
            }
        });
        self.keeper = Some(Keeper { stop, thread });
    }

    fn stop(&self) -> Result<(), ClusterError> {
        let Some(binaries) = &self.binaries else {
            return Ok(());
        };
        if !self.place.data.join("postmaster.pid").exists() {
            return Ok(());
        }
        let mut command = self.place.command(binaries, "pg_ctl");
        command.args(["stop", "-s", "-w", "-t", "60", "-m", "fast", "-D"]);
        command.arg(&self.place.data);
        self.place.run("pg_ctl stop", &mut command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.let_go() {
            tracing::warn!(%error, "the private cluster could not be stopped");
        }
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
