//! What the policy of the pilot says, by day.

mod rates;
mod refused;

use std::path::Path;

use super::bundle::Bundle;
use super::{Basis, CountyStanding, Policy, PolicyError, Side, Standing};
use crate::domain::event::DecisionFunction;
use crate::domain::ids::{AccountCode, BodyCode, CountyCode, ItemCode, LineCode, PlatformId};
use crate::domain::time::{Day, Month};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policy")
}

fn policy() -> Policy {
    Policy::load(&folder()).unwrap()
}

/// The pilot's policy with one text of one file replaced.
fn edited(file: &str, from: &str, to: &str) -> Result<Policy, PolicyError> {
    let bundle = Bundle::read(&folder()).unwrap();
    let text = bundle.text(file_name(file)).unwrap().text.clone();
    assert!(text.contains(from), "{file} has {from:?}");
    Policy::build(bundle.with(file_name(file), text.replacen(from, to, 1)))
}

fn file_name(file: &str) -> &'static str {
    ["sources.toml", "scheme.toml", "regions.csv", "platforms.toml", "rates.toml", "counting.toml"]
        .into_iter()
        .chain(["competence.toml", "accounts.toml"])
        .find(|name| name.split_once('.').unwrap().0 == file)
        .unwrap()
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn county(code: u32) -> CountyCode {
    CountyCode::new(code).unwrap()
}

fn platform(id: &str) -> PlatformId {
    PlatformId::new(id).unwrap()
}

fn line(code: &str) -> LineCode {
    LineCode::new(code).unwrap()
}

#[test]
fn the_policy_of_the_pilot_loads_and_survives_its_bytes() {
    let policy = policy();
    let again = Policy::from_bytes(&policy.to_bytes()).unwrap();
    assert_eq!(again.digest(), policy.digest());
    assert_eq!(policy.units().len(), 14);
    assert_eq!(policy.counties().len(), 108);
    assert_eq!(policy.platforms().len(), 11);
    assert_eq!(policy.in_force(Month::new(2026, 7).unwrap()).len(), 11);
    assert_eq!(policy.in_force(Month::new(2026, 6).unwrap()).len(), 0);
    assert_eq!(policy.scheme_start(), day("2026-07-01"));
    assert_eq!(policy.counting_rule(day("2026-06-30")), 1);
    let windows = policy.windows();
    assert_eq!(windows.seal_after_ms, 172_800_000);
    assert_eq!(windows.reassign_window_ms, 86_400_000);
    assert_eq!(windows.identity_horizon_days, 62);
}

#[test]
fn a_changed_policy_has_another_digest_and_cut_bytes_are_refused() {
    let bytes = policy().to_bytes();
    let other = edited("scheme", "seal_after_hours = 48", "seal_after_hours = 24").unwrap();
    assert_ne!(other.digest(), policy().digest());
    let cut = bytes.len() - 1;
    for damaged in [&bytes[..cut], &bytes[1..], &[bytes.as_slice(), b"x"].concat(), b""] {
        let refused = Policy::from_bytes(damaged);
        assert!(matches!(refused, Err(PolicyError::Bundle { .. })), "{refused:?}");
    }
    let missing = Policy::load(Path::new("no such folder"));
    assert!(matches!(missing, Err(PolicyError::Read { .. })));
}

#[test]
fn counties_and_units_follow_the_table_and_never_the_prefix() {
    let policy = policy();
    let on = day("2026-07-01");
    let unit = |code| match policy.county(county(code), on) {
        CountyStanding::InRegion(unit) => Some(unit.get()),
        CountyStanding::Unknown | CountyStanding::OutsideRegion => None,
    };
    assert_eq!(unit(150_102), Some(150_100));
    // 满洲里 lies under 1507 and 二连浩特 under 1525; both report on their own.
    assert_eq!((unit(150_781), unit(150_702)), (Some(150_781), Some(150_700)));
    assert_eq!((unit(152_501), unit(152_502)), (Some(152_501), Some(152_500)));
    assert_eq!(policy.county(county(150_999), on), CountyStanding::Unknown);
    assert_eq!(policy.county(county(110_101), on), CountyStanding::OutsideRegion);
    assert_eq!(policy.unit_of(county(110_101)), None);
    assert_eq!(policy.unit_of(county(150_781)).map(|unit| unit.get()), Some(150_781));
}

#[test]
fn a_county_that_moves_to_another_code_holds_by_day() {
    let row = "150102,新城区,150100,呼和浩特市,no,,";
    let split = "150102,新城区,150100,呼和浩特市,no,,2027-01-01\n\
                 150102,新城区,150200,包头市,no,2027-06-01,";
    let policy = edited("regions", row, split).unwrap();
    let standing = |text| policy.county(county(150_102), day(text));
    let unit = |code| CountyStanding::InRegion(crate::domain::ids::UnitCode::new(code).unwrap());
    assert_eq!(standing("2026-12-31"), unit(150_100));
    assert_eq!(standing("2027-01-01"), CountyStanding::Unknown);
    assert_eq!(standing("2027-06-01"), unit(150_200));
    assert_eq!(policy.unit_of(county(150_102)).map(|unit| unit.get()), Some(150_200));
}

