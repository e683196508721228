//! Cases: their filing, their events in order, their decisions, and what stands for money.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{StoreError, Tx, column};
use crate::cases::state::{Standing, State};
use crate::domain::event::{Decision, DecisionFunction, Envelope, Filing};
use crate::domain::ids::{CaseId, DocumentNo, ItemCode, OrderId, PersonToken, WorkerToken};
use crate::domain::money::Fen;
use crate::domain::time::Moment;
use crate::ledger::standing::Benefit;

/// Names these tables where a stored value is damaged.
pub(super) const CASE: &str = "case";

/// One applied event of a case.
#[derive(Clone, Debug)]
pub struct CaseRow<'a> {
    /// The case.
    pub case: &'a CaseId,
    /// What makes two events the same, within the case.
    pub identity: &'a str,
    /// Digest of the content.
    pub digest: [u8; 32],
}

/// A decision as it is kept.
#[derive(Clone, Debug)]
pub struct DecisionRow<'a> {
    /// The case.
    pub case: &'a CaseId,
    /// What was decided on.
    pub function: DecisionFunction,
    /// Who, when, which version.
    pub decision: &'a Decision,
    /// Its document.
    pub document_no: &'a DocumentNo,
    /// `confirmed`, `refused`, the stage of an assessment, or `decided`.
    pub outcome: &'a str,
    /// 确认情形.
    pub situation: Option<&'a str>,
    /// Grade of an assessment.
    pub grade: Option<u8>,
    /// The payment instruction of a benefit decision.
    pub instruction: Option<&'a DocumentNo>,
}

/// What of a case's decisions its state depends on.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// The confirmation that stands.
    pub confirmation: Option<Standing>,
    /// An assessment was made.
    pub assessed: bool,
    /// Version and instruction of the benefit decision that stands.
    pub benefit: Option<(u32, String)>,
}

/// The filing of a case, if it is known.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a value is damaged.
pub async fn filing(tx: &mut Tx, case: &CaseId) -> Result<Option<Filing>, StoreError> {
    let row = sqlx::query(
        "select platform, worker, person, accident_at, county, order_id \
         from case_file where case_id = $1",
    )
    .bind(case.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read_filing).transpose()
}

pub(super) fn read_filing(row: &AnyRow) -> Result<Filing, StoreError> {
    let order_id: Option<String> = row.try_get("order_id")?;
    Ok(Filing {
        platform: column::platform(row, CASE)?,
        worker: WorkerToken(row.try_get::<i64, _>("worker")?.cast_unsigned()),
        person: PersonToken(row.try_get::<i64, _>("person")?.cast_unsigned()),
        accident_at: Moment::from_ms(row.try_get("accident_at")?),
        accident_county: column::county(row, CASE)?,
        order_id: order_id
            .map(|id| OrderId::new(&id))
            .transpose()
            .map_err(|error| column::damaged(CASE, error.to_string()))?,
    })
}

/// Opens the file of a case.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn open_file(tx: &mut Tx, case: &CaseId, filing: &Filing) -> Result<(), StoreError> {
    sqlx::query(
        "insert into case_file (case_id, state, platform, worker, person, accident_at, county, \
         order_id, next_seq) values ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
    )
    .bind(case.as_str())
    .bind(State::Filed.code())
    .bind(filing.platform.as_str())
    .bind(filing.worker.0.cast_signed())
    .bind(filing.person.0.cast_signed())
    .bind(filing.accident_at.ms())
    .bind(i64::from(filing.accident_county.get()))
    .bind(filing.order_id.as_ref().map(OrderId::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The digest of the applied event of this identity, if there is one.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn event_digest(
    tx: &mut Tx,
    case: &CaseId,
    identity: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("select digest from case_event where case_id = $1 and identity = $2")
        .bind(case.as_str())
        .bind(identity)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("digest")).transpose()?)
}

