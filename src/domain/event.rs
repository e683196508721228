//! Canonical events: what normalizing makes of a message. `schemas/*.avsc` say the same to others,
//! and a test holds the two together.

use super::ids::{
    AccountCode, BodyCode, CaseId, ConnectorId, CountyCode, CreditCode, DestinationId, DocumentNo,
    EventId, FeedId, ItemCode, LineCode, OrderId, PersonToken, PlatformId, WorkerToken,
};
use super::message::Source;
use super::money::Fen;
pub use super::origin::Origin;
use super::personal::Personal;
use super::time::{Day, Moment, Month};

/// Where an event came from and when; the same for every kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `<connector>:<kind>:<identity>[:<revision>]`, made of content, the same for the same fact;
    /// for order events see [`super::order_view::OrderEventIds`].
    pub event_id: EventId,
    /// The counterparty.
    pub connector: ConnectorId,
    /// The stream of the counterparty.
    pub feed: FeedId,
    /// The record.
    pub source: Source,
    /// When it happened, as the counterparty says.
    pub occurred_at: Moment,
    /// The log's append time.
    pub received_at: Moment,
}

/// An event that is no order event: applied in a transaction of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where from and when.
    pub envelope: Envelope,
    /// What it says.
    pub fact: Fact,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A day's totals that a platform vouches for.
    Statement(CountStatement),
    /// 参保登记 of a platform, its change or cancellation.
    Registration(Registration),
    /// A rider in a platform's real-name roster.
    Enrolment(Enrolment),
    /// Something about an injury case.
    Case(CaseEvent),
    /// A declaration (申报) at tax.
    Declaration(Declaration),
    /// A payment (缴款) at tax.
    Payment(Payment),
    /// A refund (退费) by tax.
    Refund(Refund),
    /// Money that came into an account.
    Receipt(Receipt),
    /// Money moved between the fund's accounts.
    Transfer(Transfer),
    /// Interest credited.
    Interest(Interest),
    /// What the bank did with a payment instruction.
    BankResult(BankResult),
    /// A counterparty's answer to a record of ours.
    Ack(Ack),
}

/// The four things that can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderKind {
    /// 接单: the rider took the order.
    Accepted,
    /// 完成.
    Completed,
    /// 取消, before or after acceptance: the merge decides by the times.
    Cancelled,
    /// 作废: the platform says there never was such an order.
    Void,
}

impl OrderKind {
    /// All kinds, in the order of their bits.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Completed, Self::Cancelled, Self::Void];

    /// Its bit in a set of kinds.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Accepted => 1,
            Self::Completed => 2,
            Self::Cancelled => 4,
            Self::Void => 8,
        }
    }

    /// The word used in schemas and files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Void => "void",
        }
    }
}

/// How the acceptance county was found (facts: acceptance, else pick-up, else registration city).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CountySource {
    /// 接单地.
    Acceptance,
    /// 上车/取货位置.
    Pickup,
    /// 注册地.
    Registration,
}

impl CountySource {
    /// The word used in schemas and manifests.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Acceptance => "acceptance",
            Self::Pickup => "pickup",
            Self::Registration => "registration",
        }
    }
}

/// One thing that happened to one order. Material fields (compared between events of one id) are
/// `line`, `worker`, `accepted_at`, `county`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// What happened.
    pub kind: OrderKind,
    /// The liable platform.
    pub platform: PlatformId,
    /// The platform's order number.
    pub order_id: OrderId,
    /// Line of business.
    pub line: Option<LineCode>,
    /// The rider.
    pub worker: Option<WorkerToken>,
    /// 接单时间.
    pub accepted_at: Option<Moment>,
    /// Completion or cancellation time.
    pub ended_at: Option<Moment>,
    /// When this event happened, as the platform says.
    pub occurred_at: Moment,
    /// County of acceptance.
    pub county: Option<CountyCode>,
    /// How `county` was found.
    pub county_source: Option<CountySource>,
    /// County of service.
    pub service_county: Option<CountyCode>,
    /// What it came through, for the few orders that did not come straight from the platform; in
    /// a box, since every message carries this struct.
    pub origin: Option<Box<Origin>>,
    /// The feed's time resolution in milliseconds: times agree within the coarser one.
    pub resolution_ms: u32,
}

/// A day's orders by county that a platform vouches for; replaces the whole day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountStatement {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// Day of acceptance.
    pub day: Day,
    /// The highest revision stands.
    pub revision: u32,
    /// Orders by county, ascending, each county once; an absent county is 0.
    pub orders: Vec<(CountyCode, u64)>,
}

/// 参保登记 (key: 统一社会信用代码 and line).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The legal entity.
    pub credit_code: CreditCode,
    /// The platform it stands for.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// `registered`, `changed` or `cancelled`.
    pub action: RegistrationAction,
    /// First day it holds.
    pub effective_from: Day,
    /// Document of the regional agency.
    pub document_no: DocumentNo,
}

/// What a registration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationAction {
    /// 登记.
    Registered,
    /// 变更.
    Changed,
    /// 注销.
    Cancelled,
}

/// A rider in a roster: the only link from a platform's rider to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The platform.
    pub platform: PlatformId,
    /// The rider under the hub's key.
    pub worker: WorkerToken,
    /// The person under the hub's key.
    pub person: PersonToken,
    /// The rider's number at the platform.
    pub rider: Personal<String>,
    /// 姓名.
    pub name: Personal<String>,
    /// 公民身份号码 or another document's number.
    pub identity_no: Personal<String>,
    /// First day of work on the platform.
    pub from: Day,
}

/// Something about an injury case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseEvent {
    /// The regional case number.
    pub case: CaseId,
    /// What it says.
    pub fact: CaseFact,
}