#[test]
fn platforms_have_a_standing_a_basis_and_names_over_time() {
    let ended = "lines = [{ line = \"instant_delivery\", from = 2026-07-01, until = 2027-01-01 }]";
    let running = "lines = [{ line = \"instant_delivery\", from = 2026-07-01 }]";
    let policy = edited("platforms", running, ended).unwrap();
    let (first, delivery) = (platform("meituan"), line("instant_delivery"));
    let standing = |id: &str, code: &str, on| policy.standing(&platform(id), &line(code), day(on));
    assert_eq!(standing("meituan", "instant_delivery", "2026-06-30"), Standing::NotYet);
    assert_eq!(standing("meituan", "instant_delivery", "2026-07-01"), Standing::InForce);
    assert_eq!(standing("meituan", "instant_delivery", "2026-12-31"), Standing::InForce);
    assert_eq!(standing("meituan", "instant_delivery", "2027-01-01"), Standing::NoLonger);
    assert_eq!(standing("meituan", "ride_hailing", "2026-07-01"), Standing::UnknownPlatform);
    assert_eq!(standing("nobody", "ride_hailing", "2026-07-01"), Standing::UnknownPlatform);
    assert_eq!(policy.basis(&first, &delivery, day("2026-07-01")), Some(Basis::Stream));
    let (freight, vans) = (line("intra_city_freight"), platform("kuaigou-dache"));
    assert_eq!(policy.basis(&vans, &freight, day("2026-07-01")), Some(Basis::Statement));
    assert_eq!(policy.basis(&vans, &freight, day("2026-06-30")), None);
    let eleme = policy.platform(&platform("eleme")).unwrap();
    assert_eq!(
        (eleme.name(day("2025-12-04")), eleme.name(day("2025-12-05"))),
        ("饿了么", "淘宝闪购")
    );
}

#[test]
fn only_the_competent_body_decides() {
    let policy = policy();
    let (at, on) = (county(150_802), day("2026-08-01"));
    let competent =
        |function, body: &str| policy.is_competent(function, &BodyCode::new(body).unwrap(), at, on);
    for (function, body, expected) in [
        (DecisionFunction::Confirmation, "hr-150802", true),
        (DecisionFunction::Confirmation, "hr-150800", true),
        (DecisionFunction::Confirmation, "hr-150821", false),
        (DecisionFunction::Confirmation, "hr-150000", false),
        (DecisionFunction::Confirmation, "ssa-150802", false),
        (DecisionFunction::Confirmation, "hr-+50802", false),
        (DecisionFunction::Assessment, "lac-150800", true),
        (DecisionFunction::Assessment, "lac-150802", false),
        (DecisionFunction::Assessment, "lac-150000", false),
        (DecisionFunction::Reassessment, "lac-150000", true),
        (DecisionFunction::Reassessment, "lac-150800", false),
        (DecisionFunction::BenefitDetermination, "ssa-150802", true),
        (DecisionFunction::BenefitDetermination, "ssa-150800", true),
        (DecisionFunction::BenefitDetermination, "hr-150800", false),
    ] {
        assert_eq!(competent(function, body), expected, "{function:?} {body}");
    }
    let body = BodyCode::new("hr-150802").unwrap();
    let early = day("2026-06-30");
    assert!(!policy.is_competent(DecisionFunction::Confirmation, &body, at, early));
    let outside = BodyCode::new("hr-110101").unwrap();
    assert!(!policy.is_competent(DecisionFunction::Confirmation, &outside, county(110_101), on));
    let text = policy.competent_bodies(DecisionFunction::Confirmation, at, on);
    assert_eq!(text, "confirmation in 150802: hr-150802 or hr-150800");
}

#[test]
fn the_chart_has_every_account_that_postings_name() {
    let policy = policy();
    let account = |code: &str| policy.account(&AccountCode::new(code).unwrap());
    for code in [
        "treasury",
        "fiscal",
        "expenditure",
        "suspense_receipts",
        "suspense_payments",
        "income.levy",
        "income.late_fee",
        "income.interest",
        "memo.levy_receivable",
        "memo.levy_assessed",
        "memo.levy_paid",
        "memo.benefit_decided",
        "memo.benefit_payable",
        "memo.benefit_paid",
    ] {
        assert!(account(code).is_some(), "{code}");
    }
    for code in [
        "medical",
        "rehabilitation",
        "assistive_device",
        "disability_lump_sum",
        "disability_allowance",
        "nursing",
        "death_lump_sum",
        "funeral",
        "survivors_pension",
        "assessment_fee",
    ] {
        let item = policy.item(&ItemCode::new(code).unwrap()).unwrap();
        assert_eq!(item.account.as_str(), format!("expense.{code}"));
        assert_eq!(account(item.account.as_str()).unwrap().side, Side::Debit);
    }
    assert!(account("expense.bribes").is_none());
}
