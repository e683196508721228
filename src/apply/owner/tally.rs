//! What became of a batch, in terms of the promise and position by position. Messages are counted;
//! positions of the log are not, since some may hold no record.

use crate::log::BatchRecord;
use crate::orders::effects::Fate;
use crate::store::outcomes::{Tallies, Tally};

use super::batch::Work;

/// The promise's terms by feed and day of append time. A handoff was received before, by the
/// partition that read it.
pub(super) fn tallies(work: &Work, fates: &[Fate]) -> Tallies {
    let mut tallies = Tallies::new();
    let mut pairs = work.origins.iter().zip(fates).peekable();
    while let Some((origin, fate)) = pairs.next() {
        let key = (origin.0.clone(), origin.1.day());
        let mut tally = Tally::default();
        let mut messages = 1;
        tally_fate(&mut tally, *fate, 1);
        while let Some((_, fate)) =
            pairs.next_if(|(other, _)| other.0 == key.0 && other.1.day() == key.1)
        {
            messages += 1;
            tally_fate(&mut tally, *fate, 1);
        }
        if work.handoff.is_some() {
            tally.handoff -= messages;
        } else {
            tally.received += messages;
        }
        tallies.entry(key).or_default().add(&tally);
    }
    tallies
}

pub(super) const fn tally_fate(tally: &mut Tally, fate: Fate, change: i64) {
    match fate {
        Fate::Applied => tally.applied += change,
        Fate::Duplicate => tally.duplicate += change,
        Fate::Held => tally.held += change,
        Fate::Ignored => tally.ignored += change,
        Fate::Handoff => tally.handoff += change,
        Fate::NoRecord => {}
    }
}

/// Positions that hold no record, before each record that follows such a gap.
pub(super) fn gaps_in(records: &[BatchRecord], from: u64) -> Vec<(usize, usize)> {
    let mut expected = from;
    let mut gaps = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let missing = record.offset.saturating_sub(expected);
        if missing > 0 {
            gaps.push((index, usize::try_from(missing).unwrap_or(usize::MAX)));
        }
        expected = record.offset + 1;
    }
    gaps
}

/// What became of each position of a batch, out of what became of each message.
pub(super) fn by_position(fates: Vec<Fate>, gaps: &[(usize, usize)]) -> Vec<Fate> {
    if gaps.is_empty() {
        return fates;
    }
    let mut gaps = gaps.iter().copied().peekable();
    let mut all = Vec::with_capacity(fates.len());
    for (index, fate) in fates.into_iter().enumerate() {
        if let Some((_, missing)) = gaps.next_if(|(before, _)| *before == index) {
            all.resize(all.len() + missing, Fate::NoRecord);
        }
        all.push(fate);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Fate, by_position, gaps_in};
    use crate::domain::time::Moment;
    use crate::log::BatchRecord;

    #[test]
    fn positions_without_a_record_have_a_fate_of_their_own() {
        let at = |offset| BatchRecord {
            offset,
            received_at: Moment::from_ms(0),
            header: 0,
            range: 0..0,
        };
        let records = [at(7), at(8), at(11), at(12)];
        let fates = vec![Fate::Applied, Fate::Held, Fate::Duplicate, Fate::Applied];
        let gaps = gaps_in(&records, 5);
        assert_eq!(gaps, [(0, 2), (2, 2)]);
        let none = Fate::NoRecord;
        assert_eq!(
            by_position(fates.clone(), &gaps),
            [none, none, Fate::Applied, Fate::Held, none, none, Fate::Duplicate, Fate::Applied]
        );
        assert_eq!(gaps_in(&records[..2], 7), []);
        assert_eq!(by_position(fates.clone(), &[]), fates);
    }
}
