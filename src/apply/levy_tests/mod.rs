//! Statements, registrations and freezes against a database of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod freeze;
mod statement;

use std::path::Path;
use std::sync::Arc;

use sqlx::Row;

use super::freeze::{FreezeError, IssuedRevision, adjust, freeze, issue, missing_statement_days};
use super::registration::apply_registration;
use super::statement::apply_statement;
use super::{Outcome, Scope};
use crate::domain::event::{CountStatement, Envelope, Registration, RegistrationAction};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{
    ConnectorId, CountyCode, CreditCode, DocumentNo, EventId, FeedId, LineCode, PlatformId,
};
use crate::domain::message::Source;
use crate::domain::money::Rate;
use crate::domain::time::{Day, Moment, Month};
use crate::levy::assessment::Figure;
use crate::levy::{LevyError, LevyPeriod};
use crate::policy::{Basis, Policy};
use crate::store::counts::{CountDelta, Extent, add_counts, counts_of_line};
use crate::store::levy::{PeriodCut, all_issued, cuts, frozen_periods, is_after_cut};
use crate::store::scratch::Scratch;
use crate::store::statement::{MissingAccepted, accept_missing};
use crate::store::{Database, Tx};

struct Fixture {
    scratch: Scratch,
    policy: Policy,
}

impl Fixture {
    async fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
        Self { scratch: Scratch::open().await, policy: Policy::load(&folder).unwrap() }
    }

    fn scope(&self) -> Scope<'_> {
        Scope { policy: &self.policy }
    }

    fn database(&self) -> &Database {
        &self.scratch.database
    }

    async fn begin(&self) -> Tx {
        self.database().begin().await.unwrap()
    }

    /// Applies a statement received one day and `hour` hours after its day began.
    async fn state(&self, statement: &CountStatement, received_at: Moment) -> Outcome {
        let mut tx = self.begin().await;
        let envelope = envelope(received_at);
        let outcome = apply_statement(&mut tx, self.scope(), &envelope, statement).await.unwrap();
        tx.commit().await.unwrap();
        outcome
    }

    /// Orders by county of one day of 快狗打车, as stated.
    async fn stated(&self, day: Day, extent: Extent) -> Vec<(u32, i64)> {
        let mut tx = self.database().snapshot().await.unwrap();
        let period = vans();
        let line = (&period.platform, &period.line);
        let rows = counts_of_line(&mut tx, line, day..day.plus(1), extent).await.unwrap();
        rows.into_iter().map(|row| (row.county.get(), row.orders)).collect()
    }

    async fn add_orders(&self, period: &LevyPeriod, rows: &[(i64, bool)]) {
        let delta = |(orders, after_cut): &(i64, bool)| CountDelta {
            platform: period.platform.clone(),
            line: period.line.clone(),
            county: CountyCode::new(150_102).unwrap(),
            day: july(3),
            rule: 1,
            basis: Basis::Stream,
            partition: 2,
            after_cut: *after_cut,
            delta: *orders,
        };
        let mut tx = self.begin().await;
        let deltas: Vec<CountDelta> = rows.iter().map(delta).collect();
        add_counts(&mut tx, &deltas).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn freeze(&self, cut_at: Moment) -> super::freeze::FreezeReport {
        let mut tx = self.begin().await;
        let month = Month::new(2026, 7).unwrap();
        let report = freeze(&mut tx, self.scope(), month, cut_at, "month end").await.unwrap();
        tx.commit().await.unwrap();
        report
    }

    async fn issue(&self, period: &LevyPeriod) -> Option<IssuedRevision> {
        let mut tx = self.begin().await;
        let issued = issue(&mut tx, self.scope(), period).await.unwrap();
        tx.commit().await.unwrap();
        issued
    }

    async fn adjust(&self, period: &LevyPeriod, at: Moment) -> Option<IssuedRevision> {
        let mut tx = self.begin().await;
        let adjusted = adjust(&mut tx, self.scope(), period, at).await.unwrap();
        tx.commit().await.unwrap();
        adjusted
    }

    /// Ids of the outbox in order, and the body of the last.
    async fn owed(&self) -> (Vec<String>, serde_json::Value) {
        let mut tx = self.database().snapshot().await.unwrap();
        let rows = sqlx::query("select id, body from outbox order by destination, key, seq")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let body: String = rows.last().unwrap().try_get("body").unwrap();
        let ids = rows.iter().map(|row| row.try_get("id").unwrap()).collect();
        (ids, serde_json::from_str(&body).unwrap())
    }
}

fn july(day: u32) -> Day {
    Day::from_ymd(2026, 7, day).unwrap()
}

fn period(platform: &str, line: &str) -> LevyPeriod {
    LevyPeriod {
        platform: PlatformId::new(platform).unwrap(),
        line: LineCode::new(line).unwrap(),
        month: Month::new(2026, 7).unwrap(),
    }
}

/// A period whose count is the platform's statement.
fn vans() -> LevyPeriod {
    period("kuaigou-dache", "intra_city_freight")
}

/// A period whose count is the stream.
fn riders() -> LevyPeriod {
    period("meituan", "instant_delivery")
}

fn envelope(received_at: Moment) -> Envelope {
    Envelope {
        event_id: EventId::new("kuaigou-dache:statement:x").unwrap(),
        connector: ConnectorId::new("kuaigou-dache").unwrap(),
        feed: FeedId::new("totals").unwrap(),
        source: Source { topic: Arc::from("raw.kuaigou-dache"), partition: 0, offset: 7 },
        occurred_at: received_at,
        received_at,
    }
}

fn totals(day: Day, revision: u32, orders: &[(u32, u64)]) -> CountStatement {
    let row = |(county, orders): &(u32, u64)| (CountyCode::new(*county).unwrap(), *orders);
    CountStatement {
        platform: vans().platform,
        line: vans().line,
        day,
        revision,
        orders: orders.iter().map(row).collect(),
    }
}

fn applied() -> Outcome {
    Outcome::Applied { releases: Vec::new() }
}
