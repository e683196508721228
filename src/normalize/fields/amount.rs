//! Amounts of yuan, and lists of counts and amounts.

use std::borrow::Cow;

use super::{Fields, count, county, cut};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{CountyCode, IdError};
use crate::domain::money::Fen;
use crate::normalize::cell::Cell;
use crate::normalize::manifest::source::{Read, Source};

impl<'s, 'a> Fields<'s, 'a> {
    /// An amount of yuan.
    pub(in crate::normalize) fn amount(&mut self, source: &Source) -> Option<Fen> {
        let read = self.place(source)?;
        let text = self.plain_amount(read, self.cell(read.slot))?;
        self.yuan(read, text)
    }

    fn plain_amount(&mut self, read: &Read, cell: &'s Cell<'a>) -> Option<&'s str> {
        match cell {
            Cell::Text(text) => Some(text),
            Cell::Number(text) if read.number => Some(text),
            Cell::Number(_) | Cell::Long(_) | Cell::Absent | Cell::Rows(_) | Cell::Other(_) => {
                self.invalid(read, "an amount of yuan as text")
            }
        }
    }

    fn yuan(&mut self, read: &Read, text: &str) -> Option<Fen> {
        let size = text.strip_prefix('-').unwrap_or(text);
        let (whole, part) = size.split_once('.').unwrap_or((size, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return self.invalid(read, "an amount of yuan");
        }
        if size.len() < text.len() && size.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
            self.hold(HoldReason::AmountNegative { field: read.path.clone() });
        }
        match Fen::parse_yuan(text) {
            Ok(fen) => Some(fen),
            Err(_) => {
                let (field, found) = (read.path.clone(), cut(text));
                self.hold(HoldReason::AmountDigits { field, found });
                None
            }
        }
    }

    /// Counts by county, ascending, each county once.
    pub(in crate::normalize) fn counts(
        &mut self,
        source: &Source,
    ) -> Option<Vec<(CountyCode, u64)>> {
        let read = self.place(source)?;
        let mut counts = Vec::new();
        for [code, figure] in self.pairs(read)? {
            match (county(&code), count(&figure)) {
                (Some(county), Some(count)) => counts.push((county, count)),
                _ => return self.invalid(read, "pairs of county and count"),
            }
        }
        counts.sort_unstable();
        let once = |pair: &[(CountyCode, u64)]| matches!(pair, [a, b] if a.0 != b.0);
        if counts.windows(2).all(once) {
            Some(counts)
        } else {
            self.invalid(read, "each county once")
        }
    }

    /// Amounts by code, in the record's order, each code once.
    pub(in crate::normalize) fn amounts<T: PartialEq>(
        &mut self,
        source: &Source,
        make: fn(&str) -> Result<T, IdError>,
    ) -> Option<Vec<(T, Fen)>> {
        let read = self.place(source)?;
        let mut amounts: Vec<(T, Fen)> = Vec::new();
        for [code, figure] in self.pairs(read)? {
            let (Cell::Text(code), Cell::Text(figure)) = (code, figure) else {
                return self.invalid(read, "pairs of item and amount");
            };
            let known =
                read.codes.as_ref().map(|codes| codes.iter().find(|(from, _)| *from == *code));
            let word = match &known {
                None => &*code,
                Some(Some((_, to))) => to,
                Some(None) => {
                    let (field, found) = (read.path.clone(), cut(&code));
                    self.hold(HoldReason::CodeUnknown { field, found });
                    continue;
                }
            };
            match (make(word), self.yuan(read, &figure)) {
                (Ok(item), Some(fen)) if amounts.iter().all(|(known, _)| *known != item) => {
                    amounts.push((item, fen));
                }
                (Ok(_), Some(_)) => return self.invalid(read, "each item once"),
                (Err(_), _) => return self.invalid(read, "an item"),
                (Ok(_), None) => {}
            }
        }
        Some(amounts)
    }

    fn pairs(&mut self, read: &Read) -> Option<Vec<[Cell<'s>; 2]>> {
        match (self.cell(read.slot), read.pairs) {
            (Cell::Rows(rows), _) => Some(rows.clone()),
            (Cell::Text(text), Some((between, within))) => {
                let pairs = text.split(between).map(|pair| {
                    let (code, figure) = pair.split_once(within)?;
                    Some([Cell::Text(Cow::Borrowed(code)), Cell::Text(Cow::Borrowed(figure))])
                });
                match pairs.collect() {
                    Some(pairs) => Some(pairs),
                    None => self.invalid(read, "pairs of code and figure"),
                }
            }
            _ => self.invalid(read, "a list of pairs"),
        }
    }
}
