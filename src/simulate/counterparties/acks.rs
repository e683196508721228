//! The list of acknowledgements: append-only, so that a place in it stays what it was; late ones
//! are appended when readers come again.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::misbehaviour::{Dice, Misbehaviour};
use super::wire::Acknowledgement;

/// How long after the cause a counterparty acknowledges.
const ACK_DELAY_MS: i64 = 2_000;

/// The acknowledgements of one counterparty.
#[derive(Default)]
pub(super) struct AckList {
    given: Vec<String>,
    late: Vec<(u32, String)>,
}

impl AckList {
    /// Acknowledges a record that was taken or refused for good.
    pub(super) fn add(
        &mut self,
        acknowledgement: &Acknowledgement,
        misbehaviour: &Misbehaviour,
        dice: &mut Dice,
    ) {
        let Ok(line) = serde_json::to_string(acknowledgement) else { return };
        if dice.hits(misbehaviour.ack_late_percent) {
            self.late.push((3, line));
            return;
        }
        if dice.hits(misbehaviour.ack_twice_percent) {
            self.late.push((1, line.clone()));
        }
        self.given.push(line);
    }

    /// The lines after the first `after`, at most `limit`.
    pub(super) fn page(
        &mut self,
        after: u64,
        limit: u32,
        misbehaviour: &Misbehaviour,
        dice: &mut Dice,
    ) -> String {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        if after >= self.given.len() {
            self.append_late();
        } else {
            // What nobody has read yet may still change its order.
            for place in (after + 1..self.given.len()).rev() {
                if dice.hits(misbehaviour.ack_out_of_order_percent) {
                    self.given.swap(place - 1, place);
                }
            }
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let lines = self.given.iter().skip(after).take(limit);
        lines.fold(String::new(), |page, line| page + line + "\n")
    }

    fn append_late(&mut self) {
        let mut waiting = Vec::new();
        for (polls, line) in self.late.drain(..) {
            if polls <= 1 { self.given.push(line) } else { waiting.push((polls - 1, line)) }
        }
        self.late = waiting;
    }
}

/// When the counterparty acknowledges a record caused at that time; `None` where it is no time.
pub(super) fn acknowledged_at(caused_at: &str) -> Option<String> {
    let caused: Timestamp = caused_at.parse().ok()?;
    let at = Timestamp::from_millisecond(caused.as_millisecond() + ACK_DELAY_MS).ok()?;
    let zone = TimeZone::fixed(Offset::constant(8));
    Some(at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
}
