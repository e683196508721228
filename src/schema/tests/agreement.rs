//! One example of each event, encoded by us, decoded by the Avro library with the schema, and
//! compared with values written down here field by field. The names come from the schema file, so
//! that a field which stands on one side only fails.

use apache_avro::types::Value;
use apache_avro::{Decimal, Schema, reader::datum::GenericDatumReader};

use super::envelope;
use crate::domain::event::{
    Ack, AssessmentStage, CaseEvent, CaseFact, CountStatement, CountySource, Decision,
    DecisionFunction, Enrolment, Event, Fact, Filing, OrderEvent, OrderKind, Origin, Registration,
    RegistrationAction,
};
use crate::domain::ids::{
    BodyCode, CaseId, ConnectorId, CountyCode, CreditCode, DestinationId, DocumentNo, EventId,
    ItemCode, LineCode, OrderId, PersonToken, PlatformId, WorkerToken,
};
use crate::domain::money::Fen;
use crate::domain::personal::Personal;
use crate::domain::time::{Day, Moment};
use crate::schema::Record;
use crate::schema::encode::{encode_event, encode_order};

pub(super) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(super) fn some(value: Value) -> Value {
    Value::Union(1, Box::new(value))
}

pub(super) fn none() -> Value {
    Value::Union(0, Box::new(Value::Null))
}

/// The unscaled fen as two's complement bytes, written out by hand.
pub(super) fn decimal(bytes: &[u8]) -> Value {
    Value::Decimal(Decimal::from(bytes))
}

fn token(last: u8) -> Value {
    Value::Fixed(8, vec![0, 0, 0, 0, 0, 0, 1, last])
}

pub(super) fn record(fields: &[(&str, Value)]) -> Value {
    let named = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
    Value::Record(fields.iter().map(named).collect())
}

fn read(record: Record, datum: &[u8]) -> Value {
    let schema = record.schema();
    let reader = GenericDatumReader::builder(&schema).build().expect("a whole schema");
    let mut rest = datum;
    let value = reader.read_value(&mut rest).expect("a datum of the schema");
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    value
}

#[track_caller]
fn check_datum(record_name: Record, datum: &[u8], fields: &[(&str, Value)]) {
    let mut whole = vec![
        ("event_id", text("tax:payment:E1")),
        ("connector", text("tax")),
        ("feed", text("levies")),
        (
            "source",
            record(&[
                ("topic", text("raw.tax")),
                ("partition", Value::Long(3)),
                ("offset", Value::Long(4_000_000_000)),
            ]),
        ),
        ("occurred_at", Value::TimestampMillis(1_782_867_601_123)),
        ("received_at", Value::TimestampMillis(1_782_867_605_000)),
    ];
    whole.extend_from_slice(fields);
    assert_eq!(read(record_name, datum), record(&whole));
}

#[track_caller]
pub(super) fn check(expected: Record, fact: Fact, fields: &[(&str, Value)]) {
    let (found, datum) = encode_event(&Event { envelope: envelope(), fact }).expect("it fits");
    assert_eq!(found, expected);
    check_datum(found, &datum, fields);
}

pub(super) fn platform() -> PlatformId {
    PlatformId::new("meituan").expect("an id")
}

pub(super) fn line() -> LineCode {
    LineCode::new("instant_delivery").expect("an id")
}

fn county() -> CountyCode {
    CountyCode::new(150_102).expect("a code")
}

pub(super) fn document(number: &str) -> DocumentNo {
    DocumentNo::new(number).expect("a number")
}

pub(super) fn case() -> CaseId {
    CaseId::new("NM2026000001").expect("an id")
}

/// 20,635 days after 1970-01-01.
pub(super) fn day() -> Day {
    Day::parse("2026-07-01").expect("a day")
}

pub(super) const DAY: Value = Value::Date(20_635);

