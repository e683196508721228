//! Amounts and dates worked by hand, and the fixed offset held against the time-zone database.

use super::money::{Fen, MoneyError, Rate, UnroundedLi};
use super::time::{Day, Moment, Month};

fn levy(orders: i64, li: i64) -> String {
    let rate = Rate::from_li(li).expect("a lawful rate");
    rate.times(orders).round_half_up().expect("fits").to_string()
}

#[test]
fn levies_worked_by_hand_are_rounded_once_and_half_up() {
    // 1,234,567 × 0.070 = 86,419.690
    assert_eq!(levy(1_234_567, 70), "86419.69");
    // 333,333 × 0.105 = 34,999.965, half up
    assert_eq!(levy(333_333, 105), "34999.97");
    // 1,001 × 0.035 = 35.035, half up
    assert_eq!(levy(1_001, 35), "35.04");
    // 7,777,777 × 0.010 = 77,777.770
    assert_eq!(levy(7_777_777, 10), "77777.77");
}

#[test]
fn an_amount_and_its_reversal_cancel() {
    for li in [-15, -5, -4, 4, 5, 15] {
        let there = UnroundedLi::new(li).round_half_up().expect("fits");
        let back = UnroundedLi::new(-li).round_half_up().expect("fits");
        assert_eq!(there.plus(back), Ok(Fen::ZERO));
    }
}

#[test]
fn money_that_does_not_fit_is_refused() {
    let most = Fen::new(i64::MAX);
    assert!(matches!(most.plus(Fen::new(1)), Err(MoneyError::OutOfRange { .. })));
    assert!(matches!(Rate::from_li(-1), Err(MoneyError::NegativeRate { found: -1 })));
}

#[test]
fn yuan_are_read_exactly_or_not_at_all() {
    for (text, fen) in [("0", 0), ("12", 1200), ("12.3", 1230), ("-0.05", -5), ("1.00", 100)] {
        assert_eq!(Fen::parse_yuan(text), Ok(Fen::new(fen)), "{text}");
    }
    for text in ["", ".", "1.", ".5", "1.234", "1e3", "+1", "1,000.00", "--1", "1234567890123456"] {
        assert!(Fen::parse_yuan(text).is_err(), "{text}");
    }
}

#[test]
fn days_and_months_agree_with_the_time_zone_database() {
    let shanghai = jiff::tz::TimeZone::get("Asia/Shanghai").expect("bundled zones");
    let mut ms = Day::parse("1995-01-01").expect("a date").start().ms();
    let end = Day::parse("2040-01-01").expect("a date").start().ms();
    while ms < end {
        let ours = Moment::from_ms(ms);
        let theirs = jiff::Timestamp::from_millisecond(ms).expect("in range");
        let date = theirs.to_zoned(shanghai.clone()).date();
        assert_eq!(ours.day().to_string(), date.to_string());
        assert_eq!(ours.day().month().to_string(), date.strftime("%Y-%m").to_string());
        ms += 41_234_567;
    }
}

#[test]
fn impossible_dates_do_not_exist() {
    for text in ["2026-02-29", "2026-06-31", "2026-13-01", "2026-00-10", "2026-1-01", "x", ""] {
        assert_eq!(Day::parse(text), None, "{text}");
    }
    assert!(Day::parse("2028-02-29").is_some());
    assert_eq!(Month::parse("2026-07").map(|month| month.days().count()), Some(31));
}
