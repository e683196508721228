//! The assessment of one period: what is due for its counts, by rate; its parts by unit and day;
//! and the difference to what was issued before.

use std::collections::BTreeMap;

use super::LevyError;
use super::parts::split;
use crate::domain::ids::UnitCode;
use crate::domain::money::{Fen, Rate};
use crate::domain::time::Day;

/// Counted orders of one unit on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// Day of acceptance.
    pub day: Day,
    /// Reporting unit of the county of acceptance.
    pub unit: UnitCode,
    /// Orders, 0 or more.
    pub orders: i64,
}

/// Orders and the amount due for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Orders.
    pub orders: i64,
    /// What is due.
    pub amount: Fen,
}

/// What is due for one period of one platform's line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// By rate, each rounded once.
    pub by_rate: BTreeMap<Rate, Figure>,
    /// By unit; the amounts sum to those by rate.
    pub by_unit: BTreeMap<UnitCode, Figure>,
    /// By day; the amounts sum to those by rate.
    pub by_day: BTreeMap<Day, Figure>,
}

impl Figure {
    /// The sum of both.
    ///
    /// # Errors
    /// [`LevyError::Money`] where the amount leaves the range of money.
    pub fn plus(self, other: Self) -> Result<Self, LevyError> {
        let amount = self.amount.plus(other.amount)?;
        Ok(Self { orders: self.orders + other.orders, amount })
    }

    /// `self - other`.
    ///
    /// # Errors
    /// [`LevyError::Money`] where the amount leaves the range of money.
    pub fn minus(self, other: Self) -> Result<Self, LevyError> {
        let amount = self.amount.minus(other.amount)?;
        Ok(Self { orders: self.orders - other.orders, amount })
    }
}

impl Assessment {
    /// Assesses a period: Σ count × rate, exact, rounded once for each rate.
    ///
    /// Legal source: 内蒙古九部门通知 2026-02-26, clause 三 (amount an order); rounding: ADR 0003.
    ///
    /// # Errors
    /// [`LevyError::NoRate`] for orders on a day without a rate; [`LevyError::Money`] where an
    /// amount leaves the range of money.
    pub fn of(
        counts: &[DayCount],
        rate_on: impl Fn(Day) -> Option<Rate>,
    ) -> Result<Self, LevyError> {
        let mut rates: BTreeMap<Rate, Vec<DayCount>> = BTreeMap::new();
        for count in counts.iter().filter(|count| count.orders != 0) {
            let none = LevyError::NoRate { day: count.day, orders: count.orders };
            rates.entry(rate_on(count.day).ok_or(none)?).or_default().push(*count);
        }
        let mut assessment = Self::default();
        for (rate, counts) in rates {
            let orders = counts.iter().map(|count| count.orders).sum();
            let amount = rate.times(orders).round_half_up()?;
            assessment.by_rate.insert(rate, Figure { orders, amount });
            share(amount, &counts, |count| count.unit, &mut assessment.by_unit)?;
            share(amount, &counts, |count| count.day, &mut assessment.by_day)?;
        }
        Ok(assessment)
    }

    /// Orders and amount of the whole period.
    ///
    /// # Errors
    /// [`LevyError::Money`] where the amount leaves the range of money.
    pub fn total(&self) -> Result<Figure, LevyError> {
        total(&self.by_rate)
    }

    /// What has to be issued, by rate, so that `issued` becomes this assessment. A rate whose
    /// figure stands already is left out, so a period without a difference gives nothing.
    ///
    /// A difference keeps its period and that period's rate: a rate that no longer holds is taken
    /// back in full, the one that holds is issued in full.
    ///
    /// # Errors
    /// [`LevyError::Money`] where a difference leaves the range of money.
    pub fn difference(
        &self,
        issued: &BTreeMap<Rate, Figure>,
    ) -> Result<BTreeMap<Rate, Figure>, LevyError> {
        let mut rates: Vec<Rate> = self.by_rate.keys().chain(issued.keys()).copied().collect();
        rates.sort_unstable();
        rates.dedup();
        let figure =
            |of: &BTreeMap<Rate, Figure>, rate: Rate| of.get(&rate).copied().unwrap_or_default();
        let mut differences = BTreeMap::new();
        for rate in rates {
            let change = figure(&self.by_rate, rate).minus(figure(issued, rate))?;
            if change != Figure::default() {
                differences.insert(rate, change);
            }
        }
        Ok(differences)
    }
}

/// The sum over rates.
///
/// # Errors
/// [`LevyError::Money`] where the amount leaves the range of money.
pub fn total(by_rate: &BTreeMap<Rate, Figure>) -> Result<Figure, LevyError> {
    by_rate.values().try_fold(Figure::default(), |sum, figure| sum.plus(*figure))
}

fn share<K: Ord + Copy>(
    amount: Fen,
    counts: &[DayCount],
    key_of: impl Fn(&DayCount) -> K,
    into: &mut BTreeMap<K, Figure>,
) -> Result<(), LevyError> {
    let mut orders: BTreeMap<K, i64> = BTreeMap::new();
    for count in counts {
        *orders.entry(key_of(count)).or_default() += count.orders;
    }
    let weights: Vec<i64> = orders.values().copied().collect();
    for ((key, orders), amount) in orders.into_iter().zip(split(amount, &weights)?) {
        let sum = into.entry(key).or_default();
        *sum = sum.plus(Figure { orders, amount })?;
    }
    Ok(())
}
