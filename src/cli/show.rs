//! Values as text for a person.

use std::fmt::Write;

use crate::schema::Record;
use crate::schema::gate::Report;
use crate::store::held::Held;

/// The digest of a held message in hexadecimal.
pub(super) fn digest(held: &Held) -> String {
    held.digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        if write!(text, "{byte:02x}").is_err() {
            text.clear();
        }
        text
    })
}

/// One line: digest, reason, connector, feed, when, why.
pub(super) fn held_line(held: &Held) -> String {
    let digest = digest(held);
    let short = digest.get(..12).unwrap_or(&digest);
    format!(
        "{short}  {}  {}/{}  {}  {}",
        held.reason, held.connector, held.feed, held.received_at, held.detail
    )
}

/// Everything about a held message, with its bytes (what is no text is shown as escapes).
pub(super) fn held(held: &Held) -> String {
    let waits = held.waits_for.as_deref().unwrap_or("nothing");
    format!(
        "digest     {}\nreason     {}\nwhy        {}\nwaits for  {waits}\n\
         from       {} partition {} position {}\nfeed       {}/{}\nreceived   {}\n\
         bytes      {}",
        digest(held),
        held.reason,
        held.detail,
        held.topic,
        held.partition,
        held.offset,
        held.connector,
        held.feed,
        held.received_at,
        held.value.escape_ascii()
    )
}

/// What the compatibility gate found.
pub(super) fn compatibility(report: &Report) -> String {
    report.to_string()
}

/// Number, name and topic of each canonical record.
pub(super) fn schemas() -> String {
    let line = |record: &Record| {
        let topic = record.topic().unwrap_or("not published");
        format!("{}  {}  {topic}\n", record.schema_id(), record.name())
    };
    Record::ALL.iter().map(line).collect()
}
