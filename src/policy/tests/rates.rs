//! Rates: the hand table of all lawful values, the range by day, and a reader's oracle.

use proptest::prelude::*;

use super::super::bundle::Bundle;
use super::super::{Policy, PolicyError};
use super::{day, edited, folder, line, platform, policy};

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
