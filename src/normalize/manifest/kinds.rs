//! The canonical records that a manifest can make, and their fields.

use Need::{Nullable, Optional, Required};
use Shape::{Amount, Amounts, Code, Count, Counts, County, Date, Id, Month, Text, Time};

/// What a canonical field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Shape {
    /// Any text.
    Text,
    /// An order number.
    Id,
    /// A moment.
    Time,
    /// A day.
    Date,
    /// A month.
    Month,
    /// Six digits of a county.
    County,
    /// A whole number of 0 or more.
    Count,
    /// Yuan with at most two places.
    Amount,
    /// One of these words.
    Code(&'static [&'static str]),
    /// Counts by county.
    Counts,
    /// Amounts by item.
    Amounts,
}

/// Whether a field must be mapped, and whether the record may lack its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Need {
    /// Mapped and there.
    Required,
    /// Mapped; the record may lack it.
    Nullable,
    /// May be left out of the manifest.
    Optional,
}

/// One field of a canonical record.
pub(in crate::normalize) struct Rule {
    /// Its name in a manifest.
    pub(in crate::normalize) name: &'static str,
    /// What it holds.
    pub(in crate::normalize) shape: Shape,
    /// Whether it must be there.
    pub(in crate::normalize) need: Need,
}

const fn rule(name: &'static str, shape: Shape, need: Need) -> Rule {
    Rule { name, shape, need }
}

/// The canonical records, by the word after `makes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Kind {
    Order,
    Statement,
    Enrolment,
    Registration,
    Filing,
    Application,
    Proposal,
    Confirmation,
    Assessment,
    Benefit,
    Declaration,
    Payment,
    Refund,
    Receipt,
    Transfer,
    Interest,
    BankResult,
    Ack,
}

impl Kind {
    /// All kinds.
    pub(in crate::normalize) const ALL: [Self; 18] = [
        Self::Order,
        Self::Statement,
        Self::Enrolment,
        Self::Registration,
        Self::Filing,
        Self::Application,
        Self::Proposal,
        Self::Confirmation,
        Self::Assessment,
        Self::Benefit,
        Self::Declaration,
        Self::Payment,
        Self::Refund,
        Self::Receipt,
        Self::Transfer,
        Self::Interest,
        Self::BankResult,
        Self::Ack,
    ];

    /// The word in manifests and event ids.
    pub(in crate::normalize) const fn code(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Statement => "statement",
            Self::Enrolment => "enrolment",
            Self::Registration => "registration",
            Self::Filing => "filing",
            Self::Application => "application",
            Self::Proposal => "proposal",
            Self::Confirmation => "confirmation",
            Self::Assessment => "assessment",
            Self::Benefit => "benefit",
            Self::Declaration => "declaration",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Receipt => "receipt",
            Self::Transfer => "transfer",
            Self::Interest => "interest",
            Self::BankResult => "bank_result",
            Self::Ack => "ack",
        }
    }

    /// Whether only the connector of a platform can have it: the platform is the connector's own.
    pub(in crate::normalize) const fn of_platform(self) -> bool {
        matches!(self, Self::Order | Self::Statement | Self::Enrolment)
    }

    /// Its fields.
    pub(in crate::normalize) const fn rules(self) -> &'static [Rule] {
        match self {
            Self::Order => ORDER,
            Self::Statement => STATEMENT,
            Self::Enrolment => ENROLMENT,
            Self::Registration => REGISTRATION,
            Self::Filing => FILING,
            Self::Application => APPLICATION,
            Self::Proposal => PROPOSAL,
            Self::Confirmation => CONFIRMATION,
            Self::Assessment => ASSESSMENT,
            Self::Benefit => BENEFIT,
            Self::Declaration => DECLARATION,
            Self::Payment => PAYMENT,
            Self::Refund => REFUND,
            Self::Receipt => RECEIPT,
            Self::Transfer => TRANSFER,
            Self::Interest => INTEREST,
            Self::BankResult => BANK_RESULT,
            Self::Ack => ACK,
        }
    }
}

const AT: Rule = rule("occurred_at", Time, Required);
const CASE: Rule = rule("case", Text, Required);
const BODY: Rule = rule("body", Text, Required);
const DOCUMENT: Rule = rule("document_no", Text, Nullable);
const DECIDED: Rule = rule("decided_on", Date, Required);
const VERSION: Rule = rule("version", Count, Required);
const PLATFORM: Rule = rule("platform", Text, Required);
const LINE: Rule = rule("line", Text, Required);
const PERIOD: Rule = rule("period", Month, Required);
const E_TICKET: Rule = rule("e_ticket", Text, Required);
const ACCOUNT: Rule = rule("account", Text, Required);
const AMOUNT: Rule = rule("amount", Amount, Required);
const BOOKED: Rule = rule("booked_on", Date, Required);
const VOUCHER: Rule = rule("voucher_no", Text, Required);

