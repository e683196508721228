//! The orders that bear witness to each case, and which cases still want them.

use sqlx::Row;

use super::cases::{CASE, read_filing};
use super::{StoreError, Tx, column};
use crate::cases::evidence::Evidence;
use crate::domain::event::Filing;
use crate::domain::ids::CaseId;
use crate::domain::time::Moment;

/// A case whose evidence is to be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantsEvidence {
    /// The case.
    pub case: CaseId,
    /// Who, where, when.
    pub filing: Filing,
}

/// What stands as evidence of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRow {
    /// The case.
    pub case: String,
    /// See [`Evidence::code`].
    pub status: String,
    /// `<platform>/<order id>`, sorted.
    pub orders: Vec<String>,
    /// Append time up to which orders were looked at.
    pub as_of: Moment,
}

/// Cases without evidence, or whose evidence was put before orders of their days changed last, by
/// case.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a value is damaged.
pub async fn cases_wanting_evidence(tx: &mut Tx) -> Result<Vec<WantsEvidence>, StoreError> {
    let rows = sqlx::query(
        "select f.case_id, f.platform, f.worker, f.person, f.accident_at, f.county, f.order_id \
         from case_file f left join case_evidence e on e.case_id = f.case_id \
         where e.case_id is null order by f.case_id",
    )
    .fetch_all(&mut **tx)
    .await?;
    let wants = |row: &sqlx::any::AnyRow| {
        let case: String = row.try_get("case_id")?;
        let case = CaseId::new(&case).map_err(|error| column::damaged(CASE, error.to_string()))?;
        Ok(WantsEvidence { case, filing: read_filing(row)? })
    };
    rows.iter().map(wants).collect()
}

/// Forgets the evidence of cases with an accident in the half-open span, because orders there
/// changed: they want it again. Returns how many.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn want_again(
    tx: &mut Tx,
    accidents: std::ops::Range<Moment>,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "delete from case_evidence where case_id in \
         (select case_id from case_file where accident_at >= $1 and accident_at < $2)",
    )
    .bind(accidents.start.ms())
    .bind(accidents.end.ms())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Puts the evidence of a case, in place of what stood.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_evidence(
    tx: &mut Tx,
    case: &CaseId,
    evidence: &Evidence,
    as_of: Moment,
) -> Result<(), StoreError> {
    let orders: Vec<String> =
        evidence.orders().iter().map(|(platform, order)| format!("{platform}/{order}")).collect();
    sqlx::query(
        "insert into case_evidence (case_id, status, orders, as_of) values ($1, $2, $3, $4) \
         on conflict (case_id) do update set status = excluded.status, \
         orders = excluded.orders, as_of = excluded.as_of",
    )
    .bind(case.as_str())
    .bind(evidence.code())
    .bind(serde_json::Value::from(orders).to_string())
    .bind(as_of.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// All evidence, by case.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a list of orders is damaged.
pub async fn all_evidence(tx: &mut Tx) -> Result<Vec<EvidenceRow>, StoreError> {
    let rows =
        sqlx::query("select case_id, status, orders, as_of from case_evidence order by case_id")
            .fetch_all(&mut **tx)
            .await?;
    let evidence = |row: &sqlx::any::AnyRow| {
        let orders: String = row.try_get("orders")?;
        Ok(EvidenceRow {
            case: row.try_get("case_id")?,
            status: row.try_get("status")?,
            orders: serde_json::from_str(&orders)
                .map_err(|error| column::damaged(CASE, error.to_string()))?,
            as_of: Moment::from_ms(row.try_get("as_of")?),
        })
    };
    rows.iter().map(evidence).collect()
}
