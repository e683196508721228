//! The wall clock. It decides when something runs and what the append time of live messages is;
//! no rule ever asks it.

use crate::domain::time::Moment;

/// Now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Moment::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
