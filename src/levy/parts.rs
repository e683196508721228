//! Splitting an amount for statistics, so that the parts sum to the whole.

use super::LevyError;
use crate::domain::money::Fen;

/// Splits a non-negative amount over weights by largest remainder (最大余额法): each part gets the
/// whole fen of its share, and the fen left go to the largest remainders, the earlier part first
/// where two are equal.
///
/// Legal source: none; house decision, ADR 0003.
///
/// # Errors
/// [`LevyError::Weights`] for a negative weight, a negative amount, or an amount without weights.
pub fn split(amount: Fen, weights: &[i64]) -> Result<Vec<Fen>, LevyError> {
    let whole = i128::from(amount.get());
    let smallest = weights.iter().copied().min().map_or(0, i128::from).min(whole);
    let sum: i128 = weights.iter().copied().map(i128::from).sum();
    if smallest < 0 || (sum == 0 && whole != 0) {
        return Err(LevyError::Weights { found: smallest.min(sum) });
    }
    if sum == 0 {
        return Ok(vec![Fen::ZERO; weights.len()]);
    }
    let share = |weight: &i64| {
        let exact = whole * i128::from(*weight);
        (exact / sum, exact % sum)
    };
    let mut shares: Vec<(i128, i128)> = weights.iter().map(share).collect();
    let left = whole - shares.iter().map(|(fen, _)| fen).sum::<i128>();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|index| shares.get(*index).map(|(_, rest)| -rest));
    let extra = usize::try_from(left).unwrap_or(usize::MAX);
    for index in order.into_iter().take(extra) {
        if let Some((fen, _)) = shares.get_mut(index) {
            *fen += 1;
        }
    }
    // No part exceeds the whole, which is an i64.
    Ok(shares
        .into_iter()
        .map(|(fen, _)| Fen::new(i64::try_from(fen).unwrap_or(i64::MAX)))
        .collect())
}
