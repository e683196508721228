//! The straight path of a case and of a levy, entry by entry as worked out by hand.

use super::bench::{
    Bench, applied, assessment, balances, bank, benefit, cash_text, confirmation, day, enrolment,
    filed, number, open_suspects, owed, payment, receipt, states,
};
use crate::apply::Outcome;
use crate::domain::event::{BankOutcome, Fact, Interest, Transfer};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{AccountCode, PersonToken, WorkerToken};
use crate::domain::money::Fen;
use crate::ledger::account::Book;
use crate::store::{ledger, roster};

crate::store::scratch::on_each_engine!(
    the_straight_path_gives_the_entries_worked_out_by_hand,
    money_that_comes_first_waits_in_suspense_and_is_cleared_by_its_cause,
    paid_returned_and_paid_again_is_one_expenditure,
    the_roster_links_riders_to_one_person_and_owes_tokens_only,
);

fn account(code: &str) -> AccountCode {
    AccountCode::new(code).unwrap()
}

fn transfer(from: &str, to: &str, fen: i64) -> Fact {
    Fact::Transfer(Transfer {
        from: account(from),
        to: account(to),
        amount: Fen::new(fen),
        booked_on: day("2026-08-16"),
        voucher_no: number(&format!("T-{from}")),
    })
}

