//! Dated rows of one rule: what holds on a day.

use std::ops::Range;

use super::PolicyError;
use super::bundle::PolicyText;
use crate::domain::time::Day;

/// A value and the days on which it holds, half-open; no end means until further notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span<T> {
    pub(super) from: Day,
    pub(super) until: Option<Day>,
    pub(super) value: T,
    /// Where the row stands in its file, in bytes.
    pub(super) at: Range<usize>,
}

/// Rows in order of day, none overlapping; there may be days without a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timeline<T>(Vec<Span<T>>);

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Timeline<T> {
    /// Orders the rows; a row without an end holds until the next one begins.
    pub(super) fn build(text: &PolicyText, mut rows: Vec<Span<T>>) -> Result<Self, PolicyError> {
        rows.sort_by_key(|row| row.from);
        let mut spans: Vec<Span<T>> = Vec::with_capacity(rows.len());
        for span in rows {
            if let Some(until) = span.until.filter(|until| *until <= span.from) {
                return Err(text.refuse(
                    &span.at,
                    "until",
                    format!("a day after {}", span.from),
                    until,
                ));
            }
            if let Some(previous) = spans.last_mut() {
                if previous.from == span.from {
                    let expected = "one row for each day it begins on";
                    return Err(text.refuse(&span.at, "from", expected, duplicate(span.from)));
                }
                let end = previous.until.unwrap_or(span.from);
                if end > span.from {
                    let expected = format!("a day from {end} on, where the row before ends");
                    return Err(text.refuse(&span.at, "from", expected, span.from));
                }
                previous.until = Some(end);
            }
            spans.push(span);
        }
        Ok(Self(spans))
    }

    /// What holds on the day.
    pub(super) fn at(&self, day: Day) -> Option<&T> {
        self.span_at(day).map(|span| &span.value)
    }

    fn span_at(&self, day: Day) -> Option<&Span<T>> {
        let holds = |span: &&Span<T>| span.from <= day && span.until.is_none_or(|end| day < end);
        self.0.iter().rev().find(holds)
    }

    /// Refuses a day of `from..until` on which nothing holds, at the row before it or, where there
    /// is none, at the end of the file.
    pub(super) fn require(
        &self,
        text: &PolicyText,
        field: &'static str,
        days: (Day, Option<Day>),
        what: &str,
    ) -> Result<(), PolicyError> {
        let Some(gap) = self.first_gap(days.0, days.1) else { return Ok(()) };
        let before = self.0.iter().rev().find(|span| span.from <= gap);
        let at = before.map_or_else(|| text.end(), |span| span.at.clone());
        Err(text.refuse(&at, field, format!("{what} on {gap}"), "none"))
    }

    /// The first day of `from..until` on which nothing holds.
    fn first_gap(&self, from: Day, until: Option<Day>) -> Option<Day> {
        let mut day = from;
        while until.is_none_or(|end| day < end) {
            match self.span_at(day) {
                None => return Some(day),
                Some(span) => day = span.until?,
            }
        }
        None
    }

    /// Days strictly inside `from..until` on which a row begins or ends.
    pub(super) fn changes(&self, from: Day, until: Option<Day>) -> impl Iterator<Item = Day> + '_ {
        let days = self.0.iter().flat_map(|span| std::iter::once(span.from).chain(span.until));
        days.filter(move |day| *day > from && until.is_none_or(|end| *day < end))
    }

    pub(super) fn spans(&self) -> &[Span<T>] {
        &self.0
    }

    /// Whether every row begins after the day.
    pub(super) fn begins_after(&self, day: Day) -> bool {
        self.0.first().is_some_and(|span| span.from > day)
    }
}

fn duplicate(day: Day) -> String {
    format!("a second row from {day}")
}
