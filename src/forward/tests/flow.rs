//! What becomes of records when nothing, or one thing, goes wrong.

use super::*;

crate::store::scratch::on_each_engine!(
    everything_owed_is_delivered_once_and_in_order,
    a_refusal_stops_an_ordered_key_and_no_other,
    behind_a_refusal_lost_answers_are_asked_for_and_nothing_is_sent,
    a_refusal_inside_a_request_stops_the_rest_of_its_key,
    a_destination_that_is_down_costs_outbox_rows_and_nothing_else,
    an_open_breaker_probes_with_one_record,
    a_claimed_key_is_left_alone_until_the_claim_ends,
    a_run_until_idle_ends_though_a_record_is_put_off_for_ever,
);

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

async fn a_refusal_stops_an_ordered_key_and_no_other() {
    let bench = Bench::new().await;
    let misbehaviour = Misbehaviour { refuse_percent: 100, ..Misbehaviour::default() };
    let platform = simulator(Counterparty::NationalPlatform, misbehaviour, 1).await;
    let contract = &national::CONTRACT;
    bench.owe(contract, "case_record", &[("case:1", 1)]).await;
    bench.owe(contract, "order_counts", &[("day:1", 1)]).await;
    assert_eq!(run(&bench, contract, quick(platform.url())).await.refused, 2);

    platform.set_misbehaviour(Misbehaviour::default());
    bench.owe(contract, "case_record", &[("case:1", 2), ("case:1", 3), ("case:2", 1)]).await;
    bench.owe(contract, "order_counts", &[("day:1", 2)]).await;
    run(&bench, contract, quick(platform.url())).await;

    let states = bench.states().await;
    let of = |id: &str| states[&format!("national-platform:{id}")].0.as_str();
    assert_eq!(of("case_record:case:1:1"), "refused");
    assert_eq!(of("case_record:case:1:2"), "owed");
    assert_eq!(of("case_record:case:1:3"), "owed");
    assert_eq!(of("case_record:case:2:1"), "delivered");
    assert_eq!(of("order_counts:day:1:1"), "refused");
    assert_eq!(of("order_counts:day:1:2"), "delivered");
    assert_eq!(platform.violations(), []);
    bench.close().await;
}

/// Sent together, the answers lost: the first is refused when it is asked for, and what became of
/// the second must not stay open, nor may it be sent.
async fn behind_a_refusal_lost_answers_are_asked_for_and_nothing_is_sent() {
    let bench = Bench::new().await;
    let misbehaviour = Misbehaviour { refuse_percent: 100, ..Misbehaviour::default() };
    let platform = simulator(Counterparty::NationalPlatform, misbehaviour, 1).await;
    let contract = &national::CONTRACT;
    bench.owe(contract, "case_record", &[("case:1", 1)]).await;
    run(&bench, contract, quick(platform.url())).await;
    platform.set_misbehaviour(Misbehaviour::default());
    bench.owe(contract, "case_record", &[("case:1", 2), ("case:1", 3)]).await;
    let mut tx = bench.db.begin().await.unwrap();
    sqlx::query("update outbox set state = 'unknown' where revision = 2")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let asked = platform.requests();
    run(&bench, contract, quick(platform.url())).await;

    let states = bench.states().await;
    let of = |revision| {
        let (state, answer) = &states[&format!("national-platform:case_record:case:1:{revision}")];
        (state.as_str(), answer.as_deref())
    };
    assert_eq!(of(1).0, "refused");
    assert_eq!(of(2), ("owed", Some("never arrived")));
    assert_eq!(of(3), ("owed", None));
    assert_eq!((platform.requests() - asked, platform.received().len()), (1, 0));
    assert_eq!(platform.violations(), []);
    bench.close().await;
}

async fn a_refusal_inside_a_request_stops_the_rest_of_its_key() {
    // About half of the records are refused; seeds until both ends of the key were seen.
    let bench = Bench::new().await;
    let misbehaviour = Misbehaviour { refuse_percent: 30, ..Misbehaviour::default() };
    let core = simulator(Counterparty::GoldenInsurance, misbehaviour, 5).await;
    let contract = &golden_insurance::CONTRACT;
    let accounts: Vec<String> = (0..20).map(|number| format!("account:{number:02}")).collect();
    for account in &accounts {
        let records: Vec<_> = (1..=10).map(|revision| (account.as_str(), revision)).collect();
        bench.owe(contract, "fund_posting", &records).await;
    }
    run(&bench, contract, quick(core.url())).await;

    let states = bench.states().await;
    let mut stopped = 0;
    for account in &accounts {
        let run: Vec<&str> = (1..=10)
            .map(|seq| states[&format!("golden-insurance:fund_posting:{account}:{seq}")].0.as_str())
            .collect();
        // delivered … delivered, then nothing or one refused, then owed … owed.
        let delivered = run.iter().take_while(|state| **state == "delivered").count();
        let rest = run.get(delivered..).unwrap_or_default();
        if let Some((first, others)) = rest.split_first() {
            stopped += 1;
            assert_eq!(*first, "refused", "{account}: {run:?}");
            assert!(others.iter().all(|state| *state == "owed"), "{account}: {run:?}");
        }
    }
    assert!(stopped > 0 && stopped <= 20, "expected some keys to stop, found {stopped}");
    assert_eq!(core.violations(), []);
    bench.close().await;
}

