//! Days whose count is the platform's statement and that have none: they block the freeze of their
//! line until an operator accepts them with a reason.

use super::{ApplyError, Scope};
use crate::domain::time::{Day, Moment};
use crate::levy::LevyPeriod;
use crate::policy::{Basis, Policy, Standing};
use crate::store::statement::{self, MissingAccepted};
use crate::store::{StoreError, Tx};

/// Why a day cannot be accepted without a statement.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The operator gave no reason.
    #[error("day {day} without a statement: expected a reason, found none")]
    NoReason {
        /// The day.
        day: Day,
    },
    /// The count of that day is not the statement.
    #[error("day {day}: expected a day whose count is the statement, found {platform} {line}")]
    NotExpected {
        /// The day.
        day: Day,
        /// The platform.
        platform: String,
        /// The line.
        line: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Days of the period, over by `at`, whose count is the statement and that have none and were not
/// accepted without one.
///
/// # Errors
/// [`ApplyError`] where the database fails.
pub async fn missing_statement_days(
    tx: &mut Tx,
    scope: Scope<'_>,
    period: &LevyPeriod,
    at: Moment,
) -> Result<Vec<Day>, ApplyError> {
    let (platform, line) = (&period.platform, &period.line);
    let expects = |day: &Day| day.end() <= at && is_statement_due(scope.policy, period, *day);
    let mut days: Vec<Day> = period.month.days().filter(expects).collect();
    if !days.is_empty() {
        let settled = statement::settled_days(tx, (platform, line), period.days()).await?;
        days.retain(|day| !settled.contains(day));
    }
    Ok(days)
}

/// Records that a day is accepted without a statement; the first acceptance stands. Returns
/// whether this is it. A statement that comes later is applied as any other.
///
/// # Errors
/// [`AcceptError::NoReason`] for a blank reason; [`AcceptError::NotExpected`] where no statement
/// is due; [`AcceptError::Store`] where the database fails.
pub async fn accept_missing(
    tx: &mut Tx,
    scope: Scope<'_>,
    accepted: &MissingAccepted,
) -> Result<bool, AcceptError> {
    let MissingAccepted { platform, line, day, .. } = accepted;
    if accepted.reason.trim().is_empty() {
        return Err(AcceptError::NoReason { day: *day });
    }
    let period = LevyPeriod { platform: platform.clone(), line: line.clone(), month: day.month() };
    if !is_statement_due(scope.policy, &period, *day) {
        let (platform, line) = (platform.to_string(), line.to_string());
        return Err(AcceptError::NotExpected { day: *day, platform, line });
    }
    Ok(statement::accept_missing(tx, accepted).await?)
}

fn is_statement_due(policy: &Policy, period: &LevyPeriod, day: Day) -> bool {
    let (platform, line) = (&period.platform, &period.line);
    policy.standing(platform, line, day) == Standing::InForce
        && policy.basis(platform, line, day) == Some(Basis::Statement)
}
