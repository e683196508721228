//! 参保登记 of platforms by the regional agency. It is kept as the agency gave it; the rules of the
//! hub change by a new policy version, never by a message.

use super::{ApplyError, Outcome, Scope};
use crate::domain::event::{Envelope, Registration};
use crate::domain::hold::HoldReason;
use crate::policy::Standing;
use crate::store::{Tx, registration as stored};

/// Applies a registration: identity is legal entity, line, first day and action. The same again is
/// a duplicate; another platform or document under the same identity is held.
///
/// # Errors
/// [`ApplyError`] where the database fails.
pub async fn apply_registration(
    tx: &mut Tx,
    scope: Scope<'_>,
    envelope: &Envelope,
    registration: &Registration,
) -> Result<Outcome, ApplyError> {
    let (platform, line) = (&registration.platform, &registration.line);
    let standing = scope.policy.standing(platform, line, registration.effective_from);
    if standing == Standing::UnknownPlatform {
        let found = format!("{platform} {line}");
        let field = "platform, line".to_owned();
        return Ok(Outcome::Held(HoldReason::CodeUnknown { field, found }));
    }
    Ok(match stored::insert_or_compare(tx, envelope, registration).await? {
        None => Outcome::Applied { releases: Vec::new() },
        Some(true) => Outcome::Duplicate,
        Some(false) => Outcome::Held(HoldReason::SameIdentityOtherContent { what: "registration" }),
    })
}
