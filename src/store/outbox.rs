//! What is owed to counterparties. A record's id is made of its cause and revision, so that the
//! same cause never owes twice; order is (destination, key, seq).

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::Row;

use super::bulk::Bulk;
use super::{StoreError, Tx};
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::time::Moment;

/// Rows of one statement; 9 values a row stay far below the limits of both engines.
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
/// The rows of all keys are locked first, in order: whoever owes the same ids or keys waits here,
/// and then sees what was owed.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn owe_all(tx: &mut Tx, owed: &[Owed]) -> Result<Vec<bool>, StoreError> {
    let mut keys: BTreeMap<OutboxKey<'_>, i64> = BTreeMap::new();
    for one in owed {
        *keys.entry(key_of(one)).or_default() += 1;
    }
    let reserved = reserve(tx, &keys).await?;
    let mut next: BTreeMap<OutboxKey<'_>, i64> =
        keys.iter().zip(&reserved).map(|((key, count), last)| (*key, last - count + 1)).collect();
    let mut known = known_ids(tx, owed).await?;
    let (mut new, mut fresh) = (Vec::with_capacity(owed.len()), Vec::new());
    for one in owed {
        // Of several records with one id only the first is new.
        let is_new = known.insert(one.id.as_str().to_owned());
        new.push(is_new);
        if is_new && let Some(place) = next.get_mut(&key_of(one)) {
            fresh.push((one, *place));
            *place += 1;
        }
    }
    insert(tx, &fresh).await?;
    let unused = next.into_iter().zip(reserved).filter(|((_, next), last)| *next <= *last);
    give_back(tx, &unused.map(|(unused, _)| unused).collect::<Vec<_>>()).await?;
    Ok(new)
}

/// Destination and key.
type OutboxKey<'a> = (&'a str, &'a str);

fn key_of(owed: &Owed) -> OutboxKey<'_> {
    (owed.destination.as_str(), owed.key.as_str())
}

/// Locks the row of each key and takes as many places as it has records; gives the last place of
/// each, in the order of the keys.
async fn reserve(tx: &mut Tx, keys: &BTreeMap<OutboxKey<'_>, i64>) -> Result<Vec<i64>, StoreError> {
    let counts: Vec<_> = keys.iter().collect();
    let mut last: HashMap<(String, String), i64> = HashMap::with_capacity(counts.len());
    for chunk in counts.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new("insert into outbox_key (destination, key, seq) values ");
        query.rows(chunk, |((destination, key), count)| {
            [(*destination).into(), (*key).into(), (**count).into()]
        });
        query.push(
            " on conflict (destination, key) do update set seq = outbox_key.seq + excluded.seq \
             returning destination, key, seq",
        );
        for row in query.build().fetch_all(&mut **tx).await? {
            last.insert((row.try_get("destination")?, row.try_get("key")?), row.try_get("seq")?);
        }
    }
    let last_of = |(destination, key): &OutboxKey<'_>| {
        let found = last.get(&((*destination).to_owned(), (*key).to_owned()));
        found.copied().ok_or_else(|| StoreError::Damaged {
            what: "outbox_key",
            detail: format!("expected the row of {destination} {key}, found none"),
        })
    };
    keys.keys().map(last_of).collect()
}

/// Gives places back that were reserved for records that are owed already.
async fn give_back(tx: &mut Tx, next: &[(OutboxKey<'_>, i64)]) -> Result<(), StoreError> {
    for ((destination, key), next) in next {
        sqlx::query("update outbox_key set seq = $1 where destination = $2 and key = $3")
            .bind(next - 1)
            .bind(*destination)
            .bind(*key)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn known_ids(tx: &mut Tx, owed: &[Owed]) -> Result<HashSet<String>, StoreError> {
    let mut known = HashSet::new();
    for chunk in owed.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new("select id from outbox where id in (");
        query.list(chunk.iter().map(|one| one.id.as_str())).push(")");
        for row in query.build().fetch_all(&mut **tx).await? {
            known.insert(row.try_get("id")?);
        }
    }
    Ok(known)
}

async fn insert(tx: &mut Tx, owed: &[(&Owed, i64)]) -> Result<(), StoreError> {
    for chunk in owed.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new(
            "insert into outbox \
             (id, destination, key, seq, kind, revision, body, caused_at, state) values ",
        );
        query.rows(chunk, |(one, place)| {
            [
                one.id.as_str().into(),
                one.destination.as_str().into(),
                one.key.as_str().into(),
                (*place).into(),
                one.kind.into(),
                i64::from(one.revision).into(),
                one.body.as_str().into(),
                one.caused_at.ms().into(),
                "owed".into(),
            ]
        });
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}
