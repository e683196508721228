//! Facts of money as they came: of tax, and of bank, treasury and finance. None is ever dropped or
//! changed; the same number with other content is a row of its own.

use sqlx::Row;

use super::{StoreError, Tx, column};
use crate::domain::ids::{
    AccountCode, CaseId, ConnectorId, DocumentNo, EventId, LineCode, PlatformId,
};
use crate::domain::money::Fen;
use crate::domain::time::{Day, Moment, Month};
use crate::ledger::standing::TaxParts;

const FUND: &str = "fund_fact";

/// The three kinds of tax fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaxKind {
    /// 申报.
    Declaration,
    /// 缴款.
    Payment,
    /// 退费.
    Refund,
}

/// A fact of tax.
#[derive(Clone, Debug)]
pub struct TaxFact<'a> {
    /// What it is.
    pub kind: TaxKind,
    /// Number of the declaration or e-ticket.
    pub number: &'a DocumentNo,
    /// Digest of its content.
    pub digest: [u8; 32],
    /// The platform.
    pub platform: &'a PlatformId,
    /// Line of business.
    pub line: &'a LineCode,
    /// 所属期.
    pub period: Month,
    /// Declared orders.
    pub orders: Option<u64>,
    /// Declared, principal, or given back.
    pub amount: Fen,
    /// 滞纳金 of a payment.
    pub late_fee: Fen,
    /// Date of the declaration, payment or refund.
    pub booked_on: Day,
    /// 入库日期 of a payment.
    pub treasury_on: Option<Day>,
    /// The event.
    pub event_id: &'a EventId,
    /// Its append time.
    pub received_at: Moment,
}

/// A fact of bank, treasury or finance.
#[derive(Clone, Debug)]
pub struct FundFact<'a> {
    /// Who says so.
    pub connector: &'a ConnectorId,
    /// Its own number of the booking.
    pub voucher_no: &'a DocumentNo,
    /// Digest of its content.
    pub digest: [u8; 32],
    /// `receipt`, `transfer`, `interest`, `paid` or `returned`.
    pub kind: &'static str,
    /// The account.
    pub account: &'a AccountCode,
    /// Where a transfer goes.
    pub to_account: Option<&'a AccountCode>,
    /// How much.
    pub amount: Fen,
    /// The e-ticket of a receipt.
    pub e_ticket: Option<&'a DocumentNo>,
    /// Instruction and case of a bank result.
    pub instruction: Option<(&'a DocumentNo, &'a CaseId)>,
    /// Date of the booking.
    pub booked_on: Day,
    /// The event.
    pub event_id: &'a EventId,
    /// Its append time.
    pub received_at: Moment,
}

/// What the bank did with one instruction for one case and amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankTally {
    /// The amount of each result.
    pub amount: Fen,
    /// Times paid.
    pub paid: u32,
    /// Times returned.
    pub returned: u32,
}

impl TaxKind {
    const fn code(self) -> &'static str {
        match self {
            Self::Declaration => "declaration",
            Self::Payment => "payment",
            Self::Refund => "refund",
        }
    }
}

/// Digests of the facts that stand under a number of tax.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn tax_digests(
    tx: &mut Tx,
    kind: TaxKind,
    number: &DocumentNo,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = sqlx::query("select digest from tax_fact where kind = $1 and number = $2")
        .bind(kind.code())
        .bind(number.as_str())
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("digest")?)).collect()
}

