//! Tax, treasury and bank: declarations and payments after the month's end, receipts with and
//! without a payment behind them, transfers, interest.

use super::platforms::{CAOCAO, DIDI, JD, LEVIES, PLATFORMS, SF, SHANSONG, STATEMENTS};
use super::run::Run;
use super::text::{HOUR_MS, day_of, first_hour, iso, yuan};
use super::truth::{Outcome, levy_fen};
use crate::domain::time::{Day, Month};

/// Declarations are made on this day of the next month; payments and receipts follow within days.
const DECLARED_ON: u32 = 10;
/// What one platform declares of its orders, in parts of a hundred.
const UNDER_DECLARED: u64 = 95;
const LATE_FEE_FEN: i64 = 123;
const UNMATCHED_FEN: i64 = 88_888;
/// What the fund starts with, and what goes on to the accounts behind the treasury.
const OPENING_FEN: i64 = 5_000_000_000;
const TO_FISCAL_FEN: i64 = 4_500_000_000;
const TO_EXPENDITURE_FEN: i64 = 4_000_000_000;
const INTEREST_FEN: i64 = 1_234_567;
const UNKNOWN_PAYMENT_FEN: i64 = 250_000;

/// A platform's levy of a month as it is paid.
struct Due {
    platform: usize,
    month: Month,
    orders: u64,
    principal_fen: i64,
    late_fee_fen: i64,
    e_ticket: String,
}

impl Due {
    fn subject(&self) -> String {
        let platform = &PLATFORMS[self.platform];
        let (line, month) = (platform.line.code(), self.month);
        format!(r#""platform":"{}","line":"{line}","period":"{month}""#, platform.id)
    }
}

impl Run {
    /// What happens at the start of each day, also after the last day of orders.
    pub(super) fn day_begins(&mut self, day: Day, has_orders: bool) {
        if has_orders {
            if self.truth.in_force(day) {
                self.statements(day);
            }
            self.cases_of_day(day);
        }
        if day.ymd().2 == DECLARED_ON {
            self.month_ended(day, day.month().previous());
        }
    }

    /// Whether the last month with orders has been declared.
    pub(super) fn settled(&self) -> bool {
        let last = self.options.from.plus(i32::try_from(self.options.days).unwrap_or(0) - 1);
        let declared = last.month().next().first_day().plus(10);
        self.options.profile != super::Profile::Demo
            || day_of(self.calendar.now() * HOUR_MS) >= declared
    }

    /// Levies of the final counts, as they are assessed and adjusted.
    pub(super) fn assess_levies(&mut self) {
        for (at, platform) in PLATFORMS.iter().enumerate() {
            for (_, orders) in self.truth.by_month(at) {
                let fen = levy_fen(platform.line, orders);
                self.truth.post("memo.levy_receivable", "memo.levy_assessed", fen);
            }
        }
    }

    /// Money to start with, moved on to where benefits are paid from; two payments that nobody
    /// decided.
    pub(super) fn opening_money(&mut self) {
        let first = first_hour(self.options.from) + 8;
        let day = self.options.from;
        let run = format!("{day}-{}", self.options.seed);
        let voucher = format!("RV-{run}");
        self.receipt((first, "treasury"), OPENING_FEN, &voucher, None, Outcome::Applied);
        self.truth.post("treasury", "suspense_receipts", OPENING_FEN);
        self.transfer(first + 3, ("treasury", "fiscal"), TO_FISCAL_FEN, &format!("TV-{run}-1"));
        self.transfer(
            first + 6,
            ("fiscal", "expenditure"),
            TO_EXPENDITURE_FEN,
            &format!("TV-{run}-2"),
        );
        for n in 1..=3 {
            let hour = first + 8 + n;
            let text = format!(
                concat!(
                    r#"{{"type":"bank_result","instruction":"PI-{}-{}","case":"NM-{}-{}","#,
                    r#""account":"expenditure","amount":"{}","outcome":"paid","#,
                    r#""booked_on":"{}","voucher_no":"BV-{}-{}","at":"{}"}}"#
                ),
                run,
                n,
                run,
                n,
                yuan(UNKNOWN_PAYMENT_FEN),
                day,
                run,
                n,
                iso(hour * HOUR_MS),
            );
            self.deliver_text(hour, STATEMENTS, &text, Outcome::Applied);
            self.truth.post("suspense_payments", "expenditure", UNKNOWN_PAYMENT_FEN);
            self.truth.note("payment_unknown_case");
        }
    }

