//! What was published as canonical events, read from the embedded log.

use std::collections::BTreeSet;

use zhibao::domain::time::Moment;
use zhibao::log::Log;
use zhibao::log::embedded::EmbeddedLog;

use crate::hub::Hub;

/// The topic of canonical order events.
const TOPIC: &str = "events.orders";
/// Magic byte and schema id of the Confluent framing.
const FRAMING_BYTES: usize = 5;

/// Ids of the order events that were published, each once however often it was; none where the
/// topic does not exist.
pub(crate) async fn published_ids(hub: &Hub) -> BTreeSet<String> {
    let clock = std::sync::Arc::new(|| Moment::from_ms(0));
    let log = EmbeddedLog::open(hub.data(), clock).await.unwrap();
    let mut ids = BTreeSet::new();
    for extent in log.extents(TOPIC).await.unwrap_or_default() {
        let mut from = extent.first;
        while from < extent.next {
            let batch = log.read(TOPIC, extent.partition, from, 1 << 20).await.unwrap();
            ids.extend(batch.records.iter().map(|record| event_id(batch.value(record))));
            from = batch.records.last().unwrap().offset + 1;
        }
    }
    log.close().await;
    ids
}

/// The first field of the record, `event_id`: a length as zigzag varint, then UTF-8.
fn event_id(framed: &[u8]) -> String {
    let (framing, mut datum) = framed.split_at(FRAMING_BYTES);
    assert_eq!(framing[0], 0, "expected the magic byte of the Confluent framing");
    let (mut length, mut shift) = (0_u64, 0);
    loop {
        let byte = datum[0];
        datum = &datum[1..];
        length |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let length = usize::try_from(length >> 1).unwrap();
    String::from_utf8(datum[..length].to_vec()).unwrap()
}

#[test]
fn the_id_is_read_from_a_framed_event() {
    assert_eq!(event_id(b"\0\0\0\0\x07\x06e-1\x0emeituan"), "e-1");
}
