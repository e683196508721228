//! Money and rates as checked integers. There is no float here and no implicit rounding.
//!
//! A rate is whole 厘 (0.001 yuan) an order, an amount in the books is whole fen (0.01 yuan). Their
//! product is an [`UnroundedLi`], which cannot be posted: it becomes [`Fen`] in one place,
//! [`UnroundedLi::round_half_up`], once per declaration line.

use std::fmt;

/// An amount of money in fen (分, 0.01 yuan), signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fen(i64);

/// What one platform pays for one order (缴费标准), in 厘 (0.001 yuan); never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

/// An exact amount in 厘 that nobody may post before it is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[must_use = "an unrounded amount is neither due nor booked until it is rounded"]
pub struct UnroundedLi(i128);

/// Why an amount cannot be represented.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    /// The result does not fit 64 bits.
    #[error("amount out of range: expected at most {max} fen in size, found {found}")]
    OutOfRange {
        /// The largest size that fits.
        max: i64,
        /// What was computed.
        found: i128,
    },
    /// A rate below zero.
    #[error("rate: expected 0 li or more an order, found {found}")]
    NegativeRate {
        /// What was given, in 厘.
        found: i64,
    },
    /// Text that is not a decimal amount of yuan with at most two places.
    #[error("amount: expected yuan with at most 2 decimal places and 15 digits, found {found:?}")]
    NotYuan {
        /// The text.
        found: String,
    },
}

impl Fen {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// An amount of whole fen.
    #[must_use]
    pub const fn new(fen: i64) -> Self {
        Self(fen)
    }

    /// The amount in fen.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        from_wide(i128::from(self.0) + i128::from(other.0))
    }

    /// The difference `self - other`.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where it does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        from_wide(i128::from(self.0) - i128::from(other.0))
    }

    /// The same size with the other sign.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] for the smallest value, which has no counterpart.
    pub fn negated(self) -> Result<Self, MoneyError> {
        from_wide(-i128::from(self.0))
    }

    /// The sum of many.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the sum does not fit.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        from_wide(amounts.into_iter().map(|fen| i128::from(fen.0)).sum())
    }

    /// Reads yuan as people write them: `12`, `12.3`, `-0.05`. A third decimal place is refused,
    /// never rounded.
    ///
    /// # Errors
    /// [`MoneyError::NotYuan`] for anything else.
    pub fn parse_yuan(text: &str) -> Result<Self, MoneyError> {
        parse_yuan(text).ok_or_else(|| MoneyError::NotYuan { found: text.to_owned() })
    }
}

/// Yuan with two places, as in a statement: `-1234.05`.
impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", size / 100, size % 100)
    }
}

impl Rate {
    /// A rate of whole 厘 an order.
    ///
    /// # Errors
    /// [`MoneyError::NegativeRate`] below zero.
    pub fn from_li(li: i64) -> Result<Self, MoneyError> {
        if li < 0 {
            return Err(MoneyError::NegativeRate { found: li });
        }
        Ok(Self(li))
    }

    /// The rate in 厘.
    #[must_use]
    pub const fn li(self) -> i64 {
        self.0
    }

    /// Rate × count, exact.
    pub fn times(self, orders: i64) -> UnroundedLi {
        UnroundedLi(i128::from(self.0) * i128::from(orders))
    }
}

impl UnroundedLi {
    /// An exact amount of 厘.
    pub const fn new(li: i128) -> Self {
        Self(li)
    }

    /// The exact amount in 厘.
    #[must_use]
    pub const fn li(self) -> i128 {
        self.0
    }

    /// Rounds to fen, half up (四舍五入; a negative half moves away from zero, so that an amount and
    /// its reversal cancel).
    ///
    /// Legal source: none; house decision, ADR 0003.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the fen do not fit.
    pub fn round_half_up(self) -> Result<Fen, MoneyError> {
        let away = if self.0 < 0 { -5 } else { 5 };
        from_wide((self.0 + away) / 10)
    }
}

fn from_wide(fen: i128) -> Result<Fen, MoneyError> {
    match i64::try_from(fen) {
        Ok(value) => Ok(Fen(value)),
        Err(_) => Err(MoneyError::OutOfRange { max: i64::MAX, found: fen }),
    }
}

fn parse_yuan(text: &str) -> Option<Fen> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let has_dot = digits.contains('.');
    let all_digits = |s: &str| s.bytes().all(|byte| byte.is_ascii_digit());
    let shape = !whole.is_empty() && whole.len() <= 15 && all_digits(whole) && all_digits(part);
    if !shape || part.len() > 2 || (has_dot && part.is_empty()) {
        return None;
    }
    let yuan: i64 = whole.parse().ok()?;
    let fen: i64 = format!("{part:0<2}").parse().ok()?;
    let size = yuan.checked_mul(100)?.checked_add(fen)?;
    Some(Fen(if negative { -size } else { size }))
}