/// What an event says of a case. Proposals never lead to money; decisions do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseFact {
    /// 事故备案, through the national platform.
    Filed(Filing),
    /// 待遇给付申请.
    Applied {
        /// `platform`, `worker`, `kin` or `union`.
        applicant: String,
    },
    /// The insurer's proposal (never a decision).
    Proposed {
        /// What it is about.
        function: DecisionFunction,
        /// What the insurer would decide.
        outcome: String,
    },
    /// 职业伤害确认 or 不予确认.
    Confirmation {
        /// Who decided, by which document, when.
        decision: Decision,
        /// Confirmed or refused.
        confirmed: bool,
        /// 确认情形, where confirmed.
        situation: Option<String>,
    },
    /// 劳动能力鉴定.
    Assessment {
        /// Who decided.
        decision: Decision,
        /// First, review or re-assessment.
        stage: AssessmentStage,
        /// Grade 1 to 10; 0 where no grade was reached.
        grade: u8,
    },
    /// 待遇核定.
    BenefitDecision {
        /// Who decided.
        decision: Decision,
        /// Amount by item; each item once.
        items: Vec<(ItemCode, Fen)>,
        /// The payment instruction that the agency gives for it.
        instruction: DocumentNo,
    },
}

/// An accident as it was filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    /// The platform in whose name the labour was given.
    pub platform: PlatformId,
    /// The rider under the hub's key.
    pub worker: WorkerToken,
    /// The person under the hub's key.
    pub person: PersonToken,
    /// When it happened.
    pub accident_at: Moment,
    /// Where it happened (职业伤害发生地); never derived from the order.
    pub accident_county: CountyCode,
    /// The order named in the filing; the hub looks for itself.
    pub order_id: Option<OrderId>,
}

/// The functions that competence is given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecisionFunction {
    /// 职业伤害确认.
    Confirmation,
    /// 初次鉴定, 复查鉴定.
    Assessment,
    /// 再次鉴定.
    Reassessment,
    /// 待遇核定.
    BenefitDetermination,
}

impl DecisionFunction {
    /// The word used in policy and files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::Assessment => "assessment",
            Self::Reassessment => "reassessment",
            Self::BenefitDetermination => "benefit_determination",
        }
    }
}

/// Stage of an assessment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssessmentStage {
    /// 初次.
    Initial,
    /// 复查.
    Review,
    /// 再次.
    Reassessment,
}

/// Who decided, by which document, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The body.
    pub body: BodyCode,
    /// Its document; `None` is held by apply as `decision.no_document_number`.
    pub document_no: Option<DocumentNo>,
    /// Date of the document.
    pub decided_on: Day,
    /// Decisions are versioned, never updated; from 1.
    pub version: u32,
}

/// 申报: what a platform declared to tax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// 所属期.
    pub period: Month,
    /// Declared orders.
    pub orders: u64,
    /// Declared amount.
    pub amount: Fen,
    /// Date of the declaration.
    pub declared_on: Day,
    /// 电子税票号码 or number of the declaration.
    pub document_no: DocumentNo,
}

/// 缴款: what a platform paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// 所属期.
    pub period: Month,
    /// 职业伤害保障费 itself.
    pub principal: Fen,
    /// 滞纳金, kept apart.
    pub late_fee: Fen,
    /// 缴款日期.
    pub paid_on: Day,
    /// 入库日期.
    pub treasury_on: Day,
    /// 电子税票号码.
    pub e_ticket: DocumentNo,
}

/// 退费.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// 所属期.
    pub period: Month,
    /// What was given back.
    pub amount: Fen,
    /// Date.
    pub refunded_on: Day,
    /// 电子税票号码 of the payment it gives back.
    pub e_ticket: DocumentNo,
}

/// Money that came into an account of the fund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The account of the fund.
    pub account: AccountCode,
    /// How much.
    pub amount: Fen,
    /// Date of the booking at the bank or treasury.
    pub booked_on: Day,
    /// The bank's or treasury's own number of the booking.
    pub voucher_no: DocumentNo,
    /// The e-ticket it belongs to, where the statement says so.
    pub e_ticket: Option<DocumentNo>,
    /// The income item it is for, where the statement says so.
    pub item: Option<ItemCode>,
}

/// Money moved between accounts of the fund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// From.
    pub from: AccountCode,
    /// To.
    pub to: AccountCode,
    /// How much.
    pub amount: Fen,
    /// Date.
    pub booked_on: Day,
    /// The bank's own number.
    pub voucher_no: DocumentNo,
}

/// Interest credited to an account, the share of the 职业伤害 part as finance's notice gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The account.
    pub account: AccountCode,
    /// How much.
    pub amount: Fen,
    /// Date.
    pub booked_on: Day,
    /// Number of finance's notice.
    pub voucher_no: DocumentNo,
}

/// What the bank did with a payment instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankResult {
    /// The instruction.
    pub instruction: DocumentNo,
    /// The case it was for, as the instruction said.
    pub case: CaseId,
    /// The account it was paid from.
    pub account: AccountCode,
    /// How much.
    pub amount: Fen,
    /// Paid or returned (退票).
    pub outcome: BankOutcome,
    /// Date.
    pub booked_on: Day,
    /// The bank's own number.
    pub voucher_no: DocumentNo,
}

/// What became of an instruction at the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankOutcome {
    /// The money left the account.
    Paid,
    /// 退票: the money came back.
    Returned,
}

/// A counterparty's answer to a record of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Who answers.
    pub destination: DestinationId,
    /// The id of our outbox record.
    pub record: EventId,
    /// Accepted, or refused with a code.
    pub refused: Option<String>,
}
