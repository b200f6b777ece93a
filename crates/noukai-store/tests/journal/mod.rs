//! The journal of runs: what a sudden end leaves in it, and what it must not bring back.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{beside, contract::bed::*, copy_files, kill, open, refusal, shared};

/// A store whose database takes no writes just now, as another connection has the lock: what is acknowledged is in the
/// journal alone. The lock goes before the store.
struct Held {
    lock: Connection,
    store: Shared,
    demo: ProjectId,
    path: PathBuf,
    directory: TempDir,
}

impl Held {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("noukai.db");
        let store = shared(&path);
        let demo = project(&store, "demo").await;
        let lock = Connection::open(&path).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self { lock, store, demo, path, directory }
    }

    /// Whole runs of two writes each, acknowledged.
    async fn runs(&self, count: usize) -> Vec<RunId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = run_id();
            let first = create(record(self.demo, id, TriggerType::Execute)).events(1..=2);
            self.store.append(first).stored().await.unwrap();
            self.store.append(write(self.demo, id).events(3..=4).ends(RunStatus::Completed)).stored().await.unwrap();
            ids.push(id);
        }
        ids
    }

    /// The files as a kill at this moment would leave them.
    fn killed(&self, name: &str) -> PathBuf {
        let copy = self.directory.path().join(name);
        copy_files(&self.path, &copy);
        copy
    }

    /// Lets the database take writes again.
    fn let_go(&self) {
        self.lock.execute_batch("ROLLBACK").unwrap();
    }
}

async fn assert_whole(store: &Shared, demo: ProjectId, ids: &[RunId]) {
    for id in ids {
        let run = store.run(demo, *id).await.unwrap().expect("acknowledged");
        assert_eq!((run.status, run.last_seq), (RunStatus::Completed, 4));
        assert_eq!(all_events(store, demo, *id).await.len(), 4);
    }
}

fn journal(path: &Path) -> PathBuf {
    path.with_extension("db-runs-0")
}

/// Where the last record ends; what follows is room.
fn end(journal: &Path) -> usize {
    let bytes = fs::read(journal).unwrap();
    let mut end = 24;
    while let Some(length) = bytes.get(end..end + 4).map(|length| u32::from_le_bytes(length.try_into().unwrap()))
        && length > 0
    {
        end += 16 + length as usize;
    }
    end
}

#[tokio::test]
async fn what_only_the_journal_has_survives_a_kill() {
    let held = Held::new().await;
    let ids = held.runs(50).await;
    let copy = held.killed("copy.db");
    assert_eq!(runs_in(&copy), 0, "the database had taken them");
    let survivor = shared(&copy);
    assert_whole(&survivor, held.demo, &ids).await;
    survivor.close().await;
    assert_whole(&shared(&copy), held.demo, &ids).await;
    assert_eq!(runs_in(&copy), 50, "applied twice");
    held.let_go();
    assert_whole(&held.store, held.demo, &ids).await;
}

fn runs_in(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_write_that_was_cut_off_ends_the_journal() {
    let held = Held::new().await;
    let mut ids = held.runs(5).await;
    let before = end(&journal(&held.path));
    ids.push(held.runs(1).await[0]);
    let end = end(&journal(&held.path));
    for (number, cut) in [before + 3, before + 20, end - 1].into_iter().enumerate() {
        let copy = held.killed(&format!("copy-{number}.db"));
        fs::File::options().write(true).open(journal(&copy)).unwrap().set_len(cut as u64).unwrap();
        let survivor = shared(&copy);
        assert_whole(&survivor, held.demo, &ids[..5]).await;
        let last = survivor.run(held.demo, ids[5]).await.unwrap();
        assert!(last.is_none_or(|run| run.status == RunStatus::Running && run.last_seq == 2));
    }
    let copy = held.killed("changed.db");
    let mut bytes = fs::read(journal(&copy)).unwrap();
    bytes[before + 30] ^= 1;
    fs::write(journal(&copy), bytes).unwrap();
    let survivor = shared(&copy);
    assert_whole(&survivor, held.demo, &ids[..5]).await;
    assert_eq!(runs_in(&copy), 5);
}

/// A database that is put in the place of another must not get the other's runs.
#[tokio::test]
async fn another_databases_journal_is_left_alone() {
    let held = Held::new().await;
    let ids = held.runs(3).await;
    let copy = held.killed("copy.db");
    for extension in ["db", "db-wal"] {
        fs::remove_file(copy.with_extension(extension)).unwrap();
    }
    let fresh = shared(&copy);
    assert_eq!(fresh.run(held.demo, ids[0]).await.unwrap(), None);
    let demo = project(&fresh, "demo").await;
    let id = started(&fresh, demo, TriggerType::Execute).await;
    assert!(fresh.run(demo, id).await.unwrap().is_some());
}

/// As after a power cut that took the database's last moments and left a later part of the journal.
#[tokio::test]
async fn nothing_is_applied_past_a_gap() {
    let held = Held::new().await;
    let ids = held.runs(3).await;
    let copy = held.killed("copy.db");
    let bytes = fs::read(journal(&copy)).unwrap();
    let first = u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize + 16;
    fs::write(journal(&copy), [&bytes[..24], &bytes[24 + first..]].concat()).unwrap();
    let survivor = shared(&copy);
    assert_eq!(survivor.run(held.demo, ids[2]).await.unwrap(), None);
    let id = started(&survivor, held.demo, TriggerType::Execute).await;
    assert!(survivor.run(held.demo, id).await.unwrap().is_some());
}

#[tokio::test]
async fn another_releases_journal_is_refused() {
    let held = Held::new().await;
    held.runs(1).await;
    let copy = held.killed("copy.db");
    let mut bytes = fs::read(journal(&copy)).unwrap();
    bytes[7] = 9;
    fs::write(journal(&copy), &bytes).unwrap();
    let why = refusal(&copy);
    assert!(why.contains("another release") && why.contains("copy.db-runs-0"), "{why}");
    assert_eq!(fs::read(journal(&copy)).unwrap(), bytes, "it is for the release that wrote it");
}

/// Both files are written many times over, with a kill after each.
#[tokio::test]
async fn its_files_are_written_in_turns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let store = shared(&path);
    let demo = project(&store, "demo").await;
    let mut ids = Vec::new();
    for round in 0..12 {
        for _ in 0..4 {
            let id = run_id();
            let mut whole = create(record(demo, id, TriggerType::Execute)).events(1..=4).ends(RunStatus::Completed);
            whole.events[1].payload = format!("{{\"text\":\"{}\"}}", "x".repeat(500_000));
            store.append(whole).stored().await.unwrap();
            ids.push(id);
        }
        let copy = directory.path().join(format!("copy-{round}.db"));
        kill(&path, &copy);
        assert_whole(&shared(&copy), demo, &ids).await;
        assert_whole(&store, demo, &ids).await;
    }
    let longest = ["db-runs-0", "db-runs-1"].map(|name| fs::metadata(path.with_extension(name)).unwrap().len());
    assert!(longest.iter().all(|length| (1 << 20..9 << 20).contains(length)), "{longest:?}");
}

