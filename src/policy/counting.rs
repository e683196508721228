//! What counts as one order (versioned), and whether the stream or the platform's statement counts.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use super::platforms::Platforms;
use super::source::{LegalSource, Sources, WireDay, WireLegal};
use super::timeline::{Span, Timeline};
use crate::domain::ids::{LineCode, PlatformId};
use crate::domain::time::Day;

/// Which figure of a platform's line is the count of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Basis {
    /// The orders of the stream.
    Stream,
    /// The daily totals that the platform vouches for.
    Statement,
}

impl Basis {
    /// The word used in the database and in policy.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stream => "STREAM",
            Self::Statement => "STATEMENT",
        }
    }
}

/// A counting rule: its number, stored with every count, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountingRule {
    /// The number of the rule.
    pub version: u32,
    /// Where it stands.
    pub legal: LegalSource,
}

#[derive(Clone, Debug)]
pub(super) struct Counting {
    rules: Timeline<CountingRule>,
    first: CountingRule,
    basis: HashMap<PlatformId, Vec<(LineCode, Timeline<Basis>)>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountingFile {
    rule: Vec<WireRule>,
    basis: Vec<WireBasis>,
}

/// The values are the choices that the merge of orders implements. Another value needs another
/// merge, so it is refused here rather than ignored there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    version: Spanned<u32>,
    from: WireDay,
    until: Option<WireDay>,
    #[serde(rename = "unit")]
    _unit: OrderUnit,
    #[serde(rename = "cancelled_after_acceptance")]
    _cancelled_after_acceptance: Counted,
    #[serde(rename = "cancelled_before_acceptance")]
    _cancelled_before_acceptance: NotCounted,
    #[serde(rename = "failed_or_returned")]
    _failed_or_returned: Counted,
    #[serde(rename = "reassigned")]
    _reassigned: CountedOnce,
    #[serde(rename = "void")]
    _void: NotCounted,
    #[serde(rename = "period_basis")]
    _period_basis: PeriodBasis,
    place_order: Spanned<Vec<Place>>,
    legal: WireLegal,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderUnit {
    AcceptedOrder,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Counted {
    Counted,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NotCounted {
    NotCounted,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CountedOnce {
    CountedOnce,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PeriodBasis {
    Acceptance,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Place {
    Acceptance,
    Pickup,
    Registration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBasis {
    platform: Spanned<String>,
    line: Spanned<String>,
    basis: Basis,
    from: WireDay,
    until: Option<WireDay>,
    legal: WireLegal,
}

impl Counting {
    pub(super) fn load(
        text: &PolicyText,
        sources: &Sources,
        platforms: &Platforms,
        start: Day,
    ) -> Result<Self, PolicyError> {
        let file: CountingFile = text.parse()?;
        let rules = rules(text, sources, file.rule)?;
        rules.require(text, "rule", (start, None), "a counting rule")?;
        let Some(first) = rules.spans().first().map(|span| span.value.clone()) else {
            return Err(text.refuse(&text.end(), "rule", "a counting rule", "none"));
        };
        let mut placed: BTreeMap<_, Vec<Span<Basis>>> = BTreeMap::new();
        for wire in file.basis {
            let at = wire.platform.span();
            let key = platforms.find(text, &wire.platform, &wire.line)?;
            sources.find(text, wire.legal)?;
            let until = wire.until.map(|day| day.0);
            let span = Span { from: wire.from.0, until, value: wire.basis, at };
            placed.entry(key).or_default().push(span);
        }
        let mut basis: HashMap<PlatformId, Vec<_>> = HashMap::new();
        for ((platform, line), rows) in placed {
            basis.entry(platform).or_default().push((line, Timeline::build(text, rows)?));
        }
        let counting = Self { rules, first, basis };
        let none = Timeline::default();
        for stay in platforms.stays() {
            let what = format!("a basis of {} {}", stay.platform, stay.line);
            let rows = counting.timeline(stay.platform, stay.line).unwrap_or(&none);
            rows.require(text, "basis", (stay.from, stay.until), &what)?;
        }
        Ok(counting)
    }

    /// The rule of the day; before the first rule began, the first one, so that orders out of
    /// scope can be judged too.
    pub(super) fn rule(&self, day: Day) -> &CountingRule {
        self.rules.at(day).unwrap_or(&self.first)
    }

    pub(super) fn basis(&self, platform: &PlatformId, line: &LineCode, day: Day) -> Option<Basis> {
        self.timeline(platform, line)?.at(day).copied()
    }

    fn timeline(&self, platform: &PlatformId, line: &LineCode) -> Option<&Timeline<Basis>> {
        self.basis.get(platform)?.iter().find(|(code, _)| code == line).map(|(_, rows)| rows)
    }
}

fn rules(
    text: &PolicyText,
    sources: &Sources,
    rows: Vec<WireRule>,
) -> Result<Timeline<CountingRule>, PolicyError> {
    let mut placed: Vec<Span<CountingRule>> = Vec::with_capacity(rows.len());
    for wire in rows {
        let at = wire.version.span();
        let version = wire.version.into_inner();
        if placed.iter().any(|row| row.value.version == version) {
            return Err(text.refuse(&at, "rule.version", "each version once", version));
        }
        let places = wire.place_order.get_ref();
        if *places != [Place::Acceptance, Place::Pickup, Place::Registration] {
            let expected = "acceptance, pickup, registration";
            let found = format!("{places:?}");
            return Err(text.refuse(&wire.place_order.span(), "place_order", expected, found));
        }
        let value = CountingRule { version, legal: sources.find(text, wire.legal)? };
        let span = Span { from: wire.from.0, until: wire.until.map(|day| day.0), value, at };
        placed.push(span);
    }
    Timeline::build(text, placed)
}
