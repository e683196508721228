//! An instance that is stopped for much longer than its lease, while messages stream in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::servers::signal;
use super::{PATIENCE, Trial};

/// Which of a topic's partitions.
type Place = (String, i64);
/// Who holds a partition, and the next record to apply.
type Position = (Option<String>, i64);
/// Topic, partition, owner, next record.
type Row = (String, i64, Option<String>, i64);

impl Trial {
    /// Stops an instance that holds partitions, prints how soon others commit on them, and lets it
    /// go on. It must hold none of them then, and what it does with them must change nothing.
    pub(super) async fn stand_still(&mut self, time: Duration) {
        let (pid, held) = self.one_that_holds().await;
        signal(&pid, "STOP");
        let stopped = Instant::now();
        let (mut first_commit, mut all_taken) = (None, None);
        while stopped.elapsed() < time {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = self.places().await;
            let is_ahead = |(place, from): (&Place, &i64)| now[place].1 > *from;
            if first_commit.is_none() && held.iter().any(is_ahead) {
                first_commit = Some(stopped.elapsed());
            }
            if all_taken.is_none() && held.keys().all(|place| !is_owned_by(&now[place].0, &pid)) {
                all_taken = Some(stopped.elapsed());
            }
        }
        let took = all_taken.expect("others take all partitions of one that stands still");
        let commit = first_commit.expect("others commit on partitions of one that stands still");
        signal(&pid, "CONT");
        self.done.still += 1;
        eprintln!(
            "an instance stood still for {time:?} with {} partitions: others committed on them \
             after {commit:?}, and had all of them after {took:?}",
            held.len()
        );
    }

    /// An instance that holds partitions, and how far they are.
    async fn one_that_holds(&self) -> (String, BTreeMap<Place, i64>) {
        let since = Instant::now();
        loop {
            for pid in self.instances.iter().filter_map(Instance::pid) {
                let held = self.places_of(&pid).await;
                if !held.is_empty() {
                    return (pid, held);
                }
            }
            assert!(since.elapsed() < PATIENCE, "no instance holds a partition");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Owner and position of each partition; the database may be away for a while.
    pub(super) async fn places(&self) -> BTreeMap<Place, Position> {
        let sql = "select topic, partition, owner, next_offset from position";
        let since = Instant::now();
        loop {
            match sqlx::query_as::<_, Row>(sql).fetch_all(&self.database).await {
                Ok(rows) => {
                    let row =
                        |(topic, partition, owner, next): Row| ((topic, partition), (owner, next));
                    return rows.into_iter().map(row).collect();
                }
                Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The partitions that an instance holds, and how far they are.
    async fn places_of(&self, pid: &str) -> BTreeMap<Place, i64> {
        let all = self.places().await.into_iter();
        all.filter(|(_, (owner, _))| is_owned_by(owner, pid))
            .map(|(place, (_, next))| (place, next))
            .collect()
    }
}

/// Instances sign with their number, and a random one.
fn is_owned_by(owner: &Option<String>, pid: &str) -> bool {
    owner.as_ref().is_some_and(|owner| owner.starts_with(&format!("pid:{pid}:")))
}
