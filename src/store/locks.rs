//! The keys that an event names, locked before anything is looked at.
//!
//! Two transactions that name the same key take turns, even where the thing itself has no row
//! yet; taking all keys in one fixed order keeps them from waiting for each other. (SQLite has one
//! writer anyway; the same statement holds the row lock on PostgreSQL until the commit.)

use sqlx::QueryBuilder;

use super::{StoreError, Tx};
use crate::domain::ids::{CaseId, ConnectorId, DocumentNo, PersonToken, PlatformId, WorkerToken};

const KEYS_A_STATEMENT: usize = 500;

/// A key, ordered by kind first: cases before persons before instructions, and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
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
}

impl Key {
    fn text(&self) -> String {
        match self {
            Self::Case(case) => format!("case:{case}"),
            Self::Rider(platform, worker) => format!("rider:{platform}:{:016x}", worker.0),
            Self::Person(person) => format!("person:{:016x}", person.0),
            Self::Instruction(number) => format!("instruction:{number}"),
            Self::Ticket(number) => format!("ticket:{number}"),
            Self::Voucher(connector, number) => format!("voucher:{connector}:{number}"),
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
        let mut query = QueryBuilder::new("insert into key_lock (key, uses) ");
        query.push_values(chunk, |mut row, key| {
            row.push_bind(key.text()).push("1");
        });
        query.push(" on conflict (key) do update set uses = key_lock.uses + 1");
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}
