//! Where a private cluster lives: its directories, the account that owns them, its lock files, and the
//! programs that work on it.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::account::Account;
use super::binaries::Binaries;
use super::cluster::{ClusterError, ClusterOptions};
use crate::config::effective_uid;
use crate::entropy::Entropy;

pub(super) const PORT: u16 = 5432;
pub(super) const SUPERUSER: &str = "signoff";
/// `sun_path` has 108 octets, the last of which is zero.
const LONGEST_SOCKET_PATH: usize = 107;
const LOCK_PATIENCE: Duration = Duration::from_mins(1);
/// After a kill -9 the children need a moment to notice that their parent is gone.
const START_PATIENCE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(200);

/// The directories of one cluster, and the account that owns them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) data: PathBuf,
    pub(super) socket: PathBuf,
    account: Option<Account>,
}

impl Place {
    pub(super) fn prepare(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let io = |path: &Path, source| ClusterError::Io { path: path.to_path_buf(), source };
        fs::create_dir_all(&options.directory).map_err(|e| io(&options.directory, e))?;
        // Links resolved, as the cluster's account may not see what we see.
        let directory = fs::canonicalize(&options.directory).map_err(|e| io(&options.directory, e))?;
        if directory.display().to_string().contains(['"', '$', '`', '\\', '\n']) {
            return Err(ClusterError::Name(directory));
        }
        let root = effective_uid().map_err(|e| io(Path::new("/proc/self"), e))? == 0;
        let own = directory.join("pg");
        let account = Account::choose(root, &own)?;
        if root && !options.durable {
            // A directory made for a test belongs to root alone, yet the cluster's
            // account must get through to its own part of it.
            let open = Permissions::from_mode(0o711);
            fs::set_permissions(&directory, open).map_err(|e| io(&directory, e))?;
        }
        let mut place = Self { data: own.join("data"), socket: own.join("socket"), directory, account };
        place.make_directory(&own)?;
        if place.socket.as_os_str().len() + socket_name().len() + 1 > LONGEST_SOCKET_PATH {
            place.socket = place.short_socket_directory()?;
        } else {
            place.make_directory(&place.socket)?;
        }
        Ok(place)
    }

