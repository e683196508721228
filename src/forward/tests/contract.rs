//! The OpenAPI documents, the relay's wire types and the simulators' say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::forward::contract::CONTRACTS;
use crate::forward::request;
use crate::store::relay::{DeliveryState, OpenRecord};

fn document(destination: &str) -> Value {
    let path = format!("{}/schemas/openapi/{destination}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array()
        .unwrap_or_else(|| panic!("expected a list, found {list}"))
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

fn fields(object: &Value) -> BTreeSet<String> {
    object
        .as_object()
        .unwrap_or_else(|| panic!("expected an object, found {object}"))
        .keys()
        .cloned()
        .collect()
}

#[test]
fn kinds_order_and_limits_are_those_of_the_document() {
    for contract in CONTRACTS {
        let document = document(contract.destination);
        let written = document["x-kinds"].as_object().unwrap();
        let written: BTreeMap<_, _> =
            written.iter().map(|(name, kind)| (name.as_str(), kind["ordered"].as_bool())).collect();
        let ours: BTreeMap<_, _> =
            contract.kinds.iter().map(|kind| (kind.name, Some(kind.ordered))).collect();
        assert_eq!(written, ours, "{}", contract.destination);
        let request = &document["paths"]["/v1/records"]["post"]["requestBody"]["content"];
        let most = &request["application/json"]["schema"]["maxItems"];
        assert_eq!(most.as_u64(), Some(u64::from(contract.records_max)));
        let kinds = &document["components"]["schemas"]["Record"]["properties"]["kind"]["enum"];
        assert_eq!(names(kinds), written.keys().map(|name| (*name).to_owned()).collect());
    }
}

#[test]
fn a_record_on_the_wire_has_exactly_the_fields_of_the_document() {
    for contract in CONTRACTS {
        let kind = contract.kinds[0].name;
        let owed = owed(contract, kind, "k", 3);
        let record = OpenRecord {
            id: owed.id,
            key: owed.key,
            seq: 7,
            kind: kind.to_owned(),
            revision: 3,
            body: owed.body.clone(),
            caused_at: owed.caused_at,
            state: DeliveryState::Owed,
            attempts: 0,
            next_try_at: Moment::from_ms(0),
            is_stopped: false,
        };
        let text =
            serde_json::to_string(&request::wire_record(contract, &record).unwrap()).unwrap();
        // Content goes out as it was written, digit for digit.
        assert!(text.contains(&owed.body), "{text}");
        let wire: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(wire["caused_at"], "2026-07-01T08:00:00.000+08:00");
        assert_eq!((wire["seq"].as_u64(), wire["revision"].as_u64()), (Some(7), Some(3)));
        let schema = &document(contract.destination)["components"]["schemas"]["Record"];
        assert_eq!(fields(&wire), names(&schema["required"]));
        assert_eq!(fields(&wire), fields(&schema["properties"]));
    }
}

#[tokio::test]
async fn what_a_simulator_answers_has_the_fields_of_the_document() {
    let platform = simulator(Counterparty::NationalPlatform, Misbehaviour::default(), 1).await;
    let schemas = &document("national-platform")["components"]["schemas"];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let record = serde_json::json!([{"id": "a", "kind": "enrolment", "key": "k", "seq": 1,
        "revision": 1, "caused_at": "2026-07-01T08:00:00.000+08:00", "content": {}}]);
    let url = format!("{}/v1/records", platform.url());
    let check = |found: &Value, schema: &str| {
        let schema = &schemas[schema];
        let found = fields(found);
        assert!(names(&schema["required"]).is_subset(&found), "{found:?}");
        assert!(found.is_subset(&fields(&schema["properties"])), "{found:?}");
    };
    let answers: Value = http.post(&url).json(&record).send().await.unwrap().json().await.unwrap();
    check(&answers[0], "RecordAnswer");
    let answer: Value = http.get(format!("{url}/a")).send().await.unwrap().json().await.unwrap();
    check(&answer, "RecordAnswer");
    let absent = http.get(format!("{url}/b")).send().await.unwrap();
    assert_eq!(absent.status(), 404);
    check(&absent.json().await.unwrap(), "Failure");
    let acks = http.get(format!("{}/v1/acks", platform.url())).send().await.unwrap();
    let ack: Value = serde_json::from_str(acks.text().await.unwrap().trim_end()).unwrap();
    check(&ack, "Ack");
    assert_eq!(ack["at"], "2026-07-01T08:00:02.000+08:00");
}
