//! Progress of intake sources, positions that they were given, and header lines of CSV records, for
//! a log that cannot keep them itself. Values go in and out as columns: the log owns their types.

use sqlx::Row;

use super::{StoreError, Tx, int, uint};

/// How far a source has been appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMark {
    /// The source's name.
    pub source: String,
    /// Bytes of it that are appended.
    pub bytes_in: u64,
    /// Records of it that are appended.
    pub records_in: u64,
    /// Whether it ended whole.
    pub complete: bool,
    /// SHA-256 of what is appended.
    pub digest: [u8; 32],
}

/// Neighbouring positions of one partition: partition, first, next.
pub type Given = (u32, u64, u64);

/// The mark of a source, if it was ever seen.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn mark(tx: &mut Tx, source: &str) -> Result<Option<StoredMark>, StoreError> {
    let row = sqlx::query(
        "select bytes_in, records_in, complete, digest from intake_mark where source = $1",
    )
    .bind(source)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let digest: Vec<u8> = row.try_get("digest")?;
    let digest = digest.try_into().map_err(|digest: Vec<u8>| StoreError::Damaged {
        what: "intake_mark.digest",
        detail: format!("expected 32 bytes, found {}", digest.len()),
    })?;
    let complete: i64 = row.try_get("complete")?;
    Ok(Some(StoredMark {
        source: source.to_owned(),
        bytes_in: uint(row.try_get("bytes_in")?),
        records_in: uint(row.try_get("records_in")?),
        complete: complete != 0,
        digest,
    }))
}

/// Moves a mark on from `records_before`, which its source must have; `false` where it has another
/// number by now. The positions given since then go with it.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn advance_mark(
    tx: &mut Tx,
    topic: &str,
    mark: &StoredMark,
    records_before: u64,
    given: &[Given],
) -> Result<bool, StoreError> {
    let statement = if records_before == 0 {
        // A source that was seen without records has a row already.
        "insert into intake_mark (source, topic, bytes_in, records_in, complete, digest) \
         values ($1, $2, $3, $4, $5, $6) on conflict (source) do update set \
         bytes_in = excluded.bytes_in, records_in = excluded.records_in, \
         complete = excluded.complete, digest = excluded.digest \
         where intake_mark.records_in = $7"
    } else {
        "update intake_mark set topic = $2, bytes_in = $3, records_in = $4, complete = $5, \
         digest = $6 where source = $1 and records_in = $7"
    };
    let done = sqlx::query(statement)
        .bind(&mark.source)
        .bind(topic)
        .bind(int(mark.bytes_in))
        .bind(int(mark.records_in))
        .bind(i64::from(mark.complete))
        .bind(mark.digest.to_vec())
        .bind(int(records_before))
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    for (partition, first, next) in given {
        sqlx::query(
            "insert into intake_given \
             (source, records_before, partition, first_offset, next_offset) \
             values ($1, $2, $3, $4, $5)",
        )
        .bind(&mark.source)
        .bind(int(records_before))
        .bind(i64::from(*partition))
        .bind(int(*first))
        .bind(int(*next))
        .execute(&mut **tx)
        .await?;
    }
    Ok(true)
}

/// The topic of a source and the positions that it was given, in order of its appends.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn given(tx: &mut Tx, source: &str) -> Result<Option<(String, Vec<Given>)>, StoreError> {
    let rows = sqlx::query(
        "select m.topic, g.partition, g.first_offset, g.next_offset from intake_mark m \
         join intake_given g on g.source = m.source where m.source = $1 \
         order by g.records_before, g.partition, g.first_offset",
    )
    .bind(source)
    .fetch_all(&mut **tx)
    .await?;
    let mut topic = None;
    let mut given = Vec::with_capacity(rows.len());
    for row in rows {
        let partition: i64 = row.try_get("partition")?;
        let partition = u32::try_from(partition).unwrap_or(u32::MAX);
        let (first, next) = (row.try_get("first_offset")?, row.try_get("next_offset")?);
        given.push((partition, uint(first), uint(next)));
        topic = Some(row.try_get("topic")?);
    }
    Ok(topic.map(|topic| (topic, given)))
}

/// Forgets positions that the log no longer has: those of a partition below `first`.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn forget_given(
    tx: &mut Tx,
    topic: &str,
    partition: u32,
    first: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from intake_given where partition = $1 and next_offset <= $2 \
         and source in (select source from intake_mark where topic = $3)",
    )
    .bind(i64::from(partition))
    .bind(int(first))
    .bind(topic)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores a header line under its digest, once.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_header(tx: &mut Tx, digest: [u8; 32], line: &[u8]) -> Result<(), StoreError> {
    sqlx::query(
        "insert into csv_header (digest, line) values ($1, $2) on conflict (digest) do nothing",
    )
    .bind(digest.to_vec())
    .bind(line)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The header line of a digest.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn header(tx: &mut Tx, digest: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("select line from csv_header where digest = $1")
        .bind(digest.to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("line")).transpose()?)
}
