//! The built-in numbers of schemas: each record its own, and a new one with each changed schema.

use std::collections::BTreeSet;
use std::path::Path;

use apache_avro::Schema;

use crate::schema::Record;

#[test]
fn a_schema_that_changed_since_its_release_has_the_next_number() {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/released");
    for record in Record::ALL {
        let folder = released.join(record.name());
        let versions = std::fs::read_dir(&folder).unwrap().count();
        let last = std::fs::read_to_string(folder.join(format!("v{versions}.avsc"))).unwrap();
        let last = Schema::parse_str(&last).unwrap();
        // The canonical form leaves texts of documentation out, which may change.
        let is_last = last.canonical_form() == record.schema().canonical_form();
        let expected = if is_last { versions } else { versions + 1 };
        let version = usize::try_from(record.schema_id() % 100).unwrap();
        assert_eq!(version, expected, "{}: raise Record::schema_id", record.name());
    }
}

#[test]
fn no_two_records_share_a_number() {
    let numbers: BTreeSet<u32> = Record::ALL.iter().map(|r| r.schema_id() / 100).collect();
    assert_eq!(numbers.len(), Record::ALL.len());
    assert!(!numbers.contains(&0));
}