async fn a_destination_that_is_down_costs_outbox_rows_and_nothing_else() {
    let bench = Bench::new().await;
    let contract = &tax::CONTRACT;
    let keys: Vec<String> = (0..500).map(|number| format!("levy:{number}")).collect();
    let records: Vec<_> = keys.iter().map(|key| (key.as_str(), 1)).collect();
    bench.owe(contract, "levy_assessed", &records).await;

    // A port that nobody listens on.
    let gone = simulator(Counterparty::Tax, Misbehaviour::default(), 1).await;
    let url = gone.url();
    gone.stop().await.unwrap();
    let mut settings = quick(url);
    settings.retry.idle_failures_max = 7;
    let report = run(&bench, contract, settings).await;
    assert_eq!((report.delivered, report.unknown, report.refused), (0, 0, 0));
    assert!(report.requests >= 7, "{report:?}");
    let standing = bench.standing(contract).await;
    assert_eq!((standing.owed, standing.delivered), (500, 0));
    assert!(standing.oldest_open_at.is_some());

    let back = simulator(Counterparty::Tax, Misbehaviour::default(), 1).await;
    let report = run(&bench, contract, quick(back.url())).await;
    assert_eq!(report.delivered, 500);
    assert_eq!(back.received().len(), 500);
    assert_eq!((back.repeated(), back.violations()), (0, vec![]));
    bench.close().await;
}

async fn an_open_breaker_probes_with_one_record() {
    let bench = Bench::new().await;
    let contract = &tax::CONTRACT;
    let keys: Vec<String> = (0..300).map(|number| format!("levy:{number}")).collect();
    let records: Vec<_> = keys.iter().map(|key| (key.as_str(), 1)).collect();
    bench.owe(contract, "levy_assessed", &records).await;
    let misbehaviour = Misbehaviour { unavailable_percent: 100, ..Misbehaviour::default() };
    let office = simulator(Counterparty::Tax, misbehaviour, 1).await;
    let mut settings = quick(office.url());
    settings.limits.requests_max = 1;
    settings.limits.records_max = 100;
    settings.retry.breaker_failures_max = 1;
    settings.retry.idle_failures_max = 4;

    run(&bench, contract, settings).await;

    use sqlx::Row;
    let mut tx = bench.db.snapshot().await.unwrap();
    let row = sqlx::query("select cast(sum(attempts) as bigint) as tries from outbox")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    // One full request of a hundred, then three probes of one record each.
    assert_eq!(row.get::<i64, _>("tries"), 100 + 3);
    assert_eq!(office.requests(), 4);
    drop(tx);
    bench.close().await;
}

async fn a_claimed_key_is_left_alone_until_the_claim_ends() {
    let bench = Bench::new().await;
    let office = simulator(Counterparty::Tax, Misbehaviour::default(), 1).await;
    let contract = &tax::CONTRACT;
    bench.owe(contract, "levy_assessed", &[("a", 1), ("a", 2), ("b", 1)]).await;
    let (claimed_at, until) = (now(), now().plus_ms(60_000));
    let mut tx = bench.db.begin().await.unwrap();
    let id = "tax:levy_assessed:a:1";
    assert_eq!(store::claim(&mut tx, &[id], claimed_at, until).await.unwrap(), [id]);
    // A second claim of the same key comes too late.
    assert!(store::claim(&mut tx, &[id], claimed_at, until).await.unwrap().is_empty());
    tx.commit().await.unwrap();

    let relay = Relay::new(vec![(contract, quick(office.url()))]).unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let delivered = async {
        while office.received().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.send(true).unwrap();
    };
    let (report, ()) = tokio::join!(relay.run(&bench.db, now, stopped), delivered);
    assert_eq!(report.unwrap().delivered, 1);
    assert_eq!(office.received()[0].key, "b");

    // Once the claim has ended, the key goes on in order.
    let relay = Relay::new(vec![(contract, quick(office.url()))]).unwrap();
    let later = || now().plus_ms(60_001);
    assert_eq!(relay.run_until_idle(&bench.db, later).await.unwrap().delivered, 2);
    assert_eq!(office.violations(), []);
    bench.close().await;
}

async fn a_run_until_idle_ends_though_a_record_is_put_off_for_ever() {
    let bench = Bench::new().await;
    let misbehaviour = Misbehaviour { later_percent: 100, ..Misbehaviour::default() };
    let office = simulator(Counterparty::Tax, misbehaviour, 1).await;
    let contract = &tax::CONTRACT;
    bench.owe(contract, "levy_assessed", &[("a", 1), ("a", 2)]).await;
    let mut settings = quick(office.url());
    settings.retry.idle_failures_max = 3;
    let report = run(&bench, contract, settings).await;
    assert_eq!((report.delivered, report.requests), (0, 3));
    let states = bench.states().await;
    let busy = ("owed".to_owned(), Some("busy".to_owned()));
    assert_eq!(states["tax:levy_assessed:a:1"], busy);
    office.set_misbehaviour(Misbehaviour::default());
    assert_eq!(run(&bench, contract, quick(office.url())).await.delivered, 2);
    bench.close().await;
}
