//! Lines of business and platform enterprises, with the days on which they are in force.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use super::source::{LegalSource, Sources, WireDay, WireLegal};
use super::timeline::{Span, Timeline};
use crate::domain::ids::{LineCode, PlatformId};
use crate::domain::time::Day;

/// Whether a platform's line is in the scheme on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In force.
    InForce,
    /// Its first day is later. So it is on every day before the scheme began: ask
    /// [`super::Policy::scheme_start`] first where such orders are out of scope, not wrong.
    NotYet,
    /// Its last day is past.
    NoLonger,
    /// No such platform, or it does not run this line.
    UnknownPlatform,
}

/// A line of business (行业).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its code.
    pub code: LineCode,
    /// Its Chinese name.
    pub name: String,
    /// First day in force.
    pub from: Day,
    /// Where it stands in law.
    pub legal: LegalSource,
}

/// A platform enterprise (平台企业).
#[derive(Clone, Debug)]
pub struct Platform {
    /// Its id.
    pub id: PlatformId,
    /// Brand names with the first day of each; the first may be of unknown age. Never empty.
    pub names: Vec<(Option<Day>, String)>,
    /// Where its inclusion stands in law.
    pub legal: LegalSource,
    lines: Vec<(LineCode, Timeline<()>)>,
}

/// A platform's line, and days of one unbroken stay in the scheme.
#[derive(Clone, Copy, Debug)]
pub struct Stay<'a> {
    /// The platform.
    pub platform: &'a PlatformId,
    /// The line.
    pub line: &'a LineCode,
    /// First day.
    pub from: Day,
    /// First day no longer; `None` is until further notice.
    pub until: Option<Day>,
}

