//! The frame of the scheme: its start, its province, and the hub's windows.

use serde::Deserialize;
use toml::Spanned;

use super::PolicyError;
use super::bundle::PolicyText;
use super::source::{Sources, WireDay, WireLegal};
use crate::domain::time::Day;

const MS_PER_HOUR: i64 = 3_600_000;

/// How long the hub waits for what, in milliseconds or days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// A partition seals a day when its append time is this far past the day's end.
    pub seal_after_ms: i64,
    /// Another worker within this time of the acceptance is a reassignment (改派).
    pub reassign_window_ms: i64,
    /// Days across which an order id stays unique.
    pub identity_horizon_days: i32,
}

#[derive(Clone, Debug)]
pub(super) struct Scheme {
    pub(super) start: Day,
    pub(super) province: u32,
    pub(super) windows: Windows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemeFile {
    start: WireDay,
    province: Spanned<u32>,
    legal: WireLegal,
    windows: WireWindows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireWindows {
    seal_after_hours: u16,
    reassign_window_hours: u16,
    identity_horizon_days: Spanned<u16>,
    legal: WireLegal,
}

impl Scheme {
    pub(super) fn load(text: &PolicyText, sources: &Sources) -> Result<Self, PolicyError> {
        let file: SchemeFile = text.parse()?;
        let (at, province) = (file.province.span(), file.province.into_inner());
        if !(10..=99).contains(&province) {
            return Err(text.refuse(&at, "province", "two digits", province));
        }
        let wire = file.windows;
        let (at, horizon) =
            (wire.identity_horizon_days.span(), wire.identity_horizon_days.into_inner());
        if horizon == 0 {
            return Err(text.refuse(&at, "identity_horizon_days", "1 day or more", horizon));
        }
        for legal in [file.legal, wire.legal] {
            sources.find(text, legal)?;
        }
        let windows = Windows {
            seal_after_ms: i64::from(wire.seal_after_hours) * MS_PER_HOUR,
            reassign_window_ms: i64::from(wire.reassign_window_hours) * MS_PER_HOUR,
            identity_horizon_days: i32::from(horizon),
        };
        Ok(Self { start: file.start.0, province, windows })
    }
}