#[test]
fn order_events_agree_with_their_schema() {
    let order = OrderEvent {
        kind: OrderKind::Completed,
        platform: platform(),
        order_id: OrderId::new("9876543210123456789").expect("an id"),
        line: Some(line()),
        worker: Some(WorkerToken(256 + 9)),
        accepted_at: Some(Moment::from_ms(-1)),
        ended_at: None,
        occurred_at: Moment::from_ms(1_782_867_601_123),
        county: Some(county()),
        county_source: Some(CountySource::Pickup),
        service_county: None,
        origin: Some(Box::new(Origin {
            agent: Some(ConnectorId::new("fuwu").expect("an id")),
            channel: Some("高德".to_owned()),
            upstream: Some((
                PlatformId::new("gaode").expect("an id"),
                OrderId::new("7").expect("id"),
            )),
        })),
        resolution_ms: 1000,
    };
    let datum = encode_order(&envelope(), &order).expect("it fits");
    let upstream = record(&[("platform", text("gaode")), ("order_id", text("7"))]);
    check_datum(
        Record::Order,
        &datum,
        &[
            ("kind", text("completed")),
            ("platform", text("meituan")),
            ("agent", some(text("fuwu"))),
            ("order_id", text("9876543210123456789")),
            ("line", some(text("instant_delivery"))),
            ("worker", some(token(9))),
            ("accepted_at", some(Value::TimestampMillis(-1))),
            ("ended_at", none()),
            ("county", some(text("150102"))),
            ("county_source", some(text("pickup"))),
            ("service_county", none()),
            ("channel", some(text("高德"))),
            ("upstream", some(upstream)),
            ("resolution_ms", Value::Long(1000)),
        ],
    );
}

#[test]
fn statements_registrations_and_rosters_agree_with_their_schemas() {
    let statement = CountStatement {
        platform: platform(),
        line: line(),
        day: day(),
        revision: 2,
        orders: vec![(county(), 123)],
    };
    let orders = record(&[("county", text("150102")), ("orders", Value::Long(123))]);
    check(
        Record::Statement,
        Fact::Statement(statement),
        &[
            ("platform", text("meituan")),
            ("line", text("instant_delivery")),
            ("day", DAY),
            ("revision", Value::Long(2)),
            ("orders", Value::Array(vec![orders])),
        ],
    );
    for (action, word) in [
        (RegistrationAction::Registered, "registered"),
        (RegistrationAction::Changed, "changed"),
        (RegistrationAction::Cancelled, "cancelled"),
    ] {
        let registration = Registration {
            credit_code: CreditCode::new("91150100MA0N000000").expect("a code"),
            platform: platform(),
            line: line(),
            action,
            effective_from: day(),
            document_no: document("内社保登〔2026〕1号"),
        };
        check(
            Record::Registration,
            Fact::Registration(registration),
            &[
                ("credit_code", text("91150100MA0N000000")),
                ("platform", text("meituan")),
                ("line", text("instant_delivery")),
                ("action", text(word)),
                ("effective_from", DAY),
                ("document_no", text("内社保登〔2026〕1号")),
            ],
        );
    }
}

#[test]
fn a_roster_leaves_as_tokens_only() {
    let enrolment = Enrolment {
        platform: platform(),
        worker: WorkerToken(256 + 1),
        person: PersonToken(256 + 2),
        rider: Personal::new("rider-77".to_owned()),
        name: Personal::new("张三".to_owned()),
        identity_no: Personal::new("150102199001011234".to_owned()),
        from: day(),
    };
    let fact = Fact::Enrolment(enrolment);
    let event = Event { envelope: envelope(), fact: fact.clone() };
    let (_, datum) = encode_event(&event).expect("it fits");
    for clear in ["rider-77", "张三", "150102199001011234"] {
        let found = datum.windows(clear.len()).any(|bytes| bytes == clear.as_bytes());
        assert!(!found, "{clear} stands in the datum");
    }
    check(
        Record::Enrolment,
        fact,
        &[("platform", text("meituan")), ("worker", token(1)), ("person", token(2)), ("from", DAY)],
    );
}

