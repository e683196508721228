//! What a generated run publishes, read as a consumer reads it: the schema by its number, the
//! datum by the Avro library. The oracle is the generator's naive hub, which reads the files by
//! itself and shares no code with the hub.

mod consumer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use self::consumer::{Consumed, Seen, consume, orders};
use crate::apply::engine::ApplySettings;
use crate::domain::time::Day;
use crate::forward::canonical::{CanonicalError, Limits, Place};
use crate::hub::{Arrived, Hub, HubError, HubSettings, arrivals};
use crate::schema::topics::{ORDERS, OTHERS};
use crate::simulate::generate::naive::applied;
use crate::simulate::generate::{GenerateOptions, Profile, generate};
use crate::store::StoreError;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder of one test with a generated run; it goes when the test has passed.
struct Folder(PathBuf);

impl Folder {
    fn generated(orders: u64, seed: u64) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-publish-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        let options = GenerateOptions {
            orders,
            from: Day::parse("2026-07-01").unwrap(),
            days: 2,
            seed,
            cases: GenerateOptions::usual_cases(orders),
            profile: Profile::Demo,
        };
        generate(&options, &folder.files(), &mut |_| {}).unwrap();
        folder
    }

    fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    fn arrivals(&self) -> Vec<Arrived> {
        arrivals(&self.files()).unwrap()
    }

    async fn hub(&self, name: &str, apply: ApplySettings, canonical: Limits) -> Hub {
        let settings = HubSettings { apply, canonical, ..HubSettings::of_tests(self.0.join(name)) };
        Hub::open(&settings).await.unwrap()
    }

    /// A hub of the usual limits.
    async fn usual(&self, name: &str) -> Hub {
        self.hub(name, ApplySettings::default(), Limits::default()).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

async fn take_in(hub: &Hub, files: &[Arrived], again: bool) {
    for file in files {
        hub.intake().ingest(file, again, &mut |_| {}).await.unwrap();
    }
}

async fn process(hub: &mut Hub) {
    hub.process_until_idle(&Arc::new(AtomicU64::new(0))).await.unwrap();
}

async fn seal(hub: &mut Hub) {
    hub.seal_until(Day::parse("2026-07-31").unwrap()).await.unwrap();
    process(hub).await;
}

/// The published events without orders that were withdrawn.
fn not_withdrawn(seen: &[Seen]) -> Vec<&Seen> {
    // An order is withdrawn with the day that stands in its ids.
    let order = |seen: &Seen| (seen.platform.clone(), seen.order_id.clone(), seen.day().to_owned());
    let gone: BTreeSet<_> =
        seen.iter().filter(|seen| seen.kind == "withdrawn").map(order).collect();
    seen.iter().filter(|seen| !gone.contains(&order(seen))).collect()
}

/// What stands of the published orders, each id once.
fn standing(seen: &[Seen]) -> BTreeMap<(String, String, String), usize> {
    let ids: BTreeMap<&str, &Seen> =
        not_withdrawn(seen).into_iter().map(|seen| (seen.id.as_str(), seen)).collect();
    let mut standing = BTreeMap::new();
    for seen in ids.values() {
        let key = (seen.platform.clone(), seen.order_id.clone(), seen.kind.clone());
        *standing.entry(key).or_default() += 1;
    }
    standing
}

#[track_caller]
fn assert_oracle(seen: &[Seen], folder: &Folder) {
    let expected = applied(&folder.files()).orders;
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|((platform, order, kind), riders)| ((platform, order, kind.to_owned()), riders))
        .collect();
    let found = standing(seen);
    let missing: Vec<_> =
        expected.iter().filter(|(key, n)| found.get(*key) != Some(*n)).take(5).collect();
    let extra: Vec<_> =
        found.iter().filter(|(key, n)| expected.get(*key) != Some(*n)).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}\nextra {extra:?}");
    assert!(expected.len() > 1000, "{} kinds of orders: too few to tell", expected.len());
}

/// The last content under each id, without where and when the message came.
fn contents(seen: &[Seen]) -> BTreeMap<String, String> {
    seen.iter().map(|seen| (seen.id.clone(), seen.content.clone())).collect()
}

