//! The SQLite store: the contract, and what only a file can do.

#![cfg(test)]

mod contract;
mod journal;

use std::{fs, path::Path, sync::Arc};

use contract::{bed::*, contract_tests};
use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;
use rusqlite::Connection;

async fn make_store() -> Shared {
    Arc::new(SqliteStore::open(SqliteOptions::default()).unwrap())
}

contract_tests!(sqlite, crate::make_store);

/// Beside another process, as commands are: each write goes to the database itself.
fn beside(path: Option<&Path>) -> Shared {
    let path = path.map(Path::to_owned);
    Arc::new(SqliteStore::open(SqliteOptions { path, alone: false, ..SqliteOptions::default() }).unwrap())
}

async fn make_store_without_journal() -> Shared {
    beside(None)
}

contract_tests!(sqlite_without_journal, crate::make_store_without_journal);

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(SqliteOptions { path: Some(path.into()), ..SqliteOptions::default() })
}

fn shared(path: &Path) -> Shared {
    Arc::new(open(path).unwrap())
}

fn refusal(path: &Path) -> String {
    match open(path) {
        Err(StoreError::Unusable(why) | StoreError::Newer(why)) => {
            assert!(why.contains(path.to_str().unwrap()), "names the file: {why}");
            why
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("opened"),
    }
}

/// A store with so many finished runs in it, closed.
async fn filled(path: &Path, runs: usize) -> (ProjectId, Vec<RunId>) {
    let store = shared(path);
    let demo = project(&store, "demo").await;
    let mut ids = Vec::new();
    for _ in 0..runs {
        let id = run_id();
        let whole = create(record(demo, id, TriggerType::Execute)).events(1..=3).ends(RunStatus::Completed);
        store.append(whole).stored().await.unwrap();
        ids.push(id);
    }
    store.close().await;
    (demo, ids)
}

#[tokio::test]
async fn a_reopened_file_has_it_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/down/noukai.db");
    let (demo, ids) = filled(&path, 20).await;
    assert!(!path.with_extension("db-wal").exists(), "a closed store is one file");
    let store = shared(&path);
    store.ready().await.unwrap();
    for id in ids {
        assert_eq!(store.run(demo, id).await.unwrap().unwrap().last_seq, 3);
        assert_eq!(all_events(&store, demo, id).await.len(), 3);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_the_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/noukai.db");
    let store = shared(&path);
    project(&store, "demo").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    for beside in ["db-wal", "db-runs-0", "db-runs-1"] {
        assert_eq!(mode(&path.with_extension(beside)), 0o600, "{beside}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

/// What a killed process leaves, as it is at some moment while the store works on. Nothing is committed between the copies,
/// but the log is copied into the database meanwhile: so that comes first.
fn kill(path: &Path, copy: &Path) {
    let lock = Connection::open(path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    copy_files(path, copy);
    lock.execute_batch("ROLLBACK").unwrap();
}

fn copy_files(path: &Path, copy: &Path) {
    for extension in ["db", "db-wal", "db-runs-0", "db-runs-1"] {
        fs::copy(path.with_extension(extension), copy.with_extension(extension)).unwrap();
    }
}

/// What a killed process leaves is the files as they are: a copy of them, made while the store works on.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let store = shared(&path);
    let demo = project(&store, "demo").await;
    for round in 0..5 {
        let ids = at_once(200, |_| {
            let (id, store) = (run_id(), store.clone());
            async move {
                let first = store.append(create(record(demo, id, TriggerType::Execute)).events(1..=2));
                let last = store.append(write(demo, id).events(3..=4).ends(RunStatus::Completed));
                first.stored().await.unwrap();
                last.stored().await.unwrap();
                id
            }
        })
        .await;
        let copy = directory.path().join(format!("copy-{round}.db"));
        kill(&path, &copy);
        let survivor = shared(&copy);
        for id in ids {
            let run = survivor.run(demo, id).await.unwrap().expect("acknowledged");
            assert_eq!((run.status, run.last_seq), (RunStatus::Completed, 4));
        }
    }
}

#[tokio::test]
async fn dropping_the_last_handle_stores_what_is_queued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let store = shared(&path);
    let demo = project(&store, "demo").await;
    let id = run_id();
    let ticket = store.append(create(record(demo, id, TriggerType::Execute)));
    drop(store);
    ticket.stored().await.unwrap();
    assert!(!path.with_extension("db-wal").exists());
    assert!(shared(&path).run(demo, id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_private_store_leaves_nothing() {
    let store = open_private();
    let path = store.path().to_owned();
    assert!(path.exists());
    drop(store);
    assert!(!path.parent().unwrap().exists());
}

fn open_private() -> SqliteStore {
    SqliteStore::open(SqliteOptions { durability: Durability::Full, ..SqliteOptions::default() }).unwrap()
}

/// Another connection holds the lock, so the writer waits in its first transaction and the queue fills up.
#[tokio::test]
async fn a_full_queue_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let options = SqliteOptions { path: Some(path.clone()), queue: 4, ..SqliteOptions::default() };
    let store: Shared = Arc::new(SqliteStore::open(options).unwrap());
    let demo = project(&store, "demo").await;
    let lock = Connection::open(&path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let tickets: Vec<Ticket> =
        (0..1_000).map(|_| store.append(create(record(demo, run_id(), TriggerType::Execute)))).collect();
    lock.execute_batch("ROLLBACK").unwrap();
    let (mut stored, mut refused) = (0, 0);
    for ticket in tickets {
        match ticket.stored().await {
            Ok(()) => stored += 1,
            Err(StoreError::Overloaded) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(stored >= 4 && refused > 0, "{stored} stored, {refused} refused");
    started(&store, demo, TriggerType::Execute).await;
}

#[test]
fn text_is_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    for text in ["hello".to_owned(), "a line of text\n".repeat(1_000), "SQLite format 3\0 cut".to_owned()] {
        fs::write(&path, &text).unwrap();
        let why = refusal(&path);
        assert!(why.contains("move"), "{why}");
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes(), "left as it was");
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let bytes = fs::read(&path).unwrap();
    let why = refusal(&path);
    assert!(why.contains("no Noukai database") && why.contains("another program"), "{why}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_directory_is_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("cannot be opened"), "{why}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    filled(&path, 200).await;
    let whole = fs::read(&path).unwrap();
    let mut scribbled = whole.clone();
    for byte in &mut scribbled[whole.len() / 2..whole.len() / 2 + 20_000] {
        *byte = 0xa5;
    }
    let mut no_schema = whole.clone();
    no_schema[100..4_000].fill(0);
    for bad in [&whole[..whole.len() / 2], &whole[..5_000], &scribbled, &no_schema] {
        fs::write(&path, bad).unwrap();
        let why = refusal(&path);
        assert!(why.contains("damaged") && why.contains("restore a backup"), "{why}");
        assert_eq!(fs::read(&path).unwrap(), bad, "left as it was");
    }
    fs::write(&path, &whole).unwrap();
    open(&path).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    filled(&path, 1).await;
    let db = Connection::open(&path).unwrap();
    db.execute("INSERT INTO schema_migrations (number, name, release) VALUES (99, 'later', '9.8.7')", []).unwrap();
    drop(db);
    let why = refusal(&path);
    assert!(why.contains("9.8.7") && why.contains("upgrade") && why.contains("schema 99"), "{why}");
    assert!(matches!(open(&path), Err(StoreError::Newer(_))));
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&path).map(drop))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(opened.iter().all(Result::is_ok), "{opened:?}");
}

#[tokio::test]
async fn what_is_no_run_of_this_release_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let (demo, ids) = filled(&path, 1).await;
    Connection::open(&path).unwrap().execute("UPDATE runs SET status = 'dreaming'", []).unwrap();
    let failed = shared(&path).run(demo, ids[0]).await.unwrap_err().to_string();
    assert!(failed.contains("dreaming"), "{failed}");
}

/// While many write, and again and again: each copy is whole, and has what was there before it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_store_at_work_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let store = shared(&path);
    let demo = project(&store, "demo").await;
    let (stop, stopped) = tokio::sync::watch::channel(());
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (store, stopped) = (store.clone(), stopped.clone());
            tokio::spawn(async move {
                while !stopped.has_changed().unwrap_or(true) {
                    started(&store, demo, TriggerType::Job).await;
                }
            })
        })
        .collect();
    for round in 0..2 {
        let before = started(&store, demo, TriggerType::Execute).await;
        let copy = directory.path().join(format!("copy-{round}.db"));
        let (from, to) = (path.clone(), copy.clone());
        tokio::task::spawn_blocking(move || SqliteStore::back_up(&from, &to)).await.unwrap().unwrap();
        let found = SqliteStore::inspect(&copy, true).unwrap();
        assert_eq!((found.damage, found.schema.pending), (None, vec![]));
        let restored = shared(&copy);
        assert!(restored.run(demo, before).await.unwrap().is_some());
        let waiting = restored.queue(demo).await.unwrap().waiting;
        assert_eq!(restored.claim_jobs(claim_of(u32::MAX, 100, 130)).await.unwrap().len(), waiting as usize);
        restored.close().await;
    }
    drop(stop);
    for writer in writers {
        writer.await.unwrap();
    }
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("partial")));
}

