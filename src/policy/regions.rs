//! Counties and the reporting units they belong to. Units serve statistics, never competence.

use std::collections::{BTreeMap, BTreeSet};

use super::PolicyError;
use super::bundle::PolicyText;
use crate::domain::ids::{CountyCode, UnitCode};
use crate::domain::time::Day;

/// Codes below one province code of two digits.
const CODES_A_PROVINCE: u32 = 10_000;

/// What the table says of a county code on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountyStanding {
    /// In the table; its reporting unit.
    InRegion(UnitCode),
    /// A code of the region that the table of that day does not have.
    Unknown,
    /// A code of another province.
    OutsideRegion,
}

/// One of the reporting units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its code.
    pub code: UnitCode,
    /// Its name.
    pub name: String,
}

/// One row of the county table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct County {
    /// Its code.
    pub code: CountyCode,
    /// Its name.
    pub name: String,
    /// The unit that reports it.
    pub unit: UnitCode,
    /// First day; `None` is ever since.
    from: Option<Day>,
    /// First day no longer.
    until: Option<Day>,
}

#[derive(Clone, Debug)]
pub(super) struct Regions {
    province: u32,
    /// For each code of the province, the index + 1 of its first row; 0 is none.
    slots: Vec<u16>,
    /// In order of code and day.
    counties: Vec<County>,
    units: Vec<Unit>,
}

/// Whether the code is no division of GB/T 2260 but a statistical zone; for people only.
#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum YesNo {
    Yes,
    No,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCounty {
    code: u32,
    name: String,
    reporting_unit_code: u32,
    reporting_unit: String,
    #[serde(rename = "statistical_zone")]
    _statistical_zone: YesNo,
    from: String,
    until: String,
}

impl Regions {
    pub(super) fn load(text: &PolicyText, province: u32) -> Result<Self, PolicyError> {
        let mut rows: Vec<(usize, County)> = Vec::new();
        let mut units = BTreeMap::new();
        let mut reader = csv::Reader::from_reader(text.text.as_bytes());
        for (index, record) in reader.deserialize::<WireCounty>().enumerate() {
            let line = index + 2;
            let wire = record.map_err(|error| PolicyError::Syntax {
                file: text.file,
                line,
                detail: error.to_string(),
            })?;
            let county = county(text.file, line, province, &wire)?;
            let name = units.entry(county.unit).or_insert_with(|| wire.reporting_unit.clone());
            if *name != wire.reporting_unit {
                let expected = format!("{name}, as in the rows before");
                return Err(row(text.file, line, "reporting_unit", expected, &wire.reporting_unit));
            }
            rows.push((line, county));
        }
        check_units(text.file, &rows, &units)?;
        rows.sort_by_key(|(_, county)| (county.code, county.from));
        for (first, second) in rows.iter().zip(rows.iter().skip(1)) {
            let begins = second.1.from;
            let ends = first.1.until;
            if first.1.code == second.1.code && ends.is_none_or(|end| begins < Some(end)) {
                let expected = format!("a day from the end of line {} on", first.0);
                let found = begins.map_or_else(|| "none".to_owned(), |day| day.to_string());
                return Err(row(text.file, second.0, "from", expected, &found));
            }
        }
        let counties: Vec<County> = rows.into_iter().map(|(_, county)| county).collect();
        let units = units.into_iter().map(|(code, name)| Unit { code, name }).collect();
        Ok(Self { province, slots: slots(text, province, &counties)?, counties, units })
    }

    pub(super) fn standing(&self, county: CountyCode, day: Day) -> CountyStanding {
        if county.province() != self.province {
            return CountyStanding::OutsideRegion;
        }
        let holds = |row: &&County| {
            row.from.is_none_or(|from| from <= day) && row.until.is_none_or(|until| day < until)
        };
        match self.rows(county).find(holds) {
            Some(row) => CountyStanding::InRegion(row.unit),
            None => CountyStanding::Unknown,
        }
    }

