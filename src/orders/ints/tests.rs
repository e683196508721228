//! Every form gives back what was written, and takes the bytes that it should.

use proptest::prelude::*;

use super::*;
use crate::orders::bits::Reader;

fn round_trip(values: &[i64], effort: Effort) {
    let mut out = Vec::new();
    put_ints(&mut out, values, effort);
    out.push(0xAB);
    let mut reader = Reader::new(&out);
    assert_eq!(take_ints(&mut reader, values.len()).as_deref(), Ok(values));
    assert_eq!(reader.byte(), Ok(0xAB), "the column ends where it should");
}

proptest! {
    #[test]
    fn any_column_comes_back(values: Vec<i64>) {
        round_trip(&values, Effort::Fast);
        round_trip(&values, Effort::Thorough);
        round_trip(&values, Effort::Smallest);
    }

    #[test]
    fn sparse_and_repeated_columns_come_back(
        values in proptest::collection::vec(
            prop_oneof![Just(ABSENT), 0i64..9, (1_000i64..9_000).prop_map(|s| s * 1000)], 0..600)
    ) {
        round_trip(&values, Effort::Fast);
        round_trip(&values, Effort::Thorough);
        round_trip(&values, Effort::Smallest);
    }

    #[test]
    fn ascending_columns_come_back(mut values in proptest::collection::vec(0i64..1 << 40, 0..300)) {
        values.sort_unstable();
        let mut out = Vec::new();
        put_ascending(&mut out, &values).unwrap();
        prop_assert_eq!(take_ints(&mut Reader::new(&out), values.len()), Ok(values));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_other_values_but_no_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), rows in 0usize..300
    ) {
        let outcome = take_ints(&mut Reader::new(&bytes), rows);
        prop_assert!(outcome.is_err() || outcome.is_ok_and(|values| values.len() == rows));
    }
}

#[test]
fn a_constant_column_costs_two_bytes_and_seconds_cost_ten_bits_less() {
    let mut out = Vec::new();
    put_ints(&mut out, &[0; 50_000], Effort::Fast);
    assert_eq!(out.len(), 2);
    let seconds: Vec<i64> = (0..8192).map(|n| 1_782_867_600_000 + n * 1000).collect();
    out.clear();
    put_ints(&mut out, &seconds, Effort::Fast);
    assert!(out.len() < 8192 * 13 / 8 + 24, "{} bytes", out.len());
}

/// Values and the most bytes that the smallest form may take for them.
#[test]
fn each_kind_of_column_finds_its_form() {
    let mut state = 7u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 11
    };
    // 1,000 riders with four orders each: 53 bits less 10 for their order, and a length.
    let mut riders: Vec<i64> = (0..1000).map(|_| next() as i64).collect();
    riders.sort_unstable();
    let riders: Vec<i64> = riders.into_iter().flat_map(|rider| [rider; 4]).collect();
    // Durations around 2^10 with one far outlier.
    let mut durations: Vec<i64> = (0..4000).map(|_| (next() % 2048) as i64).collect();
    durations[77] = 1 << 40;
    // Neighbours are mostly equal, but not in long runs.
    let counties: Vec<i64> = (0..4000).map(|n| n / 3 * 7919 % 101).collect();
    // Ended or not, between 10 and 58 minutes in milliseconds: 21.5 bits, and 0.2 that say so.
    let took: Vec<i64> = (0..4000)
        .map(|_| match next() % 100 {
            0..3 => ABSENT,
            _ => 600_000 + (next() % 2_900_000) as i64,
        })
        .collect();
    // A time of the day in milliseconds: 26.4 bits.
    let times: Vec<i64> = (0..4000).map(|_| (next() % 86_400_000) as i64).collect();
    for (what, values, bytes_max) in [
        ("took", took, 4000 * 97 / 100 * 215 / 80 + 4000 * 3 / 80 + 60),
        ("times", times, 4000 * 265 / 80 + 20),
        ("riders", riders, 1000 * 46 / 8 + 20),
        ("durations", durations, 4000 * 13 / 8 + 20),
        ("counties", counties, 4000 / 8 + 1334 * 7 / 8 + 150),
    ] {
        let mut out = Vec::new();
        put_ints(&mut out, &values, Effort::Smallest);
        assert!(out.len() <= bytes_max, "{what}: {} bytes of {bytes_max}", out.len());
        assert_eq!(take_ints(&mut Reader::new(&out), values.len()), Ok(values));
    }
}

#[test]
fn forms_within_forms_without_end_are_damage() {
    let nested = [&[REPEATS; 64][..], &[CONSTANT, 0]].concat();
    assert!(take_ints(&mut Reader::new(&nested), 1).is_err());
}
