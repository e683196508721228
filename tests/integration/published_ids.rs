//! What was published as canonical events, read from the embedded log.

use std::collections::{BTreeMap, BTreeSet};

use zhibao::domain::time::Moment;
use zhibao::log::Log;
use zhibao::log::embedded::EmbeddedLog;

use crate::hub::Hub;

/// The topic of canonical order events.
const TOPIC: &str = "events.orders";
/// Magic byte and schema id of the Confluent framing.
const FRAMING_BYTES: usize = 5;

/// Ids of the order events that were published, each once however often it was, without those of
/// orders that were taken back.
pub(crate) async fn standing_ids(hub: &Hub) -> BTreeSet<String> {
    let clock = std::sync::Arc::new(|| Moment::from_ms(0));
    let log = EmbeddedLog::open(hub.data(), clock).await.unwrap();
    let mut standing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for extent in log.extents(TOPIC).await.unwrap() {
        let mut from = extent.first;
        while from < extent.next {
            let batch = log.read(TOPIC, extent.partition, from, 1 << 20).await.unwrap();
            for record in &batch.records {
                let id = event_id(batch.value(record));
                match id.strip_suffix(":withdrawn") {
                    Some(first) => drop(standing.remove(&order_and_day(first))),
                    None => {
                        standing.entry(order_and_day(&id)).or_default().insert(id);
                    }
                }
            }
            from = batch.records.last().unwrap().offset + 1;
        }
    }
    log.close().await;
    standing.into_values().flatten().collect()
}

/// Platform, order number and day of `platform:kind:order:rider:day`.
fn order_and_day(id: &str) -> String {
    let parts: Vec<_> = id.split(':').collect();
    let [platform, _, order @ .., _, day] = parts.as_slice() else { panic!("id {id:?}") };
    format!("{platform}:{}:{day}", order.join(":"))
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
