//! One CSV record (RFC 4180) of known columns.
//!
//! A test holds it against the `csv` crate, whose reader is made for files: a buffer and an index
//! for each record would cost more than the record.

use std::borrow::Cow;

use super::cell::{Cell, put};
use crate::domain::hold::HoldReason;

/// Reads one record; `columns` names the slot of each column that is wanted.
pub(super) fn read<'a>(
    text: &'a str,
    columns: &[Option<usize>],
    slots: &mut [Cell<'a>],
) -> Result<(), HoldReason> {
    let mut rest = text.strip_suffix('\n').unwrap_or(text);
    rest = rest.strip_suffix('\r').unwrap_or(rest);
    let mut count = 0;
    loop {
        let (field, after) = field(rest, count + 1)?;
        if let Some(Some(slot)) = columns.get(count) {
            put(slots, *slot, Cell::Text(field));
        }
        count += 1;
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    if count < columns.len() {
        return Err(HoldReason::Truncated { at: format!("column {count} of {}", columns.len()) });
    }
    if count > columns.len() {
        let detail = format!("expected {} columns, found {count}", columns.len());
        return Err(HoldReason::Malformed { detail });
    }
    Ok(())
}

/// The first field, and what stands after its comma.
fn field(rest: &str, column: usize) -> Result<(Cow<'_, str>, Option<&str>), HoldReason> {
    let Some(mut quoted) = rest.strip_prefix('"') else {
        let (field, after) = match rest.split_once(',') {
            Some((field, after)) => (field, Some(after)),
            None => (rest, None),
        };
        if field.contains(['"', '\n', '\r']) {
            return Err(malformed(column, "no quote or line end outside quotes"));
        }
        return Ok((Cow::Borrowed(field), after));
    };
    let mut field = Cow::Borrowed("");
    loop {
        let Some((part, after)) = quoted.split_once('"') else {
            let at = format!("column {column}, inside quotes");
            return Err(HoldReason::Truncated { at });
        };
        field += part;
        if let Some(again) = after.strip_prefix('"') {
            field += "\"";
            quoted = again;
        } else if after.is_empty() {
            return Ok((field, None));
        } else if let Some(next) = after.strip_prefix(',') {
            return Ok((field, Some(next)));
        } else {
            return Err(malformed(column, "a comma after the closing quote"));
        }
    }
}

fn malformed(column: usize, expected: &str) -> HoldReason {
    HoldReason::Malformed { detail: format!("column {column}: expected {expected}") }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::super::cell::{Cell, empty_slots};
    use super::*;

    fn check(text: &str, columns: usize) -> String {
        let mut slots = empty_slots();
        let wanted: Vec<Option<usize>> = (0..columns).map(Some).collect();
        match read(text, &wanted, &mut slots) {
            Ok(()) => {
                let cells = slots[..columns].iter().map(|cell| {
                    let Cell::Text(text) = cell else { panic!("{cell:?}") };
                    text.to_string()
                });
                cells.collect::<Vec<_>>().join("|")
            }
            Err(reason) => format!("{}: {reason}", reason.code()),
        }
    }

    #[test]
    fn records_are_read_as_written() {
        assert_eq!(check("a,b,c", 3), "a|b|c");
        assert_eq!(check("a,,\r\n", 3), "a||");
        assert_eq!(check("\"a,1\",\"say \"\"hi\"\"\",\"x\ny\"", 3), "a,1|say \"hi\"|x\ny");
    }

    #[test]
    fn broken_records_say_how_they_are_broken() {
        for (text, expected) in [
            ("a,b", "message.truncated: expected a whole record, found its end at column 2 of 3"),
            (
                "a,b,\"c",
                "message.truncated: expected a whole record, found its end at column 3, inside quotes",
            ),
            ("a,b,c,d", "message.malformed: expected 3 columns, found 4"),
            (
                "a,b\"x,c",
                "message.malformed: column 2: expected no quote or line end outside quotes",
            ),
            (
                "a\nb,c,d",
                "message.malformed: column 1: expected no quote or line end outside quotes",
            ),
            ("\"a\"b,c,d", "message.malformed: column 1: expected a comma after the closing quote"),
        ] {
            assert_eq!(check(text, 3), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(fields in prop::collection::vec(".{0,8}", 2..6)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            writer.write_record(&fields).expect("written");
            let bytes = writer.into_inner().expect("flushed");
            let text = String::from_utf8(bytes).expect("utf-8");
            prop_assert_eq!(check(&text, fields.len()), fields.join("|"));
        }
    }
}