/// What was acknowledged is kept and tried again; who comes meanwhile hears that the database takes nothing. Whether the
/// fault undoes the whole transaction or a statement.
#[tokio::test]
async fn a_database_that_takes_nothing_gets_it_later() {
    for when in ["UPDATE ON run_journal BEGIN SELECT raise(ROLLBACK", "INSERT ON runs BEGIN SELECT raise(ABORT"] {
        let held = Held::new().await;
        held.let_go();
        let full = Connection::open(&held.path).unwrap();
        full.execute_batch(&format!("CREATE TRIGGER full BEFORE {when}, 'the disk is full'); END")).unwrap();
        let ids = held.runs(2).await;
        let read = held.store.run(held.demo, ids[0]).await;
        assert!(matches!(read, Err(StoreError::Database(_))), "{read:?}");
        let late = held.store.append(create(record(held.demo, run_id(), TriggerType::Execute))).stored().await;
        assert!(matches!(late, Err(StoreError::Database(_))), "{late:?}");
        full.execute_batch("DROP TRIGGER full").unwrap();
        // Without anyone who asks for it.
        let begun = Instant::now();
        while runs_in(&held.path) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it is not tried again");
            tokio::task::yield_now().await;
        }
        let more = held.runs(1).await;
        assert_whole(&held.store, held.demo, &[ids, more].concat()).await;
    }
}

/// A start that finds the disk full leaves everything for the next.
#[tokio::test]
async fn a_start_that_fails_is_made_again() {
    let held = Held::new().await;
    let ids = held.runs(6).await;
    for (number, raise) in ["ROLLBACK", "ABORT"].into_iter().enumerate() {
        let copy = held.killed(&format!("copy-{number}.db"));
        let full = Connection::open(&copy).unwrap();
        full.execute_batch(&format!(
            "CREATE TRIGGER full BEFORE INSERT ON runs WHEN (SELECT count(*) FROM runs) = 3 \
             BEGIN SELECT raise({raise}, 'the disk is full'); END"
        ))
        .unwrap();
        for _ in 0..2 {
            assert!(matches!(open(&copy), Err(StoreError::Database(_))));
        }
        full.execute_batch("DROP TRIGGER full").unwrap();
        assert_whole(&shared(&copy), held.demo, &ids).await;
    }
}

/// Commands stand beside a server and leave it its journal; a server that starts while a command looks waits for it.
#[tokio::test]
async fn one_process_has_it() {
    let held = Held::new().await;
    held.let_go();
    let beside = beside(Some(&held.path));
    held.lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ids = held.runs(2).await;
    assert_eq!(beside.run(held.demo, ids[0]).await.unwrap(), None, "not yet in the database");
    held.let_go();
    assert_whole(&held.store, held.demo, &ids).await;
    assert_whole(&beside, held.demo, &ids).await;
    held.store.close().await;
    let next = open(&held.path).unwrap();
    drop(next);
}

/// A command that comes first after a kill applies what is left.
#[tokio::test]
async fn a_command_applies_what_a_kill_left() {
    let held = Held::new().await;
    let ids = held.runs(3).await;
    let copy = held.killed("copy.db");
    assert_whole(&beside(Some(&copy)), held.demo, &ids).await;
    assert_whole(&shared(&copy), held.demo, &ids).await;
}

#[tokio::test]
async fn a_backup_has_what_only_the_journal_has() {
    let held = Held::new().await;
    let ids = held.runs(3).await;
    let copy = held.directory.path().join("backup.db");
    let (from, to) = (held.path.clone(), copy.clone());
    tokio::task::spawn_blocking(move || SqliteStore::back_up(&from, &to)).await.unwrap().unwrap();
    // In the place of the original, with its journal: what came after the backup stays gone.
    let later = held.runs(1).await;
    fs::copy(journal(&held.path), journal(&copy)).unwrap();
    let restored = shared(&copy);
    assert_whole(&restored, held.demo, &ids).await;
    assert_eq!(restored.run(held.demo, later[0]).await.unwrap(), None);
}
