//! Entries and standings worked out by hand.

use proptest::prelude::*;

use super::account::{Account, Book};
use super::entry::{Entry, EntryError, Posting};
use super::standing::{Benefit, Payout, Standing, TaxParts, Ticket};
use crate::domain::ids::{AccountCode, ItemCode};
use crate::domain::money::{Fen, MoneyError};

fn place(code: &str) -> Account {
    Account::place(&AccountCode::new(code).unwrap()).unwrap()
}

fn posting(account: Account, fen: i64) -> Posting {
    Posting { account, amount: Fen::new(fen) }
}

fn benefit(items: &[(&str, i64)]) -> Option<Benefit> {
    let item = |(code, fen): &(&str, i64)| (ItemCode::new(code).unwrap(), Fen::new(*fen));
    Some(Benefit { items: items.iter().map(item).collect() })
}

#[test]
fn an_entry_is_balanced_or_nothing() {
    let entry = Entry::balanced(vec![
        posting(Account::IncomeLevy, -700),
        posting(place("treasury"), 300),
        posting(Account::SuspenseReceipts, -5),
        posting(place("treasury"), 400),
        posting(Account::SuspenseReceipts, 5),
    ])
    .unwrap();
    assert_eq!(entry.to_string(), "Dr treasury 7.00\n  Cr income.levy 7.00\n");
    assert_eq!(entry.book(), Book::Cash);

    let off = Entry::balanced(vec![posting(place("fiscal"), 7), posting(place("treasury"), -6)]);
    assert_eq!(off, Err(EntryError::Unbalanced { off_by: Fen::new(1) }));
    let mixed = Entry::balanced(vec![posting(Account::LevyPaid, 7), posting(place("fiscal"), -7)]);
    let found = "memo.levy_paid".to_owned();
    assert_eq!(mixed, Err(EntryError::MixedBooks { expected: "cash", found }));
    for nothing in [vec![], vec![posting(place("fiscal"), 7), posting(place("fiscal"), -7)]] {
        assert_eq!(Entry::balanced(nothing.clone()), Err(EntryError::Empty));
        assert_eq!(Entry::balanced_or_nothing(nothing), Ok(None));
    }
    let high = vec![posting(place("fiscal"), i64::MAX), posting(place("fiscal"), 1)];
    let out_of_range =
        matches!(Entry::balanced(high), Err(EntryError::Money(MoneyError::OutOfRange { .. })));
    assert!(out_of_range);
}

/// The change of where money stands, as an entry together with the cash itself.
fn change(cash: i64, before: &Standing, after: &Standing) -> String {
    let mut postings = vec![posting(place("expenditure"), cash)];
    postings.extend(after.change_from(before).unwrap());
    Entry::balanced(postings).unwrap().to_string()
}

#[test]
fn the_first_payment_of_a_decision_is_expenditure_and_the_second_is_not() {
    let payout = |paid, returned| Payout {
        amount: Fen::new(300),
        paid,
        returned,
        benefit: benefit(&[("medical", 100), ("nursing", 200)]),
    };
    let stands = |paid, returned| payout(paid, returned).standing().unwrap();
    let items = "Dr expense.medical 1.00\nDr expense.nursing 2.00\n  Cr expenditure 3.00\n";
    assert_eq!(change(-300, &stands(0, 0), &stands(1, 0)), items);
    let twice = "Dr suspense_payments 3.00\n  Cr expenditure 3.00\n";
    assert_eq!(change(-300, &stands(1, 0), &stands(2, 0)), twice);
    let back = "Dr expenditure 3.00\n  Cr suspense_payments 3.00\n";
    assert_eq!(change(300, &stands(2, 0), &stands(2, 1)), back);
    let early = "Dr expenditure 3.00\n  Cr suspense_receipts 3.00\n";
    assert_eq!(change(300, &stands(0, 0), &stands(0, 1)), early);
    assert_eq!(stands(1, 1), Standing::default(), "returned before or after it was paid");
    assert_eq!((stands(3, 0).suspended, stands(3, 0).settled), (2, Fen::new(300)));
}

#[test]
fn a_receipt_is_income_only_by_a_payment_of_its_amount() {
    let parts = |principal, late_fee| TaxParts {
        principal: Fen::new(principal),
        late_fee: Fen::new(late_fee),
    };
    let ticket = |receipts, payments: &[TaxParts]| {
        let amount = Fen::new(105);
        Ticket { amount, receipts, payments: payments.to_vec() }.standing().unwrap()
    };
    let none = Standing::default();
    let both = "Dr expenditure 1.05\n  Cr income.levy 1.00\n  Cr income.late_fee 0.05\n";
    assert_eq!(change(105, &none, &ticket(1, &[parts(100, 5), parts(200, 0)])), both);
    let unknown = "Dr expenditure 1.05\n  Cr suspense_receipts 1.05\n";
    for payments in [&[][..], &[parts(104, 0)], &[parts(105, 5)]] {
        assert_eq!(change(105, &none, &ticket(1, payments)), unknown);
    }
    let (one, other) = (parts(100, 5), parts(105, 0));
    assert_eq!(ticket(1, &[one, other]), ticket(1, &[other, one]));
}

proptest! {
    #[test]
    fn what_stands_always_faces_the_money(
        paid in 0..5_u32, returned in 0..5_u32, due in prop::option::of(prop_oneof![Just(7_i64), Just(8)])
    ) {
        let amount = Fen::new(7);
        let benefit = due.and_then(|due| benefit(&[("medical", due)]));
        let standing = Payout { amount, paid, returned, benefit }.standing().unwrap();
        let postings = standing.change_from(&Standing::default()).unwrap();
        let sum: i64 = postings.iter().map(|posting| posting.amount.get()).sum();
        prop_assert_eq!(sum, 7 * (i64::from(paid) - i64::from(returned)));
    }
}
