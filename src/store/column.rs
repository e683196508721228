//! Reading the columns that many tables share, as the types they stand for.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;
use crate::domain::ids::{CountyCode, LineCode, PlatformId};
use crate::domain::time::{Day, Month};

/// Months since year 0, as the tables keep a month.
pub(super) fn month_no(month: Month) -> i64 {
    i64::from(month.year()) * 12 + i64::from(month.number()) - 1
}

pub(super) fn month(row: &AnyRow, what: &'static str) -> Result<Month, StoreError> {
    let number: i64 = row.try_get("month")?;
    let year = i32::try_from(number.div_euclid(12));
    let in_year = u32::try_from(number.rem_euclid(12) + 1);
    let read = year.ok().zip(in_year.ok()).and_then(|(year, month)| Month::new(year, month));
    read.ok_or_else(|| damaged(what, format!("month {number}")))
}

pub(super) fn day(row: &AnyRow, what: &'static str) -> Result<Day, StoreError> {
    let days: i64 = row.try_get("day")?;
    match i32::try_from(days) {
        Ok(days) => Ok(Day::from_epoch_days(days)),
        Err(error) => Err(damaged(what, format!("day {days}: {error}"))),
    }
}

pub(super) fn county(row: &AnyRow, what: &'static str) -> Result<CountyCode, StoreError> {
    let code: i64 = row.try_get("county")?;
    let read = u32::try_from(code).ok().and_then(CountyCode::new);
    read.ok_or_else(|| damaged(what, format!("county {code}")))
}

pub(super) fn platform(row: &AnyRow, what: &'static str) -> Result<PlatformId, StoreError> {
    let text: String = row.try_get("platform")?;
    PlatformId::new(&text).map_err(|error| damaged(what, error.to_string()))
}

pub(super) fn line(row: &AnyRow, what: &'static str) -> Result<LineCode, StoreError> {
    let text: String = row.try_get("line")?;
    LineCode::new(&text).map_err(|error| damaged(what, error.to_string()))
}

/// A small number, such as a revision.
pub(super) fn number(row: &AnyRow, name: &str, what: &'static str) -> Result<u32, StoreError> {
    let value: i64 = row.try_get(name)?;
    u32::try_from(value).map_err(|error| damaged(what, format!("{name} {value}: {error}")))
}

pub(super) fn damaged(what: &'static str, detail: String) -> StoreError {
    StoreError::Damaged { what, detail }
}
