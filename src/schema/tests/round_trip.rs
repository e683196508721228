//! decode(encode(x)) = x for order events, and bytes that are no order event.

use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::envelope;
use crate::domain::event::{CountySource, Envelope, OrderEvent, OrderKind, Origin};
use crate::domain::ids::{ConnectorId, CountyCode, LineCode, OrderId, PlatformId, WorkerToken};
use crate::domain::time::Moment;
use crate::schema::Record;
use crate::schema::decode::{DecodeError, OrderReader};
use crate::schema::encode::encode_order;

fn moment() -> impl Strategy<Value = Moment> {
    any::<i64>().prop_map(Moment::from_ms)
}

fn county() -> impl Strategy<Value = CountyCode> {
    (100_000_u32..=999_999).prop_map(|code| CountyCode::new(code).expect("six digits"))
}

fn platform() -> impl Strategy<Value = PlatformId> {
    "[a-z-]{1,32}".prop_map(|text| PlatformId::new(&text).expect("an id"))
}

fn order_id() -> impl Strategy<Value = OrderId> {
    "[ -~]{1,64}|[一-龥]{1,64}".prop_map(|text| OrderId::new(&text).expect("an id"))
}

fn agent() -> impl Strategy<Value = ConnectorId> {
    "[a-z]{1,32}".prop_map(|text| ConnectorId::new(&text).expect("an id"))
}

fn line() -> impl Strategy<Value = LineCode> {
    "[a-z_]{1,24}".prop_map(|text| LineCode::new(&text).expect("an id"))
}

fn county_source() -> impl Strategy<Value = CountySource> {
    prop_oneof![
        Just(CountySource::Acceptance),
        Just(CountySource::Pickup),
        Just(CountySource::Registration),
    ]
}

fn order() -> impl Strategy<Value = OrderEvent> {
    let who = (platform(), option::of(agent()), order_id(), option::of(line()));
    let what = (0_usize..4, option::of(any::<u64>()), any::<u32>(), option::of(".{0,40}"));
    let when = (option::of(moment()), option::of(moment()), moment());
    let place = (option::of(county()), option::of(county_source()), option::of(county()));
    let upstream = option::of((platform(), order_id()));
    (who, what, when, place, upstream).prop_map(|(who, what, when, place, upstream)| OrderEvent {
        kind: OrderKind::ALL[what.0],
        platform: who.0,
        order_id: who.2,
        line: who.3,
        worker: what.1.map(WorkerToken),
        accepted_at: when.0,
        ended_at: when.1,
        occurred_at: when.2,
        county: place.0,
        county_source: place.1,
        service_county: place.2,
        origin: Origin { agent: who.1, channel: what.3, upstream }.boxed(),
        resolution_ms: what.2,
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(order in order()) {
        let schema = Record::Order.schema();
        let reader = OrderReader::new(&schema, &schema).expect("a whole schema");
        let datum = encode_order(&envelope(), &order).expect("it fits");
        let from = Envelope { occurred_at: order.occurred_at, ..envelope() };
        prop_assert_eq!(reader.read(&datum).expect("an order event"), (from, order));
    }

    #[test]
    fn bytes_cut_or_changed_anywhere_never_panic(order in order(), at in any::<usize>()) {
        let schema = Record::Order.schema();
        let reader = OrderReader::new(&schema, &schema).expect("a whole schema");
        let mut datum = encode_order(&envelope(), &order).expect("it fits");
        let at = at % datum.len();
        proptest::prop_assert!(reader.read(&datum[..at]).is_err());
        datum[at] ^= 0x2a;
        drop(reader.read(&datum));
    }
}

#[test]
fn what_is_no_order_event_is_refused() {
    let schema = Record::Order.schema();
    let reader = OrderReader::new(&schema, &schema).expect("a whole schema");
    let order = OrderEvent {
        kind: OrderKind::Void,
        platform: PlatformId::new("eleme").expect("an id"),
        order_id: OrderId::new("1").expect("an id"),
        line: None,
        worker: None,
        accepted_at: None,
        ended_at: None,
        occurred_at: Moment::from_ms(0),
        county: None,
        county_source: None,
        service_county: None,
        origin: None,
        resolution_ms: 1,
    };
    let datum = encode_order(&envelope(), &order).expect("it fits");
    let longer = [datum.as_slice(), &[0]].concat();
    assert!(matches!(reader.read(&longer), Err(DecodeError::Trailing { bytes: 1 })));

    let at = datum.windows(4).position(|bytes| bytes == b"void").expect("the kind");
    let mut other = datum;
    other[at] = b'V';
    let refused = reader.read(&other).expect_err("no such kind");
    assert_eq!(
        refused.to_string(),
        "order event, field kind: expected a code of this version, found Void"
    );
}
