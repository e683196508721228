//! What becomes of records when nothing, or one thing, goes wrong.

use super::*;

#[tokio::test]
async fn everything_owed_is_delivered_once_and_in_order() {
    let bench = Bench::new().await;
    let platform = simulator(Counterparty::NationalPlatform, Misbehaviour::default(), 1).await;
    let contract = &national::CONTRACT;
    bench.owe(contract, "case_record", &[("case:1", 1), ("case:1", 2), ("case:2", 1)]).await;
    bench.owe(contract, "enrolment", &[("meituan/7", 1)]).await;

    let report = run(&bench, contract, quick(platform.url())).await;

    assert_eq!((report.delivered, report.requests), (4, 1));
    let standing = bench.standing(contract).await;
    assert_eq!((standing.owed, standing.delivered, standing.oldest_open_at), (0, 4, None));
    let received: Vec<_> =
        platform.received().into_iter().map(|one| (one.key, one.seq, one.revision)).collect();
    let expected = [("case:1", 1, 1), ("case:1", 2, 2), ("case:2", 1, 1), ("meituan/7", 1, 1)];
    assert_eq!(received, expected.map(|(key, seq, revision)| (key.to_owned(), seq, revision)));
    assert_eq!(platform.violations(), []);
    assert_eq!(platform.accepted_by_kind()["case_record"], 3);

    // Nothing is left to do for a second run.
    assert_eq!(run(&bench, contract, quick(platform.url())).await, RelayReport::default());
    platform.stop().await.unwrap();
    bench.close().await;
}
