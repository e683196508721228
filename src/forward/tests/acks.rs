//! Acknowledgements: fetched by cursor, each exactly as it came.

use super::*;
use crate::forward::acks::{AckError, AckPoller};

crate::store::scratch::on_each_engine!(pages_follow_each_other_by_cursor_until_nothing_is_new,);

async fn pages_follow_each_other_by_cursor_until_nothing_is_new() {
    let bench = Bench::new().await;
    let misbehaviour = Misbehaviour {
        ack_late_percent: 20,
        ack_twice_percent: 20,
        ack_out_of_order_percent: 20,
        refuse_percent: 20,
        ..Misbehaviour::default()
    };
    let platform = simulator(Counterparty::NationalPlatform, misbehaviour, 3).await;
    let contract = &national::CONTRACT;
    let keys: Vec<String> = (0..100).map(|number| format!("rider:{number:03}")).collect();
    let records: Vec<_> = keys.iter().map(|key| (key.as_str(), 1)).collect();
    bench.owe(contract, "enrolment", &records).await;
    run(&bench, contract, quick(platform.url())).await;

    let poller = AckPoller::new(&quick(platform.url())).unwrap();
    let (mut cursor, mut lines, mut quiet) = (0, Vec::new(), 0);
    // What is late comes within a few questions after the last page.
    while quiet < 5 {
        let page = poller.fetch(cursor, 30).await.unwrap();
        quiet = if page.lines.is_empty() { quiet + 1 } else { 0 };
        assert!(page.lines.len() <= 30);
        cursor = page.next;
        lines.extend(page.lines);
    }
    assert_eq!(u64::try_from(lines.len()).unwrap(), cursor);
    let mut of_record: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for line in lines {
        let ack: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let id = ack["record"].as_str().unwrap().to_owned();
        of_record.entry(id).or_default().push(line);
    }
    assert_eq!(of_record.len(), 100);
    let mut twice = 0;
    for (id, state) in bench.states().await {
        let acks = &of_record[&id];
        twice += acks.len() - 1;
        assert!(acks.iter().all(|ack| *ack == acks[0]), "{id}");
        let refused = String::from_utf8_lossy(&acks[0]).contains("\"refused\"");
        assert_eq!(state.0, if refused { "refused" } else { "delivered" }, "{id}");
    }
    assert!(twice > 0, "expected some acknowledgements twice");
    platform.stop().await.unwrap();
    let error = poller.fetch(cursor, 30).await.unwrap_err();
    assert!(matches!(error, AckError::NoAnswer(_)), "{error}");
    bench.close().await;
}