const ORDER: &[Rule] = &[
    rule("order_id", Id, Required),
    LINE,
    AT,
    rule("worker", Text, Optional),
    rule("accepted_at", Time, Optional),
    rule("ended_at", Time, Optional),
    rule("county", County, Optional),
    rule("service_county", County, Optional),
    rule("channel", Text, Optional),
    rule("upstream_platform", Text, Optional),
    rule("upstream_order", Text, Optional),
];
const STATEMENT: &[Rule] = &[
    LINE,
    rule("day", Date, Required),
    rule("revision", Count, Required),
    rule("orders", Counts, Required),
    rule("occurred_at", Time, Optional),
];
const ENROLMENT: &[Rule] = &[
    rule("rider", Text, Required),
    rule("name", Text, Required),
    rule("identity_no", Text, Required),
    rule("from", Date, Required),
];
const REGISTRATION: &[Rule] = &[
    rule("credit_code", Text, Required),
    PLATFORM,
    LINE,
    rule("action", Code(&["registered", "changed", "cancelled"]), Required),
    rule("effective_from", Date, Required),
    rule("document_no", Text, Required),
    rule("occurred_at", Time, Optional),
];
const FILING: &[Rule] = &[
    CASE,
    PLATFORM,
    rule("rider", Text, Required),
    rule("identity_no", Text, Required),
    rule("accident_at", Time, Required),
    rule("accident_county", County, Required),
    rule("order_id", Text, Optional),
    AT,
];
const APPLICATION: &[Rule] =
    &[CASE, rule("applicant", Code(&["platform", "worker", "kin", "union"]), Required), AT];
/// An insurer prepares these; a re-assessment (再次鉴定) is the regional committee's alone.
const FUNCTIONS: &[&str] = &["confirmation", "assessment", "benefit_determination"];
const PROPOSAL: &[Rule] =
    &[CASE, rule("function", Code(FUNCTIONS), Required), rule("outcome", Text, Required), AT];
const CONFIRMATION: &[Rule] = &[
    CASE,
    BODY,
    DOCUMENT,
    DECIDED,
    VERSION,
    rule("confirmed", Code(&["confirmed", "refused"]), Required),
    rule("situation", Text, Optional),
    AT,
];
const ASSESSMENT: &[Rule] = &[
    CASE,
    BODY,
    DOCUMENT,
    DECIDED,
    VERSION,
    rule("stage", Code(&["initial", "review", "reassessment"]), Required),
    rule("grade", Count, Required),
    AT,
];
const BENEFIT: &[Rule] = &[
    CASE,
    BODY,
    DOCUMENT,
    DECIDED,
    VERSION,
    rule("instruction", Text, Required),
    rule("items", Amounts, Required),
    AT,
];
const DECLARATION: &[Rule] = &[
    PLATFORM,
    LINE,
    PERIOD,
    rule("orders", Count, Required),
    AMOUNT,
    rule("declared_on", Date, Required),
    rule("document_no", Text, Required),
    AT,
];
const PAYMENT: &[Rule] = &[
    PLATFORM,
    LINE,
    PERIOD,
    rule("principal", Amount, Required),
    rule("late_fee", Amount, Required),
    rule("paid_on", Date, Required),
    rule("treasury_on", Date, Required),
    E_TICKET,
    AT,
];
const REFUND: &[Rule] =
    &[PLATFORM, LINE, PERIOD, AMOUNT, rule("refunded_on", Date, Required), E_TICKET, AT];
const RECEIPT: &[Rule] = &[
    ACCOUNT,
    AMOUNT,
    BOOKED,
    VOUCHER,
    rule("e_ticket", Text, Nullable),
    rule("item", Text, Nullable),
    AT,
];
const TRANSFER: &[Rule] =
    &[rule("from", Text, Required), rule("to", Text, Required), AMOUNT, BOOKED, VOUCHER, AT];
const INTEREST: &[Rule] = &[ACCOUNT, AMOUNT, BOOKED, VOUCHER, AT];
const BANK_RESULT: &[Rule] = &[
    rule("instruction", Text, Required),
    CASE,
    ACCOUNT,
    AMOUNT,
    rule("outcome", Code(&["paid", "returned"]), Required),
    BOOKED,
    VOUCHER,
    AT,
];
const ACK: &[Rule] = &[
    rule("record", Text, Required),
    rule("result", Code(&["accepted", "refused"]), Required),
    rule("code", Text, Optional),
    AT,
];
