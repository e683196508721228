//! 参保登记 of platforms: what the regional agency registered, changed or cancelled.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::event::{Envelope, Registration, RegistrationAction};

/// Stores a registration unless its identity (legal entity, line, first day, action) stands
/// already. Returns whether what stands now says the same: `None` where nothing stood before.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn insert_or_compare(
    tx: &mut Tx,
    envelope: &Envelope,
    registration: &Registration,
) -> Result<Option<bool>, StoreError> {
    let done = sqlx::query(
        "insert into registration (credit_code, line, action, effective_from, platform, \
         document_no, event_id, received_at) values ($1, $2, $3, $4, $5, $6, $7, $8) \
         on conflict (credit_code, line, effective_from, action) do nothing",
    )
    .bind(registration.credit_code.as_str())
    .bind(registration.line.as_str())
    .bind(action_code(registration.action))
    .bind(i64::from(registration.effective_from.epoch_days()))
    .bind(registration.platform.as_str())
    .bind(registration.document_no.as_str())
    .bind(envelope.event_id.as_str())
    .bind(envelope.received_at.ms())
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() > 0 {
        return Ok(None);
    }
    let row = sqlx::query(
        "select platform, document_no from registration \
         where credit_code = $1 and line = $2 and effective_from = $3 and action = $4",
    )
    .bind(registration.credit_code.as_str())
    .bind(registration.line.as_str())
    .bind(i64::from(registration.effective_from.epoch_days()))
    .bind(action_code(registration.action))
    .fetch_one(&mut **tx)
    .await?;
    let (platform, document_no): (String, String) =
        (row.try_get("platform")?, row.try_get("document_no")?);
    let same = platform == registration.platform.as_str()
        && document_no == registration.document_no.as_str();
    Ok(Some(same))
}

const fn action_code(action: RegistrationAction) -> &'static str {
    match action {
        RegistrationAction::Registered => "registered",
        RegistrationAction::Changed => "changed",
        RegistrationAction::Cancelled => "cancelled",
    }
}
