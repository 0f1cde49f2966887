//! Finds PostgreSQL's programs, and the user they may run as.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::error::Error;

/// Where packages put versions side by side: a folder per version, `bin` below it.
const VERSIONS_IN: [&str; 3] = [
    "/usr/lib/postgresql",
    "/usr/local/lib/postgresql",
    "/opt/homebrew/opt",
];
/// Where packages put one version.
const SINGLE: [&str; 3] = [
    "/usr/local/pgsql/bin",
    "/usr/lib/postgresql/bin",
    "/usr/libexec/postgresql",
];
/// The user that PostgreSQL's packages make.
const USER: &str = "postgres";
/// Runs PostgreSQL where there is no such user.
const FALLBACK_USER: &str = "nobody";

/// PostgreSQL's programs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
    /// `Some` where we are root, as whom PostgreSQL refuses to run.
    pub(super) user: Option<User>,
}

/// A user of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Programs {
    /// The newest PostgreSQL of this machine.
    pub(super) fn find() -> Result<Programs, Error> {
        let folder = candidates().into_iter().find(|folder| is_server(folder));
        let Some(folder) = folder else {
            return Err(Error::Demo {
                what: "PostgreSQL's programs initdb and postgres are neither in PATH nor in /usr/lib/postgresql".to_owned(),
                mend: "install PostgreSQL: apt-get install -y postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), apk add postgresql (Alpine), brew install postgresql (macOS)".to_owned(),
            });
        };
        let user = if rustix::process::geteuid().is_root() {
            Some(unprivileged()?)
        } else {
            None
        };
        Ok(Programs { folder, user })
    }

    /// A command that runs `program` as the right user, in a process group of its own: an
    /// interrupt from the terminal reaches us, and we end it in order.
    pub(super) fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(self.folder.join(program));
        command.process_group(0).env("LC_ALL", "C").env("TZ", "UTC");
        for (name, _) in std::env::vars_os() {
            // Settings of libpq and of the server must not leak in.
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid).current_dir("/");
        }
        command
    }
}

/// Folders that may hold the programs, the best first: PATH, then the newest version.
fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for parent in VERSIONS_IN {
        let mut versions: Vec<PathBuf> = std::fs::read_dir(parent)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
        folders.extend(versions.into_iter().map(|folder| folder.join("bin")));
    }
    folders.extend(SINGLE.map(PathBuf::from));
    folders
}

/// The number a folder's name ends with: 15 of `15` and of `postgresql@15`.
fn version(folder: &Path) -> Option<u32> {
    let name = folder.file_name()?.to_str()?;
    let digits = name.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The program of this name, the one of the newest version first; clients need no user of their own.
pub(super) fn path_of(name: &str) -> Option<PathBuf> {
    let paths = candidates().into_iter().map(|folder| folder.join(name));
    paths.into_iter().find(|path| path.is_file())
}

fn is_server(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

fn unprivileged() -> Result<User, Error> {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = [USER, FALLBACK_USER]
        .iter()
        .find_map(|name| find_user(&accounts, name));
    found.ok_or_else(|| Error::Demo {
        what: "PostgreSQL refuses to run as root, and there is no user postgres".to_owned(),
        mend: "run the demo as another user, or make one: useradd --system postgres".to_owned(),
    })
}

/// A line of `/etc/passwd`: name, password, uid, gid, and more.
fn find_user(accounts: &str, name: &str) -> Option<User> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_not_texts() {
        let version = |text: &str| version(Path::new(text));
        assert!(version("/usr/lib/postgresql/17") > version("/usr/lib/postgresql/9"));
        assert_eq!(version("/opt/homebrew/opt/postgresql@15"), Some(15));
        assert_eq!(version("/opt/homebrew/opt/node"), None);
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgresx:x:1:1::/:\npostgres:x:104:113:,,,:/:/bin/sh\n";
        assert_eq!(
            find_user(accounts, "postgres"),
            Some(User { uid: 104, gid: 113 })
        );
        assert_eq!(find_user(accounts, "nobody"), None);
    }
}
