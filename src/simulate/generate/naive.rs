//! A naive hub: reads the files of a run back, platform by platform, and merges in maps. It shares
//! no code with the generator, and must find the generator's truth.

mod formats;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use self::formats::{Clock, DAILY, FORMATS, Format};
use super::GenerateOptions;
use super::tests::{Folder, arrivals, options, run, sum_of};
use crate::domain::time::{Day, Moment};

const HOUR_MS: i64 = 3_600_000;

/// What one record says of an order.
struct Said {
    id: String,
    kind: char,
    worker: Option<String>,
    accepted: Option<i64>,
    at: i64,
    county: Option<u32>,
    unit_ms: i64,
}

fn text_at(value: &Value, path: &str) -> Option<String> {
    let mut at = value;
    for name in path.split('.') {
        at = &at[name];
    }
    let text = at.as_str().map_or_else(|| at.as_i64().map(|n| n.to_string()), |t| Some(t.into()));
    text.filter(|text| !text.is_empty())
}

/// `Err` where the text is no time that can be.
fn time(text: &str, clock: Clock) -> Result<i64, ()> {
    let ms = match clock {
        Clock::Ms => text.parse::<i64>().expect("a number"),
        Clock::Seconds => text.parse::<i64>().expect("a number") * 1000,
        Clock::Text => {
            let mut iso = text.replace('/', "-").replace(' ', "T");
            if iso.len() == 14 {
                for (at, mark) in [(4, '-'), (7, '-'), (10, 'T'), (13, ':'), (16, ':')] {
                    iso.insert(at, mark);
                }
            }
            if !iso.ends_with("+08:00") {
                iso.push_str("+08:00");
            }
            match iso.parse::<jiff::Timestamp>() {
                Ok(time) => time.as_millisecond(),
                Err(_) => return Err(()),
            }
        }
    };
    // 2000-01-01
    if ms < 946_656_000_000 { Err(()) } else { Ok(ms) }
}

impl Format {
    /// `Ok(None)` is ignored, `Err` cannot be used.
    fn read(&self, value: &Value) -> Result<Option<Said>, ()> {
        let code = text_at(value, self.code.0);
        let status = text_at(value, self.status.0).ok_or(())?;
        let kind = self.status.1.iter().find(|row| row.0 == status).map(|row| row.1);
        if code.as_deref() != Some(self.code.1) {
            return Err(());
        }
        let kind = kind.ok_or(())?;
        if kind == '-' {
            return Ok(None);
        }
        let accepted = text_at(value, self.accepted).map(|text| time(&text, self.clock));
        let at = self.at.iter().find_map(|path| text_at(value, path)).ok_or(())?;
        let county = self.county.iter().find_map(|path| text_at(value, path));
        Ok(Some(Said {
            id: text_at(value, self.id).ok_or(())?,
            kind,
            worker: text_at(value, self.worker).filter(|worker| worker != "0"),
            accepted: accepted.transpose()?,
            at: time(&at, self.clock)?,
            county: county.and_then(|code| code.parse().ok()),
            unit_ms: self.unit_ms,
        }))
    }
}

/// The records of a file: each as its own bytes and as an object, where it is one.
fn records(path: &Path, gb18030: bool) -> Vec<(Vec<u8>, Option<Value>)> {
    let bytes = fs::read(path).expect("a file");
    if path.extension().is_some_and(|ending| ending == "avro") {
        let reader = apache_avro::Reader::new(&bytes[..]).expect("an Avro file");
        return reader
            .map(|datum| {
                let value = Value::try_from(datum.expect("a datum")).expect("plain values");
                (value.to_string().into_bytes(), Some(value))
            })
            .collect();
    }
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    if path.extension().is_some_and(|ending| ending == "ndjson") {
        return lines.map(|line| (line.to_vec(), serde_json::from_slice(line).ok())).collect();
    }
    let decode = |line: &[u8]| {
        if !gb18030 {
            return Some(std::str::from_utf8(line).expect("UTF-8").to_owned());
        }
        let (text, _, bad) = encoding_rs::GB18030.decode(line);
        (!bad).then(|| text.into_owned())
    };
    let mut lines = lines.map(|line| (line.to_vec(), decode(line)));
    let header = lines.next().and_then(|row| row.1).expect("a header");
    let rows = lines.map(|(line, text)| {
        let value = text.map(|text| {
            let cells = header.split(',').zip(text.split(','));
            cells.map(|(name, cell)| (name, Value::from(cell.trim_matches('"')))).collect()
        });
        (line, value)
    });
    rows.collect()
}

