//! What the settings need to know of the machine, as a value, so that tests can make one up.

use std::io;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// The environment in which settings are read.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Environment variables. Names that are not UTF-8 cannot be ours and are left out.
    pub variables: Vec<(String, String)>,
    /// The working directory: relative paths outside the configuration file start here.
    pub directory: PathBuf,
    /// Whether this process runs as root.
    pub root: bool,
    /// Where the configuration is looked for last.
    pub system_file: PathBuf,
}

impl Machine {
    /// The machine that this process runs on.
    ///
    /// # Errors
    /// When the working directory is gone or the account cannot be told.
    pub fn current() -> Result<Self, ConfigError> {
        Ok(Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    let name = name.into_string().ok()?;
                    Some((name, value.to_string_lossy().into_owned()))
                })
                .collect(),
            directory: std::env::current_dir().map_err(ConfigError::Machine)?,
            root: effective_uid().map_err(ConfigError::Machine)? == 0,
            system_file: PathBuf::from("/etc/signoff/signoff.toml"),
        })
    }

    /// A machine without environment variables or configuration files outside
    /// `directory`, on which an ordinary user works: for tests and the demonstration.
    #[must_use]
    pub fn bare(directory: &Path) -> Self {
        Self {
            variables: Vec::new(),
            directory: directory.to_path_buf(),
            root: false,
            system_file: directory.join("no-such-system-file.toml"),
        }
    }
}

/// The effective user id of this process.
///
/// # Errors
/// When neither `/proc` nor the `id` command can tell.
pub fn effective_uid() -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt as _;

    // The kernel gives a process's directory the process's effective user.
    if let Ok(metadata) = std::fs::metadata("/proc/self") {
        return Ok(metadata.uid());
    }
    let output = std::process::Command::new("id").arg("-u").output()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)
}
