//! Facts of money that nobody may hold: whatever is odd about them is booked and becomes a suspect.

use super::bench::{
    Bench, applied, balances, bank, benefit, cash_text, confirmation, filed, number, open_suspects,
    payment, receipt, states,
};
use crate::apply::Outcome;
use crate::domain::event::{BankOutcome, Fact};
use crate::domain::ids::AccountCode;

crate::store::scratch::on_each_engine!(
    a_voucher_again_is_a_duplicate_and_with_other_content_a_suspect,
    receipts_that_no_payment_explains_stand_in_suspense,
    bank_results_that_no_decision_allows_stand_in_suspense_and_move_no_case,
    a_later_version_under_the_same_instruction_moves_what_was_paid,
    no_statement_books_on_an_account_that_is_no_place_of_money,
    the_database_itself_refuses_what_does_not_balance,
);

const PAID: BankOutcome = BankOutcome::Paid;
const RETURNED: BankOutcome = BankOutcome::Returned;

async fn rules(bench: &Bench) -> Vec<String> {
    let mut tx = bench.tx().await;
    let mut rules: Vec<String> =
        open_suspects(&mut tx).await.into_iter().map(|(rule, _)| rule).collect();
    tx.rollback().await.unwrap();
    rules.sort_unstable();
    rules
}

async fn a_voucher_again_is_a_duplicate_and_with_other_content_a_suspect() {
    let bench = Bench::new().await;
    bench.say_all([payment("E1", 700, 0), payment("E2", 900, 0)]).await;
    bench.say_all([receipt("V1", Some("E1"), 700)]).await;
    assert_eq!(bench.say(receipt("V1", Some("E1"), 700)).await, Outcome::Duplicate);
    bench.say_all([receipt("V1", Some("E2"), 900)]).await;
    assert_eq!(bench.say(receipt("V1", Some("E2"), 900)).await, Outcome::Duplicate);
    bench
        .say_all([bank("V1", PAID, ("PI1", "C1"), 40), bank("V1", RETURNED, ("PI1", "C1"), 9)])
        .await;
    let mut tx = bench.tx().await;
    let expected = [
        ("expenditure", -31),
        ("income.levy", -700),
        ("memo.levy_paid", 1600),
        ("memo.levy_receivable", -1600),
        ("suspense_payments", 40),
        ("suspense_receipts", -909),
        ("treasury", 1600),
    ]
    .map(|(account, fen)| (account.to_owned(), fen));
    assert_eq!(balances(&mut tx).await, expected);
    tx.rollback().await.unwrap();
    assert_eq!(rules(&bench).await, ["voucher.reused"; 3]);
    bench.close().await;
}

async fn receipts_that_no_payment_explains_stand_in_suspense() {
    let bench = Bench::new().await;
    bench.say_all([payment("E1", 700, 5), receipt("V1", None, 705)]).await;
    bench.say_all([receipt("V2", Some("E1"), 700), receipt("V3", Some("E1"), 705)]).await;
    bench.say_all([receipt("V4", Some("E1"), 705), receipt("V5", Some("E9"), 1)]).await;
    let expected = [
        "receipt.other_amount",
        "receipt.ticket_unknown",
        "receipt.twice",
        "receipt.without_ticket",
    ];
    assert_eq!(rules(&bench).await, expected);
    // A second payment on the ticket explains the second receipt of its amount.
    bench.say_all([payment("E1", 705, 0)]).await;
    let expected = [
        "receipt.other_amount",
        "receipt.ticket_unknown",
        "receipt.without_ticket",
        "tax.number_reused",
    ];
    assert_eq!(rules(&bench).await, expected);
    assert_eq!(bench.say(payment("E1", 705, 0)).await, Outcome::Duplicate);
    bench.close().await;
}

