//! Counts: signed rows by platform, line, county, day, counting rule, basis and partition. A count
//! is the sum over partitions; a sum below zero is an error of ours, never a figure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sqlx::Row;

use super::bulk::Bulk;
use super::{StoreError, Tx, column};
use crate::domain::ids::{CountyCode, LineCode, PlatformId, UnitCode};
use crate::domain::time::{Day, Month};
use crate::policy::{Basis, Policy};

/// Rows of one statement; 9 values a row stay far below the limits of both engines.
const ROWS_MAX: usize = 500;
const TABLE: &str = "order_count";

/// A change of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountDelta {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// County of acceptance.
    pub county: CountyCode,
    /// Day of acceptance.
    pub day: Day,
    /// Number of the counting rule.
    pub rule: u32,
    /// Stream or statement.
    pub basis: Basis,
    /// Partition of the platform's topic; 0 for statements.
    pub partition: u32,
    /// Whether the causing message came at or after the period's cut.
    pub after_cut: bool,
    /// Orders more (or fewer).
    pub delta: i64,
}

/// A count, summed over partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountRow {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// Day of acceptance.
    pub day: Day,
    /// County of acceptance.
    pub county: CountyCode,
    /// Number of the counting rule.
    pub rule: u32,
    /// Stream or statement.
    pub basis: Basis,
    /// Orders, never negative.
    pub orders: i64,
}

/// Which rows of a period are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only what came before the cut: the frozen figure.
    Frozen,
    /// Everything: the figure as it stands.
    Whole,
}

/// The counted orders of one unit in one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitCount {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// The reporting unit.
    pub unit: UnitCode,
    /// Orders.
    pub orders: i64,
}

/// A day for which stream and statement both exist and differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasisDifference {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// Day of acceptance.
    pub day: Day,
    /// Orders by the stream.
    pub stream: i64,
    /// Orders by the statement.
    pub statement: i64,
}

/// Row key in the order of the primary key, so that a batch touches the table in its order.
type Key = (PlatformId, LineCode, Day, CountyCode, u32, Basis, u32, bool);

impl CountRow {
    /// Whether this figure is *the* count of its day: of the basis and the counting rule in force.
    #[must_use]
    pub fn is_in_force(&self, policy: &Policy) -> bool {
        policy.basis(&self.platform, &self.line, self.day) == Some(self.basis)
            && policy.counting_rule(self.day) == self.rule
    }
}

/// Adds the changes, first summed by key, in chunks of one statement each.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn add_counts(tx: &mut Tx, deltas: &[CountDelta]) -> Result<(), StoreError> {
    let changes = summed(deltas).into_iter().filter(|(_, sum)| *sum != 0);
    // Additions first: no count is below zero in between where it is not so in the end.
    let (mut rows, back): (Vec<_>, Vec<_>) = changes.partition(|(_, sum)| *sum > 0);
    rows.extend(back);
    for chunk in rows.chunks(ROWS_MAX) {
        let mut query = Bulk::new(
            "insert into order_count (platform, line, county, day, rule, basis, partition, \
             after_cut, orders) values ",
        );
        query.rows(chunk, |(key, sum)| {
            let (platform, line, day, county, rule, basis, partition, after_cut) = key;
            [
                platform.as_str().into(),
                line.as_str().into(),
                i64::from(county.get()).into(),
                i64::from(day.epoch_days()).into(),
                i64::from(*rule).into(),
                basis.code().into(),
                i64::from(*partition).into(),
                i64::from(*after_cut).into(),
                (*sum).into(),
            ]
        });
        query.push(
            " on conflict (platform, line, county, day, rule, basis, partition, after_cut) \
             do update set orders = order_count.orders + excluded.orders",
        );
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Counts of one platform's line with days in `from..until`, of every basis and rule.
///
/// # Errors
/// [`StoreError::Damaged`] for a negative sum; [`StoreError::Sql`] where the engine refuses.
pub async fn counts_of_line(
    tx: &mut Tx,
    line: (&PlatformId, &LineCode),
    days: std::ops::Range<Day>,
    extent: Extent,
) -> Result<Vec<CountRow>, StoreError> {
    let rows = sqlx::query(
        "select platform, line, day, county, rule, basis, cast(sum(orders) as bigint) as orders \
         from order_count where platform = $1 and line = $2 and day >= $3 and day < $4 \
         and after_cut <= $5 group by platform, line, day, county, rule, basis \
         order by platform, line, day, county, rule, basis",
    )
    .bind(line.0.as_str())
    .bind(line.1.as_str())
    .bind(i64::from(days.start.epoch_days()))
    .bind(i64::from(days.end.epoch_days()))
    .bind(i64::from(extent == Extent::Whole))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(count_row).filter(is_some_order).collect()
}

/// Counts of every platform and line with days in `from..until`, of every basis and rule, as they
/// stand; zeros are left out.
///
/// # Errors
/// [`StoreError::Damaged`] for a negative sum; [`StoreError::Sql`] where the engine refuses.
pub async fn counts_between(
    tx: &mut Tx,
    days: std::ops::Range<Day>,
) -> Result<Vec<CountRow>, StoreError> {
    let rows = sqlx::query(
        "select platform, line, day, county, rule, basis, cast(sum(orders) as bigint) as orders \
         from order_count where day >= $1 and day < $2 \
         group by platform, line, day, county, rule, basis \
         order by platform, line, day, county, rule, basis",
    )
    .bind(i64::from(days.start.epoch_days()))
    .bind(i64::from(days.end.epoch_days()))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(count_row).filter(is_some_order).collect()
}

/// The counts in force of one month, by reporting unit.
///
/// # Errors
/// As [`counts_between`].
pub async fn counts_by_unit(
    tx: &mut Tx,
    policy: &Policy,
    month: Month,
) -> Result<Vec<UnitCount>, StoreError> {
    let rows = counts_between(tx, month.first_day()..month.next().first_day()).await?;
    let mut units: BTreeMap<(PlatformId, LineCode, UnitCode), i64> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.is_in_force(policy)) {
        let no_unit = || column::damaged(TABLE, format!("county {} has no unit", row.county));
        let unit = policy.unit_of(row.county).ok_or_else(no_unit)?;
        *units.entry((row.platform, row.line, unit)).or_default() += row.orders;
    }
    let unit_count = |((platform, line, unit), orders)| UnitCount { platform, line, unit, orders };
    Ok(units.into_iter().map(unit_count).collect())
}

