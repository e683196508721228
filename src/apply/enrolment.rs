//! Enrolments: who a platform's rider is.

use super::booking::{NATIONAL_PLATFORM, destination, made_id};
use super::{ApplyError, Outcome, Scope};
use crate::domain::event::{Enrolment, Envelope};
use crate::domain::hold::HoldReason;
use crate::store::Tx;
use crate::store::locks::{Key, lock};
use crate::store::outbox::{self, Owed};
use crate::store::roster::{self, SealedRider};

/// Links a rider to a person, and owes the link (tokens only) to the national platform.
///
/// # Errors
/// [`ApplyError`] where the database or the field cipher fails.
pub(super) async fn apply_enrolment(
    tx: &mut Tx,
    scope: Scope<'_>,
    cause: &Envelope,
    enrolment: &Enrolment,
) -> Result<Outcome, ApplyError> {
    let (platform, worker) = (&enrolment.platform, enrolment.worker);
    lock(tx, [Key::Rider(platform.clone(), worker), Key::Person(enrolment.person)]).await?;
    match roster::person_of(tx, platform, worker).await? {
        Some(person) if person == enrolment.person => return Ok(Outcome::Duplicate),
        Some(_) => return Ok(Outcome::Held(HoldReason::RosterConflict)),
        None => {}
    }
    let sealed = SealedRider {
        platform,
        worker,
        person: enrolment.person,
        rider: scope.cipher.seal("roster.rider", &enrolment.rider)?,
        name: scope.cipher.seal("roster.name", &enrolment.name)?,
        identity_no: scope.cipher.seal("roster.identity_no", &enrolment.identity_no)?,
        from: enrolment.from,
        event_id: &cause.event_id,
    };
    roster::put(tx, &sealed).await?;
    outbox::owe(tx, &record(cause, enrolment)).await?;
    Ok(Outcome::Applied { releases: Vec::new() })
}

fn record(cause: &Envelope, enrolment: &Enrolment) -> Owed {
    let rider = format!("{}/{:016x}", enrolment.platform, enrolment.worker.0);
    let body = serde_json::json!({
        "platform": enrolment.platform.as_str(),
        "worker": format!("{:016x}", enrolment.worker.0),
        "person": format!("{:016x}", enrolment.person.0),
        "from": enrolment.from.to_string(),
    });
    Owed {
        id: made_id(&format!("{NATIONAL_PLATFORM}:enrolment:{rider}:1")),
        destination: destination(NATIONAL_PLATFORM),
        key: rider,
        kind: "enrolment",
        revision: 1,
        body: body.to_string(),
        caused_at: cause.received_at,
    }
}
