//! Where PostgreSQL's binaries are, and as whom they run: they refuse to be run by root.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where Debian keeps them, a directory per version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Who runs them where the tests run as root: the first of these that exists.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A user that is not root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
}

/// The newest installed version's directory; installs the package where none is and root may.
pub(crate) fn find() -> io::Result<PathBuf> {
    if let Some(found) = installed() {
        return Ok(found);
    }
    install()?;
    installed().ok_or_else(missing)
}

fn missing() -> io::Error {
    let why = "PostgreSQL is not installed: install it (Debian: apt-get install postgresql), or put initdb on the PATH";
    io::Error::new(io::ErrorKind::NotFound, why)
}

fn installed() -> Option<PathBuf> {
    newest().or_else(on_path)
}

fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten();
    let numbered = versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let mut found: Vec<_> = numbered.map(|(number, path)| (number, path.join("bin"))).filter(|v| has(&v.1)).collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|directory| has(directory))
}

fn has(directory: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|binary| directory.join(binary).exists())
}

fn install() -> io::Result<()> {
    if !is_root() {
        return Err(missing());
    }
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "postgresql"]] {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        if !command.status().map_err(|_| missing())?.success() {
            return Err(missing());
        }
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who is to run them; `None`: whoever runs the tests.
pub(crate) fn user() -> io::Result<Option<User>> {
    if !is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let found = USERS.iter().find_map(|name| accounts.lines().find_map(|line| account(line, name)));
    found.map(Some).ok_or_else(|| io::Error::other("PostgreSQL refuses to be run by root, and there is no other user"))
}

/// A line such as `name:x:uid:gid:...`, if it is the named user's.
fn account(line: &str, name: &str) -> Option<User> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    Some(User { uid, gid: fields.next()?.parse().ok()? })
}
