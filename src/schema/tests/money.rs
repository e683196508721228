//! As `agreement`, for facts of tax, treasury and bank: amounts as two's complement bytes.

use apache_avro::types::Value;

use super::agreement::{
    DAY, case, check, day, decimal, document, line, none, platform, some, text,
};
use super::envelope;
use crate::domain::event::{
    BankOutcome, BankResult, Declaration, Event, Fact, Interest, Payment, Receipt, Refund, Transfer,
};
use crate::domain::ids::{AccountCode, ItemCode};
use crate::domain::money::Fen;
use crate::domain::time::Month;
use crate::schema::Record;
use crate::schema::encode::{EncodeError, encode_event};

fn account(code: &str) -> AccountCode {
    AccountCode::new(code).expect("a code")
}

fn july() -> Month {
    Month::parse("2026-07").expect("a month")
}

#[test]
fn facts_of_tax_agree_with_their_schemas() {
    let owner = [
        ("platform", text("meituan")),
        ("line", text("instant_delivery")),
        ("period", text("2026-07")),
    ];
    let declaration = Declaration {
        platform: platform(),
        line: line(),
        period: july(),
        orders: 123,
        amount: Fen::new(861),
        declared_on: day(),
        document_no: document("D1"),
    };
    // 861 = 0x035d
    let own = [
        ("orders", Value::Long(123)),
        ("amount", decimal(&[3, 0x5d])),
        ("declared_on", DAY),
        ("document_no", text("D1")),
    ];
    check(Record::Declaration, Fact::Declaration(declaration), &[&owner[..], &own].concat());

    let payment = Payment {
        platform: platform(),
        line: line(),
        period: july(),
        principal: Fen::new(128),
        late_fee: Fen::ZERO,
        paid_on: day(),
        treasury_on: day().plus(1),
        e_ticket: document("E1"),
    };
    // 128 needs a leading zero byte, or it would be -128
    let own = [
        ("principal", decimal(&[0, 0x80])),
        ("late_fee", decimal(&[0])),
        ("paid_on", DAY),
        ("treasury_on", Value::Date(20_636)),
        ("e_ticket", text("E1")),
    ];
    check(Record::Payment, Fact::Payment(payment), &[&owner[..], &own].concat());

    let refund = Refund {
        platform: platform(),
        line: line(),
        period: july(),
        amount: Fen::new(-129),
        refunded_on: day(),
        e_ticket: document("E1"),
    };
    let own = [("amount", decimal(&[0xff, 0x7f])), ("refunded_on", DAY), ("e_ticket", text("E1"))];
    check(Record::Refund, Fact::Refund(refund), &[&owner[..], &own].concat());
}

#[test]
fn facts_of_treasury_and_bank_agree_with_their_schemas() {
    let receipt = Receipt {
        account: account("treasury"),
        amount: Fen::new(127),
        booked_on: day(),
        voucher_no: document("V1"),
        e_ticket: None,
        item: Some(ItemCode::new("income.levy").expect("a code")),
    };
    let booked = [("amount", decimal(&[0x7f])), ("booked_on", DAY), ("voucher_no", text("V1"))];
    let more = [("e_ticket", none()), ("item", some(text("income.levy")))];
    let whole = [&[("account", text("treasury"))][..], &booked, &more].concat();
    check(Record::Receipt, Fact::Receipt(receipt), &whole);

    let transfer = Transfer {
        from: account("fiscal"),
        to: account("expenditure"),
        amount: Fen::new(127),
        booked_on: day(),
        voucher_no: document("V1"),
    };
    let accounts = [("from", text("fiscal")), ("to", text("expenditure"))];
    check(Record::Transfer, Fact::Transfer(transfer), &[&accounts[..], &booked].concat());

    let interest = Interest {
        account: account("fiscal"),
        amount: Fen::new(127),
        booked_on: day(),
        voucher_no: document("V1"),
    };
    let whole = [&[("account", text("fiscal"))][..], &booked].concat();
    check(Record::Interest, Fact::Interest(interest), &whole);

    for (outcome, word) in [(BankOutcome::Paid, "paid"), (BankOutcome::Returned, "returned")] {
        let result = BankResult {
            instruction: document("PI1"),
            case: case(),
            account: account("expenditure"),
            amount: Fen::new(127),
            outcome,
            booked_on: day(),
            voucher_no: document("V1"),
        };
        check(
            Record::BankResult,
            Fact::BankResult(result),
            &[
                ("instruction", text("PI1")),
                ("case", text("NM2026000001")),
                ("account", text("expenditure")),
                ("amount", decimal(&[0x7f])),
                ("outcome", text(word)),
                ("booked_on", DAY),
                ("voucher_no", text("V1")),
            ],
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let interest = |fen| Interest {
        account: account("fiscal"),
        amount: Fen::new(fen),
        booked_on: day(),
        voucher_no: document("V1"),
    };
    let encode = |fen| {
        let fact = Fact::Interest(interest(fen));
        encode_event(&Event { envelope: envelope(), fact }).map(|_| ())
    };
    let most = 999_999_999_999_999_999;
    assert_eq!((encode(most), encode(-most)), (Ok(()), Ok(())));
    for found in [most + 1, -most - 1, i64::MIN].map(Fen::new) {
        let refused = EncodeError::AmountTooLarge { field: "amount", found };
        assert_eq!(encode(found.get()), Err(refused));
    }
    let mut far = envelope();
    far.source.offset = u64::MAX;
    let refused = encode_event(&Event { envelope: far, fact: Fact::Interest(interest(0)) });
    assert!(matches!(refused, Err(EncodeError::CountTooLarge { field: "source.offset", .. })));
}
