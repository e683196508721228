//! The books of a hub as text, taken straight from its database, so that two states can be held
//! against each other section by section.

use std::collections::BTreeMap;

use sqlx::SqlitePool;

/// A row as a JSON array, for each section; each query brings one column, in order.
const SECTIONS: [(&str, &str); 11] = [
    (
        "counts",
        "select json_array(platform, line, day, county, rule, basis, after_cut, sum(orders)) as r \
         from order_count group by platform, line, day, county, rule, basis, after_cut \
         having sum(orders) <> 0 order by r",
    ),
    (
        "statements",
        "select json_array(platform, line, day, max(revision)) as r from statement \
         group by platform, line, day order by r",
    ),
    (
        "entries",
        "select json_array(id, book, booked_on, cause_event, subject, links) as r from entry \
         order by r",
    ),
    (
        "postings",
        "select json_array(entry_id, line_no, account, amount_fen) as r from posting order by r",
    ),
    (
        "held identities",
        "select json_array(connector, hex(digest), reason) as r from held order by r",
    ),
    (
        "persons",
        "select json_array(platform, worker, person, from_day) as r from roster order by r",
    ),
    (
        "cases",
        "select json_array(case_id, state, platform, worker, person, accident_at, county, \
         order_id) as r from case_file order by r",
    ),
    (
        "case events",
        "select json_array(case_id, identity, hex(digest)) as r from case_event order by r",
    ),
    ("evidence", "select json_array(case_id, status, orders) as r from case_evidence order by r"),
    ("suspects", "select json_array(id, rule, subject, state) as r from suspect order by r"),
    (
        "levies",
        "select json_array(platform, line, month, rate_li, sum(orders), sum(amount_fen)) as r \
         from levy_line group by platform, line, month, rate_li order by r",
    ),
];

/// Outbox records with everything that a counterparty is sent.
const OUTBOX: &str = "select json_array(id, destination, key, seq, kind, revision, body) as r \
                      from outbox order by r";

/// The last revision of what each cause owes. A cause is told apart by destination, key and kind.
/// That a day has no orders is left out where nothing else was ever said of it: an order number
/// that comes again weeks later is recognised at once, or counted and taken back when that day
/// seals, as the earlier one lies in memory still or not.
const OUTBOX_LAST: &str = "select json_array(destination, key, kind, body) as r from outbox o \
     where revision = (select max(revision) from outbox l where l.destination = o.destination \
                       and l.key = o.key and l.kind = o.kind) \
       and not (kind = 'order_counts' and revision = 1 \
                and json_array_length(body, '$.counties') = 0) \
     order by r";

/// Sections by name, each with its rows.
pub(crate) type Books = BTreeMap<&'static str, Vec<String>>;

async fn rows(database: &SqlitePool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(database).await.unwrap()
}

async fn sections(database: &SqlitePool) -> Books {
    let mut books = Books::new();
    for (section, sql) in SECTIONS {
        books.insert(section, rows(database, sql).await);
    }
    books
}

/// The books with every outbox record.
pub(crate) async fn books(database: &SqlitePool) -> Books {
    let mut books = sections(database).await;
    books.insert("outbox", rows(database, OUTBOX).await);
    books
}

/// The books with the last revision of what each cause owes: how many came before it depends on
/// when days were sealed and late events run.
pub(crate) async fn books_with_last_revisions(database: &SqlitePool) -> Books {
    let mut books = sections(database).await;
    books.insert("outbox", rows(database, OUTBOX_LAST).await);
    books
}

/// Fails with the first rows of a section that only one side has.
#[track_caller]
pub(crate) fn assert_same(expected: &Books, found: &Books, when: &str) {
    for (section, expected) in expected {
        let found = &found[section];
        let only = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|row| other.binary_search(row).is_err()).take(5).cloned().collect()
        };
        let (gone, new) = (only(expected, found), only(found, expected));
        assert!(
            gone.is_empty() && new.is_empty() && expected.len() == found.len(),
            "{when}: {section}: {} rows became {}\n  gone: {gone:#?}\n  new: {new:#?}",
            expected.len(),
            found.len(),
        );
    }
}
