//! One JSON object, read once, strictly (RFC 8259), for the paths of a plan.
//!
//! Written by hand because a message is held for reasons that general parsers do not tell apart:
//! cut off or malformed, a key named twice at any depth, nested too deep. Numbers stay as they were
//! written, so that a 19-digit id never passes through a float. Tests hold it against `serde_json`.

use std::borrow::Cow;
use std::collections::HashSet;

use super::cell::{Cell, Member, Plan, Want, put};
use crate::domain::hold::HoldReason;

/// Keys of one object that are remembered without an allocation.
const FEW: usize = 16;

/// Reads the object `text` into `slots`.
pub(super) fn read<'a>(
    text: &'a str,
    plan: &Plan,
    depth_max: u32,
    slots: &mut [Cell<'a>],
) -> Result<(), HoldReason> {
    let mut scanner = Scanner { text, at: 0, depth: 0, depth_max, fault: None };
    match scanner.document(&plan.root, slots) {
        Ok(()) => scanner.fault.map_or(Ok(()), Err),
        Err(Stop::End) => Err(HoldReason::Truncated { at: format!("byte {}", text.len()) }),
        Err(Stop::Unexpected(expected)) => {
            Err(scanner.fault.take().unwrap_or_else(|| HoldReason::Malformed {
                detail: format!("expected {expected}, found {}", scanner.found()),
            }))
        }
    }
}