    /// Everything that follows from one month, from its declaration day on.
    fn month_ended(&mut self, day: Day, month: Month) {
        let first = first_hour(day) + 9;
        let mut any = false;
        for (at, platform) in PLATFORMS.iter().enumerate() {
            let counted = self.truth.by_month(at).get(&month).copied().unwrap_or(0);
            if counted == 0 {
                continue;
            }
            let under = at == JD;
            let orders = if under { counted * UNDER_DECLARED / 100 } else { counted };
            if under {
                self.truth.note("under_declared");
            }
            let due = Due {
                platform: at,
                month,
                orders,
                principal_fen: levy_fen(platform.line, orders),
                late_fee_fen: if at == SHANSONG { LATE_FEE_FEN } else { 0 },
                e_ticket: format!("ET-{month}-{at:02}-{}", self.options.seed),
            };
            self.declaration(&due, first + i64::try_from(at % 6).unwrap_or(0));
            if due.principal_fen > 0 {
                self.paid_month(&due, day);
            }
            any = true;
        }
        if any {
            self.other_money(day, month);
        }
    }

    fn declaration(&mut self, due: &Due, hour: i64) {
        let text = format!(
            concat!(
                r#"{{"type":"declaration",{},"orders":{},"amount":"{}","declared_on":"{}","#,
                r#""document_no":"SB-{}","at":"{}"}}"#
            ),
            due.subject(),
            due.orders,
            yuan(due.principal_fen),
            day_of(hour * HOUR_MS),
            due.e_ticket,
            iso(hour * HOUR_MS),
        );
        self.deliver_text(hour, LEVIES, &text, Outcome::Applied);
    }

    /// Payment and receipt of a levy; for one platform the receipt arrives first.
    fn paid_month(&mut self, due: &Due, declared: Day) {
        let pay_hour = first_hour(declared.plus(1)) + 10;
        let receipt_first = due.platform == SF;
        let receipt_hour =
            if receipt_first { pay_hour - 4 } else { first_hour(declared.plus(2)) + 10 };
        let (principal, late_fee) = (due.principal_fen, due.late_fee_fen);
        let payment = format!(
            concat!(
                r#"{{"type":"payment",{},"principal":"{}","late_fee":"{}","paid_on":"{}","#,
                r#""treasury_on":"{}","e_ticket":"{}","at":"{}"}}"#
            ),
            due.subject(),
            yuan(principal),
            yuan(late_fee),
            declared.plus(1),
            declared.plus(1),
            due.e_ticket,
            iso(pay_hour * HOUR_MS),
        );
        self.deliver_text(pay_hour, LEVIES, &payment, Outcome::Applied);
        self.truth.post("memo.levy_paid", "memo.levy_receivable", principal);
        let voucher = format!("RV-{}", due.e_ticket);
        let place = (receipt_hour, "treasury");
        let (sum, ticket) = (principal + late_fee, Some(due.e_ticket.as_str()));
        self.receipt(place, sum, &voucher, ticket, Outcome::Applied);
        self.truth.post("treasury", "income.levy", principal);
        self.truth.post("treasury", "income.late_fee", late_fee);
        if receipt_first {
            self.truth.note("receipt_before_payment");
        }
        if due.platform == CAOCAO {
            self.receipt_again(receipt_hour + 5);
            self.refund(due, receipt_hour + 6);
        }
        if due.platform == DIDI {
            // The voucher's number once more, with another amount: money of unknown cause.
            let place = (receipt_hour + 7, "treasury");
            self.receipt(place, sum + 100, &voucher, ticket, Outcome::Applied);
            self.truth.post("treasury", "suspense_receipts", sum + 100);
            self.truth.note("voucher_other_content");
        }
    }

