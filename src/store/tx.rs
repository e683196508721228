//! The open transaction, and where a simulation of the hub lets it fail. A hub in production has no
//! faults in its database: it pays for them with looking at an `Option`.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::{Any, AnyConnection, Transaction};

/// The open transaction that every store function takes. Dropped, it rolls back.
pub struct Tx {
    // Rolls back before those who watch hear that it has ended.
    inner: Transaction<'static, Any>,
    watch: Option<Watch>,
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read one snapshot.
    Read,
    /// Write.
    Write,
}

/// What becomes of a transaction that is about to begin.
#[derive(Debug)]
pub enum BeginFate {
    /// It begins.
    Begin,
    /// It begins, and the disk has from now on no room (or room again).
    Disk {
        /// Whether no page can be added.
        is_full: bool,
    },
    /// The database is away.
    Fail(sqlx::Error),
}

/// What becomes of a transaction that is about to commit.
#[derive(Debug)]
pub enum CommitFate {
    /// It commits.
    Commit,
    /// It is rolled back, with this error.
    Lost(sqlx::Error),
    /// It commits, and whoever asked hears this error: to them the outcome is unknown.
    Unanswered(sqlx::Error),
}

/// Who decides what becomes of transactions, and may keep them waiting.
pub trait StoreFaults: Send + Sync {
    /// A transaction is about to begin.
    fn before_begin(&self, access: Access) -> BoxFuture<'_, BeginFate>;

    /// A transaction is about to commit.
    fn before_commit(&self, access: Access) -> BoxFuture<'_, CommitFate>;

    /// A transaction that was to begin has ended, in whatever way.
    fn ended(&self, access: Access);
}

/// Watches one transaction until it has ended.
pub(super) struct Watch {
    faults: Arc<dyn StoreFaults>,
    access: Access,
}

impl Watch {
    /// Asks whether a transaction may begin; gives whether the disk has changed.
    pub(super) async fn begin(
        faults: &Arc<dyn StoreFaults>,
        access: Access,
    ) -> Result<(Self, Option<bool>), sqlx::Error> {
        let fate = faults.before_begin(access).await;
        // From here on it ends, whatever happens.
        let watch = Self { faults: Arc::clone(faults), access };
        match fate {
            BeginFate::Begin => Ok((watch, None)),
            BeginFate::Disk { is_full } => Ok((watch, Some(is_full))),
            BeginFate::Fail(error) => Err(error),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.faults.ended(self.access);
    }
}

impl Tx {
    pub(super) const fn new(inner: Transaction<'static, Any>, watch: Option<Watch>) -> Self {
        Self { inner, watch }
    }

    /// Commits. After an error the outcome is unknown.
    ///
    /// # Errors
    /// [`sqlx::Error`] where the engine refuses, or does not answer.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { inner, watch } = self;
        let Some(watch) = watch else { return inner.commit().await };
        match watch.faults.before_commit(watch.access).await {
            CommitFate::Commit => inner.commit().await,
            CommitFate::Lost(error) => {
                inner.rollback().await?;
                Err(error)
            }
            CommitFate::Unanswered(error) => {
                inner.commit().await?;
                Err(error)
            }
        }
    }

    /// Rolls back.
    ///
    /// # Errors
    /// [`sqlx::Error`] where the engine does not answer; it rolls back nevertheless.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        let Self { inner, watch } = self;
        let outcome = inner.rollback().await;
        drop(watch);
        outcome
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
