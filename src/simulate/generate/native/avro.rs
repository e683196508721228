//! 货拉拉's Avro: datums and object container files, written after the Avro 1.11 specification.

use super::super::platforms::HUOLALA;
use super::super::text::{number, unsigned};
use super::{Extra, Native, Step, order_id, rider};

/// Datums of one block.
const BLOCK_RECORDS_MAX: usize = 10_000;

const SCHEMA: &str = concat!(
    r#"{"type":"record","name":"OrderMessage","namespace":"com.huolala","fields":["#,
    r#"{"name":"platform","type":"string"},{"name":"orderNo","type":"string"},"#,
    r#"{"name":"action","type":"string"},"#,
    r#"{"name":"driverId","type":["null","string"],"default":null},"#,
    r#"{"name":"takenAt","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"#,
    r#""default":null},"#,
    r#"{"name":"happenedAt","type":{"type":"long","logicalType":"timestamp-millis"}},"#,
    r#"{"name":"countyCode","type":["null","int"],"default":null},"#,
    r#"{"name":"priceFen","type":"long"}]}"#
);

/// A non-negative number as Avro writes int and long: zigzag, seven bits a byte.
fn long(out: &mut Vec<u8>, n: u64) {
    let mut rest = n << 1;
    while rest >= 128 {
        out.push(u8::try_from(rest & 127).unwrap_or(0) | 128);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, number(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Appends one datum.
pub(super) fn order(out: &mut Vec<u8>, message: &Native) {
    let action: &[u8] = match message.step {
        Step::Created | Step::Arrived => b"PICKED",
        Step::Accepted => b"TAKEN",
        Step::Completed => b"FINISHED",
        Step::Cancelled => b"CANCEL",
        Step::Void => b"INVALID",
        Step::Unlisted => b"SPLIT",
    };
    text(out, message.code().as_bytes());
    let mut id = Vec::with_capacity(80);
    order_id(&mut id, HUOLALA, message.order, message.long_id);
    text(out, &id);
    text(out, action);
    match message.worker {
        Some(worker) => {
            id.clear();
            rider(&mut id, HUOLALA, worker);
            long(out, 1);
            text(out, &id);
        }
        None => long(out, 0),
    }
    let carries = matches!(message.step, Step::Accepted | Step::Completed | Step::Unlisted);
    if carries {
        long(out, 1);
        long(out, unsigned(message.accepted_ms));
    } else {
        long(out, 0);
    }
    long(out, unsigned(message.at_ms));
    match message.county {
        Some(code) if carries => {
            long(out, 1);
            long(out, u64::from(code));
        }
        Some(_) | None => long(out, 0),
    }
    long(out, 2350 + u64::from(message.extra == Extra::Rewritten));
}

/// An object container file without compression.
pub(in super::super) fn container<'a>(
    records: impl Iterator<Item = &'a [u8]>,
    sync: [u8; 16],
) -> Vec<u8> {
    let mut out = b"Obj\x01".to_vec();
    long(&mut out, 2);
    text(&mut out, b"avro.codec");
    text(&mut out, b"null");
    text(&mut out, b"avro.schema");
    text(&mut out, SCHEMA.as_bytes());
    long(&mut out, 0);
    out.extend_from_slice(&sync);
    let mut block = Vec::new();
    let mut count = 0;
    let mut records = records.peekable();
    while let Some(record) = records.next() {
        block.extend_from_slice(record);
        count += 1;
        if count == BLOCK_RECORDS_MAX || records.peek().is_none() {
            long(&mut out, number(count));
            text(&mut out, &block);
            out.extend_from_slice(&sync);
            block.clear();
            count = 0;
        }
    }
    out
}

/// The same records in another file: only the marker between the blocks is another.
pub(in super::super) fn with_other_sync(file: &[u8], sync: [u8; 16]) -> Vec<u8> {
    let mut out = file.to_vec();
    let at = out.len().saturating_sub(16);
    let old = out.split_off(at);
    out.extend_from_slice(&old);
    for start in 0..out.len().saturating_sub(15) {
        if out[start..start + 16] == old[..] {
            out[start..start + 16].copy_from_slice(&sync);
        }
    }
    out
}
