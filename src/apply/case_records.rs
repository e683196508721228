//! What a decision owes: a case record to the national platform, and for a benefit decision what
//! was decided to the core system.

use super::ApplyError;
use super::booking::{GOLDEN_INSURANCE, NATIONAL_PLATFORM, destination, made_id};
use crate::domain::event::{CaseFact, Envelope};
use crate::domain::ids::DocumentNo;
use crate::store::Tx;
use crate::store::cases::{self, DecisionRow};
use crate::store::outbox::{self, Owed};

/// Owes the records of a decision that was kept.
pub(super) async fn owe_records(
    tx: &mut Tx,
    cause: &Envelope,
    fact: &CaseFact,
    row: &DecisionRow<'_>,
) -> Result<(), ApplyError> {
    let revision = cases::decisions_kept(tx, row.case).await?;
    outbox::owe(tx, &case_record(cause, row, revision)).await?;
    if let CaseFact::BenefitDecision { items, .. } = fact {
        let items: Vec<serde_json::Value> = items
            .iter()
            .map(|(item, amount)| {
                serde_json::json!({"item": item.as_str(), "amount_fen": amount.get()})
            })
            .collect();
        outbox::owe(tx, &benefit_decided(cause, row, &items)).await?;
    }
    Ok(())
}

/// Says what was decided last; its revision counts the decisions of the case, of any function,
/// so that the receiver knows which one is newer.
fn case_record(cause: &Envelope, row: &DecisionRow<'_>, revision: u32) -> Owed {
    let version = row.decision.version;
    let body = serde_json::json!({
        "case": row.case.as_str(),
        "function": row.function.code(),
        "version": version,
        "outcome": row.outcome,
        "situation": row.situation,
        "grade": row.grade,
        "body": row.decision.body.as_str(),
        "document_no": row.document_no.as_str(),
        "decided_on": row.decision.decided_on.to_string(),
    });
    Owed {
        id: made_id(&format!("{NATIONAL_PLATFORM}:case_record:{}:{revision}", row.case)),
        destination: destination(NATIONAL_PLATFORM),
        key: row.case.to_string(),
        kind: "case_record",
        revision,
        body: body.to_string(),
        caused_at: cause.received_at,
    }
}

fn benefit_decided(cause: &Envelope, row: &DecisionRow<'_>, items: &[serde_json::Value]) -> Owed {
    let version = row.decision.version;
    let body = serde_json::json!({
        "case": row.case.as_str(),
        "version": version,
        "instruction": row.instruction.map(DocumentNo::as_str),
        "document_no": row.document_no.as_str(),
        "decided_on": row.decision.decided_on.to_string(),
        "items": items,
    });
    Owed {
        id: made_id(&format!("{GOLDEN_INSURANCE}:benefit_decided:{}:{version}", row.case)),
        destination: destination(GOLDEN_INSURANCE),
        key: row.case.to_string(),
        kind: "benefit_decided",
        revision: version,
        body: body.to_string(),
        caused_at: cause.received_at,
    }
}
