//! Sums over partitions, cuts and bases.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};

use super::{
    BasisDifference, CountDelta, Extent, UnitCount, add_counts, basis_differences, counts_between,
    counts_by_unit, counts_of_line,
};
use crate::domain::ids::{CountyCode, LineCode, PlatformId, UnitCode};
use crate::domain::time::{Day, Month};
use crate::policy::{Basis, Policy};
use crate::store::StoreError;
use crate::store::scratch::Scratch;

crate::store::scratch::on_each_engine!(
    changes_of_one_key_are_summed_over_partitions_and_batches,
    what_comes_after_the_cut_is_no_part_of_the_frozen_figure,
    a_frozen_sum_below_zero_is_an_error_of_ours,
    more_rows_than_one_statement_takes_agree_with_a_naive_sum,
    units_count_the_basis_in_force_and_the_difference_is_shown,
);

fn policy() -> Policy {
    Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policy")).unwrap()
}

fn first_day() -> Day {
    Day::from_ymd(2026, 7, 1).unwrap()
}

fn delta(county: u32, after: i32, delta: i64) -> CountDelta {
    CountDelta {
        platform: PlatformId::new("meituan").unwrap(),
        line: LineCode::new("instant_delivery").unwrap(),
        county: CountyCode::new(county).unwrap(),
        day: first_day().plus(after),
        rule: 1,
        basis: Basis::Stream,
        partition: 0,
        after_cut: false,
        delta,
    }
}

async fn add(scratch: &Scratch, deltas: &[CountDelta]) {
    let mut tx = scratch.database.begin().await.unwrap();
    add_counts(&mut tx, deltas).await.unwrap();
    tx.commit().await.unwrap();
}

/// Orders by day and county of 美团, of the frozen figure or the whole.
async fn of_meituan(scratch: &Scratch, extent: Extent) -> Vec<(i32, u32, i64)> {
    let row = delta(150_102, 0, 0);
    let mut tx = scratch.database.snapshot().await.unwrap();
    let days = first_day()..first_day().plus(31);
    let rows = counts_of_line(&mut tx, (&row.platform, &row.line), days, extent).await.unwrap();
    let plain = |row: super::CountRow| {
        (row.day.epoch_days() - first_day().epoch_days(), row.county.get(), row.orders)
    };
    rows.into_iter().map(plain).collect()
}

async fn changes_of_one_key_are_summed_over_partitions_and_batches() {
    let scratch = Scratch::open().await;
    let other = CountDelta { partition: 3, ..delta(150_102, 0, 4) };
    add(&scratch, &[delta(150_102, 0, 2), delta(150_102, 0, 5), other]).await;
    add(&scratch, &[delta(150_102, 0, -1), delta(150_103, 2, 1), delta(150_104, 1, 0)]).await;
    add(&scratch, &[]).await;
    assert_eq!(of_meituan(&scratch, Extent::Whole).await, [(0, 150_102, 10), (2, 150_103, 1)]);
}

async fn what_comes_after_the_cut_is_no_part_of_the_frozen_figure() {
    let scratch = Scratch::open().await;
    let late = CountDelta { after_cut: true, ..delta(150_102, 0, -2) };
    let new = CountDelta { after_cut: true, ..delta(150_103, 0, 1) };
    add(&scratch, &[delta(150_102, 0, 7), late, new]).await;
    assert_eq!(of_meituan(&scratch, Extent::Frozen).await, [(0, 150_102, 7)]);
    let whole = [(0, 150_102, 5), (0, 150_103, 1)];
    assert_eq!(of_meituan(&scratch, Extent::Whole).await, whole);
}

async fn a_frozen_sum_below_zero_is_an_error_of_ours() {
    let scratch = Scratch::open().await;
    let later = CountDelta { after_cut: true, ..delta(150_102, 0, 3) };
    add(&scratch, &[delta(150_102, 0, -2), later]).await;
    assert_eq!(of_meituan(&scratch, Extent::Whole).await, [(0, 150_102, 1)]);
    let mut tx = scratch.database.snapshot().await.unwrap();
    let (platform, line) = (PlatformId::new("meituan"), LineCode::new("instant_delivery"));
    let days = first_day()..first_day().plus(1);
    let line = (&platform.unwrap(), &line.unwrap());
    let found = counts_of_line(&mut tx, line, days, Extent::Frozen).await;
    assert!(matches!(found, Err(StoreError::Damaged { what: "order_count", .. })), "{found:?}");
}

async fn more_rows_than_one_statement_takes_agree_with_a_naive_sum() {
    let scratch = Scratch::open().await;
    let counties: Vec<u32> = policy().counties().iter().map(|row| row.code.get()).collect();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut naive: BTreeMap<(i32, u32), i64> = BTreeMap::new();
    for _ in 0..3 {
        let mut deltas = Vec::new();
        for _ in 0..1_700 {
            let county = counties[random.random_range(0..counties.len())];
            let (after, orders) = (random.random_range(0..31), random.random_range(0..9));
            *naive.entry((after, county)).or_default() += orders;
            let partition = random.random_range(0..4);
            deltas.push(CountDelta { partition, ..delta(county, after, orders) });
        }
        add(&scratch, &deltas).await;
    }
    let naive: Vec<(i32, u32, i64)> = naive
        .into_iter()
        .filter(|(_, orders)| *orders != 0)
        .map(|((after, county), orders)| (after, county, orders))
        .collect();
    assert_eq!(of_meituan(&scratch, Extent::Whole).await, naive);
}

async fn units_count_the_basis_in_force_and_the_difference_is_shown() {
    let scratch = Scratch::open().await;
    let statement = |row| CountDelta { basis: Basis::Statement, ..row };
    add(
        &scratch,
        &[
            delta(150_102, 0, 10),
            delta(150_103, 1, 5),
            delta(150_781, 1, 2),
            statement(delta(150_102, 0, 12)),
            statement(delta(150_103, 1, 7)),
        ],
    )
    .await;
    let mut tx = scratch.database.snapshot().await.unwrap();
    let july = Month::new(2026, 7).unwrap();
    let units = counts_by_unit(&mut tx, &policy(), july).await.unwrap();
    let of = |unit, orders| UnitCount {
        platform: PlatformId::new("meituan").unwrap(),
        line: LineCode::new("instant_delivery").unwrap(),
        unit: UnitCode::new(unit).unwrap(),
        orders,
    };
    assert_eq!(units, [of(150_100, 15), of(150_781, 2)]);
    // The second day agrees: 5 + 2 orders by stream, 7 by statement.
    let rows = counts_between(&mut tx, first_day()..first_day().plus(31)).await.unwrap();
    let row = delta(150_102, 0, 0);
    assert_eq!(
        basis_differences(&rows),
        [BasisDifference {
            platform: row.platform,
            line: row.line,
            day: first_day(),
            stream: 10,
            statement: 12,
        }]
    );
}