#[tokio::test]
async fn a_backup_takes_no_name_that_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    filled(&path, 1).await;
    let taken = directory.path().join("taken");
    fs::write(&taken, "mine").unwrap();
    for (to, word) in [(taken.clone(), "exists already"), (directory.path().join("no/such/x.db\0"), "cannot write")] {
        let why = SqliteStore::back_up(&path, &to).unwrap_err().to_string();
        assert!(why.contains(word), "{why}");
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    fs::write(&path, "no database").unwrap();
    let why = SqliteStore::back_up(&path, &directory.path().join("copy")).unwrap_err().to_string();
    assert!(why.contains("no Noukai database"), "{why}");
}

#[tokio::test]
async fn a_look_changes_nothing_and_finds_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    assert!(matches!(SqliteStore::inspect(&path, true), Err(StoreError::Unusable(_))));
    assert!(!path.exists());
    filled(&path, 200).await;
    let found = SqliteStore::inspect(&path, true).unwrap();
    assert_eq!((found.damage.as_deref(), found.newest_run), (None, Some(at(10))));
    assert_eq!(found.schema.found, found.schema.current);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    assert!(SqliteStore::inspect(&path, true).unwrap().damage.is_some());
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// As schemas before the first packs, before compression and since have them.
#[tokio::test]
async fn rows_of_all_kinds_are_read_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let store = shared(&path);
    let demo = project(&store, "demo").await;
    let id = run_id();
    let long = |seq| NewEvent { payload: format!(r#"{{"n":{seq},"text":"{}"}}"#, "word ".repeat(50)), ..event(seq) };
    let whole = RunWrite { events: vec![long(4), long(5)], ..write(demo, id) };
    store.append(create(record(demo, id, TriggerType::Execute)).events(1..=3)).stored().await.unwrap();
    // So that they are not stored as one.
    store.run(demo, id).await.unwrap();
    store.append(whole).stored().await.unwrap();
    store.close().await;

    let db = Connection::open(&path).unwrap();
    let rows = "DELETE FROM run_events WHERE seq = 3;
        INSERT INTO run_events (run_id, seq, kind, payload) SELECT id, 1, 'run_started', '{\"n\":1}' FROM runs;
        INSERT INTO run_events (run_id, seq, kind, payload, state) SELECT id, 3, 'a' || char(10) || 'b',
            '{\"n\":2}' || char(10) || '{\"n\":3}', char(10) || '{}' FROM runs";
    db.execute_batch(rows).unwrap();
    let packed = "SELECT count(*) FROM run_events WHERE packed IS NOT NULL AND kind = '' AND payload = ''";
    assert_eq!(db.query_row(packed, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    let store = shared(&path);
    let events = store.events_with_state(demo, id, 0, 10).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.seq, event.kind.as_str())).collect();
    assert_eq!(kinds, [(1, "run_started"), (2, "a"), (3, "b"), (4, "step_completed"), (5, "step_completed")]);
    assert_eq!((events[1].state.as_deref(), events[2].state.as_deref()), (None, Some("{}")));
    assert_eq!((&events[3].payload, events[4].state.as_deref()), (&long(4).payload, Some("{}")));
    store.close().await;

    for (damage, after) in [("packed = substr(packed, 2) WHERE seq = 5", 3), ("payload = '{}' WHERE seq = 3", 1)] {
        db.execute(&format!("UPDATE run_events SET {damage}"), []).unwrap();
        let store = shared(&path);
        let refused = store.events(demo, id, after, 1).await;
        assert!(matches!(refused, Err(StoreError::Database(_))), "{damage}: {refused:?}");
        store.close().await;
    }
}

/// What is deleted makes room for the file system, not just for the file.
#[tokio::test]
async fn space_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    filled(&path, 1_500).await;
    // What the schema alone takes is no space that runs could give back.
    let empty = directory.path().join("empty.db");
    shared(&empty).close().await;
    let schema = fs::metadata(&empty).unwrap().len();
    let full = fs::metadata(&path).unwrap().len() - schema;
    let store = shared(&path);
    let mut after = None;
    loop {
        let pruned = store.prune_runs(KeptSince::all(at(3_000_000_000)), after, 500).await.unwrap();
        after = pruned.seen;
        if pruned.done {
            break;
        }
    }
    for _ in 0..60 {
        store.give_back_space().await.unwrap();
    }
    store.close().await;
    let left = fs::metadata(&path).unwrap().len() - schema;
    assert!(left < full / 3, "{full} -> {left}");
}
