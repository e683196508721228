//! Facts about money: from tax, and from treasury, finance and bank.

use super::{Taken, Taker};
use crate::domain::event::{
    BankOutcome, BankResult, Declaration, Fact, Interest, Payment, Receipt, Refund, Transfer,
};
use crate::domain::ids::{DocumentNo, ItemCode};
use crate::domain::time::{Day, Moment};

impl Taker<'_, '_, '_> {
    pub(super) fn declaration(&mut self) -> Option<Taken> {
        let (platform, line, period) = (self.platform(), self.line(), self.period());
        let (orders, amount) = (self.count("orders"), self.amount("amount"));
        let (declared_on, document_no) =
            (self.day("declared_on", true), self.document("document_no"));
        let at = self.moment("occurred_at");
        let document_no = document_no?;
        Some(Taken {
            identity: document_no.to_string(),
            occurred_at: at?,
            fact: Fact::Declaration(Declaration {
                platform: platform?,
                line: line?,
                period: period?,
                orders: orders?,
                amount: amount?,
                declared_on: declared_on?,
                document_no,
            }),
        })
    }

    pub(super) fn payment(&mut self) -> Option<Taken> {
        let (platform, line, period) = (self.platform(), self.line(), self.period());
        let (principal, late_fee) = (self.amount("principal"), self.amount("late_fee"));
        let (paid_on, treasury_on) = (self.day("paid_on", true), self.day("treasury_on", true));
        let (e_ticket, at) = (self.document("e_ticket"), self.moment("occurred_at"));
        let e_ticket = e_ticket?;
        Some(Taken {
            identity: e_ticket.to_string(),
            occurred_at: at?,
            fact: Fact::Payment(Payment {
                platform: platform?,
                line: line?,
                period: period?,
                principal: principal?,
                late_fee: late_fee?,
                paid_on: paid_on?,
                treasury_on: treasury_on?,
                e_ticket,
            }),
        })
    }

    pub(super) fn refund(&mut self) -> Option<Taken> {
        let (platform, line, period) = (self.platform(), self.line(), self.period());
        let (amount, refunded_on) = (self.amount("amount"), self.day("refunded_on", true));
        let (e_ticket, at) = (self.document("e_ticket"), self.moment("occurred_at"));
        let (e_ticket, refunded_on) = (e_ticket?, refunded_on?);
        Some(Taken {
            identity: format!("{e_ticket}:{refunded_on}"),
            occurred_at: at?,
            fact: Fact::Refund(Refund {
                platform: platform?,
                line: line?,
                period: period?,
                amount: amount?,
                refunded_on,
                e_ticket,
            }),
        })
    }

    pub(super) fn receipt(&mut self) -> Option<Taken> {
        let (account, amount) = (self.account("account"), self.amount("amount"));
        let e_ticket = self.optional_document("e_ticket");
        let item = self.optional("item").and_then(|item| self.fields.id(item, ItemCode::new));
        let booking = self.booking();
        let (booked_on, voucher_no, at) = booking?;
        let (account, amount) = (account?, amount?);
        let identity = voucher_no.to_string();
        let receipt = Receipt { account, amount, booked_on, voucher_no, e_ticket, item };
        Some(Taken { identity, occurred_at: at, fact: Fact::Receipt(receipt) })
    }

    pub(super) fn transfer(&mut self) -> Option<Taken> {
        let (from, to, amount) = (self.account("from"), self.account("to"), self.amount("amount"));
        let (booked_on, voucher_no, at) = self.booking()?;
        let (from, to, amount) = (from?, to?, amount?);
        let identity = voucher_no.to_string();
        let transfer = Transfer { from, to, amount, booked_on, voucher_no };
        Some(Taken { identity, occurred_at: at, fact: Fact::Transfer(transfer) })
    }

    pub(super) fn interest(&mut self) -> Option<Taken> {
        let (account, amount) = (self.account("account"), self.amount("amount"));
        let (booked_on, voucher_no, at) = self.booking()?;
        let identity = voucher_no.to_string();
        let interest = Interest { account: account?, amount: amount?, booked_on, voucher_no };
        Some(Taken { identity, occurred_at: at, fact: Fact::Interest(interest) })
    }

    pub(super) fn bank_result(&mut self) -> Option<Taken> {
        let (instruction, case) = (self.document("instruction"), self.case());
        let (account, amount) = (self.account("account"), self.amount("amount"));
        let outcome = self.text("outcome");
        let (booked_on, voucher_no, at) = self.booking()?;
        let outcome = match outcome?.as_str() {
            "paid" => BankOutcome::Paid,
            "returned" => BankOutcome::Returned,
            _ => return None,
        };
        Some(Taken {
            identity: voucher_no.to_string(),
            occurred_at: at,
            fact: Fact::BankResult(BankResult {
                instruction: instruction?,
                case: case?,
                account: account?,
                amount: amount?,
                outcome,
                booked_on,
                voucher_no,
            }),
        })
    }

    fn booking(&mut self) -> Option<(Day, DocumentNo, Moment)> {
        let (booked_on, voucher_no) = (self.day("booked_on", true), self.document("voucher_no"));
        let at = self.moment("occurred_at");
        Some((booked_on?, voucher_no?, at?))
    }
}
