#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use super::{Basis, CountyStanding, Policy, Standing};
use crate::domain::ids::{CountyCode, LineCode, PlatformId};
use crate::domain::time::Day;

fn policy() -> Policy {
    Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policy")).unwrap()
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

#[test]
fn the_policy_of_the_pilot_loads_and_survives_its_bytes() {
    let policy = policy();
    let again = Policy::from_bytes(&policy.to_bytes()).unwrap();
    assert_eq!(again.digest(), policy.digest());
    assert_eq!(policy.units().len(), 14);
    assert_eq!(policy.counties().len(), 108);
    assert_eq!(policy.platforms().len(), 11);
    let county = CountyCode::new(150_781).unwrap();
    let CountyStanding::InRegion(unit) = policy.county(county, day("2026-07-01")) else {
        panic!("in the table")
    };
    assert_eq!(unit.get(), 150_781);
    let (meituan, line) =
        (PlatformId::new("meituan").unwrap(), LineCode::new("instant_delivery").unwrap());
    assert_eq!(policy.standing(&meituan, &line, day("2026-06-30")), Standing::NotYet);
    assert_eq!(policy.standing(&meituan, &line, day("2026-07-01")), Standing::InForce);
    assert_eq!(policy.basis(&meituan, &line, day("2026-07-01")), Some(Basis::Stream));
    assert_eq!(policy.rate(&meituan, &line, day("2026-07-01")).unwrap().rate.li(), 70);
}
