//! A sealed day of several chunks: what some riders did is what a reading of the whole day finds,
//! and chunks that cannot hold them stay unread.

use std::path::Path;

use super::*;
use crate::domain::event::{CountySource, OrderEvent, OrderKind};
use crate::domain::ids::{CountyCode, LineCode, OrderId};
use crate::domain::time::Moment;
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::identity::{FingerprintKey, Fingerprints};
use crate::orders::index::{FingerprintRun, encode_index};
use crate::orders::segment::{SegmentHead, encode};
use crate::policy::Policy;
use crate::store::scratch::Scratch;

crate::store::scratch::on_each_engine!(what_riders_did_is_found_without_reading_other_chunks,);

const HEAD: SegmentHead = SegmentHead { manifest_version: 1, batch: 1 };
/// Two and a half chunks of 8,192.
const ORDERS: u64 = 20_000;

fn platform() -> PlatformId {
    PlatformId::new("meituan").unwrap()
}

fn at() -> Moment {
    Day::from_ymd(2026, 7, 2).unwrap().start()
}

fn key() -> PartitionKey {
    PartitionKey { topic: "raw.meituan".to_owned(), partition: 3 }
}

/// Each rider has ten orders; as stored, the upper half of the tokens is negative.
fn accepted(number: u64) -> OrderEvent {
    let accepted_at = at().plus_ms(i64::try_from(number).unwrap());
    OrderEvent {
        kind: OrderKind::Accepted,
        platform: platform(),
        order_id: OrderId::new(&format!("{number:06}")).unwrap(),
        line: Some(LineCode::new("instant_delivery").unwrap()),
        worker: Some(rider(number % (ORDERS / 10))),
        accepted_at: Some(accepted_at),
        ended_at: None,
        occurred_at: accepted_at,
        county: CountyCode::new(150_102),
        county_source: Some(CountySource::Acceptance),
        service_county: None,
        origin: None,
        resolution_ms: 1,
    }
}

fn rider(number: u64) -> WorkerToken {
    WorkerToken((number + 1).wrapping_mul(0x0020_c49b_a5e3_53f7))
}

fn rows(events: &[OrderEvent]) -> Columns {
    let mut rows = Columns::default();
    events.iter().for_each(|event| rows.push_raw(event, RawMessage::nothing()));
    rows
}

async fn put(
    tx: &mut Tx,
    kind: SegmentKind,
    batch: u64,
    first_ordinal: u32,
    rows: u64,
    bytes: Vec<u8>,
) {
    let next_ordinal = first_ordinal + u32::try_from(rows).unwrap();
    let day = at().day();
    let segment = StoredSegment {
        day,
        kind,
        first_ordinal,
        next_ordinal,
        batch,
        batch_last: batch,
        rows,
        bytes,
    };
    segments::put(tx, &key(), &segment).await.unwrap();
}

/// Writes the day sealed, then what late runs added: an order of each of two riders, a rider who
/// takes over an order of another, and one of the late orders' completion.
async fn write(tx: &mut Tx) {
    let prints = Fingerprints::new(FingerprintKey([5; 16]), 1);
    let policy = Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policy")).unwrap();
    let mut open = OpenDay::default();
    let events: Vec<_> = (0..ORDERS).map(accepted).collect();
    open.add_base(&rows(&events));
    let sealed = open.seal(HEAD, &prints, &platform(), &policy, &BTreeSet::new()).unwrap();
    assert_eq!(sealed.chunks.len(), 3);
    for (first, rows, bytes) in sealed.chunks {
        put(tx, SegmentKind::Sealed, 1, first, rows, bytes).await;
    }
    put(tx, SegmentKind::Index, 1, 0, ORDERS, sealed.index).await;

    let late = [ORDERS, ORDERS + 1].map(accepted);
    let first = u32::try_from(ORDERS).unwrap();
    put(tx, SegmentKind::Base, 2, first, 2, encode(HEAD, &rows(&late)).unwrap()).await;
    let run = FingerprintRun::of(vec![7, 9]);
    put(tx, SegmentKind::Index, 2, 0, 2, encode_index(&[], &run)).await;
    let mut deltas = Columns::default();
    let taken_over = OrderEvent { worker: Some(rider(1)), ..accepted(0) };
    // In a chunk of greater riders.
    deltas.push(Some(18_000), &taken_over);
    let completed = OrderEvent { kind: OrderKind::Completed, ..accepted(ORDERS) };
    deltas.push(Some(first), &completed);
    put(tx, SegmentKind::Delta, 2, 0, 2, encode(HEAD, &deltas).unwrap()).await;
}

fn by_id(orders: Vec<Order>) -> BTreeMap<String, String> {
    let named = |order: Order| (order.id().unwrap().to_string(), format!("{order:?}"));
    orders.into_iter().map(named).collect()
}

async fn what_riders_did_is_found_without_reading_other_chunks() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    write(&mut tx).await;
    let day = at().day();
    let whole = read_day(&mut tx, &key(), day).await.unwrap().day;
    let nobody = WorkerToken(u64::MAX / 2);
    let groups =
        [vec![0], vec![1], vec![2], vec![777], vec![1_999], vec![0, 1_500], (0..2_000).collect()];
    let mut read = Vec::new();
    for group in groups {
        let riders: BTreeSet<_> = group.iter().map(|number| rider(*number)).collect();
        let found = orders_of_riders(&mut tx, &key(), day, &riders, &platform()).await.unwrap();
        let expected = whole.orders_of(&riders, &platform());
        assert!(expected.len() >= 10 * group.len(), "{group:?}");
        assert_eq!(found.orders.len(), expected.len(), "{group:?}");
        assert_eq!(by_id(found.orders), by_id(expected), "{group:?}");
        read.push(found.chunks_read);
    }
    assert!(read[3] <= 2, "ten orders side by side are in one chunk, or in two: {read:?}");
    assert!(read[..5].contains(&1), "{read:?}");
    assert_eq!((read[1], read[6]), (2, 3), "the chunk of what was given later too: {read:?}");
    let found =
        orders_of_riders(&mut tx, &key(), day, &[nobody].into(), &platform()).await.unwrap();
    assert!(found.orders.is_empty() && found.chunks_read <= 1);
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn an_order_is_found_by_its_number_alone() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    write(&mut tx).await;
    let (day, prints) = (at().day(), Fingerprints::new(FingerprintKey([5; 16]), 1));
    // Of the first chunk, of the last, of a late run; and a number that the day does not have.
    for (number, is_there) in [(0, true), (19_999, true), (ORDERS + 1, true), (777_777, false)] {
        let wanted = BTreeSet::from([prints.of(&format!("{number:06}"))]);
        let found = has_order(&mut tx, &key(), day, &prints, &wanted).await.unwrap();
        assert_eq!(found, is_there, "{number}");
    }
    tx.rollback().await.unwrap();
}
