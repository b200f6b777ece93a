//! Packs: the events of one write in one row, since most of what a small event costs is its row.
//!
//! A pack stands under the number of its last event. Kinds, payloads and results are then one to a line, and the kinds
//! say how many there are. An event whose JSON has line breaks stands alone, as all did before schema 11. Since schema 14
//! kinds and payloads are [`packed`] where that spares something.

mod packed;

use std::iter;

use rusqlite::{Connection, Row, params};

use super::rows::{clamp, count};
use crate::{EventRecord, NewEvent, ProjectId, RunId, StoreError};

const INSERT: &str =
    "INSERT INTO run_events (run_id, seq, kind, payload, state, packed) VALUES ($1, $2, $3, $4, $5, $6)";

/// Between kinds and payloads. No kind in a pack is empty, so the first one is it.
const BREAK: &str = "\n\n";

/// Most events in a pack.
const EVENTS: usize = 64;

/// Most bytes in a pack of more than one event: who reads one of them reads all.
const BYTES: usize = 32 << 10;

/// Stores events that follow one another; without their results where nothing will need them.
pub(super) fn insert(db: &Connection, run: RunId, events: &[NewEvent], keeps_states: bool) -> rusqlite::Result<()> {
    let mut rest = events;
    while let [first, ..] = rest {
        let (pack, others) = rest.split_at(fitting(rest));
        rest = others;
        let seq = clamp(first.seq) + clamp(pack.len()) - 1;
        let state = (keeps_states && pack.iter().any(|event| event.state.is_some()))
            .then(|| lines(pack, |event| event.state.as_deref().unwrap_or_default()));
        let mut text = lines(pack, |event| &event.kind);
        let kinds = text.len();
        text.push_str(BREAK);
        add_lines(&mut text, pack, |event| &event.payload);
        let packed = packed::seal(&text);
        let (kind, payload) = if packed.is_some() { ("", "") } else { (&text[..kinds], &text[kinds + BREAK.len()..]) };
        db.prepare_cached(INSERT)?.execute(params![run.0, seq, kind, payload, state, packed])?;
    }
    Ok(())
}

/// How many of the first events, at least one, go into one pack.
fn fitting(events: &[NewEvent]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&NewEvent| {
        bytes += event.payload.len() + event.state.as_ref().map_or(0, String::len);
        bytes <= BYTES && is_line(&event.kind) && is_line(&event.payload) && event.state.as_deref().is_none_or(is_line)
    };
    events.iter().take(EVENTS).take_while(fits).count().max(1)
}

/// Whether the text can stand for something on a line of its own.
fn is_line(text: &str) -> bool {
    !text.is_empty() && memchr::memchr(b'\n', text.as_bytes()).is_none()
}

fn lines(pack: &[NewEvent], part: impl Fn(&NewEvent) -> &str) -> String {
    let mut text = String::new();
    add_lines(&mut text, pack, part);
    text
}

fn add_lines(text: &mut String, pack: &[NewEvent], part: impl Fn(&NewEvent) -> &str) {
    text.reserve(pack.iter().map(|event| part(event).len() + 1).sum());
    for (index, event) in pack.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(part(event));
    }
}

/// What is asked for: events of a project's run after the one numbered `after`, at most `limit`.
pub(super) struct Asked {
    pub project: ProjectId,
    pub run: RunId,
    pub after: u64,
    pub limit: u32,
}

/// What a statement finds of them. Every pack that it finds has an event that is wanted: its last.
pub(super) fn read(db: &Connection, sql: &str, asked: &Asked) -> Result<Vec<EventRecord>, StoreError> {
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let mut events = Vec::new();
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![asked.run.0, asked.project.0, clamp(asked.after), asked.limit])?;
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        add_row(row, asked.after, &mut events)?;
    }
    events.truncate(limit);
    Ok(events)
}

/// Adds the events of a row that come after a number.
fn add_row(row: &Row<'_>, after: u64, events: &mut Vec<EventRecord>) -> Result<(), StoreError> {
    let (last, states) = (count(row, 0)?, row.get_ref(3)?.as_str_or_null().map_err(rusqlite::Error::from)?);
    match row.get_ref(4)?.as_blob_or_null().map_err(rusqlite::Error::from)? {
        Some(packed) => add(last, halves(&packed::open(packed)?)?, states, after, events),
        None => add(last, (text(row, 1)?, text(row, 2)?), states, after, events),
    }
}

/// The kinds and the payloads.
fn halves(text: &str) -> Result<(&str, &str), StoreError> {
    text.split_once(BREAK).ok_or_else(packed::damaged)
}

/// `last` is the number of the last one.
fn add(
    last: u64,
    (kinds, payloads): (&str, &str),
    states: Option<&str>,
    after: u64,
    events: &mut Vec<EventRecord>,
) -> Result<(), StoreError> {
    let others = kinds.matches('\n').count();
    if others == 0 {
        let (kind, payload, state) = (kinds.to_owned(), payloads.to_owned(), states.map(str::to_owned));
        events.push(EventRecord { seq: last, kind, payload, state });
        return Ok(());
    }
    if payloads.matches('\n').count() != others {
        return Err(packed::damaged());
    }
    let first = last.saturating_sub(others as u64);
    let states = states.into_iter().flat_map(|states| states.split('\n')).chain(iter::repeat(""));
    let rows = (first..).zip(kinds.split('\n')).zip(payloads.split('\n')).zip(states);
    events.extend(rows.filter(|(((seq, _), _), _)| *seq > after).map(|(((seq, kind), payload), state)| {
        let state = (!state.is_empty()).then(|| state.to_owned());
        EventRecord { seq, kind: kind.to_owned(), payload: payload.to_owned(), state }
    }));
    Ok(())
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}
