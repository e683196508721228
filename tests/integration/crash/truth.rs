//! What the books say against what was meant.

use std::fmt;

use serde_json::Value;

/// What a crash could do to the books.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Orders that were sent and are not counted.
    lost: i64,
    /// Orders that are counted more often than they were sent.
    doubled: i64,
    /// Levies and balances, each difference for itself.
    difference_fen: i64,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, difference_fen } = self;
        write!(f, "lost {lost}, doubled {doubled}, difference {difference_fen} fen")
    }
}

impl Losses {
    /// Compares the counts cell by cell, and the amounts one by one.
    pub(crate) fn of(expected: &Value, found: &Value) -> Self {
        let mut losses = Self::default();
        each_number(&expected["counts"], &found["counts"], &mut |expected, found| {
            losses.lost += (expected - found).max(0);
            losses.doubled += (found - expected).max(0);
        });
        for section in ["levies", "balances"] {
            each_number(&expected[section], &found[section], &mut |expected, found| {
                losses.difference_fen += (expected - found).abs();
            });
        }
        losses
    }
}

/// Visits every number of two documents of one shape; an absent one is 0.
fn each_number(expected: &Value, found: &Value, see: &mut impl FnMut(i64, i64)) {
    let names = [expected, found].into_iter().filter_map(Value::as_object);
    let names: std::collections::BTreeSet<&String> = names.flat_map(|map| map.keys()).collect();
    if names.is_empty() {
        see(expected.as_i64().unwrap_or(0), found.as_i64().unwrap_or(0));
    }
    for name in names {
        each_number(&expected[name.as_str()], &found[name.as_str()], see);
    }
}

/// The truth with the records that a killed feeder sent again: they may be duplicates or ignored,
/// whole, and nothing else.
#[track_caller]
pub(crate) fn with_repeats(expected: &Value, found: &Value) -> Value {
    let by = "messages_by_connector";
    let mut truth = expected.clone();
    for (connector, meant) in expected[by].as_object().unwrap() {
        let became = &found[by][connector];
        let more = |end: &str| became[end].as_i64().unwrap() - meant[end].as_i64().unwrap();
        let (again, duplicate, ignored) = (more("received"), more("duplicate"), more("ignored"));
        assert!(duplicate >= 0 && ignored >= 0, "{connector}: {meant} became {became}");
        assert_eq!(again, duplicate + ignored, "{connector}: {meant} became {became}");
        for (end, more) in [("received", again), ("duplicate", duplicate), ("ignored", ignored)] {
            add(&mut truth[by][connector.as_str()][end], more);
            add(&mut truth["messages"][end], more);
        }
    }
    truth
}

fn add(number: &mut Value, more: i64) {
    *number = (number.as_i64().unwrap() + more).into();
}
