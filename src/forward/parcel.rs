//! Pure: which of the records read may go now, and how they are packed into requests.

use std::collections::BTreeMap;

use super::contract::Contract;
use crate::domain::time::Moment;
use crate::store::relay::{DeliveryState, OpenRecord, RefusedRecord};

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// The time.
    pub(super) now: Moment,
    /// Most keys.
    pub(super) keys_max: usize,
    /// Most records of one key.
    pub(super) run_max: usize,
    /// Keys whose lowest record was tried before.
    pub(super) retries_max: u64,
    /// When the budget has another retry.
    pub(super) retry_ms: i64,
}

/// What was chosen of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Runs of one key each, from its lowest undelivered record.
    pub(super) runs: Vec<Vec<OpenRecord>>,
    /// How many of them are retries.
    pub(super) retries: u64,
    /// The last key looked at.
    pub(super) last_key: String,
    /// When the earliest of the keys left out is due; keys stopped by a refusal are so only while
    /// the answer to a later record is lost.
    pub(super) due_at: Option<Moment>,
}

/// Chooses the keys that are due, not stopped, and within the retry budget.
pub(super) fn choose(
    open: Vec<OpenRecord>,
    refused: &[RefusedRecord],
    contract: &Contract,
    allowance: &Allowance,
) -> Choice {
    let stopping = refused.iter().filter(|record| contract.stops(&record.kind));
    let mut stops: BTreeMap<&str, u64> = BTreeMap::new();
    for record in stopping {
        let lowest = stops.entry(record.key.as_str()).or_insert(record.seq);
        *lowest = record.seq.min(*lowest);
    }
    let mut choice = Choice::default();
    for mut run in runs(open) {
        if choice.runs.len() >= allowance.keys_max {
            break;
        }
        let Some(lowest) = run.first() else { continue };
        choice.last_key.clone_from(&lowest.key);
        if let Some(stop) = stops.get(lowest.key.as_str()) {
            run.iter_mut().for_each(|record| record.is_stopped = record.seq > *stop);
            // What was sent together with the refused one, its answer lost, is still asked for.
            run.retain(|r| !r.is_stopped || r.state == DeliveryState::Unknown);
        }
        let Some(lowest) = run.first() else { continue };
        let retry = lowest.attempts > 0 || lowest.state == DeliveryState::Unknown;
        let due_at = if lowest.next_try_at > allowance.now {
            Some(lowest.next_try_at)
        } else if retry && choice.retries >= allowance.retries_max {
            Some(allowance.now.plus_ms(allowance.retry_ms))
        } else {
            None
        };
        if let Some(due_at) = due_at {
            choice.due_at = Some(choice.due_at.map_or(due_at, |other| other.min(due_at)));
            continue;
        }
        choice.retries += u64::from(retry);
        run.truncate(allowance.run_max);
        choice.runs.push(run);
    }
    choice
}

fn runs(open: Vec<OpenRecord>) -> Vec<Vec<OpenRecord>> {
    let mut runs: Vec<Vec<OpenRecord>> = Vec::new();
    for record in open {
        match runs.last_mut() {
            Some(run) if run.first().is_some_and(|first| first.key == record.key) => {
                run.push(record);
            }
            _ => runs.push(vec![record]),
        }
    }
    runs
}

/// Packs runs into parcels of at most `records_max` records, each run whole in one parcel. What
/// was tried before travels in parcels half as large for every try: one record that spoils its
/// request soon travels alone.
pub(super) fn pack(runs: Vec<Vec<OpenRecord>>, records_max: u32) -> Vec<Vec<OpenRecord>> {
    let mut filling: BTreeMap<u32, Vec<OpenRecord>> = BTreeMap::new();
    let mut parcels = Vec::new();
    for mut run in runs {
        let tries = run.first().map_or(0, |record| record.attempts).min(16);
        let most = usize::try_from((records_max >> tries).max(1)).unwrap_or(1);
        run.truncate(most);
        let parcel = filling.entry(tries).or_default();
        if parcel.len() + run.len() > most {
            parcels.push(std::mem::take(parcel));
        }
        parcel.append(&mut run);
    }
    parcels.extend(filling.into_values().filter(|parcel| !parcel.is_empty()));
    parcels
}