    /// A receipt without a payment, transfers and interest.
    fn other_money(&mut self, day: Day, month: Month) {
        let hour = first_hour(day.plus(3)) + 9;
        let run = format!("{month}-{}", self.options.seed);
        let voucher = format!("RV-UNMATCHED-{run}");
        let ticket = format!("ET-UNKNOWN-{run}");
        let place = (hour, "treasury");
        self.receipt(place, UNMATCHED_FEN, &voucher, Some(&ticket), Outcome::Applied);
        self.truth.post("treasury", "suspense_receipts", UNMATCHED_FEN);
        self.truth.note("receipt_unmatched");
        self.transfer(hour + 3, ("treasury", "fiscal"), UNMATCHED_FEN, &format!("TV-{run}"));
        let text = format!(
            concat!(
                r#"{{"type":"interest","account":"fiscal","amount":"{}","booked_on":"{}","#,
                r#""voucher_no":"IV-{}","at":"{}"}}"#
            ),
            yuan(INTEREST_FEN),
            day_of(hour * HOUR_MS),
            run,
            iso((hour + 5) * HOUR_MS),
        );
        self.deliver_text(hour + 5, STATEMENTS, &text, Outcome::Applied);
        self.truth.post("fiscal", "income.interest", INTEREST_FEN);
    }

    fn receipt(
        &mut self,
        (hour, account): (i64, &str),
        fen: i64,
        voucher: &str,
        e_ticket: Option<&str>,
        outcome: Outcome,
    ) {
        let ticket = e_ticket.map_or("null".to_owned(), |ticket| format!("\"{ticket}\""));
        let text = format!(
            concat!(
                r#"{{"type":"receipt","account":"{}","amount":"{}","booked_on":"{}","#,
                r#""voucher_no":"{}","e_ticket":{},"item":null,"at":"{}"}}"#
            ),
            account,
            yuan(fen),
            day_of(hour * HOUR_MS),
            voucher,
            ticket,
            iso(hour * HOUR_MS),
        );
        self.deliver_text(hour, STATEMENTS, &text, outcome);
    }

    /// The receipt delivered last, byte for byte.
    fn receipt_again(&mut self, hour: i64) {
        let text = String::from_utf8_lossy(&self.scratch).into_owned();
        self.deliver_text(hour, STATEMENTS, &text, Outcome::Duplicate);
        self.truth.note("receipt_again");
    }

    /// Tax gives a fen back; in the cash book that alone is no fact.
    fn refund(&mut self, due: &Due, hour: i64) {
        let text = format!(
            concat!(
                r#"{{"type":"refund",{},"amount":"0.01","refunded_on":"{}","#,
                r#""e_ticket":"{}","at":"{}"}}"#
            ),
            due.subject(),
            day_of(hour * HOUR_MS),
            due.e_ticket,
            iso(hour * HOUR_MS),
        );
        self.deliver_text(hour, LEVIES, &text, Outcome::Applied);
    }

    fn transfer(&mut self, hour: i64, (from, to): (&str, &str), fen: i64, voucher: &str) {
        let text = format!(
            concat!(
                r#"{{"type":"transfer","from":"{}","to":"{}","amount":"{}","booked_on":"{}","#,
                r#""voucher_no":"{}","at":"{}"}}"#
            ),
            from,
            to,
            yuan(fen),
            day_of(hour * HOUR_MS),
            voucher,
            iso(hour * HOUR_MS),
        );
        self.deliver_text(hour, STATEMENTS, &text, Outcome::Applied);
        self.truth.post(to, from, fen);
    }
}
