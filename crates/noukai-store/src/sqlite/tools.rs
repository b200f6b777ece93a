//! What is done to a file beside the server that may use it: looking at it, copying it. Changes nothing in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use time::OffsetDateTime;

use super::{SqliteStore, journal, migrations, open, rows::time_if};
use crate::{SchemaState, StoreError};

/// What a look at a database's file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Where its schema stands.
    pub schema: SchemaState,
    /// What is wrong with the file's pages and indexes; `None`: nothing.
    pub damage: Option<String>,
    /// Bytes, its log included.
    pub bytes: u64,
    /// When the newest run began.
    pub newest_run: Option<OffsetDateTime>,
}

const NEWEST: &str = "SELECT max(started_at) FROM (SELECT started_at FROM runs ORDER BY id DESC LIMIT 1)";

impl SqliteStore {
    /// Looks at a file that may be in use. `whole` goes through all of its pages, which takes as long as reading it.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a file that is missing, foreign or out of reach, [`StoreError::Newer`] for one that
    /// a newer release wrote.
    pub fn inspect(path: &Path, whole: bool) -> Result<Inspection, StoreError> {
        let db = open::ours(path)?;
        let fault = |error| open::fault(path, error);
        migrations::check(&db, path)?;
        let found = migrations::number(&db).map_err(fault)?;
        let damage = if whole { damage(&db, "quick_check") } else { None };
        Ok(Inspection {
            schema: SchemaState { found, current: migrations::CURRENT, pending: migrations::after(found) },
            damage,
            bytes: size(path)
                + size(&path.with_extension("db-wal"))
                + journal::paths(path).iter().map(|path| size(path)).sum::<u64>(),
            newest_run: db.query_row(NEWEST, [], |row| time_if(row, 0)).map_err(fault)?,
        })
    }

    /// Copies a database that may be in use into a new file, as it stands at one moment, and checks the copy. Writers
    /// are not held up. The copy takes its name last, so that a file of that name is whole.
    ///
    /// # Errors
    /// As [`SqliteStore::inspect`]; [`StoreError::Unusable`] where there is a file of that name, or it cannot be written.
    pub fn back_up(path: &Path, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::Unusable(format!("{} exists already; name another file", to.display())));
        }
        let db = open::ours(path)?;
        let partial = partial(to);
        let copied = copy(path, &db, &partial).and_then(|()| settle(&partial, to));
        if copied.is_err() {
            // It may never have been made.
            let _ = fs::remove_file(&partial);
        }
        copied
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

fn damage(db: &Connection, check: &str) -> Option<String> {
    let found = db.query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get::<_, String>(0));
    match found {
        Ok(found) if found == "ok" => None,
        Ok(found) => Some(found),
        Err(error) => Some(error.to_string()),
    }
}

/// Beside the file, as only within one file system a name changes at once.
fn partial(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    to.with_file_name(name)
}

fn copy(path: &Path, db: &Connection, partial: &Path) -> Result<(), StoreError> {
    let cannot = |error: &dyn std::fmt::Display| cannot_write(partial, error);
    open::create(partial).map_err(|error| cannot(&error))?;
    let journaled = journal::peek(path, db)?;
    let name = partial.to_str().ok_or_else(|| cannot(&"its name is not UTF-8"))?;
    db.execute("VACUUM INTO $1", [name]).map_err(|error| cannot(&error))?;
    let mut copy = Connection::open(partial).map_err(|error| cannot(&error))?;
    journal::replay_into(partial, journaled, &mut copy)?;
    match damage(&copy, "integrity_check") {
        None => Ok(()),
        Some(found) => {
            Err(StoreError::Unusable(format!("the copy is damaged ({found}): check the disk, then try again")))
        }
    }
}

/// On the disk first, then under its name.
fn settle(partial: &Path, to: &Path) -> Result<(), StoreError> {
    let cannot = |error: std::io::Error| cannot_write(to, &error);
    fs::File::open(partial).and_then(|file| file.sync_all()).map_err(cannot)?;
    fs::rename(partial, to).map_err(cannot)?;
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where a directory cannot be opened as a file, the system keeps names safe by itself.
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn cannot_write(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!(
        "cannot write {} ({error}): check the path, its rights and the free space",
        path.display()
    ))
}
