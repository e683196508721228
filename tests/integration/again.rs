//! The messages of the eleven platforms once more: in another order, in files cut otherwise, and,
//! where a platform has a feed of another format, translated to it without the hub's code.

use std::collections::BTreeMap;
use std::path::Path;

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::hub::Arrival;

pub(crate) const PLATFORMS: [&str; 11] = [
    "caocao-chuxing",
    "didi-chuxing",
    "didi-huoyun",
    "eleme",
    "huolala",
    "jd-miaosong",
    "kuaigou-dache",
    "manbang-shengsheng",
    "meituan",
    "sf-tongcheng",
    "shansong",
];

/// Bodies of each feed's messages, by connector, feed and ending of the files.
type Feeds = BTreeMap<(String, String, String), Vec<Vec<u8>>>;

/// Held messages: connector and SHA-256 of the bytes.
pub(crate) type Held = Vec<(String, Vec<u8>)>;

/// Writes all messages of these files again, shuffled, each feed in its own format.
pub(crate) fn in_own_format(files: &[Arrival], random: &mut ChaCha8Rng) -> Feeds {
    let mut feeds = Feeds::new();
    for (of, bodies) in by_feed(files) {
        let bodies = match of.2.as_str() {
            "ndjson" => {
                let lines = bodies.iter().flat_map(|body| lines(body)).map(<[u8]>::to_vec);
                cut(None, lines.collect(), random)
            }
            "csv" => {
                let header = lines(&bodies[0]).next().unwrap().to_vec();
                let rows = bodies.iter().flat_map(|body| lines(body).skip(1)).map(<[u8]>::to_vec);
                cut(Some(&header), rows.collect(), random)
            }
            "avro" => {
                let mut whole = bodies;
                whole.shuffle(random);
                whole
            }
            ending => panic!("expected ndjson, csv or avro, found {ending}"),
        };
        feeds.insert(of, bodies);
    }
    feeds
}

/// Writes the messages again that come, or can come, as CSV: the feeds that are CSV, and the
/// stream of the platform that has a CSV feed beside its JSON one.
pub(crate) fn as_csv(files: &[Arrival], held: &Held, random: &mut ChaCha8Rng) -> Feeds {
    let mut feeds = in_own_format(files, random);
    feeds.retain(|(_, _, ending), _| ending == "csv");
    let streamed: Vec<_> =
        files.iter().filter(|file| file.connector == "eleme" && file.feed == "orders").collect();
    let bodies: Vec<_> = streamed.iter().map(|file| std::fs::read(&file.path).unwrap()).collect();
    let good = bodies.iter().flat_map(|body| lines(body));
    // What is held was never an order; translated, it would be another message.
    let good = good.filter(|line| !is_held(held, "eleme", line));
    let rows: Vec<_> = good.filter_map(daily_row).collect();
    assert!(!rows.is_empty(), "eleme streamed nothing");
    let of = ("eleme".to_owned(), "daily".to_owned(), "csv".to_owned());
    let own =
        cut(Some(b"source,order_no,rider,taken_at,finished_at,district,result"), rows, random);
    feeds.get_mut(&of).unwrap().extend(own);
    feeds
}

/// Writes bodies as files of a folder, all of them arriving at one time.
pub(crate) fn write(folder: &Path, feeds: &Feeds, received_at_ms: i64) -> Vec<Arrival> {
    std::fs::create_dir_all(folder).unwrap();
    let mut files = Vec::new();
    for ((connector, feed, ending), bodies) in feeds {
        for (number, body) in bodies.iter().enumerate() {
            let path = folder.join(format!("{connector}-{feed}-{number}.{ending}"));
            std::fs::write(&path, body).unwrap();
            let (connector, feed) = (connector.clone(), feed.clone());
            files.push(Arrival { path, connector, feed, received_at_ms });
        }
    }
    files
}

fn by_feed(files: &[Arrival]) -> Feeds {
    let mut feeds = Feeds::new();
    for file in files.iter().filter(|file| PLATFORMS.contains(&file.connector.as_str())) {
        let ending = file.path.extension().unwrap().to_str().unwrap().to_owned();
        let of = (file.connector.clone(), file.feed.clone(), ending);
        feeds.entry(of).or_default().push(std::fs::read(&file.path).unwrap());
    }
    feeds
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn is_held(held: &Held, connector: &str, line: &[u8]) -> bool {
    let own = Sha256::digest(line.trim_ascii_end());
    held.iter().any(|(of, digest)| of == connector && *digest == own.as_slice())
}

/// Shuffles the lines and cuts them into a few bodies. A line with a quote has a body of its own:
/// beside another one it might read as one record with it.
fn cut(header: Option<&[u8]>, mut lines: Vec<Vec<u8>>, random: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    lines.shuffle(random);
    let is_alone = |line: &Vec<u8>| header.is_some() && line.contains(&b'"');
    let (alone, mut rest): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_alone);
    let mut parts: Vec<Vec<Vec<u8>>> = alone.into_iter().map(|line| vec![line]).collect();
    while !rest.is_empty() {
        let most = rest.len().min(500);
        let part = random.random_range(1..=most);
        parts.push(rest.split_off(rest.len() - part));
    }
    let whole = |lines: Vec<Vec<u8>>| {
        let all = header.map(<[u8]>::to_vec).into_iter().chain(lines);
        all.flat_map(|line| [line, b"\n".to_vec()].concat()).collect()
    };
    parts.into_iter().map(whole).collect()
}

/// A message of 饿了么's stream as a row of its daily file; `None` for states that the file does
/// not have.
fn daily_row(line: &[u8]) -> Option<Vec<u8>> {
    let message: Value = serde_json::from_slice(line).unwrap();
    let (result, is_over) = match message["state"].as_str().unwrap() {
        "RIDER_TAKEN" => ("taken", false),
        "DELIVERED" => ("delivered", true),
        "CANCELLED" => ("cancelled", true),
        _ => return None,
    };
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let time = |name: &str| message[name].as_i64().map(local_time).unwrap_or_default();
    let finished_at = if is_over { time("event_at") } else { String::new() };
    let row = [
        text("source"),
        text("order_no"),
        text("rider"),
        time("taken_at"),
        finished_at,
        text("district"),
        result.to_owned(),
    ];
    Some(row.join(",").into_bytes())
}

/// Milliseconds since the epoch as the clock in Hohhot shows them, cut to the second.
fn local_time(ms: i64) -> String {
    let at = jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[test]
fn a_message_of_the_stream_becomes_a_row_of_the_file() {
    let line = br#"{"source":"ELEME","order_no":"f3e2","state":"DELIVERED","rider":"E3",
        "taken_at":1782841848076,"event_at":1782844012999,"district":"150207"}"#;
    // 1,782,841,848 s is 2026-06-30 17:50:48 in London's winter time, eight hours later here.
    let row = "ELEME,f3e2,E3,2026-07-01 01:50:48,2026-07-01 02:26:52,150207,delivered";
    assert_eq!(daily_row(line).unwrap(), row.as_bytes());
}
