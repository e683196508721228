//! Native time formats. Local times are Asia/Shanghai; a time that does not exist is told apart
//! from a text of another shape.

use crate::domain::time::{Day, Moment, Month};

/// 2000-01-01T00:00:00+08:00 and 2101-01-01T00:00:00+08:00: what lies outside is a mistake.
const POSSIBLE_MS: std::ops::Range<i64> = 946_656_000_000..4_133_952_000_000;

/// How a feed writes moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// Milliseconds since 1970.
    EpochMs,
    /// Seconds since 1970.
    EpochS,
    /// `2026-07-01T08:00:01.123+08:00`.
    Rfc3339,
    /// Local time by places: `YYYY/MM/DD hh:mm:ss`.
    Local(String),
}

/// Why a text is no moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TimeFault {
    /// It has another shape.
    Shape,
    /// It has the shape, but there is no such time.
    Impossible,
}

impl TimeFormat {
    /// Reads the name that a manifest gives; `None` for an unknown one.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "epoch_ms" => Some(Self::EpochMs),
            "epoch_s" => Some(Self::EpochS),
            "rfc3339" => Some(Self::Rfc3339),
            _ => {
                let whole = ["YYYY", "MM", "DD", "hh", "mm", "ss"]
                    .iter()
                    .all(|place| name.matches(place).count() == 1);
                let places = name.bytes().filter(u8::is_ascii_alphabetic).count();
                let literal = name.bytes().filter(|byte| *byte == b'T').count();
                (whole && places == 14 + literal).then(|| Self::Local(name.to_owned()))
            }
        }
    }

    /// Whether the format writes a number.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::EpochMs | Self::EpochS)
    }

    /// What the format expects, for reasons.
    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::EpochMs => "milliseconds since 1970",
            Self::EpochS => "seconds since 1970",
            Self::Rfc3339 => "a time as in RFC 3339",
            Self::Local(_) => "a local time in the feed's format",
        }
    }

    /// Reads a moment.
    pub(super) fn read(&self, text: &str) -> Result<Moment, TimeFault> {
        let moment = match self {
            Self::EpochMs => epoch(text, 1)?,
            Self::EpochS => epoch(text, 1000)?,
            Self::Rfc3339 => rfc3339(text)?,
            Self::Local(places) => local(places, text)?,
        };
        possible(moment)
    }

    /// Reads a moment written as a whole number; text formats have none.
    pub(super) fn read_long(&self, value: i64) -> Result<Moment, TimeFault> {
        let unit_ms = match self {
            Self::EpochMs => 1,
            Self::EpochS => 1000,
            Self::Rfc3339 | Self::Local(_) => return Err(TimeFault::Shape),
        };
        let ms = value.checked_mul(unit_ms).ok_or(TimeFault::Impossible)?;
        possible(Moment::from_ms(ms))
    }
}

/// Reads a day written `YYYY-MM-DD`.
pub(super) fn day(text: &str) -> Result<Day, TimeFault> {
    if !has_shape("0000-00-00", text) {
        return Err(TimeFault::Shape);
    }
    let day = Day::parse(text).ok_or(TimeFault::Impossible)?;
    possible(day.start()).map(|_| day)
}

/// Reads a month written `YYYY-MM`.
pub(super) fn month(text: &str) -> Result<Month, TimeFault> {
    if !has_shape("0000-00", text) {
        return Err(TimeFault::Shape);
    }
    let month = Month::parse(text).ok_or(TimeFault::Impossible)?;
    possible(month.first_day().start()).map(|_| month)
}

fn possible(moment: Moment) -> Result<Moment, TimeFault> {
    if POSSIBLE_MS.contains(&moment.ms()) { Ok(moment) } else { Err(TimeFault::Impossible) }
}

fn epoch(text: &str, unit_ms: i64) -> Result<Moment, TimeFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimeFault::Shape);
    }
    let value = text.parse::<i64>().ok().and_then(|value| value.checked_mul(unit_ms));
    value.map(Moment::from_ms).ok_or(TimeFault::Impossible)
}

/// Whether each `0` of the shape is a digit in the text and all else is the same.
fn has_shape(shape: &str, text: &str) -> bool {
    shape.len() == text.len()
        && shape.bytes().zip(text.bytes()).all(|(place, byte)| match place {
            b'0' => byte.is_ascii_digit(),
            literal => byte == literal,
        })
}

fn rfc3339(text: &str) -> Result<Moment, TimeFault> {
    let clock = text.get(..19).ok_or(TimeFault::Shape)?;
    let local = local("YYYY-MM-DDThh:mm:ss", clock);
    if local == Err(TimeFault::Shape) {
        return Err(TimeFault::Shape);
    }
    let mut rest = text.get(19..).unwrap_or_default();
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(TimeFault::Shape);
        }
        let mut places = fraction.bytes().take(digits);
        for unit in [100, 10, 1] {
            ms += places.next().map_or(0, |byte| i64::from(byte - b'0')) * unit;
        }
        rest = fraction.get(digits..).unwrap_or_default();
    }
    let offset_ms = offset(rest)?;
    // The local reading took Asia/Shanghai's offset; the text's own replaces it.
    Ok(local?.plus_ms(8 * 3_600_000 - offset_ms).plus_ms(ms))
}