/// How often each id came that stands.
fn repeats(seen: &[Seen]) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for seen in not_withdrawn(seen) {
        *times.entry(seen.id.as_str()).or_default() += 1;
    }
    times
}

fn ids(seen: &[Seen]) -> BTreeSet<String> {
    seen.iter().map(|seen| seen.id.clone()).collect()
}

#[tokio::test]
async fn every_applied_event_is_published_and_nothing_else_whenever_publishing_begins() {
    let folder = Folder::generated(4000, 21);
    let files = folder.arrivals();

    // Published while the days are open and again when they are sealed.
    let mut early = folder.usual("early").await;
    take_in(&early, &files, false).await;
    process(&mut early).await;
    early.publish_until_idle().await.unwrap();
    let open = orders(&early).await;
    seal(&mut early).await;
    early.publish_until_idle().await.unwrap();
    let seen = orders(&early).await;
    assert!(open.len() > 1000 && open.len() < seen.len(), "{} of {}", open.len(), seen.len());
    assert_oracle(&seen, &folder);

    // Published for the first time when every day is sealed.
    copy_keys(&folder, "late");
    let mut late = folder.usual("late").await;
    take_in(&late, &files, false).await;
    process(&mut late).await;
    seal(&mut late).await;
    assert_eq!(rows(&late, "kind in ('base', 'delta')").await.1, 0, "an open day is left");
    assert!(rows(&late, "kind = 'unpublished'").await.0 > 0);
    late.publish_until_idle().await.unwrap();
    assert_eq!(rows(&late, "kind = 'unpublished'").await.0, 0, "published segments stay");
    let seen_late = orders(&late).await;
    assert_oracle(&seen_late, &folder);
    assert_eq!(contents(&seen), contents(&seen_late));

    // Nothing waits any more, and the same day again publishes no new id.
    assert!(early.publish_until_idle().await.unwrap().is_empty());
    let before: Vec<_> = everything(&early).await;
    take_in(&early, &files, true).await;
    process(&mut early).await;
    seal(&mut early).await;
    early.publish_until_idle().await.unwrap();
    for ((topic, before), (_, again)) in before.into_iter().zip(everything(&early).await) {
        assert!(topic == ORDERS || before == again, "{topic}: {} ids", again.len());
    }
    // A number that came for two days was held while its first day was open. Now that day is
    // sealed, and the other one is found out when it is sealed too: published and withdrawn.
    assert_eq!(standing(&seen), standing(&orders(&early).await));
    early.close().await.unwrap();
    late.close().await.unwrap();
}

/// Where batches bring only what is known, the next sweep need not look at their partitions again.
#[tokio::test]
async fn batches_with_nothing_to_publish_do_not_wait_for_ever() {
    let folder = Folder::generated(500, 26);
    let files = folder.arrivals();
    let mut hub = folder.usual("hub").await;
    for again in [false, true] {
        take_in(&hub, &files, again).await;
        process(&mut hub).await;
        assert!(!waiting_orders(&hub).await.is_empty());
        assert_eq!(hub.publish_until_idle().await.unwrap().is_empty(), again);
        assert_eq!(waiting_orders(&hub).await, []);
    }
    hub.close().await.unwrap();
}

/// Partitions that a sweep would look at.
async fn waiting_orders(hub: &Hub) -> Vec<Place> {
    let mut places = hub.publisher().places().await.unwrap();
    places.retain(|place| matches!(place, Place::Orders(_)));
    places
}

/// The keys make tokens, and tokens stand in ids: two hubs agree where they have the same.
fn copy_keys(folder: &Folder, to: &str) {
    std::fs::create_dir_all(folder.0.join(to)).unwrap();
    std::fs::copy(folder.0.join("early/keys"), folder.0.join(to).join("keys")).unwrap();
}

async fn everything(hub: &Hub) -> Vec<(&'static str, BTreeSet<String>)> {
    let mut all = Vec::new();
    for topic in [ORDERS].into_iter().chain(OTHERS) {
        let ids: BTreeSet<_> = consume(hub, topic).await.into_iter().map(|c| c.id).collect();
        all.push((topic, ids));
    }
    all
}

