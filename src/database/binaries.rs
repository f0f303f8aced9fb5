//! Finds this machine's PostgreSQL programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cluster::ClusterError;

/// The oldest major version whose SQL we write.
pub(super) const OLDEST_MAJOR: u32 = 15;

/// A directory with `initdb`, `pg_ctl` and `postgres` of one major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    directory: PathBuf,
    major: u32,
}

impl Binaries {
    /// The programs for an existing cluster of version `major`, or the newest there are.
    pub(super) fn find(major: Option<u32>) -> Result<Self, ClusterError> {
        let mut found: Vec<Self> = candidates().into_iter().filter_map(Self::in_directory).collect();
        // The sort is stable: of equal versions the earlier place wins.
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        match major {
            Some(major) => found
                .into_iter()
                .find(|binaries| binaries.major == major)
                .ok_or(ClusterError::NoBinariesOf { major }),
            None => found
                .into_iter()
                .find(|binaries| binaries.major >= OLDEST_MAJOR)
                .ok_or(ClusterError::NoBinaries),
        }
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Where the programs are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn in_directory(directory: PathBuf) -> Option<Self> {
        let complete = ["initdb", "pg_ctl", "pg_isready"].iter().all(|name| directory.join(name).is_file());
        if !complete {
            return None;
        }
        let output = Command::new(directory.join("postgres"))
            .arg("--version")
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { directory, major })
    }
}

/// `PG_BIN` alone if it is set, else all the usual places.
fn candidates() -> Vec<PathBuf> {
    if let Some(directory) = std::env::var_os("PG_BIN").filter(|value| !value.is_empty()) {
        return vec![PathBuf::from(directory)];
    }
    let mut directories = Vec::new();
    for (parent, prefix, rest) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        let Ok(entries) = std::fs::read_dir(parent) else {
            continue;
        };
        directories.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                .map(|entry| entry.path().join(rest)),
        );
    }
    if let Some(path) = std::env::var_os("PATH") {
        directories.extend(std::env::split_paths(&path));
    }
    directories
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` is 15; `17beta2` is 17.
fn major_version(line: &str) -> Option<u32> {
    let version = line.split("(PostgreSQL)").nth(1)?.trim();
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 17beta2"), Some(17));
        assert_eq!(major_version("bash: postgres: not found"), None);
    }

    #[test]
    fn an_existing_cluster_needs_programs_of_its_own_version() {
        let error = Binaries::find(Some(7)).unwrap_err();
        assert!(error.to_string().contains("postgresql-7"), "{error}");
    }
}