#[test]
fn every_kind_of_case_event_agrees_with_its_schema() {
    let decision = Decision {
        body: BodyCode::new("hr-150102").expect("a code"),
        document_no: None,
        decided_on: day(),
        version: 2,
    };
    let decided = record(&[
        ("body", text("hr-150102")),
        ("document_no", none()),
        ("decided_on", DAY),
        ("version", Value::Long(2)),
    ]);
    let filing = Filing {
        platform: platform(),
        worker: WorkerToken(256 + 1),
        person: PersonToken(256 + 2),
        accident_at: Moment::from_ms(5),
        accident_county: county(),
        order_id: Some(OrderId::new("7").expect("an id")),
    };
    let filed = record(&[
        ("platform", text("meituan")),
        ("worker", token(1)),
        ("person", token(2)),
        ("accident_at", Value::TimestampMillis(5)),
        ("accident_county", text("150102")),
        ("order_id", some(text("7"))),
    ]);
    let benefit = CaseFact::BenefitDecision {
        decision: decision.clone(),
        items: vec![(ItemCode::new("medical").expect("a code"), Fen::new(123_456))],
        instruction: document("PI1"),
    };
    // 123,456 = 0x01e240
    let item = record(&[("item", text("medical")), ("amount", decimal(&[1, 0xe2, 0x40]))]);
    let facts = [
        (CaseFact::Filed(filing), filed),
        (CaseFact::Applied { applicant: "kin".to_owned() }, record(&[("applicant", text("kin"))])),
        (
            CaseFact::Proposed {
                function: DecisionFunction::BenefitDetermination,
                outcome: "8".to_owned(),
            },
            record(&[("function", text("benefit_determination")), ("outcome", text("8"))]),
        ),
        (
            CaseFact::Confirmation { decision: decision.clone(), confirmed: true, situation: None },
            record(&[
                ("decision", decided.clone()),
                ("confirmed", Value::Boolean(true)),
                ("situation", none()),
            ]),
        ),
        (
            CaseFact::Assessment { decision, stage: AssessmentStage::Review, grade: 8 },
            record(&[
                ("decision", decided.clone()),
                ("stage", text("review")),
                ("grade", Value::Int(8)),
            ]),
        ),
        (
            benefit,
            record(&[
                ("decision", decided),
                ("items", Value::Array(vec![item])),
                ("instruction", text("PI1")),
            ]),
        ),
    ];
    for (branch, (fact, expected)) in facts.into_iter().enumerate() {
        let branch = u32::try_from(branch).expect("few kinds");
        check(
            Record::Case,
            Fact::Case(CaseEvent { case: case(), fact }),
            &[("case", text("NM2026000001")), ("fact", Value::Union(branch, Box::new(expected)))],
        );
    }
}

#[test]
fn answers_agree_with_their_schema() {
    for (refused, expected) in [(None, none()), (Some("E42".to_owned()), some(text("E42")))] {
        let ack = Ack {
            destination: DestinationId::new("tax").expect("an id"),
            record: EventId::new("tax:levy:1").expect("an id"),
            refused,
        };
        check(
            Record::Ack,
            Fact::Ack(ack),
            &[("destination", text("tax")), ("record", text("tax:levy:1")), ("refused", expected)],
        );
    }
}

#[test]
fn every_schema_stands_and_explains_each_field() {
    for record in Record::ALL {
        let Schema::Record(schema) = record.schema() else {
            panic!("{}: expected a record", record.name());
        };
        assert_eq!(schema.name.fullname(None), format!("cn.zhibao.event.{}", record.name()));
        assert!(schema.doc.is_some(), "{}: expected a doc text", record.name());
        for field in &schema.fields {
            let explained = field.doc.as_ref().is_some_and(|doc| doc.len() > 5);
            assert!(explained, "{}.{}: expected a doc text", record.name(), field.name);
        }
    }
}

#[test]
fn the_material_fields_of_an_order_are_marked() {
    let Schema::Record(schema) = Record::Order.schema() else { panic!("expected a record") };
    let is_marked = |name: &str| name == "material";
    let marked = schema.fields.iter().filter(|f| f.custom_attributes.keys().any(|k| is_marked(k)));
    let names: Vec<&str> = marked.map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["line", "worker", "accepted_at", "county"]);
}
