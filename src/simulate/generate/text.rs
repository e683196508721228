//! Digits and local times as bytes, without an allocation: the generator writes millions of them.

use crate::domain::time::{Day, Moment};

pub(super) const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const OFFSET_MS: i64 = 8 * HOUR_MS;

/// A number as a position; too large ones miss every table.
pub(super) fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A size as a number.
pub(super) fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// A number that is not negative.
pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The last decimal digit.
pub(super) fn digit(n: u64) -> u8 {
    b"0123456789"[index(n % 10)]
}

/// Appends `n` in decimal.
pub(super) fn decimal(out: &mut Vec<u8>, n: u64) {
    let mut digits = [b'0'; 20];
    let (mut at, mut rest) = (20, n);
    loop {
        at -= 1;
        digits[at] = digit(rest);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the last `width` (at most 20) digits of `n` with leading zeros.
pub(super) fn padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = n;
    for at in (20 - width..20).rev() {
        digits[at] = digit(rest);
        rest /= 10;
    }
    out.extend_from_slice(&digits[20 - width..]);
}

/// How a platform writes a local time.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimeStyle {
    /// `20260701080001`.
    Compact,
    /// `2026-07-01 08:00:01`.
    Dashed,
    /// `2026/07/01 08:00:01`.
    Slashed,
    /// `2026-07-01T08:00:01+08:00`.
    Iso,
    /// `2026-07-01T08:00:01.123+08:00`.
    IsoMs,
}

/// Writes local times; remembers the date of the last one, which is mostly the next one's too.
#[derive(Debug)]
pub(super) struct TimeWriter {
    day: i64,
    year: u64,
    month: u64,
    date: u64,
}

impl TimeWriter {
    pub(super) fn new() -> Self {
        let mut writer = Self { day: -1, year: 0, month: 0, date: 0 };
        writer.turn_to(0);
        writer
    }

    fn turn_to(&mut self, day: i64) {
        let (year, month, date) =
            Day::from_epoch_days(i32::try_from(day).unwrap_or(i32::MAX)).ymd();
        self.day = day;
        self.year = u64::try_from(year).unwrap_or(0);
        self.month = u64::from(month);
        self.date = u64::from(date);
    }

    /// Appends the local time of `ms` in `style`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, ms: i64, style: TimeStyle) {
        let local = ms + OFFSET_MS;
        let day = local.div_euclid(DAY_MS);
        if day != self.day {
            self.turn_to(day);
        }
        let in_day = unsigned(local.rem_euclid(DAY_MS));
        let (dash, gap, colon): (&[u8], &[u8], &[u8]) = match style {
            TimeStyle::Compact => (b"", b"", b""),
            TimeStyle::Dashed => (b"-", b" ", b":"),
            TimeStyle::Slashed => (b"/", b" ", b":"),
            TimeStyle::Iso | TimeStyle::IsoMs => (b"-", b"T", b":"),
        };
        padded(out, self.year, 4);
        out.extend_from_slice(dash);
        padded(out, self.month, 2);
        out.extend_from_slice(dash);
        padded(out, self.date, 2);
        out.extend_from_slice(gap);
        padded(out, in_day / 3_600_000, 2);
        out.extend_from_slice(colon);
        padded(out, in_day / 60_000 % 60, 2);
        out.extend_from_slice(colon);
        padded(out, in_day / 1000 % 60, 2);
        match style {
            TimeStyle::IsoMs => {
                out.push(b'.');
                padded(out, in_day % 1000, 3);
                out.extend_from_slice(b"+08:00");
            }
            TimeStyle::Iso => out.extend_from_slice(b"+08:00"),
            TimeStyle::Compact | TimeStyle::Dashed | TimeStyle::Slashed => {}
        }
    }
}

/// `2026-07-01T08:00:01+08:00`, for records that are few.
pub(super) fn iso(ms: i64) -> String {
    let mut out = Vec::with_capacity(25);
    TimeWriter::new().write(&mut out, ms, TimeStyle::Iso);
    String::from_utf8_lossy(&out).into_owned()
}

/// The hour (since 1970, UTC; the region's offset is whole hours) that holds `ms`.
pub(super) fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS)
}

/// First hour of a local day.
pub(super) fn first_hour(day: Day) -> i64 {
    hour_of(day.start().ms())
}

/// The local day that holds `ms`.
pub(super) fn day_of(ms: i64) -> Day {
    Moment::from_ms(ms).day()
}

/// Yuan with two decimal places.
pub(super) fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let size = fen.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}
