//! Pure: an outbox record as the contract writes it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::contract::Contract;
use crate::store::relay::OpenRecord;

/// A record on the wire. Field names are the contract's.
#[derive(Debug, Serialize)]
pub(super) struct WireRecord<'a> {
    /// The outbox id: idempotency rests on it.
    pub(super) id: &'a str,
    /// Kind of record.
    pub(super) kind: &'a str,
    /// Records of one key come in order of `seq`.
    pub(super) key: &'a str,
    /// Place within the key, from 1.
    pub(super) seq: u64,
    /// Revision of the cause.
    pub(super) revision: u32,
    /// When the cause reached the hub, RFC 3339 with +08:00.
    pub(super) caused_at: String,
    /// What the record says, exactly as its producer wrote it.
    pub(super) content: &'a RawValue,
}

/// Why a record is never sent: our own doing, kept as a refusal with a code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsendable {
    /// The contract has no such kind.
    #[error("hub.kind_not_in_contract")]
    KindUnknown,
    /// The body is no JSON.
    #[error("hub.content_not_json")]
    ContentNotJson,
}

/// The record as the contract writes it.
///
/// # Errors
/// [`Unsendable`] where the counterparty could not read it in any case.
pub(super) fn wire_record<'a>(
    contract: &Contract,
    record: &'a OpenRecord,
) -> Result<WireRecord<'a>, Unsendable> {
    if contract.kind(&record.kind).is_none() {
        return Err(Unsendable::KindUnknown);
    }
    // The position of the fault would say where in a body of our own; the body itself is kept.
    let Ok(content) = serde_json::from_str::<&RawValue>(&record.body) else {
        return Err(Unsendable::ContentNotJson);
    };
    Ok(WireRecord {
        id: record.id.as_str(),
        kind: &record.kind,
        key: &record.key,
        seq: record.seq,
        revision: record.revision,
        caused_at: record.caused_at.to_string(),
        content,
    })
}