#[derive(Clone, Debug)]
pub(super) struct Platforms {
    lines: Vec<Line>,
    platforms: Vec<Platform>,
    by_id: HashMap<PlatformId, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlatformsFile {
    line: Vec<WireLine>,
    platform: Vec<WirePlatform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLine {
    code: Spanned<String>,
    name: String,
    from: WireDay,
    legal: WireLegal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePlatform {
    id: Spanned<String>,
    names: Spanned<Vec<WireName>>,
    lines: Spanned<Vec<WireStay>>,
    legal: WireLegal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireName {
    name: String,
    from: Option<WireDay>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStay {
    line: Spanned<String>,
    from: WireDay,
    until: Option<WireDay>,
}

impl Platforms {
    pub(super) fn load(text: &PolicyText, sources: &Sources) -> Result<Self, PolicyError> {
        let file: PlatformsFile = text.parse()?;
        let mut lines: Vec<Line> = Vec::new();
        for wire in file.line {
            let at = wire.code.span();
            let code = line_code(text, &wire.code)?;
            if lines.iter().any(|line| line.code == code) {
                return Err(text.refuse(&at, "line.code", "each line once", code));
            }
            let legal = sources.find(text, wire.legal)?;
            lines.push(Line { code, name: wire.name, from: wire.from.0, legal });
        }
        let (mut platforms, mut by_id) = (Vec::new(), HashMap::new());
        for wire in file.platform {
            let at = wire.id.span();
            let platform = platform(text, sources, &lines, wire)?;
            if by_id.insert(platform.id.clone(), platforms.len()).is_some() {
                return Err(text.refuse(&at, "platform.id", "each platform once", platform.id));
            }
            platforms.push(platform);
        }
        Ok(Self { lines, platforms, by_id })
    }

    pub(super) fn standing(&self, platform: &PlatformId, line: &LineCode, day: Day) -> Standing {
        let stays = self.get(platform).and_then(|platform| platform.stays(line));
        match stays {
            None => Standing::UnknownPlatform,
            Some(stays) if stays.at(day).is_some() => Standing::InForce,
            Some(stays) if stays.begins_after(day) => Standing::NotYet,
            Some(_) => Standing::NoLonger,
        }
    }

    pub(super) fn get(&self, platform: &PlatformId) -> Option<&Platform> {
        self.by_id.get(platform).and_then(|index| self.platforms.get(*index))
    }

    pub(super) fn all(&self) -> &[Platform] {
        &self.platforms
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Finds the platform and line that a row of another file names.
    pub(super) fn find(
        &self,
        text: &PolicyText,
        platform: &Spanned<String>,
        line: &Spanned<String>,
    ) -> Result<(PlatformId, LineCode), PolicyError> {
        let known = PlatformId::new(platform.get_ref()).ok().and_then(|id| self.get(&id));
        let Some(known) = known else {
            let found = platform.get_ref();
            return Err(text.refuse(&platform.span(), "platform", "one of platforms.toml", found));
        };
        let code = line_of(text, &self.lines, line)?;
        if known.stays(&code).is_none() {
            let expected = format!("a line that {} runs", known.id);
            return Err(text.refuse(&line.span(), "line", expected, code));
        }
        Ok((known.id.clone(), code))
    }

    /// Every unbroken stay of every platform and line, in the order of the file.
    pub(super) fn stays(&self) -> impl Iterator<Item = Stay<'_>> {
        self.platforms.iter().flat_map(Platform::all_stays)
    }
}

impl Platform {
    /// The brand name used on a day.
    #[must_use]
    pub fn name(&self, day: Day) -> &str {
        let used = self.names.iter().rev().find(|(from, _)| from.is_none_or(|from| from <= day));
        used.or(self.names.first()).map_or("", |(_, name)| name)
    }

    /// Every unbroken stay of its lines in the scheme.
    pub fn all_stays(&self) -> impl Iterator<Item = Stay<'_>> {
        self.lines.iter().flat_map(|(line, stays)| {
            stays.spans().iter().map(|span| Stay {
                platform: &self.id,
                line,
                from: span.from,
                until: span.until,
            })
        })
    }

    fn stays(&self, line: &LineCode) -> Option<&Timeline<()>> {
        self.lines.iter().find(|(code, _)| code == line).map(|(_, stays)| stays)
    }
}

/// Reads a line code that must stand in the table.
pub(super) fn line_of(
    text: &PolicyText,
    lines: &[Line],
    code: &Spanned<String>,
) -> Result<LineCode, PolicyError> {
    let known = lines.iter().find(|line| line.code.as_str() == code.get_ref());
    known.map(|line| line.code.clone()).ok_or_else(|| {
        text.refuse(&code.span(), "line", "a line of platforms.toml", code.get_ref())
    })
}

fn line_code(text: &PolicyText, code: &Spanned<String>) -> Result<LineCode, PolicyError> {
    LineCode::new(code.get_ref())
        .map_err(|error| text.refuse(&code.span(), "line.code", "a line code", error))
}

fn platform(
    text: &PolicyText,
    sources: &Sources,
    lines: &[Line],
    wire: WirePlatform,
) -> Result<Platform, PolicyError> {
    let id = PlatformId::new(wire.id.get_ref())
        .map_err(|error| text.refuse(&wire.id.span(), "platform.id", "an id", error))?;
    let at = wire.names.span();
    let names: Vec<_> = wire.names.into_inner().into_iter().map(name_row).collect();
    let ascending = names.iter().zip(names.iter().skip(1)).all(|(a, b)| a.0 < b.0);
    if names.is_empty() || !ascending {
        return Err(text.refuse(&at, "names", "one or more, by ascending from", "another order"));
    }
    let at = wire.lines.span();
    let mut rows: Vec<(LineCode, Vec<Span<()>>)> = Vec::new();
    for stay in wire.lines.into_inner() {
        let place: Range<usize> = stay.line.span();
        let line = line_of(text, lines, &stay.line)?;
        let span =
            Span { from: stay.from.0, until: stay.until.map(|day| day.0), value: (), at: place };
        let begins = lines.iter().find(|known| known.code == line).map(|known| known.from);
        if let Some(begins) = begins.filter(|begins| span.from < *begins) {
            let expected = format!("a day from {begins} on, when {line} begins");
            return Err(text.refuse(&span.at, "lines.from", expected, span.from));
        }
        match rows.iter_mut().find(|(code, _)| *code == line) {
            Some((_, stays)) => stays.push(span),
            None => rows.push((line, vec![span])),
        }
    }
    if rows.is_empty() {
        return Err(text.refuse(&at, "lines", "one or more", "none"));
    }
    let build = |(line, stays)| Ok((line, Timeline::build(text, stays)?));
    let lines = rows.into_iter().map(build).collect::<Result<_, PolicyError>>()?;
    Ok(Platform { id, names, legal: sources.find(text, wire.legal)?, lines })
}

fn name_row(wire: WireName) -> (Option<Day>, String) {
    (wire.from.map(|day| day.0), wire.name)
}