/// Keeps a fact of tax.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_tax(tx: &mut Tx, fact: &TaxFact<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "insert into tax_fact (kind, number, digest, platform, line, period, orders, amount_fen, \
         late_fee_fen, booked_on, treasury_on, event_id, received_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(fact.kind.code())
    .bind(fact.number.as_str())
    .bind(fact.digest.to_vec())
    .bind(fact.platform.as_str())
    .bind(fact.line.as_str())
    .bind(column::month_no(fact.period))
    .bind(fact.orders.map(u64::cast_signed))
    .bind(fact.amount.get())
    .bind(fact.late_fee.get())
    .bind(i64::from(fact.booked_on.epoch_days()))
    .bind(fact.treasury_on.map(|day| i64::from(day.epoch_days())))
    .bind(fact.event_id.as_str())
    .bind(fact.received_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The payments that tax reported on an e-ticket.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn payments_on(tx: &mut Tx, ticket: &DocumentNo) -> Result<Vec<TaxParts>, StoreError> {
    let rows = sqlx::query(
        "select amount_fen, late_fee_fen from tax_fact where kind = $1 and number = $2",
    )
    .bind(TaxKind::Payment.code())
    .bind(ticket.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let parts = |row: &sqlx::any::AnyRow| {
        Ok(TaxParts {
            principal: Fen::new(row.try_get("amount_fen")?),
            late_fee: Fen::new(row.try_get("late_fee_fen")?),
        })
    };
    rows.iter().map(parts).collect()
}

/// Digests of the facts that stand under a voucher number of a connector.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn voucher_digests(
    tx: &mut Tx,
    connector: &ConnectorId,
    voucher_no: &DocumentNo,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = sqlx::query("select digest from fund_fact where connector = $1 and voucher_no = $2")
        .bind(connector.as_str())
        .bind(voucher_no.as_str())
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("digest")?)).collect()
}

/// Keeps a fact of bank, treasury or finance; `stands` where it is the first content of its number.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_fund(tx: &mut Tx, fact: &FundFact<'_>, stands: bool) -> Result<(), StoreError> {
    sqlx::query(
        "insert into fund_fact (connector, voucher_no, digest, kind, stands, account, to_account, \
         amount_fen, e_ticket, instruction, case_id, booked_on, event_id, received_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(fact.connector.as_str())
    .bind(fact.voucher_no.as_str())
    .bind(fact.digest.to_vec())
    .bind(fact.kind)
    .bind(i64::from(stands))
    .bind(fact.account.as_str())
    .bind(fact.to_account.map(AccountCode::as_str))
    .bind(fact.amount.get())
    .bind(fact.e_ticket.map(DocumentNo::as_str))
    .bind(fact.instruction.map(|(number, _)| number.as_str()))
    .bind(fact.instruction.map(|(_, case)| case.as_str()))
    .bind(i64::from(fact.booked_on.epoch_days()))
    .bind(fact.event_id.as_str())
    .bind(fact.received_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many receipts of one amount name an e-ticket.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the number is damaged.
pub async fn receipts_on(tx: &mut Tx, ticket: &DocumentNo, amount: Fen) -> Result<u32, StoreError> {
    let row = sqlx::query(
        "select count(*) as receipts from fund_fact \
         where e_ticket = $1 and amount_fen = $2 and stands = 1",
    )
    .bind(ticket.as_str())
    .bind(amount.get())
    .fetch_one(&mut **tx)
    .await?;
    column::number(&row, "receipts", FUND)
}

/// What the bank did with an instruction for a case, by amount.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a number is damaged.
pub async fn bank_tallies(
    tx: &mut Tx,
    instruction: &str,
    case: &str,
) -> Result<Vec<BankTally>, StoreError> {
    let rows = sqlx::query(
        "select amount_fen, \
         cast(sum(case when kind = 'paid' then 1 else 0 end) as bigint) as paid, \
         cast(sum(case when kind = 'returned' then 1 else 0 end) as bigint) as returned \
         from fund_fact where instruction = $1 and case_id = $2 and stands = 1 \
         group by amount_fen order by amount_fen",
    )
    .bind(instruction)
    .bind(case)
    .fetch_all(&mut **tx)
    .await?;
    let bank_tally = |row: &sqlx::any::AnyRow| {
        Ok(BankTally {
            amount: Fen::new(row.try_get("amount_fen")?),
            paid: column::number(row, "paid", FUND)?,
            returned: column::number(row, "returned", FUND)?,
        })
    };
    rows.iter().map(bank_tally).collect()
}
