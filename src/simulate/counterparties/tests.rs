//! A simulator catches every breach of the contract that it is there to catch.

use serde_json::{Value, json};

use super::{Counterparty, Misbehaviour, Running, Simulator, Violation};

fn record(id: &str, key: &str, seq: u64, revision: u32) -> Value {
    json!({"id": id, "kind": "fund_posting", "key": key, "seq": seq, "revision": revision,
        "caused_at": "2026-07-01T08:00:00.000+08:00", "content": {"seq": seq}})
}

async fn core(misbehaviour: Misbehaviour) -> Running {
    Simulator::start(Counterparty::GoldenInsurance, misbehaviour, 1).await.unwrap()
}

async fn post(simulator: &Running, records: &Value) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/records", simulator.url());
    let response = http.post(url).json(records).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn results(simulator: &Running, records: Value) -> Vec<String> {
    let (status, answers) = post(simulator, &records).await;
    assert_eq!(status, 200, "{answers}");
    let answers = answers.as_array().unwrap().iter();
    answers.map(|answer| answer["result"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_same_id_is_taken_once_and_other_content_is_a_breach() {
    let core = core(Misbehaviour::default()).await;
    let first = record("a", "k", 1, 1);
    assert_eq!(results(&core, json!([first])).await, ["accepted"]);
    assert_eq!(results(&core, json!([first])).await, ["accepted"]);
    assert_eq!((core.received().len(), core.repeated()), (1, 1));
    assert_eq!(core.violations(), []);
    let mut other = first;
    other["content"]["seq"] = json!(2);
    assert_eq!(results(&core, json!([other])).await, ["refused"]);
    assert_eq!(core.violations(), [Violation::OtherContent { id: "a".to_owned() }]);
    assert_eq!(core.received().len(), 1);
}

#[tokio::test]
async fn gaps_steps_back_and_shared_places_of_an_ordered_key_are_breaches() {
    let breach = |id: &str, expected, found| Violation::OutOfOrder {
        id: id.to_owned(),
        key: "k".to_owned(),
        expected,
        found,
    };
    let core = core(Misbehaviour::default()).await;
    results(&core, json!([record("a", "k", 1, 1), record("b", "k", 3, 1)])).await;
    results(&core, json!([record("c", "k", 2, 1), record("d", "k", 3, 1)])).await;
    let same_place = Violation::SamePlace { id: "d".to_owned(), key: "k".to_owned() };
    assert_eq!(core.violations(), [breach("b", 2, 3), breach("c", 4, 2), same_place]);
}

#[tokio::test]
async fn a_refused_posting_stops_its_key_and_passing_it_is_a_breach() {
    let core = core(Misbehaviour { refuse_percent: 100, ..Misbehaviour::default() }).await;
    let run = json!([record("a", "k", 1, 1), record("b", "k", 2, 1)]);
    assert_eq!(results(&core, run).await, ["refused", "later"]);
    assert_eq!(core.violations(), []);
    core.set_misbehaviour(Misbehaviour::default());
    // What was refused stays refused.
    assert_eq!(results(&core, json!([record("a", "k", 1, 1)])).await, ["refused"]);
    results(&core, json!([record("b", "k", 2, 1)])).await;
    let passed = Violation::PassedRefusal { id: "b".to_owned(), key: "k".to_owned() };
    assert_eq!(core.violations(), [passed]);
}

#[tokio::test]
async fn a_request_outside_the_contract_is_refused_as_a_whole() {
    let core = core(Misbehaviour::default()).await;
    let mut extra = record("a", "k", 1, 1);
    extra["extra"] = json!(1);
    let mut no_time = record("a", "k", 1, 1);
    no_time["caused_at"] = json!("yesterday");
    let many: Vec<Value> = (1..=201).map(|seq| record(&format!("r{seq}"), "k", seq, 1)).collect();
    let cases = [
        (json!({}), 400, "request.malformed"),
        (json!([extra]), 400, "request.malformed"),
        (json!([]), 413, "request.records_count"),
        (json!(many), 413, "request.records_count"),
        (json!([no_time]), 422, "record.caused_at"),
    ];
    for (body, status, code) in cases {
        let (found, failure) = post(&core, &body).await;
        assert_eq!((found, failure["code"].as_str()), (status, Some(code)));
    }
    assert!(core.received().is_empty());
}

#[tokio::test]
async fn the_same_seed_misbehaves_the_same_way() {
    let share = Misbehaviour { unavailable_percent: 40, ..Misbehaviour::default() };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let core = core(share.clone()).await;
        let mut statuses = Vec::new();
        for seq in 1..=20 {
            statuses.push(post(&core, &json!([record(&format!("r{seq}"), "k", seq, 1)])).await.0);
        }
        seen.push(statuses);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(&200) && seen[0].contains(&503), "{:?}", seen[0]);
}
