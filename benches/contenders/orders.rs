//! What the contenders read of a message: that an order was accepted, where and on which day.

use serde::Deserialize;

/// Hohhot is eight hours ahead.
const AHEAD_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// All that a count needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptance<'a> {
    pub(crate) order: &'a str,
    /// Days since 1970.
    pub(crate) day: i32,
    pub(crate) county: u32,
}

/// The platforms whose orders are read, in the order of their numbers.
pub(crate) const PLATFORMS: [&str; 6] =
    ["caocao-chuxing", "didi-chuxing", "meituan", "eleme", "jd-miaosong", "sf-tongcheng"];

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("expected a message of {platform}, found: {source}")]
    Json {
        platform: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("expected {what} of an acceptance of {platform}, found {found:?}")]
    Field { platform: &'static str, what: &'static str, found: String },
}

/// What a message of a platform tells; `None` where that is no acceptance.
pub(crate) fn accepted(platform: usize, json: &[u8]) -> Result<Option<Acceptance<'_>>, OrderError> {
    match platform {
        0 => read::<Caocao<'_>>(platform, json),
        1 => read::<Didi<'_>>(platform, json),
        2 => read::<Meituan<'_>>(platform, json),
        3 => read::<Eleme<'_>>(platform, json),
        4 => read::<Jd<'_>>(platform, json),
        _ => read::<Sf<'_>>(platform, json),
    }
}

/// Where the parts of an acceptance stand in a message.
trait Message<'a>: Deserialize<'a> {
    fn is_acceptance(&self) -> bool;
    fn order(&self) -> &'a str;
    fn day(&self) -> Option<i32>;
    fn county(&self) -> Option<u32>;
}

fn read<'a, M: Message<'a>>(
    platform: usize,
    json: &'a [u8],
) -> Result<Option<Acceptance<'a>>, OrderError> {
    let name = PLATFORMS.get(platform).copied().unwrap_or_default();
    let message: M = serde_json::from_slice(json)
        .map_err(|source| OrderError::Json { platform: name, source })?;
    if !message.is_acceptance() {
        return Ok(None);
    }
    let missing = |what| OrderError::Field {
        platform: name,
        what,
        found: String::from_utf8_lossy(json).into_owned(),
    };
    let day = message.day().ok_or_else(|| missing("a day"))?;
    let county = message.county().ok_or_else(|| missing("a county"))?;
    Ok(Some(Acceptance { order: message.order(), day, county }))
}

fn day_of_ms(ms: i64) -> Option<i32> {
    i32::try_from((ms + AHEAD_MS).div_euclid(DAY_MS)).ok()
}

/// The day of a text in Hohhot's time: `20260705…` or `2026-07-05…`.
fn day_of_text(text: &str) -> Option<i32> {
    let is_dashed = text.as_bytes().get(4) == Some(&b'-');
    let (of_month, of_day) = if is_dashed { (5..7, 8..10) } else { (4..6, 6..8) };
    let year: i64 = text.get(..4)?.parse().ok()?;
    let month: i64 = text.get(of_month)?.parse().ok()?;
    let day: i64 = text.get(of_day)?.parse().ok()?;
    // By the rule of the calendar, with years that begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400;
    i32::try_from(days + (153 * month + 2) / 5 + day - 1 - 719_468).ok()
}

#[derive(Deserialize)]
struct Caocao<'a> {
    #[serde(rename = "MsgType")]
    kind: &'a str,
    #[serde(rename = "OrderId")]
    order: &'a str,
    #[serde(rename = "DistributeTime")]
    at: Option<&'a str>,
    #[serde(rename = "Address")]
    county: Option<&'a str>,
}

impl<'a> Message<'a> for Caocao<'a> {
    fn is_acceptance(&self) -> bool {
        self.kind == "order_match"
    }

    fn order(&self) -> &'a str {
        self.order
    }

    fn day(&self) -> Option<i32> {
        day_of_text(self.at?)
    }

    fn county(&self) -> Option<u32> {
        self.county?.parse().ok()
    }
}

