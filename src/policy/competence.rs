//! Which body may decide what, by function, county and day.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use super::source::{LegalSource, Sources, WireDay, WireLegal};
use super::timeline::{Span, Timeline};
use crate::domain::event::DecisionFunction;
use crate::domain::ids::{BodyCode, CountyCode, UnitCode};
use crate::domain::time::Day;

const COUNTY: &str = "<county>";
const UNIT: &str = "<unit>";

/// The bodies competent for one function, and where that stands in law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Competent {
    patterns: Vec<Pattern>,
    pub(super) legal: LegalSource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    OfCounty(String),
    OfUnit(String),
    One(String),
}

#[derive(Clone, Debug)]
pub(super) struct Competence {
    rows: Vec<(DecisionFunction, Timeline<Competent>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompetenceFile {
    competence: Vec<WireCompetence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCompetence {
    function: Spanned<WireFunction>,
    bodies: Spanned<Vec<String>>,
    from: WireDay,
    until: Option<WireDay>,
    legal: WireLegal,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireFunction {
    Confirmation,
    Assessment,
    Reassessment,
    BenefitDetermination,
}

const FUNCTIONS: [DecisionFunction; 4] = [
    DecisionFunction::Confirmation,
    DecisionFunction::Assessment,
    DecisionFunction::Reassessment,
    DecisionFunction::BenefitDetermination,
];

impl Competence {
    pub(super) fn load(
        text: &PolicyText,
        sources: &Sources,
        start: Day,
    ) -> Result<Self, PolicyError> {
        let mut placed: Vec<(DecisionFunction, Span<Competent>)> = Vec::new();
        for wire in text.parse::<CompetenceFile>()?.competence {
            let at = wire.function.span();
            let patterns = patterns(text, &wire.bodies.span(), wire.bodies.get_ref())?;
            let value = Competent { patterns, legal: sources.find(text, wire.legal)? };
            let span = Span { from: wire.from.0, until: wire.until.map(|day| day.0), value, at };
            placed.push((function(*wire.function.get_ref()), span));
        }
        let mut rows = Vec::with_capacity(FUNCTIONS.len());
        for wanted in FUNCTIONS {
            let of_function = placed.extract_if(.., |(function, _)| *function == wanted);
            let timeline = Timeline::build(text, of_function.map(|(_, row)| row).collect())?;
            let what = format!("bodies for {}", wanted.code());
            timeline.require(text, "competence", (start, None), &what)?;
            rows.push((wanted, timeline));
        }
        Ok(Self { rows })
    }

    pub(super) fn at(&self, function: DecisionFunction, day: Day) -> Option<&Competent> {
        self.rows.iter().find(|(known, _)| *known == function).and_then(|(_, row)| row.at(day))
    }
}

impl Competent {
    pub(super) fn holds(&self, body: &BodyCode, county: CountyCode, unit: UnitCode) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::OfCounty(prefix) => place_after(body, prefix) == Some(county.get()),
            Pattern::OfUnit(prefix) => place_after(body, prefix) == Some(unit.get()),
            Pattern::One(whole) => body.as_str() == whole,
        })
    }

    /// The competent bodies by name, for the text of a hold.
    pub(super) fn describe(&self, county: CountyCode, unit: UnitCode) -> String {
        let name = |pattern: &Pattern| match pattern {
            Pattern::OfCounty(prefix) => format!("{prefix}{county}"),
            Pattern::OfUnit(prefix) => format!("{prefix}{unit}"),
            Pattern::One(whole) => whole.clone(),
        };
        self.patterns.iter().map(name).collect::<Vec<_>>().join(" or ")
    }
}

fn place_after(body: &BodyCode, prefix: &str) -> Option<u32> {
    let place = body.as_str().strip_prefix(prefix).filter(|place| place.len() == 6)?;
    place.parse().ok()
}

fn patterns(
    text: &PolicyText,
    at: &Range<usize>,
    bodies: &[String],
) -> Result<Vec<Pattern>, PolicyError> {
    if bodies.is_empty() {
        return Err(text.refuse(at, "bodies", "one or more", "none"));
    }
    let pattern = |body: &String| {
        if let Some(prefix) = body.strip_suffix(COUNTY) {
            return Ok(Pattern::OfCounty(prefix.to_owned()));
        }
        if let Some(prefix) = body.strip_suffix(UNIT) {
            return Ok(Pattern::OfUnit(prefix.to_owned()));
        }
        if body.contains(['<', '>']) || BodyCode::new(body).is_err() {
            let expected = "a body, or a prefix that ends in <county> or <unit>";
            return Err(text.refuse(at, "bodies", expected, body));
        }
        Ok(Pattern::One(body.clone()))
    };
    bodies.iter().map(pattern).collect()
}

const fn function(wire: WireFunction) -> DecisionFunction {
    match wire {
        WireFunction::Confirmation => DecisionFunction::Confirmation,
        WireFunction::Assessment => DecisionFunction::Assessment,
        WireFunction::Reassessment => DecisionFunction::Reassessment,
        WireFunction::BenefitDetermination => DecisionFunction::BenefitDetermination,
    }
}
