//! A database in a folder of its own, for tests; the folder goes with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Database;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Scratch {
    pub(crate) database: Database,
    folder: PathBuf,
}

impl Scratch {
    pub(crate) async fn open() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-scratch-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let database = Database::open(&folder).await.expect("a database in the temporary folder");
        Self { database, folder }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "scratch folder stays");
        }
    }
}
