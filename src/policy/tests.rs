#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use proptest::prelude::*;

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

fn check_refused(file: &str, from: &str, to: &str, expected: &str) {
    let refused = match edited(file, from, to) {
        Ok(_) => panic!("{file} with {to:?} was loaded"),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains(expected), "{file} with {to:?}: {refused}");
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
    assert_eq!(windows.early_wait_ms, 172_800_000);
    assert_eq!(windows.reassign_window_ms, 86_400_000);
    assert_eq!((windows.identity_horizon_days, windows.time_future_ms), (62, 300_000));
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

/// The hand-made table of every lawful rate (内蒙古九部门通知 2026-02-26, clause 三): steps −5 to +5.
const LAWFUL: [(&str, &str, &str, [i64; 11]); 4] = [
    ("caocao-chuxing", "ride_hailing", "single", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    ("meituan", "instant_delivery", "low", [35, 42, 49, 56, 63, 70, 77, 84, 91, 98, 105]),
    (
        "meituan",
        "instant_delivery",
        "high",
        [125, 150, 175, 200, 225, 250, 275, 300, 325, 350, 375],
    ),
    (
        "huolala",
        "intra_city_freight",
        "single",
        [90, 108, 126, 144, 162, 180, 198, 216, 234, 252, 270],
    ),
];

fn rate_row(id: &str, code: &str, tier: &str, step: i32, from: &str) -> String {
    format!(
        "[[rate]]\nplatform = \"{id}\"\nline = \"{code}\"\ntier = \"{tier}\"\nstep = {step}\n\
         from = {from}\nlegal = {{ source = \"house\", clause = \"test\", sure = \"house\" }}\n"
    )
}

/// The pilot's policy with other rate rows for one platform.
fn with_rates(id: &str, code: &str, rows: &str) -> Result<Policy, PolicyError> {
    let text = Bundle::read(&folder()).unwrap().text("rates.toml").unwrap().text.clone();
    let own = format!("[[rate]]\nplatform = \"{id}\"\nline = \"{code}\"");
    let start = text.find(&own).unwrap();
    let end = text[start + 1..].find("[[rate]]").map_or(text.len(), |at| start + 1 + at);
    edited("rates", &text[start..end], rows)
}

#[test]
fn every_lawful_rate_is_what_the_hand_table_says() {
    let mut checked = 0;
    for (id, code, tier, table) in LAWFUL {
        for (step, expected) in (-5..=5).zip(table) {
            let row = rate_row(id, code, tier, step, "2026-07-01");
            let policy = with_rates(id, code, &row).unwrap();
            let rate = policy.rate(&platform(id), &line(code), day("2026-07-01")).unwrap();
            assert_eq!(rate.rate.li(), expected, "{id} {tier} {step}");
            assert_eq!((rate.base_legal.clause.as_str(), rate.step), ("三", step));
            checked += 1;
        }
    }
    assert_eq!(checked, 44);
}

#[test]
fn the_pilot_starts_at_step_0_with_the_low_tier() {
    let policy = policy();
    for (id, code, li) in [
        ("didi-chuxing", "ride_hailing", 10),
        ("shansong", "instant_delivery", 70),
        ("manbang-shengsheng", "intra_city_freight", 180),
    ] {
        let rate = |on| policy.rate(&platform(id), &line(code), day(on)).map(|row| row.rate.li());
        assert_eq!((rate("2026-06-30"), rate("2026-07-01")), (None, Some(li)), "{id}");
    }
}

#[test]
fn a_step_is_judged_by_the_range_in_force_on_its_day() {
    // From 2028 the range is narrower: the row of 2027 must not run on into it.
    let range = "step_min = -5\nstep_max = 5\nfrom = 2026-07-01";
    let narrower = "step_min = -5\nstep_max = 5\nfrom = 2026-07-01\nlegal = { source = \"house\", \
                    clause = \"test\", sure = \"house\" }\n[[floating]]\nstep_percent = 10\n\
                    step_min = -2\nstep_max = 2\nfrom = 2028-01-01";
    assert!(edited("rates", range, narrower).is_ok());
    let text = Bundle::read(&folder()).unwrap().text("rates.toml").unwrap().text.clone();
    let steep = text.replacen(range, narrower, 1).replacen("step = 0", "step = 3", 1);
    let refused = edited("rates", &text, &steep).unwrap_err().to_string();
    assert!(
        refused.contains("step: expected -2 to 2, in force on 2028-01-01, found 3"),
        "{refused}"
    );
}

#[test]
fn a_step_that_gives_a_part_of_a_li_is_refused() {
    // 71 × 110 % = 78.1 厘.
    let text = Bundle::read(&folder()).unwrap().text("rates.toml").unwrap().text.clone();
    let odd = text.replacen("base_li = 70", "base_li = 71", 1).replace("step = 0", "step = 1");
    let refused = edited("rates", &text, &odd).unwrap_err().to_string();
    assert!(refused.contains("step: expected a step that gives whole 厘, found 1"), "{refused}");
}

#[test]
fn rows_that_break_a_rule_are_refused_with_file_line_and_field() {
    let ride = "tier = \"single\"\nstep = 0\nfrom = 2026-07-01";
    for (file, from, to, expected) in [
        ("rates", "step = 0", "step = 6", "policy rates.toml line 45, step: expected -5 to 5"),
        ("rates", "step = 0", "step = -6", "step: expected -5 to 5, in force on 2026-07-01"),
        ("rates", "tier = \"low\"\nstep", "tier = \"middle\"\nstep", "found middle"),
        ("rates", ride, "tier = \"single\"\nstep = 0\nfrom = 2026-08-01", "on 2026-07-01"),
        (
            "rates",
            ride,
            "tier = \"single\"\nstep = 0\nfrom = 2026-07-01\nuntil = 2027-01-01",
            "rate: expected a rate of caocao-chuxing ride_hailing on 2027-01-01, found none",
        ),
        (
            "rates",
            ride,
            "tier = \"single\"\nstep = 0\nfrom = 2026-07-01\nuntil = 2026-07-01",
            "until: expected a day after 2026-07-01, found 2026-07-01",
        ),
        ("rates", "platform = \"didi-chuxing\"", "platform = \"caocao-chuxing\"", "a second row"),
        ("rates", "platform = \"didi-chuxing\"", "platform = \"t3\"", "found t3"),
        (
            "rates",
            "line = \"ride_hailing\"\ntier = \"single\"\nstep",
            "line = \"instant_delivery\"\ntier = \"single\"\nstep",
            "a line that caocao-chuxing",
        ),
        ("rates", "base_li = 70", "base_yuan = 0.07", "line 14: unknown field `base_yuan`"),
        ("rates", "base_li = 70", "base_li = 0.07", "line 14: invalid type: floating point"),
        ("rates", "step_max = 5", "step_max = -6", "step_min: expected at most step_max -6"),
        ("rates", "source = \"nm-notice-2026\"", "source = \"rumour\"", "found rumour"),
        ("platforms", "line = \"ride_hailing\"", "line = \"ride_hail\"", "line 25, line: expected"),
        ("platforms", "id = \"didi-chuxing\"", "id = \"caocao-chuxing\"", "each platform once"),
        ("platforms", "code = \"instant_delivery\"", "code = \"ride_hailing\"", "each line once"),
        ("platforms", "from = 2026-07-01 }]", "from = 2026-06-30 }]", "from 2026-07-01 on"),
        ("platforms", "from = 2026-07-01 }]", "from = 2026-02-30 }]", "line 25"),
        ("counting", "basis = \"STREAM\"", "basis = \"BOTH\"", "unknown variant `BOTH`"),
        (
            "counting",
            "cancelled_after_acceptance = \"counted\"",
            "cancelled_after_acceptance = \"not_counted\"",
            "unknown variant `not_counted`",
        ),
        ("counting", "from = 2026-07-01", "from = 2026-08-01", "counting rule on 2026-07-01"),
        (
            "counting",
            "platform = \"meituan\"\nline = \"instant_delivery\"\nbasis = \"STREAM\"\n\
                      from = 2026-07-01",
            "platform = \"meituan\"\nline = \"instant_delivery\"\nbasis = \"STREAM\"\n\
             from = 2026-07-02",
            "a basis of meituan instant_delivery on 2026-07-01",
        ),
        (
            "regions",
            "150103,回民区,150100,呼和浩特市",
            "150102,回民区,150100,呼和浩特市",
            "line 3, from",
        ),
        (
            "regions",
            "150103,回民区,150100,呼和浩特市",
            "150103,回民区,150100,包头市",
            "line 3, reporting_unit",
        ),
        (
            "regions",
            "150103,回民区",
            "110103,回民区",
            "line 3, code: expected a code of province 15",
        ),
        ("regions", "150103,回民区", "15010x,回民区", "regions.csv line 3"),
        ("competence", "\"lac-<unit>\"", "\"lac-<town>\"", "bodies: expected a body"),
        ("competence", "from = 2026-07-01", "from = 2026-07-02", "bodies for confirmation on"),
        ("accounts", "code = \"fiscal\"", "code = \"treasury\"", "each account once"),
        ("accounts", "code = \"late_fee\"", "code = \"levy\"", "each account once"),
        ("accounts", "kind = \"cash\"", "kind = \"accrual\"", "unknown variant `accrual`"),
        ("scheme", "identity_horizon_days = 62", "identity_horizon_days = 0", "1 day or more"),
        ("sources", "key = \"house\"", "key = \"mof-28-2017\"", "each source once"),
    ] {
        check_refused(file, from, to, expected);
    }
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever tier and step the agency sets from whatever days, each day in force has exactly one
    /// rate, and it is the one that a person finds who reads the rows from the last to the first.
    #[test]
    fn each_day_in_force_has_exactly_one_rate(
        rows in proptest::collection::btree_map(1_i32..1_000, (any::<bool>(), -5_i32..=5), 0..6),
    ) {
        let start = day("2026-07-01");
        let mut chosen = vec![(0, false, 0)];
        chosen.extend(rows.into_iter().map(|(after, (high, step))| (after, high, step)));
        let tier = |high| if high { "high" } else { "low" };
        let row = |(after, high, step): &(i32, bool, i32)| {
            let from = start.plus(*after).to_string();
            rate_row("meituan", "instant_delivery", tier(*high), *step, &from)
        };
        let texts: Vec<String> = chosen.iter().map(row).collect();
        let policy = with_rates("meituan", "instant_delivery", &texts.concat()).unwrap();
        let (id, code) = (platform("meituan"), line("instant_delivery"));
        prop_assert!(policy.rate(&id, &code, start.plus(-1)).is_none());
        for after in 0..1_100 {
            let on = start.plus(after);
            let (_, high, step) = chosen.iter().rev().find(|row| row.0 <= after).unwrap();
            let expected = if *high { 25 } else { 7 } * (10 + i64::from(*step));
            let found = policy.rate(&id, &code, on).unwrap();
            prop_assert_eq!(found.rate.li(), expected);
            prop_assert!(found.from <= on && found.until.is_none_or(|until| on < until));
        }
    }
}
