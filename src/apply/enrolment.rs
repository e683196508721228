//! Enrolments: who a platform's rider is.

use std::collections::{BTreeMap, HashMap};

use super::booking::{NATIONAL_PLATFORM, destination, made_id};
use super::{ApplyError, Outcome, Scope};
use crate::domain::event::{Enrolment, Envelope};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{PersonToken, PlatformId, WorkerToken};
use crate::store::Tx;
use crate::store::locks::{Key, lock};
use crate::store::outbox::{self, Owed};
use crate::store::roster::{self, SealedRider};

/// Links riders to persons, and owes the links (tokens only) to the national platform. A roster
/// comes as a hundred thousand lines: a few statements for all of them, the same rules as for one.
///
/// # Errors
/// [`ApplyError`] where the database or the field cipher fails.
pub async fn apply_enrolments(
    tx: &mut Tx,
    scope: Scope<'_>,
    lines: &[(&Envelope, &Enrolment)],
) -> Result<Vec<Outcome>, ApplyError> {
    lock(tx, lines.iter().flat_map(|(_, line)| keys(line))).await?;
    let mut persons = enrolled(tx, lines).await?;
    let (mut outcomes, mut riders, mut owed) = (Vec::with_capacity(lines.len()), vec![], vec![]);
    for (cause, line) in lines {
        match persons.insert((&line.platform, line.worker), line.person) {
            Some(person) if person == line.person => outcomes.push(Outcome::Duplicate),
            Some(person) => {
                persons.insert((&line.platform, line.worker), person);
                outcomes.push(Outcome::Held(HoldReason::RosterConflict));
            }
            None => {
                riders.push(sealed(scope, cause, line)?);
                owed.push(record(cause, line));
                outcomes.push(Outcome::Applied { releases: Vec::new() });
            }
        }
    }
    roster::put_all(tx, &riders).await?;
    outbox::owe_all(tx, &owed).await?;
    Ok(outcomes)
}

fn keys(line: &Enrolment) -> [Key; 2] {
    [Key::Rider(line.platform.clone(), line.worker), Key::Person(line.person)]
}

type Enrolled<'a> = HashMap<(&'a PlatformId, WorkerToken), PersonToken>;

async fn enrolled<'a>(
    tx: &mut Tx,
    lines: &[(&Envelope, &'a Enrolment)],
) -> Result<Enrolled<'a>, ApplyError> {
    let mut workers: BTreeMap<&PlatformId, Vec<WorkerToken>> = BTreeMap::new();
    for (_, line) in lines {
        workers.entry(&line.platform).or_default().push(line.worker);
    }
    let mut enrolled = Enrolled::new();
    for (platform, workers) in workers {
        let found = roster::persons_of(tx, platform, &workers).await?;
        enrolled.extend(found.into_iter().map(|(worker, person)| ((platform, worker), person)));
    }
    Ok(enrolled)
}

fn sealed<'a>(
    scope: Scope<'_>,
    cause: &'a Envelope,
    line: &'a Enrolment,
) -> Result<SealedRider<'a>, ApplyError> {
    Ok(SealedRider {
        platform: &line.platform,
        worker: line.worker,
        person: line.person,
        rider: scope.cipher.seal("roster.rider", &line.rider)?,
        name: scope.cipher.seal("roster.name", &line.name)?,
        identity_no: scope.cipher.seal("roster.identity_no", &line.identity_no)?,
        from: line.from,
        event_id: &cause.event_id,
    })
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
