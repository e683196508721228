//! Reads canonical values from the slots of one record, and remembers the first reason to hold it.

mod amount;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::cell::Cell;
use super::manifest::source::{Read, Source};
use super::time::{TimeFault, day, month};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{CountyCode, IdError, OrderId};
use crate::domain::time::{Day, Moment, Month};

/// How far a platform's clock may run ahead of the log's: 5 minutes.
/// Legal source: none; house decision.
const AHEAD_MS_MAX: i64 = 5 * 60 * 1000;

/// The reasons that mapping gives, in the order in which the first one counts.
const PRECEDENCE: [&str; 10] = [
    "field.missing",
    "field.invalid",
    "order.id_invalid",
    "platform.other",
    "status.unknown",
    "code.unknown",
    "time.impossible",
    "time.future",
    "amount.negative",
    "amount.too_many_digits",
];

/// The slots of one record as canonical values.
///
/// A value that is wrong is `None`, and the reason is kept; so is a value that is absent, without a
/// reason. Each caller says by [`Fields::need`] what may not be absent.
pub(super) struct Fields<'s, 'a> {
    slots: &'s [Cell<'a>],
    received_at: Moment,
    fault: Option<HoldReason>,
}

impl<'s, 'a> Fields<'s, 'a> {
    pub(super) fn new(slots: &'s [Cell<'a>], received_at: Moment) -> Self {
        Self { slots, received_at, fault: None }
    }

    /// The reason that comes first in the order of precedence, if there is one.
    pub(super) fn fault(self) -> Option<HoldReason> {
        self.fault
    }

    /// Whether no reason is kept.
    pub(super) fn is_whole(&self) -> bool {
        self.fault.is_none()
    }

    /// Keeps a reason, unless one that comes before it is kept already.
    pub(super) fn hold(&mut self, reason: HoldReason) {
        let rank = |reason: &HoldReason| {
            PRECEDENCE.iter().position(|code| *code == reason.code()).unwrap_or(0)
        };
        if self.fault.as_ref().is_none_or(|kept| rank(&reason) < rank(kept)) {
            self.fault = Some(reason);
        }
    }

    /// Says that a value may not be absent.
    pub(super) fn need<T>(&mut self, source: &Source, value: Option<T>) -> Option<T> {
        if value.is_none() && self.is_absent(source) {
            self.hold(HoldReason::FieldMissing { field: source.paths() });
        }
        value
    }

    /// The first place of a source where something stands.
    pub(super) fn place<'r>(&self, source: &'r Source) -> Option<&'r Read> {
        match source {
            Source::Constant(_) => None,
            Source::First(reads) => {
                reads.iter().find(|read| !is_absent(read, self.cell(read.slot)))
            }
        }
    }

    fn is_absent(&self, source: &Source) -> bool {
        matches!(source, Source::First(_)) && self.place(source).is_none()
    }

    fn cell(&self, slot: usize) -> &'s Cell<'a> {
        self.slots.get(slot).unwrap_or(&Cell::Absent)
    }

    /// A text; canonical where the source has codes.
    pub(super) fn text<'r>(&mut self, source: &'r Source) -> Option<Cow<'r, str>>
    where
        's: 'r,
    {
        if let Source::Constant(text) = source {
            return Some(Cow::Borrowed(text));
        }
        let read = self.place(source)?;
        let text = self.plain_text(read)?;
        let Some(codes) = &read.codes else {
            return Some(text);
        };
        if let Some((_, to)) = codes.iter().find(|(native, _)| *native == *text) {
            return Some(Cow::Borrowed(to));
        }
        self.hold(HoldReason::CodeUnknown { field: read.path.clone(), found: cut(&text) });
        None
    }

    fn plain_text(&mut self, read: &Read) -> Option<Cow<'s, str>> {
        let expected = if read.number { "a whole number" } else { "a text" };
        match self.cell(read.slot) {
            Cell::Text(text) if !read.number || is_whole(text) => Some(Cow::Borrowed(text)),
            Cell::Number(text) if read.number && is_whole(text) => Some(Cow::Borrowed(*text)),
            Cell::Long(value) if read.number => Some(Cow::Owned(value.to_string())),
            Cell::Text(_)
            | Cell::Number(_)
            | Cell::Long(_)
            | Cell::Absent
            | Cell::Rows(_)
            | Cell::Other(_) => self.invalid(read, expected),
        }
    }

    /// A status, type or platform code: text or number, as text; its absence is a reason.
    pub(super) fn code(&mut self, read: &Read) -> Option<Cow<'s, str>> {
        let cell = self.cell(read.slot);
        if is_absent(read, cell) {
            self.hold(HoldReason::FieldMissing { field: read.path.clone() });
            return None;
        }
        match cell {
            Cell::Text(text) => Some(Cow::Borrowed(text)),
            Cell::Number(text) => Some(Cow::Borrowed(*text)),
            Cell::Long(value) => Some(Cow::Owned(value.to_string())),
            Cell::Absent | Cell::Rows(_) | Cell::Other(_) => self.invalid(read, "a code"),
        }
    }

    /// An id made of a text.
    pub(super) fn id<T>(
        &mut self,
        source: &Source,
        make: fn(&str) -> Result<T, IdError>,
    ) -> Option<T> {
        let text = self.text(source)?;
        match make(&text) {
            Ok(id) => Some(id),
            Err(_) => {
                let (field, found) = (source.paths(), cut(&text));
                let expected = "a short printable text";
                self.hold(HoldReason::FieldInvalid { field, expected, found });
                None
            }
        }
    }

    /// An order number.
    pub(super) fn order_id(&mut self, source: &Source) -> Option<OrderId> {
        let text = self.text(source)?;
        match OrderId::new(&text) {
            Ok(id) => Some(id),
            Err(error) => {
                self.hold(HoldReason::OrderIdInvalid { found: error.found });
                None
            }
        }
    }

    /// The order number that an order message must have; an empty one is not absent but wrong.
    pub(super) fn own_order_id(&mut self, source: &Source) -> Option<OrderId> {
        if let (Source::First(reads), true) = (source, self.is_absent(source)) {
            let is_empty =
                |read: &Read| matches!(self.cell(read.slot), Cell::Text(text) if text.is_empty());
            if reads.iter().any(is_empty) {
                self.hold(HoldReason::OrderIdInvalid { found: String::new() });
                return None;
            }
        }
        let id = self.order_id(source);
        self.need(source, id)
    }

    /// A moment, possible and not in the future.
    pub(super) fn moment(&mut self, source: &Source) -> Option<Moment> {
        let read = self.place(source)?;
        let format = read.time.as_ref()?;
        let moment = match self.cell(read.slot) {
            Cell::Text(text) if !format.is_number() || read.number => format.read(text),
            Cell::Number(text) => format.read(text),
            Cell::Long(value) => format.read_long(*value),
            Cell::Text(_) | Cell::Absent | Cell::Rows(_) | Cell::Other(_) => Err(TimeFault::Shape),
        };
        match moment {
            Ok(moment) => {
                self.check_future(read, moment);
                Some(moment)
            }
            Err(fault) => self.time_fault(read, &fault, format.expected()),
        }
    }

    /// A day; `past` where it says of something that it has happened.
    pub(super) fn day(&mut self, source: &Source, past: bool) -> Option<Day> {
        let read = self.place(source)?;
        let text = self.plain_text(read)?;
        match day(&text) {
            Ok(day) => {
                if past {
                    self.check_future(read, day.start());
                }
                Some(day)
            }
            Err(fault) => self.time_fault(read, &fault, "a date YYYY-MM-DD"),
        }
    }

    /// A month.
    pub(super) fn month(&mut self, source: &Source) -> Option<Month> {
        let read = self.place(source)?;
        let text = self.plain_text(read)?;
        match month(&text) {
            Ok(month) => Some(month),
            Err(fault) => self.time_fault(read, &fault, "a month YYYY-MM"),
        }
    }

    fn check_future(&mut self, read: &Read, moment: Moment) {
        if moment.since_ms(self.received_at) > AHEAD_MS_MAX {
            self.hold(HoldReason::TimeFuture { field: read.path.clone(), found: moment });
        }
    }

    fn time_fault<T>(
        &mut self,
        read: &Read,
        fault: &TimeFault,
        expected: &'static str,
    ) -> Option<T> {
        match fault {
            TimeFault::Shape => self.invalid(read, expected),
            TimeFault::Impossible => {
                let found = describe(self.cell(read.slot));
                self.hold(HoldReason::TimeImpossible { field: read.path.clone(), found });
                None
            }
        }
    }

    /// A county's six digits.
    pub(super) fn county(&mut self, source: &Source) -> Option<CountyCode> {
        let read = self.place(source)?;
        match county(self.cell(read.slot)) {
            Some(county) => Some(county),
            None => self.invalid(read, "six digits of a county"),
        }
    }

    /// A whole number of 0 or more.
    pub(super) fn count(&mut self, source: &Source) -> Option<u64> {
        let read = self.place(source)?;
        match count(self.cell(read.slot)) {
            Some(count) => Some(count),
            None => self.invalid(read, "a whole number of 0 or more"),
        }
    }

    /// A whole number in a range.
    pub(super) fn small<T>(&mut self, source: &Source, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd,
    {
        let wide = self.count(source)?;
        match T::try_from(wide) {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                let read = self.place(source)?;
                self.invalid(read, "a number in the field's range")
            }
        }
    }

    fn invalid<T>(&mut self, read: &Read, expected: &'static str) -> Option<T> {
        let found = describe(self.cell(read.slot));
        self.hold(HoldReason::FieldInvalid { field: read.path.clone(), expected, found });
        None
    }
}