async fn bank_results_that_no_decision_allows_stand_in_suspense_and_move_no_case() {
    let bench = Bench::new().await;
    bench.say_all([filed("C1"), applied("C1"), confirmation("C1", 1, true)]).await;
    bench.say_all([benefit("C1", 1, "PI1", &[("medical", 300)])]).await;
    bench
        .say_all([bank("B1", PAID, ("PI1", "C2"), 300), bank("B2", PAID, ("PI1", "C1"), 299)])
        .await;
    bench.say_all([bank("B3", PAID, ("PI9", "C1"), 300)]).await;
    bench.say_all([bank("B4", RETURNED, ("PI1", "C1"), 300)]).await;
    let expected = [
        "payment.instruction_unknown",
        "payment.other_amount",
        "payment.other_case",
        "return.unpaid",
    ];
    assert_eq!(rules(&bench).await, expected);
    let mut tx = bench.tx().await;
    assert_eq!(states(&mut tx).await, [("C1".to_owned(), "benefit_decided".to_owned())]);
    tx.rollback().await.unwrap();
    // What was paid in error comes back, and its suspect goes.
    bench.say_all([bank("B5", RETURNED, ("PI1", "C1"), 299)]).await;
    assert_eq!(rules(&bench).await.len(), 3);
    bench.close().await;
}

async fn a_later_version_under_the_same_instruction_moves_what_was_paid() {
    let bench = Bench::new().await;
    bench.say_all([filed("C1"), applied("C1"), confirmation("C1", 1, true)]).await;
    bench.say_all([benefit("C1", 1, "PI1", &[("medical", 300)])]).await;
    bench.say_all([bank("B1", PAID, ("PI1", "C1"), 300)]).await;
    bench.say_all([benefit("C1", 2, "PI1", &[("medical", 100), ("nursing", 200)])]).await;
    bench.say_all([benefit("C1", 3, "PI1", &[("medical", 50)])]).await;
    let mut tx = bench.tx().await;
    let expected = "\
cash:voucher:treasury-bank:B1
  expense.medical 3.00
  expenditure -3.00
cash:benefit:C1:2:300
  expense.nursing 2.00
  expense.medical -2.00
cash:benefit:C1:3:300
  suspense_payments 3.00
  expense.medical -1.00
  expense.nursing -2.00
";
    assert_eq!(cash_text(&mut tx).await, expected);
    let memo = ["memo.benefit_decided", "memo.benefit_payable", "memo.benefit_paid"];
    let all = balances(&mut tx).await;
    let memo = memo.map(|name| all.iter().find(|(account, _)| account == name).map(|row| row.1));
    assert_eq!(memo, [Some(50), Some(-50), None], "decided, owed, paid");
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn no_statement_books_on_an_account_that_is_no_place_of_money() {
    let bench = Bench::new().await;
    for code in ["income.levy", "suspense_receipts", "memo.levy_paid"] {
        let Fact::Receipt(mut wrong) = receipt("V1", None, 1) else { panic!("a receipt") };
        wrong.account = AccountCode::new(code).unwrap();
        wrong.voucher_no = number(code);
        let Outcome::Held(reason) = bench.say(Fact::Receipt(wrong)).await else {
            panic!("expected a hold for {code}")
        };
        assert_eq!(reason.code(), "code.unknown");
    }
    bench.close().await;
}

async fn the_database_itself_refuses_what_does_not_balance() {
    let bench = Bench::new().await;
    bench.say_all([receipt("V1", None, 5)]).await;
    let posting =
        "insert into posting (entry_id, line_no, account, amount_fen) values ('x', 1, 'a', 5)";
    let entry = "insert into entry (id, book, booked_on, cause_event, subject, caused_at) \
                 values ('x', 'cash', 0, 'e', 's', 0)";
    for (first, then) in [
        (posting, entry),
        ("select 1", entry),
        ("select 1", "update posting set amount_fen = amount_fen + 1"),
        ("select 1", "delete from posting"),
        ("select 1", "update entry set booked_on = 0"),
        ("select 1", "delete from entry"),
        (
            "select 1",
            "insert into posting (entry_id, line_no, account, amount_fen) \
             select id, 9, 'a', 5 from entry",
        ),
    ] {
        let mut tx = bench.tx().await;
        sqlx::query(first).execute(&mut *tx).await.unwrap();
        let done = sqlx::query(then).execute(&mut *tx).await;
        // PostgreSQL looks at the sum when the transaction commits.
        let is_refused = done.is_err() || tx.commit().await.is_err();
        assert!(is_refused, "{then}");
    }
    let mut tx = bench.tx().await;
    sqlx::query(posting).execute(&mut *tx).await.unwrap();
    tx.commit().await.expect_err("postings without an entry");
    bench.close().await;
}