const APPLIED: usize = 0;
const DUPLICATE: usize = 1;
const HELD: usize = 2;
const IGNORED: usize = 3;

/// What the naive hub knows of one platform.
#[derive(Default)]
struct Hub {
    orders: HashMap<String, Vec<Said>>,
    held: HashSet<Vec<u8>>,
    persons: HashMap<String, String>,
    ends: [u64; 4],
}

impl Hub {
    fn hold(&mut self, bytes: &[u8]) -> usize {
        if self.held.insert(bytes.to_vec()) { HELD } else { DUPLICATE }
    }

    fn take(&mut self, counties: &HashSet<u32>, bytes: &[u8], said: Said, received: i64) -> usize {
        if !usable(&said, counties, received) {
            return self.hold(bytes);
        }
        let before = self.orders.entry(said.id.clone()).or_default();
        if contradicts(before, &said, received) {
            return self.hold(bytes);
        }
        let absent = said.worker.is_none();
        let same = |old: &Said| absent || old.worker.is_none() || old.worker == said.worker;
        if before.iter().any(|old| old.kind == said.kind && same(old)) {
            return DUPLICATE;
        }
        before.push(said);
        APPLIED
    }

    fn enrol(&mut self, bytes: &[u8], value: &Value) -> usize {
        let (rider, person) = (text_at(value, "rider"), text_at(value, "id_no"));
        let (rider, person) = (rider.expect("a rider"), person.expect("a person"));
        match self.persons.get(&rider) {
            None => {
                self.persons.insert(rider, person);
                APPLIED
            }
            Some(before) if *before == person => DUPLICATE,
            Some(_) => self.hold(bytes),
        }
    }

    /// The end of the run: completions that never found an acceptance are held.
    fn settle(&mut self) {
        for events in self.orders.values() {
            let only = events.iter().all(|said| said.kind == 'c' && said.accepted.is_none());
            if only && !events.is_empty() {
                self.ends[APPLIED] -= 1;
                self.ends[HELD] += 1;
            }
        }
    }
}

fn usable(said: &Said, counties: &HashSet<u32>, received: i64) -> bool {
    let late = [Some(said.at), said.accepted].into_iter().flatten().max();
    let place = match (said.accepted, said.county) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(code)) => code / 10_000 != 15 || counties.contains(&code),
    };
    said.id.len() <= 64 && late <= Some(received + 300_000) && place
}

/// Whether the record contradicts what is known; one that does comes at least three hours before
/// or after the order's day is sealed, so that the reason is never in doubt.
fn contradicts(before: &[Said], said: &Said, received: i64) -> bool {
    let Some(accepted) = said.accepted else { return false };
    let Some(first) = before.iter().filter_map(|old| old.accepted).min() else { return false };
    let other = |old: &Said| old.worker.is_some() && old.worker != said.worker;
    let differs = |old: &Said| {
        let unit_ms = old.unit_ms.max(said.unit_ms);
        old.accepted.map(|ms| ms / unit_ms) != Some(accepted / unit_ms) || old.county != said.county
    };
    let same_rider = before.iter().filter(|old| old.accepted.is_some() && !other(old));
    let too_late = before.iter().any(other) && (accepted - first).abs() > 24 * HOUR_MS;
    let found = same_rider.into_iter().any(differs) || too_late;
    if found {
        let sealed = Moment::from_ms(first).day().end().ms() + 48 * HOUR_MS;
        let margin = (received - sealed).abs();
        assert!(margin >= 3 * HOUR_MS - 120_000, "{}: {margin} ms from sealing", said.id);
    }
    found
}

