//! Watches the folder and has it looked at again after each burst of changes.

use std::{collections::BTreeSet, path::Path, path::PathBuf, sync::Arc, time::Duration};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{sync::Notify, time::timeout};

use super::folder::Folder;
use crate::{flow_files, output};

/// A burst is over when nothing happened for this long.
const QUIET: Duration = Duration::from_millis(100);
/// A burst that does not end is looked at all the same.
const PATIENCE: usize = 20;

/// A watch over the folder and its direct subfolders.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    changed: Arc<Notify>,
    watched: BTreeSet<PathBuf>,
    /// Written to all the time, and no place for flows.
    data: PathBuf,
}

impl Watch {
    /// Begins. Where the system refuses, that is said, and the folder is served without reloads.
    pub fn start(folder: &Path, data: &Path) -> Self {
        let changed = Arc::new(Notify::new());
        let wake = changed.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                wake.notify_one();
            }
        });
        let watcher = watcher.map_err(|error| no_reload(folder, &error)).ok();
        let mut watch = Self { watcher, changed, watched: BTreeSet::new(), data: real(data) };
        watch.follow(folder);
        watch
    }

    /// Watches subfolders that are new and forgets those that are gone.
    fn follow(&mut self, folder: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        let Ok(folders) = flow_files::folders(folder) else { return };
        let folders: BTreeSet<PathBuf> = folders.into_iter().filter(|folder| real(folder) != self.data).collect();
        for new in folders.difference(&self.watched) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                no_reload(new, &error);
            }
        }
        for gone in self.watched.difference(&folders) {
            // The system has forgotten a deleted folder by itself.
            let _ = watcher.unwatch(gone);
        }
        self.watched = folders;
    }

    async fn burst(&self) {
        self.changed.notified().await;
        for _ in 0..PATIENCE {
            if timeout(QUIET, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }
}

/// Reloads for ever. The first look is at once: a file may have changed before the watch began.
pub async fn run(mut watch: Watch, folder: &mut Folder<'_>) {
    loop {
        folder.look_again().await;
        watch.burst().await;
        watch.follow(folder.path());
    }
}

fn no_reload(folder: &Path, error: &notify::Error) {
    output::warning(&format!("changes in {} will not be noticed: {error}", folder.display()));
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