/// Days on which the stream and the statement of one line differ, where both exist.
#[must_use]
pub fn basis_differences(rows: &[CountRow]) -> Vec<BasisDifference> {
    let mut days: BTreeMap<(&PlatformId, &LineCode, Day), [Option<i64>; 2]> = BTreeMap::new();
    for row in rows {
        let [stream, statement] = days.entry((&row.platform, &row.line, row.day)).or_default();
        let figure = match row.basis {
            Basis::Stream => stream,
            Basis::Statement => statement,
        };
        *figure = Some(figure.unwrap_or(0) + row.orders);
    }
    let differs = |(key, figures): ((&PlatformId, &LineCode, Day), [Option<i64>; 2])| {
        let (platform, line, day) = key;
        let [Some(stream), Some(statement)] = figures else { return None };
        let (platform, line) = (platform.clone(), line.clone());
        (stream != statement).then_some(BasisDifference { platform, line, day, stream, statement })
    };
    days.into_iter().filter_map(differs).collect()
}

fn summed(deltas: &[CountDelta]) -> BTreeMap<Key, i64> {
    let mut sums = BTreeMap::new();
    for row in deltas {
        let key = (
            row.platform.clone(),
            row.line.clone(),
            row.day,
            row.county,
            row.rule,
            row.basis,
            row.partition,
            row.after_cut,
        );
        *sums.entry(key).or_insert(0) += row.delta;
    }
    sums
}

fn count_row(row: &sqlx::any::AnyRow) -> Result<CountRow, StoreError> {
    let basis: String = row.try_get("basis")?;
    let basis = [Basis::Stream, Basis::Statement].into_iter().find(|known| known.code() == basis);
    let read = CountRow {
        platform: column::platform(row, TABLE)?,
        line: column::line(row, TABLE)?,
        day: column::day(row, TABLE)?,
        county: column::county(row, TABLE)?,
        rule: column::number(row, "rule", TABLE)?,
        basis: basis.ok_or_else(|| column::damaged(TABLE, "unknown basis".to_owned()))?,
        orders: row.try_get("orders")?,
    };
    if read.orders < 0 {
        let detail = format!("expected a count of 0 or more, found {read:?}");
        return Err(column::damaged(TABLE, detail));
    }
    Ok(read)
}

fn is_some_order(row: &Result<CountRow, StoreError>) -> bool {
    row.as_ref().map_or(true, |row| row.orders != 0)
}