/// The counted place and day of an order.
fn counted(events: &[Said], counties: &HashSet<u32>) -> Option<(String, u32)> {
    let takes = events.iter().filter(|said| said.accepted.is_some());
    let first = takes.min_by_key(|said| said.accepted)?;
    let accepted = first.accepted?;
    let void = events.iter().any(|said| said.kind == 'v');
    let before = events.iter().any(|said| said.kind == 'x' && said.at < accepted);
    let county = first.county.filter(|code| counties.contains(code))?;
    // 2026-07-01T00:00+08:00
    if void || before || accepted < 1_782_835_200_000 {
        return None;
    }
    Some((Moment::from_ms(accepted).day().to_string(), county))
}

/// Reads all files of the connector; `backwards` within each file, which must change nothing.
fn read_back(folder: &Path, format: &Format, counties: &HashSet<u32>, backwards: bool) -> Hub {
    let mut hub = Hub::default();
    let arrivals = arrivals(folder);
    for (path, _, feed, received) in arrivals.iter().filter(|row| row.1 == format.connector) {
        let gb18030 = format.connector == "shansong" && feed == "orders";
        let mut records = records(path, gb18030);
        if backwards {
            records.reverse();
        }
        let format = if feed == "daily" { &DAILY } else { format };
        for (bytes, value) in records {
            let end = match value {
                None => hub.hold(&bytes),
                Some(value) if feed == "roster" => hub.enrol(&bytes, &value),
                Some(value) => match format.read(&value) {
                    Ok(None) => IGNORED,
                    Ok(Some(said)) => hub.take(counties, &bytes, said, *received),
                    Err(()) => hub.hold(&bytes),
                },
            };
            hub.ends[end] += 1;
        }
    }
    hub.settle();
    hub
}

fn check_platform(truth: &Value, format: &Format, hub: &Hub, counties: &HashSet<u32>) {
    let told = &truth["messages_by_connector"][format.connector];
    let told = ["applied", "duplicate", "held", "ignored"].map(|end| told[end].as_u64());
    assert_eq!(told, hub.ends.map(Some), "{}: ends of messages", format.connector);
    let mut counts: HashMap<(String, String), i64> = HashMap::new();
    for (day, county) in hub.orders.values().filter_map(|events| counted(events, counties)) {
        *counts.entry((day, county.to_string())).or_default() += 1;
    }
    let told = truth["counts"][format.connector][format.line].as_object().expect("counts");
    for (day, by_county) in told {
        for (county, orders) in by_county.as_object().expect("counties") {
            let found = counts.remove(&(day.clone(), county.clone()));
            assert_eq!(found, orders.as_i64(), "{} {day} {county}", format.connector);
        }
    }
    assert_eq!(counts, HashMap::new(), "{}: counted, but not in the truth", format.connector);
}

/// A rider's person, or the rider where the roster has none.
fn person(hub: &Hub, connector: &str, rider: &str) -> String {
    hub.persons.get(rider).cloned().unwrap_or_else(|| format!("{connector}/{rider}"))
}

fn check_persons(truth: &Value, hubs: &[(&Format, Hub)], counties: &HashSet<u32>) {
    let unit_of: HashMap<&str, &str> = include_str!("regions.csv")
        .lines()
        .skip(1)
        .map(|row| (&row[..6], row.split(',').nth(2).expect("a unit")))
        .collect();
    let mut platform_days = BTreeSet::new();
    let mut in_unit = BTreeSet::new();
    for (format, hub) in hubs {
        for events in hub.orders.values() {
            let Some((day, county)) = counted(events, counties) else { continue };
            for rider in events
                .iter()
                .filter(|said| said.accepted.is_some())
                .filter_map(|s| s.worker.as_ref())
            {
                let person = person(hub, format.connector, rider);
                let unit = unit_of[county.to_string().as_str()];
                in_unit.insert((day[..7].to_owned(), unit, person.clone()));
                platform_days.insert((format.connector, person, day.clone()));
            }
        }
    }
    let told = &truth["persons"];
    assert_eq!(told["platform_days"], platform_days.len());
    assert_eq!(sum_of(&told["by_unit_month"]), i64::try_from(in_unit.len()).expect("fits"));
    let in_region: BTreeSet<(&String, &String)> =
        in_unit.iter().map(|(month, _, person)| (month, person)).collect();
    assert_eq!(sum_of(&told["region_month"]), i64::try_from(in_region.len()).expect("fits"));
}

