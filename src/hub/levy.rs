//! The levy calendar's commands: freeze a month, issue its figures, adjust what came later.

use super::{Hub, HubError};
use crate::apply::freeze::{adjust, freeze, issue};
use crate::apply::levy_memo::post_memo;
use crate::apply::missing::{accept_missing, missing_statement_days};
use crate::apply::under_way::UnderWay;
use crate::domain::time::{Moment, Month};
use crate::levy::LevyPeriod;
use crate::store::positions::past;
use crate::store::statement::MissingAccepted;
use crate::store::{Tx, pauses};

/// What freezing a month did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonthReport {
    /// Periods whose figure was issued.
    pub issued: Vec<LevyPeriod>,
    /// Periods that stay open, since days lack a statement.
    pub blocked: Vec<LevyPeriod>,
    /// Periods that were adjusted.
    pub adjusted: Vec<LevyPeriod>,
}

impl Hub {
    /// Freezes a month at `cut_at` and issues its figures, each with its memo entry; what was
    /// frozen before is adjusted. All of it is one transaction, and running it again changes
    /// nothing.
    ///
    /// # Errors
    /// [`HubError`] where a partition has applied messages of the cut or later (then the figure
    /// could not be rebuilt), where a connector is paused, or where a levy cannot be computed.
    pub async fn freeze_month(
        &self,
        month: Month,
        cut_at: Moment,
        reason: &str,
    ) -> Result<MonthReport, HubError> {
        let _under_way = UnderWay::begin("freeze", month.to_string());
        let engine = &self.engine;
        let mut tx = engine.db.begin().await?;
        refuse_paused(&mut tx).await?;
        if let Some(key) = past(&mut tx, cut_at).await? {
            return Err(HubError::CutPassed { topic: key.topic, partition: key.partition, cut_at });
        }
        let frozen = freeze(&mut tx, engine.scope(), month, cut_at, reason).await?;
        let mut report = MonthReport::default();
        report.blocked.extend(frozen.blocked.into_iter().map(|(period, _)| period));
        for period in frozen.frozen.into_iter().chain(frozen.frozen_before) {
            let revision = match issue(&mut tx, engine.scope(), &period).await? {
                Some(issued) => {
                    report.issued.push(period);
                    Some(issued)
                }
                None => {
                    let adjusted = adjust(&mut tx, engine.scope(), &period, cut_at).await?;
                    report.adjusted.extend(adjusted.is_some().then_some(period));
                    adjusted
                }
            };
            if let Some(posting) = revision.and_then(|revision| revision.posting) {
                post_memo(&mut tx, &posting, cut_at)
                    .await
                    .map_err(crate::apply::engine::EngineError::from)?;
            }
        }
        tx.commit().await?;
        Ok(report)
    }

    /// Accepts, with a reason, that days of a month have no statement and never will.
    ///
    /// # Errors
    /// [`HubError`] where a connector is paused, or the database refuses.
    pub async fn accept_missing_statements(
        &self,
        month: Month,
        at: Moment,
        reason: &str,
        by: &str,
    ) -> Result<u64, HubError> {
        let scope = self.engine.scope();
        let mut tx = self.engine.db.begin().await?;
        refuse_paused(&mut tx).await?;
        let mut accepted = 0;
        for (platform, line) in scope.policy.in_force(month) {
            let period = LevyPeriod { platform: platform.clone(), line: line.clone(), month };
            let days = missing_statement_days(&mut tx, scope, &period, at)
                .await
                .map_err(crate::apply::engine::EngineError::from)?;
            for day in days {
                let missing = MissingAccepted {
                    platform: platform.clone(),
                    line: line.clone(),
                    day,
                    reason: reason.to_owned(),
                    accepted_by: by.to_owned(),
                    accepted_at: at,
                };
                accepted += u64::from(accept_missing(&mut tx, scope, &missing).await?);
            }
        }
        tx.commit().await?;
        Ok(accepted)
    }
}

/// Nothing is issued while messages of a connector wait in the log for an operator.
async fn refuse_paused(tx: &mut Tx) -> Result<(), HubError> {
    match pauses::all(tx).await?.into_iter().next() {
        Some(pause) => Err(HubError::Paused { connector: pause.connector, reason: pause.reason }),
        None => Ok(()),
    }
}
