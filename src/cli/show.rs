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

/// The least and the greatest digest that begin so in hexadecimal.
pub(super) fn digests_of(beginning: &str) -> Option<([u8; 32], [u8; 32])> {
    let (mut first, mut last) = ([0u8; 32], [0xff; 32]);
    if beginning.is_empty() || beginning.len() > 64 {
        return None;
    }
    for (place, digit) in beginning.chars().enumerate() {
        let nibble = u8::try_from(digit.to_digit(16)?).ok()?;
        let shift = if place % 2 == 0 { 4 } else { 0 };
        for end in [&mut first, &mut last] {
            let byte = end.get_mut(place / 2)?;
            *byte = (*byte & !(0xf << shift)) | (nibble << shift);
        }
    }
    Some((first, last))
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

#[cfg(test)]
mod tests {
    use super::digests_of;

    #[test]
    fn a_beginning_gives_the_digests_between_which_it_lies() {
        let (first, last) = digests_of("A1b").unwrap();
        assert_eq!(
            (first[..3].to_vec(), last[..3].to_vec()),
            (vec![0xa1, 0xb0, 0], vec![0xa1, 0xbf, 0xff])
        );
        let whole = "07".repeat(32);
        assert_eq!(digests_of(&whole), Some(([7; 32], [7; 32])));
        for wrong in ["", "x1", &"0".repeat(65)] {
            assert_eq!(digests_of(wrong), None, "{wrong}");
        }
    }
}
