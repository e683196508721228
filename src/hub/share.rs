//! Which partitions an instance beside others gives back and claims: a fair share for each that
//! lives, with as few moves as that takes. Pure; `process` does what it says.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::instances::Holding;
use crate::store::positions::PartitionKey;

/// After so many leases without a batch a partition may be taken though its owner lives: it may be
/// stuck. One that was only idle finds out, and loses nothing.
const LEASES_MAX: i64 = 20;

/// What to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Own partitions that others should have.
    pub(super) release: Vec<PartitionKey>,
    /// Free partitions to claim.
    pub(super) claim: Vec<PartitionKey>,
}

impl Plan {
    pub(super) const fn is_empty(&self) -> bool {
        self.release.is_empty() && self.claim.is_empty()
    }
}

/// Plans for the instance `own` among the living.
pub(super) fn plan(
    holdings: &[Holding],
    living: &BTreeSet<String>,
    own: &str,
    lease_ms: i64,
) -> Plan {
    let mut held: BTreeMap<&str, usize> = living.iter().map(|owner| (owner.as_str(), 0)).collect();
    held.insert(own, 0);
    let (mut mine, mut free) = (Vec::new(), Vec::new());
    for holding in holdings {
        let is_stuck = holding.over_ms.is_some_and(|over| over > LEASES_MAX * lease_ms);
        match holding.owner.as_deref() {
            Some(owner) if owner == own => mine.push(&holding.key),
            Some(owner) if held.contains_key(owner) && !is_stuck => {
                held.entry(owner).and_modify(|count| *count += 1);
            }
            // Nobody's, or one's that is gone: of that one the lease has to run out first.
            Some(_) if holding.over_ms.is_none() => {}
            Some(_) | None => free.push(holding),
        }
    }
    let (least, most) = (holdings.len() / held.len(), holdings.len().div_ceil(held.len()));
    let is_other_short = held.iter().any(|(owner, count)| *owner != own && *count < least);
    let share = if is_other_short { least } else { most };
    let rank = held.keys().position(|owner| *owner == own).unwrap_or(0);
    // Two that claim at once begin at different places.
    let begin = rank * free.len() / held.len();
    let (before, after) = free.split_at(begin);
    let room = share.saturating_sub(mine.len());
    let claim = after.iter().chain(before).take(room);
    // While something is free, the others need nothing from here.
    let kept = if free.is_empty() { share } else { most };
    Plan {
        release: spread(&mine, mine.len().saturating_sub(kept)),
        claim: claim.map(|free| free.key.clone()).collect(),
    }
}

/// As many partitions, from all over, so that of each topic about the same part goes.
fn spread(mine: &[&PartitionKey], count: usize) -> Vec<PartitionKey> {
    let place = |number: usize| mine.get(number * mine.len() / count.max(1));
    (0..count).filter_map(place).map(|key| (*key).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE_MS: i64 = 3_000;

    /// Partitions by owner, `-` for nobody's; a capital letter's lease has run out.
    fn holdings(owners: &str) -> Vec<Holding> {
        let holding = |(number, owner): (usize, char)| Holding {
            key: PartitionKey {
                topic: "raw.x".to_owned(),
                partition: u32::try_from(number).unwrap(),
            },
            partitions: 12,
            epoch: 1,
            owner: (owner != '-').then(|| owner.to_ascii_lowercase().to_string()),
            over_ms: owner.is_uppercase().then_some(1),
        };
        owners.chars().enumerate().map(holding).collect()
    }

    fn living(names: &str) -> BTreeSet<String> {
        names.chars().map(String::from).collect()
    }

    #[track_caller]
    fn check(owners: &str, names: &str, own: &str, release: &[u32], claim: &[u32]) {
        let plan = plan(&holdings(owners), &living(names), own, LEASE_MS);
        let released: Vec<u32> = plan.release.iter().map(|key| key.partition).collect();
        let claimed: Vec<u32> = plan.claim.iter().map(|key| key.partition).collect();
        assert_eq!((released.as_slice(), claimed.as_slice()), (release, claim), "{owners} {own}");
    }

    #[test]
    fn one_alone_takes_everything() {
        check("----", "a", "a", &[], &[0, 1, 2, 3]);
        check("aaaa", "a", "a", &[], &[]);
    }

    #[test]
    fn a_second_gets_every_other_partition() {
        check("aaaaaa", "ab", "a", &[0, 2, 4], &[]);
        check("-a-a-a", "ab", "b", &[], &[2, 4, 0]);
        check("-a-a-a", "ab", "a", &[], &[]);
    }

    #[test]
    fn whoever_is_gone_is_waited_for_until_its_lease_runs_out() {
        check("aabb", "a", "a", &[], &[]);
        check("aaBB", "a", "a", &[], &[2, 3]);
        // One that lives is idle.
        check("aaBB", "ab", "a", &[], &[]);
    }

    #[test]
    fn one_that_lives_but_does_not_work_loses_its_partitions_in_the_end() {
        let mut stuck = holdings("aBBB");
        for holding in &mut stuck {
            holding.over_ms = holding.over_ms.map(|_| LEASES_MAX * LEASE_MS + 1);
        }
        let plan = plan(&stuck, &living("ab"), "a", LEASE_MS);
        assert_eq!(plan.claim.len(), 1);
    }

    /// Instances that plan one after another come to rest with fair shares, whatever they began
    /// with.
    #[test]
    fn shares_come_to_rest() {
        for (partitions, names) in [(12, "abcde"), (7, "abc"), (3, "abcde"), (24, "ab")] {
            let mut now = holdings(&"a".repeat(partitions));
            let (names, mut moves) = (living(names), 0);
            for _ in 0..partitions * names.len() {
                for own in &names {
                    let plan = plan(&now, &names, own, LEASE_MS);
                    moves += plan.claim.len();
                    for holding in &mut now {
                        if plan.release.contains(&holding.key) {
                            holding.owner = None;
                        } else if plan.claim.contains(&holding.key) {
                            holding.owner = Some(own.clone());
                        }
                    }
                }
            }
            for own in &names {
                assert!(plan(&now, &names, own, LEASE_MS).is_empty(), "{own} of {partitions}");
                let count = now.iter().filter(|one| one.owner.as_ref() == Some(own)).count();
                let least = partitions / names.len();
                assert!(
                    (least..=partitions.div_ceil(names.len())).contains(&count),
                    "{own} {count}"
                );
            }
            assert!(moves <= partitions + names.len(), "{moves} moves of {partitions}");
        }
    }
}