/// Keeps an applied event as the case's next.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_event(
    tx: &mut Tx,
    cause: &Envelope,
    event: &CaseRow<'_>,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update case_file set next_seq = next_seq + 1 where case_id = $1 \
         returning next_seq - 1 as seq",
    )
    .bind(event.case.as_str())
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query(
        "insert into case_event \
         (case_id, seq, identity, digest, event_id, occurred_at, received_at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.case.as_str())
    .bind(row.try_get::<i64, _>("seq")?)
    .bind(event.identity)
    .bind(event.digest.to_vec())
    .bind(cause.event_id.as_str())
    .bind(cause.occurred_at.ms())
    .bind(cause.received_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps a decision.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_decision(
    tx: &mut Tx,
    cause: &Envelope,
    row: &DecisionRow<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into case_decision (case_id, function, version, body, document_no, decided_on, \
         outcome, situation, grade, instruction, event_id) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(row.case.as_str())
    .bind(row.function.code())
    .bind(i64::from(row.decision.version))
    .bind(row.decision.body.as_str())
    .bind(row.document_no.as_str())
    .bind(i64::from(row.decision.decided_on.epoch_days()))
    .bind(row.outcome)
    .bind(row.situation)
    .bind(row.grade.map(i64::from))
    .bind(row.instruction.map(DocumentNo::as_str))
    .bind(cause.event_id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the items of a benefit decision.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_items(
    tx: &mut Tx,
    case: &CaseId,
    version: u32,
    items: &[(ItemCode, Fen)],
) -> Result<(), StoreError> {
    for (item, amount) in items {
        sqlx::query(
            "insert into benefit_item (case_id, version, item, amount_fen) \
             values ($1, $2, $3, $4)",
        )
        .bind(case.as_str())
        .bind(i64::from(version))
        .bind(item.as_str())
        .bind(amount.get())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What was decided on a case.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a version is damaged.
pub async fn decided(tx: &mut Tx, case: &CaseId) -> Result<Decided, StoreError> {
    let rows = sqlx::query(
        "select function, version, outcome, instruction from case_decision \
         where case_id = $1 order by version",
    )
    .bind(case.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let mut decided = Decided::default();
    for row in &rows {
        let function: String = row.try_get("function")?;
        let version = column::number(row, "version", CASE)?;
        let outcome: String = row.try_get("outcome")?;
        // Rows come by version, so that the highest of each function is what stays.
        if function == DecisionFunction::Confirmation.code() {
            let confirmed = outcome == State::Confirmed.code();
            decided.confirmation = Some(Standing { version, confirmed });
        } else if function == DecisionFunction::BenefitDetermination.code() {
            decided.benefit = Some((version, row.try_get("instruction")?));
        } else {
            decided.assessed = true;
        }
    }
    Ok(decided)
}

/// How many decisions were kept for a case: the revision of what is said of it.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the number is damaged.
pub async fn decisions_kept(tx: &mut Tx, case: &CaseId) -> Result<u32, StoreError> {
    let row = sqlx::query("select count(*) as decisions from case_decision where case_id = $1")
        .bind(case.as_str())
        .fetch_one(&mut **tx)
        .await?;
    column::number(&row, "decisions", CASE)
}

/// The cases that gave this payment instruction, each once.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn cases_of_instruction(
    tx: &mut Tx,
    instruction: &DocumentNo,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "select distinct case_id from case_decision where instruction = $1 order by case_id",
    )
    .bind(instruction.as_str())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("case_id")?)).collect()
}

/// What an instruction may pay for a case: the items of the highest version that names it.
///
/// # Errors
/// [`StoreError`] where the engine refuses or an item is damaged.
pub async fn benefit_of(
    tx: &mut Tx,
    instruction: &str,
    case: &str,
) -> Result<Option<Benefit>, StoreError> {
    let row = sqlx::query(
        "select version from case_decision where instruction = $1 and case_id = $2 \
         order by version desc limit 1",
    )
    .bind(instruction)
    .bind(case)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rows = sqlx::query(
        "select item, amount_fen from benefit_item where case_id = $1 and version = $2 \
         order by item",
    )
    .bind(case)
    .bind(i64::from(column::number(&row, "version", CASE)?))
    .fetch_all(&mut **tx)
    .await?;
    let item = |row: &AnyRow| {
        let code: String = row.try_get("item")?;
        let code =
            ItemCode::new(&code).map_err(|error| column::damaged(CASE, error.to_string()))?;
        Ok((code, Fen::new(row.try_get("amount_fen")?)))
    };
    let items = rows.iter().map(item).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Some(Benefit { items }))
}

/// Writes where the case stands.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn set_state(tx: &mut Tx, case: &CaseId, state: State) -> Result<(), StoreError> {
    sqlx::query("update case_file set state = $2 where case_id = $1")
        .bind(case.as_str())
        .bind(state.code())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How many cases stand in each state, by state; states without a case are absent.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn count_by_state(tx: &mut Tx) -> Result<Vec<(String, i64)>, StoreError> {
    let rows =
        sqlx::query("select state, count(*) as cases from case_file group by state order by state")
            .fetch_all(&mut **tx)
            .await?;
    rows.iter().map(|row| Ok((row.try_get("state")?, row.try_get("cases")?))).collect()
}

/// Every case with its state, by case.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn states(tx: &mut Tx) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query("select case_id, state from case_file order by case_id")
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("case_id")?, row.try_get("state")?))).collect()
}
