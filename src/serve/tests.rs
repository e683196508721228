//! The status, its text and the export, from a database filled through the store.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::export::export;
use super::status::{BookTotal, ControlPoint, Status, status};
use super::text::{render, yuan};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{
    ConnectorId, CountyCode, EventId, FeedId, LineCode, PersonToken, PlatformId, UnitCode,
    WorkerToken,
};
use crate::domain::money::Fen;
use crate::domain::time::{Day, Moment};
use crate::orders::index::{RiderOrders, encode_riders};
use crate::policy::{Basis, Policy};
use crate::store::Tx;
use crate::store::counts::{CountDelta, add_counts};
use crate::store::held::{ToHold, hold};
use crate::store::outcomes::{self, Tally};
use crate::store::positions::{PartitionKey, register_topic};
use crate::store::roster::{self, SealedRider};
use crate::store::scratch::Scratch;
use crate::store::segments::{self, SegmentKind, StoredSegment};

crate::store::scratch::on_each_engine!(
    a_status_closes_only_where_all_three_proofs_agree,
    the_export_has_counts_in_force_and_messages_by_connector,
    a_person_is_one_across_platforms_and_counts_where_orders_stay,
);

fn policy() -> Policy {
    Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policy")).unwrap()
}

fn day(month: u32, day: u32) -> Day {
    Day::from_ymd(2026, month, day).unwrap()
}

async fn tally(tx: &mut Tx, connector: &str, feed: &str, tally: Tally) {
    let rows = BTreeMap::from([((FeedId::new(feed).unwrap(), day(7, 1)), tally)]);
    let mut sums = outcomes::Sums::default();
    sums.add(&ConnectorId::new(connector).unwrap(), &rows);
    sums.write(tx).await.unwrap();
}

async fn hold_one(tx: &mut Tx) {
    let message = ToHold {
        digest: [7; 32],
        reason: HoldReason::NoAcceptance,
        feed: FeedId::new("orders").unwrap(),
        header_digest: None,
        topic: "raw.meituan".to_owned(),
        partition: 0,
        offset: 0,
        received_at: Moment::from_ms(0),
        manifests: 1,
        order_print: None,
        value: b"x".to_vec(),
    };
    hold(tx, &ConnectorId::new("meituan").unwrap(), &[message]).await.unwrap();
}

const CLOSING: Tally =
    Tally { received: 10, applied: 6, duplicate: 2, held: 1, ignored: 1, handoff: 0 };

async fn a_status_closes_only_where_all_three_proofs_agree() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    assert!(status(&mut tx).await.unwrap().closes());
    tally(&mut tx, "meituan", "orders", CLOSING).await;
    let found = status(&mut tx).await.unwrap();
    assert!(!found.closes(), "one is held by the control point and none lies held");
    hold_one(&mut tx).await;
    let found = status(&mut tx).await.unwrap();
    assert!(found.closes(), "{found:?}");
    tally(&mut tx, "meituan", "roster", Tally { received: 1, ..Tally::default() }).await;
    let found = status(&mut tx).await.unwrap();
    assert!(!found.closes(), "one message became nothing");
    let total = BookTotal { book: "cash".to_owned(), debits: Fen::new(1), credits: Fen::new(2) };
    assert!(!Status { books: vec![total], ..Status::default() }.closes());
}

#[test]
fn amounts_are_yuan_with_separators() {
    for (fen, text) in [
        (0, "0.00"),
        (5, "0.05"),
        (-5, "-0.05"),
        (99_999, "999.99"),
        (100_000, "1,000.00"),
        (-123_456_705, "-1,234,567.05"),
    ] {
        assert_eq!(yuan(Fen::new(fen)), text);
    }
}

#[test]
fn the_text_lines_up_and_says_what_does_not_close() {
    let point = |feed: &str, tally| ControlPoint {
        connector: "meituan".to_owned(),
        feed: feed.to_owned(),
        tally,
    };
    let large = Tally { received: 1_234_567, applied: 1_234_567, ..Tally::default() };
    let control_points = vec![point("orders", large), point("roster", CLOSING)];
    let text = render(&Status { control_points, ..Status::default() });
    let lines: Vec<&str> = text.lines().skip(1).take(4).map(str::trim_end).collect();
    let expected = [
        "  connector  feed     received    applied  duplicate  held  ignored  handoff",
        "  meituan    orders  1,234,567  1,234,567          0     0        0        0  closes",
        "  meituan    roster         10          6          2     1        1        0  closes",
        "  all                1,234,577  1,234,573          2     1        1        0  closes",
    ];
    assert_eq!(lines, expected);
    assert!(text.ends_with("NOT CLOSED\n"), "nothing lies held, but one should: {text}");
}