#[derive(Deserialize)]
struct Didi<'a> {
    event: &'a str,
    #[serde(borrow)]
    order: DidiOrder<'a>,
    #[serde(borrow)]
    time: Option<DidiTime<'a>>,
    #[serde(borrow)]
    place: Option<DidiPlace<'a>>,
}

#[derive(Deserialize)]
struct DidiOrder<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct DidiTime<'a> {
    accept: Option<&'a str>,
}

#[derive(Deserialize)]
struct DidiPlace<'a> {
    #[serde(borrow)]
    accept: Option<DidiArea<'a>>,
}

#[derive(Deserialize)]
struct DidiArea<'a> {
    adcode: &'a str,
}

impl<'a> Message<'a> for Didi<'a> {
    fn is_acceptance(&self) -> bool {
        self.event == "ORDER_ACCEPTED"
    }

    fn order(&self) -> &'a str {
        self.order.id
    }

    fn day(&self) -> Option<i32> {
        day_of_text(self.time.as_ref()?.accept?)
    }

    fn county(&self) -> Option<u32> {
        self.place.as_ref()?.accept.as_ref()?.adcode.parse().ok()
    }
}

#[derive(Deserialize)]
struct Meituan<'a> {
    status: u32,
    #[serde(rename = "orderViewId")]
    order: &'a str,
    #[serde(rename = "acceptTime")]
    at: Option<i64>,
    #[serde(rename = "adcode")]
    county: Option<u32>,
}

impl<'a> Message<'a> for Meituan<'a> {
    fn is_acceptance(&self) -> bool {
        self.status == 20
    }

    fn order(&self) -> &'a str {
        self.order
    }

    fn day(&self) -> Option<i32> {
        day_of_ms(self.at?)
    }

    fn county(&self) -> Option<u32> {
        self.county
    }
}

#[derive(Deserialize)]
struct Eleme<'a> {
    state: &'a str,
    #[serde(rename = "order_no")]
    order: &'a str,
    #[serde(rename = "taken_at")]
    at: Option<i64>,
    #[serde(rename = "district")]
    county: Option<&'a str>,
}

impl<'a> Message<'a> for Eleme<'a> {
    fn is_acceptance(&self) -> bool {
        self.state == "RIDER_TAKEN"
    }

    fn order(&self) -> &'a str {
        self.order
    }

    fn day(&self) -> Option<i32> {
        day_of_ms(self.at?)
    }

    fn county(&self) -> Option<u32> {
        self.county?.parse().ok()
    }
}

#[derive(Deserialize)]
struct Jd<'a> {
    #[serde(rename = "order_status")]
    status: u32,
    #[serde(rename = "order_id")]
    order: &'a str,
    #[serde(rename = "accept_time")]
    at: Option<i64>,
    #[serde(rename = "city_code")]
    county: Option<&'a str>,
}

impl<'a> Message<'a> for Jd<'a> {
    fn is_acceptance(&self) -> bool {
        self.status == 2
    }

    fn order(&self) -> &'a str {
        self.order
    }

    fn day(&self) -> Option<i32> {
        day_of_ms(self.at? * 1000)
    }

    fn county(&self) -> Option<u32> {
        self.county?.parse().ok()
    }
}

#[derive(Deserialize)]
struct Sf<'a> {
    #[serde(rename = "order_status")]
    status: u32,
    #[serde(rename = "sf_order_id")]
    order: &'a str,
    #[serde(rename = "take_time")]
    at: Option<&'a str>,
    #[serde(borrow)]
    region: Option<SfRegion<'a>>,
}

#[derive(Deserialize)]
struct SfRegion<'a> {
    code: &'a str,
}

impl<'a> Message<'a> for Sf<'a> {
    fn is_acceptance(&self) -> bool {
        self.status == 10
    }

    fn order(&self) -> &'a str {
        self.order
    }

    fn day(&self) -> Option<i32> {
        day_of_text(self.at?)
    }

    fn county(&self) -> Option<u32> {
        self.region.as_ref()?.code.parse().ok()
    }
}
