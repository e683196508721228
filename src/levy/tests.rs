//! Assessments worked by hand, and laws of parts and differences.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};

use super::LevyError;
use super::assessment::{Assessment, DayCount, Figure, total};
use super::parts::split;
use crate::domain::ids::UnitCode;
use crate::domain::money::{Fen, Rate};
use crate::domain::time::Day;

fn rate(li: i64) -> Rate {
    Rate::from_li(li).unwrap()
}

fn unit(number: u32) -> UnitCode {
    UnitCode::new(150_100 + number * 100).unwrap()
}

fn july(day: u32) -> Day {
    Day::from_ymd(2026, 7, day).unwrap()
}

fn count(day: u32, unit_no: u32, orders: i64) -> DayCount {
    DayCount { day: july(day), unit: unit(unit_no), orders }
}

fn figure(orders: i64, fen: i64) -> Figure {
    Figure { orders, amount: Fen::new(fen) }
}

fn fen(amounts: &[Fen]) -> Vec<i64> {
    amounts.iter().map(|amount| amount.get()).collect()
}

#[test]
fn a_period_is_rounded_once_however_its_orders_are_spread() {
    // Clause 三, 0.035 yuan an order (0.07 − 50 %): 1,001 × 0.035 = 35.035, half up 35.04.
    // Rounded by unit it would be 500 × 0.035 = 17.50 and 501 × 0.035 = 17.535 → 17.54; by the
    // single order, 1,001 × 0.04 = 40.04.
    let counts = [count(1, 0, 300), count(2, 0, 200), count(2, 1, 501)];
    let assessed = Assessment::of(&counts, |_| Some(rate(35))).unwrap();
    assert_eq!(assessed.total().unwrap(), figure(1_001, 3_504));
    // Largest remainder over units: 3504 × 500 ÷ 1001 = 1750 rest 250, 3504 × 501 ÷ 1001 = 1753
    // rest 751; the one fen left goes to the larger rest.
    assert_eq!(
        assessed.by_unit,
        BTreeMap::from([(unit(0), figure(500, 1_750)), (unit(1), figure(501, 1_754)),])
    );
    // Over days: 3504 × 300 ÷ 1001 = 1050 rest 150, 3504 × 701 ÷ 1001 = 2453 rest 851.
    assert_eq!(
        assessed.by_day,
        BTreeMap::from([(july(1), figure(300, 1_050)), (july(2), figure(701, 2_454)),])
    );
}

#[test]
fn amounts_worked_by_hand() {
    for (orders, li, expected) in [
        // 1,234,567 × 0.070 = 86,419.690
        (1_234_567, 70, 8_641_969),
        // 333,333 × 0.105 = 34,999.965, half up
        (333_333, 105, 3_499_997),
        // 7,777,777 × 0.010 = 77,777.770
        (7_777_777, 10, 7_777_777),
        // 17 × 0.162 = 2.754
        (17, 162, 275),
        // 1 × 0.375 = 0.375, half up
        (1, 375, 38),
        // A nation-year of freight, 100,000,000,000 × 0.270 = 27,000,000,000.000
        (100_000_000_000, 270, 2_700_000_000_000),
    ] {
        let assessed = Assessment::of(&[count(1, 0, orders)], |_| Some(rate(li))).unwrap();
        assert_eq!(assessed.total().unwrap(), figure(orders, expected), "{orders} × {li}");
    }
}

#[test]
fn a_rate_that_changes_within_the_month_gives_two_lines_each_rounded_once() {
    // To 15 July 113 × 0.105 = 11.865 → 11.87, from 16 July 113 × 0.175 = 19.775 → 19.78: 31.65.
    // Rounded together it would be 31.640.
    let counts = [count(15, 0, 113), count(16, 0, 113)];
    let by_day = |day| Some(if day < july(16) { rate(105) } else { rate(175) });
    let assessed = Assessment::of(&counts, by_day).unwrap();
    assert_eq!(
        assessed.by_rate,
        BTreeMap::from([(rate(105), figure(113, 1_187)), (rate(175), figure(113, 1_978)),])
    );
    assert_eq!(assessed.total().unwrap(), figure(226, 3_165));
}

#[test]
fn orders_on_a_day_without_a_rate_are_an_error_and_no_orders_are_none() {
    let counts = [count(1, 0, 5), count(2, 0, 0)];
    let only_first = |day| (day == july(1)).then(|| rate(10));
    assert_eq!(Assessment::of(&counts, only_first).unwrap().total().unwrap(), figure(5, 5));
    let refused = Assessment::of(&[count(2, 0, 3)], only_first);
    assert_eq!(refused, Err(LevyError::NoRate { day: july(2), orders: 3 }));
    assert_eq!(Assessment::of(&[], only_first).unwrap(), Assessment::default());
}

#[test]
fn a_late_order_is_adjusted_at_the_rate_of_its_period() {
    // Frozen: 1,001 × 0.035 = 35.04. With two more, 1,003 × 0.035 = 35.105 → 35.11: 0.07 more.
    // With one more, 1,002 × 0.035 = 35.07: 0.03 more, although 1 × 0.035 would round to 0.04.
    // With one less, 1,000 × 0.035 = 35.00: 0.04 less.
    let issued = BTreeMap::from([(rate(35), figure(1_001, 3_504))]);
    for (orders, expected) in
        [(1_003, figure(2, 7)), (1_002, figure(1, 3)), (1_000, figure(-1, -4))]
    {
        let now = Assessment::of(&[count(1, 0, orders)], |_| Some(rate(35))).unwrap();
        let change = now.difference(&issued).unwrap();
        assert_eq!(change, BTreeMap::from([(rate(35), expected)]), "{orders}");
    }
    let same = Assessment::of(&[count(1, 0, 1_001)], |_| Some(rate(35))).unwrap();
    assert_eq!(same.difference(&issued).unwrap(), BTreeMap::new());
}

