//! The bytes of held messages: those of one batch after one another, as one zstd frame.

use sqlx::Row;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::{ToHold, damaged};
use crate::store::{StoreError, Tx, int};

/// Held bytes lie long and are read seldom.
const LEVEL: i32 = 3;

/// Where the bytes of a message are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) blob: i64,
    pub(super) first_byte: u64,
    pub(super) bytes: u64,
}

/// Writes the bytes of all messages as one blob; gives the place of each.
pub(super) async fn put(tx: &mut Tx, messages: &[&ToHold]) -> Result<Vec<Place>, StoreError> {
    let mut raw = Vec::with_capacity(messages.iter().map(|held| held.value.len()).sum());
    let mut ranges = Vec::with_capacity(messages.len());
    for held in messages {
        ranges.push((wide(raw.len()), wide(held.value.len())));
        raw.extend_from_slice(&held.value);
    }
    let frame = pack(&raw).map_err(|error| damaged(format!("bytes to compress: {error}")))?;
    let row =
        sqlx::query("insert into held_blob (raw_bytes, bytes) values ($1, $2) returning blob")
            .bind(int(wide(raw.len())))
            .bind(frame)
            .fetch_one(&mut **tx)
            .await?;
    let blob = row.try_get("blob")?;
    Ok(ranges.into_iter().map(|(first_byte, bytes)| Place { blob, first_byte, bytes }).collect())
}

/// Deletes a blob that no message is in any more.
pub(super) async fn drop_empty(tx: &mut Tx, blob: i64) -> Result<(), StoreError> {
    sqlx::query(
        "delete from held_blob where blob = $1 \
         and not exists (select 1 from held where held.blob = $1)",
    )
    .bind(blob)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Reads blobs, keeping the last one unpacked: messages of one batch stand together.
#[derive(Default)]
pub(super) struct Blobs(Option<(i64, Vec<u8>)>);

impl Blobs {
    /// The bytes of one message.
    pub(super) async fn value(&mut self, tx: &mut Tx, place: Place) -> Result<Vec<u8>, StoreError> {
        let raw = match self.0.take() {
            Some((blob, raw)) if blob == place.blob => raw,
            Some(_) | None => read(tx, place.blob).await?,
        };
        let first = usize::try_from(place.first_byte).unwrap_or(usize::MAX);
        let end = first.saturating_add(usize::try_from(place.bytes).unwrap_or(usize::MAX));
        let value = raw.get(first..end).map(<[u8]>::to_vec);
        let length = raw.len();
        self.0 = Some((place.blob, raw));
        value.ok_or_else(|| {
            let blob = place.blob;
            damaged(format!("blob {blob}: expected bytes {first}..{end}, found {length}"))
        })
    }
}

async fn read(tx: &mut Tx, blob: i64) -> Result<Vec<u8>, StoreError> {
    let row = sqlx::query("select raw_bytes, bytes from held_blob where blob = $1")
        .bind(blob)
        .fetch_optional(&mut **tx)
        .await?;
    let row = row.ok_or_else(|| damaged(format!("expected blob {blob}, found none")))?;
    let raw_bytes: i64 = row.try_get("raw_bytes")?;
    let raw_bytes = usize::try_from(raw_bytes).unwrap_or(0);
    let frame: Vec<u8> = row.try_get("bytes")?;
    unpack(&frame, raw_bytes).map_err(|error| damaged(format!("blob {blob}: {error}")))
}

fn pack(raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    compressor.compress(raw)
}

fn unpack(frame: &[u8], raw_bytes: usize) -> std::io::Result<Vec<u8>> {
    Decompressor::new()?.decompress(frame, raw_bytes)
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
