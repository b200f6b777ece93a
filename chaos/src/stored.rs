//! What the database holds, read behind the server's back: on SQLite while it is dead, on PostgreSQL at any time.
//!
//! On SQLite a copy is read: the first to open the files after a crash mends them, and that is to be the server.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rusqlite::Connection;
use serde_json::Value;

use crate::setup::{Data, Setup};

/// What is stored.
#[derive(Debug, Default)]
pub struct Stored {
    /// Results of steps.
    pub results: Vec<StoredResult>,
    /// Runs that have ended.
    pub ended: Vec<EndedRun>,
}

/// A step of a run whose result is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// The session that the run is tagged with.
    pub session: String,
    /// The step.
    pub step: String,
    /// The iteration, in a loop.
    pub item: Option<String>,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// Its id.
    pub id: String,
    /// How.
    pub status: String,
    /// By which door it came.
    pub trigger: String,
}

/// A row may hold several events, one to a line, or packed.
const RESULTS: &str = "SELECT r.session_id, e.kind, e.payload, e.packed FROM run_events e JOIN runs r ON r.id = e.run_id \
    WHERE r.session_id IS NOT NULL";

/// What packed texts refer to.
const DICTIONARY: &[u8] = include_bytes!("../../crates/noukai-store/src/sqlite/packs/dictionary_1.txt");

const ENDED: &str = "SELECT lower(hex(id)), status, trigger_type FROM runs WHERE completed_at IS NOT NULL";

/// The same in PostgreSQL's words, as JSON.
const ALL: &str = "SELECT json_build_object(
    'results', (SELECT coalesce(json_agg(json_build_array(r.session_id, e.payload)), '[]') FROM run_events e
        JOIN runs r ON r.id = e.run_id WHERE e.kind = 'completed' AND r.session_id IS NOT NULL),
    'ended', (SELECT coalesce(json_agg(json_build_array(replace(id::text, '-', ''), status, trigger_type)), '[]')
        FROM runs WHERE completed_at IS NOT NULL))";

/// Reads it.
pub fn read(setup: &Setup, data: &Data) -> Result<Stored> {
    match (data, &setup.postgres) {
        (Data::Directory(folder), _) => read_file(folder),
        (Data::Database { name, .. }, Some(postgres)) => {
            let text = postgres.sql(name, ALL).context("cannot ask the database what it holds")?;
            Ok(of_json(&serde_json::from_str(&text).context("the database's answer is no JSON")?))
        }
        (Data::Database { .. }, None) => bail!("a database without a cluster"),
    }
}

fn of_json(all: &Value) -> Stored {
    let rows = |name: &str| all[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ended = |row: &Value| EndedRun { id: text(&row[0]), status: text(&row[1]), trigger: text(&row[2]) };
    Stored {
        results: rows("results").iter().map(|row| result(text(&row[0]), &text(&row[1]))).collect(),
        ended: rows("ended").iter().map(ended).collect(),
    }
}

fn read_file(data: &Path) -> Result<Stored> {
    let copy = data.join("copy");
    fs::create_dir_all(&copy).context("cannot make a folder for the copy")?;
    for name in ["noukai.db", "noukai.db-wal"] {
        let (from, to) = (data.join(name), copy.join(name));
        if from.exists() {
            fs::copy(from, to).context("cannot copy the database")?;
        }
    }
    let stored = read_copy(&copy);
    fs::remove_dir_all(&copy).context("cannot remove the copy")?;
    let (results, ended) = stored.context("cannot read the database of a killed server")?;
    Ok(Stored { results, ended })
}

fn read_copy(copy: &Path) -> Result<(Vec<StoredResult>, Vec<EndedRun>)> {
    let db = Connection::open(copy.join("noukai.db"))?;
    Ok((results(&db)?, ended(&db)?))
}

fn results(db: &Connection) -> Result<Vec<StoredResult>> {
    let mut found = db.prepare(RESULTS)?;
    let rows = found.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?), row.get(3)?)))?;
    let mut results = Vec::new();
    for row in rows {
        let (session, lines, packed): (String, (String, String), Option<Vec<u8>>) = row?;
        let (kinds, payloads) = match packed {
            Some(packed) => unpack(&packed)?,
            None => lines,
        };
        let events = kinds.lines().zip(payloads.lines());
        let completed = events.filter(|(kind, _)| *kind == "completed");
        results.extend(completed.map(|(_, payload)| result(session.clone(), payload)));
    }
    Ok(results)
}

/// The number of the dictionary, a checksum, the text's length, an LZ4 block; in the text kinds, an empty line, payloads.
fn unpack(packed: &[u8]) -> Result<(String, String)> {
    let (&[1, _, _, _, _, length @ ..], block) =
        packed.split_first_chunk::<9>().context("packed events are cut off")?
    else {
        bail!("packed events of another kind");
    };
    let length = usize::try_from(u32::from_le_bytes(length))?;
    let text = String::from_utf8(lz4_flex::block::decompress_with_dict(block, length, DICTIONARY)?)?;
    let (kinds, payloads) = text.split_once("\n\n").context("packed events without payloads")?;
    Ok((kinds.to_owned(), payloads.to_owned()))
}

fn result(session: String, payload: &str) -> StoredResult {
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    let item = payload["path"].as_array().and_then(|path| path.last()).map(ToString::to_string);
    StoredResult { session, step: payload["step"].as_str().unwrap_or_default().to_owned(), item }
}

fn ended(db: &Connection) -> rusqlite::Result<Vec<EndedRun>> {
    let mut found = db.prepare(ENDED)?;
    let rows =
        found.query_map([], |row| Ok(EndedRun { id: row.get(0)?, status: row.get(1)?, trigger: row.get(2)? }))?;
    rows.collect()
}
