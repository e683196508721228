//! What others read: evidence, cases that want it, states by number, levies in the memo book.

use super::bench::{Bench, applied, balances, day, filed};
use crate::apply::ApplyError;
use crate::apply::levy_memo::post_memo;
use crate::cases::evidence::Evidence;
use crate::domain::ids::{AccountCode, CaseId, EventId, OrderId, PlatformId, WorkerToken};
use crate::domain::money::Fen;
use crate::domain::time::Moment;
use crate::ledger::entry::EntryError;
use crate::levy::MemoPosting;
use crate::store::{case_evidence, cases};

crate::store::scratch::on_each_engine!(
    a_case_wants_evidence_until_it_is_put_and_again_when_its_orders_change,
    an_assessed_levy_and_its_adjustment_are_posted_once_each,
);

async fn a_case_wants_evidence_until_it_is_put_and_again_when_its_orders_change() {
    let bench = Bench::new().await;
    bench.say_all([filed("C1"), filed("C2"), applied("C2")]).await;
    let mut tx = bench.tx().await;
    let by_state = [("applied".to_owned(), 1), ("filed".to_owned(), 1)];
    assert_eq!(cases::count_by_state(&mut tx).await.unwrap(), by_state);
    let wanting = case_evidence::cases_wanting_evidence(&mut tx).await.unwrap();
    assert_eq!(wanting.len(), 2);
    assert_eq!(wanting[0].filing.worker, WorkerToken(u64::MAX), "all 64 bits come back");
    let orders = ["a", "b"]
        .map(|id| (PlatformId::new("meituan").unwrap(), OrderId::new(id).unwrap()))
        .to_vec();
    let as_of = day("2026-07-05").start();
    for (id, evidence) in [("C1", Evidence::NoneFound), ("C1", Evidence::Found(orders))] {
        let case = CaseId::new(id).unwrap();
        case_evidence::put_evidence(&mut tx, &case, &evidence, as_of).await.unwrap();
    }
    let wanting = case_evidence::cases_wanting_evidence(&mut tx).await.unwrap();
    assert_eq!(wanting.iter().map(|row| row.case.as_str()).collect::<Vec<_>>(), ["C2"]);
    let all = case_evidence::all_evidence(&mut tx).await.unwrap();
    assert_eq!((all.len(), all[0].status.as_str()), (1, "found"));
    assert_eq!(all[0].orders, ["meituan/a", "meituan/b"]);
    let accident = Moment::from_ms(1_782_900_000_000);
    let before = accident.plus_ms(-1)..accident;
    assert_eq!(case_evidence::want_again(&mut tx, before).await.unwrap(), 0);
    let of_it = accident..accident.plus_ms(1);
    assert_eq!(case_evidence::want_again(&mut tx, of_it).await.unwrap(), 1);
    assert_eq!(case_evidence::cases_wanting_evidence(&mut tx).await.unwrap().len(), 2);
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn an_assessed_levy_and_its_adjustment_are_posted_once_each() {
    let bench = Bench::new().await;
    let mut tx = bench.tx().await;
    let posting = |cause: &str, fen| MemoPosting {
        debit: AccountCode::new("memo.levy_receivable").unwrap(),
        credit: AccountCode::new("memo.levy_assessed").unwrap(),
        amount: Fen::new(fen),
        cause: EventId::new(cause).unwrap(),
        day: day("2026-08-11"),
    };
    let at = day("2026-08-11").start();
    let first = posting("levy_assessed:meituan/instant_delivery/2026-07:1", 8_619);
    let second = posting("levy_assessed:meituan/instant_delivery/2026-07:2", -19);
    assert!(post_memo(&mut tx, &first, at).await.unwrap());
    assert!(!post_memo(&mut tx, &first, at).await.unwrap());
    assert!(post_memo(&mut tx, &second, at).await.unwrap());
    let expected = [("memo.levy_assessed", -8_600), ("memo.levy_receivable", 8_600)]
        .map(|(account, fen)| (account.to_owned(), fen));
    assert_eq!(balances(&mut tx).await, expected);
    let mut wrong = posting("x", 1);
    wrong.debit = AccountCode::new("treasury").unwrap();
    let refused = post_memo(&mut tx, &wrong, at).await;
    assert!(matches!(refused, Err(ApplyError::Entry(EntryError::NoSuchAccount { .. }))));
    tx.rollback().await.unwrap();
    bench.close().await;
}