#[test]
fn a_back_dated_rate_takes_the_old_line_back_and_issues_the_new_one() {
    // 1,000 orders at 0.070 = 70.00 become 1,000 at 0.077 = 77.00: −70.00 and +77.00.
    let issued = BTreeMap::from([(rate(70), figure(1_000, 7_000))]);
    let now = Assessment::of(&[count(1, 0, 1_000)], |_| Some(rate(77))).unwrap();
    let change = now.difference(&issued).unwrap();
    let (back, new) = (figure(-1_000, -7_000), figure(1_000, 7_700));
    assert_eq!(change, BTreeMap::from([(rate(70), back), (rate(77), new)]));
    assert_eq!(total(&change).unwrap(), figure(0, 700));
}

#[test]
fn parts_of_equal_remainder_go_to_the_earlier_part() {
    // 1.00 over three equal parts: 33 rest 1/3 each, the fen left goes to the first.
    assert_eq!(fen(&split(Fen::new(100), &[1, 1, 1]).unwrap()), [34, 33, 33]);
    // 0.02 over four: the first two.
    assert_eq!(fen(&split(Fen::new(2), &[5, 5, 5, 5]).unwrap()), [1, 1, 0, 0]);
    assert_eq!(fen(&split(Fen::new(7), &[0, 3, 0]).unwrap()), [0, 7, 0]);
    assert_eq!(fen(&split(Fen::ZERO, &[0, 0]).unwrap()), [0, 0]);
    assert_eq!(fen(&split(Fen::new(i64::MAX), &[i64::MAX, 0]).unwrap()), [i64::MAX, 0]);
}

#[test]
fn parts_without_weights_or_of_negative_weights_are_refused() {
    assert_eq!(split(Fen::new(1), &[]), Err(LevyError::Weights { found: 0 }));
    assert_eq!(split(Fen::new(1), &[0]), Err(LevyError::Weights { found: 0 }));
    assert_eq!(split(Fen::new(1), &[2, -1]), Err(LevyError::Weights { found: -1 }));
    assert_eq!(split(Fen::new(-1), &[2]), Err(LevyError::Weights { found: -1 }));
}

proptest! {
    /// Parts sum to the whole and none is off its exact share by a fen or more.
    #[test]
    fn parts_sum_to_the_whole(
        amount in 0_i64..1_000_000_000_000,
        weights in proptest::collection::vec(0_i64..5_000_000, 1..40),
    ) {
        let sum: i64 = weights.iter().sum();
        prop_assume!(sum > 0);
        let parts = split(Fen::new(amount), &weights).unwrap();
        prop_assert_eq!(fen(&parts).iter().sum::<i64>(), amount);
        for (part, weight) in parts.iter().zip(&weights) {
            let off = i128::from(part.get()) * i128::from(sum)
                - i128::from(amount) * i128::from(*weight);
            prop_assert!(off.abs() < i128::from(sum));
        }
    }

    /// A naive oracle agrees: every order on its own, in decimal yuan, rounded at the end.
    #[test]
    fn an_assessment_is_what_a_naive_oracle_says(
        rows in proptest::collection::vec((1_u32..=31, 0_u32..6, 0_i64..2_000), 0..60),
        first_li in 5_i64..=375,
        second_li in 5_i64..=375,
    ) {
        let counts: Vec<DayCount> = rows.iter().map(|row| count(row.0, row.1, row.2)).collect();
        let li = |day| if day < july(16) { first_li } else { second_li };
        let assessed = Assessment::of(&counts, |day| Some(rate(li(day)))).unwrap();
        let mut yuan: BTreeMap<i64, Decimal> = BTreeMap::new();
        for row in &counts {
            *yuan.entry(li(row.day)).or_default() +=
                Decimal::new(li(row.day), 3) * Decimal::from(row.orders);
        }
        let half_up = RoundingStrategy::MidpointAwayFromZero;
        let expected: Decimal =
            yuan.values().map(|line| line.round_dp_with_strategy(2, half_up)).sum();
        let whole = assessed.total().unwrap();
        prop_assert_eq!(Decimal::new(whole.amount.get(), 2), expected);
        prop_assert_eq!(whole.orders, counts.iter().map(|row| row.orders).sum::<i64>());
        for parts in [
            assessed.by_unit.values().copied().collect::<Vec<_>>(),
            assessed.by_day.values().copied().collect(),
        ] {
            let amount: i64 = parts.iter().map(|part| part.amount.get()).sum();
            prop_assert_eq!(amount, whole.amount.get());
            prop_assert_eq!(parts.iter().map(|part| part.orders).sum::<i64>(), whole.orders);
        }
        // Issuing the difference to anything leads to the assessment.
        let before = BTreeMap::from([(rate(first_li), figure(7, 11)), (rate(401), figure(1, 1))]);
        let mut after = before.clone();
        for (rate, change) in assessed.difference(&before).unwrap() {
            let sum = after.entry(rate).or_default();
            *sum = sum.plus(change).unwrap();
        }
        after.retain(|_, figure| *figure != Figure::default());
        prop_assert_eq!(after, assessed.by_rate);
    }
}