fn is_absent(read: &Read, cell: &Cell<'_>) -> bool {
    let marked = |text: &str| read.absent.iter().any(|marker| marker == text);
    match cell {
        Cell::Absent => true,
        Cell::Text(text) => text.is_empty() || marked(text),
        Cell::Number(text) => marked(text),
        Cell::Long(value) => !read.absent.is_empty() && marked(&value.to_string()),
        Cell::Rows(_) | Cell::Other(_) => false,
    }
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn count(cell: &Cell<'_>) -> Option<u64> {
    match cell {
        Cell::Text(text) if is_whole(text) => text.parse().ok(),
        Cell::Number(text) if is_whole(text) => text.parse().ok(),
        Cell::Long(value) => u64::try_from(*value).ok(),
        Cell::Text(_) | Cell::Number(_) | Cell::Absent | Cell::Rows(_) | Cell::Other(_) => None,
    }
}

fn county(cell: &Cell<'_>) -> Option<CountyCode> {
    CountyCode::new(u32::try_from(count(cell)?).ok()?)
}

/// A text for a reason, cut to 80 characters.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn describe(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Absent => "nothing".to_owned(),
        Cell::Text(text) => cut(text),
        Cell::Number(text) => cut(text),
        Cell::Long(value) => value.to_string(),
        Cell::Rows(rows) => format!("{} rows", rows.len()),
        Cell::Other(what) => (*what).to_owned(),
    }
}
