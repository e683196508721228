//! Moments, days and months in the region's legal time.
//!
//! Legal time is Asia/Shanghai, UTC+8 without daylight saving since 1991; a test holds the fixed
//! offset against the time-zone database. There is no `now` here: time comes in as an argument.

use std::fmt;

const MS_PER_DAY: i64 = 86_400_000;
const OFFSET_MS: i64 = 8 * 3_600_000;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// A calendar day in Asia/Shanghai: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

/// A calendar month (所属期): months since year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Moment {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The calendar day in Asia/Shanghai.
    #[must_use]
    pub fn day(self) -> Day {
        let days = (self.0 + OFFSET_MS).div_euclid(MS_PER_DAY);
        Day(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// This moment moved by `ms` (saturating).
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// From the parts of a legal local time; `None` where no such time exists (month 13, 31 June,
    /// hour 24, second 60).
    #[must_use]
    pub fn from_local(date: (i32, u32, u32), clock: (u32, u32, u32), ms: u32) -> Option<Self> {
        let day = Day::from_ymd(date.0, date.1, date.2)?;
        let (hour, minute, second) = clock;
        if hour > 23 || minute > 59 || second > 59 || ms > 999 {
            return None;
        }
        let in_day = i64::from(hour * 3600 + minute * 60 + second) * 1000 + i64::from(ms);
        Some(Self(day.start().0 + in_day))
    }
}

/// `2026-07-01T08:00:00.000+08:00`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = (self.0 + OFFSET_MS).rem_euclid(MS_PER_DAY);
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{}T{h:02}:{m:02}:{s:02}.{:03}+08:00", self.day(), ms % 1000)
    }
}

impl Day {
    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_epoch_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn epoch_days(self) -> i32 {
        self.0
    }

    /// From a date of the proleptic Gregorian calendar, years 1 to 9999.
    #[must_use]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        let month_no = Month(year * 12 + i32::try_from(month).ok()? - 1);
        let first = month_no.first_day();
        let day0 = i32::try_from(day).ok()? - 1;
        if day0 >= month_no.next().first_day().0 - first.0 {
            return None;
        }
        Some(Self(first.0 + day0))
    }

    /// Year, month, day.
    #[must_use]
    pub fn ymd(self) -> (i32, u32, u32) {
        let month = self.month();
        let day = self.0 - month.first_day().0 + 1;
        (month.year(), month.number(), u32::try_from(day).unwrap_or(0))
    }

    /// The month that holds this day.
    #[must_use]
    pub fn month(self) -> Month {
        // An estimate by the mean length of a month is off by at most one.
        let days = i64::from(self.0) + 719_528;
        let estimate = i32::try_from(days * 4800 / 146_097).unwrap_or(0);
        let mut month = Month(estimate);
        while month.first_day().0 > self.0 {
            month = Month(month.0 - 1);
        }
        while month.next().first_day().0 <= self.0 {
            month = month.next();
        }
        month
    }

    /// The first moment of the day.
    #[must_use]
    pub fn start(self) -> Moment {
        Moment(i64::from(self.0) * MS_PER_DAY - OFFSET_MS)
    }

    /// The first moment of the next day.
    #[must_use]
    pub fn end(self) -> Moment {
        self.plus(1).start()
    }

    /// The day `days` later.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
            return None;
        }
        Self::from_ymd(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }
}

/// `2026-07-01`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Month {
    /// From year and month (1–12).
    #[must_use]
    pub fn new(year: i32, month: u32) -> Option<Self> {
        Day::from_ymd(year, month, 1).map(|day| day.month())
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// 1 to 12.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::try_from(self.0.rem_euclid(12)).unwrap_or(0) + 1
    }

    /// The next month.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The month before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Day {
        // Days from civil, after Howard Hinnant's published algorithm: the year starts in March.
        let (year, month) = (i64::from(self.year()), i64::from(self.number()));
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Day(i32::try_from(era * 146_097 + day_of_era - 719_468).unwrap_or(0))
    }

    /// Its days, in order.
    pub fn days(self) -> impl Iterator<Item = Day> {
        (self.first_day().0..self.next().first_day().0).map(Day)
    }

    /// Reads `YYYY-MM`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        if year.len() != 4 || month.len() != 2 {
            return None;
        }
        Self::new(year.parse().ok()?, month.parse().ok()?)
    }
}

/// `2026-07`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.number())
    }
}
