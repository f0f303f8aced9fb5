//! The account that the private cluster runs as: PostgreSQL refuses to run as root.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::cluster::ClusterError;

/// An account to which a child process drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// For messages.
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Chooses for a process that runs as root: whoever owns the cluster already, else
    /// `postgres`, else `nobody`. `None` for an ordinary user, who runs it as himself.
    pub(super) fn choose(root: bool, cluster: &Path) -> Result<Option<Self>, ClusterError> {
        if !root {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        if let Ok(metadata) = std::fs::metadata(cluster)
            && metadata.uid() != 0
        {
            return Ok(Some(Self {
                name: by_uid(&passwd, metadata.uid()),
                uid: metadata.uid(),
                gid: metadata.gid(),
            }));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| by_name(&passwd, name))
            .map(Some)
            .ok_or(ClusterError::NoAccount)
    }

    /// Makes `command` run as this account. The standard library empties the
    /// supplementary groups by itself when root changes the user.
    pub(super) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

fn by_name(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (found && uid != 0).then(|| Account { name: name.to_owned(), uid, gid })
    })
}

fn by_uid(passwd: &str, uid: u32) -> String {
    let wanted = uid.to_string();
    passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&wanted))
        .and_then(|line| line.split(':').next())
        .map_or_else(|| format!("uid {uid}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        broken line\n\
        postgres:x:104:109:PostgreSQL:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn accounts_are_found_by_name_and_number_but_never_root() {
        let account = by_name(PASSWD, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (104, 109));
        assert_eq!(by_name(PASSWD, "root"), None);
        assert_eq!(by_name(PASSWD, "post"), None);
        assert_eq!(by_uid(PASSWD, 65534), "nobody");
        assert_eq!(by_uid(PASSWD, 7), "uid 7");
    }
}
