//! What an operator does to an installation beside its server: copying the database, bringing its schema up to date.

use std::path::{Path, PathBuf};

pub use noukai_store::SchemaState;
use noukai_store::{Inspection, PostgresStore, SqliteStore};
use time::{OffsetDateTime, macros::format_description};
use tokio::task::spawn_blocking;

use crate::{
    config::Config,
    server::{StartError, database_file, lock, open_store, postgres},
    vault,
};

/// Where copies go where nobody says where, in the data directory.
const BACKUPS: &str = "backups";

/// Copies the database into a new file while the server goes on; the file's name. Without `to` it is named for the
/// time, in `backups` in the data directory.
///
/// # Errors
/// A database that is no file; none at all, a file of that name, no room; a copy that is not whole.
pub async fn back_up(config: &Config, to: Option<PathBuf>) -> Result<PathBuf, StartError> {
    if config.database.url.is_some() {
        let why = "the data is in PostgreSQL: back it up with its own tools, such as pg_dump (see docs/operations.md)";
        return Err(StartError::new(why));
    }
    let from = existing(config)?;
    let to = match to {
        Some(to) => to,
        None => named(&config.data)?,
    };
    let target = to.clone();
    let copied = spawn_blocking(move || SqliteStore::back_up(&from, &target)).await;
    copied.map_err(StartError::new)?.map_err(StartError::new)?;
    Ok(to)
}

fn named(data: &Path) -> Result<PathBuf, StartError> {
    let folder = data.join(BACKUPS);
    std::fs::create_dir_all(&folder)
        .map_err(|error| StartError::new(format!("cannot make the folder {}: {error}", folder.display())))?;
    let format = format_description!("noukai-[year][month][day]-[hour][minute][second].db");
    let name = OffsetDateTime::now_utc().format(&format).map_err(StartError::new)?;
    Ok(folder.join(name))
}

/// Makes a master key in the file that is configured for it, or in the data directory; where, and the key's id.
///
/// # Errors
/// One that is there already; a master key that is configured to be from elsewhere; a file that cannot be written.
pub fn make_master_key(config: &Config) -> Result<(PathBuf, String), StartError> {
    vault::make_key(&config.master_key, &config.data).map_err(StartError::new)
}

/// How many provider keys each master key opens; `None` where the database is not there, or its schema not current.
pub(crate) async fn sealed_with(config: &Config) -> Result<Option<Vec<(String, u64)>>, StartError> {
    if !schema(config).await.is_ok_and(|state| state.pending.is_empty()) {
        return Ok(None);
    }
    let store = open_store(config, false).await?;
    let sealed = store.sealed_with().await;
    store.close().await;
    sealed.map(Some).map_err(StartError::new)
}

/// Where the schema stands; changes nothing.
///
/// # Errors
/// No database, or one that this release cannot read.
pub async fn schema(config: &Config) -> Result<SchemaState, StartError> {
    match postgres(config) {
        Some(options) => PostgresStore::schema(&options).await.map_err(StartError::new),
        None => Ok(inspect(config, false).await?.schema),
    }
}

/// Brings the schema up to date; where it stood before.
///
/// # Errors
/// A server that uses the database; everything of [`schema`].
pub async fn migrate(config: &Config) -> Result<SchemaState, StartError> {
    let before = schema(config).await?;
    // Under a server of another release the schema must not change. Who shares a database is not known here.
    let lock = if config.database.url.is_none() { Some(lock(&config.data)?) } else { None };
    open_store(config, false).await?.close().await;
    drop(lock);
    Ok(before)
}

pub(crate) async fn inspect(config: &Config, whole: bool) -> Result<Inspection, StartError> {
    let path = existing(config)?;
    let found = spawn_blocking(move || SqliteStore::inspect(&path, whole)).await;
    found.map_err(StartError::new)?.map_err(StartError::new)
}

fn existing(config: &Config) -> Result<PathBuf, StartError> {
    let path = database_file(config);
    if path.exists() {
        return Ok(path);
    }
    let message = format!("there is no database in {}; name the directory with --data", config.data.display());
    Err(StartError::new(message))
}
