//! Payment standards (缴费标准): dated bases by tier, the floating range, and each platform's choice,
//! resolved into one rate a day.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use super::platforms::{Platforms, line_of};
use super::source::{LegalSource, Sources, WireDay, WireLegal};
use super::timeline::{Span, Timeline};
use crate::domain::ids::{LineCode, PlatformId};
use crate::domain::money::Rate;
use crate::domain::time::Day;

/// What one platform pays for an order of one line, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRow {
    /// The rate.
    pub rate: Rate,
    /// Tier of the base (缴费基准额): `low` or `high` for 即时配送, else `single`.
    pub tier: String,
    /// Floating step (浮动档次), of the size and within the range in force.
    pub step: i32,
    /// First day of this rate.
    pub from: Day,
    /// First day no longer; `None` is until further notice.
    pub until: Option<Day>,
    /// Where the base stands in law.
    pub base_legal: LegalSource,
    /// The document that gave this platform its tier and step.
    pub legal: LegalSource,
}

/// A base amount (缴费基准额) of one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) base_li: u32,
    pub(super) legal: LegalSource,
}

/// How far a base may float.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Floating {
    pub(super) step_percent: u32,
    pub(super) step_min: i32,
    pub(super) step_max: i32,
}

#[derive(Clone, Debug)]
pub(super) struct Rates {
    rows: HashMap<PlatformId, Vec<(LineCode, Timeline<RateRow>)>>,
    bases: BTreeMap<(LineCode, String), Timeline<Base>>,
    floating: Timeline<Floating>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesFile {
    base: Vec<WireBase>,
    floating: Vec<WireFloating>,
    rate: Vec<WireRate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBase {
    line: Spanned<String>,
    tier: String,
    base_li: u32,
    from: WireDay,
    until: Option<WireDay>,
    legal: WireLegal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFloating {
    step_percent: Spanned<u32>,
    step_min: i32,
    step_max: i32,
    from: WireDay,
    until: Option<WireDay>,
    legal: WireLegal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRate {
    platform: Spanned<String>,
    line: Spanned<String>,
    tier: Spanned<String>,
    step: Spanned<i32>,
    from: WireDay,
    until: Option<WireDay>,
    legal: WireLegal,
}

/// What a platform was given, before bases are looked up.
struct Choice {
    tier: String,
    step: i32,
    legal: LegalSource,
    tier_at: Range<usize>,
    step_at: Range<usize>,
}

impl Rates {
    pub(super) fn load(
        text: &PolicyText,
        sources: &Sources,
        platforms: &Platforms,
    ) -> Result<Self, PolicyError> {
        let file: RatesFile = text.parse()?;
        let bases = bases(text, sources, platforms, file.base)?;
        let floating = floating(text, sources, file.floating)?;
        let mut rates = Self { rows: HashMap::new(), bases, floating };
        for ((platform, line), chosen) in choices(text, sources, platforms, file.rate)? {
            let resolved = rates.resolve(text, &line, chosen)?;
            rates.rows.entry(platform).or_default().push((line, resolved));
        }
        let none = Timeline::default();
        for stay in platforms.stays() {
            let what = format!("a rate of {} {}", stay.platform, stay.line);
            let rows = rates.timeline(stay.platform, stay.line).unwrap_or(&none);
            rows.require(text, "rate", (stay.from, stay.until), &what)?;
        }
        Ok(rates)
    }

    pub(super) fn at(&self, platform: &PlatformId, line: &LineCode, day: Day) -> Option<&RateRow> {
        self.timeline(platform, line)?.at(day)
    }

    fn timeline(&self, platform: &PlatformId, line: &LineCode) -> Option<&Timeline<RateRow>> {
        self.rows.get(platform)?.iter().find(|(code, _)| code == line).map(|(_, row)| row)
    }

    /// Cuts each choice where a base or the range changes, and computes the rate of each piece.
    fn resolve(
        &self,
        text: &PolicyText,
        line: &LineCode,
        chosen: Timeline<Choice>,
    ) -> Result<Timeline<RateRow>, PolicyError> {
        let mut pieces = Vec::new();
        for Span { from, until, value: choice, .. } in chosen.spans() {
            let bases = self.bases.get(&(line.clone(), choice.tier.clone()));
            let base_changes = bases.into_iter().flat_map(|row| row.changes(*from, *until));
            let mut starts: Vec<Day> =
                base_changes.chain(self.floating.changes(*from, *until)).collect();
            starts.push(*from);
            starts.sort_unstable();
            starts.dedup();
            for (index, day) in starts.iter().enumerate() {
                let until = starts.get(index + 1).copied().or(*until);
                let base = bases.and_then(|row| row.at(*day)).ok_or_else(|| {
                    let expected = format!("a tier of {line} with a base on {day}");
                    text.refuse(&choice.tier_at, "tier", expected, &choice.tier)
                })?;
                let rate = self.float(text, base, choice, *day)?;
                let value = RateRow {
                    rate,
                    tier: choice.tier.clone(),
                    step: choice.step,
                    from: *day,
                    until,
                    base_legal: base.legal.clone(),
                    legal: choice.legal.clone(),
                };
                let at = choice.step_at.clone();
                pieces.push(Span { from: *day, until, value, at });
            }
        }
        Timeline::build(text, pieces)
    }

    /// base × (100 % + step × step size), which must be whole 厘.
    fn float(
        &self,
        text: &PolicyText,
        base: &Base,
        choice: &Choice,
        day: Day,
    ) -> Result<Rate, PolicyError> {
        let refuse = |expected: String| text.refuse(&choice.step_at, "step", expected, choice.step);
        let Some(range) = self.floating.at(day) else {
            return Err(refuse(format!("a floating range in force on {day}")));
        };
        if !(range.step_min..=range.step_max).contains(&choice.step) {
            let (min, max) = (range.step_min, range.step_max);
            return Err(refuse(format!("{min} to {max}, in force on {day}")));
        }
        let percent = 100 + i64::from(choice.step) * i64::from(range.step_percent);
        let hundredths = i64::from(base.base_li) * percent;
        if hundredths % 100 != 0 {
            return Err(refuse("a step that gives whole 厘".to_owned()));
        }
        Rate::from_li(hundredths / 100).map_err(|error| refuse(error.to_string()))
    }
}

fn bases(
    text: &PolicyText,
    sources: &Sources,
    platforms: &Platforms,
    rows: Vec<WireBase>,
) -> Result<BTreeMap<(LineCode, String), Timeline<Base>>, PolicyError> {
    let mut placed: BTreeMap<_, Vec<Span<Base>>> = BTreeMap::new();
    for wire in rows {
        let at = wire.line.span();
        let line = line_of(text, platforms.lines(), &wire.line)?;
        let value = Base { base_li: wire.base_li, legal: sources.find(text, wire.legal)? };
        let span = Span { from: wire.from.0, until: wire.until.map(|day| day.0), value, at };
        placed.entry((line, wire.tier)).or_default().push(span);
    }
    placed.into_iter().map(|(key, rows)| Ok((key, Timeline::build(text, rows)?))).collect()
}

fn floating(
    text: &PolicyText,
    sources: &Sources,
    rows: Vec<WireFloating>,
) -> Result<Timeline<Floating>, PolicyError> {
    let mut placed = Vec::with_capacity(rows.len());
    for wire in rows {
        let at = wire.step_percent.span();
        sources.find(text, wire.legal)?;
        if wire.step_min > wire.step_max {
            let expected = format!("at most step_max {}", wire.step_max);
            return Err(text.refuse(&at, "step_min", expected, wire.step_min));
        }
        let value = Floating {
            step_percent: wire.step_percent.into_inner(),
            step_min: wire.step_min,
            step_max: wire.step_max,
        };
        let span = Span { from: wire.from.0, until: wire.until.map(|day| day.0), value, at };
        placed.push(span);
    }
    Timeline::build(text, placed)
}

fn choices(
    text: &PolicyText,
    sources: &Sources,
    platforms: &Platforms,
    rows: Vec<WireRate>,
) -> Result<BTreeMap<(PlatformId, LineCode), Timeline<Choice>>, PolicyError> {
    let mut placed: BTreeMap<_, Vec<Span<Choice>>> = BTreeMap::new();
    for wire in rows {
        let at = wire.platform.span();
        let key = platforms.find(text, &wire.platform, &wire.line)?;
        let value = Choice {
            tier_at: wire.tier.span(),
            step_at: wire.step.span(),
            tier: wire.tier.into_inner(),
            step: wire.step.into_inner(),
            legal: sources.find(text, wire.legal)?,
        };
        let span = Span { from: wire.from.0, until: wire.until.map(|day| day.0), value, at };
        placed.entry(key).or_default().push(span);
    }
    placed.into_iter().map(|(key, rows)| Ok((key, Timeline::build(text, rows)?))).collect()
}
