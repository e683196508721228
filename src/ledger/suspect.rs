//! Why money stands in suspense: the rules that raise a suspect (疑点).

/// A rule that raised a suspect. Codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A receipt that names no e-ticket.
    ReceiptWithoutTicket,
    /// A receipt whose e-ticket tax has not reported yet.
    ReceiptTicketUnknown,
    /// A receipt of another amount than the e-ticket's payment.
    ReceiptOtherAmount,
    /// More receipts of an e-ticket than payments.
    ReceivedTwice,
    /// Paid on an instruction that no decision gave.
    InstructionUnknown,
    /// Paid for another case than the instruction's.
    PaidOtherCase,
    /// Paid another amount than the decision's.
    PaidOtherAmount,
    /// Paid again without having come back.
    PaidTwice,
    /// Came back without having been paid.
    ReturnedUnpaid,
    /// A voucher number that came again with other content.
    VoucherReused,
    /// A number of tax that came again with other content.
    TaxNumberReused,
}

impl Rule {
    /// The code in the database, in exports and on the page.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ReceiptWithoutTicket => "receipt.without_ticket",
            Self::ReceiptTicketUnknown => "receipt.ticket_unknown",
            Self::ReceiptOtherAmount => "receipt.other_amount",
            Self::ReceivedTwice => "receipt.twice",
            Self::InstructionUnknown => "payment.instruction_unknown",
            Self::PaidOtherCase => "payment.other_case",
            Self::PaidOtherAmount => "payment.other_amount",
            Self::PaidTwice => "payment.twice",
            Self::ReturnedUnpaid => "return.unpaid",
            Self::VoucherReused => "voucher.reused",
            Self::TaxNumberReused => "tax.number_reused",
        }
    }
}
