//! A platform's statement of a day's orders: the highest revision replaces the whole day.
//!
//! It is counted under its own basis whatever the basis in force, so that statement and stream
//! can be compared; which of the two is *the* count is asked by day, never decided here.

use std::collections::BTreeMap;

use super::{ApplyError, Outcome, Scope};
use crate::domain::event::{CountStatement, Envelope};
use crate::domain::hold::HoldReason;
use crate::domain::ids::CountyCode;
use crate::policy::{Basis, CountyStanding, Policy, Standing};
use crate::store::counts::{CountDelta, Extent, add_counts, counts_of_line};
use crate::store::levy::{cuts, is_after_cut};
use crate::store::locks::{Key, lock};
use crate::store::{StoreError, Tx, statement as stored};

/// Applies a statement: identity is platform, line and day. A lower revision than the one that
/// stands is a duplicate of history; an equal one is a duplicate, or held where it says otherwise.
///
/// A day before the scheme began, and counties of other provinces, are stored and not counted.
///
/// # Errors
/// [`ApplyError`] where the database fails or a stored count is impossible.
pub async fn apply_statement(
    tx: &mut Tx,
    scope: Scope<'_>,
    envelope: &Envelope,
    statement: &CountStatement,
) -> Result<Outcome, ApplyError> {
    if let Some(reason) = refusal(scope.policy, statement) {
        return Ok(Outcome::Held(reason));
    }
    // Two revisions of one day take turns, whichever partitions they lie in.
    lock(tx, [Key::Day(statement.platform.clone(), statement.day)]).await?;
    let line = (&statement.platform, &statement.line);
    if let Some(standing) = stored::standing(tx, line, statement.day).await? {
        if statement.revision < standing.revision {
            return Ok(Outcome::Duplicate);
        }
        if statement.revision == standing.revision {
            let same = stored::figures(statement) == standing.figures;
            let revision = statement.revision;
            let other = HoldReason::SameRevisionOtherContent { revision };
            return Ok(if same { Outcome::Duplicate } else { Outcome::Held(other) });
        }
    }
    let deltas = replace_day(tx, scope.policy, envelope, statement).await?;
    stored::insert(tx, envelope, statement).await?;
    add_counts(tx, &deltas).await?;
    Ok(Outcome::Applied { releases: Vec::new() })
}

/// Why the statement cannot be applied, the first reason in the order of [`HoldReason`].
fn refusal(policy: &Policy, statement: &CountStatement) -> Option<HoldReason> {
    let (platform, line, day) = (&statement.platform, &statement.line, statement.day);
    let standing = policy.standing(platform, line, day);
    if standing == Standing::UnknownPlatform {
        let found = format!("{platform} {line}");
        return Some(HoldReason::CodeUnknown { field: "line".to_owned(), found });
    }
    let unknown =
        |(county, _): &&(CountyCode, u64)| policy.county(*county, day) == CountyStanding::Unknown;
    if let Some((county, _)) = statement.orders.iter().find(unknown) {
        return Some(HoldReason::CountyUnknown { found: county.to_string() });
    }
    let when = match standing {
        Standing::NotYet if day >= policy.scheme_start() => "not yet",
        Standing::NoLonger => "no longer",
        Standing::InForce | Standing::NotYet | Standing::UnknownPlatform => return None,
    };
    Some(HoldReason::NotInForce { platform: platform.clone(), when })
}

/// The changes that turn what is counted of the day into what the statement says.
async fn replace_day(
    tx: &mut Tx,
    policy: &Policy,
    envelope: &Envelope,
    statement: &CountStatement,
) -> Result<Vec<CountDelta>, ApplyError> {
    let (platform, line, day) = (&statement.platform, &statement.line, statement.day);
    let rule = policy.counting_rule(day);
    let mut changes: BTreeMap<CountyCode, i64> = BTreeMap::new();
    if day >= policy.scheme_start() {
        for (county, orders) in &statement.orders {
            if let CountyStanding::InRegion(_) = policy.county(*county, day) {
                *changes.entry(*county).or_default() += signed(*orders)?;
            }
        }
    }
    for row in counts_of_line(tx, (platform, line), day..day.plus(1), Extent::Whole).await? {
        if row.basis == Basis::Statement && row.rule == rule {
            *changes.entry(row.county).or_default() -= row.orders;
        }
    }
    let cuts = cuts(tx, platform).await?;
    let after_cut = is_after_cut(&cuts, line, day, envelope.received_at);
    let delta = |(county, delta)| CountDelta {
        platform: platform.clone(),
        line: line.clone(),
        county,
        day,
        rule,
        basis: Basis::Statement,
        partition: 0,
        after_cut,
        delta,
    };
    Ok(changes.into_iter().map(delta).collect())
}

fn signed(orders: u64) -> Result<i64, StoreError> {
    i64::try_from(orders).map_err(|error| StoreError::Damaged {
        what: "statement",
        detail: format!("orders {orders}: {error}"),
    })
}