/// Why scanning cannot go on.
enum Stop {
    /// The text ended.
    End,
    /// Something else stands here.
    Unexpected(&'static str),
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    depth_max: u32,
    /// The first fault that does not stop the scan.
    fault: Option<HoldReason>,
}

impl<'a> Scanner<'a> {
    fn document(&mut self, members: &[Member], slots: &mut [Cell<'a>]) -> Result<(), Stop> {
        self.space();
        if self.need()? != b'{' {
            return Err(Stop::Unexpected("an object"));
        }
        self.object(members, slots)?;
        self.space();
        if self.peek().is_some() {
            return Err(Stop::Unexpected("nothing after the object"));
        }
        Ok(())
    }

    fn object(&mut self, members: &[Member], slots: &mut [Cell<'a>]) -> Result<(), Stop> {
        if !self.deeper()? {
            return Ok(());
        }
        let mut seen = Keys::default();
        if self.opens_empty(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.need()? != b'"' {
                return Err(Stop::Unexpected("a key"));
            }
            let key = self.string()?;
            self.space();
            if self.need()? != b':' {
                return Err(Stop::Unexpected("a colon"));
            }
            self.at += 1;
            self.space();
            let place = members.iter().position(|member| member.name == *key);
            let twice = match place {
                Some(place) => seen.named_before(place).then_some(key),
                None => seen.insert(key).err(),
            };
            if let Some(key) = twice {
                self.note_twice(&key);
            }
            match place.and_then(|place| members.get(place)) {
                Some(member) => self.wanted(&member.want, slots)?,
                None => self.unwanted()?,
            }
            if self.closes(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads a value that the plan names.
    fn wanted(&mut self, want: &Want, slots: &mut [Cell<'a>]) -> Result<(), Stop> {
        let first = self.need()?;
        match (want, first) {
            (Want::Members(below), b'{') => self.object(below, slots),
            (Want::Rows(slot, pair), b'[') => {
                let rows = self.rows(pair)?;
                put(slots, *slot, rows);
                Ok(())
            }
            (Want::Value(slot), b'"') => {
                let text = self.string()?;
                put(slots, *slot, Cell::Text(text));
                Ok(())
            }
            (Want::Value(slot), b'-' | b'0'..=b'9') => {
                let text = self.number()?;
                put(slots, *slot, Cell::Number(text));
                Ok(())
            }
            (_, b'n') => self.word("null"),
            _ => {
                self.unwanted()?;
                want.spoil(slots, kind_of(first));
                Ok(())
            }
        }
    }

    /// Reads past a value; its keys are still checked.
    fn unwanted(&mut self) -> Result<(), Stop> {
        match self.need()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(&[], &mut []),
            b'[' => self.array(),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(Stop::Unexpected("a value")),
        }
    }

    fn array(&mut self) -> Result<(), Stop> {
        if !self.deeper()? || self.opens_empty(b']') {
            return Ok(());
        }
        loop {
            self.space();
            self.unwanted()?;
            if self.closes(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads an array of objects; another element spoils the whole.
    fn rows(&mut self, pair: &[Member]) -> Result<Cell<'a>, Stop> {
        let mut rows = Vec::new();
        if !self.deeper()? || self.opens_empty(b']') {
            return Ok(Cell::Rows(rows));
        }
        let mut whole = true;
        loop {
            self.space();
            if self.need()? == b'{' {
                let mut row = [const { Cell::Absent }; 2];
                self.object(pair, &mut row)?;
                rows.push(row);
            } else {
                self.unwanted()?;
                whole = false;
            }
            if self.closes(b']')? {
                return Ok(if whole { Cell::Rows(rows) } else { Cell::Other("an array") });
            }
        }
    }

    /// Takes an opening bracket; where that is one level too deep, skips to its end and says no.
    fn deeper(&mut self) -> Result<bool, Stop> {
        if self.depth < self.depth_max {
            self.depth += 1;
            self.at += 1;
            return Ok(true);
        }
        let mut open = 0_usize;
        loop {
            match self.need()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                self.fault = Some(HoldReason::TooDeep { depth_max: self.depth_max });
                return Ok(false);
            }
        }
    }

    fn opens_empty(&mut self, close: u8) -> bool {
        self.space();
        let empty = self.peek() == Some(close);
        if empty {
            self.at += 1;
            self.depth -= 1;
        }
        empty
    }

    /// Takes a comma or the closing bracket; true at the bracket.
    fn closes(&mut self, close: u8) -> Result<bool, Stop> {
        self.space();
        let found = self.need()?;
        if found != b',' && found != close {
            return Err(Stop::Unexpected("a comma or the end of the object or array"));
        }
        self.at += 1;
        if found == close {
            self.depth -= 1;
        }
        Ok(found == close)
    }

    fn note_twice(&mut self, key: &str) {
        if self.fault.is_none() {
            self.fault = Some(HoldReason::DuplicateKey { key: key.chars().take(80).collect() });
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn need(&self) -> Result<u8, Stop> {
        self.peek().ok_or(Stop::End)
    }

    fn found(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("{character:?} at byte {}", self.at),
            None => format!("a broken character at byte {}", self.at),
        }
    }
}

/// The keys that one object has named.
#[derive(Default)]
struct Keys<'a> {
    /// Wanted members, one bit each: a plan has fewer than 64.
    wanted: u64,
    few: [&'a str; FEW],
    used: usize,
    more: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    /// Notes a wanted member by its place; true where it was named before.
    fn named_before(&mut self, place: usize) -> bool {
        let bit = 1 << place;
        let before = self.wanted & bit != 0;
        self.wanted |= bit;
        before
    }

    /// Notes another key, or gives back one that was named before.
    fn insert(&mut self, key: Cow<'a, str>) -> Result<(), Cow<'a, str>> {
        let known = self.few.iter().take(self.used).any(|seen| **seen == *key);
        if known || (!self.more.is_empty() && self.more.contains(&key)) {
            return Err(key);
        }
        match (key, self.few.get_mut(self.used)) {
            (Cow::Borrowed(plain), Some(place)) => {
                *place = plain;
                self.used += 1;
            }
            (key, _) => {
                self.more.insert(key);
            }
        }
        Ok(())
    }
}

fn kind_of(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a text",
        b't' | b'f' => "true or false",
        _ => "a number",
    }
}

mod leaf;
#[cfg(test)]
mod tests;