/// Number of segments, and of those whose day is not sealed.
async fn rows(hub: &Hub, kinds: &str) -> (i64, i64) {
    let mut tx = hub.database().snapshot().await.unwrap();
    let sql = format!(
        "select count(*), count(case when d.state <> 'sealed' then 1 end) from segment s \
         left join order_day d on d.topic = s.topic and d.partition = s.partition \
           and d.day = s.day where {kinds}"
    );
    let query = sqlx::query_as::<_, (i64, i64)>(sqlx::AssertSqlSafe(sql));
    query.fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn a_crash_between_append_and_cursor_repeats_the_same_ids_only() {
    let folder = Folder::generated(2000, 22);
    let mut hub = folder.usual("early").await;
    take_in(&hub, &folder.arrivals(), false).await;
    process(&mut hub).await;

    // Everything is appended, nothing is confirmed: as far as the database knows, nothing was.
    let publisher = hub.publisher();
    publisher.prepare().await.unwrap();
    let mut appended = 0;
    for manifest in hub.connectors().iter() {
        for partition in 0..manifest.partitions() {
            let topic = crate::apply::engine::topic_of(manifest.name());
            let key = crate::store::positions::PartitionKey { topic, partition };
            let pass = publisher.append_orders(&key).await.unwrap();
            appended += pass.map_or(0, |pass| pass.events);
        }
    }
    for topic in OTHERS {
        assert!(publisher.append_others(topic).await.unwrap().is_some(), "{topic}");
    }
    drop(publisher);
    let mut first = BTreeMap::new();
    for (topic, ids) in everything(&hub).await {
        first.insert(topic, ids);
    }
    assert!(appended > 1000, "{appended} events");

    seal(&mut hub).await;
    let published = hub.publish_until_idle().await.unwrap();
    assert!(published[ORDERS] >= appended, "the crash lost {appended} events' cursor");
    let seen = orders(&hub).await;
    assert_oracle(&seen, &folder);
    for (topic, ids) in everything(&hub).await {
        if topic != ORDERS {
            assert_eq!(first[topic], ids, "{topic}: only repeats");
        }
    }
    assert!(ids(&seen).is_superset(&first[ORDERS]));
    assert!(hub.publish_until_idle().await.unwrap().is_empty());
    hub.close().await.unwrap();
}

#[tokio::test]
async fn joined_segments_and_short_passes_publish_everything_once() {
    let folder = Folder::generated(1800, 23);
    let files = folder.arrivals();
    let apply = ApplySettings {
        batch_bytes_max: 48 << 10,
        merge_segments_min: 2,
        early_segments_done_min: 2,
        ..ApplySettings::default()
    };
    let limits = Limits { pass_events_max: 300, append_records_max: 70, ..Limits::default() };
    let mut hub = folder.hub("early", apply, limits).await;
    let (mut joined, mut waiting_joined) = (0, 0);
    for (number, file) in files.iter().enumerate() {
        take_in(&hub, std::slice::from_ref(file), false).await;
        process(&mut hub).await;
        joined += rows(&hub, "s.kind in ('base', 'delta') and batch < batch_last").await.1;
        if number % 60 == 45 {
            let beyond = "batch < batch_last and batch > coalesce((select c.batch \
                          from publish_cursor c where c.topic = s.topic \
                            and c.partition = s.partition), 0)";
            waiting_joined += rows(&hub, beyond).await.0;
            hub.publish_until_idle().await.unwrap();
        }
    }
    assert!(joined > 0 && waiting_joined > 0, "{joined} joined, {waiting_joined} unpublished");
    seal(&mut hub).await;
    hub.publish_until_idle().await.unwrap();
    let seen = orders(&hub).await;
    assert_oracle(&seen, &folder);

    // Against a hub that never joined and published in one go: no event came more often.
    copy_keys(&folder, "plain");
    let mut plain = folder.usual("plain").await;
    take_in(&plain, &files, false).await;
    process(&mut plain).await;
    plain.publish_until_idle().await.unwrap();
    seal(&mut plain).await;
    plain.publish_until_idle().await.unwrap();
    let expected = orders(&plain).await;
    // Whether a number of two days is found out at once, or published and withdrawn, hangs on
    // whether its first day was still in memory.
    let (found, usual) = (repeats(&seen), repeats(&expected));
    let differs = |(id, times): &(&&str, &usize)| usual.get(**id) != Some(*times);
    let other: Vec<_> = found.iter().filter(differs).take(5).collect();
    assert!(other.is_empty() && found.len() == usual.len(), "came more often: {other:?}");
    hub.close().await.unwrap();
    plain.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_publishes_beside_processing_is_everything() {
    let folder = Folder::generated(2500, 25);
    let apply = ApplySettings {
        batch_bytes_max: 24 << 10,
        merge_segments_min: 2,
        early_segments_done_min: 2,
        lease_ms: 3_600_000,
        ..ApplySettings::default()
    };
    let limits = Limits { pass_events_max: 300, append_records_max: 70, ..Limits::default() };
    let mut hub = folder.hub("early", apply, limits).await;
    let told = watch::Sender::new(false);
    let (mut publishing, stopped) = (hub.publishing(), told.subscribe());
    let beside = tokio::spawn(async move {
        let (mut sweeps, mut events) = (0, 0);
        while !*stopped.borrow() {
            let swept = publishing.sweep(&stopped).await.unwrap();
            (sweeps, events) = (sweeps + u64::from(swept > 0), events + swept);
            tokio::task::yield_now().await;
        }
        (publishing, sweeps, events)
    });
    for file in folder.arrivals() {
        take_in(&hub, &[file], false).await;
        process(&mut hub).await;
    }
    told.send_replace(true);
    let (mut publishing, sweeps, events) = beside.await.unwrap();
    assert!(sweeps > 1 && events > 0, "{sweeps} sweeps published {events} events");

    // Whoever is told to stop begins no pass; whoever is not the one that publishes neither.
    seal(&mut hub).await;
    assert_eq!(publishing.sweep(&told.subscribe()).await.unwrap(), 0);
    let other = folder.hub("early", apply, limits).await;
    let goes_on = watch::Sender::new(false);
    assert_eq!(other.publishing().sweep(&goes_on.subscribe()).await.unwrap(), 0);
    assert!(publishing.sweep(&goes_on.subscribe()).await.unwrap() > 0);
    hub.publish_until_idle().await.unwrap();
    assert_oracle(&orders(&hub).await, &folder);
    other.close().await.unwrap();
    hub.close().await.unwrap();
}

#[tokio::test]
async fn roster_events_name_nobody_and_are_as_many_as_riders() {
    let folder = Folder::generated(2000, 24);
    let files = folder.arrivals();
    let mut hub = folder.usual("early").await;
    take_in(&hub, &files, false).await;
    process(&mut hub).await;
    hub.publish_until_idle().await.unwrap();
    let enrolled: Vec<Consumed> = consume(&hub, "events.enrolments").await;
    assert_eq!(enrolled.len(), applied(&folder.files()).enrolled);

    let mut clear = BTreeSet::new();
    for file in files.iter().filter(|file| file.feed.as_str() == "roster") {
        for line in std::fs::read_to_string(&file.path).unwrap().lines() {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            for field in ["rider", "name", "id_no"] {
                // Two characters may stand in any binary text by chance.
                let text = value[field].as_str().unwrap_or_default();
                clear.extend((text.len() > 4).then(|| text.to_owned()));
            }
        }
    }
    assert!(clear.len() > 100, "{} clear texts: too few to tell", clear.len());
    for topic in [ORDERS].into_iter().chain(OTHERS) {
        for record in consume(&hub, topic).await {
            let bytes = String::from_utf8_lossy(&record.bytes).into_owned();
            let words = bytes.split(|c: char| !c.is_alphanumeric());
            let found = words.filter(|word| clear.contains(*word)).count();
            assert_eq!(found, 0, "{topic}: clear identity in {bytes:?}");
        }
    }
    hub.close().await.unwrap();
}

#[test]
fn a_database_that_is_away_while_events_are_published_is_asked_again() {
    let away = |error| HubError::from(CanonicalError::Store(StoreError::Sql(error)));
    assert!(away(sqlx::Error::PoolTimedOut).is_passing());
    assert!(!away(sqlx::Error::RowNotFound).is_passing());
}
