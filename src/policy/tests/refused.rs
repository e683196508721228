//! Rows that must not be loaded, and what the refusal says.

use super::edited;

fn check_refused(file: &str, from: &str, to: &str, expected: &str) {
    let refused = match edited(file, from, to) {
        Ok(_) => panic!("{file} with {to:?} was loaded"),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains(expected), "{file} with {to:?}: {refused}");
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
fn a_unit_code_that_no_unit_has_is_refused() {
    for (from, to, expected) in [
        (
            "150102,新城区,150100,呼和浩特市",
            "150102,新城区,150199,呼和浩特市",
            "policy regions.csv line 2, reporting_unit_code: expected the code of a league or \
             city or of a county in the table, found 150199",
        ),
        (
            "150103,回民区,150100,呼和浩特市",
            "150103,回民区,159900,某市",
            "line 3, reporting_unit_code: expected the code of a league",
        ),
        (
            "152923,额济纳旗,152900",
            "152923,额济纳旗,152201",
            "reporting_unit_code: expected 152900, the code of 阿拉善盟 in the rows before, found \
             152201",
        ),
    ] {
        check_refused("regions", from, to, expected);
    }
}