async fn the_straight_path_gives_the_entries_worked_out_by_hand() {
    let bench = Bench::new().await;
    let items = [("medical", 123_456), ("nursing", 1_000)];
    bench
        .say_all([
            payment("E1", 8_619, 81),
            receipt("V1", Some("E1"), 8_700),
            transfer("treasury", "fiscal", 8_700),
            Fact::Interest(Interest {
                account: account("fiscal"),
                amount: Fen::new(12),
                booked_on: day("2026-09-21"),
                voucher_no: number("N1"),
            }),
            filed("C1"),
            applied("C1"),
            confirmation("C1", 1, true),
            assessment("C1", 1, 8),
            benefit("C1", 1, "PI1", &items),
            bank("B1", BankOutcome::Paid, ("PI1", "C1"), 124_456),
        ])
        .await;
    let mut tx = bench.tx().await;
    // 86.19 + 0.81 = 87.00 arrive; 1,234.56 + 10.00 = 1,244.56 leave.
    let expected = "\
cash:voucher:treasury-bank:V1
  treasury 87.00
  income.levy -86.19
  income.late_fee -0.81
cash:voucher:treasury-bank:T-treasury
  fiscal 87.00
  treasury -87.00
cash:voucher:treasury-bank:N1
  fiscal 0.12
  income.interest -0.12
cash:voucher:treasury-bank:B1
  expense.medical 1234.56
  expense.nursing 10.00
  expenditure -1244.56
";
    assert_eq!(cash_text(&mut tx).await, expected);
    let expected = [
        ("expenditure", -124_456),
        ("expense.medical", 123_456),
        ("expense.nursing", 1_000),
        ("fiscal", 8_712),
        ("income.interest", -12),
        ("income.late_fee", -81),
        ("income.levy", -8_619),
        ("memo.benefit_decided", 124_456),
        ("memo.benefit_paid", -124_456),
        ("memo.levy_paid", 8_619),
        ("memo.levy_receivable", -8_619),
    ]
    .map(|(account, fen)| (account.to_owned(), fen));
    assert_eq!(balances(&mut tx).await, expected);
    assert_eq!(states(&mut tx).await, [("C1".to_owned(), "paid".to_owned())]);
    assert_eq!(open_suspects(&mut tx).await, []);
    let expected = [
        "golden-insurance:fund_posting:cash:voucher:treasury-bank:V1:1",
        "golden-insurance:fund_posting:cash:voucher:treasury-bank:T-treasury:1",
        "golden-insurance:fund_posting:cash:voucher:treasury-bank:N1:1",
        "national-platform:case_record:C1:1",
        "national-platform:case_record:C1:2",
        "national-platform:case_record:C1:3",
        "golden-insurance:benefit_decided:C1:1",
        "golden-insurance:fund_posting:cash:voucher:treasury-bank:B1:1",
    ];
    assert_eq!(owed(&mut tx).await, expected);
    assert_eq!(ledger::entry_count(&mut tx, Book::Cash).await.unwrap(), 4);
    assert_eq!(ledger::entry_count(&mut tx, Book::Memo).await.unwrap(), 3);
    for line in ledger::trial_balance(&mut tx).await.unwrap() {
        let (debits, credits) = (line.debits.get(), line.credits.get());
        assert!(debits >= 0 && credits >= 0, "{line:?}");
    }
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn money_that_comes_first_waits_in_suspense_and_is_cleared_by_its_cause() {
    let bench = Bench::new().await;
    bench
        .say_all([
            receipt("V1", Some("E1"), 8_700),
            bank("B1", BankOutcome::Paid, ("PI1", "C1"), 5_000),
        ])
        .await;
    let mut tx = bench.tx().await;
    let suspects = open_suspects(&mut tx).await;
    let rules: Vec<&str> = suspects.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules, ["payment.instruction_unknown", "receipt.ticket_unknown"]);
    tx.rollback().await.unwrap();
    bench
        .say_all([
            payment("E1", 8_700, 0),
            filed("C1"),
            applied("C1"),
            confirmation("C1", 1, true),
            benefit("C1", 1, "PI1", &[("funeral", 5_000)]),
        ])
        .await;
    let mut tx = bench.tx().await;
    let expected = "\
cash:voucher:treasury-bank:V1
  treasury 87.00
  suspense_receipts -87.00
cash:voucher:treasury-bank:B1
  suspense_payments 50.00
  expenditure -50.00
cash:payment:E1 clears cash:voucher:treasury-bank:V1
  suspense_receipts 87.00
  income.levy -87.00
cash:benefit:C1:1:5000 clears cash:voucher:treasury-bank:B1
  expense.funeral 50.00
  suspense_payments -50.00
";
    assert_eq!(cash_text(&mut tx).await, expected);
    assert_eq!(open_suspects(&mut tx).await, []);
    assert_eq!(states(&mut tx).await, [("C1".to_owned(), "paid".to_owned())]);
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn paid_returned_and_paid_again_is_one_expenditure() {
    let bench = Bench::new().await;
    let (paid, returned, pi) = (BankOutcome::Paid, BankOutcome::Returned, ("PI1", "C1"));
    let case = [filed("C1"), applied("C1"), confirmation("C1", 1, true)];
    bench.say_all(case).await;
    bench.say_all([benefit("C1", 1, "PI1", &[("medical", 300)])]).await;
    for (voucher, outcome, state) in [
        ("B1", paid, "paid"),
        ("B2", returned, "returned"),
        ("B3", paid, "paid"),
        ("B4", paid, "paid"),
        ("B5", returned, "paid"),
        ("B6", returned, "returned"),
        ("B7", returned, "returned"),
    ] {
        bench.say_all([bank(voucher, outcome, pi, 300)]).await;
        let mut tx = bench.tx().await;
        assert_eq!(states(&mut tx).await, [("C1".to_owned(), state.to_owned())], "{voucher}");
        tx.rollback().await.unwrap();
    }
    let mut tx = bench.tx().await;
    let expected = "\
cash:voucher:treasury-bank:B1
  expense.medical 3.00
  expenditure -3.00
cash:voucher:treasury-bank:B2
  expenditure 3.00
  expense.medical -3.00
cash:voucher:treasury-bank:B3
  expense.medical 3.00
  expenditure -3.00
cash:voucher:treasury-bank:B4
  suspense_payments 3.00
  expenditure -3.00
cash:voucher:treasury-bank:B5 clears cash:voucher:treasury-bank:B4
  expenditure 3.00
  suspense_payments -3.00
cash:voucher:treasury-bank:B6
  expenditure 3.00
  expense.medical -3.00
cash:voucher:treasury-bank:B7
  expenditure 3.00
  suspense_receipts -3.00
";
    assert_eq!(cash_text(&mut tx).await, expected);
    let open = [("return.unpaid".to_owned(), "instruction:PI1:C1:300".to_owned())];
    assert_eq!(open_suspects(&mut tx).await, open);
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn the_roster_links_riders_to_one_person_and_owes_tokens_only() {
    let bench = Bench::new().await;
    let top = u64::MAX;
    bench.say_all([enrolment("meituan", top, 5), enrolment("eleme", 2, 5)]).await;
    assert_eq!(bench.say(enrolment("meituan", top, 5)).await, Outcome::Duplicate);
    let conflict = bench.say(enrolment("meituan", top, 6)).await;
    assert_eq!(conflict, Outcome::Held(HoldReason::RosterConflict));
    let mut tx = bench.tx().await;
    let tokens = roster::tokens_of(&mut tx, PersonToken(5)).await.unwrap();
    let tokens: Vec<_> = tokens.iter().map(|(at, who)| (at.as_str(), *who)).collect();
    assert_eq!(tokens, [("eleme", WorkerToken(2)), ("meituan", WorkerToken(top))]);
    assert_eq!(
        owed(&mut tx).await,
        [
            "national-platform:enrolment:meituan/ffffffffffffffff:1",
            "national-platform:enrolment:eleme/0000000000000002:1",
        ]
    );
    let sealed = "select name, identity_no, rider from roster";
    for row in sqlx::query(sealed).fetch_all(&mut *tx).await.unwrap() {
        for column in ["name", "identity_no", "rider"] {
            let bytes: Vec<u8> = sqlx::Row::get(&row, column);
            for clear in ["张三", "150102199001010011", "R1001"] {
                let is_clear = |part: &[u8]| part == clear.as_bytes();
                assert!(!bytes.windows(clear.len()).any(is_clear), "{clear} in {column}");
            }
        }
    }
    tx.rollback().await.unwrap();
    bench.close().await;
}