async fn the_export_has_counts_in_force_and_messages_by_connector() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    let row = |basis, orders| CountDelta {
        platform: PlatformId::new("meituan").unwrap(),
        line: LineCode::new("instant_delivery").unwrap(),
        county: CountyCode::new(150_102).unwrap(),
        day: day(7, 2),
        rule: 1,
        basis,
        partition: 0,
        after_cut: false,
        delta: orders,
    };
    add_counts(&mut tx, &[row(Basis::Stream, 9), row(Basis::Statement, 8)]).await.unwrap();
    tally(&mut tx, "meituan", "orders", CLOSING).await;
    tally(&mut tx, "meituan", "roster", Tally { received: 3, applied: 3, ..Tally::default() })
        .await;
    hold_one(&mut tx).await;
    let found = export(&mut tx, &policy()).await.unwrap();
    let counts = json!({ "meituan": { "instant_delivery": { "2026-07-02": { "150102": 9 } } } });
    assert_eq!(found["counts"], counts);
    let terms = json!({ "received": 13, "applied": 9, "duplicate": 2, "held": 1, "ignored": 1 });
    assert_eq!(found["messages"], terms);
    assert_eq!(found["messages_by_connector"], json!({ "meituan": terms }));
    assert_eq!(found["held_by_reason"], json!({ "order.no_acceptance": 1 }));
}

/// Riders of one segment: unit, rider, orders (signed).
async fn riders(tx: &mut Tx, place: (&str, u32, Day), batch: u64, rows: &[(u32, u64, i64)]) {
    let key = PartitionKey { topic: format!("raw.{}", place.0), partition: place.1 };
    let row = |row: &(u32, u64, i64)| ((UnitCode::new(row.0).unwrap(), WorkerToken(row.1)), row.2);
    let riders: RiderOrders = rows.iter().map(row).collect();
    let segment = StoredSegment {
        day: place.2,
        kind: SegmentKind::Workers,
        first_ordinal: 0,
        next_ordinal: 0,
        batch,
        batch_last: batch,
        rows: 1,
        bytes: encode_riders(&riders).unwrap(),
    };
    segments::put(tx, &key, &segment).await.unwrap();
}

async fn enrol(tx: &mut Tx, platform: &str, worker: u64, person: u64) {
    let rider = SealedRider {
        platform: &PlatformId::new(platform).unwrap(),
        worker: WorkerToken(worker),
        person: PersonToken(person),
        rider: Vec::new(),
        name: Vec::new(),
        identity_no: Vec::new(),
        from: day(7, 1),
        event_id: &EventId::new("e").unwrap(),
    };
    roster::put_all(tx, &[rider]).await.unwrap();
}

async fn a_person_is_one_across_platforms_and_counts_where_orders_stay() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    for platform in ["meituan", "eleme"] {
        register_topic(&mut tx, &format!("raw.{platform}"), platform, 2).await.unwrap();
    }
    // Person 100 rides as 1 at 美团 and as 2 at 饿了么; rider 3 stands in no roster, twice.
    enrol(&mut tx, "meituan", 1, 100).await;
    enrol(&mut tx, "eleme", 2, 100).await;
    let first = day(7, 1);
    riders(&mut tx, ("meituan", 0, first), 1, &[(150_100, 1, 2), (150_100, 3, 1)]).await;
    // The late run takes back one order of 1, and the only one of 3, in another partition's count.
    riders(&mut tx, ("meituan", 0, first), 2, &[(150_100, 1, -1)]).await;
    riders(&mut tx, ("meituan", 1, first), 1, &[(150_100, 3, -1), (150_200, 1, 1)]).await;
    riders(&mut tx, ("eleme", 0, first), 1, &[(150_100, 2, 1), (150_100, 3, 4)]).await;
    riders(&mut tx, ("eleme", 0, day(8, 1)), 1, &[(150_100, 2, 1)]).await;
    let found = export(&mut tx, &policy()).await.unwrap();
    // 1 July: person 100 at 美团; person 100 and rider 3 at 饿了么. 1 August: person 100.
    let expected = json!({
        "platform_days": 4,
        "by_unit_month": {
            "150100": { "2026-07": 2, "2026-08": 1 },
            "150200": { "2026-07": 1 },
        },
        "region_month": { "2026-07": 2, "2026-08": 1 },
    });
    assert_eq!(found["persons"], expected);
}
