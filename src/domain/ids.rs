//! Identifiers and codes as types: checked when made, never interchangeable.
//!
//! Codes that law may change (lines, counties, items) are open strings checked against dated
//! tables elsewhere; here only their shape is checked.

use std::fmt;

use compact_str::CompactString;

/// Why a text is no identifier.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}: expected 1 to {chars_max} printable characters, found {found:?}")]
pub struct IdError {
    /// Which kind of identifier.
    pub what: &'static str,
    /// The limit.
    pub chars_max: usize,
    /// The text, cut to 80 characters.
    pub found: String,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(CompactString);

        impl $name {
            /// Checks length and characters.
            ///
            /// # Errors
            /// [`IdError`] where the text is empty, too long or has control characters.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if is_plain(text, $max) {
                    return Ok(Self(CompactString::new(text)));
                }
                Err(IdError {
                    what: $what,
                    chars_max: $max,
                    found: text.chars().take(80).collect(),
                })
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

text_id!(
    /// A platform enterprise (平台企业) as the hub names it, for example `meituan`.
    PlatformId, "platform", 32
);
text_id!(
    /// A counterparty's folder under `connectors/`; for a platform the same word as its id.
    ConnectorId, "connector", 32
);
text_id!(
    /// One stream of messages of a connector.
    FeedId, "feed", 32
);

/// The feed of a record that is of none, or of one without a lawful name. No manifest may have such
/// a feed, so that apply holds it with its bytes.
pub const NO_FEED: &str = "unknown";

text_id!(
    /// A line of business (行业): an open, dated code list; today `ride_hailing` 出行,
    /// `instant_delivery` 即时配送, `intra_city_freight` 同城货运.
    LineCode, "line", 24
);
text_id!(
    /// A platform's own order number; unique only together with the platform.
    OrderId, "order id", 64
);
text_id!(
    /// One injury case (regional number).
    CaseId, "case id", 64
);
text_id!(
    /// A canonical event's identity: made of what it says and where it came from, never of a clock.
    EventId, "event id", 160
);
text_id!(
    /// A body that decides (认定、鉴定、核定机构), as `policy/competence.toml` names it.
    BodyCode, "body", 32
);
text_id!(
    /// A number of a document, voucher, e-ticket, plan or instruction.
    DocumentNo, "document number", 64
);
text_id!(
    /// An account of the fund's chart (科目), an open and dated list.
    AccountCode, "account", 32
);
text_id!(
    /// An item of income or expenditure (项目), an open and dated list.
    ItemCode, "item", 32
);
text_id!(
    /// A counterparty that records are forwarded to.
    DestinationId, "destination", 32
);
text_id!(
    /// 统一社会信用代码 of a legal entity (GB 32100-2015), 18 characters.
    CreditCode, "统一社会信用代码", 18
);

/// Six digits of a county-level division (GB/T 2260 or a statistical zone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountyCode(u32);

impl CountyCode {
    /// A code of six digits that does not start with 0.
    #[must_use]
    pub const fn new(code: u32) -> Option<Self> {
        if code >= 100_000 && code <= 999_999 { Some(Self(code)) } else { None }
    }

    /// The code as a number of six digits.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The first two digits: the province-level division.
    #[must_use]
    pub const fn province(self) -> u32 {
        self.0 / 10_000
    }
}

impl fmt::Display for CountyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// One of the 14 reporting units (盟市 and the two cities addressed apart); statistics only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitCode(u32);

impl UnitCode {
    /// A code of six digits.
    #[must_use]
    pub const fn new(code: u32) -> Option<Self> {
        if code >= 100_000 && code <= 999_999 { Some(Self(code)) } else { None }
    }

    /// The code as a number of six digits.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// A rider of one platform under a key that no platform holds; never the platform's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerToken(pub u64);

/// A natural person under the same key, across platforms; known only through the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonToken(pub u64);

fn is_plain(text: &str, chars_max: usize) -> bool {
    if text.is_empty() {
        return false;
    }
    if text.is_ascii() {
        return text.len() <= chars_max && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    }
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}
