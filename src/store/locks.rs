//! The keys that an event names, locked before anything is looked at.
//!
//! Two transactions that name the same key take turns, even where the thing itself has no row
//! yet; taking all keys in one fixed order keeps them from waiting for each other. (SQLite has one
//! writer anyway; the same statement holds the row lock on PostgreSQL until the commit.) What is
//! read after the lock shows what the one before committed.

use super::bulk::Bulk;
use super::{StoreError, Tx};
use crate::domain::ids::{CaseId, ConnectorId, DocumentNo, PersonToken, PlatformId, WorkerToken};
use crate::domain::time::Day;

const KEYS_A_STATEMENT: usize = 500;

/// A key, ordered by kind first: days before cases before persons, and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The day of a platform, whose counts are owed or replaced as a whole.
    Day(PlatformId, Day),
    /// A case.
    Case(CaseId),
    /// A rider of a platform.
    Rider(PlatformId, WorkerToken),
    /// A person.
    Person(PersonToken),
    /// A payment instruction.
    Instruction(DocumentNo),
    /// An e-ticket or the number of a declaration.
    Ticket(DocumentNo),
    /// A voucher of one connector.
    Voucher(ConnectorId, DocumentNo),
    /// What is held of a connector.
    Held(ConnectorId),
    /// The numbers of versions and of schemas, and the topics.
    Versions,
}

impl Key {
    fn text(&self) -> String {
        match self {
            Self::Day(platform, day) => format!("day:{platform}:{day}"),
            Self::Case(case) => format!("case:{case}"),
            Self::Rider(platform, worker) => format!("rider:{platform}:{:016x}", worker.0),
            Self::Person(person) => format!("person:{:016x}", person.0),
            Self::Instruction(number) => format!("instruction:{number}"),
            Self::Ticket(number) => format!("ticket:{number}"),
            Self::Voucher(connector, number) => format!("voucher:{connector}:{number}"),
            Self::Held(connector) => format!("held:{connector}"),
            Self::Versions => "versions".to_owned(),
        }
    }
}

/// Locks the rows of all keys, making those that are not there, in the order of [`Key`].
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn lock(tx: &mut Tx, keys: impl IntoIterator<Item = Key>) -> Result<(), StoreError> {
    let mut keys: Vec<Key> = keys.into_iter().collect();
    keys.sort_unstable();
    keys.dedup();
    for chunk in keys.chunks(KEYS_A_STATEMENT) {
        let mut query = Bulk::new("insert into key_lock (key, uses) values ");
        query.rows(chunk, |key| [key.text().into(), 1.into()]);
        query.push(" on conflict (key) do update set uses = key_lock.uses + 1");
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}