    /// A private directory that belongs to the cluster's account.
    pub(super) fn make_directory(&self, path: &Path) -> Result<(), ClusterError> {
        let io = |source| ClusterError::Io { path: path.to_path_buf(), source };
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(io(error)),
        }
        if let Some(account) = &self.account {
            std::os::unix::fs::lchown(path, Some(account.uid), Some(account.gid)).map_err(io)?;
        }
        Ok(())
    }

    /// A short private directory for the socket, remembered in `pg.socket`.
    pub(super) fn short_socket_directory(&self) -> Result<PathBuf, ClusterError> {
        let note = self.directory.join("pg.socket");
        let remembered = fs::read_to_string(&note).ok().map(PathBuf::from);
        if let Some(path) = remembered.filter(|path| self.is_private(path)) {
            return Ok(path);
        }
        let random = u64::from_be_bytes(Entropy::system().bytes()?);
        let name = format!("signoff-{random:016x}");
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let parent = runtime
            .filter(|path| self.account.is_none() && path.is_absolute() && path.is_dir())
            .filter(|path| path.as_os_str().len() < 48)
            .unwrap_or_else(|| PathBuf::from("/tmp"));
        let path = parent.join(name);
        self.make_directory(&path)?;
        fs::write(&note, path.as_os_str().as_encoded_bytes())
            .map_err(|source| self.io("pg.socket", source))?;
        Ok(path)
    }

    /// Whether `path` is still the directory that we made: it lies where others may write.
    pub(super) fn is_private(&self, path: &Path) -> bool {
        let owner = self.account.as_ref().map_or_else(|| effective_uid().ok(), |account| Some(account.uid));
        fs::symlink_metadata(path).is_ok_and(|metadata| {
            metadata.is_dir() && Some(metadata.uid()) == owner && metadata.mode().trailing_zeros() >= 6
        })
    }

    pub(super) fn initialise(
        &self,
        binaries: &Binaries,
        options: &ClusterOptions,
    ) -> Result<(), ClusterError> {
        // Renamed when it is whole: a start that was killed leaves no half a cluster.
        let fresh = self.data.with_file_name("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(|source| self.io("pg/data.new", source))?;
        }
        let mut command = self.command(binaries, "initdb");
        command
            .args(["--auth=trust", "--locale=C", "-E", "UTF8", "--no-instructions"])
            .args(["-U", SUPERUSER])
            .arg(if options.durable { "--data-checksums" } else { "--no-sync" })
            .arg("-D")
            .arg(&fresh);
        self.run("initdb", &mut command)?;
        fs::rename(&fresh, &self.data).map_err(|source| self.io("pg/data", source))
    }

    pub(super) fn start_server(
        &self,
        binaries: &Binaries,
        options: &ClusterOptions,
    ) -> Result<(), ClusterError> {
        let log = self.data.with_file_name("server.log");
        let begun = Instant::now();
        loop {
            if self.is_ready(binaries) {
                return Ok(());
            }
            let seen = fs::metadata(&log).map_or(0, |metadata| metadata.len());
            let mut command = self.command(binaries, "pg_ctl");
            command.args(["start", "-s", "-w", "-t", "30", "-D"]);
            command.arg(&self.data).arg("-l").arg(&log);
            command.arg("-o").arg(self.server_options(options));
            let Err(error) = self.run("pg_ctl start", &mut command) else {
                return Ok(());
            };
            let said = read_from(&log, seen);
            if begun.elapsed() > START_PATIENCE || !is_passing(&said) {
                return Err(explained(error, &said));
            }
            sleep(RETRY);
        }
    }

    /// Asks the server itself, not its files: they outlive it.
    pub(super) fn is_ready(&self, binaries: &Binaries) -> bool {
        if !self.socket.join(socket_name()).exists() {
            return false;
        }
        let mut command = self.command(binaries, "pg_isready");
        command.args(["-q", "-t", "3", "-p", &PORT.to_string()]);
        command.arg("-h").arg(&self.socket);
        command.status().is_ok_and(|status| status.success())
    }

    /// The options of the server, quoted for the shell through which `pg_ctl` starts it.
    pub(super) fn server_options(&self, options: &ClusterOptions) -> String {
        let socket = self.socket.display();
        let durable = if options.durable { "on" } else { "off" };
        [
            format!("port={PORT}"),
            String::from("listen_addresses="),
            format!("unix_socket_directories=\"{socket}\""),
            String::from("unix_socket_permissions=0700"),
            format!("max_connections={}", options.max_connections),
            format!("fsync={durable}"),
            format!("synchronous_commit={durable}"),
            format!("full_page_writes={durable}"),
            String::from("timezone=UTC"),
            String::from("log_timezone=UTC"),
            String::from("jit=off"),
            String::from("cluster_name=signoff"),
        ]
        .iter()
        .map(|option| format!("-c '{}'", option.replace('\'', r"'\''")))
        .collect::<Vec<_>>()
        .join(" ")
    }

    /// A program of PostgreSQL's, as the cluster's account, in an environment of its own:
    /// a PGHOST or a locale of ours must not reach it.
    pub(super) fn command(&self, binaries: &Binaries, program: &'static str) -> Command {
        let mut command = Command::new(binaries.program(program));
        let path = format!("{}:/usr/bin:/bin", binaries.directory().display());
        command.env_clear().env("LC_ALL", "C").env("PATH", path).current_dir("/").stdin(Stdio::null());
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        command
    }

    pub(super) fn run(&self, program: &'static str, command: &mut Command) -> Result<(), ClusterError> {
        let failed = |reason: String| ClusterError::Failed {
            program,
            account: self
                .account
                .as_ref()
                .map(|account| format!(" as {}, who must be able to reach it", account.name))
                .unwrap_or_default(),
            reason,
        };
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(failed(last_complaint(&said)))
    }

    /// Waits for the exclusive lock under which the cluster is started and stopped.
    pub(super) fn lock(&self) -> Result<File, ClusterError> {
        let file = self.open_lock_file("pg.lock")?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                    sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(ClusterError::Busy(self.directory.join("pg.lock")));
                }
                Err(TryLockError::Error(source)) => return Err(self.io("pg.lock", source)),
            }
        }
    }

    pub(super) fn open_lock_file(&self, name: &str) -> Result<File, ClusterError> {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.directory.join(name))
            .map_err(|source| self.io(name, source))
    }

    /// After a reboot or in a new container another program may have the process id that
    /// `postmaster.pid` names, and PostgreSQL would take it for itself for ever. Called
    /// only while nobody else uses the cluster.
    pub(super) fn forget_foreign_process(&self) {
        let file = self.data.join("postmaster.pid");
        let Ok(content) = fs::read_to_string(&file) else {
            return;
        };
        let pid = content.lines().next().unwrap_or_default().trim().to_owned();
        let Ok(program) = fs::read_to_string(format!("/proc/{pid}/comm")) else {
            return;
        };
        if !program.starts_with("postgres") && !program.starts_with("postmaster") {
            tracing::warn!(%pid, program = program.trim(), "forgot a stale postmaster.pid");
            let _ = fs::remove_file(&file);
            let _ = fs::remove_file(self.socket.join(format!("{}.lock", socket_name())));
        }
    }

    pub(super) fn io(&self, name: &str, source: io::Error) -> ClusterError {
        ClusterError::Io { path: self.directory.join(name), source }
    }
}

pub(super) fn socket_name() -> String {
    format!(".s.PGSQL.{PORT}")
}

/// What was written to `log` after its first `seen` octets.
fn read_from(log: &Path, seen: u64) -> String {
    let content = fs::read(log).unwrap_or_default();
    let start = usize::try_from(seen).unwrap_or(usize::MAX);
    String::from_utf8_lossy(content.get(start..).unwrap_or_default()).into_owned()
}

/// Whether a start failed on what a killed server left behind: that passes by itself.
/// `pg_ctl` itself says nothing in the log when it finds another server.
fn is_passing(log: &str) -> bool {
    log.trim().is_empty()
        || ["lock file", "shared memory block", "in use", "shutting down", "starting up"]
            .iter()
            .any(|sign| log.contains(sign))
}

fn explained(error: ClusterError, log: &str) -> ClusterError {
    match error {
        ClusterError::Failed { program, account, .. } if log.contains("FATAL") || log.contains("PANIC") => {
            ClusterError::Failed { program, account, reason: last_complaint(log) }
        }
        other => other,
    }
}

/// The line that says what is wrong, out of all that a program said.
fn last_complaint(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .rev()
        .find(|line| ["FATAL:", "PANIC:", "error:", "could not"].iter().any(|sign| line.contains(sign)))
        .or_else(|| lines().next_back())
        .unwrap_or("no reason given")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_said_last_is_the_reason() {
        assert_eq!(last_complaint("a\nx: error: broken\nhint\n"), "x: error: broken");
        assert_eq!(last_complaint("a\nb\n\n"), "b");
        assert_eq!(last_complaint(""), "no reason given");
        assert!(is_passing("FATAL:  lock file \"postmaster.pid\" already exists"));
        assert!(!is_passing("FATAL:  data directory has wrong ownership"));
    }
}