fn offset(text: &str) -> Result<i64, TimeFault> {
    if text == "Z" {
        return Ok(0);
    }
    let sign = match text.bytes().next() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(TimeFault::Shape),
    };
    let parts = text.get(1..).filter(|clock| has_shape("00:00", clock)).ok_or(TimeFault::Shape)?;
    let number = |part: &str| part.parse::<i64>().unwrap_or(99);
    let (hours, minutes) = parts.split_once(':').unwrap_or_default();
    let (hours, minutes) = (number(hours), number(minutes));
    if hours > 23 || minutes > 59 {
        return Err(TimeFault::Impossible);
    }
    Ok(sign * (hours * 60 + minutes) * 60_000)
}

fn local(places: &str, text: &str) -> Result<Moment, TimeFault> {
    if places.len() != text.len() {
        return Err(TimeFault::Shape);
    }
    let (mut year, mut month, mut day) = (0_i32, 0_u32, 0_u32);
    let mut clock = (0_u32, 0_u32, 0_u32);
    for (place, byte) in places.bytes().zip(text.bytes()) {
        if !matches!(place, b'Y' | b'M' | b'D' | b'h' | b'm' | b's') {
            if place != byte {
                return Err(TimeFault::Shape);
            }
            continue;
        }
        if !byte.is_ascii_digit() {
            return Err(TimeFault::Shape);
        }
        let digit = u32::from(byte - b'0');
        match place {
            b'Y' => year = year * 10 + i32::from(byte - b'0'),
            b'M' => month = month * 10 + digit,
            b'D' => day = day * 10 + digit,
            b'h' => clock.0 = clock.0 * 10 + digit,
            b'm' => clock.1 = clock.1 * 10 + digit,
            _ => clock.2 = clock.2 * 10 + digit,
        }
    }
    Moment::from_local((year, month, day), clock, 0).ok_or(TimeFault::Impossible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, text: &str) -> String {
        match TimeFormat::named(format).expect("a format").read(text) {
            Ok(moment) => moment.to_string(),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn every_format_reads_the_same_moment() {
        for (format, text) in [
            ("epoch_s", "1782864001"),
            ("epoch_ms", "1782864001000"),
            ("rfc3339", "2026-07-01T08:00:01+08:00"),
            ("rfc3339", "2026-07-01T00:00:01.000999Z"),
            ("rfc3339", "2026-06-30T19:30:01-04:30"),
            ("YYYYMMDDhhmmss", "20260701080001"),
            ("YYYY-MM-DD hh:mm:ss", "2026-07-01 08:00:01"),
            ("YYYY/MM/DD hh:mm:ss", "2026/07/01 08:00:01"),
        ] {
            assert_eq!(check(format, text), "2026-07-01T08:00:01.000+08:00", "{format} {text}");
        }
        assert_eq!(
            check("rfc3339", "2026-07-01T08:00:01.12+08:00"),
            "2026-07-01T08:00:01.120+08:00"
        );
    }

    #[test]
    fn times_that_do_not_exist_are_told_from_other_shapes() {
        for (format, text, expected) in [
            ("YYYYMMDDhhmmss", "20260231080001", "Impossible"),
            ("YYYYMMDDhhmmss", "20260701240000", "Impossible"),
            ("YYYYMMDDhhmmss", "19991231235959", "Impossible"),
            ("YYYYMMDDhhmmss", "21010101000000", "Impossible"),
            ("YYYYMMDDhhmmss", "2026070108000", "Shape"),
            ("YYYY-MM-DD hh:mm:ss", "2026/07/01 08:00:01", "Shape"),
            ("rfc3339", "2026-13-01T08:00:01+08:00", "Impossible"),
            ("rfc3339", "2026-07-01T08:00:01+24:00", "Impossible"),
            ("rfc3339", "2026-07-01T08:00:01", "Shape"),
            ("rfc3339", "2026-07-01T08:00:01.+08:00", "Shape"),
            ("rfc3339", "二〇二六年七月一日", "Shape"),
            ("epoch_ms", "-1", "Impossible"),
            ("epoch_ms", "99999999999999999999", "Impossible"),
            ("epoch_s", "9223372036854775807", "Impossible"),
            ("epoch_s", "1.7e9", "Shape"),
            ("epoch_s", "", "Shape"),
        ] {
            assert_eq!(check(format, text), expected, "{format} {text}");
        }
        assert_eq!(day("2026-02-29"), Err(TimeFault::Impossible));
        assert_eq!(day("2026-2-9"), Err(TimeFault::Shape));
        assert_eq!(month("2026-13"), Err(TimeFault::Impossible));
    }

    #[test]
    fn patterns_with_missing_places_are_no_formats() {
        for name in ["YYYY-MM-DD", "YYYYMMDDhhmm", "iso", "", "YYYYMMDDhhmmssSSS"] {
            assert_eq!(TimeFormat::named(name), None, "{name}");
        }
    }

    #[test]
    fn the_possible_years_are_2000_to_2100() {
        assert_eq!(Moment::from_ms(POSSIBLE_MS.start).to_string(), "2000-01-01T00:00:00.000+08:00");
        assert_eq!(Moment::from_ms(POSSIBLE_MS.end).to_string(), "2101-01-01T00:00:00.000+08:00");
    }
}
