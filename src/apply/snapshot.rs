//! Snapshots of a day's counts for the national platform: owed when the last partition of a
//! platform has sealed the day, when a statement replaces it, and again, as a further revision,
//! only where the figures changed.

use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::Row;

use super::{ApplyError, Scope};
use crate::domain::event::{Event, Fact};
use crate::domain::ids::{DestinationId, EventId, LineCode, PlatformId};
use crate::domain::time::{Day, Moment};
use crate::policy::{Basis, Policy};
use crate::store::counts::{Extent, counts_of_line};
use crate::store::locks::{Key, lock};
use crate::store::outbox::{Owed, owe};
use crate::store::positions::PartitionKey;
use crate::store::{StoreError, Tx, int, uint};

const DESTINATION: &str = "national-platform";
const KIND: &str = "order_counts";

/// After one partition sealed a day or a late run changed it. `is_command` where an operator
/// sealed: partitions that never had the day are then not waited for. Returns whether every
/// partition has sealed the day.
///
/// # Errors
/// [`ApplyError`] where the database refuses.
pub async fn after_seal(
    tx: &mut Tx,
    policy: &Policy,
    of: (&PlatformId, &PartitionKey),
    day: Day,
    at: Moment,
    is_command: bool,
) -> Result<bool, ApplyError> {
    let (platform, key) = of;
    // Of two partitions that seal the day's last parts at once, the second sees the first.
    lock(tx, [Key::Day(platform.clone(), day)]).await?;
    let closed_at = day.end().plus_ms(policy.windows().seal_after_ms);
    let row = sqlx::query(
        "select cast(count(*) as bigint) as waiting from position p \
         left join order_day d \
           on d.topic = p.topic and d.partition = p.partition and d.day = $1 \
         where p.topic = $2 and coalesce(d.state, $3) <> 'sealed' \
           and (d.state is not null or p.received_at < $4)",
    )
    .bind(i64::from(day.epoch_days()))
    .bind(&key.topic)
    .bind(if is_command { "sealed" } else { "open" })
    .bind(closed_at.ms())
    .fetch_one(&mut **tx)
    .await?;
    let waiting: i64 = row.try_get("waiting")?;
    if waiting > 0 {
        return Ok(false);
    }
    let Some(listed) = policy.platform(platform) else { return Ok(true) };
    for stay in listed.all_stays() {
        if policy.basis(platform, stay.line, day) == Some(Basis::Stream) {
            owe_counts(tx, policy, platform, stay.line, day, at).await?;
        }
    }
    Ok(true)
}

/// After an event other than an order was applied: a statement changes its day at once.
///
/// # Errors
/// [`ApplyError`] where the database refuses.
pub async fn after_event(tx: &mut Tx, scope: Scope<'_>, event: &Event) -> Result<(), ApplyError> {
    let Fact::Statement(statement) = &event.fact else { return Ok(()) };
    let (platform, line) = (&statement.platform, &statement.line);
    if scope.policy.basis(platform, line, statement.day) != Some(Basis::Statement) {
        return Ok(());
    }
    let at = event.envelope.received_at;
    owe_counts(tx, scope.policy, platform, line, statement.day, at).await
}

async fn owe_counts(
    tx: &mut Tx,
    policy: &Policy,
    platform: &PlatformId,
    line: &LineCode,
    day: Day,
    at: Moment,
) -> Result<(), ApplyError> {
    let days = day..day.plus(1);
    let rows = counts_of_line(tx, (platform, line), days, Extent::Whole).await?;
    let own = rows.iter().filter(|row| row.is_in_force(policy));
    let counties: Vec<_> = own
        .filter(|row| row.orders != 0)
        .map(|row| json!({ "county": row.county.to_string(), "orders": row.orders }))
        .collect();
    let body = json!({
        "platform": platform.as_str(),
        "line": line.as_str(),
        "day": day.to_string(),
        "counting_rule": policy.counting_rule(day),
        "counties": counties,
    })
    .to_string();
    let digest: [u8; 32] = Sha256::digest(&body).into();
    let Some(revision) = next_revision(tx, platform, line, day, &digest).await? else {
        return Ok(());
    };
    let key = format!("{platform}:{line}:{day}");
    let owed = Owed {
        id: lawful(EventId::new(&format!("{DESTINATION}:{KIND}:{key}:{revision}")))?,
        destination: lawful(DestinationId::new(DESTINATION))?,
        key,
        kind: KIND,
        revision,
        body,
        caused_at: at,
    };
    owe(tx, &owed).await?;
    Ok(())
}

fn lawful<T>(id: Result<T, crate::domain::ids::IdError>) -> Result<T, StoreError> {
    id.map_err(|error| StoreError::Damaged { what: "outbox id", detail: error.to_string() })
}

/// The revision that these figures are, `None` where they were told already.
async fn next_revision(
    tx: &mut Tx,
    platform: &PlatformId,
    line: &LineCode,
    day: Day,
    digest: &[u8; 32],
) -> Result<Option<u32>, StoreError> {
    let row = sqlx::query(
        "select revision, digest from day_snapshot \
         where platform = $1 and line = $2 and day = $3",
    )
    .bind(platform.as_str())
    .bind(line.as_str())
    .bind(i64::from(day.epoch_days()))
    .fetch_optional(&mut **tx)
    .await?;
    let mut revision = 1;
    if let Some(row) = row {
        if row.try_get::<Vec<u8>, _>("digest")? == digest {
            return Ok(None);
        }
        revision = uint(row.try_get("revision")?) + 1;
    }
    sqlx::query(
        "insert into day_snapshot (platform, line, day, revision, digest) \
         values ($1, $2, $3, $4, $5) on conflict (platform, line, day) \
         do update set revision = excluded.revision, digest = excluded.digest",
    )
    .bind(platform.as_str())
    .bind(line.as_str())
    .bind(i64::from(day.epoch_days()))
    .bind(int(revision))
    .bind(digest.to_vec())
    .execute(&mut **tx)
    .await?;
    Ok(Some(u32::try_from(revision).unwrap_or(u32::MAX)))
}
