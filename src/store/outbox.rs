//! What is owed to counterparties. A record's id is made of its cause and revision, so that the
//! same cause never owes twice; order is (destination, key, seq).

use std::collections::{HashMap, HashSet};

use sqlx::{QueryBuilder, Row};

use super::{StoreError, Tx};
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::time::Moment;

/// Rows of one statement; 8 values a row stay far below the limits of both engines.
const ROWS_A_STATEMENT: usize = 500;

/// A record that a transaction owes to a counterparty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// `<destination>:<kind>:<cause>:<revision>`.
    pub id: EventId,
    /// Who gets it.
    pub destination: DestinationId,
    /// Records of one key are delivered in order.
    pub key: String,
    /// The kind of record, as the destination's contract names it.
    pub kind: &'static str,
    /// Revision of the cause, from 1.
    pub revision: u32,
    /// The record's content as JSON text, without what the adapter adds.
    pub body: String,
    /// Append time of the message that caused it.
    pub caused_at: Moment,
}

/// Owes the record unless its id is owed already. Returns whether it is new.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn owe(tx: &mut Tx, owed: &Owed) -> Result<bool, StoreError> {
    let new = owe_all(tx, std::slice::from_ref(owed)).await?;
    Ok(new.first().copied().unwrap_or(false))
}

/// Owes the records whose ids are not owed already, in their order. Returns for each whether it
/// is new.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn owe_all(tx: &mut Tx, owed: &[Owed]) -> Result<Vec<bool>, StoreError> {
    let mut new = Vec::with_capacity(owed.len());
    let mut rest = owed;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(with_distinct_keys(rest));
        let mut known = known_ids(tx, group).await?;
        // Of several records with one id only the first is new.
        let is_new: Vec<bool> = group.iter().map(|owed| known.insert(owed.id.clone())).collect();
        let fresh = group.iter().zip(&is_new).filter(|(_, is_new)| **is_new);
        let fresh: Vec<&Owed> = fresh.map(|(owed, _)| owed).collect();
        if !fresh.is_empty() {
            let places = next_places(tx, &fresh).await?;
            insert(tx, &fresh, &places).await?;
        }
        new.extend(is_new);
        rest = later;
    }
    Ok(new)
}

/// How many leading records have each a key of its own, so that one statement can number them.
fn with_distinct_keys(owed: &[Owed]) -> usize {
    let mut seen = HashSet::new();
    let distinct = owed.iter().take(ROWS_A_STATEMENT);
    distinct.take_while(|owed| seen.insert((&owed.destination, owed.key.as_str()))).count().max(1)
}

async fn known_ids(tx: &mut Tx, owed: &[Owed]) -> Result<HashSet<EventId>, StoreError> {
    let mut query = QueryBuilder::new("select id from outbox where id in (");
    let mut ids = query.separated(", ");
    for one in owed {
        ids.push_bind(one.id.as_str());
    }
    query.push(")");
    let mut known = HashSet::new();
    for row in query.build().fetch_all(&mut **tx).await? {
        let found: String = row.try_get("id")?;
        known.extend(owed.iter().map(|one| &one.id).find(|id| id.as_str() == found).cloned());
    }
    Ok(known)
}

/// The next place of each key, under the lock of the key's row.
async fn next_places(
    tx: &mut Tx,
    owed: &[&Owed],
) -> Result<HashMap<(String, String), i64>, StoreError> {
    let mut query = QueryBuilder::new("insert into outbox_key (destination, key, seq) ");
    query.push_values(owed, |mut row, one| {
        row.push_bind(one.destination.as_str()).push_bind(one.key.as_str()).push("1");
    });
    query.push(
        " on conflict (destination, key) do update set seq = outbox_key.seq + 1 \
         returning destination, key, seq",
    );
    let mut places = HashMap::with_capacity(owed.len());
    for row in query.build().fetch_all(&mut **tx).await? {
        places.insert((row.try_get("destination")?, row.try_get("key")?), row.try_get("seq")?);
    }
    Ok(places)
}

async fn insert(
    tx: &mut Tx,
    owed: &[&Owed],
    places: &HashMap<(String, String), i64>,
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new(
        "insert into outbox \
         (id, destination, key, seq, kind, revision, body, caused_at, state) ",
    );
    query.push_values(owed, |mut row, one| {
        let place = (one.destination.as_str().to_owned(), one.key.clone());
        row.push_bind(one.id.as_str())
            .push_bind(one.destination.as_str())
            .push_bind(one.key.as_str())
            .push_bind(places.get(&place).copied())
            .push_bind(one.kind)
            .push_bind(i64::from(one.revision))
            .push_bind(one.body.as_str())
            .push_bind(one.caused_at.ms())
            .push("'owed'");
    });
    query.build().execute(&mut **tx).await?;
    Ok(())
}
