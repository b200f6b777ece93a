//! What an operator does to an installation beside its server: copying the database, bringing its schema up to date.

use std::path::{Path, PathBuf};

use noukai_store::{Inspection, PostgresStore, SqliteStore};
use time::{OffsetDateTime, macros::format_description};
use tokio::task::spawn_blocking;

use crate::{
    config::Config,
    server::{StartError, database_file, lock, open_store},
};

/// Where copies go where nobody says where, in the data directory.
const BACKUPS: &str = "backups";

/// Where a database's schema stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// The database's.
    pub found: u32,
    /// This release's.
    pub current: u32,
    /// What is between them, by number and name.
    pub pending: Vec<(u32, &'static str)>,
}

impl From<Inspection> for SchemaState {
    fn from(found: Inspection) -> Self {
        Self { found: found.schema, current: found.current, pending: found.pending }
    }
}

/// Copies the database into a new file while the server goes on; the file's name. Without `to` it is named for the
/// time, in `backups` in the data directory.
///
/// # Errors
/// No database, a file of that name, no room; a copy that is not whole; a database that is PostgreSQL, which has tools
/// of its own.
pub async fn back_up(config: &Config, to: Option<PathBuf>) -> Result<PathBuf, StartError> {
    if config.database.url.is_some() {
        let advice = "the database is PostgreSQL: copy it with pg_dump, which works while servers run";
        return Err(StartError::new(advice));
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

/// Where the schema stands; changes nothing.
///
/// # Errors
/// No database, or one that this release cannot read.
pub async fn schema(config: &Config) -> Result<SchemaState, StartError> {
    inspect(config, false).await.map(SchemaState::from)
}

/// Brings the schema up to date; where it stood before.
///
/// # Errors
/// A server that uses the database; everything of [`schema`].
pub async fn migrate(config: &Config) -> Result<SchemaState, StartError> {
    let before = schema(config).await?;
    // Under a server of another release the schema must not change. On PostgreSQL each node checks it by itself.
    let lock = config.database.url.is_none().then(|| lock(&config.data)).transpose()?;
    open_store(config).await?.close().await;
    drop(lock);
    Ok(before)
}

pub(crate) async fn inspect(config: &Config, whole: bool) -> Result<Inspection, StartError> {
    if let Some(url) = &config.database.url {
        return PostgresStore::inspect(url.expose()).await.map_err(StartError::new);
    }
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
