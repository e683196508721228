//! Insured persons (参保人数): distinct persons by platform and day, by reporting unit and month, and
//! by month over the region; a person who rides for several platforms is one.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::super::ServeError;
use crate::domain::ids::{PersonToken, PlatformId, UnitCode, WorkerToken};
use crate::domain::time::{Day, Month};
use crate::orders::index::{RiderOrders, add_riders};
use crate::policy::Policy;
use crate::store::positions::{self, PartitionKey};
use crate::store::segments::{self, SegmentKind};
use crate::store::{Tx, roster};

/// Who rode: a person of the roster, or a rider whom no roster names, who counts as a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Person {
    Enrolled(PersonToken),
    /// Place of the platform in the policy, and the rider.
    Unknown(usize, WorkerToken),
}

/// Distinct persons so far.
#[derive(Debug, Default)]
struct Persons {
    platform_days: u64,
    by_month: BTreeMap<Month, BTreeMap<UnitCode, HashSet<Person>>>,
}

/// Distinct persons of all sealed days.
pub(super) async fn persons(tx: &mut Tx, policy: &Policy) -> Result<Value, ServeError> {
    let mut links: HashMap<String, HashMap<WorkerToken, PersonToken>> = HashMap::new();
    for (platform, worker, person) in roster::links(tx).await? {
        links.entry(platform).or_default().insert(worker, person);
    }
    let nobody = HashMap::new();
    let mut persons = Persons::default();
    for (place, platform) in policy.platforms().iter().enumerate() {
        let roster = links.get(platform.id.as_str()).unwrap_or(&nobody);
        let person_of = |worker: WorkerToken| {
            roster.get(&worker).map_or(Person::Unknown(place, worker), |p| Person::Enrolled(*p))
        };
        for (day, riders) in riders_by_day(tx, &platform.id).await? {
            persons.add_day(day, &riders, person_of);
        }
    }
    Ok(persons.json())
}

/// Riders of each day, summed over partitions and segments: a late run takes back or adds.
async fn riders_by_day(
    tx: &mut Tx,
    platform: &PlatformId,
) -> Result<BTreeMap<Day, RiderOrders>, ServeError> {
    // A platform has one raw topic, named after it, whoever reports for it.
    let topic = format!("raw.{platform}");
    let mut days: BTreeMap<Day, RiderOrders> = BTreeMap::new();
    for (partition, _, _) in positions::progress(tx, &topic).await? {
        let key = PartitionKey { topic: topic.clone(), partition };
        for segment in segments::of_kind(tx, &key, SegmentKind::Workers, None).await? {
            let (topic, day) = (topic.clone(), segment.day);
            add_riders(&segment.bytes, days.entry(day).or_default())
                .map_err(|source| ServeError::Riders { topic, day, source })?;
        }
    }
    Ok(days)
}

impl Persons {
    fn add_day(
        &mut self,
        day: Day,
        riders: &RiderOrders,
        person_of: impl Fn(WorkerToken) -> Person,
    ) {
        let mut on_day = HashSet::new();
        let units = self.by_month.entry(day.month()).or_default();
        for ((unit, worker), _) in riders.iter().filter(|(_, orders)| **orders > 0) {
            let person = person_of(*worker);
            on_day.insert(person);
            units.entry(*unit).or_default().insert(person);
        }
        self.platform_days += u64::try_from(on_day.len()).unwrap_or(u64::MAX);
    }

    fn json(&self) -> Value {
        let mut by_unit: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let mut region = Map::new();
        for (month, units) in &self.by_month {
            for (unit, persons) in units {
                let months = by_unit.entry(unit.to_string()).or_default();
                months.insert(month.to_string(), json!(persons.len()));
            }
            let everybody: HashSet<&Person> = units.values().flatten().collect();
            if !everybody.is_empty() {
                region.insert(month.to_string(), json!(everybody.len()));
            }
        }
        json!({
            "platform_days": self.platform_days,
            "by_unit_month": by_unit,
            "region_month": region,
        })
    }
}