fn check_evidence(truth: &Value, folder: &Folder, hubs: &[(&Format, Hub)]) {
    let mut cases = 0;
    for (path, ..) in folder.arrivals().into_iter().filter(|row| row.2 == "filings") {
        for (_, filing) in records(&path, false) {
            let filing = filing.expect("JSON");
            let Some(injured) = text_at(&filing, "id_no") else { continue };
            let accident = time(&text_at(&filing, "accident_at").expect("a time"), Clock::Text);
            let accident = accident.expect("a time that can be");
            let window = accident - 12 * HOUR_MS..=accident + HOUR_MS;
            let mut found = BTreeSet::new();
            for (format, hub) in hubs {
                for (id, events) in &hub.orders {
                    let his = |said: &&Said| {
                        let rider = said.worker.as_ref().map(|rider| person(hub, "", rider));
                        rider.as_ref() == Some(&injured)
                    };
                    let void = events.iter().any(|said| said.kind == 'v');
                    let near = |said: &Said| said.accepted.is_some_and(|ms| window.contains(&ms));
                    if !void && events.iter().filter(his).any(near) {
                        found.insert(format!("{}/{id}", format.connector));
                    }
                }
            }
            let case = text_at(&filing, "case").expect("a case");
            let told = truth["evidence"][&case]["orders"].as_array().expect("orders");
            let told: BTreeSet<String> =
                told.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            assert_eq!(told, found, "{case}");
            cases += 1;
        }
    }
    assert_eq!(cases, truth["cases"].as_object().expect("cases").len());
}

fn counties() -> HashSet<u32> {
    let table = include_str!("regions.csv").lines().skip(1);
    table.map(|row| row[..6].parse().expect("six digits first")).collect()
}

/// What a run's files come to, for tests of others.
#[derive(Default)]
pub(crate) struct Applied {
    /// Applied events by platform, order number and kind: one for each rider.
    pub(crate) orders: BTreeMap<(String, String, &'static str), usize>,
    /// Riders that were enrolled.
    pub(crate) enrolled: usize,
}

/// What a run's files come to: all that is applied once every day is sealed.
pub(crate) fn applied(folder: &Path) -> Applied {
    let (counties, mut applied) = (counties(), Applied::default());
    for format in &FORMATS {
        let hub = read_back(folder, format, &counties, false);
        applied.enrolled += hub.persons.len();
        let stands = |events: &&Vec<Said>| {
            events.iter().any(|said| said.kind != 'c' || said.accepted.is_some())
        };
        for said in hub.orders.values().filter(stands).flatten() {
            let kind = match said.kind {
                'a' => "accepted",
                'c' => "completed",
                'x' => "cancelled",
                _ => "void",
            };
            let key = (format.connector.to_owned(), said.id.clone(), kind);
            *applied.orders.entry(key).or_default() += 1;
        }
    }
    applied
}

fn check(name: &str, options: &GenerateOptions) {
    let folder = Folder::new(name);
    run(options, &folder);
    let truth = folder.truth();
    let counties = counties();
    for backwards in [false, true] {
        let mut hubs = Vec::new();
        for format in &FORMATS {
            let hub = read_back(&folder.0, format, &counties, backwards);
            check_platform(&truth, format, &hub, &counties);
            hubs.push((format, hub));
        }
        check_persons(&truth, &hubs, &counties);
        check_evidence(&truth, &folder, &hubs);
    }
}

#[test]
fn a_naive_hub_finds_the_truth_of_the_first_days_in_any_order_within_a_file() {
    check("naive-start", &options(20_000, 11));
}

#[test]
fn a_naive_hub_finds_the_truth_of_the_end_of_a_month() {
    let from = Day::parse("2026-07-30").expect("a date");
    check("naive-month", &GenerateOptions { from, ..options(10_000, 12) });
}

#[test]
fn a_naive_hub_finds_the_truth_of_days_before_the_start() {
    let from = Day::parse("2026-06-29").expect("a date");
    check("naive-june", &GenerateOptions { from, ..options(10_000, 13) });
}
