//! Opening the file: making it, telling whether it is ours and whole, the settings of each connection.
//!
//! Must not change a file before it is known to be ours.

use std::{fs, io::Read, path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{Durability, migrations};
use crate::StoreError;

/// Marks a file as ours: `Nouk`.
const APPLICATION_ID: i32 = 0x4e6f_756b;

/// Up to this size every page is looked at before the file is used: a fraction of a second.
const CHECKED_WHOLE: u64 = 32 << 20;

/// What a connection keeps of prepared statements: more than there are.
const STATEMENTS: usize = 128;

/// What the first bytes of an SQLite file are.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Opens the file for writing and brings its schema up to date.
pub(super) fn writer(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    create(path).map_err(|error| out_of_reach(path, &error))?;
    check_header(path)?;
    let fault = |error| fault(path, error);
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, -16_384).map_err(fault)?;
    let fresh = check_ours(&db, path)?;
    if !fresh {
        migrations::check(&db, path)?;
        check_whole(&db, path)?;
    }
    configure(&db, durability, fresh).map_err(fault)?;
    migrations::apply(&mut db, APPLICATION_ID).map_err(fault)?;
    Ok(db)
}

/// Opens the file for reading. Not mapped into memory: a file that grows would be mapped anew for every look-up, for
/// milliseconds.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, -4_096).map_err(|error| fault(path, error))
}

/// Opens a file that is ours for reading; it may be in use.
pub(super) fn ours(path: &Path) -> Result<Connection, StoreError> {
    check_header(path)?;
    let db = reader(path)?;
    if check_ours(&db, path)? {
        return Err(foreign(path, "it is empty"));
    }
    Ok(db)
}

/// Opens the file for copying the log into it.
pub(super) fn copier(path: &Path) -> Result<Connection, StoreError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, -64).map_err(|error| fault(path, error))
}

/// Each connection is used by one thread at a time, so SQLite's own locks around it are left out. `cache` as in
/// `PRAGMA cache_size`: KiB, negated.
fn connect(path: &Path, access: OpenFlags, cache: i32) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement that might use a partial index is planned anew with each use, for the values it then has.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "cache_size", cache)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(db)
}

/// The log is not the writer's business (see `log`). `auto_vacuum` can only be chosen before the first table.
fn configure(db: &Connection, durability: Durability, fresh: bool) -> rusqlite::Result<()> {
    if fresh {
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", 160 << 20, |_| Ok(()))
}

/// Makes the file and its directories, for the owner only. SQLite gives its log the same rights.
pub(super) fn create(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        directories().create(parent)?;
    }
    file_options().open(path).map(drop)
}

fn directories() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Another process may make it at the same moment, so that it is there already is no error.
pub(super) fn file_options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// An empty file is a new one.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut header = Vec::with_capacity(100);
    let file = fs::File::open(path).map_err(|error| out_of_reach(path, &error))?;
    file.take(100).read_to_end(&mut header).map_err(|error| out_of_reach(path, &error))?;
    match header.len() {
        0 => Ok(()),
        100 if header.starts_with(MAGIC) => Ok(()),
        _ if header.starts_with(MAGIC) => Err(damaged(path, "it is cut off")),
        _ => Err(foreign(path, "it is no SQLite file")),
    }
}

/// Whether the file is still empty; an error where it is another program's.
fn check_ours(db: &Connection, path: &Path) -> Result<bool, StoreError> {
    let fault = |error| fault(path, error);
    let id: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fault)?;
    let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    match (id, objects) {
        (APPLICATION_ID, 1..) => Ok(false),
        (APPLICATION_ID, _) => Err(damaged(path, "its tables are missing")),
        (0, 0) => Ok(true),
        _ => Err(foreign(path, "another program made it")),
    }
}

fn check_whole(db: &Connection, path: &Path) -> Result<(), StoreError> {
    if fs::metadata(path).is_ok_and(|data| data.len() > CHECKED_WHOLE) {
        return Ok(());
    }
    let found: String =
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| fault(path, error))?;
    if found == "ok" { Ok(()) } else { Err(damaged(path, &found)) }
}

/// What a failure of SQLite's means while opening.
pub(super) fn fault(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, &error.to_string()),
        Some(ErrorCode::NotADatabase) => foreign(path, &error.to_string()),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => out_of_reach(path, &error),
        _ => StoreError::from(error),
    }
}

pub(super) fn damaged(path: &Path, why: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the database {} is damaged ({why}): restore a backup of it, or move the file away to start afresh",
        path.display()
    ))
}

fn foreign(path: &Path, why: &str) -> StoreError {
    StoreError::Unusable(format!(
        "{} is no Noukai database ({why}): name another file, restore a backup of it, or move it away to start afresh",
        path.display()
    ))
}

fn out_of_reach(path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unusable(format!(
        "the database {} cannot be opened ({error}): check that the path is right and that this user may read and \
         write the file and its directory",
        path.display()
    ))
}