    /// The rows of one code, earliest first.
    pub(super) fn rows(&self, county: CountyCode) -> impl Iterator<Item = &County> {
        let slot = slot_of(self.province, county).and_then(|at| self.slots.get(at)).copied();
        let first = slot.and_then(|slot| slot.checked_sub(1)).map(usize::from);
        let from = first.and_then(|first| self.counties.get(first..)).unwrap_or_default();
        from.iter().take_while(move |row| row.code == county)
    }

    pub(super) fn counties(&self) -> &[County] {
        &self.counties
    }

    pub(super) fn units(&self) -> &[Unit] {
        &self.units
    }
}

fn county(
    file: &'static str,
    line: usize,
    province: u32,
    wire: &WireCounty,
) -> Result<County, PolicyError> {
    let day = |field, text: &str| match (text.is_empty(), Day::parse(text)) {
        (true, _) => Ok(None),
        (false, Some(day)) => Ok(Some(day)),
        (false, None) => Err(row(file, line, field, "YYYY-MM-DD or nothing".to_owned(), text)),
    };
    let expected = || format!("a code of province {province}");
    let code = CountyCode::new(wire.code).filter(|code| code.province() == province);
    let code = code.ok_or_else(|| row(file, line, "code", expected(), &wire.code.to_string()))?;
    let of_region =
        CountyCode::new(wire.reporting_unit_code).filter(|code| code.province() == province);
    let unit = of_region.and_then(|code| UnitCode::new(code.get())).ok_or_else(|| {
        row(file, line, "reporting_unit_code", expected(), &wire.reporting_unit_code.to_string())
    })?;
    let (from, until) = (day("from", &wire.from)?, day("until", &wire.until)?);
    Ok(County { code, name: wire.name.clone(), unit, from, until })
}

/// A unit is a league or city (盟市), whose code ends in 00 and begins as that of a county of its
/// own, or a county that reports by itself; and no two units share a name. A mistyped code would
/// otherwise be one more unit, and its counties missing from the right one.
fn check_units(
    file: &'static str,
    rows: &[(usize, County)],
    units: &BTreeMap<UnitCode, String>,
) -> Result<(), PolicyError> {
    let codes: BTreeSet<u32> = rows.iter().map(|(_, county)| county.code.get()).collect();
    let of_leagues: BTreeSet<u32> = codes.iter().map(|code| code / 100 * 100).collect();
    for (line, county) in rows {
        let unit = county.unit.get();
        if !codes.contains(&unit) && !of_leagues.contains(&unit) {
            let expected = "the code of a league or city or of a county in the table".to_owned();
            return Err(row(file, *line, "reporting_unit_code", expected, &unit.to_string()));
        }
    }
    let mut by_name: BTreeMap<&str, UnitCode> = BTreeMap::new();
    for (line, county) in rows {
        let Some(name) = units.get(&county.unit) else { continue };
        let code = *by_name.entry(name).or_insert(county.unit);
        if code != county.unit {
            let expected = format!("{code}, the code of {name} in the rows before");
            let found = county.unit.to_string();
            return Err(row(file, *line, "reporting_unit_code", expected, &found));
        }
    }
    Ok(())
}

fn slots(text: &PolicyText, province: u32, counties: &[County]) -> Result<Vec<u16>, PolicyError> {
    let mut slots = vec![0; usize::try_from(CODES_A_PROVINCE).unwrap_or_default()];
    for (index, county) in counties.iter().enumerate() {
        let Ok(value) = u16::try_from(index + 1) else {
            let expected = format!("at most {} rows", u16::MAX);
            return Err(row(text.file, index + 2, "code", expected, "more"));
        };
        let slot = slot_of(province, county.code).and_then(|at| slots.get_mut(at));
        if let Some(slot) = slot.filter(|slot| **slot == 0) {
            *slot = value;
        }
    }
    Ok(slots)
}

fn slot_of(province: u32, county: CountyCode) -> Option<usize> {
    let below = county.get().checked_sub(province * CODES_A_PROVINCE)?;
    usize::try_from(below).ok()
}

fn row(
    file: &'static str,
    line: usize,
    field: &'static str,
    expected: String,
    found: &str,
) -> PolicyError {
    PolicyError::Row { file, line, field, expected, found: found.to_owned() }
}
