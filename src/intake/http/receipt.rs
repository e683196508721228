//! Receipts: what was taken of a body, where it stands in the log, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;

use super::problem::Problem;
use super::token::authorize;
use super::{Shared, source_of};
use crate::domain::ids::ConnectorId;
use crate::intake::raw_topic;
use crate::log::{Appended, IntakeMark, Log, LogError};

/// What was taken of a body.
#[derive(Debug, Serialize)]
pub(super) struct Receipt {
    connector: String,
    key: String,
    /// Bytes of the body that are in, unpacked.
    bytes: u64,
    /// Records that are in.
    records: u64,
    /// Whether that is all of it.
    complete: bool,
    /// Where the records stand, as long as the log keeps them.
    positions: Vec<Positions>,
}

/// Neighbouring positions in one partition, half-open.
#[derive(Debug, Serialize)]
struct Positions {
    partition: u32,
    from: u64,
    to: u64,
}

/// A receipt and what became of the records.
#[derive(Serialize)]
pub(super) struct ReceiptWithOutcomes {
    #[serde(flatten)]
    receipt: Receipt,
    outcomes: Became,
}

#[derive(Serialize)]
struct Became {
    applied: u64,
    duplicate: u64,
    held: u64,
    ignored: u64,
    pending: u64,
}

/// `GET /v1/intake/{connector}/receipts/{key}`.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((connector, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ReceiptWithOutcomes>, Problem> {
    let connector = &authorize(&shared, &connector, &headers)?.connector;
    let intake = &shared.intake;
    let source = source_of(connector, &key);
    let Some(mark) = intake.log.mark(&source).await? else {
        return Err(Problem::receipt_unknown(&key));
    };
    let given = merged(intake.log.positions(&source).await?);
    let found = intake
        .outcomes
        .outcomes(&raw_topic(connector), &given)
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let outcomes = Became {
        applied: found.applied,
        duplicate: found.duplicate,
        held: found.held,
        ignored: found.ignored,
        pending: found.pending,
    };
    Ok(Json(ReceiptWithOutcomes { receipt: receipt_of(connector, &mark, given), outcomes }))
}

/// The receipt of a mark.
pub(super) async fn receipt(
    log: &dyn Log,
    connector: &ConnectorId,
    mark: &IntakeMark,
) -> Result<Receipt, LogError> {
    Ok(receipt_of(connector, mark, merged(log.positions(&mark.source).await?)))
}

fn receipt_of(connector: &ConnectorId, mark: &IntakeMark, given: Vec<Appended>) -> Receipt {
    let prefix = source_of(connector, "");
    let positions = given.into_iter().map(|one| Positions {
        partition: one.partition,
        from: one.offsets.start,
        to: one.offsets.end,
    });
    Receipt {
        connector: connector.to_string(),
        key: mark.source.strip_prefix(&prefix).unwrap_or_default().to_owned(),
        bytes: mark.offset,
        records: mark.records,
        complete: mark.complete,
        positions: positions.collect(),
    }
}

/// By partition, neighbours joined.
fn merged(given: Vec<Appended>) -> Vec<Appended> {
    let mut by_partition: BTreeMap<u32, Vec<Appended>> = BTreeMap::new();
    for one in given {
        let all = by_partition.entry(one.partition).or_default();
        match all.last_mut() {
            Some(last) if last.offsets.end == one.offsets.start => {
                last.offsets.end = one.offsets.end
            }
            Some(_) | None => all.push(one),
        }
    }
    by_partition.into_values().flatten().collect()
}
